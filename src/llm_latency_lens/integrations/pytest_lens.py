"""The `lens` fixture: a lens that remembers what its test has measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Unpack

import pytest

from ..clock import SystemClock
from ..engine.load import Load
from ..engine.plan import OnProgress
from ..engine.vitals import Vitals
from ..errors import LensError
from ..lens import Lens, OnText
from ..measured import Benchmark, Profile
from ..metrics.result import Result
from ..request import Prompt
from ..store.runs import Run
from .pytest_measured import Measured
from .pytest_settings import Settings, arguments, settings_of
from .recordings import Recording, begin, mark
from .replayed import keep, replaying
from .sdk.call import Call
from .sdk.watching import Seen, watch, watching

MEASURED = pytest.StashKey[Measured]()

_ONE: Load = {"requests": 1, "connections": "cold"}
"""The load of a profile."""
_NOWHERE = {"api_key": "none", "base_url": "http://localhost"}
"""Where nothing is sent, neither a key nor an address is needed."""

Prompts = str | Prompt | Sequence[str | Prompt]


class TestLens:
    """Points at one model, as `Lens` does, for the length of one test.

    What it measures counts for the test: it is held to the limits of the marker, stands in the
    table at the end, and is recorded or replayed as the session was told to. `lens(model="other",
    max_tokens=64)` is another that counts for the same test; it takes the arguments of `Lens`.
    """

    __test__ = False

    def __init__(
        self,
        own: Mapping[str, Any],
        measured: Measured,
        folder: Callable[[], Path],
        recording: Recording | None,
        keeps: bool = False,
    ) -> None:
        self.measured = measured
        self._own = own
        self._folder = folder
        self._recording = recording
        self._keeps = keeps
        self._made: Lens | None = None

    def __call__(self, **changes: Any) -> TestLens:
        """The same with other arguments of `Lens`."""
        own = {**self._own, **changes}
        if "model" in changes and "provider" not in changes and "/" in str(changes["model"]):
            own.pop("provider", None)  # the model names it
        return TestLens(own, self.measured, self._folder, self._recording, self._keeps)

    def __repr__(self) -> str:
        return f"TestLens({self._lens!r})"

    # -- measuring ----------------------------------------------------------------------------

    def profile(
        self, prompt: str | Prompt, *, name: str = "", on_text: OnText | None = None
    ) -> Profile:
        """One request on a fresh connection: see `Lens.profile`."""
        if self._recording:
            return self._replayed(prompt, on_text)
        return self._took(self._lens.profile(prompt, name=name, on_text=on_text))

    async def aprofile(
        self, prompt: str | Prompt, *, name: str = "", on_text: OnText | None = None
    ) -> Profile:
        """`profile`, inside a running event loop."""
        if self._recording:
            return self._replayed(prompt, on_text)
        return self._took(await self._lens.aprofile(prompt, name=name, on_text=on_text))

    def benchmark(
        self,
        prompts: Prompts,
        *,
        name: str = "",
        on_progress: OnProgress | None = None,
        **load: Unpack[Load],
    ) -> Benchmark:
        """Many requests: see `Lens.benchmark`."""
        if self._recording:
            return self._replayed_run(prompts, load)
        found = self._lens.benchmark(prompts, name=name, on_progress=on_progress, **load)
        return self._took_run(found)

    async def abenchmark(
        self,
        prompts: Prompts,
        *,
        name: str = "",
        on_progress: OnProgress | None = None,
        **load: Unpack[Load],
    ) -> Benchmark:
        """`benchmark`, inside a running event loop."""
        if self._recording:
            return self._replayed_run(prompts, load)
        found = await self._lens.abenchmark(prompts, name=name, on_progress=on_progress, **load)
        return self._took_run(found)

    @contextmanager
    def watch(self, *clients: Any, provider: str | None = None) -> Iterator[Seen]:
        """What the test's own code asks in a `with` block, by an SDK or an HTTP library, counts for
        the test: see `llm_latency_lens.watch`. What goes by httpx is recorded and replayed; a test
        whose recording has other calls is skipped when it is to be replayed."""
        if self._recording:
            with self._replaying(clients, provider) as seen:
                yield seen
            return
        vitals, calls = Vitals(SystemClock()), list[Call]()

        def take(call: Call) -> None:
            calls.append(call)

        with (
            watch(*clients, provider=provider, prices=self._own.get("prices")) as seen,
            watching(take, clients, provider),
        ):
            yield seen
        context = self.measured.watch(seen, vitals.finish())
        if self._keeps and context is not None:
            keep(self._folder(), context, calls[: len(seen)])

    @contextmanager
    def _replaying(self, clients: Sequence[Any], provider: str | None) -> Iterator[Seen]:
        assert self._recording
        replay = self._recording.watched()
        if replay is None:
            pytest.skip("what its clients asked was not recorded, or not by httpx alone")
        with replaying(replay, clients, provider, self._own.get("prices")) as seen:
            yield seen
        if len(seen):
            self.measured.watch(seen, replay.health)

    # -- what was measured --------------------------------------------------------------------

    @property
    def result(self) -> Result:
        """Every figure of all that this test has measured so far."""
        return self.measured.result

    def expect(self, *objectives: str) -> None:
        """Fail, and show the distributions, unless what was measured so far keeps every objective.

        The grammar is that of `latency-lens gate`: "ttft_ms.p95<800", "error_rate<1%".
        """
        __tracebackhide__ = True
        self.measured.expect(objectives)

    # -- how ----------------------------------------------------------------------------------

    @property
    def _lens(self) -> Lens:
        if self._made is None:
            more = _NOWHERE if self._recording else {"run_dir": self._folder()}
            try:
                self._made = Lens(**{**arguments(self._own), **more})
            except LensError as error:
                # Without the frames of `Lens`: pytest can show what is in them, and there is a key.
                raise error.with_traceback(None) from None
        return self._made

    def _took(self, found: Profile) -> Profile:
        self._note(found.run, [found.record])
        return found

    def _took_run(self, found: Benchmark) -> Benchmark:
        self._note(found.run, list(found.records()))
        return found

    def _note(self, run: Run, records: list[Any]) -> None:
        context = run.file.context
        self.measured.add(context, records, run.path)
        if context.interrupted:  # the lens took the Ctrl-C that was meant for pytest
            raise KeyboardInterrupt

    def _replayed(self, prompt: str | Prompt, on_text: OnText | None) -> Profile:
        found = self._replayed_run(prompt, _ONE)
        profile = Profile(next(found.records()), found.run)
        events = profile.record.events
        if on_text:
            for kind, text in zip(events.kind, events.text, strict=True):
                on_text(kind, text)
        return profile

    def _replayed_run(self, prompts: Prompts, load: Load) -> Benchmark:
        assert self._recording
        settings = {name: self._own.get(name) for name in ("prices", "tokenizer")}
        found = self._recording.take(self._lens, prompts, load, **settings)
        return self._took_run(found)


def lens_of(config: pytest.Config, item: pytest.Item, temporary: Callable[[], Path]) -> TestLens:
    """The fixture's value for one test."""
    settings = settings_of(config)
    measured = item.stash[MEASURED] = Measured(item.nodeid)
    recording = Recording(settings.replay, item.nodeid) if settings.replay else None
    folder = _folder(settings, item, temporary)
    return TestLens(settings.own, measured, folder, recording, settings.record is not None)


def _folder(
    settings: Settings, item: pytest.Item, temporary: Callable[[], Path]
) -> Callable[[], Path]:
    """Where the runs of the test are kept; made when the first is."""

    @cache
    def folder() -> Path:
        path = settings.record
        return begin(path, item.nodeid) if path else mark(temporary(), item.nodeid)

    return folder
