"""The page on the file of timelines is enough to read one."""

from __future__ import annotations

import struct
import zlib
from array import array
from typing import Any

import msgspec
from doc_examples import ROOT, Place

from llm_latency_lens.store import runs

PAGE = (ROOT / "docs/reference/timelines.md").read_text()


def frames(data: bytes) -> list[tuple[bytes, bytes]]:
    assert data[:8] == b"LATLENS\x01"
    found = []
    place = 8
    while place < len(data):
        kind, length, checksum = struct.unpack_from("<cII", data, place)
        payload = data[place + 9 : place + 9 + length]
        assert zlib.crc32(payload, kind[0]) == checksum
        found.append((kind, payload))
        place += 9 + length
    return found


def reads(payload: bytes) -> tuple[int, list[array[int]], bytes]:
    """Key, columns and body bytes of a frame of reads."""
    number, _, count, _ = struct.unpack_from("<QIIQ", payload)
    begin = struct.calcsize("<QIIQ")
    columns = []
    for code in "qqQ":
        columns.append(array(code, payload[begin : begin + 8 * count]))
        begin += 8 * count
    return number, columns, payload[begin:]


def test_a_reader_made_from_the_page_reads_the_same(place: Place) -> None:
    run = runs.find("latest")
    opened: dict[int, dict[str, Any]] = {}
    columns: dict[int, list[array[int]]] = {}
    bodies: dict[int, bytes] = {}
    closed: list[dict[str, Any]] = []
    for kind, payload in frames((run.path / "timelines.bin").read_bytes()):
        if kind == b"O":
            said = msgspec.msgpack.decode(payload)
            number = said["index"] << 8 | said["attempt"]
            opened[number] = said
            columns[number] = [array("q"), array("q"), array("Q")]
            bodies[number] = b""
        elif kind == b"R":
            number, parts, body = reads(payload)
            for column, part in zip(columns[number], parts, strict=True):
                column.extend(part)
            bodies[number] += body
        else:
            assert kind == b"C"
            closed.append(msgspec.msgpack.decode(payload))
    timelines = list(run.timelines())
    assert len(timelines) == len(closed) == 2
    for timeline, closing in zip(timelines, closed, strict=True):
        number = closing["key"]
        assert timeline.id == opened[number]["id"]
        assert [timeline.at, timeline.lag, timeline.ends] == columns[number]
        assert bytes(timeline.body) == bodies[number]
        assert timeline.start_ns == closing["start_ns"]
        assert (closing["reads"], closing["size"]) == (len(timeline.at), len(timeline.body))
        for key in (*opened[number], *closing, *closing["connection"]):
            assert key in PAGE, key
