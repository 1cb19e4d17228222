"""The metrics of the monitor beside those of requests: their names, in one place.

Whoever knows a value tells it as a `Told`: the name, and a number for each set of labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "info"]
Values = Iterable[tuple[tuple[str, ...], float]]
"""Values of the labels (first the target's name, where the family is of targets), the number."""
Told = tuple[str, Values]
Source = Callable[[], Iterable[Told]]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: with the labels of a target where it is `of_target`, and `labels` of its own."""

    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    of_target: bool = True
    unit: str = ""


FAMILIES: dict[str, Family] = {
    "target_up": Family(
        "gauge", "Whether a target answers: 0 when its last probes failed one after the other."
    ),
    "availability_ratio": Family(
        "gauge", "Share of probes that succeeded.", ("window",), unit="ratio"
    ),
    "rate_limit_remaining": Family(
        "gauge", "What the last answer left of a rate limit of the provider.", ("limit",)
    ),
    "probes_skipped": Family(
        "counter",
        "Probes that were left out: the one before took too long (late), a rate limit holds them"
        " back (rate_limit), or the day's money is spent (money).",
        ("reason",),
    ),
    "price_usd_per_million_tokens": Family(
        "gauge", "The price that costs are reckoned by, in dollars.", ("type",)
    ),
    "objective_target_ratio": Family(
        "gauge", "Share of requests that must keep an objective.", ("objective",), unit="ratio"
    ),
    "error_budget_left_ratio": Family(
        "gauge",
        "What is left of an objective's error budget; below 0 it is overdrawn.",
        ("objective", "window"),
        unit="ratio",
    ),
    "burn_rate": Family(
        "gauge",
        "How fast an error budget is used up; 1 uses all of it in just its window.",
        ("objective", "window"),
    ),
    "build": Family("info", "What runs here.", ("version", "python"), of_target=False),
    "clock_source": Family(
        "info", "Who stamped what the last probe received.", ("source",), of_target=False
    ),
    "clock_step_seconds": Family(
        "counter",
        "By how much the real clock was set, forward or back, while probes were under way.",
        of_target=False,
        unit="seconds",
    ),
    "push_queue_bytes": Family(
        "gauge",
        "What waits on the disk for a receiver.",
        ("receiver",),
        of_target=False,
        unit="bytes",
    ),
    "push_sent": Family(
        "counter", "Messages that a receiver took.", ("receiver",), of_target=False
    ),
    "push_lost": Family(
        "counter",
        "Messages that a receiver refused, or for which its queue had no room.",
        ("receiver",),
        of_target=False,
    ),
    "history_lost": Family(
        "counter", "Rows that neither disk nor memory had room for.", of_target=False
    ),
    "history_bytes": Family(
        "gauge", "Size of the history on the disk.", of_target=False, unit="bytes"
    ),
    "config_last_reload_successful": Family(
        "gauge", "Whether the configuration was taken up when it was last read.", of_target=False
    ),
    "config_last_reload_success_timestamp_seconds": Family(
        "gauge",
        "When the configuration was last taken up, Unix time.",
        of_target=False,
        unit="seconds",
    ),
}
"""By name, without `latency_lens_` before and `_total` or `_info` behind it."""
