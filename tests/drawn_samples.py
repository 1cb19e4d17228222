"""Samples and runs drawn by the simulator's clockless model."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from llm_latency_lens.decide.sample import Sample, about, code, sample_of
from llm_latency_lens.metrics.context import Context
from llm_latency_lens.record import Record
from llm_latency_lens.store import runs
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.model import draw

USUAL = {"ttft": "lognormal:200ms,0.3", "gap": "lognormal:20ms,0.3", "tokens": "16"}


def records(n: int, seed: int = 1, **options: str) -> list[Record]:
    """`n` requests of a closed loop of two."""
    return list(draw(SimConfig.from_options(**{**USUAL, **options}), n, concurrency=2, seed=seed))


def context(name: str = "drawn", **config: Any) -> Context:
    settings = {"provider": "openai", "model": "sim", "concurrency": 2, **config}
    return Context(id=name, tool_version="1.0", started_at_unix_ns=1_700_000_000_000_000_000,
                   config=settings)  # fmt: skip


def drawn(n: int, seed: int = 1, **options: str) -> Sample:
    return sample_of(records(n, seed, **options), context(f"drawn-{seed}"))


def made(
    ttft_ms: Iterable[float] = (), costs: Iterable[str] = (), failed: Iterable[int] = ()
) -> Sample:
    """A sample of these figures alone, one for each request; the other columns are empty."""
    values, money = np.array([*ttft_ms], np.float64), [Decimal(cost) for cost in costs]
    failures = np.array([*failed], np.bool_)
    size = max(len(values), len(money), int((~failures).sum()))
    return Sample(
        about=about(context("made")),
        figures={"ttft_ms": code(values)} if len(values) else {},
        gaps=np.zeros(0, np.uint16),
        sizes=np.zeros(size, np.int64),
        costs=tuple(money) or (None,) * size,
        failed=failures if len(failures) else np.zeros(size, np.bool_),
    )


def kept(folder: Path, found: Iterable[Record], name: str = "drawn", **config: Any) -> Path:
    """A run directory that holds these records."""
    folder.mkdir(parents=True)
    told = context(name, **config)
    runs.write(folder, runs.RunFile(raw="off", context=told))
    runs.write_records(folder / runs.RECORDS, found, keep_text=False)
    return folder
