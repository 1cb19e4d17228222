"""The settings of `export`."""

from __future__ import annotations

from dataclasses import dataclass

from ..sinks import FORMATS
from ..sinks.address import is_url
from .kinds import Kind, choice, text
from .options import Outputs, Screen
from .settings import again, setting


def destination() -> Kind:
    """A format, or a URL."""
    formats = choice(*FORMATS)

    def read(value: object) -> str:
        if isinstance(value, str) and is_url(value):
            return value
        found: str = formats.read(value)
        return found

    return Kind("FORMAT|URL", read, {"type": "string", "minLength": 1})


@dataclass(frozen=True, slots=True)
class Exporting:
    """What comes out."""

    to: str | None = setting(
        destination(),
        None,
        f"The format ({', '.join(FORMATS)}), or a URL to send the requests to, as --stream-to.",
    )
    output: str = setting(text("FILE"), "-", "Where to write it; - prints it.", shown_default="-")
    keep_text: bool = again(Outputs, "keep_text")
    tokenizer: str | None = again(Outputs, "tokenizer")


@dataclass(frozen=True, slots=True)
class Logging:
    """What is shown."""

    log_level: str = again(Screen, "log_level")
    config: str | None = again(Screen, "config")
