"""Notes: what happened at a moment and may explain a figure, for pages to mark and people to read.

Cold starts, other versions of a model, other prices, new configurations, steps of the clock, and
when the monitor itself began and ended. Kept as lines on disk, the last `KEPT` of them.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Literal

import msgspec

from ..record import Record
from ..report.figures import seconds, short
from .probe import Row

NoteKind = Literal[
    "cold_start", "model", "fingerprint", "price", "reload", "clock_step", "start", "stop"
]
KEPT = 5000
_SLACK = 1000

IDLE_S = 240.0
"""Between two probes, for the first answer to be one of a cold start: servers that unload a model
wait for some minutes (Ollama for five)."""
COLD = 3.0
"""How many times as long as usual a cold start takes."""
COLD_MS = 500.0
"""And by how much longer, at least."""
USUAL = 20
"""Answers that say what is usual."""
FEWEST = 5
KNOWN = 8
"""Fingerprints that are no news: servers behind one address can differ."""
LONGEST = 200
PRICES = 64


class Note(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`target` is empty where it is of the monitor as a whole."""

    at_unix_s: float
    kind: NoteKind
    text: str
    target: str = ""


class Notes:
    """`error` says why the last note could not be written."""

    def __init__(self, folder: Path) -> None:
        self.error: str | None = None
        self._path = folder / "notes.jsonl"
        self._notes: deque[Note] = deque(maxlen=KEPT)
        self._lines = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._read()

    def add(self, kind: NoteKind, text: str, at_unix_s: float, target: str = "") -> None:
        note = Note(at_unix_s=at_unix_s, kind=kind, text=text, target=target)
        self._notes.append(note)
        if self.error is not None or self._lines >= KEPT + _SLACK:
            self.mend()
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                os.write(descriptor, msgspec.json.encode(note) + b"\n")
            finally:
                os.close(descriptor)
            self._lines += 1
        except OSError as error:
            self.error = error.strerror or type(error).__name__

    def mend(self) -> None:
        """Write all notes anew, since some could not be written, or many are forgotten."""
        new = self._path.with_suffix(".new")
        try:
            new.touch(mode=0o600)
            new.write_bytes(b"".join(msgspec.json.encode(note) + b"\n" for note in self._notes))
            new.replace(self._path)
        except OSError as error:
            self.error = error.strerror or type(error).__name__
        else:
            self.error, self._lines = None, len(self._notes)

    def between(
        self, since_unix_s: float, until_unix_s: float, target: str | None = None
    ) -> list[Note]:
        """Those of a target and of the monitor, or all; the oldest first."""
        return [
            note
            for note in self._notes
            if since_unix_s <= note.at_unix_s < until_unix_s
            and (target is None or note.target in ("", target))
        ]

    def last(self, kind: NoteKind) -> Note | None:
        return next((note for note in reversed(self._notes) if note.kind == kind), None)

    def _read(self) -> None:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for text in lines:
            try:
                self._notes.append(_decoder.decode(text))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # torn, by a process that was killed
        self._lines = len(lines)


_decoder = msgspec.json.Decoder(Note)

Found = tuple[NoteKind, str]


class Eye(msgspec.Struct):
    """Sees in one target's probes what is worth a note; as it is kept over a restart."""

    model: str | None = None
    fingerprints: list[str] = []
    usual_ms: list[float] = []
    last_unix_s: float | None = None

    def see(self, row: Row) -> Iterable[Found]:
        at_unix_s = row.at_unix_ns / 1e9
        idle_s = None if self.last_unix_s is None else at_unix_s - self.last_unix_s
        self.last_unix_s = at_unix_s
        if not row.ok:
            return
        yield from self._version(row)
        cold_ms = _cold_ms(row)
        if cold_ms is None:
            return
        if idle_s is not None and idle_s >= IDLE_S and len(self.usual_ms) >= FEWEST:
            usual_ms = median(self.usual_ms)
            if cold_ms > max(COLD * usual_ms, usual_ms + COLD_MS):
                yield (
                    "cold_start",
                    f"cold start after {seconds(idle_s)}: first token after {short(cold_ms)} ms"
                    f" with the connection, usually {short(usual_ms)} ms",
                )
        self.usual_ms = [*self.usual_ms[-USUAL + 1 :], cold_ms]

    def _version(self, row: Row) -> Iterable[Found]:
        # Names that a server makes up: no longer than a name is.
        model, fingerprint = (row.response_model or "")[:LONGEST], (row.fingerprint or "")[:LONGEST]
        if model:
            if self.model and self.model != model:
                yield "model", f"answers name another model: {self.model} -> {model}"
            self.model = model
        if fingerprint and fingerprint not in self.fingerprints:
            if self.fingerprints:
                yield "fingerprint", f"another fingerprint: {fingerprint}"
            self.fingerprints = [*self.fingerprints[-KNOWN + 1 :], fingerprint]


class Prices:
    """Sees that the same work costs something else. Not kept over a restart."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Decimal] = {}

    def see(self, record: Record) -> Iterable[Found]:
        usage, cost = record.usage, record.cost_usd
        if cost is None or usage.input is None or usage.output is None:
            return
        work = (
            *(usage.input, usage.output, usage.reasoning, usage.cached_input, usage.cache_write),
            *(usage.cache_write_1h, usage.audio_input, usage.audio_output, usage.billed_input),
            *(usage.billed_output, usage.searches, record.response_model, record.service_tier),
        )
        before = self._known.get(work)
        if before is not None and before != cost:
            self._known.clear()
            yield (
                "price",
                f"another price: {usage.input} + {usage.output} tokens cost {cost:f} dollars,"
                f" and {before:f} before",
            )
        if len(self._known) >= PRICES:
            self._known.pop(next(iter(self._known)))
        self._known[work] = cost


def _cold_ms(row: Row) -> float | None:
    """TTFT with the set-up of the connection, where there was one."""
    if row.ttft_ms is None:
        return None
    return row.ttft_ms + (row.dns_ms or 0.0) + (row.connect_ms or 0.0) + (row.tls_ms or 0.0)
