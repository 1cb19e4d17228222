"""The settings of `export`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..sinks import FORMATS
from .kinds import choice, text
from .options import Outputs, Screen
from .settings import again, setting


@dataclass(frozen=True, slots=True)
class Exporting:
    """What comes out."""

    to: str | None = setting(
        replace(choice(*FORMATS), metavar="FORMAT"), None, f"The format: {', '.join(FORMATS)}."
    )
    output: str = setting(text("FILE"), "-", "Where to write it; - prints it.", shown_default="-")
    keep_text: bool = again(Outputs, "keep_text")
    tokenizer: str | None = again(Outputs, "tokenizer")


@dataclass(frozen=True, slots=True)
class Logging:
    """What is shown."""

    log_level: str = again(Screen, "log_level")
    config: str | None = again(Screen, "config")
