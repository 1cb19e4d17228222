"""`latency-lens gate`: may this run pass?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError, UsageError
from .gating import Gating, Runs, Shown, Verdicts
from .options import Repaying
from .output import check_writable
from .settings import Source
from .verdict import show
from .world import Call

if TYPE_CHECKING:
    from ..decide.gate import Gate
    from ..decide.sample import Sample
    from ..metrics.result import Result

EXAMPLES = """\
latency-lens gate --threshold 'ttft_ms.p95<1s' --threshold 'error_rate<1%'
latency-lens gate --baseline main.lens --allow-regression 'itl_ms.p99:10%'
latency-lens gate runs/nightly --baseline runs/main --markdown gate.md
latency-lens gate all --sla sla.yaml"""


def gate(
    call: Call, *, runs: Runs, gating: Gating, repaying: Repaying, verdicts: Verdicts, shown: Shown
) -> int:
    """Hold a run to its limits: exit code 1, and what was missed by how much.

    Limits are thresholds on the figures of the result, a baseline that the run must not be worse
    than, or a file of service levels. Worse is a statistical statement; where the data are too few
    for one, the answer says how many requests would be enough.
    """
    check_writable(verdicts.output, verdicts.markdown)
    if gating.sla is not None:
        from .sla import hold

        return hold(call, gating.sla, runs.runs, verdicts, color=not shown.no_color)
    found = _judge(call, _only(runs), gating, repaying)
    _show(call, found, verdicts, color=not shown.no_color)
    return 0 if found.passed else 1


def _only(runs: Runs) -> str:
    if len(runs.runs) > 1:
        raise UsageError(
            f"one run is held to its limits, not {len(runs.runs)}; --sla takes several"
        )
    return runs.runs[0]


def _judge(call: Call, name: str, gating: Gating, repaying: Repaying) -> Gate:
    from ..decide.gate import Limits
    from ..decide.gate import gate as judge

    if not gating.threshold and gating.baseline is None:
        raise UsageError(
            "there is nothing to hold the run to: give --threshold, --baseline or --sla"
        )
    limits = Limits(
        thresholds=gating.threshold,
        metrics=gating.metric,
        allowed=gating.allow_regression,
        alpha=gating.alpha,
        require_data=gating.require_data,
    )
    if gating.baseline is None and Path(name).is_file():
        result = _read_result(name)
        _check_valid(result, gating)
        return judge(result, limits)
    baseline = _baseline(call, gating.baseline) if gating.baseline is not None else None
    result, sample = sampled(call, name, repaying)
    _check_valid(result, gating)
    return judge(result, limits, sample, baseline)


def sampled(call: Call, name: str, repaying: Repaying | None = None) -> tuple[Result, Sample]:
    """A run's result, and what the tests need of its requests, from one reading of it."""
    from ..decide.sample import Sampler

    settings: dict[str, Any] = {}
    if repaying:
        own = call.chosen["prices"].source is Source.COMMAND_LINE
        settings = {"prices": repaying.prices, "reprice": own}
    exported = call.world.exported(name, **settings)
    sampler = Sampler()
    for record in exported.records():
        sampler.add(record)
    return exported.result, sampler.sample(exported.context)


def _baseline(call: Call, name: str) -> Sample:
    """From a file, or from a run."""
    from ..store.baselines import read_baseline

    path = Path(name)
    if path.is_dir() or not path.exists():
        try:
            return _unsummed(call, name)
        except UsageError as error:
            raise UsageError(f"--baseline: {error}") from None
    try:
        return read_baseline(path)
    except StoreError as error:
        raise StoreError(f"--baseline {error}") from None


def _unsummed(call: Call, name: str) -> Sample:
    """A run's sample alone, which takes half as long as with its result."""
    from ..decide.sample import sample_of

    exported = call.world.exported(name)
    if exported.experiment:
        raise UsageError(f"{name} is no benchmark, but a run of `{exported.experiment}`")
    return sample_of(exported.read(), exported.context)


def _read_result(name: str) -> Result:
    import msgspec

    from ..metrics.result import decode

    try:
        return decode(Path(name).read_bytes())
    except OSError as error:
        raise StoreError(f"{name}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: not a result of latency-lens as JSON: {error}") from None


def _check_valid(result: Result, gating: Gating) -> None:
    from ..decide.gate import check_valid

    if not gating.allow_invalid:
        check_valid(result)


def _show(call: Call, found: Gate, verdicts: Verdicts, *, color: bool) -> None:
    from ..decide.gate import encode
    from ..report import gate as pages

    show(found, pages, encode(found), verdicts, call.world.out, color=color)
    if found.unanswered:
        names = ", ".join(one.metric for one in found.unanswered)
        call.world.err.write(
            f"latency-lens: WARNING: not enough data to tell whether {names} became worse"
            f"{'' if not found.passed else ' (--require-data makes this a failure)'}\n"
        )


VERB = gate
