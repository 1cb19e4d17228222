"""A sample as one small file, to be committed beside the code that it guards.

    file    := magic "LATBASE" version:u8 crc32:u32 payload      (little-endian)
    payload := zlib of MessagePack: a `_Written`

A column of codes is cut into its low and its high bytes. Times repeat no pattern, so that only the
frequency of bytes is used (Huffman): smaller here than the usual way, and a hundred times as fast.
The same sample gives the same bytes. Readers accept every version up to their own; a newer one is
refused by name.
"""

from __future__ import annotations

import struct
import zlib
from decimal import Decimal, InvalidOperation

import msgspec
import numpy as np

from ..errors import StoreError
from .sample import About, Codes, Ints, Sample

VERSION = 1
_MAGIC = b"LATBASE"
_HEAD = struct.Struct("<7sBI")
_LARGEST = 1 << 30
"""Bytes that a payload may have unpacked: a file of some kilobytes must not fill the memory."""


class _Written(msgspec.Struct, kw_only=True):
    about: About
    figures: dict[str, bytes]
    gaps: bytes
    sizes: bytes
    costs: str
    failed: bytes
    requests: int


def encode(sample: Sample) -> bytes:
    """The file's bytes."""
    written = _Written(
        about=sample.about,
        figures={name: _planes(codes) for name, codes in sorted(sample.figures.items())},
        gaps=_planes(sample.gaps),
        sizes=sample.sizes.astype("<u4").tobytes(),
        costs="\n".join("" if cost is None else str(cost) for cost in sample.costs),
        failed=np.packbits(sample.failed).tobytes(),
        requests=len(sample.failed),
    )
    packer = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)
    payload = packer.compress(msgspec.msgpack.encode(written, order="sorted")) + packer.flush()
    return _HEAD.pack(_MAGIC, VERSION, zlib.crc32(payload)) + payload


def is_baseline(data: bytes) -> bool:
    """Whether the bytes begin as such a file does."""
    return data.startswith(_MAGIC)


def decode(data: bytes) -> Sample:
    """Read a file back. Raises StoreError, in words that complete "FILE: ...", for what is not
    such a file, is damaged, or was written by a newer version."""
    if len(data) < _HEAD.size or not is_baseline(data):
        raise StoreError("this is no baseline: `latency-lens baseline RUN --output FILE` makes one")
    _, version, checksum = _HEAD.unpack_from(data)
    if version > VERSION:
        raise StoreError(
            f"the baseline has format {version}, this version of latency-lens reads up to"
            f" {VERSION}: a newer one is needed"
        )
    payload = data[_HEAD.size :]
    if zlib.crc32(payload) != checksum:
        raise StoreError("the baseline is damaged: its checksum does not fit")
    try:
        return _sample(msgspec.msgpack.decode(_unpacked(payload), type=_Written))
    except (zlib.error, msgspec.MsgspecError, ValueError, InvalidOperation) as error:
        raise StoreError(f"the baseline is damaged: {error}") from None


def _unpacked(payload: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    whole = unpacker.decompress(payload, _LARGEST)
    if not unpacker.eof:
        raise ValueError("it ends early, or is larger than any baseline")
    return whole


def _sample(written: _Written) -> Sample:
    sizes: Ints = np.frombuffer(written.sizes, "<u4").astype(np.int64)
    gaps = _codes(written.gaps)
    figures = {name: _codes(planes) for name, planes in written.figures.items()}
    costs = tuple(Decimal(cost) if cost else None for cost in written.costs.split("\n"))
    costs = costs if len(sizes) else ()
    failed = np.unpackbits(np.frombuffer(written.failed, np.uint8), count=written.requests)
    columns = {len(codes) for codes in figures.values()} | {len(costs)}
    if columns != {len(sizes)} or sizes.sum() != len(gaps) or (failed == 0).sum() != len(sizes):
        raise ValueError("its columns do not fit together")
    return Sample(written.about, figures, gaps, sizes, costs, failed.astype(np.bool_))


def _planes(codes: Codes) -> bytes:
    return (codes & 0xFF).astype(np.uint8).tobytes() + (codes >> 8).astype(np.uint8).tobytes()


def _codes(planes: bytes) -> Codes:
    both = np.frombuffer(planes, np.uint8).astype(np.uint16).reshape(2, -1)
    found: Codes = both[0] | (both[1] << 8)
    return found
