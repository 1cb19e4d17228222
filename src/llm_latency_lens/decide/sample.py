"""What the tests of a regression need of each request, and nothing else: no text, no address.

Times are rounded to steps of 0.2 %, here and not only in a file, so that a run and the file that
was made of it give the same answers, and equal times stay equal.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import log
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..metrics.columns import FIGURES, OF_OPEN_LOOP
from ..metrics.context import Context
from ..metrics.intervals import Floats
from ..record import Record, Status

Codes = npt.NDArray[np.uint16]
Ints = npt.NDArray[np.int64]
Value = str | float | bool | None

STEP = 0.002
"""Distance of two neighbouring steps, as a logarithm: half of it is the greatest error."""
_ABSENT = 0xFFFF
_ZERO = 0
_ONE = round(-log(1e-9) / STEP)
"""The code of 1; the smallest value that is not 0 is a billionth."""

_PRIVATE = frozenset({"read_lag_us"})
"""Of the program, not of the provider."""
KEPT = tuple(name for name in FIGURES if name not in _PRIVATE)

_SHAPE = (
    "provider",
    "model",
    "operation",
    "stream",
    "max_tokens",
    "temperature",
    "concurrency",
    "rate",
    "arrival",
    "max_concurrency",
    "connections",
    "prompts_sha256",
)
"""Settings that two runs should have in common before their times are compared."""
_DIGITS = 8
"""Of the prompts' checksum: enough to see a change, too few to find out what they say."""


class About(msgspec.Struct, kw_only=True, frozen=True):
    """Which run the requests are of; `settings` are those that a comparison should share."""

    run: str
    started_at_unix_ns: int
    tool_version: str
    mode: str
    settings: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Sample:
    """Measured first attempts of one run, in the order of their starts.

    `figures` have one code for each request that succeeded, `sizes` its number of gaps, which are
    side by side in `gaps`; `failed` is of those and the failed ones. `value` turns codes into
    milliseconds or whatever the figure's name says.
    """

    about: About
    figures: Mapping[str, Codes]
    gaps: Codes
    sizes: Ints
    costs: tuple[Decimal | None, ...]
    failed: npt.NDArray[np.bool_]

    @property
    def answers(self) -> int:
        """How many requests succeeded."""
        return len(self.sizes)


def code(values: Floats) -> Codes:
    """Steps of a logarithmic scale; 0 stays 0, and what is no number stays none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.clip(np.rint(np.log(values) / STEP) + _ONE, 1, _ABSENT - 1)
    steps = np.where(values > 0, steps, _ZERO)
    return np.where(np.isnan(values), _ABSENT, steps).astype(np.uint16)


def value(codes: Codes) -> Floats:
    """Back to values, each within 0.1 % of what it was; NaN where there was none."""
    found: Floats = _VALUES[codes]
    return found


_VALUES = np.exp((np.arange(_ABSENT + 1) - _ONE) * STEP)
_VALUES[_ZERO], _VALUES[_ABSENT] = 0.0, np.nan


@dataclass(slots=True)
class Sampler:
    """Takes records one by one, in any order; none is kept."""

    _places: list[tuple[int, int, bool]] = field(default_factory=list)
    """Start, index, and whether it failed."""
    _figures: array[float] = field(default_factory=lambda: array("d"))
    _gaps_ns: array[int] = field(default_factory=lambda: array("q"))
    _sizes: array[int] = field(default_factory=lambda: array("q"))
    _costs: list[Decimal | None] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Warm-up, retries and what the user cancelled are in no figure."""
        if record.warmup or record.attempt or record.status is Status.CANCELLED:
            return
        failed = record.status is not Status.OK
        self._places.append((record.start_ns or 0, record.index, failed))
        if failed:
            return
        self._figures.extend(read(record) for read in _READ)
        gaps_ns = record.events.gaps_ns()
        self._gaps_ns.extend(gaps_ns)
        self._sizes.append(len(gaps_ns))
        self._costs.append(record.cost_usd)

    def sample(self, context: Context) -> Sample:
        """All that was added, as one sample."""
        places = np.array(self._places, np.int64).reshape(-1, 3)
        order = np.lexsort((places[:, 1], places[:, 0]))
        failed = places[order, 2].astype(np.bool_)
        answered = places[places[:, 2] == 0]
        answers = np.lexsort((answered[:, 1], answered[:, 0]))
        sizes = np.frombuffer(self._sizes, np.int64) if self._sizes else np.zeros(0, np.int64)
        return Sample(
            about=about(context),
            figures=self._coded(answers, context.mode == "open"),
            gaps=self._ordered_gaps(sizes, answers),
            sizes=sizes[answers],
            costs=tuple(self._costs[place] for place in answers),
            failed=failed,
        )

    def _coded(self, answers: npt.NDArray[np.intp], open_loop: bool) -> dict[str, Codes]:
        table = np.array(self._figures).reshape(-1, len(KEPT))[answers]
        return {
            name: code(table[:, column])
            for column, name in enumerate(KEPT)
            if (open_loop or name not in OF_OPEN_LOOP) and not np.isnan(table[:, column]).all()
        }

    def _ordered_gaps(self, sizes: Ints, answers: npt.NDArray[np.intp]) -> Codes:
        if not len(self._gaps_ns):
            return np.zeros(0, np.uint16)
        begins = np.cumsum(sizes) - sizes
        kept = sizes[answers]
        first = np.repeat(begins[answers] - (np.cumsum(kept) - kept), kept)
        places = first + np.arange(len(first))
        return code(np.frombuffer(self._gaps_ns, np.int64)[places] / 1e6)


_READ = tuple(FIGURES[name] for name in KEPT)


def sample_of(records: Iterable[Record], context: Context) -> Sample:
    """The sample of a whole run."""
    sampler = Sampler()
    for record in records:
        sampler.add(record)
    return sampler.sample(context)


def about(context: Context) -> About:
    """What may be told of a run in a file that others see."""
    config: Mapping[str, Any] = context.config
    settings = {name: config[name] for name in _SHAPE if config.get(name) is not None}
    if "prompts_sha256" in settings:
        settings["prompts_sha256"] = str(settings["prompts_sha256"])[:_DIGITS]
    return About(
        run=context.id,
        started_at_unix_ns=context.started_at_unix_ns,
        tool_version=context.tool_version,
        mode=context.mode,
        settings=settings,
    )


def differences(a: About, b: About) -> list[str]:
    """What the runs do not have in common, each in words: `concurrency 8, was 4`."""
    names = [*_SHAPE, *sorted((a.settings.keys() | b.settings.keys()) - set(_SHAPE))]
    found = [
        f"{name.replace('prompts_sha256', 'prompts')} {_told(b, name)}, was {_told(a, name)}"
        for name in names
        if a.settings.get(name) != b.settings.get(name)
    ]
    if a.mode != b.mode:
        found.insert(0, f"{b.mode} loop, was {a.mode} loop")
    return found


def _told(one: About, name: str) -> str:
    found = one.settings.get(name)
    if found is None:
        return "not set"
    return f"{found:g}" if isinstance(found, float) else str(found)
