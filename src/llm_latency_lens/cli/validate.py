"""`latency-lens validate`: every mistake of a configuration file."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError
from ..store.texts import text_of
from .commands import CONFIGURED
from .config import read_entries
from .monitor_file import is_monitor_file, read_monitor_file
from .options import Checked
from .suite import is_suite, read_suite
from .validation import mistakes
from .world import Call, World

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
    world = call.world
    if is_monitor_file(checked.file):
        return _check_monitor(checked.file, world)
    if is_suite(checked.file):
        return _check_suite(checked.file, world)
    if checked.file.endswith((".yaml", ".yml")) and is_sla(checked.file):
        return _check_sla(checked.file, world)
    entries = read_entries(checked.file, CONFIGURED)
    found = mistakes(entries, checked.file, world.environ)
    for mistake in found:
        world.out.write(f"{mistake}\n")
    if found:
        return 2
    world.out.write(f"{checked.file}: {len(entries)} settings, no mistake\n")
    return 0


def _check_monitor(path: str, world: World) -> int:
    found, wrong = read_monitor_file(path, world.environ)
    for mistake in wrong:
        world.out.write(f"{mistake}\n")
    if found is None:
        return 2
    many = "target" if len(found.targets) == 1 else "targets"
    world.out.write(f"{path}: {len(found.targets)} {many}, no mistake\n")
    return 0


def _check_suite(path: str, world: World) -> int:
    found, wrong = read_suite(path, world.environ)
    for mistake in wrong:
        world.out.write(f"{mistake}\n")
    if found is None:
        return 2
    many = "case" if len(found.cases) == 1 else "cases"
    world.out.write(f"{path}: {len(found.cases)} {many}, no mistake\n")
    return 0


def is_sla(path: str) -> bool:
    from ..decide import sla

    return Path(path).is_file() and sla.is_sla(text_of(path))


def _check_sla(path: str, world: World) -> int:
    from ..decide.sla import read_sla

    found, wrong = read_sla(text_of(path), path)
    for mistake in wrong:
        world.out.write(f"{mistake}\n")
    if found is None:
        return 2
    many = "objective" if len(found.promises) == 1 else "objectives"
    world.out.write(f"{path}: {len(found.promises)} {many}, no mistake\n")
    return 0


VERB = validate
