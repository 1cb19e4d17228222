"""What a sink is opened with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..metrics.context import Context
from .address import Address


@dataclass(frozen=True, slots=True)
class Opening:
    """Where to, for which run, and what may be said: `keep_text` lets texts out. A `service` has no
    end and starts anew: what it sends is told apart by requests, and not by runs."""

    address: Address
    context: Context
    environ: Mapping[str, str] = field(repr=False)
    keep_text: bool = False
    service: bool = False
