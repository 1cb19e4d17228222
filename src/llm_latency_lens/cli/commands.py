"""The commands, in the order in which help names them, and the settings of each."""

from __future__ import annotations

from dataclasses import make_dataclass
from functools import lru_cache

from . import benching, monitoring, optimizing, past, proxying, running, trials
from .exporting import Exporting, Logging
from .gating import Gating, Kept, Runs, Shown, Verdicts
from .kinds import parsed
from .options import (
    Asked,
    Checked,
    Keeping,
    Levels,
    Listing,
    Load,
    Outputs,
    Paying,
    Repaying,
    Saved,
    Screen,
    Serving,
    Shape,
    Showing,
    Target,
    Watching,
    Way,
    Which,
)
from .settings import setting
from .views import Following, Picture, Several


@lru_cache
def simulated() -> type:
    """How the simulator answers: its own options, as it lists them itself."""
    # Only `sim` needs them, and what they import takes time.
    from ..testing.config import OPTIONS, SimConfig

    usual = SimConfig()
    fields = []
    for name, option in OPTIONS.items():
        value = getattr(usual, option.field)
        default = "none" if value is None else option.format(value)
        words = f"{option.help[:1].upper()}{option.help[1:]}."
        field = setting(parsed(option.parse), None, words, shown_default=default or "none")
        fields.append((name, str | None, field))
    group = make_dataclass("Simulated", fields, frozen=True, slots=True)
    group.__doc__ = "How it answers."
    return group


_GROUPS: dict[str, tuple[type, ...]] = {
    "profile": (Target, Watching, Way, Paying, Keeping, Outputs, Screen),
    "benchmark": (Target, Load, Way, Paying, Keeping, Outputs, Following, Screen),
    "bench": (benching.Benched, benching.Kept, benching.Results, Screen),
    **trials.GROUPS,
    **optimizing.GROUPS,
    **running.GROUPS,
    **proxying.GROUPS,
    **monitoring.GROUPS,
    "report": (Several, Picture, Repaying, Outputs, Screen),
    "gate": (Runs, Gating, Repaying, Verdicts, Shown),
    "baseline": (Which, Kept, Repaying, Logging),
    "export": (Which, Exporting, Repaying, Logging),
    **past.GROUPS,
    "sim": (),
    "demo": (Showing, Keeping, Outputs, Screen),
    "calibrate": (Levels, Saved, Screen),
    "providers": (Asked, Shape),
    "prices": (Listing, Shape),
    "version": (Shape,),
    "validate": (Checked,),
}
"""By command; `sim` has the simulator's own besides."""

COMMANDS = tuple(_GROUPS)
CONFIGURED = tuple(name for name in COMMANDS if name not in monitoring.GROUPS)
"""Those whose `--config` names a file of settings; the monitor's file is one of its own kind."""


def groups_of(command: str) -> tuple[type, ...]:
    """The settings of a command, by groups, in the order of its parameters."""
    return (Serving, simulated(), Screen) if command == "sim" else _GROUPS[command]
