"""`latency-lens optimize`: which candidate to take."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..extras import needing
from .compare import target_of, whom
from .optimizing import Decisions, Measuring, Whom, Wishing
from .options import Keeping, Outputs, Paying, Screen, Way
from .output import check_writable, prints_table, write_to
from .settings import Source, settings_of
from .target import make_lens, read_prompts
from .trials import Common, Contest
from .world import Call

if TYPE_CHECKING:
    from ..decide.decision import Decision

EXAMPLES = """\
latency-lens optimize RUN --require 'ttft_ms.p95<800' --minimise cost
latency-lens optimize mini=RUN1 haiku=RUN2 --profile batch --current mini
latency-lens optimize RUN --scores quality.csv --require 'quality>=0.8'
latency-lens optimize --measure openai/gpt-4o groq/qwen3-32b "Hi" --max-cost 1"""

_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.+-]*)=(.+)")


def optimize(
    call: Call,
    *,
    whom: Whom,
    wishing: Wishing,
    measuring: Measuring,
    common: Common,
    way: Way,
    paying: Paying,
    keeping: Keeping,
    decisions: Decisions,
    screen: Screen,
) -> int:
    """Choose among measured candidates: limits first, then figures by weight, and how sure it is.

    Candidates are kept runs or those of a comparison; with --measure they are asked in rounds
    until the answer is settled. Where the data do not decide, it says how many more requests of
    which candidate would. Exit code 1 where nobody keeps the limits.
    """
    check_writable(decisions.output, decisions.markdown, decisions.picture, decisions.litellm)
    choice: dict[str, Any] = {
        "require": wishing.require,
        "minimise": wishing.minimise,
        "maximise": wishing.maximise,
        "weights": dict(wishing.weight),
        "profile": wishing.profile,
        "confidence": wishing.confidence,
        "current": whom.current,
        "seed": measuring.seed,
    }
    if whom.scores is not None:
        choice["scores"] = read_scores(whom.scores)
    if measuring.measure:
        choice |= {"concurrency": measuring.concurrency, "max_requests": measuring.max_requests,
                   "max_cost": measuring.max_cost}  # fmt: skip
        found = _measured(
            call, whom, common, choice, way=way, paying=paying, keeping=keeping, screen=screen
        )
    else:
        found = _kept(call, whom, paying, choice)
    _show(call, found, decisions, color=not screen.no_color)
    stopped = found.spent.stopped if found.spent else None
    if stopped == "interrupted":
        return 130
    return 1 if found.answer == "nobody" else 0


def _kept(call: Call, whom: Whom, paying: Paying, choice: dict[str, Any]) -> Decision:
    """From kept runs; flags that are about measuring make no sense then."""
    for item in settings_of(Common):
        if call.chosen[item.name].source is Source.COMMAND_LINE:
            raise UsageError(f"{item.flag} goes with --measure: kept runs are asked nothing")
    if whom.candidate and call.chosen["candidate"].source is Source.COMMAND_LINE:
        raise UsageError("--candidate goes with --measure; a run is named as [NAME=]RUN")
    named = [found.groups() if (found := _NAMED.fullmatch(word)) else (None, word)
             for word in whom.words or ("latest",)]  # fmt: skip
    own = call.chosen["prices"].source is Source.COMMAND_LINE
    return call.world.optimize(named, prices=paying.prices, reprice=own, **choice)


def _measured(
    call: Call,
    candidates: Whom,
    common: Common,
    choice: dict[str, Any],
    *,
    way: Way,
    paying: Paying,
    keeping: Keeping,
    screen: Screen,
) -> Decision:
    from .progress import Display

    world = call.world
    wanted, common = whom(call, Contest(candidates.words, candidates.candidate), common)
    lenses = {
        name: make_lens(world, target_of(one, common), way, keeping, Outputs(), paying=paying)
        for name, one in wanted.items()
    }
    prompts = read_prompts(target_of(next(iter(wanted.values())), common), world)
    display = None if screen.quiet else Display(world.err, color=not screen.no_color)
    try:
        return world.optimize(
            lenses, prompts, name=keeping.name or "", on_progress=display, **choice
        )
    finally:
        if display:
            display.close()


def read_scores(path: str) -> Mapping[str, Mapping[str, float]]:
    """The user's own figures by candidate. Raises UsageError for what is no such table."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "no CSV in UTF-8"
        raise UsageError(f"--scores {path}: {reason}") from None
    if len(rows) < 2 or len(rows[0]) < 2:
        raise UsageError(
            f"--scores {path}: a line of names is needed (candidate,quality) and a line for each"
            " candidate"
        )
    columns = [cell.strip() for cell in rows[0][1:]]
    for column in columns:
        if not re.fullmatch(r"[A-Za-z_]\w*", column, re.ASCII):
            raise UsageError(f"--scores {path}: '{column}' is no name for a column: use letters")
    found: dict[str, dict[str, float]] = {}
    for number, row in enumerate(rows[1:], 2):
        name = row[0].strip()
        if len(row) != len(rows[0]) or name in found:
            fault = f"{name} is there twice" if name in found else "it has not as many cells"
            raise UsageError(f"--scores {path}: line {number}: {fault}")
        found[name] = {
            column: _score(cell, f"{path}: line {number}: {column}")
            for column, cell in zip(columns, row[1:], strict=True)
        }
    return found


def _score(cell: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise UsageError(f"--scores {where} is no number: '{cell.strip()[:40]}'") from None


def _show(call: Call, found: Decision, decisions: Decisions, *, color: bool) -> None:
    from ..decide.decision import encode
    from ..report import decision as pages
    from ..report.json import document

    out = call.world.out
    if decisions.picture is not None:
        picture = _painted(found)
        write_to(decisions.picture, out, lambda file: file.write(picture))
    if decisions.litellm is not None:
        from ..report.litellm import litellm

        config = litellm(found)
        write_to(decisions.litellm, out, lambda file: file.write(config))
    if decisions.output is not None:
        write_to(decisions.output, out, lambda file: document(encode(found), file))
    if decisions.markdown is not None:
        write_to(decisions.markdown, out, lambda file: file.write(pages.markdown(found)))
    if prints_table(decisions.output, decisions.markdown, decisions.picture, decisions.litellm):
        pages.text(found, out, color=color)


def _painted(found: Decision) -> str:
    with needing("report", "--picture", "vl_convert"):
        from ..report.pareto import pareto
    return pareto(found)


VERB = optimize
