"""The file of a baseline: what is in it, what it costs, and what is said of a wrong one."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_samples import context, drawn, made, records
from llm_latency_lens.decide import baseline
from llm_latency_lens.decide.sample import STEP, Sample, Sampler, code, sample_of, value
from llm_latency_lens.errors import StoreError
from llm_latency_lens.record import Record, Status


def same(a: Sample, b: Sample) -> bool:
    arrays = [(a.gaps, b.gaps), (a.sizes, b.sizes), (a.failed, b.failed)]
    arrays += [(a.figures[name], b.figures[name]) for name in a.figures]
    alike = all(np.array_equal(one, other) for one, other in arrays)
    return alike and a.figures.keys() == b.figures.keys() and a.costs == b.costs


def test_a_file_reads_back_as_what_was_written() -> None:
    sample = drawn(50, faults="500:10%")
    sample = replace(sample, costs=tuple(Decimal(n) / 7 for n in range(sample.answers)))
    found = baseline.decode(baseline.encode(sample))
    assert same(sample, found)
    assert found.about == sample.about
    assert found.failed.sum() > 0


def test_the_same_run_gives_the_same_bytes_in_whatever_order_its_requests_ended() -> None:
    found = records(30)
    assert baseline.encode(sample_of(found, context())) == baseline.encode(
        sample_of(found[::-1], context())
    )


def test_a_thousand_requests_of_64_tokens_are_small() -> None:
    assert len(baseline.encode(drawn(1000, tokens="64"))) < 100_000


def test_no_text_and_no_address_is_in_it() -> None:
    found = records(3)
    about = context(
        base_url="https://secret.example/v1", prompts_sha256="0123456789abcdef", name="x"
    )
    data = baseline.encode(sample_of(found, about))
    whole = zlib.decompress(data[12:])
    assert found[0].events.text[0].strip().encode() not in whole
    assert b"secret" not in whole
    assert b"01234567" in whole
    assert b"012345678" not in whole


@given(st.lists(st.floats(1e-6, 1e9), min_size=1))
@settings(max_examples=50)
def test_a_value_is_kept_within_a_thousandth(values: list[float]) -> None:
    found = value(code(np.array(values)))
    assert np.abs(found / values - 1).max() <= np.exp(STEP / 2) - 1 + 1e-12
    assert STEP / 2 == 0.001


def test_zero_and_nothing_stay_what_they_are() -> None:
    found = value(code(np.array([0.0, np.nan, 1.0])))
    assert found[0] == 0.0
    assert np.isnan(found[1])
    assert found[2] == 1.0


def test_what_is_in_no_figure_is_left_out() -> None:
    kinds = [
        Record("a", 0, Status.OK, start_ns=0, end_ns=5_000_000, cost_usd=Decimal("0.1")),
        Record("b", 1, Status.OK, start_ns=0, warmup=True),
        Record("c", 2, Status.OK, start_ns=0, attempt=1),
        Record("d", 3, Status.CANCELLED, start_ns=0),
        Record("e", 4, Status.FAILED),
    ]
    sample = sample_of(kinds, context())
    assert (sample.answers, sample.failed.tolist()) == (1, [False, True])
    assert sample.costs == (Decimal("0.1"),)
    assert value(sample.figures["e2e_ms"])[0] == pytest.approx(5.0, rel=1e-3)
    assert len(sample.gaps) == 0
    assert Sampler().sample(context()).answers == 0


def test_gaps_follow_the_order_of_the_starts() -> None:
    first, second = records(2)
    first.start_ns, second.start_ns = 10, 5
    sample = sample_of([first, second], context())
    gaps = [gap / 1e6 for gap in (*second.events.gaps_ns(), *first.events.gaps_ns())]
    assert value(sample.gaps) == pytest.approx(gaps, rel=1.1e-3)


WHOLE = baseline.encode(made([1.0] * 8, ["0.1"] * 8))
HEAD = struct.Struct("<7sBI")


def packed(payload: bytes, version: int = 1) -> bytes:
    return HEAD.pack(b"LATBASE", version, zlib.crc32(payload)) + payload


def changed(**fields: object) -> bytes:
    told = msgspec.msgpack.decode(zlib.decompress(WHOLE[12:]))
    return packed(zlib.compress(msgspec.msgpack.encode({**told, **fields})))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "this is no baseline"),
        (b"{}" * 20, "this is no baseline"),
        (packed(b"", version=9), "has format 9, .* reads up to 1: a newer one is needed"),
        (WHOLE[:-1], "damaged: its checksum"),
        (WHOLE[:20] + b"\x00" + WHOLE[21:], "damaged: its checksum"),
        (packed(b"not zlib"), "damaged: "),
        (packed(zlib.compress(b"x" * 100)[:-6]), "damaged: it ends early"),
        (packed(zlib.compress(b"\x01")), "damaged: "),
        (changed(sizes=b"\x01\x00\x00\x00"), "do not fit together"),
        (changed(sizes=b"\x01"), "damaged: "),
        (changed(gaps=b"\x01"), "damaged: "),
        (changed(costs="dear"), "damaged: "),
        (changed(requests=99), "damaged: "),
    ],
)
def test_a_wrong_file_is_named_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        baseline.decode(data)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=60))
@settings(max_examples=50)
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    for data in (payload, packed(payload), packed(zlib.compress(payload))):
        with pytest.raises(StoreError):
            baseline.decode(data)
