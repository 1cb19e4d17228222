"""Records in, numbers out."""

from __future__ import annotations

from typing import Protocol

from ..record import Record


class Metric(Protocol):
    """Something that takes records one by one."""

    def add(self, record: Record) -> None: ...
