"""`latency-lens benchmark`: many requests, summed up."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from .options import Keeping, Load, Outputs, Paying, Screen, Target, Way
from .output import (
    check_writable,
    command_again,
    prints_table,
    tell_lost,
    write_records,
    write_to,
)
from .target import make_lens, read_prompts
from .views import Following
from .world import Call, World

if TYPE_CHECKING:
    from ..measured import Benchmark
    from ..metrics.result import Requests, Result
    from ..metrics.shapes import Spread

EXAMPLES = """\
latency-lens benchmark openai/gpt-4o-mini "Say hello" --concurrency 8
latency-lens benchmark openai/gpt-4o-mini --prompt-file p.jsonl --rate 5
latency-lens benchmark llama3 "Hi" --base-url http://localhost:11434/v1
latency-lens benchmark --config nightly.toml --output result.json"""


def benchmark(
    call: Call,
    *,
    target: Target,
    load: Load,
    way: Way,
    paying: Paying,
    keeping: Keeping,
    outputs: Outputs,
    following: Following,
    screen: Screen,
) -> int:
    """Send many requests and sum up what came back.

    Closed loop: --concurrency requests at a time, each sent when one has ended. Open loop: --rate
    requests a second, by the clock. Ctrl-C ends the run early and reports; a second one cuts off
    what is still running.
    """
    from .display import shown

    world = call.world
    lens = make_lens(world, target, way, keeping, outputs, paying=paying)
    prompts = read_prompts(target, world)
    check_writable(outputs.output, outputs.records)
    chosen = load_settings(load)
    display = None
    if not screen.quiet:
        estimate = lens.estimate(prompts, **chosen)
        if estimate and not estimate.price.is_free:
            world.err.write(f"{estimate.words}\n")
        display = shown(
            world.err, str(target.model), live=following.live, color=not screen.no_color
        )
    try:
        found = lens.benchmark(prompts, name=keeping.name or "", on_progress=display, **chosen)
    finally:
        if display:
            display.close()
    return _tell(call, found, outputs, screen)


def _tell(call: Call, found: Benchmark, outputs: Outputs, screen: Screen) -> int:
    """Print and write what was found, and how to go on; gives the exit code."""
    world = call.world
    show(found, outputs, screen, world)
    tell_lost(found.run, world.err)
    if prints_table(outputs.output, outputs.records) and not screen.quiet:
        again = command_again(call, keep_text=outputs.keep_text)
        world.out.write(
            f"\nRun kept in   {found.run_dir}\n"
            f"Look closer   latency-lens report {shlex.quote(str(found.run_dir))}\n"
            f"Run it again  {again}\n"
        )
    return ended(found.result)


def load_settings(load: Load) -> dict[str, Any]:
    """The load as the library takes it: only what was chosen."""
    chosen = {
        "requests": load.requests,
        "duration_s": load.duration,
        "concurrency": load.concurrency,
        "rate": load.rate,
        "arrival": load.arrival,
        "max_concurrency": load.max_concurrency,
        "warmup": load.warmup,
        "seed": load.seed,
        "connections": load.connections,
        "retries": load.retries,
        "grace_s": load.grace,
        "objectives": load.objective or None,
        "max_cost": load.max_cost,
        "respect_rate_limits": load.respect_rate_limits or None,
    }
    return {name: value for name, value in chosen.items() if value is not None}


def show(
    found: Benchmark,
    outputs: Outputs,
    screen: Screen,
    world: World,
    spreads: Mapping[str, Spread] | None = None,
) -> None:
    """Print and write a result, with the spread of some figures where that is known."""
    from .. import report

    if outputs.output is not None:
        write_to(outputs.output, world.out, lambda file: report.json(found.result, file))
    write_records(found.records(), outputs, world.out)
    if prints_table(outputs.output, outputs.records):
        report.text(found.result, world.out, color=not screen.no_color, spreads=spreads)


def ended(result: Result) -> int:
    """The exit code of a run. Raises `RunError` when it could not be completed."""
    if result.run.interrupted:
        return 130
    if result.run.stopped_early:
        raise RunError(f"the run ended early: {result.run.stopped_early}")
    if not result.requests.ok:
        raise RunError(f"no request succeeded: {causes(result.requests)}")
    return 0


def causes(requests: Requests) -> str:
    """Why requests failed, the commonest first."""
    examples = sorted(requests.error_examples, key=lambda example: -example.count)
    told = [f"{item.count:,} x {item.kind} ({item.stage}): {item.message}" for item in examples]
    return "; ".join(told[:3]) or f"{requests.sent:,} sent"


VERB = benchmark
