"""Content codings undone piece by piece, so that each byte keeps the stamp of its read."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

Decode = Callable[[bytes | None], bytes]
"""The next piece decoded; None asks for what is left at the end."""

_EXTRA = "pip install 'llm-latency-lens[sdk]'"


class CodingError(Exception):
    """A body is not what its content-encoding says, or cannot be read here."""


def decoder_of(encoding: str) -> Decode:
    """Undoes the codings of a `content-encoding`, the last one first.

    Raises CodingError, at the first piece, for one that is not known here.
    """
    steps = [_step(name.strip().lower()) for name in encoding.split(",") if name.strip()]
    steps.reverse()

    def decode(data: bytes | None) -> bytes:
        last = data is None
        piece = b"" if data is None else data
        for step in steps:
            piece = step(piece) + (step(None) if last else b"")
        return piece

    return decode


def _step(name: str) -> Decode:
    if name == "identity":
        return lambda data: data or b""
    if name in ("gzip", "x-gzip"):
        return _guarded(name, _zlib(16 + zlib.MAX_WBITS))
    if name == "deflate":
        return _guarded(name, _deflate())
    if name == "br":
        return _guarded(name, _brotli())
    if name == "zstd":
        return _guarded(name, _zstd())
    return _unknown(f"the answer is compressed by '{name[:20]}', which is not known here")


def _guarded(name: str, decode: Decode) -> Decode:
    def guarded(data: bytes | None) -> bytes:
        try:
            return decode(data)
        except CodingError:
            raise
        except Exception as error:  # noqa: BLE001  (each library has exceptions of its own)
            raise CodingError(f"the answer is no sound {name}: {type(error).__name__}") from None

    return guarded


def _zlib(wbits: int) -> Decode:
    machine = zlib.decompressobj(wbits)
    return lambda data: machine.flush() if data is None else machine.decompress(data)


def _deflate() -> Decode:
    """With zlib's head, as the standard has it, or without, as some servers send it."""
    chosen: list[Decode] = []

    def decode(data: bytes | None) -> bytes:
        if not chosen:
            if not data:
                return b""
            headed = data[0] & 0x0F == zlib.DEFLATED
            chosen.append(_zlib(zlib.MAX_WBITS if headed else -zlib.MAX_WBITS))
        return chosen[0](data)

    return decode


def _brotli() -> Decode:
    module = _first("brotli", "brotlicffi")
    if module is None:
        return _unknown(f"the answer is compressed by brotli: {_EXTRA}")
    machine = module.Decompressor()
    process = getattr(machine, "process", None) or machine.decompress
    return lambda data: process(data) if data else b""


def _zstd() -> Decode:
    module = _first("compression.zstd", "backports.zstd")
    if module is None:
        return _unknown(f"the answer is compressed by zstd: {_EXTRA}")
    machine = module.ZstdDecompressor()
    return lambda data: machine.decompress(data) if data and not machine.eof else b""


def _first(*names: str) -> Any:
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


def _unknown(words: str) -> Decode:
    def decode(data: bytes | None) -> bytes:
        if data:
            raise CodingError(words)
        return b""

    return decode
