"""The file of timelines: what goes in comes out, and damage costs no more than it touched."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import TORN, everything, example, frames, interleaved, joined, read, timelines

from llm_latency_lens.errors import StoreError
from llm_latency_lens.store.frames import HEADER, key
from llm_latency_lens.timeline import ErrorKind, Stage, Timeline


@settings(max_examples=150)
@given(timeline=timelines(), cuts=st.lists(st.integers(1, 6), max_size=3, unique=True))
def test_what_goes_in_comes_out(timeline: Timeline, cuts: list[int]) -> None:
    back, warnings = read(HEADER + b"".join(frames(timeline, cuts)))
    assert [everything(one) for one in back] == [everything(timeline)]
    assert warnings == []


@settings(max_examples=60)
@given(
    stored=st.lists(st.integers(), min_size=1, max_size=5).flatmap(
        lambda numbers: st.tuples(*(timelines(index=index) for index in range(len(numbers))))
    ),
    seed=st.integers(0, 2**32),
)
def test_requests_may_interleave_in_any_way(stored: tuple[Timeline, ...], seed: int) -> None:
    chance = random.Random(seed)
    columns = [frames(timeline, range(1, 9)) for timeline in stored]
    data, closing = HEADER, []
    while any(columns):
        number = chance.choice([n for n, column in enumerate(columns) if column])
        data += columns[number].pop(0)
        if not columns[number]:
            closing.append(stored[number])
    back, warnings = read(data)
    assert [everything(one) for one in back] == [everything(one) for one in closing]
    assert warnings == []


def test_attempts_of_one_request_are_kept_apart() -> None:
    first, second = example(7), example(7, reads=2)
    second.attempt = 1
    assert key(first) != key(second)
    back, _ = read(joined(interleaved(first)) + b"".join(frames(second)))
    assert [(one.attempt, len(one.at)) for one in back] == [(0, 4), (1, 2)]


# -- cut off ----------------------------------------------------------------------------------

STORED = [example(0), example(1, reads=3), example(2, reads=0)]
DEALT = interleaved(*STORED)
FILE = joined(DEALT)


def _bounds() -> list[int]:
    """Where each frame of FILE ends, the header first."""
    bounds = [len(HEADER)]
    for _, frame in DEALT:
        bounds.append(bounds[-1] + len(frame))
    return bounds


def test_cut_anywhere_it_reads_up_to_the_last_whole_frame() -> None:
    for size in range(len(FILE) + 1):
        back, warnings = read(FILE[:size])
        whole = max((n for n, bound in enumerate(_bounds()) if bound <= size), default=0)
        expected = {index for index, _ in DEALT[:whole]}
        assert {one.index for one in back} == expected
        for one in back:
            original = STORED[one.index]
            mine = [number for number, (index, _) in enumerate(DEALT) if index == one.index]
            if mine[-1] < whole:
                assert everything(one) == everything(original)
                continue
            reads = sum(number < whole for number in mine) - 1
            assert list(one.at) == list(original.at[:reads])
            assert original.body.startswith(one.body)
            assert len(one.body) == (one.ends[-1] if one.ends else 0)
            assert one.failure is not None
            assert one.failure.kind is ErrorKind.CANCELLED
            assert one.failure.stage is (Stage.STREAM if reads else Stage.WAIT)
            assert not one.complete
        assert warnings == ([] if size in (0, *_bounds()) else [TORN])


def test_a_file_that_was_never_written_to_is_a_run_without_requests() -> None:
    assert read(HEADER) == ([], [])
    assert read(b"") == ([], [])
    for size in range(1, len(HEADER)):
        assert read(HEADER[:size]) == ([], [TORN])


def test_a_tail_of_zeros_as_a_crash_of_the_machine_leaves_it() -> None:
    back, warnings = read(FILE + bytes(5000))
    assert len(back) == 3
    assert warnings == [TORN]


# -- damaged ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_costs_its_frame_and_what_depends_on_it(mask: int) -> None:
    bounds = _bounds()
    for place in range(len(HEADER), len(FILE)):
        damaged = bytearray(FILE)
        damaged[place] ^= mask
        back, warnings = read(bytes(damaged))
        number = next(n for n, bound in enumerate(bounds) if bound > place) - 1
        hit = DEALT[number][0]
        found = {one.index: one for one in back}
        for original in STORED:
            if original.index != hit:
                assert everything(found[original.index]) == everything(original)
        if hit in found:  # only its end was lost
            assert DEALT[number] == [frame for frame in DEALT if frame[0] == hit][-1]
            assert found[hit].failure is not None
            assert found[hit].failure.kind is ErrorKind.CANCELLED
        assert len(warnings) == 1
        assert "damaged" in warnings[0] or "torn" in warnings[0]


def test_a_hole_in_the_middle_costs_what_it_touched() -> None:
    stored = [example(index, reads=3) for index in range(30)]
    data = bytearray(HEADER)
    places = []
    for timeline in stored:
        places.append(len(data))
        data += b"".join(frames(timeline, range(9)))
    del data[places[10] + 20 : places[12] - 30]
    back, warnings = read(bytes(data))
    intact = [everything(one) for n, one in enumerate(stored) if n not in (10, 11)]
    assert [everything(one) for one in back if one.complete] == intact
    assert warnings == ["the file of timelines: 1 damaged frames are left out"]


def test_rubbish_that_looks_like_frames_is_passed_over() -> None:
    rubbish = (b"ORC" * 2000 + b"O\xff\xff\xff\xff" + bytes(9)) * 3
    one, other = example(1), example(2)
    data = HEADER + b"".join(frames(one)) + rubbish + b"".join(frames(other))
    back, warnings = read(data)
    assert [everything(each) for each in back] == [everything(one), everything(other)]
    assert warnings == ["the file of timelines: 1 damaged frames are left out"]


def test_damage_and_a_torn_tail_are_told_in_one_line() -> None:
    damaged = bytearray(FILE[:-3])
    damaged[len(HEADER) + 12] ^= 1
    _, warnings = read(bytes(damaged))
    assert warnings == [
        "the file of timelines: 1 damaged frames are left out, and 1 requests with them; "
        "it ends in the middle of a frame, and this torn tail is left out"
    ]


def test_a_length_of_gigabytes_is_not_asked_for() -> None:
    damaged = bytearray(FILE)
    damaged[len(HEADER) + 1 : len(HEADER) + 5] = b"\xff\xff\xff\xff"
    back, _ = read(bytes(damaged))
    assert {one.index for one in back} == {1, 2}


# -- other files ------------------------------------------------------------------------------


def test_a_newer_file_is_refused_by_name() -> None:
    with pytest.raises(StoreError) as caught:
        read(HEADER[:-1] + b"\x02" + FILE[len(HEADER) :])
    assert str(caught.value) == (
        "the file of timelines has format 2, this version of latency-lens reads up to 1: "
        "a newer one is needed"
    )


@pytest.mark.parametrize("data", [b"{}", b"LATLENT\x01", b"PK\x03\x04 and much more", b"L\x00"])
def test_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(StoreError, match="this is not a file of timelines"):
        read(data)
