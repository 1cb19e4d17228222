"""A run as a page shows it: its result, and what its pictures are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..record import Record
from .coldstart import PRIME, arm_place
from .context import Context
from .result import Result
from .summary import Summarizer
from .traces import Traces


@dataclass(frozen=True, slots=True)
class Portrait:
    """One run, or one arm of an experiment; `name` is what a reader calls it."""

    name: str
    result: Result
    traces: Traces


_TARGET = ("provider", "model")


@dataclass(slots=True)
class _Arm:
    summarizer: Summarizer = field(default_factory=Summarizer)
    traces: Traces = field(default_factory=Traces)


@dataclass(slots=True)
class Portraits:
    """Takes the records of one run, and gives a portrait of it or one of each of its arms."""

    _whole: Traces = field(default_factory=Traces)
    _arms: dict[str, _Arm] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Take one record, in any order."""
        if record.arm is None:
            self._whole.add(record)
        elif record.arm != PRIME:  # these only warm up what idling has cooled down
            arm = self._arms.setdefault(record.arm, _Arm())
            arm.summarizer.add(record)
            arm.traces.add(record)

    def of(self, result: Result | None, context: Context) -> Iterator[Portrait]:
        """The portraits; `result` is what the run came to, where it is no experiment's."""
        config = context.config
        if not self._arms and result is not None:
            target = "/".join(str(config[key]) for key in _TARGET if config.get(key))
            yield Portrait(context.name or target or context.id, result, self._whole)
        own = config.get("arms") or {}
        known = [arm for arm in own if arm in self._arms]
        for arm in dict.fromkeys([*known, *sorted(self._arms, key=arm_place)]):
            settings = {**config, **own.get(arm, {})}
            found = self._arms[arm]
            part = replace(context, config=settings, planned=None)
            yield Portrait(arm, found.summarizer.result(part), found.traces)
