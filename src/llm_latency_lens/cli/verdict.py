"""Where the answer of a gate goes: a table for people, JSON, Markdown, notes for a CI's page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TextIO, TypeVar

from .gating import Verdicts
from .output import prints_table, write_to

T_contra = TypeVar("T_contra", contravariant=True)


class Pages(Protocol[T_contra]):
    """How one kind of answer is shown: a module of `report`."""

    def text(self, found: T_contra, out: TextIO, /, *, color: bool) -> None: ...
    def markdown(self, found: T_contra, /) -> str: ...
    def remarks(self, found: T_contra, /) -> Iterable[str]: ...


def show(
    found: T_contra,
    pages: Pages[T_contra],
    encoded: bytes,
    verdicts: Verdicts,
    out: TextIO,
    *,
    color: bool,
) -> None:
    """Write an answer to wherever it is wanted; `encoded` is the same as JSON."""
    from ..report.json import document

    if prints_table(verdicts.output, verdicts.markdown):
        pages.text(found, out, color=color)
    if verdicts.output is not None:
        write_to(verdicts.output, out, lambda file: document(encoded, file))
    if verdicts.markdown is not None:
        write_to(verdicts.markdown, out, lambda file: file.write(pages.markdown(found)))
    if verdicts.annotations:
        out.writelines(f"{line}\n" for line in pages.remarks(found))
