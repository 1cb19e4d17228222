"""Dollars: decimals from the price list to the sum, and a float nowhere on the way."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

ZERO = Decimal(0)
CURRENCY = "USD"

_DIGITS = 4
_LEAST_EXPONENT = -12


def dollars(amount: Decimal) -> str:
    """An amount for people: cents, or four digits of what is less than a dollar."""
    if not amount:
        return "$0"
    exponent = -2
    if abs(amount) < 1:
        exponent = max(min(-2, amount.adjusted() - _DIGITS + 1), _LEAST_EXPONENT)
    text = f"{amount.quantize(Decimal(1).scaleb(exponent), ROUND_HALF_EVEN):,f}"
    whole, _, cents = text.partition(".")
    return f"${whole}.{cents.rstrip('0').ljust(2, '0')}"
