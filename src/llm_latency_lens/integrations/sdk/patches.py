"""Puts the taps into the network stacks of this process and takes them out again.

A stack that is loaded is tapped at once, one that is not when it is imported.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import stamped
from .call import harmless

if TYPE_CHECKING:
    # A finder needs no base class, and loading this one takes longer than all that is here.
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec

Make = Callable[[Any], Any]
"""From an attribute to what takes its place."""
Tap = Callable[[ModuleType, "Patches"], object]
"""Patches one module."""


class Patches:
    """Attributes that were replaced, and what they were."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, Any, Any]] = []

    def replace(self, owner: Any, name: str, make: Make) -> None:
        """Replace an attribute that the owner itself has; nothing happens where it has none."""
        before = vars(owner).get(name)
        if before is None:
            return
        after = make(before)
        setattr(owner, name, after)
        self._done.append((owner, name, before, after))

    def undo(self) -> None:
        """Put back what was there, except where somebody else has replaced it since: what that
        calls passes everything on."""
        for owner, name, before, after in reversed(self._done):
            if vars(owner).get(name) is after:
                setattr(owner, name, before)
        self._done.clear()


class _Waiting:
    """Taps a stack when it is imported. It finds nothing itself: it asks the finders behind it."""

    def __init__(self, taps: Mapping[str, Tap], patches: Patches) -> None:
        self._taps = taps
        self._patches = patches

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._taps:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    _follow(spec.loader, self._taps[name], self._patches)
                return spec
        return None


def _follow(loader: Loader, tap: Tap, patches: Patches) -> None:
    """Tap the module when its loader has run it."""
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        run(module)
        harmless(tap)(module, patches)

    harmless(setattr)(loader, "exec_module", exec_module)


class Taps:
    """The taps of this process: in while anybody wants them, and while a call that was begun for
    somebody is `busy`. Those that want no `stamps` leave sockets as they are."""

    def __init__(
        self, taps: Mapping[str, Tap], busy: Callable[[], bool], *, stamps: bool = True
    ) -> None:
        self._taps = taps
        self._busy = busy
        self._stamps = stamps
        self._users = 0
        # A call can end, and so ask for the taps to go, wherever Python collects garbage.
        self._lock = threading.RLock()
        self._patches = Patches()
        self._waiting: _Waiting | None = None

    def acquire(self) -> None:
        with self._lock:
            self._users += 1
            if self._waiting is not None:
                return
            if self._stamps:
                stamped.hold()
            for name, tap in self._taps.items():
                if (module := sys.modules.get(name)) is not None:
                    harmless(tap)(module, self._patches)
            self._waiting = _Waiting(self._taps, self._patches)
            sys.meta_path.insert(0, self._waiting)

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            self.settle()

    def settle(self) -> None:
        """Take the taps out, where nobody needs them any more."""
        with self._lock:
            if self._users or self._waiting is None or self._busy():
                return
            if self._waiting in sys.meta_path:
                sys.meta_path.remove(self._waiting)
            self._waiting = None
            self._patches.undo()
            if self._stamps:
                stamped.let_go()
