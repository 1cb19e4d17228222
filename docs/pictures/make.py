"""Draws demo.svg, the picture in README, from a real run: `python docs/pictures/make.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = Path(__file__).parent
COLUMNS = 100
COMMAND = "latency-lens demo"

# No font is fetched: whoever looks has a monospaced one.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
    font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
    font-size: {char_height}px;
    line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""

THEME = TerminalTheme(
    (30, 33, 39),
    (208, 212, 219),
    [
        *((40, 44, 52), (224, 108, 117), (126, 201, 118), (229, 192, 123)),
        *((97, 175, 239), (198, 120, 221), (86, 196, 209), (208, 212, 219)),
    ],
)


def run_demo() -> str:
    """What the command prints on a terminal, less the lines that name this machine's folders."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "COLUMNS": str(COLUMNS),
            "FORCE_COLOR": "1",
            "LATENCY_LENS_HOME": home,
            "TERM": "xterm-256color",
        }
        command = Path(sys.executable).with_name("latency-lens")
        ran = subprocess.run(  # noqa: S603
            [command, "demo"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
    return ran.stdout.partition("Run kept in")[0].rstrip()


def main() -> None:
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text.assemble(("$ ", "bold green"), (COMMAND, "bold")))
    console.print(Text.from_ansi(run_demo()))
    svg = console.export_svg(
        title="LLM-Latency-Lens", theme=THEME, code_format=SVG, unique_id="demo"
    )
    HERE.joinpath("demo.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
