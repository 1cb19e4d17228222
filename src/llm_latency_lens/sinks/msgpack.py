"""MessagePack: one map of the result and the requests, as their JSON has them.

MessagePack has no decimals: costs are strings, which lose no digit.
"""

from __future__ import annotations

import struct
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

import msgspec

from ..metrics import lines
from ..metrics.schema import without_surrogates
from .exported import Exported

_HELD = 1 << 26
_COPIED = 1 << 20
_ARRAY_32 = struct.Struct(">BI")
_encoder = msgspec.msgpack.Encoder()


def write(exported: Exported, file: BinaryIO) -> None:
    """`{"result": ..., "requests": [...]}`; an experiment's run has only the latter."""
    with SpooledTemporaryFile(_HELD) as requests:
        count = 0
        for record in exported.records(with_result=True):
            requests.write(_packed(lines.to_line(record, keep_text=exported.keep_text)))
            count += 1
        head: dict[str, Any] = {} if exported.experiment else {"result": exported.result}
        # The map gains one entry, whose value follows: an array of as many items as were counted.
        packed = _packed({**head, "requests": None})
        file.write(packed[:-1] + _ARRAY_32.pack(0xDD, count))
        requests.seek(0)
        while block := requests.read(_COPIED):
            file.write(block)


def _packed(value: Any) -> bytes:
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(without_surrogates(value))
