"""What the requests of a run cost, summed up in decimals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from ..record import Record, Status
from .result import Cost

GUIDE = "docs/how-to/cost.md"

_SMALLEST = Decimal("1e-12")
_NAMED = 3


@dataclass(slots=True)
class CostSum:
    """Costs of records, as they come. An answer is what every other figure is of: a measured
    request that succeeded at its first attempt."""

    total: Decimal = Decimal(0)
    priced: int = 0
    unpriced: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    of_answers: list[Decimal | None] = field(default_factory=list)
    tokens: int = 0
    """Output tokens of answers whose cost is known too."""
    tokens_total: Decimal = Decimal(0)
    """What these answers cost."""
    no_price: Counter[str] = field(default_factory=Counter)
    no_usage: int = 0

    def add(self, record: Record) -> None:
        """Take any record, the warm-up's and the retries' too: they are paid for as well."""
        cost = record.cost_usd
        if cost is None:
            self.unpriced += 1
        else:
            self.priced += 1
            self.total += cost
            self.sources[record.cost_source or "unknown"] += 1
        if record.status is Status.OK and not (record.warmup or record.attempt):
            self._add_answer(record, cost)

    def _add_answer(self, record: Record, cost: Decimal | None) -> None:
        self.of_answers.append(cost)
        if cost is None:
            if record.cost_source is None:
                named = "/".join(filter(None, (record.provider, record.model)))
                self.no_price[named or "a model without a name"] += 1
            else:
                self.no_usage += 1
        elif record.usage.output:
            self.tokens += record.usage.output
            self.tokens_total += cost

    def result(self) -> Cost:
        """The sums as a result shows them; null where nothing is known, never 0."""
        known = [cost for cost in self.of_answers if cost is not None]
        whole = sum(known, Decimal(0))
        return Cost(
            per_request=_over(whole, len(known)),
            per_1000_requests=_over(1000 * whole, len(known)),
            per_million_output_tokens=_over(1_000_000 * self.tokens_total, self.tokens),
            total=_over(self.total, 1) if self.priced else None,
            source=next(iter(self.sources), None) if len(self.sources) < 2 else "mixed",
            requests_priced=self.priced,
            unpriced=self.unpriced,
            note=self._note(),
        )

    def _note(self) -> str | None:
        """Why answers have no cost, and what to do about it."""
        if self.no_price:
            names = sorted(self.no_price, key=lambda name: (-self.no_price[name], name))
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            named = f"{', '.join(names[:_NAMED])}{more}"
            return f"no price known for {named}: add one with --prices FILE ({GUIDE})"
        if self.no_usage:
            return (
                f"{self.no_usage:,} answers came without the counts that a price needs:"
                " what they cost is not known"
            )
        return None


def _over(amount: Decimal, parts: int) -> Decimal | None:
    """A part of an amount, to a millionth of a microdollar; without noughts at its end."""
    if not parts:
        return None
    found = (amount / parts).quantize(_SMALLEST, ROUND_HALF_EVEN).normalize()
    # 1E+2 is a number in JSON too, but nobody reads it as a sum of money.
    return found.quantize(Decimal(1)) if found == found.to_integral_value() else found
