"""The simulated provider in a process of its own, so that it and the instrument share no loop.

`python -m llm_latency_lens.testing.process` reads one JSON line of settings from standard input,
prints one line with its address, and serves until SIGTERM or until its input ends: it does not
outlive whoever started it. Settings come by the input, since a key in the arguments could be read
by everyone on the machine.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ..errors import LensError, RunError, UsageError
from .config import SimConfig
from .sendlog import Sent, read_send_log
from .server import serve

_STOP_S = 10.0


class Settings(msgspec.Struct):
    """What the child is told."""

    options: dict[str, str]
    host: str = "127.0.0.1"
    port: int = 0
    unix_socket: str | None = None
    tls: tuple[str, str] | None = None
    api_key: str | None = None
    send_log: str | None = None


class Ready(msgspec.Struct):
    """What the child answers: its address, or why there is none."""

    base_url: str = ""
    error: str = ""


@dataclass(slots=True)
class RunningSimulator:
    """A simulator that serves at `base_url` (and on `unix_socket`) until it is stopped."""

    base_url: str
    send_log: Path
    """Complete once `stop` has returned."""
    unix_socket: str | None
    process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self) -> None:
        """End it and wait; a second call does nothing. RunError if it had failed."""
        process = self.process
        if process.returncode is not None:
            return
        process.terminate()
        try:
            _, complaint = process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise RunError(f"the simulator did not stop within {_STOP_S:.0f} s") from None
        if process.returncode:
            raise RunError(f"the simulator failed: {_last_line(complaint, process.returncode)}")

    def log(self) -> list[Sent]:
        """Stop it, and read what it sent and when."""
        self.stop()
        return read_send_log(self.send_log)


@contextmanager
def start_simulator(
    config: SimConfig,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    unix_socket: str | None = None,
    tls: tuple[str, str] | None = None,
    api_key: str | None = None,
    send_log: Path | None = None,
) -> Iterator[RunningSimulator]:
    """Run a simulator beside this process while the block lasts.

    The arguments are those of `server.serve`; without `send_log` the log is kept in a temporary
    folder that is removed with the block. UsageError when it cannot start as asked.
    """
    with tempfile.TemporaryDirectory(prefix="latency-lens-sim-") as folder:
        path = send_log or Path(folder, "sends.jsonl")
        settings = Settings(
            config.options(), host, port, unix_socket, tls, api_key, str(path.absolute())
        )
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A Ctrl-C at the terminal is for whoever started it, who still wants answers.
            start_new_session=True,
        )
        running = RunningSimulator("", path, unix_socket, process)
        try:
            running.base_url = _greet(process, settings)
            yield running
        finally:
            running.stop()


def _greet(process: subprocess.Popen[bytes], settings: Settings) -> str:
    """Tell the child what to do and hear its address."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):
        process.stdin.write(msgspec.json.encode(settings) + b"\n")
        process.stdin.flush()
    line = process.stdout.readline()
    ready = msgspec.json.decode(line or b"{}", type=Ready)
    if not ready.base_url:
        _, complaint = process.communicate()
        if ready.error:
            raise UsageError(ready.error)
        raise RunError(f"the simulator failed: {_last_line(complaint, process.returncode)}")
    return ready.base_url


def _last_line(complaint: bytes, code: int) -> str:
    return complaint.decode(errors="replace").strip().rpartition("\n")[2] or f"exit code {code}"


def main() -> int:
    """The child's side."""
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings)
    try:
        asyncio.run(_serve(settings))
    except UsageError as error:
        _say(Ready(error=str(error)))
        return error.exit_code
    except LensError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


async def _serve(settings: Settings) -> None:
    """Serve while the input lasts."""
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(
        serve(
            SimConfig.from_options(**settings.options),
            host=settings.host,
            port=settings.port,
            unix_socket=settings.unix_socket,
            tls=settings.tls,
            api_key=settings.api_key,
            send_log=Path(settings.send_log) if settings.send_log else None,
            on_ready=lambda base_url: _say(Ready(base_url)),
        )
    )
    loop.add_reader(sys.stdin.fileno(), serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving


def _say(ready: Ready) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(ready) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
