"""The settings of `bench`."""

from __future__ import annotations

from dataclasses import dataclass

from .gating import Gating
from .kinds import text, texts
from .options import Keeping, Outputs
from .settings import again, setting


@dataclass(frozen=True, slots=True)
class Benched:
    """What to run."""

    suite: str | None = setting(
        text("FILE"), None, "The suite: a TOML or YAML file of cases.", argument="SUITE"
    )
    tag: tuple[str, ...] = setting(
        texts(), (), "Only cases with this tag, or one of several; may be repeated."
    )
    allow_invalid: bool = again(Gating, "allow_invalid")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept and passed on."""

    run_dir: str | None = again(Keeping, "run_dir")
    raw: str = again(Keeping, "raw")
    stream_to: tuple[str, ...] = again(Keeping, "stream_to")


@dataclass(frozen=True, slots=True)
class Results:
    """What comes out."""

    output: str | None = setting(
        text("FILE"), None, "The report as JSON; - prints it in place of the table."
    )
    tokenizer: str | None = again(Outputs, "tokenizer")
