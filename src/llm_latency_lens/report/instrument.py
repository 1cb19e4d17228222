"""How the measuring program fared, in one line."""

from __future__ import annotations

from msgspec import UNSET

from ..metrics.result import Instrument
from .figures import short

_STAMPS = {
    "kernel": "stamps by the kernel",
    "user": "stamps by this program, not the kernel",
    "mixed": "stamps by the kernel for some requests, by this program for others",
}


def instrument(found: Instrument) -> str:
    """Who stamped, how late it read, what merged, and what an event cost."""
    if found.clock_source == "user" and not found.events and found.read_lag_us is UNSET:
        return "nothing was received"
    parts = [_STAMPS[found.clock_source]]
    if found.read_lag_us is not UNSET:
        lag = found.read_lag_us
        parts.append(f"read {short(lag.p50)} us later (p99 {short(lag.p99)}, max {short(lag.max)})")
    if found.merged_events:
        parts.append(f"{found.merged_events:,} of {found.events:,} events merged")
    elif found.events:
        parts.append("no event merged")
    if found.cpu_us_per_event is not UNSET:
        parts.append(f"{short(found.cpu_us_per_event)} us of CPU an event")
    return ", ".join(parts)
