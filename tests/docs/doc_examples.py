"""The examples in README and docs: where they stand, and what a test changes in them.

A block is run unless a comment above it says otherwise: `<!-- test: network -->` (it needs the
network; nothing is run, but flags must parse) or `<!-- test: parse -->` (the same, for what is not
here: a proxy, a CA, a tokenizer).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.M | re.S)
_MARK = re.compile(r"<!-- test: (\w+) -->\s*\Z")
_NAMED = re.compile(r"# (\S+\.(?:toml|yaml|ini))\n")
_TESTS = re.compile(r"# (\S+\.py)\n")
_ONLY_PARSED = {"docs/reference/cli.md", "docs/reference/configuration.md"}
"""Lists of examples: other tests run the commands in them."""
_SHELLS = {"console", "sh", "bash"}


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page; `run` is False where only its form is checked."""

    page: str
    line: int
    language: str
    text: str
    run: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The command lines of a shell block, without prompts and without what they print."""
        if self.language not in _SHELLS:
            return []
        lines = self.text.splitlines()
        prompted = [line[2:] for line in lines if line.startswith("$ ")]
        return prompted or [line for line in lines if line.strip()]

    @property
    def file_name(self) -> str | None:
        """For a configuration file: its name, which is in its first line if it matters."""
        if self.language not in ("toml", "yaml", "ini"):
            return None
        named = _NAMED.match(self.text)
        return named[1] if named else f"nightly.{self.language}"

    @property
    def test_file(self) -> str | None:
        """For Python that stands in a file of its own, which its first line names."""
        named = _TESTS.match(self.text)
        return named[1] if named and self.language == "python" else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an example runs, and which model it asks."""

    folder: Path
    base_url: str
    environment: Mapping[str, str]


def pages() -> list[str]:
    """Every page with examples, as paths from the root."""
    named = ("README.md", "CONTRIBUTING.md", "examples/README.md")
    found = [*(ROOT / name for name in named), *(ROOT / "docs").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found if "```" in path.read_text())


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    whole = (ROOT / page).read_text(encoding="utf-8")
    for found in _FENCE.finditer(whole):
        indent, language, text = found.groups()
        line = whole.count("\n", 0, found.start()) + 1
        marked = _MARK.search(whole[: found.start()]) is not None
        run = not marked and page not in _ONLY_PARSED
        yield Block(page, line, language, re.sub(f"^{indent}", "", text, flags=re.M), run)


def shorter(text: str, base_url: str) -> str:
    """The example with the simulator's address, and with a load that a test has time for."""
    text = re.sub(r"http://(localhost|127\.0\.0\.1):\d+/v1", base_url, text)
    text = re.sub(r"--duration \S+", "--duration 0.2s", text)
    text = re.sub(r'duration = "\S+"', 'duration = "0.2s"', text)
    text = re.sub(r"duration: \S+", "duration: 0.2s", text)
    text = re.sub(r"--rate \S+", "--rate 100", text)
    text = re.sub(r"--streams \S+", "--streams 1", text)
    text = re.sub(r"--idle \S+", "--idle 0,10ms", text)
    text = re.sub(r"\brate=\d+", "rate=100", text)
    text = re.sub(r"\brate: \d+", "rate: 100", text)
    text = text.replace("10_000", "1_000")
    text = re.sub(r"\brepeat=\d+", "repeat=2", text)
    text = re.sub(r"^( *requests: )\d+", r"\g<1>4", text, flags=re.M)
    return re.sub(r"--requests (\d+)", lambda found: f"--requests {min(int(found[1]), 10)}", text)


def invocations(command: str) -> Iterator[list[str]]:
    """The arguments of each `latency-lens` in a command line."""
    for part in re.split(r"\bdo\b|;|&&|\|", command):
        words = shlex.split(part, comments=True)
        if words[:1] == ["latency-lens"]:
            yield words[1:]
