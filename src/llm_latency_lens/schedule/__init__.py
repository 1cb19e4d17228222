"""When to send: each schedule is a callable from the number of an arrival to its planned time."""

from __future__ import annotations

from collections.abc import Callable

Schedule = Callable[[int], int | None]
"""The n-th arrival, as nanoseconds after the start of the run; None ends the run."""
