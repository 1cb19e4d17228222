"""Streams that stop, and streams that are none: stalls and pseudo-streaming.

A gap is a stall above max(250 ms, 10 x the median gap of its own request): long for a reader, and
long for this stream.

An answer is pseudo-streamed when something on its way held it back and let it go in lumps. Its
events then come in flights: runs of events less than 1 ms apart. Either

- a flight has at least 8 events on average, and inside the flights an event comes every 40 us or
  faster: no model makes 25,000 tokens a second, and a server that makes 2,000 sends one every
  500 us; or
- there are at most 8 flights of at least 16 tokens each (64 characters where tokens are unknown),
  as fast inside; or, where each is a single event, at least 100 ms apart.

And a flight takes at least 100 ms on average, from the start on: nobody sees a shorter lump.

Answers that a late reader merged are not judged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .columns import UNKNOWN
from .result import PseudoStreaming, Stalls

FLOOR_MS = 250.0
FACTOR = 10.0

FLIGHT_GAP_NS = 1_000_000
EVENTS_A_FLIGHT = 8
MOST_FLIGHTS = 8
TOKENS_A_FLIGHT = 16
CHARS_A_TOKEN = 4
WAIT_NS = 100_000_000
GAP_INSIDE_NS = 40_000
MOST_MERGED = 0.1
"""Share of an answer's events that may be merged before it is not judged."""

Ints = npt.NDArray[np.int64]


def find_stalls(gaps_ns: Ints, begins: Ints) -> Stalls:
    """Stalls among gaps that lie request after request; request i's begin at `begins[i]`."""
    stalled_ns: list[Ints] = []
    if len(gaps_ns):
        longest = np.maximum.reduceat(gaps_ns, begins)
        ends = np.append(begins[1:], len(gaps_ns))
        for i in np.flatnonzero(longest > FLOOR_MS * 1e6):
            own = np.sort(gaps_ns[begins[i] : ends[i]])
            long = own[own > _limit_ns(own)]
            if len(long):
                stalled_ns.append(long)
    total_ns = sum(int(long.sum()) for long in stalled_ns)
    return Stalls(
        count=sum(len(long) for long in stalled_ns),
        requests=len(stalled_ns),
        longest_ms=max((int(long[-1]) for long in stalled_ns), default=0) / 1e6,
        share_of_time=total_ns / int(gaps_ns.sum()) if total_ns else 0.0,
        threshold_ms=FLOOR_MS,
        threshold_factor=FACTOR,
    )


def stalls_of(gaps_ns: Sequence[int]) -> list[int]:
    """Which of one request's gaps are stalls, as places among them."""
    if max(gaps_ns, default=0) <= FLOOR_MS * 1e6:
        return []
    limit_ns = _limit_ns(sorted(gaps_ns))
    return [place for place, gap_ns in enumerate(gaps_ns) if gap_ns > limit_ns]


def _limit_ns(ordered: Ints | Sequence[int]) -> float:
    middle = len(ordered) // 2
    median = (int(ordered[middle]) + int(ordered[-middle - 1])) / 2
    return max(FLOOR_MS * 1e6, FACTOR * median)


def find_pseudo_streaming(answers: dict[str, Ints], gaps_ns: Ints) -> PseudoStreaming:
    """Judge each streamed answer; `answers` are columns, in the order in which the gaps lie."""
    tokens = _tokens(answers)
    judged = (
        (answers["streamed"] != 0)
        & (answers["ttft_ns"] != UNKNOWN)
        & (tokens >= TOKENS_A_FLIGHT)
        & (answers["merged"] <= MOST_MERGED * answers["events"])
    )
    sizes = np.maximum(answers["events"] - 1, 0)
    begins = np.cumsum(sizes) - sizes
    flights = np.ones(len(sizes), np.int64)
    has = sizes > 0
    if len(gaps_ns):
        flights[has] += np.add.reduceat(gaps_ns >= FLIGHT_GAP_NS, begins[has], dtype=np.int64)
    many = answers["events"] >= EVENTS_A_FLIGHT * flights
    large = (flights <= MOST_FLIGHTS) & (tokens >= TOKENS_A_FLIGHT * flights)
    found = 0
    for i in np.flatnonzero(judged & (many | large)):
        own = gaps_ns[begins[i] : begins[i] + sizes[i]]
        found += _in_lumps(own, int(answers["ttft_ns"][i]), int(flights[i]))
    count = int(judged.sum())
    return PseudoStreaming(requests=found, judged=count, share=found / count if count else 0.0)


def _in_lumps(gaps_ns: Ints, ttft_ns: int, flights: int) -> bool:
    if (ttft_ns + int(gaps_ns.sum())) / flights < WAIT_NS:
        return False
    inside = gaps_ns[gaps_ns < FLIGHT_GAP_NS]
    if len(inside):
        return float(inside.mean()) <= GAP_INSIDE_NS
    return not len(gaps_ns) or float(gaps_ns.mean()) >= WAIT_NS


def _tokens(answers: dict[str, Ints]) -> Ints:
    known = answers["tokens"] != UNKNOWN
    tokens: Ints = np.where(known, answers["tokens"], answers["chars"] // CHARS_A_TOKEN)
    return tokens
