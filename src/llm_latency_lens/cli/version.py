"""`latency-lens version`: this program and what it can do here."""

from __future__ import annotations

import asyncio
import json
import platform

from .._version import __version__
from .options import Shape
from .world import Call

EXAMPLES = """\
latency-lens version
latency-lens version --json"""


def version(call: Call, *, shape: Shape) -> int:
    """Show the version, and which clock stamps are made with on this machine."""
    facts = {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "clock_source": "kernel" if kernel_stamps() else "user",
    }
    if shape.json:
        call.world.out.write(json.dumps(facts, indent=2) + "\n")
        return 0
    stamps = {
        "kernel": "by the kernel, when a segment arrives",
        "user": "by this program, after it was woken: this system's kernel gives none",
    }
    call.world.out.write(
        f"latency-lens {__version__}\n"
        f"Python {facts['python']} on {facts['platform']}\n"
        f"Stamps are made {stamps[facts['clock_source']]}\n"
    )
    return 0


def kernel_stamps() -> bool:
    """Try it: some systems accept the option and never stamp."""
    from ..clock import SystemClock
    from ..transport.stamps import StampSource

    source = StampSource()
    try:
        return asyncio.run(source.ready(SystemClock()))
    finally:
        source.close()


VERB = version
