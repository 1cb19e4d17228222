"""A capture in a process of its own: whatever this process does meanwhile cannot disturb it.

`python -m llm_latency_lens.experiments.apart` reads what to do from its standard input and carries
it out. Each byte that comes after it, and the end of the input, interrupts the run as Ctrl-C would:
it does not outlive whoever started it. Its standard output is what became of it.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

from ..engine.capture import Captured
from ..engine.load import Load
from ..engine.orchestrator import Engine
from ..errors import LensError, RunError
from ..metrics.context import Context
from ..request import Prompt, Secret
from .benchmark import capture_load
from .party import Party


@dataclass(frozen=True, slots=True)
class Errand:
    """What to capture; `party.keeping.run_dir` is the run's own directory, and empty."""

    party: Party
    prompts: Sequence[Prompt]
    load: Load
    context: Context


class Apart:
    """The other process, from its start to its end."""

    def __init__(self, errand: Errand) -> None:
        self.ended = threading.Event()
        self._path = errand.party.keeping.run_dir
        self._outcome: Captured | LensError | None = None
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            # A Ctrl-C at the terminal is for whoever reads the records, who then ends the run.
            start_new_session=True,
        )
        self._tell(_sealed(errand))
        threading.Thread(target=self._hear, name="latency-lens", daemon=True).start()

    def interrupt(self) -> None:
        """The first call stops sending and gives running requests a grace; the second cancels."""
        self._tell(b".")

    def captured(self) -> Captured:
        """What was captured, once it has ended. Raises what the capture raised, and RunError where
        the process died."""
        self.ended.wait()
        if isinstance(self._outcome, LensError):
            raise self._outcome
        if self._outcome is None:
            raise RunError(
                f"the process that measures ended before its time (code"
                f" {self._process.returncode}); what it captured is in {self._path}"
            )
        return self._outcome

    def _tell(self, data: bytes) -> None:
        with suppress(BrokenPipeError):  # then it has ended
            assert self._process.stdin is not None
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        data = self._process.stdout.read()
        self._process.wait()
        self._process.stdout.close()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(pickle.UnpicklingError, EOFError):
            self._outcome = pickle.loads(data)  # noqa: S301  (from our own child)
        self.ended.set()


class _Sealer(pickle.Pickler):
    """A key leaves the process by this pipe alone, for the process that is to use it."""

    def reducer_override(self, obj: Any) -> Any:
        return (Secret, (obj.reveal(),)) if isinstance(obj, Secret) else NotImplemented


def _sealed(errand: Errand) -> bytes:
    out = BytesIO()
    _Sealer(out).dump(errand)
    return out.getvalue()


# --- the other side -------------------------------------------------------------------------


def main(source: BinaryIO, out: BinaryIO, signs: Callable[[], bytes]) -> int:
    """Carry out the errand of `source`; `signs` waits for the next byte, and gives none at the
    end."""
    errand: Errand = pickle.load(source)  # noqa: S301  (from our own parent)
    interrupts = _Interrupts()
    threading.Thread(target=interrupts.listen, args=(signs,), daemon=True).start()
    outcome: Captured | LensError
    try:
        wanted = (errand.party, errand.prompts, errand.load, errand.context)
        outcome = asyncio.run(capture_load(*wanted, on_beat=interrupts.pass_on))
    except LensError as error:
        outcome = error
    pickle.dump(outcome, out)
    out.flush()
    return 0


class _Interrupts:
    """Counts what one thread hears, and passes it on in the engine's own."""

    def __init__(self) -> None:
        self._heard = self._told = 0

    def listen(self, signs: Callable[[], bytes]) -> None:
        going_on = True
        while going_on:
            going_on = bool(signs())
            self._heard += 1

    def pass_on(self, engine: Engine) -> None:
        while self._told < self._heard:
            self._told += 1
            engine.interrupt()


def _main() -> int:
    # What anybody prints must not get among what is told.
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return main(sys.stdin.buffer, told, lambda: os.read(0, 1))


if __name__ == "__main__":
    sys.exit(_main())
