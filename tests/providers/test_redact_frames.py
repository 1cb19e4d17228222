"""AWS's event stream: what was said goes, the frames stay sound, the damaged ones damaged."""

from __future__ import annotations

import json
import struct
from array import array
from base64 import b64decode, b64encode
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers.aws_eventstream import Damage, Frame, frame, frames
from llm_latency_lens.providers.redact import redact, safe_prefix

DELTA = {":message-type": "event", ":event-type": "contentBlockDelta"}
CHUNK = {":message-type": "event", ":event-type": "chunk"}
THROTTLED = {":message-type": "exception", ":exception-type": "throttlingException"}


def read(body: bytes) -> list[Frame]:
    return list(frames(body, array("Q", [len(body)])))


def delta(text: str) -> bytes:
    return frame(DELTA, json.dumps({"delta": {"text": text}, "p": "abcdefgh"}).encode())


def chunk(text: str) -> bytes:
    inner = b64encode(json.dumps({"generation": text, "stop_reason": "length"}).encode())
    return frame(CHUNK, b'{"bytes":"%b","p":"abc"}' % inner)


def test_payloads_are_blanked_and_frames_stay_sound() -> None:
    body = delta("zebra") + frame({":event-type": "messageStop"}, b'{"stopReason":"end_turn"}')
    left = redact(body)
    assert len(left) == len(body)
    first, second = read(left)
    assert first.damage is second.damage is None
    assert first.headers == DELTA
    assert first.payload == b'{"delta": {"text": "xxxxx"}, "p": "xxxxxxxx"}'
    assert second.payload == b'{"stopReason":"end_turn"}'


def test_what_is_within_base64_is_blanked() -> None:
    (one,) = read(redact(chunk("zebra")))
    found = json.loads(one.payload)
    assert json.loads(b64decode(found["bytes"])) == {"generation": "xxxxx", "stop_reason": "length"}
    assert found["p"] == "xxx"


@pytest.mark.parametrize(
    ("encoded", "left"),
    [("!!", "!!"), ("zebra?", "!!!!!!"), ("zebr+/==", "AAAAAA=="), ("ze", "AA"), ("==", "!!")],
)
def test_what_is_no_base64_stays_none(encoded: str, left: str) -> None:
    body = frame(CHUNK, b'{"bytes":"%b"}' % encoded.encode())
    (one,) = read(redact(body))
    assert one.payload == b'{"bytes":"%b"}' % left.encode()
    assert redact(redact(body)) == redact(body)


def test_failures_keep_their_words() -> None:
    for payload in (b'{"message":"Too many"}', b'{"code":"c","originalMessage":"it broke"}'):
        assert redact(frame(THROTTLED, payload)) == frame(THROTTLED, payload)


@pytest.mark.parametrize("cut", range(200))
@pytest.mark.parametrize("make", [delta, chunk])
def test_a_frame_that_was_cut_off_says_nothing(make: type[bytes], cut: int) -> None:
    body = delta("a") + make("zebra" * 6)
    body = body[: len(body) - cut]
    left = redact(body)
    assert len(left) == len(body)
    assert redact(left) == left
    assert b"zeb" not in left
    for part in left.split(b'"bytes":"')[1:]:
        inner = part.partition(b'"')[0]
        assert b"zeb" not in b64decode(inner[: len(inner) // 4 * 4])


@pytest.mark.parametrize("place", [5, 9, 20, 60, -5, -2])
def test_what_was_damaged_is_damaged_still(place: int) -> None:
    damaged = bytearray(delta("zebra"))
    damaged[place] ^= 0x55
    body = delta("zebra") + bytes(damaged) + delta("zebra")
    left = redact(body)
    assert [one.damage for one in read(left)] == [one.damage for one in read(body)]
    assert b"zebra" not in left
    assert redact(left) == left


def test_absurd_lengths_stay_absurd() -> None:
    lengths = struct.pack("!II", 1 << 30, 0)
    body = delta("zebra") + lengths + struct.pack("!I", crc32(lengths)) + b'{"text":"zebra"}'
    left = redact(body)
    assert [one.damage for one in read(left)] == [None, Damage.LENGTHS]
    assert b"zebra" not in left
    start = safe_prefix(body, 0)
    assert redact(body[:start]) + redact(body[start:]) == left


def test_where_frames_can_be_cut() -> None:
    body = delta("a") + delta("b")
    half = len(body) // 2
    for size in range(len(body) + 1):
        end = half * (size // half)
        assert safe_prefix(bytearray(body[:size]), 0) == end
        if size >= half:
            assert safe_prefix(body[:size], half) == end


@given(
    st.lists(st.tuples(st.sampled_from([delta, chunk]), st.text(max_size=9)), max_size=4), st.data()
)
def test_pieces_are_blanked_like_the_whole(
    given: list[tuple[type[bytes], str]], data: st.DataObject
) -> None:
    body = b"".join(make("zebra" + text) for make, text in given)
    body = body[: data.draw(st.integers(0, len(body)))]
    out, start = b"", 0
    for size in range(0, len(body), data.draw(st.integers(1, 60))):
        end = safe_prefix(bytearray(body[:size]), start)
        assert start <= end <= size
        out += redact(body[start:end])
        start = end
    out += redact(body[start:])
    assert out == redact(body)
    assert redact(out) == out
    assert [one.damage for one in read(out)] == [one.damage for one in read(body)]


@given(st.binary(max_size=80))
def test_any_bytes_keep_their_length(noise: bytes) -> None:
    for body in (b"\0" + noise, delta("zebra") + noise):
        left = redact(body)
        assert len(left) == len(body)
        assert redact(left) == left
        assert b"zebra" not in left
