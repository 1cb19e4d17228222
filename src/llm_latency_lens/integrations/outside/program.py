"""Starts a program, takes the calls that it makes, and keeps them as a run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...clock import SystemClock
from ...errors import UsageError
from ...experiments.party import new_context
from ...metrics.context import Context
from ...metrics.program import EXPERIMENT, Program
from ...pricing import Pricer
from ...record import Record
from ...store import runs
from ...store.prices import keep_prices, open_book, pricer_of
from ...store.runs import Raw, Run, RunFile
from ...store.understand import records
from ..kept import Kept, note
from ..sdk.call import Call
from .wire import HELLO, load

ADDRESS = "_LATENCY_LENS_CALLS"
"""Begins otherwise than the variables that are settings."""
STARTUP = Path(__file__).with_name("startup")
_NO_MORE = b"-"
_PATIENCE_S = 2.0
_LONGEST_ADDRESS = 90
_PASSED_ON = ("SIGTERM", "SIGHUP")


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that has ended: its exit code as a shell gives it, and the run of its calls."""

    code: int
    result: Program
    run: Run
    _pricer: Pricer = field(repr=False)

    def records(self) -> Iterator[Record]:
        """Each call, decoded again from what was captured."""
        return records(self.run, pricer=self._pricer)


def run_program(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    run_dir: Path | None = None,
    raw: Raw = "full",
    name: str = "",
    prices: Any = None,
    keep_text: bool = False,
) -> Ran:
    """Run a program to its end, measured, and keep its calls as a run.

    The program has this one's streams. Raises UsageError where it cannot be started, and StoreError
    when the run's directory cannot be made.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("run needs Unix sockets, which this system's Python does not have")
    if not (found := shutil.which(command[0], path=environ.get("PATH"))):
        raise UsageError(f"no program {command[0]!r} was found")
    book = open_book(prices)
    context = new_context(name, {"experiment": EXPERIMENT, "command": os.path.basename(command[0])})
    path = runs.create(context.id, run_dir)
    file = RunFile(raw=raw, context=context)
    runs.write(path, file)
    kept = Kept(path, raw, os.getcwd(), keep_text=keep_text)
    clock = SystemClock()
    began = clock.monotonic_ns()
    try:
        with _taking(kept.take) as address:
            code = _wait_for([found, *command[1:]], _environment(environ, address))
    finally:
        ended = clock.monotonic_ns()
        note(context, kept.close(), (began, ended))
        runs.write(path, file)
    run, pricer = Run(path, file), pricer_of(context, book)
    result = summed_up(records(run, pricer=pricer), context)
    keep_prices(run, pricer)
    return Ran(code, result, run, pricer)


def summed_up(read: Iterator[Record], context: Context) -> Program:
    """What the calls of a run come to, by where the program made them."""
    # numpy loads here, after the program has ended.
    from ...metrics.sites import program_of

    return program_of(read, context)


def _environment(environ: Mapping[str, str], address: str) -> dict[str, str]:
    path = [str(STARTUP), *filter(None, [environ.get("PYTHONPATH")])]
    return {**environ, "PYTHONPATH": os.pathsep.join(path), ADDRESS: address}


def _wait_for(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run to the end; the exit code as a shell gives it.

    Ctrl-C goes to the program too: what it means is the program's to say.
    """
    try:
        process = subprocess.Popen(command, env=environ)  # noqa: S603
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be started: {error.strerror}") from None
    with _passing_on(process):
        code = process.wait()
    return 128 - code if code < 0 else code


@contextlib.contextmanager
def _passing_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Signals go to the program."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    for name in _PASSED_ON:
        if number := getattr(signal, name, None):
            before[number] = signal.signal(number, lambda got, _: process.send_signal(got))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


@contextlib.contextmanager
def _taking(take: Callable[[Call], object]) -> Iterator[str]:
    """A socket to which the program's processes send their calls; only the user can reach it."""
    with tempfile.TemporaryDirectory(prefix="lens-", dir=_short_folder()) as folder:
        address = os.path.join(folder, "calls")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(address)
        listener.listen(64)
        readers: list[threading.Thread] = []
        acceptor = threading.Thread(target=_accept, args=(listener, take, readers), daemon=True)
        acceptor.start()
        try:
            yield address
        finally:
            # A last connection, behind all of the program's, says that there are no more.
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as last:
                last.connect(address)
                last.sendall(_NO_MORE)
            acceptor.join(_PATIENCE_S)
            for reader in readers:
                reader.join(_PATIENCE_S)
            listener.close()


def _accept(
    listener: socket.socket, take: Callable[[Call], object], readers: list[threading.Thread]
) -> None:
    while True:
        sock, _ = listener.accept()
        if sock.recv(1) != HELLO:
            sock.close()
            return
        reader = threading.Thread(target=_read, args=(sock, take), daemon=True)
        readers.append(reader)
        reader.start()


def _read(sock: socket.socket, take: Callable[[Call], object]) -> None:
    with sock, sock.makefile("rb") as file:
        while (call := load(file.read)) is not None:
            take(call)


def _short_folder() -> str | None:
    """The address of a Unix socket has at most some hundred characters."""
    long = len(tempfile.gettempdir()) > _LONGEST_ADDRESS - 30
    return "/tmp" if long and sys.platform != "win32" else None  # noqa: S108
