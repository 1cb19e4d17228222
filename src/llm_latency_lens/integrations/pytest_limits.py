"""The `latency` marker: a test runs as often as it says, and is held to what it says."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..decide import baseline as files
from ..decide.gate import Gate, Limits, gate
from ..decide.regressions import ALPHA, Allowed, parse_allowed
from ..decide.sample import Sample
from ..decide.thresholds import parse_threshold
from ..errors import LensError, StoreError, UsageError
from ..metrics.objectives import Objective
from ..sinks.files import whole_file
from .pytest_lens import MEASURED
from .pytest_measured import Measured, headline
from .pytest_settings import settings_of
from .recordings import place_of

_ENDING = ".lens"
_CALLED = pytest.StashKey[bool]()
_KNOWN = ("repeat", "allow_regression", "allow_invalid")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a test's markers say."""

    objectives: tuple[Objective, ...]
    repeat: int
    allowed: tuple[Allowed, ...]
    allow_invalid: bool

    @classmethod
    def of(cls, item: pytest.Item, name: str) -> Asked:
        """Objectives of all markers; of the rest, the nearest. Raises UsageError."""
        marks = list(item.iter_markers(name))
        given: dict[str, Any] = {}
        for mark in reversed(marks):
            given |= mark.kwargs
        if unknown := [key for key in given if key not in _KNOWN]:
            raise UsageError(f"it has no {unknown[0]}: known are {', '.join(_KNOWN)}")
        repeat = given.get("repeat", 1)
        if not isinstance(repeat, int) or isinstance(repeat, bool) or repeat < 1:
            raise UsageError(f"repeat is {repeat!r}: it must be a whole number of at least 1")
        allowed = given.get("allow_regression", ())
        return cls(
            tuple(parse_threshold(str(text)) for mark in marks for text in mark.args),
            repeat,
            tuple(map(parse_allowed, (allowed,) if isinstance(allowed, str) else allowed)),
            bool(given.get("allow_invalid", False)),
        )


class Limiter:
    """Runs marked tests; registered as a plugin in sessions that have some."""

    def __init__(self, config: pytest.Config, name: str) -> None:
        self._settings = settings_of(config)
        self._name = name
        self._running: pytest.Item | None = None
        self._marked = 1

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        marked = [item for item in session.items if item.get_closest_marker(self._name)]
        self._marked = max(1, len(marked))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        item.stash[_CALLED] = False
        yield
        if not item.stash[_CALLED] and item.get_closest_marker(self._name):
            # Methods of unittest's classes are not called by pytest itself.
            raise _failed(f"the marker {self._name} is for test functions, which this is not")

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        if self._running is pyfuncitem or not pyfuncitem.get_closest_marker(self._name):
            return (yield)
        try:
            asked = Asked.of(pyfuncitem, self._name)
        except UsageError as error:
            raise _failed(f"the marker {self._name}: {error}") from None
        pyfuncitem.stash[_CALLED] = True
        measured = pyfuncitem.stash.get(MEASURED, Measured(pyfuncitem.nodeid))
        measured.clear()
        self._running = pyfuncitem
        try:
            for _ in range(asked.repeat - 1):
                pyfuncitem.ihook.pytest_pyfunc_call(pyfuncitem=pyfuncitem)
            called = yield
        finally:
            self._running = None
        try:
            self._hold(measured, asked)
        except LensError as error:
            raise _failed(f"latency: {error}") from None
        return called

    def _hold(self, measured: Measured, asked: Asked) -> None:
        if not measured.contexts:
            raise UsageError("the test has measured nothing: ask through its `lens` fixture")
        found = measured.gate = self._judge(measured, asked)
        judged = asked.allow_invalid or self._settings.allow_invalid
        if found.verdict == "invalid" and not judged:
            why = "the figures are invalid and cannot be judged (--lens-allow-invalid judges them)"
            raise _failed(f"{why}\n\n{measured.explained(found)}")
        if not found.passed:
            raise _failed(f"{headline(found)}\n\n{measured.explained(found)}")
        if self._settings.save_baseline:
            _save(self._settings.save_baseline, measured)

    def _judge(self, measured: Measured, asked: Asked) -> Gate:
        baseline = self._baseline(measured)
        limits = Limits(
            thresholds=asked.objectives,
            allowed=asked.allowed,
            # Of all tests together: a suite of a hundred must not cry wolf five times.
            alpha=ALPHA / self._marked,
        )
        sample = measured.sample() if baseline else None
        return gate(measured.result, limits, sample, baseline)

    def _baseline(self, measured: Measured) -> Sample | None:
        folder = self._settings.baseline
        if folder is None:
            return None
        path = folder if folder.is_file() else _file(folder, measured.test)
        try:
            return files.decode(path.read_bytes())
        except FileNotFoundError:
            measured.no_baseline = True
            return None
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        except StoreError as error:
            raise StoreError(f"{path}: {error}") from None


def _file(folder: Path, test: str) -> Path:
    path = folder / place_of(test)
    return path.with_name(path.name + _ENDING)


def _save(folder: Path, measured: Measured) -> None:
    sample = measured.sample()
    path = _file(folder, measured.test)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path.parent}: {error.strerror}") from None
    with whole_file(str(path), private=False) as file:
        file.write(files.encode(sample))


def _failed(message: str) -> BaseException:
    return pytest.fail.Exception(message, pytrace=False)
