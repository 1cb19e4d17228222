"""The settings of `run`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .kinds import texts
from .options import Keeping, Outputs, Screen
from .options import Paying as AnyPaying
from .settings import again, setting

# A program's argument may be empty.
_ARGUMENTS = replace(
    texts(),
    read=lambda value: tuple(value) if isinstance(value, list | tuple) else (str(value),),
)


@dataclass(frozen=True, slots=True)
class Program:
    """What to run."""

    words: tuple[str, ...] = setting(
        _ARGUMENTS,
        (),
        "The program and its arguments, behind --.",
        argument="-- PROGRAM [ARGUMENT...]",
        words=True,
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept."""

    run_dir: str | None = again(Keeping, "run_dir")
    raw: str = again(Keeping, "raw")
    name: str | None = again(Keeping, "name")


@dataclass(frozen=True, slots=True)
class Paying:
    """What it costs."""

    prices: str | None = again(AnyPaying, "prices")


@dataclass(frozen=True, slots=True)
class Written:
    """What comes out."""

    output: str | None = again(Outputs, "output")
    records: str | None = again(Outputs, "records")
    keep_text: bool = again(Outputs, "keep_text")

    @property
    def outputs(self) -> Outputs:
        """The same, for what writes it."""
        return Outputs(output=self.output, records=self.records, keep_text=self.keep_text)

    def __post_init__(self) -> None:
        _ = self.outputs  # whose check is ours too


GROUPS: dict[str, tuple[type, ...]] = {"run": (Program, Kept, Paying, Written, Screen)}
