"""The verdict: what speaks against the figures of a result, and what to do about it.

Each rule looks at the facts and gives the reasons that apply. The verdict is the gravest severity;
a note leaves it valid. All codes and limits stand in a table of the documentation.
"""

from __future__ import annotations

from . import rules_of_answers, rules_of_instrument, rules_of_run
from .facts import Facts
from .result import Reason, Validity, Verdict

_GRAVITY = {"invalid": 0, "doubtful": 1, "note": 2}
_RULES = rules_of_run.RULES + rules_of_answers.RULES


def judge(facts: Facts) -> Validity:
    """All reasons, the gravest first, and the verdict that they come to."""
    own = facts.context.source is None
    instrument = rules_of_instrument.RULES if own else rules_of_instrument.IMPORTED
    reasons = [reason for rule in (*_RULES, *instrument) for reason in rule(facts)]
    reasons.sort(key=lambda reason: _GRAVITY[reason.severity])
    return Validity(verdict=_verdict(reasons), reasons=reasons)


def _verdict(reasons: list[Reason]) -> Verdict:
    if not reasons or reasons[0].severity == "note":
        return "valid"
    return reasons[0].severity
