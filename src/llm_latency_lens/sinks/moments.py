"""When things happened, in Unix time, and by which names a request is known to tracing."""

from __future__ import annotations

from hashlib import sha256

from ..record import Record


class Moments:
    """Unix nanoseconds of a record's marks.

    A request that never started has no Unix time of its own: it borrows the distance between the
    clocks from another request of the run, or stands at the run's beginning where there is none. A
    service says of such a one when it was to start.
    """

    __slots__ = ("_began_ns", "_offset_ns")

    def __init__(self, began_unix_ns: int) -> None:
        self._began_ns = began_unix_ns
        self._offset_ns: int | None = None

    def start(self, record: Record) -> int:
        """When the request began; when it was given up, where it could not begin."""
        if record.start_unix_ns is not None:
            if record.start_ns is not None:
                self._offset_ns = record.start_unix_ns - record.start_ns
            return record.start_unix_ns
        mark_ns = record.planned_ns if record.end_ns is None else record.end_ns
        if mark_ns is None or self._offset_ns is None:
            return self._began_ns
        return mark_ns + self._offset_ns

    def end(self, record: Record) -> int:
        """When it ended."""
        start = self.start(record)
        took_ns = record.e2e_ns
        return start if took_ns is None else start + took_ns


def trace_id(run_id: str, record: Record) -> str:
    """The trace of a request and of its further attempts: 16 bytes in hex."""
    return sha256(f"{run_id} {record.index}".encode()).hexdigest()[:32]


def span_id(run_id: str, record: Record) -> str:
    """The span of one attempt: 8 bytes in hex."""
    return sha256(f"{run_id} {record.index} {record.attempt}".encode()).hexdigest()[:16]
