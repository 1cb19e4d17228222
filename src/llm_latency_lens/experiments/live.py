"""Records while a run goes on.

The run is captured in a process of its own (`apart`), which decodes nothing; what its file of
timelines says is understood here. However long whoever reads the records thinks about each, the
measuring goes on undisturbed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..engine.capture import Captured
from ..engine.load import Load, check
from ..errors import StoreError, UsageError
from ..measured import Benchmark
from ..metrics.context import Context
from ..pricing import Pricer
from ..providers import decode
from ..record import Record
from ..request import Prompt
from ..store import runs
from ..store.prices import keep_prices, pricer_of
from ..store.tail import Tail
from ..store.understand import counted, keep_counts, summarise
from ..timeline import Timeline
from .apart import Apart, Errand
from .party import Party

LOOK_S = 0.1
"""How often to look for what has ended."""


class LiveRun:
    """A benchmark as it goes on: each request's record, by `for` or `async for`, soon after the
    request has ended. The first step starts it.

    Leaving the loop, or the block of a `with` or an `async with`, ends the run as Ctrl-C would:
    nothing more is sent, and running requests have their grace. `benchmark` has then what was
    measured. It is read once; with `raw="off"` all records come at the end.
    """

    def __init__(
        self, party: Party, prompts: Sequence[Prompt], load: Load, context: Context
    ) -> None:
        check(load)
        if not prompts:
            raise UsageError("there is no prompt to send")
        keeping = party.keeping
        if keeping.raw == "off" and keeping.count_tokens:
            raise UsageError("with raw off nothing is left to count: use raw full with a tokenizer")
        self._party, self._prompts, self._load, self._context = party, prompts, load, context
        self._count = keeping.count_tokens
        self._path: Path | None = None
        self._apart: Apart | None = None
        self._stopped = False
        self._benchmark: Benchmark | None = None

    def __repr__(self) -> str:
        state = "not begun" if self._apart is None else "going on"
        ended = self._apart is not None and self._apart.ended.is_set()
        return f"LiveRun({'ended' if ended else state}, run {self._context.id})"

    # -- reading ------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Record]:
        apart = self._begin()
        try:
            yield from self._follow(apart)
        finally:
            self._end(apart)

    async def __aiter__(self) -> AsyncIterator[Record]:
        apart = await asyncio.to_thread(self._begin)
        records = self._follow(apart)
        try:
            # Reading waits, and decoding takes its time: the loop has others to serve.
            while (record := await asyncio.to_thread(next, records, None)) is not None:
                yield record
        finally:
            await asyncio.to_thread(self._end, apart)

    def _begin(self) -> Apart:
        if self._apart is not None:
            raise UsageError("a live run is read once: .benchmark.records() has all of them")
        party = self._party
        path = runs.create(self._context.id, party.keeping.run_dir)
        keeping = replace(party.keeping, run_dir=path.absolute(), count_tokens=None)
        party = replace(party, keeping=keeping)
        self._path = path
        self._apart = Apart(Errand(party, self._prompts, self._load, self._context))
        return self._apart

    def _follow(self, apart: Apart) -> Iterator[Record]:
        assert self._path is not None
        pricer = pricer_of(self._context, self._party.book)
        # What a second of a server costs is shared out when all has ended.
        live = None if pricer.by_the_second else pricer
        tail = Tail(self._path / runs.TIMELINES)
        try:
            ended = False
            while not ended:
                ended = apart.ended.wait(LOOK_S)
                for timeline in tail.closed():
                    yield self._understood(timeline, live)
        finally:
            tail.close()
        captured = self._captured(apart)
        if captured.run.file.raw == "off":
            yield from captured.run.records()
        for timeline in captured.unsaved:
            yield self._understood(timeline, live)

    def _understood(self, timeline: Timeline, pricer: Pricer | None) -> Record:
        record = counted(decode(timeline), self._count)
        return pricer.price(record) if pricer else record

    # -- ending -------------------------------------------------------------------------------

    def stop(self) -> None:
        """Send nothing more; running requests have their grace. A second call cuts them off."""
        if self._apart is not None:
            self._stopped = True
            self._apart.interrupt()

    def __enter__(self) -> LiveRun:
        return self

    def __exit__(self, *_: object) -> None:
        if self._apart is not None:
            self._end(self._apart)

    async def __aenter__(self) -> LiveRun:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._apart is not None:
            await asyncio.to_thread(self._end, self._apart)

    def _end(self, apart: Apart) -> None:
        """Interrupt it unless that was done, and wait until it has ended."""
        if not (self._stopped or apart.ended.is_set()):
            self.stop()
        try:
            apart.ended.wait()
        except KeyboardInterrupt:  # a second Ctrl-C
            apart.interrupt()
            raise

    # -- what comes of it ---------------------------------------------------------------------

    @property
    def benchmark(self) -> Benchmark:
        """What was measured, as `Lens.benchmark` gives it; waits until the run has ended.

        Raises UsageError before it has begun, and what `Lens.benchmark` would have raised.
        """
        if self._apart is None:
            raise UsageError("the run has not begun: iterate over it first")
        if self._benchmark is None:
            self._benchmark = self._summed_up(self._apart)
        return self._benchmark

    def _captured(self, apart: Apart) -> Captured:
        try:
            return apart.captured()
        except UsageError:
            assert self._path is not None
            with suppress(OSError):  # nothing was sent, and nothing is in it
                self._path.rmdir()
            raise

    def _summed_up(self, apart: Apart) -> Benchmark:
        captured = self._captured(apart)
        run, unsaved, count = captured.run, captured.unsaved, self._count
        if count:
            with suppress(StoreError):
                keep_counts(run, unsaved, count)
                count = None
        pricer = pricer_of(run.file.context, self._party.book)
        found = (run, unsaved, count, pricer)
        result = summarise(*found)
        keep_prices(run, pricer)
        return Benchmark(result, *found)
