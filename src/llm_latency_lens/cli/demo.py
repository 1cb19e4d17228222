"""`latency-lens demo`: a run against a simulated provider, checked with the provider's log."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from .benchmark import ended, show
from .demo_compare import demo_compare
from .options import Keeping, Outputs, Screen, Showing
from .output import check_writable, prints_table, tell_lost
from .world import Call

if TYPE_CHECKING:
    from ..measured import Benchmark
    from ..testing.sendlog import Sent

EXAMPLES = """\
latency-lens demo
latency-lens demo --compare
latency-lens demo --output result.json"""

_SIMULATED = {
    "ttft": "lognormal:250ms,0.3",
    "gap": "lognormal:15ms,0.3",
    "stalls": "0.05%:700ms",
    "tokens": "lognormal:56,0.3",
    "faults": "429=1s:1%",
}
_PRICE = {"model": "sim", "input": "0.15", "output": "0.60", "source": "a simulated price"}
_RATE = 24.0
_AT_A_TIME = 32
_REQUESTS = 360


def demo(
    call: Call, *, showing: Showing, keeping: Keeping, outputs: Outputs, screen: Screen
) -> int:
    """Start a simulated provider and benchmark it: an open loop of about 20 seconds.

    The provider draws its delays, freezes now and then, and refuses one request in a hundred. At
    most 32 requests are under way: when more are due, the corrected figures show what waiting for
    a place costs. The provider logs when it sends each token, so that the figures can be checked.
    """
    from .progress import Display

    world = call.world
    check_writable(outputs.output, outputs.records)
    if showing.compare:
        return demo_compare(world, keeping, outputs, screen)
    if not screen.quiet:
        world.err.write(
            f"A simulated provider; {_REQUESTS} requests, {_RATE:g} a second (about"
            f" {_REQUESTS / _RATE + 3:.0f} s).\n"
        )
    display = None if screen.quiet else Display(world.err, color=not screen.no_color)
    with world.simulator(**_SIMULATED) as simulator:
        lens = world.lens(
            provider="openai",
            model="sim",
            base_url=simulator.base_url,
            api_key="none",
            proxy=None,
            run_dir=keeping.run_dir,
            raw=keeping.raw,
            keep_text=outputs.keep_text,
            prices=[_PRICE],
            stream_to=keeping.stream_to,
        )
        try:
            found = lens.benchmark(
                "Say hello",
                name=keeping.name or "demo",
                rate=_RATE,
                requests=_REQUESTS,
                arrival="poisson",
                max_concurrency=_AT_A_TIME,
                on_progress=display,
            )
        finally:
            if display:
                display.close()
        log = simulator.log()
    return _tell(call, found, log, outputs, screen)


def _tell(call: Call, found: Benchmark, log: list[Sent], outputs: Outputs, screen: Screen) -> int:
    world = call.world
    show(found, outputs, screen, world)
    tell_lost(found.run, world.err)
    if prints_table(outputs.output, outputs.records) and not screen.quiet:
        run_dir = shlex.quote(str(found.run_dir))
        check = compared(found, log) if found.result.requests.ok else ""
        world.out.write(
            f"\n{check}Run kept in   {found.run_dir}\n"
            f"Look closer   latency-lens report {run_dir} --records requests.jsonl\n"
            "Your own      latency-lens benchmark openai/gpt-4o-mini"
            ' "Say hello" --requests 20\n'
        )
    return ended(found.result)


def compared(found: Benchmark, log: list[Sent]) -> str:
    """One line: what the simulator says that it did, and what was measured."""
    import numpy as np

    from ..experiments.calibrate import compare

    errors = compare(found.records(), log)
    true_ttft, ttft = np.median(errors.true_ttft_ms), np.median(errors.measured_ttft_ms)
    true_gap, gap = (
        np.quantile(gaps, 0.99) for gaps in (errors.true_gap_ms, errors.measured_gap_ms)
    )
    return (
        f"Truth         the simulator's own log says TTFT p50 {true_ttft:.2f} ms and ITL p99"
        f" {true_gap:.2f} ms;\n"
        f"              measured were {ttft:.2f} ms and {gap:.2f} ms\n"
    )


VERB = demo
