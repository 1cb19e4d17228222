"""Prompt files: one prompt a line, or JSON lines.

A file whose name ends in `.jsonl` or `.ndjson` holds JSON lines, one that ends in `.txt` or `.md`
text; any other is taken for JSON lines when its first line is a JSON object or a whole JSON
string. A line of JSON is a string, or an object with `prompt`, with `messages`, with `query` and
`documents` to be ranked, or with an `input` to be embedded, and, if wanted, `max_tokens` and `tag`;
other keys are left alone, for a dataset has columns of its own. Blank lines are skipped. Only LF
and CRLF end a line: U+2028, U+0085 and the like belong to the prompt.
"""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from ..errors import ConfigError, UsageError
from ..request import Prompt

_JSON_SUFFIXES = (".jsonl", ".ndjson")
_TEXT_SUFFIXES = (".txt", ".md")


def read_prompts(path: str, stdin: BinaryIO | None = None) -> list[Prompt]:
    """Every prompt of the file, in order; `-` reads standard input.

    Raises `UsageError` when there is no such file, and `ConfigError`, with the line, for a file
    without a prompt, bytes that are not UTF-8, broken JSON, and a line that lacks what is needed.
    """
    name = "<stdin>" if path == "-" else path
    data = (stdin or sys.stdin.buffer).read() if path == "-" else _read(path)
    lines = [(number, text) for number, text in _lines(data, name) if text.strip()]
    if not lines:
        raise ConfigError("there is no prompt in it", path=name)
    if not _is_json(name, lines[0][1]):
        return [Prompt.of(text) for _, text in lines]
    return [_prompt(text, name, number) for number, text in lines]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"prompt file {path}: {reason[:1].lower()}{reason[1:]}") from error


def _lines(data: bytes, name: str) -> Iterator[tuple[int, str]]:
    """(line number, text) of each line, without its end."""
    offset = 0
    for number, line in enumerate(data.split(b"\n"), 1):
        begin = len(codecs.BOM_UTF8) if number == 1 and line.startswith(codecs.BOM_UTF8) else 0
        try:
            yield number, line[begin:].removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            at = begin + error.start
            message = f"not UTF-8: byte 0x{line[at]:02x} at offset {offset + at}"
            raise ConfigError(message, path=name, line=number) from None
        offset += len(line) + 1


def _is_json(name: str, first_line: str) -> bool:
    suffix = PurePath(name).suffix.lower()
    if suffix in _JSON_SUFFIXES or suffix in _TEXT_SUFFIXES:
        return suffix in _JSON_SUFFIXES
    if first_line.lstrip().startswith("{"):
        return True
    try:
        return isinstance(json.loads(first_line), str)
    except ValueError:
        return False


def _prompt(text: str, name: str, number: int) -> Prompt:
    try:
        value = json.loads(text)
        # A lone surrogate is legal in JSON and cannot be sent to anyone.
        json.dumps(value, ensure_ascii=False).encode()
        return prompt_of(value)
    except json.JSONDecodeError as error:
        message = f"broken JSON: {error.msg} (column {error.colno})"
        raise ConfigError(message, path=name, line=number) from None
    except UnicodeEncodeError:
        message = "a \\u escape is half of a surrogate pair: it is no character"
        raise ConfigError(message, path=name, line=number) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(str(error), path=name, line=number) from None


def prompt_of(value: Any) -> Prompt:
    """A prompt from a text or an object, as a line of a file holds it. Raises TypeError and
    ValueError for what is none."""
    if isinstance(value, str):
        value = {"prompt": value}
    if not isinstance(value, dict):
        raise TypeError("a line is a JSON string or an object with `prompt` or `messages`")
    max_tokens, tag = value.get("max_tokens"), value.get("tag")
    if max_tokens is not None and (type(max_tokens) is not int or max_tokens < 1):
        raise ValueError("`max_tokens` must be a whole number above 0")
    if tag is not None and not isinstance(tag, str):
        raise ValueError("`tag` must be a string")
    messages, documents = _said(value)
    return Prompt(messages, max_tokens=max_tokens, tag=tag, documents=documents)


def _said(value: dict[str, Any]) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    """The messages, and the documents that belong to them."""
    if "prompt" in value and "messages" in value:
        raise ValueError("an object needs either `prompt` or `messages`")
    if "prompt" in value or "messages" in value:
        return _messages(value), ()
    if "documents" in value:
        return _user(_text(value, "query")), _texts(value, "documents")
    if isinstance(value.get("input"), list):
        texts = _texts(value, "input")
        return _user("\n".join(texts)), texts
    if "input" in value:
        return _user(_text(value, "input")), ()
    raise ValueError(
        "an object needs either `prompt` or `messages`, or `query` and `documents`, or `input`"
    )


def _user(text: str) -> tuple[dict[str, Any], ...]:
    return ({"role": "user", "content": text},)


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"`{name}` must be a string that is not empty")
    return text


def _texts(value: dict[str, Any], name: str) -> tuple[str, ...]:
    texts = value[name]
    if not isinstance(texts, list) or not texts:
        raise ValueError(f"`{name}` must be a list that is not empty")
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"each of `{name}` must be a string that is not empty")
    return tuple(texts)


def _messages(value: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    if "prompt" in value:
        return _user(_text(value, "prompt"))
    messages = value["messages"]
    if not isinstance(messages, list) or not messages:
        raise ValueError("`messages` must be a list that is not empty")
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise TypeError("each of `messages` must be an object with a `role`")
    return tuple(messages)
