"""The command as a person runs it, and what the tests hand around."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_latency_lens.testing.process import RunningSimulator

COMMAND = Path(sys.executable).with_name("latency-lens")

Simulate = Callable[..., RunningSimulator]
"""Starts a simulator with these options."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str
    records: list[dict[str, Any]]
    result: dict[str, Any]

    @property
    def record(self) -> dict[str, Any]:
        """The only record."""
        (record,) = self.records
        return record

    @property
    def error(self) -> str:
        """The one line on standard error."""
        (line,) = self.err.splitlines()
        return line


@dataclass(frozen=True, slots=True)
class Command:
    """Runs latency-lens in a process, as a person would."""

    folder: Path

    def __call__(self, *args: str) -> Ran:
        """Run to the end; with records and result where the verb writes them."""
        records, result = self.folder / "records.jsonl", self.folder / "result.json"
        for file in (records, result):
            file.unlink(missing_ok=True)
        ran = subprocess.run(
            [COMMAND, *args, "--records", records, "--output", result],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        lines = records.read_text().splitlines() if records.exists() else []
        whole = json.loads(result.read_text()) if result.exists() else {}
        return Ran(ran.returncode, ran.stdout, ran.stderr, list(map(json.loads, lines)), whole)

    @property
    def environment(self) -> Mapping[str, str]:
        """This process's, less what would lead the command elsewhere."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPENAI_", "LATENCY_LENS_")) and "proxy" not in name.lower()
        }
        return {**kept, "LATENCY_LENS_HOME": str(self.folder / "home"), "OPENAI_API_KEY": "none"}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate for 127.0.0.1, its key behind it, and who signed it."""

    pem: Path
    ca: Path


def within_three(check: Callable[[], None]) -> None:
    """Carry out a check of times that another process can disturb: one of three tries must hold."""
    for _ in range(2):
        try:
            return check()
        except AssertionError as noise:
            print(f"tried again: {noise}", file=sys.stderr)
    return check()
