"""The settings of `gate` and `baseline`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from .kinds import Kind, UnfitError, number, switch, text, texts
from .options import Screen
from .settings import again, setting


def _each(read_one: Callable[[str], Any], metavar: str) -> Kind:
    """Texts of which each means something to another part of the program."""

    def read(value: object) -> tuple[Any, ...]:
        given = value if isinstance(value, list | tuple) else str(value).splitlines()
        try:
            return tuple(read_one(str(one)) for one in given)
        except UsageError as error:
            raise UnfitError(f"cannot be: {error}") from None

    schema = {"type": ["array", "string"], "items": {"type": "string"}}
    return Kind(metavar, read, schema, many=True)


def _threshold(given: str) -> Any:
    from ..decide.thresholds import parse_threshold

    return parse_threshold(given)


def _allowed(given: str) -> Any:
    from ..decide.regressions import parse_allowed

    return parse_allowed(given)


def _metric(given: str) -> str:
    from ..decide.regressions import parse_metric

    return parse_metric(given)


@dataclass(frozen=True, slots=True)
class Runs:
    """Which run."""

    runs: tuple[str, ...] = setting(
        texts(),
        ("latest",),
        "A run's directory, its id or the beginning of one, a folder of runs (its newest), or"
        " `latest`; for thresholds alone also a result as JSON. With --sla: several of them, all in"
        " a folder, or `all` that are kept.",
        argument="RUN",
        shown_default="latest",
        words=True,
    )


@dataclass(frozen=True, slots=True)
class Gating:
    """What it is held to."""

    threshold: tuple[Any, ...] = setting(
        _each(_threshold, "METRIC<LIMIT"),
        (),
        "A limit on a figure of the result, such as 'ttft_ms.p95<800'. May be repeated.",
    )
    baseline: str | None = setting(
        text("FILE|RUN"),
        None,
        "What the run must not be worse than: a file that `latency-lens baseline` made, or a run.",
    )
    allow_regression: tuple[Any, ...] = setting(
        _each(_allowed, "METRIC:MARGIN"),
        (),
        "How much worse than the baseline a figure may be, such as 'itl_ms.p99:10%'. May be"
        " repeated.",
    )
    metric: tuple[str, ...] = setting(
        _each(_metric, "METRIC"),
        (),
        "Test this figure, in place of the usual ones. May be repeated.",
        shown_default="ttft_ms.p95, itl_ms.p99, e2e_ms.p50, error_rate, cost.per_request",
    )
    alpha: float = setting(
        number(0, above=True),
        0.05,
        "How often a run that is no worse may be called worse, over all figures.",
        shown_default="0.05",
    )
    require_data: bool = setting(
        switch(), False, "Fail where the data are too few for an answer, in place of a warning."
    )
    allow_invalid: bool = setting(
        switch(), False, "Judge a run whose own verdict is `invalid` all the same."
    )

    sla: str | None = setting(
        text("FILE"),
        None,
        "Service levels in YAML: objectives, windows and error budgets, over all runs given.",
    )

    def __post_init__(self) -> None:
        if self.sla is not None and (self.threshold or self.baseline):
            other = "--threshold" if self.threshold else "--baseline"
            raise UsageError(f"--sla and {other} exclude each other: ask one after the other")
        if not self.alpha < 0.5:
            raise UsageError(f"--alpha must be below 0.5, not {self.alpha:g}")
        if self.baseline is None and (self.allow_regression or self.metric):
            flag = "--allow-regression" if self.allow_regression else "--metric"
            raise UsageError(f"{flag} belongs to --baseline: without one nothing is compared")


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What comes out."""

    output: str | None = setting(
        text("FILE"), None, "The verdict as JSON; - prints it in place of the table."
    )
    markdown: str | None = setting(
        text("FILE"), None, "The verdict as Markdown; - prints it in place of the table."
    )
    annotations: bool = setting(
        switch(), False, "Print lines that GitHub shows beside the job, after the table."
    )

    def __post_init__(self) -> None:
        if self.output == "-" and self.markdown == "-":
            raise UsageError("--output - and --markdown - exclude each other: one can be printed")


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown."""

    no_color: bool = again(Screen, "no_color")
    log_level: str = again(Screen, "log_level")
    config: str | None = again(Screen, "config")


@dataclass(frozen=True, slots=True)
class Kept:
    """What comes out."""

    output: str | None = setting(
        text("FILE"), None, "The file to write; an older one is replaced.", shown_default="none"
    )
