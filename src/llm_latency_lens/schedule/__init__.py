"""When to send: each schedule is a callable from the number of an arrival to its planned time."""

from __future__ import annotations

from .arrivals import Schedule, constant, poisson

__all__ = ["Schedule", "constant", "poisson"]
