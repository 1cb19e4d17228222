"""The Request Orchestrator: carries out a plan."""

from __future__ import annotations

from .orchestrator import Engine
from .plan import Outcome, Plan, Progress, Sink, Transport

__all__ = ["Engine", "Outcome", "Plan", "Progress", "Sink", "Transport"]
