"""`latency-lens report`: a run that was kept, computed anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from . import coldstart, compare
from .benchmark import ended, show
from .options import Outputs, Repaying, Screen, Which
from .output import check_writable, prints_table
from .settings import Source
from .world import Call, World

if TYPE_CHECKING:
    from ..measured import Benchmark

EXAMPLES = """\
latency-lens report
latency-lens report 20240102T030405Z --output result.json
latency-lens report ./runs/nightly --records requests.jsonl --keep-text"""


def report(
    call: Call, *, which: Which, repaying: Repaying, outputs: Outputs, screen: Screen
) -> int:
    """Compute a run anew from what was captured, to the last digit: also an experiment's.

    It costs what it cost then, unless --prices gives other prices.
    """
    from ..report import waterfall
    from ..workload.tokenizer import load_tokenizer

    check_writable(outputs.output, outputs.records)
    tokenizer = load_tokenizer(outputs.tokenizer) if outputs.tokenizer else None
    found = call.world.load(
        which.run,
        tokenizer=tokenizer,
        prices=repaying.prices,
        reprice=call.chosen["prices"].source is Source.COMMAND_LINE,
    )
    if show_trial := _trials().get(found.run.file.context.config.get("experiment")):
        return show_trial(found, outputs, screen, call.world)
    requests = found.result.requests
    if requests.planned == 1 and prints_table(outputs.output, outputs.records):
        for record in found.records():
            waterfall(record, found.result, call.world.out, color=not screen.no_color)
            call.world.out.write("\n")
    show(found, outputs, screen, call.world)
    return 0 if requests.ok else ended(found.result)


def _trials() -> Mapping[str | None, Callable[[Benchmark, Outputs, Screen, World], int]]:
    """How to show the runs of experiments, by the name that they are kept under."""
    from ..experiments import coldstart as cold
    from ..experiments import compare as duel

    def comparison(found: Benchmark, outputs: Outputs, screen: Screen, world: World) -> int:
        result = duel.summed_up(found.records(), found.run.file.context)
        compare.show(result, found.records(), outputs, screen, world)
        return 0

    def coldness(found: Benchmark, outputs: Outputs, screen: Screen, world: World) -> int:
        result = cold.summed_up(found.records(), found.run.file.context)
        coldstart.show(result, found.records(), outputs, screen, world)
        return 0

    return {duel.EXPERIMENT: comparison, cold.EXPERIMENT: coldness}


VERB = report
