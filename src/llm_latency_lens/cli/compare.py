"""`latency-lens compare`: several models or servers, asked the same in the same hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import RunError, UsageError
from .benchmark import causes
from .candidates import Wanted, named, parse
from .kinds import UnfitError
from .options import Keeping, Outputs, Paying, Screen, Target, Way
from .output import check_writable, prints_table, tell_lost, write_result
from .settings import Source
from .target import make_lens, read_prompts
from .trials import Common, Contest, Turns
from .views import Following
from .world import Call, World

if TYPE_CHECKING:
    from ..lens import Lens
    from ..metrics.comparison import Comparison
    from ..record import Record
    from ..request import Prompt

EXAMPLES = """\
latency-lens compare openai/gpt-4o-mini groq/llama-3.1-8b-instant "Hi"
latency-lens compare openai/gpt-4o groq/qwen3-32b --prompt-file p.jsonl
latency-lens compare a=vllm/m@http://h1/v1 b=vllm/m@http://h2/v1 "Hi"
latency-lens compare --config candidates.toml --output comparison.json"""


def compare(
    call: Call,
    *,
    contest: Contest,
    common: Common,
    turns: Turns,
    way: Way,
    paying: Paying,
    keeping: Keeping,
    outputs: Outputs,
    following: Following,
    screen: Screen,
) -> int:
    """Ask several models or servers the same, and tell what differs.

    They take turns, in blocks of one request each whose order is drawn, so that a busy minute hits
    all alike. The last word is the prompt, unless --prompt or --prompt-file is given.
    """
    from .display import shown

    world = call.world
    wanted, common = whom(call, contest, common)
    lenses = {
        name: make_lens(world, target_of(one, common), way, keeping, outputs, paying=paying)
        for name, one in wanted.items()
    }
    prompts = read_prompts(target_of(next(iter(wanted.values())), common), world)
    check_writable(outputs.output, outputs.records)
    display = None
    if not screen.quiet:
        _estimate(lenses, prompts, turns, world)
        display = shown(
            world.err, " and ".join(wanted), live=following.live, color=not screen.no_color
        )
    try:
        found = world.compare(
            lenses,
            prompts,
            name=keeping.name or "",
            on_progress=display,
            requests=turns.requests,
            concurrency=turns.concurrency,
            warmup=turns.warmup,
            seed=turns.seed,
            max_cost=turns.max_cost,
        )
    finally:
        if display:
            display.close()
    show(found.result, found.records(), outputs, screen, world)
    tell_lost(found.run, world.err)
    if prints_table(outputs.output, outputs.records) and not screen.quiet:
        world.out.write(f"\nRun kept in {found.run_dir}\n")
    return ended(found.result)


def whom(call: Call, contest: Contest, common: Common) -> tuple[dict[str, Wanted], Common]:
    """The candidates by name, and what to say to them: the last word, if nothing else says it."""
    words = list(contest.words)
    if words and common.prompt is None and common.prompt_file is None:
        common = replace(common, prompt=words.pop())
    try:
        wanted = [parse(word) for word in words]
    except UnfitError as error:
        said = " (--prompt or --prompt-file says already what to ask)" if common.prompt else ""
        raise UsageError(f"{error}{said}") from None
    if not words or call.chosen["candidate"].source is Source.COMMAND_LINE:
        wanted += contest.candidate
    if len(wanted) < 2:
        raise UsageError(
            "a comparison needs two candidates or more: name them before the prompt, or with"
            " --candidate [NAME=][PROVIDER/]MODEL[@BASE_URL]"
        )
    return named(wanted), common


def target_of(wanted: Wanted, common: Common) -> Target:
    """The settings of one candidate: its own before those that all have."""
    shared: dict[str, Any] = {
        name: getattr(common, name) for name in type(common).__dataclass_fields__
    }
    return Target(**{**shared, **wanted.own})


def _estimate(
    lenses: Mapping[str, Lens], prompts: Sequence[Prompt], turns: Turns, world: World
) -> None:
    """Before anything is sent: what each candidate will cost at most."""
    for name, lens in lenses.items():
        found = lens.estimate(prompts, requests=turns.requests, warmup=turns.warmup)
        if found and not found.price.is_free:
            world.err.write(f"{name}: {found.words}\n")


def show(
    found: Comparison, records: Iterable[Record], outputs: Outputs, screen: Screen, world: World
) -> None:
    """Print and write a comparison."""
    from .. import report
    from ..metrics.comparison import encode

    write_result(
        found, records, outputs, screen, world, draw=report.comparison, encoded=encode(found)
    )


def ended(found: Comparison) -> int:
    """The exit code. Raises `RunError` where a candidate never answered."""
    if found.run.interrupted:
        return 130
    if found.run.stopped_early:
        raise RunError(f"the run ended early: {found.run.stopped_early}")
    silent = [one for one in found.candidates if not one.requests.ok]
    if silent:
        told = "; ".join(f"{one.name}: {causes(one.requests)}" for one in silent)
        raise RunError(f"no request succeeded of {told}")
    return 0


VERB = compare
