"""Results made by hand, to be printed."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from llm_latency_lens.metrics.result import SCHEMA, Result

Make = Callable[..., Result]


def summary(p50: float, *, bounds: bool = True, count: int = 200) -> dict[str, Any]:
    points = {"mean": 1.06, "p50": 1.0, "p90": 1.4, "p95": 1.7, "p99": 2.5}
    values = {name: p50 * factor for name, factor in points.items()}
    ci95 = {name: (value * 0.97, value * 1.03) for name, value in values.items()}
    return {
        "count": count,
        "requests": count,
        **values,
        "stddev": p50 * 0.3,
        "min": p50 * 0.7,
        "p999": p50 * 2.9,
        "max": p50 * 3,
        "ci95": ci95 if bounds else {},
        "ci_method": "order-statistics" if bounds else "none",
    }


def plain_result() -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "run": {
            "id": "20240102T030405Z-abcdef",
            "name": "",
            "started_at": "2024-01-02T03:04:05Z",
            "duration_s": 30.2,
            "tool_version": "0.1.0",
            "mode": "closed",
            "seed": 0,
            "interrupted": False,
            "stopped_early": None,
            "host": {},
            "clock": {
                "source": "kernel",
                "kernel_requests": 200,
                "user_requests": 0,
                "resolution_ns": 1,
                "offset_uncertainty_ns": 200,
            },
        },
        "config": {"provider": "openai", "model": "gpt-4o-mini", "concurrency": 8},
        "requests": {
            "planned": 200,
            "sent": 200,
            "ok": 200,
            "failed": 0,
            "cancelled": 0,
            "unsent": 0,
            "warmup": 0,
            "errors": {},
            "errors_by_stage": {},
            "error_examples": [],
        },
        "retries": {
            "sent": 0,
            "ok": 0,
            "failed": 0,
            "cancelled": 0,
            "recovered": 0,
            "stale_connections": 0,
        },
        "metrics": {
            "ttft_ms": summary(201.34),
            "answer_ms": summary(201.34),
            "itl_ms": summary(19.873),
            "tpot_ms": summary(20.1),
            "e2e_ms": summary(1480.2),
            "output_tokens_per_second": summary(49.7),
            "tokens_per_event": summary(1.0),
        },
        "error_rate": 0.0,
        "throughput": {
            "requests_per_second": 6.62,
            "output_tokens_per_second": 424.0,
            "total_tokens_per_second": 500.0,
        },
        "tokens": {
            "input": 2400,
            "output": 12800,
            "reasoning": 0,
            "cached_input": 0,
            "source": "usage",
        },
        "stalls": {
            "count": 0,
            "requests": 0,
            "longest_ms": 0.0,
            "share_of_time": 0.0,
            "threshold_ms": 250.0,
            "threshold_factor": 10.0,
        },
        "pseudo_streaming": {"requests": 0, "judged": 200, "share": 0.0},
        "instrument": {
            "events": 12800,
            "late_events": 0,
            "merged_events": 0,
            "coalesced_events": 0,
            "clock_source": "kernel",
            "clock_step_ms": 0.0,
            "read_lag_us": {"p50": 6.1, "p99": 41.0, "max": 180.0},
            "cpu_us_per_event": 18.2,
        },
        "validity": {"verdict": "valid", "reasons": []},
    }


@pytest.fixture
def make() -> Make:
    """A sound result, with `changes` (dotted paths, dots written as __) put into it."""

    def make(**changes: Any) -> Result:
        tree = plain_result()
        for path, value in changes.items():
            *parents, last = path.split("__")
            node = tree
            for name in parents:
                node = node[name]
            node[last] = value
        return msgspec.convert(tree, Result)

    return make
