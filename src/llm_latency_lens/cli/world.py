"""What a command touches besides its settings: streams, environment, and the library's face. Tests
hand in a world of their own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from .settings import Choice

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..decide.decision import Decision
    from ..experiments.certificate import Certificate
    from ..integrations.outside.program import Ran
    from ..integrations.proxy.program import Ran as Passed
    from ..lens import Lens
    from ..measured import Benchmark, Trial
    from ..metrics.comparison import Comparison
    from ..sinks import Exported
    from ..testing.process import RunningSimulator


def _lens(**settings: Any) -> Lens:
    from ..lens import Lens

    return Lens(**settings)


def _load(run: str, **settings: Any) -> Benchmark:
    from ..lens import load

    return load(run, **settings)


def _exported(run: str, **settings: Any) -> Exported:
    from ..lens import exported

    return exported(run, **settings)


def _simulator(**options: str) -> AbstractContextManager[RunningSimulator]:
    from ..testing.config import SimConfig
    from ..testing.process import start_simulator

    return start_simulator(SimConfig.from_options(**options))


def _calibrate(**settings: Any) -> Certificate:
    from ..experiments.calibrate import calibrate

    return calibrate(**settings)


def _compare(*args: Any, **settings: Any) -> Trial[Comparison]:
    from ..experiments.compare import compare

    return compare(*args, **settings)


def _optimize(*args: Any, **settings: Any) -> Decision:
    from ..experiments.optimize import optimize

    return optimize(*args, **settings)


def _run_program(*args: Any, **settings: Any) -> Ran:
    from ..integrations.outside.program import run_program

    return run_program(*args, **settings)


def _run_proxy(*args: Any, **settings: Any) -> Passed:
    from ..integrations.proxy.program import run_proxy

    return run_proxy(*args, **settings)


@dataclass(slots=True)
class World:
    """The outside of a command. The last nine are the library's own: `Lens`, `load` and `exported`
    of `lens`, `start_simulator` with the simulator's options as texts, `calibrate`, `compare`,
    `optimize`, `run_program`, `run_proxy`."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    stdin: BinaryIO | None = None
    lens: Callable[..., Lens] = _lens
    load: Callable[..., Benchmark] = _load
    exported: Callable[..., Exported] = _exported
    simulator: Callable[..., AbstractContextManager[RunningSimulator]] = _simulator
    calibrate: Callable[..., Certificate] = _calibrate
    compare: Callable[..., Trial[Comparison]] = _compare
    optimize: Callable[..., Decision] = _optimize
    run_program: Callable[..., Ran] = _run_program
    run_proxy: Callable[..., Passed] = _run_proxy


@dataclass(frozen=True, slots=True)
class Call:
    """One command as it was called: where, by which name, and how each setting came to be."""

    world: World
    verb: str
    chosen: Mapping[str, Choice]
