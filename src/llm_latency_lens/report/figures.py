"""Numbers as people read them: about four digits, units where they change."""

from __future__ import annotations


def places(value: float) -> int:
    """Decimals that leave about four digits of a value."""
    size = abs(value)
    return 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3


def fixed(value: float, decimals: int) -> str:
    """With thousands apart."""
    return f"{value:,.{decimals}f}"


def interval(bounds: tuple[float, float], decimals: int, width: int) -> str:
    """`301.2–322.0`, with fewer decimals where it is to be narrow, at last as `±10`."""
    low, high = bounds
    for digits in range(decimals, -1, -1):
        shown = f"{fixed(low, digits)}–{fixed(high, digits)}"
        if len(shown) <= width:
            return shown
    return f"±{short((high - low) / 2)}"


def short(value: float) -> str:
    """About three digits, without noughts at the end."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    text = f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"
    return text.rstrip("0").rstrip(".") or "0"


def milliseconds(ms: float) -> str:
    """A length of time, in the unit that suits it."""
    if abs(ms) >= 10_000:
        return seconds(ms / 1000)
    if 0 < abs(ms) < 1:
        return f"{short(ms * 1000)} us"
    return f"{short(ms)} ms"


def seconds(value: float) -> str:
    """A length of time from seconds to hours."""
    if value < 60:
        return f"{short(value) if value < 1 else format(value, '.1f')} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def percent(share: float) -> str:
    """A share of one, in percent."""
    return f"{short(share * 100)} %"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 stall`, `2,000 stalls`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
