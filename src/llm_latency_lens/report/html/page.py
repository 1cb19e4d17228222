"""One page that needs nothing but itself: charts, tables, the data, and the script that draws."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TextIO

import jinja2
import vl_convert
from markupsafe import Markup

from ...metrics.portraits import Portrait
from ...metrics.result import Reason, Result
from ..facts import facts, failures
from ..page import harmless
from . import charts, islands, tables, words
from .drawing import CONFIG
from .requests import Look, looks
from .styles import asset

MOST_DRAWN = 4
"""Runs of which single requests and gaps are drawn: more would make the page slow to open."""
_TITLED = 3
_OF_WHOLE_RUNS = ("instrument", "certificate")
_GRAVITY = ("invalid", "doubtful", "note")
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
    " form-action 'none'; script-src {scripts}"
)
"""What a browser is to let the page do: run its own two scripts, and ask nobody for anything."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart with the place that it has on the page."""

    place: str
    chart: charts.Chart


@dataclass(frozen=True, slots=True)
class Section:
    """Everything about one run."""

    place: str
    name: str
    about: str
    portrait: Portrait
    figures: list[words.Figure]
    looks: list[tuple[str, Look]]
    charts: list[Drawn]
    metrics: tables.Table
    facts: list[tuple[str, str]]
    failures: list[str]
    verdict: str
    reasons: list[Reason]
    options: list[tuple[str, str]]


class _Easel:
    """Gives each drawing its place, and keeps what is to be drawn there."""

    def __init__(self) -> None:
        self.specs: dict[str, Any] = {}

    def place(self, spec: dict[str, Any]) -> str:
        place = f"chart-{len(self.specs) + 1}"
        self.specs[place] = spec
        return place

    def hang(self, found: Iterator[charts.Chart]) -> list[Drawn]:
        return [Drawn(self.place(chart.spec), chart) for chart in found]


def html(
    portraits: Sequence[Portrait],
    out: TextIO,
    *,
    said: Sequence[str] = (),
    keep_text: bool = False,
) -> None:
    """Write the page of one run, or of several side by side.

    `said` are the sentences that an experiment comes to; without them the figures speak. What was
    asked and answered is on the page only if `keep_text`.
    """
    named = _named(portraits)
    sittings = [charts.Sitting.of(one) for one in named]
    easel = _Easel()
    page = _overview(easel, sittings, said)
    page["title"] = _title(portraits, [one.name for one in named])
    page["sections"] = [
        _section(easel, sitting, place, len(sittings), keep_text)
        for place, sitting in enumerate(sittings, 1)
    ]
    names, shapes = [one.name for one in named], [one.shapes for one in sittings]
    table, listed, of = islands.requests(names, shapes)
    data = {"results": islands.results(named, keep_text=keep_text), "requests": table}
    scripts = [_inline(vega()), _inline(asset("page.js"))]
    template = _environment().get_template("page.html.jinja")
    out.write(
        template.render(
            page,
            most_drawn=MOST_DRAWN,
            listed=listed,
            of=of,
            policy=_POLICY.format(scripts=" ".join(map(_allowed, scripts))),
            style=Markup(asset("page.css")),  # noqa: S704
            scripts=[Markup(script) for script in scripts],  # noqa: S704
            specs=islands.island(easel.specs),
            config=islands.island(CONFIG),
            data=islands.island(data),
        )
    )


def _overview(
    easel: _Easel, sittings: Sequence[charts.Sitting], said: Sequence[str]
) -> dict[str, Any]:
    """What is said of all runs together."""
    named = [one.portrait for one in sittings]
    names = [one.name for one in named]
    many = len(named) > 1
    speaking = words.comparison(named) if many else words.headline(named[0].result)
    found = [*charts.distributions(sittings), *(charts.together(sittings) if many else ())]
    return {
        "many": many,
        "headline": list(said) or [speaking],
        "runs": tables.runs(named) if many else None,
        "keys": charts.legend(names),
        "overview": easel.hang(iter(found)),
    }


def _section(
    easel: _Easel, sitting: charts.Sitting, place: int, of: int, keep_text: bool
) -> Section:
    portrait = sitting.portrait
    result = portrait.result
    close = looks(portrait.traces, result, keep_text=keep_text) if of <= MOST_DRAWN else ()
    found = charts.timeline(sitting)
    maps = charts.gap_map(sitting) if of <= MOST_DRAWN else iter(())
    return Section(
        place=f"run-{place}",
        name=portrait.name,
        about=words.about(result),
        portrait=portrait,
        figures=list(words.figures(result)),
        charts=easel.hang(found) + easel.hang(maps),
        looks=[(easel.place(look.spec), look) for look in close],
        metrics=tables.metrics(result),
        facts=_facts(result),
        failures=list(failures(result)),
        verdict=words.verdict(result),
        reasons=sorted(result.validity.reasons, key=lambda one: _GRAVITY.index(one.severity)),
        options=tables.options(result, keep_text=keep_text),
    )


def _facts(result: Result) -> list[tuple[str, str]]:
    """What belongs beside the figures. How the instrument fared is a fact of a whole run, not of an
    arm of it."""
    left_out = _OF_WHOLE_RUNS if "experiment" in result.config else ()
    return [(name, told) for name, told in facts(result) if name not in left_out]


def _named(portraits: Sequence[Portrait]) -> list[Portrait]:
    """With names that are all different: where they are not, by the load, or else by the run."""
    found = [replace(one, name=harmless(one.name)) for one in portraits]
    loads = [words.load_of(one.result) for one in found]
    if len(found) > 1 and len({one.name for one in found}) == 1 and len(set(loads)) == len(loads):
        return [replace(one, name=load) for one, load in zip(found, loads, strict=True)]
    for tell in (_loaded, _identified):
        twice = Counter(one.name for one in found)
        found = [replace(one, name=tell(one)) if twice[one.name] > 1 else one for one in found]
    twice = Counter(one.name for one in found)
    return [
        replace(one, name=f"{one.name} ({place})") if twice[one.name] > 1 else one
        for place, one in enumerate(found, 1)
    ]


def _loaded(one: Portrait) -> str:
    load = words.load_of(one.result)
    return f"{one.name}, {load}" if load else one.name


def _identified(one: Portrait) -> str:
    return f"{one.name}, {one.result.run.id}"


def _title(portraits: Sequence[Portrait], names: Sequence[str]) -> str:
    """What all runs have in common, or the first of them."""
    if len({one.name for one in portraits}) == 1:
        return portraits[0].name
    if len({(one.result.run.id, words.target(one.result)) for one in portraits}) == 1:
        return portraits[0].result.run.name or words.target(portraits[0].result)
    return ", ".join(names[:_TITLED]) + (" and more" if len(names) > _TITLED else "")


@cache
def vega() -> str:
    """The library that draws, as a script. Its bundle takes some seconds to make."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"(() => {{{bundle}}})();"


def _inline(script: str) -> str:
    """The script, free of what would end its element, and as a browser reads it."""
    script = script.replace("\r\n", "\n").replace("\r", "\n")
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _allowed(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
    )


def _plain(value: object) -> object:
    """What a server or a user named: without what steers or reorders text."""
    if isinstance(value, Markup):
        return value
    return "\n".join(map(harmless, str(value).split("\n")))
