"""Small pictures that need no script."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

_WIDE, _HIGH = 120.0, 28.0
_FALLS = 0.5
"""Share of failures from which a step counts as mostly failed."""


def spark(values: Sequence[float | None]) -> Markup:
    """A line from 0 to the largest value; where there is none, a tick on the ground."""
    known = [value for value in values if value is not None]
    if not values:
        return Markup('<span class="quiet">–</span>')
    top = max(known, default=1.0) * 1.05 or 1.0
    across = _WIDE / max(1, len(values) - 1)
    line, ticks, pen = [], [], "M"
    for place, value in enumerate(values):
        if value is None:
            ticks.append(f"M{place * across:.1f} {_HIGH:g}v-9")
            pen = "M"
        else:
            line.append(f"{pen}{place * across:.1f} {_HIGH - 2 - (_HIGH - 4) * value / top:.1f}")
            pen = "L"
    lonely = "h0.01" if len(known) == 1 else ""
    failed = f'<path class="failed" d="{"".join(ticks)}"/>' if ticks else ""
    drawn = f'<path d="{"".join(line)}{lonely}"/>' if line else ""
    told = f"{len(known)} of the last {len(values)} probes answered"
    return Markup(  # noqa: S704  (numbers only)
        f'<svg class="spark" viewBox="0 0 {_WIDE:g} {_HIGH:g}" preserveAspectRatio="none"'
        f' role="img" aria-label="{told}"><path class="ground" d="M0 {_HIGH:g}H{_WIDE:g}"/>'
        f"{drawn}{failed}</svg>"
    )


def strip(shares: Sequence[float | None], told: str) -> Markup:
    """One cell for each step of time, by the share of its probes that failed."""
    cells: list[tuple[str, int, int]] = []
    for place, share in enumerate(shares):
        mood = "none" if share is None else "most" if share >= _FALLS else "some" if share else ""
        if not mood and cells and cells[-1][0] == "":
            cells[-1] = ("", cells[-1][1], cells[-1][2] + 1)
        else:
            cells.append((mood, place, 1))
    drawn = "".join(
        f'<rect x="{place}" y="0" width="{wide}" height="1"'
        f"{f' class={chr(34)}{mood}{chr(34)}' if mood else ''}/>"
        for mood, place, wide in cells
    )
    title = Markup("<title>{}</title>").format(told)
    return Markup(  # noqa: S704
        f'<svg class="strip-line" viewBox="0 0 {max(1, len(shares))} 1" preserveAspectRatio="none"'
        f' role="img" shape-rendering="crispEdges">{title}{drawn}</svg>'
    )


def bar(share: float, mood: str) -> Markup:
    """How much of something is left."""
    wide = 100 * min(1.0, max(0.0, share))
    return Markup(  # noqa: S704
        f'<svg class="budget" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{wide:.1f}" height="4" class="{mood}"/></svg>'
    )
