"""The command line: one file for each verb, each a thin caller of the library."""

from __future__ import annotations

import sys

from .argv import hide_secrets


def main() -> None:
    """The entry point of `latency-lens`."""
    hide_secrets(sys.argv[1:])
    try:
        from .app import run
        from .world import World

        sys.exit(run(sys.argv[1:], World()))
    except KeyboardInterrupt:
        sys.exit(130)
