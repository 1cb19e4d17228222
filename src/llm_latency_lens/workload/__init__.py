"""What to send: each workload is a callable that gives the next request."""

from __future__ import annotations

from .files import read_prompts
from .prompts import Workload, authorized, cycle
from .tokenizer import load_tokenizer

__all__ = ["Workload", "authorized", "cycle", "load_tokenizer", "read_prompts"]
