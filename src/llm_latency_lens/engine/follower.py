"""Starts the process that streams a run's finished requests, and hears what became of them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from ..errors import RunError, UsageError
from ..metrics.context import SinkOutcome
from ..pricing import Prices
from ..sinks.address import parse
from .following import Errand, Ready, Told

_SLACK_S = 15.0
"""What it may take longer than it was given, before it is ended."""


@dataclass(frozen=True, slots=True)
class Streaming:
    """Where finished requests are sent while the run goes on; by which prices they are reckoned."""

    urls: Sequence[str]
    prices: Prices | None = None
    keep_text: bool = False

    def __repr__(self) -> str:
        return f"Streaming({len(self.urls)} URLs)"

    def checked(self, environ: Mapping[str, str]) -> Streaming:
        """Itself. Raises UsageError for a URL to which nothing can be sent."""
        for url in self.urls:
            parse(url, environ)
        return self


class Follower:
    """The other process, from its start to `finish`. Blocks: it is for a thread.

    Raises UsageError or RunError when a sink cannot be opened.
    """

    def __init__(self, streaming: Streaming, run: Path, environ: Mapping[str, str]) -> None:
        self._urls = [parse(url, environ).shown for url in streaming.urls]
        errand = Errand(
            run=str(run.absolute()),
            urls=list(streaming.urls),
            prices=_plain(streaming.prices),
            keep_text=streaming.keep_text,
        )
        self._limit_s = errand.catch_up_s + errand.patience_s + _SLACK_S
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", f"{__package__}.following"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
        )
        self._write(msgspec.json.encode(errand) + b"\n")
        assert self._process.stdout is not None
        self._hear(self._process.stdout.readline())

    def _hear(self, line: bytes) -> None:
        try:
            error = msgspec.json.decode(line, type=Ready).error
        except msgspec.DecodeError:
            error = "the process that streams did not start"
        if error is not None:
            self.abandon()
            wrong = self._process.returncode == UsageError.exit_code
            raise (UsageError if wrong else RunError)(f"--stream-to: {error}")

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # then its answer says why
            assert self._process.stdin is not None
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def finish(self, requests: int) -> list[SinkOutcome]:
        """The run is on the disk, with so many `requests`: wait until they are sent, or are not."""
        try:
            out, _ = self._process.communicate(timeout=self._limit_s)
            told = msgspec.json.decode(out, type=Told)
        except (subprocess.TimeoutExpired, msgspec.DecodeError):
            self.abandon()
            error = "the process that streams ended before its time"
            return [SinkOutcome(url=url, sent=0, lost=requests, error=error) for url in self._urls]
        unread = "the run's file could not be read" if told.complete else "there was no time"
        return [_counted(outcome, requests, unread) for outcome in told.sinks]

    def abandon(self) -> None:
        """End it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=0.5)
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def _counted(outcome: SinkOutcome, requests: int, unread: str) -> SinkOutcome:
    """With what never came so far counted as lost too."""
    lost = max(outcome.lost, requests - outcome.sent)
    if lost == outcome.lost:
        return outcome
    return replace(outcome, lost=lost, error=outcome.error or unread)


def _plain(prices: Prices | None) -> str | list[dict[str, Any]] | None:
    """As JSON can carry it; a decimal becomes its text."""
    if prices is None:
        return None
    if isinstance(prices, str | Path):
        return str(Path(prices).absolute())
    return msgspec.json.decode(msgspec.json.encode(prices), type=list[dict[str, Any]])
