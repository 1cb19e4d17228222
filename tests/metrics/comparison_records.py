"""Records of several candidates, asked in blocks, for the tests of comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Any

from metrics_records import answer, context

from llm_latency_lens.metrics.comparing import compare_records
from llm_latency_lens.metrics.comparison import Comparison
from llm_latency_lens.metrics.context import Context
from llm_latency_lens.record import EventKind, Record

Make = Callable[[int], Record]
"""The answer to the request of a block."""


def candidate(
    ttft_ms: float,
    *,
    gap_ms: float = 20.0,
    spread: float = 0.2,
    events: int = 16,
    chars: int = 4,
    tokens_per_event: int = 1,
    cost: str | None = None,
    seed: int = 1,
) -> Make:
    """Answers with lognormal times; blocks share half of the spread."""

    def make(block: int) -> Record:
        common, own = Random(f"block {block}"), Random(f"{seed} {block}")
        drift = common.lognormvariate(0, spread / 2)
        gaps = [gap_ms * own.lognormvariate(0, spread) for _ in range(events - 1)]
        record = answer(
            start_ms=100.0 * block,
            ttft_ms=ttft_ms * drift * own.lognormvariate(0, spread / 2),
            gaps_ms=gaps,
            tokens=events * tokens_per_event,
        )
        record.events.chars[:] = type(record.events.chars)("q", [chars] * events)
        record.events.kind[:] = [EventKind.TEXT] * events
        if cost is not None:
            record.cost_usd, record.cost_source = Decimal(cost), "a test"
        return record

    return make


def asked(candidates: Mapping[str, Make], blocks: int) -> list[Record]:
    """One request of each candidate in each block, backwards, as they may well come."""
    records = []
    for block in range(blocks):
        for place, (name, make) in enumerate(candidates.items()):
            record = make(block)
            record.arm = name
            record.index = block * len(candidates) + place
            record.id = f"r{record.index}"
            records.append(record)
    return records[::-1]


def compared_context(names: list[str], requests: int, **fields: Any) -> Context:
    arms = {
        name: {"provider": "openai", "model": f"model-{name}", "base_url": "https://h/v1"}
        for name in names
    }
    config = {"arms": arms, "requests": requests, "prompts": 3, "provider": None}
    known = {"config": config, "planned": requests * len(names), "concurrency": 1}
    return context(**{**known, **fields})


def compared(candidates: Mapping[str, Make], blocks: int = 40, **fields: Any) -> Comparison:
    given = compared_context(list(candidates), blocks, **fields)
    return compare_records(iter(asked(candidates, blocks)), given)
