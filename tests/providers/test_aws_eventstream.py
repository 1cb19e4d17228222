"""The event stream against botocore, which is the judge of what a frame is."""

from __future__ import annotations

import struct
from array import array
from typing import Any
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.providers.aws_eventstream import (
    Damage,
    Frame,
    frame,
    frames,
    packed,
    seal,
)

EVENT = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}


def read(*reads: bytes) -> list[Frame]:
    ends = array("Q")
    for one in reads:
        ends.append((ends[-1] if ends else 0) + len(one))
    return list(frames(b"".join(reads), ends))


def judged(body: bytes) -> tuple[list[tuple[dict[str, Any], bytes]], bool]:
    """(headers, payload) of each frame that botocore takes, and whether it then refuses one."""
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    found: list[tuple[dict[str, Any], bytes]] = []
    try:
        found.extend((message.headers, message.payload) for message in buffer)
    except (ParserError, struct.error, KeyError, UnicodeDecodeError):
        return found, True
    return found, False


def ours(body: bytes) -> tuple[list[tuple[dict[str, Any], bytes]], bool]:
    found = read(body)
    sound = [(dict(one.headers), one.payload) for one in found if one.damage is None]
    return sound, any(one.damage not in (None, Damage.TORN) for one in found)


def test_frame_belongs_to_the_read_that_completed_it() -> None:
    one, two = frame(EVENT, b"{}"), frame({"a": "b"})
    found = read(one[:5], b"", one[5:] + two[:1], two[1:-1], two[-1:])
    assert [(dict(f.headers), f.payload, f.read) for f in found] == [
        (EVENT, b"{}", 2),
        ({"a": "b"}, b"", 4),
    ]
    assert read() == []


def test_lengths_and_checksums() -> None:
    made = frame({"a": "bc"}, b"xyz")
    assert struct.unpack_from("!II", made) == (len(made), 7)
    assert made[12:19] == b"\x01a\x07\x00\x02bc"
    assert struct.unpack_from("!I", made, 8)[0] == crc32(made[:8])
    assert struct.unpack_from("!I", made, len(made) - 4)[0] == crc32(made[:-4])


@pytest.mark.parametrize("size", [1, 11, 12, 15, -1])
def test_torn_tail_is_told_from_damage(size: int) -> None:
    whole = frame(EVENT, b"{}")
    found = read(whole + whole[:size])
    assert [one.damage for one in found] == [None, Damage.TORN]
    assert (found[1].headers, found[1].payload, found[1].read) == ({}, b"", 0)


def lengths(total: int, headers: int) -> bytes:
    prelude = struct.pack("!II", total, headers)
    return prelude + struct.pack("!I", crc32(prelude))


@pytest.mark.parametrize(
    ("body", "damage"),
    [
        (lengths(2**31, 0), Damage.LENGTHS),
        (lengths(24 * 2**20 + 17, 0), Damage.LENGTHS),
        (lengths(2**18, 128 * 1024 + 1), Damage.LENGTHS),
        (lengths(20, 5), Damage.LENGTHS),
        (lengths(15, 0), Damage.LENGTHS),
        (lengths(0, 0), Damage.LENGTHS),
        (lengths(24 * 2**20 + 16, 0), Damage.TORN),
        (b"\0" * 12, Damage.PRELUDE),
        (frame(EVENT, b"{}")[:-1] + b"\0", Damage.CHECKSUM),
        (seal(b"\x01a\x0a", b""), Damage.HEADERS),
        (seal(b"\x01a\x02", b""), Damage.HEADERS),
        (seal(b"\x05a", b""), Damage.HEADERS),
        (seal(b"\x01\xff\x00", b""), Damage.HEADERS),
        (seal(packed({"a": "b"}) * 2, b""), Damage.HEADERS),
    ],
)
def test_damage_has_a_name_and_is_the_end(body: bytes, damage: Damage) -> None:
    assert [one.damage for one in read(body + frame(EVENT) * 2)] == [damage]


def test_every_type_of_header() -> None:
    values = {
        "t": (0, b"", True),
        "f": (1, b"", False),
        "b": (2, b"\xff", -1),
        "s": (3, b"\x01\x02", 258),
        "i": (4, b"\xff\xff\xff\xfe", -2),
        "l": (5, b"\0" * 7 + b"\x09", 9),
        "y": (6, b"\0\x02\0\xff", b"\0\xff"),
        "x": (7, b"\0\x03" + "文".encode(), "文"),
        "w": (8, b"\0\0\x01\x97\0\0\0\0", 1748051689472),
        "u": (9, bytes(range(16)), bytes(range(16))),
    }
    raw = b"".join(
        bytes((1,)) + name.encode() + bytes((kind,)) + data
        for name, (kind, data, _) in values.items()
    )
    (found,) = read(seal(raw, b"p"))
    assert dict(found.headers) == {name: value for name, (_, _, value) in values.items()}
    assert judged(seal(raw, b"p")) == ([(dict(found.headers), b"p")], False)


def test_same_headers_are_read_once() -> None:
    one, two = read(frame(EVENT, b"1") + frame(EVENT, b"2"))
    assert one.headers is two.headers


TEXTS = st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4)
FRAMES = st.lists(st.tuples(TEXTS, st.binary(max_size=60)), max_size=4)
RAW = st.lists(st.tuples(st.binary(max_size=24), st.binary(max_size=20)), min_size=1, max_size=3)


@settings(max_examples=40)
@given(FRAMES)
def test_what_is_written_is_what_botocore_reads(given_frames: Any) -> None:
    body = b"".join(frame(headers, payload) for headers, payload in given_frames)
    assert judged(body) == (given_frames, False)
    assert ours(body) == (given_frames, False)


@given(RAW)
def test_headers_of_any_bytes_are_read_as_botocore_reads_them(raw: Any) -> None:
    body = b"".join(seal(headers, payload) for headers, payload in raw)
    assert ours(body) == judged(body)


@given(FRAMES, st.data())
def test_damaged_frames_are_damaged_for_both(given_frames: Any, data: st.DataObject) -> None:
    body = bytearray(b"".join(frame(headers, payload) for headers, payload in given_frames))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    assert ours(bytes(body)) == judged(bytes(body))


@given(st.binary(max_size=60), st.integers(1, 60))
def test_noise_never_raises(noise: bytes, cut: int) -> None:
    found = read(noise[:cut], noise[cut:])
    assert all(one.damage is None for one in found[:-1])
