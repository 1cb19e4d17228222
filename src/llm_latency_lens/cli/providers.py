"""`latency-lens providers`: whose interfaces are spoken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .options import Shape
from .world import Call

if TYPE_CHECKING:
    from ..providers import Provider

EXAMPLES = """\
latency-lens providers
latency-lens providers --json"""


def providers(call: Call, *, shape: Shape) -> int:
    """List the providers, their addresses, and the variables that hold their keys."""
    from ..providers import PROVIDERS

    known = PROVIDERS.values()
    if shape.json:
        rows = [
            {
                "name": provider.name,
                "title": provider.title,
                "base_url": provider.base_url,
                "key_env": provider.key_env,
                "base_url_env": provider.base_url_env,
                "needs_key": provider.needs_key,
                "reports": provider.reports,
                "notes": provider.notes,
            }
            for provider in known
        ]
        call.world.out.write(json.dumps(rows, indent=2) + "\n")
        return 0
    table = [
        ("PROVIDER", "ADDRESS", "KEY", "REPORTS"),
        *((item.name, item.base_url, _key(item), ", ".join(item.reports)) for item in known),
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        call.world.out.write("  ".join(cells).rstrip() + "\n")
    return 0


def _key(provider: Provider) -> str:
    if not provider.key_env:
        return "none"
    return " or ".join(provider.key_env) + ("" if provider.needs_key else " (optional)")


VERB = providers
