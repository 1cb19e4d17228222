"""Data inside the page: what its charts draw, and what its buttons give."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from markupsafe import Markup

from ...metrics import schema
from ...metrics.columns import UNKNOWN
from ...metrics.portraits import Portrait
from ...metrics.shapes import Shapes
from .tables import without_texts

MOST_REQUESTS = 10_000
"""Lines of the table of requests, of all runs together: more would make the page slow to open."""
_HEAD = ("run", "index", "start_s", "status", "ttft_ms", "e2e_ms", "events", "output_tokens")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def island(value: Any) -> Markup:
    """JSON that cannot end the element that holds it, whatever its strings say."""
    text = msgspec.json.encode(value).decode()
    # Outside of strings none of the three is part of JSON.
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704


def results(portraits: Sequence[Portrait], *, keep_text: bool) -> str:
    """The results as JSON lines, one a run, as `--output` writes each."""
    lines = []
    for one in portraits:
        config = without_texts(one.result.config, keep_text=keep_text)
        lines.append(schema.encode(msgspec.structs.replace(one.result, config=config)).decode())
    return "\n".join(lines) + "\n"


def requests(names: Sequence[str], shapes: Sequence[Shapes]) -> tuple[str, int, int]:
    """A table of the requests as CSV, how many are in it, and of how many."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEAD)
    written = total = 0
    for name, shape in zip(names, shapes, strict=True):
        total += shape.count
        for row in _rows(shape, MOST_REQUESTS // len(names)):
            writer.writerow([harmless(name), *row])
            written += 1
    return out.getvalue(), written, total


def harmless(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(_FORMULA) else name


def _rows(shape: Shapes, most: int) -> Iterator[list[object]]:
    columns, causes = shape.requests(most)
    lists = {name: column.tolist() for name, column in columns.items()}
    for index, start, ttft, e2e, events, tokens, cause in zip(*lists.values(), strict=True):
        yield [
            index,
            "" if start == UNKNOWN else round((start - shape.origin_ns) / 1e9, 6),
            causes[cause],
            _ms(ttft),
            _ms(e2e),
            events,
            "" if tokens == UNKNOWN else tokens,
        ]


def _ms(length_ns: int) -> object:
    return "" if length_ns == UNKNOWN else round(length_ns / 1e6, 4)
