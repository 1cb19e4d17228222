"""Counting tokens on this machine, for servers that report no usage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import UsageError


def load_tokenizer(path: str) -> Callable[[str], int]:
    """A function from a text to its number of tokens, special ones left out.

    `path` is a `tokenizer.json` of the Hugging Face format, or a folder that holds one. Nothing
    is ever downloaded. Raises `UsageError` when the file is missing or unsound, and when the
    optional library is not installed.
    """
    file = Path(path)
    if file.is_dir():
        file /= "tokenizer.json"
    try:
        data = file.read_bytes()
    except OSError:
        raise UsageError(
            f"no tokenizer at {file}: save the model's tokenizer.json and name that file"
            " or its folder (nothing is downloaded)"
        ) from None
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UsageError(
            'counting tokens here needs an extra: pip install "llm-latency-lens[tokenizers]"'
        ) from None
    try:
        tokenizer = Tokenizer.from_buffer(data)
    except ValueError:
        raise UsageError(f"{file} is not a tokenizer.json that this library can read") from None

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return count
