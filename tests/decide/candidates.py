"""Candidates with figures that are made up for a test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from drawn_samples import made
from llm_latency_lens.decide.figures import Asked, Wishes, wishes_of
from llm_latency_lens.decide.resample import Candidate
from llm_latency_lens.decide.sample import code


def candidate(
    name: str,
    ttft_ms: Iterable[float],
    cost: str = "0.001",
    failed: int = 0,
    **scores: float,
) -> Candidate:
    """Each first token with an answer that cost so much, and failures besides."""
    values = [*ttft_ms]
    sample = made(values, [cost] * len(values), [0] * len(values) + [1] * failed)
    return Candidate(name, sample, scores)


def spread(median: float, n: int = 100, width: float = 0.1, seed: int = 1) -> list[float]:
    """Log-normal around the median."""
    return list(median * np.exp(width * np.random.default_rng(seed).standard_normal(n)))


def with_gaps(given: Candidate, gaps: Iterable[float], sizes: Iterable[int]) -> Candidate:
    sample = replace(given.sample, gaps=code(np.array([*gaps])), sizes=np.array([*sizes], np.int64))
    return replace(given, sample=sample)


def wishes(columns: Iterable[str] = (), **asked: Any) -> Wishes:
    return wishes_of(Asked(**asked), [*columns])
