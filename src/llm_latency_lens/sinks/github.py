"""For a step of GitHub Actions: annotations as workflow commands, and a step summary in Markdown.

The runner reads commands from a step's output, and the summary from the file that
GITHUB_STEP_SUMMARY names. It shows ten errors and ten warnings of a step at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from msgspec import UNSET

from ..metrics.result import Result
from .exported import Exported
from .markdown import markdown

_MOST = 10
_COMMANDS = {"invalid": "error", "doubtful": "warning"}


def write(exported: Exported, file: BinaryIO, *parts: BinaryIO) -> None:
    """The annotations to `file`, and the summary behind them or to a file of its own."""
    result = exported.result
    shown = {"error": 0, "warning": 0}
    for command, title, message in _annotations(result):
        shown[command] += 1
        if shown[command] <= _MOST:
            line = f"::{command} title={_property(title)}::{_data(message)}\n"
            file.write(line.encode("utf-8", "replace"))
    (parts[0] if parts else file).write(markdown(result).encode("utf-8", "replace"))


def _annotations(result: Result) -> Iterator[tuple[str, str, str]]:
    """Command, title and message of each."""
    for cause in result.requests.error_examples:
        title = f"{cause.count:,} x {cause.kind} ({cause.stage})"
        yield "error", title, cause.message or "the provider's words may repeat the prompt"
    if result.goodput is not UNSET:
        judged = result.requests.ok + result.requests.failed
        missed = judged - result.goodput.met
        if missed:
            limits = " and ".join(result.goodput.objectives)
            yield "error", "Objectives missed", f"{missed:,} of {judged:,} requests missed {limits}"
    for reason in result.validity.reasons:
        if command := _COMMANDS.get(reason.severity):
            words = f"{reason.message} {reason.advice}"
            yield command, f"The result is {reason.severity}: {reason.code}", words


def _data(text: str) -> str:
    """What stands behind the second pair of colons; nothing in it steers a terminal."""
    plain = "".join(char if char.isprintable() or char in "\r\n" else " " for char in text)
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """What stands between the pairs of colons, where colons and commas part things too."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
