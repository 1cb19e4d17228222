"""`latency-lens bench`: a suite of cases from a file, each held to its limits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .._version import __version__
from ..errors import LensError, RunError, UsageError
from .benching import Benched, Kept, Results
from .benchmark import load_settings
from .options import Keeping, Outputs, Screen
from .output import check_writable, prints_table, tell_lost, write_to
from .suite import Case, load_suite
from .target import make_lens, provider_and_model
from .world import Call, World

if TYPE_CHECKING:
    from ..decide.suite import Judged, Report, Violation
    from ..lens import Lens
    from ..metrics.result import Result

    Ready = Sequence[tuple[Case, Lens]]

EXAMPLES = """\
latency-lens bench suite.yaml
latency-lens bench suite.yaml --tag smoke --output report.json"""


def bench(call: Call, *, benched: Benched, kept: Kept, results: Results, screen: Screen) -> int:
    """Run the cases of a file and hold each to its thresholds.

    A case has prompts, tags, thresholds, and whatever `latency-lens benchmark` can be told, by the
    names of its flags; `defaults` hold for all. The exit code is 1 where a threshold was missed
    whose severity is not `warning`, and 3 where a case could not be carried out.
    """
    world = call.world
    if benched.suite is None:
        raise UsageError("there is nothing to run: name a suite, such as suite.yaml")
    suite = load_suite(benched.suite, world.environ)
    cases = suite.tagged(benched.tag)
    check_writable(results.output)
    # All of them before the first is sent: a key that is missing should not show after an hour.
    ready = [(case, _lens(world, case, kept, results)) for case in cases]
    started = datetime.now(UTC)
    report = _report(suite.name, benched.tag, started, _run(world, ready, benched, screen))
    _show(report, results, screen, world)
    return _ended(report)


def _lens(world: World, case: Case, kept: Kept, results: Results) -> Lens:
    folder = None
    if kept.run_dir is not None:
        folder = str(Path(kept.run_dir, re.sub(r"[^\w.-]+", "_", case.name)))
    keeping = Keeping(run_dir=folder, raw=kept.raw, stream_to=kept.stream_to)
    outputs = Outputs(tokenizer=results.tokenizer)
    try:
        return make_lens(world, case.target, case.way, keeping, outputs, paying=case.paying)
    except UsageError as error:
        raise UsageError(f"case {case.name}: {error}") from None


@dataclass(slots=True)
class _Found:
    """What was found so far."""

    judged: list[Judged] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    interrupted: bool = False


def _run(world: World, ready: Ready, benched: Benched, screen: Screen) -> _Found:
    """Every case in turn; an interrupt ends the suite with the case in which it came."""
    from ..decide.suite import broken, judge

    found = _Found()
    for number, (case, lens) in enumerate(ready, 1):
        if not screen.quiet:
            world.err.write(f"{number}/{len(ready)} {case.name}\n")
        try:
            result = _measured(world, case, lens, screen)
        except LensError as error:
            who = provider_and_model(case.target, world)
            found.judged.append(broken(case.name, case.tags, *who, str(error)))
            continue
        judged, missed = judge(
            case.name, case.tags, result, case.limits, allow_invalid=benched.allow_invalid
        )
        found.judged.append(judged)
        found.violations += missed
        if result.run.interrupted:
            found.interrupted = True
            break
    return found


def _measured(world: World, case: Case, lens: Lens, screen: Screen) -> Result:
    from .progress import Display

    display = None if screen.quiet else Display(world.err, color=not screen.no_color)
    try:
        found = lens.benchmark(
            case.prompts, name=case.name, on_progress=display, **load_settings(case.load)
        )
    finally:
        if display:
            display.close()
    tell_lost(found.run, world.err)
    return found.result


def _report(name: str, tags: Sequence[str], started: datetime, found: _Found) -> Report:
    from ..decide.suite import Report

    passed = all(case.status == "passed" for case in found.judged)
    return Report(
        suite=name,
        tags=list(tags),
        tool_version=__version__,
        started_at=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        passed=passed and not found.interrupted,
        interrupted=found.interrupted,
        cases=found.judged,
        violations=found.violations,
    )


def _show(report: Report, results: Results, screen: Screen, world: World) -> None:
    from ..decide.suite import encode
    from ..report import bench as page
    from ..report.json import document

    if results.output is not None:
        write_to(results.output, world.out, lambda file: document(encode(report), file))
    if prints_table(results.output):
        page.text(report, world.out, color=not screen.no_color)


def _ended(report: Report) -> int:
    """The exit code. Raises `RunError` where a case could not be carried out."""
    if report.interrupted:
        return 130
    if report.incomplete:
        names = ", ".join(case.case for case in report.incomplete)
        raise RunError(f"could not be carried out or judged: {names}")
    return 0 if report.passed else 1


VERB = bench
