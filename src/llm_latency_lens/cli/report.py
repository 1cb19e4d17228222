"""`latency-lens report`: a run that was kept, computed anew."""

from __future__ import annotations

from .benchmark import ended, show
from .options import Outputs, Repaying, Screen, Which
from .output import check_writable, prints_table
from .settings import Source
from .world import Call

EXAMPLES = """\
latency-lens report
latency-lens report 20240102T030405Z --output result.json
latency-lens report ./runs/nightly --records requests.jsonl --keep-text"""


def report(
    call: Call, *, which: Which, repaying: Repaying, outputs: Outputs, screen: Screen
) -> int:
    """Compute a run anew from what was captured, to the last digit.

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
    requests = found.result.requests
    if requests.planned == 1 and prints_table(outputs.output, outputs.records):
        for record in found.records():
            waterfall(record, found.result, call.world.out, color=not screen.no_color)
            call.world.out.write("\n")
    show(found, outputs, screen, call.world)
    return 0 if requests.ok else ended(found.result)


VERB = report
