"""Another process: understands the calls and keeps them as a run, while the proxy passes bytes on.

It gets a processor only where nobody else wants it. Its standard input is one line of JSON, then
the calls as `outside.wire` has them; its standard output one line when all of them are kept.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import httptools
import msgspec

from ...engine.following import stand_back
from ...errors import LensError
from ...store.runs import Raw
from ..kept import Kept, Told
from ..outside.wire import load
from ..sdk.call import Call, harmless
from ..sdk.recognise import Ask, asks, recognise


class Errand(msgspec.Struct):
    """Where to keep what."""

    run: str
    raw: Raw = "full"
    keep_text: bool = False


class Report(msgspec.Struct):
    """What was kept. `others` turned out to ask no model; `error` is why nothing could be."""

    kept: Told
    others: int = 0
    error: str | None = None


class Keeper:
    """Takes calls; `warn` is told once, when no more can be kept. Raises StoreError where the run
    cannot be begun."""

    def __init__(self, errand: Errand, warn: Callable[[str], object]) -> None:
        self._warn: Callable[[str], object] | None = warn
        self._kept = Kept(Path(errand.run), errand.raw, None, keep_text=errand.keep_text)
        self._others = 0

    @harmless
    def take(self, call: Call) -> None:
        """One call that has ended. What cannot be understood must not take the others with it."""
        call.asked = unchunked(call)
        ask = recognise(call.method, call.url) or Ask(call.hint or "", "chat")
        if asks(ask, call.url, call.asked):
            self._kept.take(call)
            if self._kept.error is not None and self._warn is not None:
                self._warn(f"{self._kept.error} (calls go through all the same)")
                self._warn = None
        else:
            self._others += 1

    def finish(self) -> Report:
        """Nothing more comes."""
        return Report(self._kept.close(), self._others)


class _Parts:
    """What llhttp tells of a body."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.on_body = self.body.extend


def unchunked(call: Call) -> bytes:
    """The body of the request without its framing."""
    body = bytes(call.asked or b"")
    fields = {name.lower(): value for name, value in call.request_headers}
    if "chunked" not in fields.get("transfer-encoding", "").lower():
        return body
    parts = _Parts()
    parser = httptools.HttpRequestParser(parts)
    parser.feed_data(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + body)
    return bytes(parts.body)


def main() -> int:
    stand_back()
    errand = msgspec.json.decode(sys.stdin.buffer.readline(), type=Errand)
    try:
        keeper = Keeper(errand, _complain)
        while (call := load(sys.stdin.buffer.read)) is not None:
            keeper.take(call)
        report = keeper.finish()
    except LensError as error:
        report = Report(Told(), error=str(error))
    with contextlib.suppress(BrokenPipeError):  # the proxy was killed; its calls are kept
        os.write(sys.stdout.fileno(), msgspec.json.encode(report) + b"\n")
    return 0


def _complain(words: str) -> None:
    print(f"latency-lens: warning: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
