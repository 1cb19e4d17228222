"""Runs a command and writes how it went: `python -m benchmarks.peak FILE COMMAND...`.

A process begins with the peak memory of the one that started it (getrusage(2)), so a command's own
peak shows only when a small process starts it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main(file: str, command: list[str]) -> int:
    begun = time.time_ns()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    figures = {
        "begun_ns": begun,
        "ended_ns": time.time_ns(),
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }
    Path(file).write_text(json.dumps(figures))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
