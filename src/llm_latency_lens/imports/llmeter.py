"""LLMeter: `responses.jsonl`, one line a request, and `summary.json` beside it.

Of a request it keeps the first and the last token: no gaps. It does not say which version wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..record import Record, Usage
from .foreign import (
    SECOND_NS,
    Beside,
    Foreign,
    Times,
    answer,
    count,
    failure,
    name,
    nanoseconds,
    number,
)

TOOL = "LLMeter"
LINES, SUMMARY = "responses.jsonl", "summary.json"
_KEYS = {"response_text", "time_to_first_token", "time_to_last_token", "num_tokens_output"}


def knows(document: Any) -> bool:
    """Lines with the tool's own names of figures."""
    lines = document if isinstance(document, list) else [document]
    return bool(lines) and all(isinstance(one, dict) and one.keys() >= _KEYS for one in lines)


def read(document: Any, beside: Beside) -> list[Foreign]:
    """The run of a folder of results."""
    lines = document if isinstance(document, list) else [document]
    data = beside(SUMMARY)
    found: Any = {} if data is None else msgspec.json.decode(data)
    summary: Mapping[str, Any] = found if isinstance(found, dict) else {}
    model = name(summary.get("model_id"))
    records = sorted(_records(lines, model), key=lambda record: record.start_unix_ns or 0)
    for index, record in enumerate(records):
        record.index, record.id = index, f"{index}"
    starts = [record.start_unix_ns for record in records if record.start_unix_ns is not None]
    window_s = number(summary.get("total_test_time"))
    return [
        Foreign(
            tool=TOOL,
            name=name(summary.get("run_name")) or "",
            started_at_unix_ns=min(starts, default=_moment(summary.get("start_time"))),
            window_s=0.0 if window_s is None else window_s,
            provider=name(summary.get("provider")),
            model=model,
            concurrency=count(summary.get("clients")),
            records=records,
            notes=[
                "gaps between tokens are not in it: only the first and the last token",
                "the starts of requests are whole seconds",
            ],
        )
    ]


def _records(lines: list[Mapping[str, Any]], model: str | None) -> Iterator[Record]:
    for index, line in enumerate(lines):
        unix_ns = _moment(line.get("request_time"))
        start_ns = unix_ns or 0
        if line.get("error") is not None:
            record = failure(index, start_ns, None, line["error"], start_unix_ns=unix_ns)
        else:
            last_ns = nanoseconds(line["time_to_last_token"])
            times = Times(
                start_ns=start_ns,
                first_ns=nanoseconds(line["time_to_first_token"]),
                last_ns=last_ns,
                end_ns=last_ns,  # its clock stops there
            )
            usage = Usage(
                input=count(line.get("num_tokens_input")),
                output=count(line["num_tokens_output"]),
                reasoning=count(line.get("num_tokens_output_reasoning")),
                cached_input=count(line.get("num_tokens_input_cached")),
            )
            record = answer(index, times, usage, start_unix_ns=unix_ns)
        record.model = model or ""
        yield record


def _moment(text: object) -> int | None:
    if not isinstance(text, str):
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * SECOND_NS)
