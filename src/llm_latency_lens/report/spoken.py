"""Whatever was found, as text for a terminal and as the sentences that it comes to."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

from msgspec import UNSET

from ..decide.budgets import Held
from ..decide.decision import Decision
from ..decide.gate import Gate
from ..metrics.analysis import Analysis
from ..metrics.coldstart import Coldstart
from ..metrics.comparison import Comparison
from ..metrics.result import Result
from ..record import Record
from . import decision, gate, sla
from .analysis import analysis
from .coldstart import coldstart
from .comparison import comparison
from .figures import count, milliseconds
from .text import text
from .waterfall import waterfall

_WRITERS: dict[type, Callable[..., None]] = {
    Result: text,
    Comparison: comparison,
    Coldstart: coldstart,
    Decision: decision.text,
    Gate: gate.text,
    Held: sla.text,
    Analysis: analysis,
}


def plain(found: Any) -> str:
    """What the command line prints of it, without colours."""
    write = next(write for kind, write in _WRITERS.items() if isinstance(found, kind))
    out = StringIO()
    write(found, out, color=False)
    return out.getvalue().rstrip("\n")


def sentences(found: Any) -> list[str]:
    """What an experiment comes to; nothing of a benchmark, whose figures speak."""
    if isinstance(found, Comparison):
        return [pair.sentence for pair in found.pairs]
    if isinstance(found, Coldstart | Decision):
        return [found.sentence]
    return []


def brief(found: Any) -> str:
    """The same in a few words."""
    if not isinstance(found, Result):
        return " ".join(sentences(found)).removesuffix(".")
    requests = found.requests
    told = [f"{requests.ok:,} of {count(requests.sent, 'request')} succeeded"]
    for name, summary in (("TTFT", found.metrics.ttft_ms), ("E2E", found.metrics.e2e_ms)):
        if summary is not UNSET:
            told.append(f"{name} p50 {milliseconds(summary.p50)}")
    return ", ".join([*told, found.validity.verdict])


def one_request(record: Record, result: Result) -> str:
    """One request as the command line draws it."""
    out = StringIO()
    waterfall(record, result, out, color=False)
    return out.getvalue().rstrip("\n")
