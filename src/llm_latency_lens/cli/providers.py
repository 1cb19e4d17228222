"""`latency-lens providers`: whose interfaces are spoken."""

from __future__ import annotations

import json

from .options import Shape
from .world import Call

EXAMPLES = """\
latency-lens providers
latency-lens providers --json"""


def providers(call: Call, *, shape: Shape) -> int:
    """List the providers, their addresses, and the variables that hold their keys."""
    from ..providers import PROVIDERS

    rows = [
        {
            "name": provider.name,
            "base_url": provider.base_url,
            "key_env": list(provider.key_env),
            "base_url_env": list(provider.base_url_env),
            "needs_key": provider.needs_key,
        }
        for provider in PROVIDERS.values()
    ]
    if shape.json:
        call.world.out.write(json.dumps(rows, indent=2) + "\n")
        return 0
    shown = [
        ("PROVIDER", "ADDRESS", "KEY"),
        *((str(row["name"]), str(row["base_url"]), _key(row)) for row in rows),
    ]
    widths = [max(len(line[column]) for line in shown) for column in range(3)]
    for line in shown:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        call.world.out.write("  ".join(cells).rstrip() + "\n")
    return 0


def _key(row: dict[str, object]) -> str:
    names = row["key_env"]
    assert isinstance(names, list)
    return (
        " or ".join(names) + ("" if row["needs_key"] else " (may be left out)") if names else "none"
    )


VERB = providers
