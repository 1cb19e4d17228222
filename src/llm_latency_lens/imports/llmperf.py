"""LLMPerf: `*_individual_responses.json`, a list of requests, and `*_summary.json` beside it.

Of a request it keeps TTFT, the whole time and a mean that has the TTFT in it: no gaps, no start.
The summary says when the run ended and how long it took.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..errors import UsageError
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

TOOL = "LLMPerf"
REQUESTS, SUMMARY = "individual_responses.json", "summary.json"
_KEYS = {"ttft_s", "end_to_end_latency_s", "inter_token_latency_s"}


def knows(document: Any) -> bool:
    """Requests with the tool's own names of figures, or a summary of them."""
    if isinstance(document, list):
        return bool(document) and all(
            isinstance(one, dict) and one.keys() >= _KEYS for one in document
        )
    return isinstance(document, dict) and "results_ttft_s_mean" in document


def read(document: Any, beside: Beside) -> list[Foreign]:
    """The run of a pair of files."""
    if isinstance(document, dict):
        summary, requests = document, _beside(beside, REQUESTS)
        if requests is None:
            raise UsageError(
                "it is LLMPerf's summary, which holds no requests: its individual_responses.json"
                " is not beside it"
            )
    else:
        requests, summary = document, _beside(beside, SUMMARY) or {}
    model = name(summary.get("model"))
    window_s = _window_s(summary)
    ended_s = number(summary.get("timestamp"))
    started = None if ended_s is None else round((ended_s - (window_s or 0.0)) * SECOND_NS)
    return [
        Foreign(
            tool=TOOL,
            version=name(summary.get("version")),
            started_at_unix_ns=started,
            window_s=window_s or 0.0,
            model=model,
            stream=True,
            concurrency=count(summary.get("num_concurrent_requests")),
            records=list(_records(requests, model)),
            notes=["gaps between tokens, the last token and the requests' starts are not in it"],
        )
    ]


def _beside(beside: Beside, ending: str) -> Any:
    data = beside(f"*_{ending}")
    return None if data is None else msgspec.json.decode(data)


def _window_s(summary: Mapping[str, Any]) -> float | None:
    """How long it took: completed requests over their rate, as the tool reckons it."""
    done = number(summary.get("results_num_completed_requests"))
    a_minute = number(summary.get("results_num_completed_requests_per_min"))
    return 60 * done / a_minute if done and a_minute else None


def _records(requests: list[Mapping[str, Any]], model: str | None) -> Iterator[Record]:
    for index, request in enumerate(requests):
        end_ns = nanoseconds(request["end_to_end_latency_s"])
        if request.get("error_code") is not None:
            record = failure(index, 0, end_ns or None, request["error_code"])
        else:
            first_ns = nanoseconds(request["ttft_s"]) or None  # 0 where no token came
            times = Times(start_ns=0, first_ns=first_ns, end_ns=end_ns)
            usage = Usage(
                count(request.get("number_input_tokens")),
                count(request.get("number_output_tokens")),
            )
            record = answer(index, times, usage)
        record.model = model or ""
        record.tokens_source = "tokenizer" if record.usage.output is not None else "events"
        yield record
