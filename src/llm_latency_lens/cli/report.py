"""`latency-lens report`: runs that were kept, computed anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..extras import needing
from . import coldstart, compare, program, proxy
from .benchmark import ended, show
from .options import Outputs, Repaying, Screen
from .output import check_writable, prints_table, write_to
from .settings import Source
from .views import Picture, Several
from .world import Call, World

if TYPE_CHECKING:
    from ..measured import Benchmark
    from ..metrics.portraits import Portrait
    from ..metrics.shapes import Spread

EXAMPLES = """\
latency-lens report
latency-lens report 20240102T030405Z --output result.json
latency-lens report ./runs/nightly --html nightly.html
latency-lens report ./runs/monday ./runs/tuesday --html days.html
latency-lens report ./runs/nightly --records requests.jsonl --keep-text"""

_ENOUGH = 20
"""Samples that make a histogram."""
_PAINTERS = ("jinja2", "markupsafe", "vl_convert")


_Told = tuple["Benchmark", Sequence[str], list["Portrait"]]


def report(
    call: Call,
    *,
    several: Several,
    picture: Picture,
    repaying: Repaying,
    outputs: Outputs,
    screen: Screen,
) -> int:
    """Compute runs anew from what was captured, to the last digit: also those of experiments.

    Each costs what it cost then, unless --prices gives other prices. --html draws them on a page.
    """
    from ..workload.tokenizer import load_tokenizer

    check_writable(outputs.output, outputs.records, picture.html)
    if len(several.runs) > 1 and (outputs.output or outputs.records):
        raise UsageError("--output and --records are of one run: name one, or leave them out")
    paint = _painter() if picture.html else None
    options = {
        "tokenizer": load_tokenizer(outputs.tokenizer) if outputs.tokenizer else None,
        "prices": repaying.prices,
        "reprice": call.chosen["prices"].source is Source.COMMAND_LINE,
    }
    told: list[_Told] = []
    for run in several.runs:
        if told and prints_table(outputs.output, outputs.records):
            call.world.out.write("\n")
        told.append(_tell(call, run, options, outputs, screen, draw=bool(paint)))
    if paint and picture.html:
        portraits = [portrait for _, _, found in told for portrait in found]
        said = [sentence for _, sentences, _ in told for sentence in sentences]
        write_to(
            picture.html,
            call.world.out,
            lambda file: paint(portraits, file, said=said, keep_text=outputs.keep_text),
            private=outputs.keep_text,
        )
        if prints_table(outputs.output, outputs.records) and not screen.quiet:
            size = Path(picture.html).stat().st_size / 1e6
            call.world.out.write(f"\nPage written  {picture.html} ({size:.1f} MB)\n")
    return next((ended(one.result) for one, _, _ in told if not one.result.requests.ok), 0)


def _tell(
    call: Call,
    run: str,
    options: Mapping[str, Any],
    outputs: Outputs,
    screen: Screen,
    *,
    draw: bool,
) -> _Told:
    """Print and write one run: what it came to, what an experiment says, and its portraits."""
    from ..metrics.portraits import Portraits
    from ..report import arm_name, waterfall

    world, portraits = call.world, Portraits()
    found = world.load(run, **options, also=[portraits])
    context = found.run.file.context
    if context.source and not found.result.requests.sent:
        raise UsageError(
            f"{context.id} was brought in as a summary: `latency-lens runs show` has its figures,"
            " and there are no requests to report"
        )
    if show_trial := _trials().get(context.config.get("experiment")):
        said = show_trial(found, outputs, screen, world)
        arms = portraits.of(found.result, context) if draw else ()
        return found, said, [replace(arm, name=arm_name(arm.name)) for arm in arms]
    if found.result.requests.planned == 1 and prints_table(outputs.output, outputs.records):
        for record in found.records():
            waterfall(record, found.result, world.out, color=not screen.no_color)
            world.out.write("\n")
    (portrait,) = portraits.of(found.result, context)
    show(found, outputs, screen, world, _spreads(portrait))
    return found, (), [portrait]


def _spreads(portrait: Portrait) -> dict[str, Spread]:
    """How TTFT and ITL are spread, where there is enough of them."""
    from ..metrics.shapes import Shapes, spread

    shapes = Shapes(portrait.traces)
    samples = {"TTFT": shapes.ttft_ms(), "ITL": shapes.itl_ms()}
    found = {name: spread(values) for name, values in samples.items() if len(values) >= _ENOUGH}
    return {name: shape for name, shape in found.items() if shape is not None}


def _painter() -> Callable[..., None]:
    with needing("report", "--html", *_PAINTERS):
        from ..report.html.page import html
    return html


def _trials() -> Mapping[str | None, Callable[[Benchmark, Outputs, Screen, World], Sequence[str]]]:
    """How to show the runs of experiments, by the name that they are kept under; each gives the
    sentences that it comes to."""
    from ..experiments import coldstart as cold
    from ..experiments import compare as duel
    from ..experiments import optimize as choice
    from ..integrations.outside import program as outside
    from ..integrations.proxy import program as between
    from ..metrics.program import EXPERIMENT as PROGRAM
    from ..metrics.proxied import EXPERIMENT as PROXY

    def comparison(
        found: Benchmark, outputs: Outputs, screen: Screen, world: World
    ) -> Sequence[str]:
        result = duel.summed_up(found.records(), found.run.file.context)
        compare.show(result, found.records(), outputs, screen, world)
        return [pair.sentence for pair in result.pairs]

    def coldness(found: Benchmark, outputs: Outputs, screen: Screen, world: World) -> Sequence[str]:
        result = cold.summed_up(found.records(), found.run.file.context)
        coldstart.show(result, found.records(), outputs, screen, world)
        return [result.sentence]

    def calls(found: Benchmark, outputs: Outputs, screen: Screen, world: World) -> Sequence[str]:
        result = outside.summed_up(found.records(), found.run.file.context)
        program.show(result, found.records(), outputs, screen, world)
        return []

    def passed(found: Benchmark, outputs: Outputs, screen: Screen, world: World) -> Sequence[str]:
        result = between.summed_up(found.records(), found.run.file.context)
        proxy.show(result, found.records(), outputs, screen, world)
        return []

    def one_round(
        found: Benchmark, outputs: Outputs, screen: Screen, world: World
    ) -> Sequence[str]:
        arms = ", ".join(found.run.file.context.config["arms"])
        sentence = (
            f"This is one round of a choice among {arms}, and the figures are of all of them"
            " together: `latency-lens optimize` with this run tells them apart."
        )
        show(found, outputs, screen, world)
        if prints_table(outputs.output, outputs.records):
            world.out.write(f"\n{sentence}\n")
        return [sentence]

    return {
        duel.EXPERIMENT: comparison,
        cold.EXPERIMENT: coldness,
        choice.EXPERIMENT: one_round,
        PROGRAM: calls,
        PROXY: passed,
    }


VERB = report
