"""`latency-lens validate`: every mistake of a configuration file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, UsageError
from ..store.texts import text_of
from .commands import CONFIGURED
from .config import read_entries
from .monitor_file import is_monitor_file, read_monitor_file
from .options import Checked
from .suite import is_suite, read_suite
from .validation import mistakes
from .world import Call, World

if TYPE_CHECKING:
    from ..decide.sla import Sla

EXAMPLES = """\
latency-lens validate nightly.toml
latency-lens validate sla.yaml
latency-lens validate suite.yaml
latency-lens validate monitor.yaml
latency-lens benchmark --config nightly.toml"""


def validate(call: Call, *, checked: Checked) -> int:
    """Name each mistake of a configuration, service levels, a suite or a monitor's file.

    A configuration is TOML or YAML. Its keys are the flags' names; a section named after a
    command, such as benchmark, holds for that command alone.
    """
    if checked.file is None:
        raise UsageError("there is nothing to check: name a configuration file")
    path, world = checked.file, call.world
    if is_monitor_file(path):
        monitor, wrong = read_monitor_file(path, world.environ)
        return _told(path, len(monitor.targets) if monitor else None, "target", wrong, world)
    if is_suite(path):
        suite, wrong = read_suite(path, world.environ)
        return _told(path, len(suite.cases) if suite else None, "case", wrong, world)
    if path.endswith((".yaml", ".yml")) and is_sla(path):
        sla, wrong = _read_sla(path)
        return _told(path, len(sla.promises) if sla else None, "objective", wrong, world)
    entries = read_entries(path, CONFIGURED)
    return _told(path, len(entries), "setting", mistakes(entries, path, world.environ), world)


def _told(
    path: str, count: int | None, what: str, wrong: Sequence[ConfigError], world: World
) -> int:
    """Say each mistake, or how much there is without one; the exit code."""
    for mistake in wrong:
        world.out.write(f"{mistake}\n")
    if wrong or count is None:
        return 2
    world.out.write(f"{path}: {count} {what if count == 1 else what + 's'}, no mistake\n")
    return 0


def is_sla(path: str) -> bool:
    from ..decide import sla

    return Path(path).is_file() and sla.is_sla(text_of(path))


def _read_sla(path: str) -> tuple[Sla | None, list[ConfigError]]:
    from ..decide.sla import read_sla

    return read_sla(text_of(path), path)


VERB = validate
