"""A sheet to print on: how wide it is, whether it shows colours, which characters it knows.

What servers say is printed too; whatever could steer a terminal is taken out of it here.
"""

from __future__ import annotations

import os
import unicodedata
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDEST = 100

_ASCII = str.maketrans(
    {
        "–": "-", "—": "-", "·": "-", "…": "...", "±": "+-", "≥": ">=", "≤": "<=", "×": "x",
        "─": "-", "│": "|", "✓": "+", "✗": "x", "▲": "!", "•": "*", "→": "->",
        "█": "#", "▉": "#", "▊": "#", "▋": "#", "▌": "=", "▍": "=", "▎": "-", "▏": "|",
        "▁": "_", "▂": ".", "▃": "-", "▄": "=", "▅": "+", "▆": "*", "▇": "%",
    }
)  # fmt: skip

Part = str | tuple[str, str]
"""Text, or text with a style."""


class _Console(Console):
    """Leaves it to the caller what a reader that went away means."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704  (rich calls this while it handles the exception)


class Page:
    """Lines of text on `out`, at most `width` columns; colours where `out` is a terminal that
    shows them and nobody asked for none."""

    def __init__(self, out: TextIO, *, color: bool = True) -> None:
        self._console = _Console(
            file=out,
            no_color=None if color else True,
            force_terminal=None if color else False,
            highlight=False,
            emoji=False,
            markup=False,
            force_jupyter=False,  # in a notebook rich would show it, and leave `out` empty
        )
        self._encoding = out.encoding or "utf-8"
        self.unicode = self._encoding.lower().replace("-", "").startswith("utf")
        self.terminal = self._console.is_terminal
        known = self.terminal or "COLUMNS" in os.environ
        self.width = min(self._console.width, WIDEST) if known else WIDEST
        self.width_of_tables = self._console.width if known else 10_000
        """A table that no terminal bounds is as wide as it likes."""

    def line(self, *parts: Part) -> None:
        """Print one line; nothing in it is taken for markup, and it is never wrapped."""
        text = Text()
        for part in parts:
            words, style = (part, "") if isinstance(part, str) else part
            text.append(self.plain(words), style)
        text.rstrip()
        self._console.print(text, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Print a table, at most `width_of_tables` columns."""
        self._console.width = self.width_of_tables
        self._console.print(table)

    def paragraph(self, first: Part, words: str, *, indent: int, style: str = "") -> None:
        """`first` in a column of `indent`, then words that wrap beside it."""
        head = first if isinstance(first, tuple) else (first, "")
        lines = wrap(self.plain(words), self.width - indent)
        for number, row in enumerate(lines):
            label = (head[0].ljust(indent), head[1]) if number == 0 else " " * indent
            self.line(label, (row, style))

    def plain(self, text: str) -> str:
        """The text as it can be printed here: no control characters, none that is unknown."""
        safe = harmless(text)
        if self.unicode:
            return safe
        return safe.translate(_ASCII).encode(self._encoding, "replace").decode(self._encoding)


def harmless(text: str) -> str:
    """The text with a question mark for each character that steers terminals or reorders lines."""
    return "".join(char if _harmless(char) else "?" for char in text)


def wrap(text: str, width: int) -> list[str]:
    """Break at spaces; a word longer than a line is cut."""
    lines = [""]
    pieces = (word[i : i + width] for word in text.split() for i in range(0, len(word), width))
    for piece in pieces:
        if lines[-1] and len(lines[-1]) + 1 + len(piece) <= width:
            lines[-1] += f" {piece}"
        else:
            lines.append(piece)
    return [line for line in lines if line]


def _harmless(char: str) -> bool:
    # Cc steers terminals, Cf reorders text, Cs cannot be encoded, Zl and Zp end lines.
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
