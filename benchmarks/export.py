"""Exporting 1,000,000 token events: time and peak memory of the whole command, for every format.

The run is 15,625 answers of 64 events with the bytes of OpenAI's chat completions (350 MB), made by
`benchmarks.kept`. All formats decode it once; `decode s` is the CPU time that this alone takes, so
that `beyond decode s` is what the format itself costs. A format may take 10 s and 500 MB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from llm_latency_lens.sinks import FORMATS

from .kept import keep_run

REQUESTS, TOKENS = 15_625, 64
LIMIT_S, LIMIT_MB = 10.0, 500.0

_DECODE = "from llm_latency_lens.lens import exported; sum(1 for _ in exported({!r}).read())"


def run() -> list[dict[str, Any]]:
    """One row a format."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "run")
        keep_run(kept, REQUESTS, TOKENS)
        decode = _measured(folder, ["-c", _DECODE.format(str(kept))])
        return [
            _row(folder, kept, to, ending, decode["cpu_s"])
            for to, form in FORMATS.items()
            for ending in (form.ending, *form.variants)
        ]


def _row(folder: str, kept: Path, to: str, ending: str, decode_s: float) -> dict[str, Any]:
    written = Path(folder, f"{to}{ending}")
    command = ["-m", "llm_latency_lens", "export", str(kept), "--to", to, "--output", str(written)]
    figures = _measured(folder, command)
    files = [*Path(folder).glob(f"{to}.*")]
    size = sum(file.stat().st_size for file in files)
    for file in files:
        file.unlink()
    return {
        "format": f"{to} ({ending})",
        "wall s": (figures["ended_ns"] - figures["begun_ns"]) / 1e9,
        "limit s": LIMIT_S,
        "cpu s": figures["cpu_s"],
        "decode s": decode_s,
        "beyond decode s": figures["cpu_s"] - decode_s,
        "peak MB": figures["peak_mb"],
        "limit MB": LIMIT_MB,
        "file MB": size / 1e6,
    }


def _measured(folder: str, command: list[str]) -> dict[str, float]:
    figures = Path(folder, "figures")
    whole = [sys.executable, "-m", "benchmarks.peak", str(figures), sys.executable, *command]
    environment = {**os.environ, "LATENCY_LENS_HOME": str(Path(folder, "home"))}
    subprocess.run(whole, env=environment, check=True)
    found: dict[str, float] = json.loads(figures.read_text())
    return found
