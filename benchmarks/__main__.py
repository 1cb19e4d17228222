"""Runs the benchmarks and prints each as a table; `--json FILE` keeps the figures.

Every module here has `run() -> list[dict]`, one row a measurement, the same keys in each row.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

NAMES = ("decode", "formats", "metrics", "history", "command", "truth", "streaming")
NAMED = (
    "alerts",
    "changes",
    "export",
    "gate",
    "instrument",
    "live",
    "monitor",
    "monitor_history",
    "optimize",
    "proxy",
    "soak",
)
"""Only when named: they take minutes."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES + NAMED)}")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--minutes", type=float, help="for those that last as long as one likes")
    chosen = parser.parse_args()
    results: dict[str, list[dict[str, Any]]] = {}
    for name in chosen.names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        lasting = "minutes" in inspect.signature(module.run).parameters
        told = {"minutes": chosen.minutes} if chosen.minutes and lasting else {}
        results[name] = rows = module.run(**told)
        show(name, module.__doc__ or "", rows)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=2) + "\n")


def show(name: str, about: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"{name}: {about.splitlines()[0]}", title_justify="left")
    for key in rows[0]:
        table.add_column(key, justify="left" if isinstance(rows[0][key], str) else "right")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(width=160).print(table)


def _cell(value: Any) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
