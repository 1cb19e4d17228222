"""Recorded tests: for each a folder with its run directories, taken again in place of asking.

A run directory says already what was asked (model, settings, a checksum of the prompts) and holds
the timelines as they were captured, so that replaying one is reading it: its numbers are the
recorded ones, worked out by today's decoders, and `latency-lens report` opens it as any other run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ..engine.load import Load
from ..errors import StoreError, UsageError
from ..experiments.party import Prompts, described, several
from ..lens import Lens, load
from ..measured import Benchmark
from ..store import removal, runs
from ..store.runs import Run
from . import replayed
from .replayed import Asked, Replay

_TEST = "test.txt"
_WHO = ("provider", "model", "operation", "stream", "max_tokens", "temperature", "extra_body")
_WHAT = ("prompts", "prompts_sha256")
_LOAD = tuple(name for name in Load.__annotations__ if name not in ("grace_s", "max_cost"))
"""How a run may end early is no part of what was asked."""
_ASKED = (*_WHO, *_WHAT, *_LOAD)
_LONGEST = 100


def place_of(test: str) -> Path:
    """Where something of a test is kept: its file as folders, then its name, in characters that
    every file system takes."""
    file, _, name = test.partition("::")
    parts = [re.sub(r"[^\w.-]+", "_", part).strip(".") or "_" for part in file.split("/")]
    plain = re.sub(r"[^\w.-]+", "_", name.replace("::", "--"))
    if plain != name or len(plain) > _LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        plain = f"{plain[:_LONGEST]}-{digest}"
    return Path(*parts, plain)


def begin(folder: Path, test: str) -> Path:
    """Make the folder of a test's recording anew. Raises StoreError."""
    path = folder / place_of(test)
    for run in path.glob(f"*/{runs.RUN}"):
        removal.remove(run.parent)
    return mark(path, test)


def mark(path: Path, test: str) -> Path:
    """A folder that says of which test its runs are: one that holds something gets each of them as
    a folder of its own. Raises StoreError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / _TEST).write_text(f"{test}\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    return path


@dataclass(slots=True)
class Recording:
    """What was recorded of one test; each run is taken once, in the order in which they began."""

    folder: Path
    test: str
    _kept: list[Run] | None = None
    _taken: set[str] = field(default_factory=set)
    _replay: Replay | None = None

    def take(self, lens: Lens, prompts: Prompts, how: Load, **settings: Any) -> Benchmark:
        """The first run left that asked the same. Raises UsageError where there is none, and
        StoreError where the recording cannot be read."""
        asked = _plain({**lens.party().config, **described(several(prompts), False), **how})
        left = [(run, _plain(run.file.context.config)) for run in self._left()]
        for run, config in left:
            if not _differences(config, asked):
                self._taken.add(run.file.context.id)
                return load(run.path, **settings)
        raise UsageError(self._missing(asked, [config for _, config in left]))

    def _left(self) -> list[Run]:
        """What was not taken yet, in the order in which it began."""
        if self._kept is None:
            self._kept = [run for run in self._all() if not replayed.was_watched(run)]
        return [run for run in self._kept if run.file.context.id not in self._taken]

    def _all(self) -> list[Run]:
        path = self.folder / place_of(self.test)
        found = [runs.load(file.parent) for file in path.glob(f"*/{runs.RUN}")]
        return sorted(found, key=lambda run: run.file.context.started_at_unix_ns)

    def watched(self) -> Replay | None:
        """What the test's other clients asked; None where that cannot be replayed. The same each
        time. Raises StoreError."""
        if self._replay is None:
            kept = [run for run in self._all() if replayed.was_watched(run)]
            if not kept or not all(map(replayed.is_replayable, kept)):
                return None
            left = [one for run in kept for one in replayed.read(run)]
            self._replay = Replay(left, self._unrecorded)
        return self._replay

    def _unrecorded(self, asked: Asked, other_body: bool) -> BaseException:
        why = "its body is another one" if other_body else "no more of its kind was recorded"
        # What an SDK catches, it takes for a failure of the network, and tries again.
        return pytest.fail.Exception(
            f"the recording of {self.test} lacks {asked.method} {asked.path}: {why};"
            f" {_again(self.folder)}",
            pytrace=False,
        )

    def _missing(self, asked: Mapping[str, Any], left: Iterable[Mapping[str, Any]]) -> str:
        if not self._kept:
            return f"there is no recording of {self.test} in {self.folder}: {_again(self.folder)}"
        found = min((_differences(config, asked) for config in left), key=len, default=None)
        if found is None:
            why = f"it has {len(self._kept)} runs, and the test asks for one more"
        else:
            why = f"the nearest run in it differs: {'; '.join(found)}"
        return f"the recording of {self.test} lacks this request: {why}; {_again(self.folder)}"


def _again(folder: Path) -> str:
    return f"--lens-record {folder} records it"


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """As it reads back from a file; what is not set is not there."""
    told = {name: config[name] for name in _ASKED if config.get(name) is not None}
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
    return found


def _differences(kept: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """In words, by name: `max_tokens 64, was 32`. Of prompts no more than that they differ."""
    names = [name for name in _ASKED if kept.get(name) != asked.get(name)]
    return [
        "other prompts"
        if name == "prompts_sha256"
        else f"{name} {asked.get(name, 'not set')}, was {kept.get(name, 'not set')}"
        for name in names
    ]
