"""Calls of other programs as they come, understood and kept as a run."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ..clock import SECOND_NS
from ..errors import StoreError
from ..metrics.context import ClockSource, Context, Health
from ..providers import decode
from ..providers.redact import redact, safe_prefix
from ..store import runs
from ..store.runs import Raw, RecordFile
from ..store.spool import Spool
from ..timeline import Timeline
from .sdk.call import Call
from .sdk.sites import shown
from .sdk.understand import base_url_of, understood


class Told(msgspec.Struct, kw_only=True):
    """What was kept. `sources` are whose stamps the calls have, `arms` whom they asked, by name;
    `error` is why not all of them are there."""

    calls: int = 0
    lost: int = 0
    reads: int = 0
    bytes: int = 0
    sources: list[ClockSource] = []
    arms: dict[str, dict[str, str]] = {}
    error: str | None = None


class Kept:
    """Takes calls until it is closed: their timelines go to the disk, or, where nothing raw is to
    be kept, their records."""

    def __init__(self, path: Path, raw: Raw, folder: str | None, *, keep_text: bool) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._told = Told()
        self._sources: set[ClockSource] = set()
        self._spool: Spool | None = None
        self._records: RecordFile | None = None
        if raw == "off":
            self._records = RecordFile(path / runs.RECORDS, keep_text=keep_text)
        else:
            blank = raw == "redacted"
            self._spool = Spool(
                path / runs.TIMELINES,
                redact=redact if blank else None,
                safe_prefix=safe_prefix if blank else None,
            )

    @property
    def error(self) -> str | None:
        """Why no more is kept, in one line; None while all is well."""
        return self._told.error

    def take(self, call: Call) -> None:
        """One call that has ended; its place in the program is told from the folder."""
        with self._lock:
            told = self._told
            if told.error is not None:
                told.lost += 1
                return
            tag = shown(call.site, self._folder or "")
            timeline = understood(call, told.calls, f"call-{told.calls}", tag)
            told.calls += 1
            url = base_url_of(call.url)
            arm = f"{timeline.provider}/{timeline.model or '?'} at {url.partition('://')[2]}"
            its = {"provider": timeline.provider, "model": timeline.model, "base_url": url}
            timeline.arm, told.arms[arm] = arm, its
            told.reads += len(timeline.at)
            self._sources.add(timeline.clock_source)
            self._keep(timeline)

    def _keep(self, timeline: Timeline) -> None:
        if self._spool is not None:
            self._spool.open(timeline)
            self._spool.close(timeline)
            self._spool.write_out()
            self._note(self._spool.error)
        elif self._records is not None:
            try:
                self._records.add(decode(timeline))
            except StoreError as error:
                self._note(error)

    def _note(self, error: StoreError | None) -> None:
        """The disk takes no more."""
        if error is not None:
            self._told.error = str(error)
            self._told.lost += 1

    def close(self) -> Told:
        """What it comes to."""
        told = self._told
        if self._spool is not None:
            self._spool.finish()
            told.bytes = self._spool.written
        elif self._records is not None:
            try:
                self._records.close()
            except StoreError as error:
                told.error = told.error or str(error)
        told.sources = sorted(self._sources)
        return told


def note(context: Context, told: Told, window_ns: tuple[int, int], **more: Any) -> None:
    """Complete a run's context by what was kept of it, and from when until when it went on."""
    began, ended = window_ns
    health = context.health or Health()
    health.capture_s = (ended - began) / SECOND_NS
    health.clock_source = "mixed" if len(told.sources) > 1 else next(iter(told.sources), "user")
    health.reads, health.spool_bytes = told.reads, told.bytes
    context.health = health
    context.planned = told.calls
    context.stopped_early = told.error
    context.config = {
        **context.config,
        "provider": _only(arm["provider"] for arm in told.arms.values()),
        "model": _only(arm["model"] for arm in told.arms.values()),
        "arms": told.arms,
        "window_ns": [began, ended],
        **more,
    }


def _only(values: Iterable[str]) -> str:
    """The one value of all, or that there are several."""
    found = set(values)
    return found.pop() if len(found) == 1 else "several" if found else ""
