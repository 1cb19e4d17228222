"""`latency-lens gate --sla`: service levels, held against all requests of some runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..store.texts import text_of
from .gating import Verdicts
from .verdict import show
from .world import Call

if TYPE_CHECKING:
    from ..decide.sla import Sla


def hold(call: Call, path: str, names: Sequence[str], verdicts: Verdicts, *, color: bool) -> int:
    """Print what was kept and what is left to spend; 1 where an objective was missed."""
    from ..decide.budgets import Ledger, encode
    from ..report import sla as pages
    from ..store import runs

    sla = _read(path)
    folders = list(dict.fromkeys(folder for name in names for folder in runs.folders(name)))
    ledger = Ledger(sla)
    for folder in folders:
        for record in call.world.exported(str(folder)).records():
            ledger.add(record)
    held = ledger.held([folder.name for folder in folders])
    show(held, pages, encode(held), verdicts, call.world.out, color=color)
    return 0 if held.passed else 1


def _read(path: str) -> Sla:
    from ..decide.sla import parse_sla

    return parse_sla(text_of(path), path)
