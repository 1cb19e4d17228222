"""`latency-lens validate`: every mistake of a configuration file."""

from __future__ import annotations

from ..errors import UsageError
from .commands import COMMANDS
from .config import read_entries
from .options import Checked
from .validation import mistakes
from .world import Call

EXAMPLES = """\
latency-lens validate nightly.toml
latency-lens benchmark --config nightly.toml"""


def validate(call: Call, *, checked: Checked) -> int:
    """Name each mistake of a configuration file with its line.

    The file is TOML or YAML. Its keys are the flags' names; a section named after a command, such
    as benchmark, holds for that command alone.
    """
    if checked.file is None:
        raise UsageError("there is nothing to check: name a configuration file")
    world = call.world
    entries = read_entries(checked.file, COMMANDS)
    found = mistakes(entries, checked.file, world.environ)
    for mistake in found:
        world.out.write(f"{mistake}\n")
    if found:
        return 2
    world.out.write(f"{checked.file}: {len(entries)} settings, no mistake\n")
    return 0


VERB = validate
