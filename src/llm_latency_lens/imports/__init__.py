"""Results of other tools, read: bytes in, records out. What a file does not hold is not invented.

A tool is recognised by what its file holds, never by its name. Each reader is one function from the
parsed document (and what lies beside the file) to the runs in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from ..errors import UsageError
from . import aiperf, guidellm, llmeter, llmperf, vllm_bench
from .foreign import Beside, Foreign

__all__ = ["READERS", "Beside", "Foreign", "read"]


@dataclass(frozen=True, slots=True)
class Reader:
    """`knows` says whether a document is of this tool; `read` gives the runs in it."""

    tool: str
    knows: Callable[[Any], bool]
    read: Callable[[Any, Beside], list[Foreign]]


READERS = (
    Reader("GuideLLM", guidellm.knows, guidellm.read),
    Reader("AIPerf", aiperf.knows, aiperf.read),
    Reader("vllm bench serve", vllm_bench.knows, vllm_bench.read),
    Reader("LLMPerf", llmperf.knows, llmperf.read),
    Reader("LLMeter", llmeter.knows, llmeter.read),
)


def read(data: bytes, beside: Beside) -> list[Foreign]:
    """The runs that a file of another tool holds.

    `beside` gives the bytes of files of the same folder. Raises UsageError, which says what is
    missing, for what no tool wrote, and for results that hold no requests.
    """
    document = _parsed(data)
    for reader in READERS:
        if reader.knows(document):
            try:
                found = reader.read(document, beside)
            except (KeyError, TypeError, ValueError, IndexError, ArithmeticError) as error:
                told = f"no {error}" if isinstance(error, KeyError) else str(error)
                raise UsageError(
                    f"it looks like a result of {reader.tool}, but not like one that is known:"
                    f" {told}"
                ) from None
            if not any(run.records or run.told for run in found):
                raise UsageError(f"it is a result of {reader.tool} that holds no run")
            return found
    names = ", ".join(reader.tool for reader in READERS)
    raise UsageError(f"it is no result of a tool that is known: {names}")


def _parsed(data: bytes) -> Any:
    """JSON, or a list of the JSON values of its lines."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return [msgspec.json.decode(line) for line in data.splitlines() if line.strip()]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UsageError("it is neither JSON nor JSON lines") from None
