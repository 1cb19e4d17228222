"""Lines that GitHub shows beside a job."""

from __future__ import annotations

from typing import Literal


def annotation(level: Literal["error", "warning"], title: str, message: str) -> str:
    """One workflow command; an empty title is left out."""
    named = f" title={_escaped(title).replace(':', '%3A').replace(',', '%2C')}" if title else ""
    return f"::{level}{named}::{_escaped(message)}"


def _escaped(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
