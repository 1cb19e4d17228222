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
    from ..lens import Benchmark, Lens


def _lens(**settings: Any) -> Lens:
    from ..lens import Lens

    return Lens(**settings)


@dataclass(slots=True)
class World:
    """The outside of a command. `lens` makes the library's `Lens` from its keyword arguments."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    stdin: BinaryIO | None = None
    lens: Callable[..., Lens] = _lens


@dataclass(frozen=True, slots=True)
class Call:
    """One command as it was called: where, by which name, and how each setting came to be."""

    world: World
    verb: str
    chosen: Mapping[str, Choice]
