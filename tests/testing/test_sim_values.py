"""Texts of options: what they mean, what is refused, and that they survive a round trip."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.errors import UsageError
from llm_latency_lens.testing.values import (
    COUNT,
    TIME,
    Dist,
    format_duration,
    format_number,
    parse_count,
    parse_duration,
    parse_ratio,
    parse_share,
)

MS = 1_000_000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("200ms", 200 * MS),
        ("1.5s", 1500 * MS),
        (".5ms", MS // 2),
        (" 20 us ", 20_000),
        ("7ns", 7),
    ],
)
def test_durations(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "200", "-1ms", "1m", "1e3ms", "ms", "1 2ms"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration: write a number and ns, us, ms or s"):
        parse_duration(text)


@given(st.integers(0, 10**15))
def test_durations_survive_their_text(ns: int) -> None:
    assert parse_duration(format_duration(ns)) == ns


def test_durations_print_short() -> None:
    assert [format_duration(ns) for ns in (0, 2_000_000_000, 1_500_000_000, 1001)] == [
        "0",
        "2s",
        "1500ms",
        "1001ns",
    ]


def test_shares_and_ratios() -> None:
    assert (parse_share("5%"), parse_share("0.002"), parse_share("100%")) == (0.05, 0.002, 1.0)
    assert parse_ratio("150%") == 1.5
    with pytest.raises(UsageError, match="more than 100%"):
        parse_share("101%")


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "inf"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a number"):
        parse_count(text)


@pytest.mark.parametrize(
    ("text", "dist"),
    [
        ("200ms", Dist("constant", 200 * MS)),
        ("constant:200ms", Dist("constant", 200 * MS)),
        ("lognormal:200ms,0.3", Dist("lognormal", 200 * MS, 0.3)),
        ("gamma:20ms,0.5", Dist("gamma", 20 * MS, 0.5)),
        ("gamma:20ms,0", Dist("constant", 20 * MS)),
        ("lognormal:0,1", Dist("constant", 0)),
        ("list:1ms/3ms", Dist("empirical", 2 * MS, 0, (MS, 3 * MS))),
    ],
)
def test_distributions(text: str, dist: Dist) -> None:
    assert Dist.parse(text, TIME) == dist


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("uniform:1ms,2ms", "is not a distribution: write a time, lognormal"),
        ("lognormal:200ms", "lacks its spread: write lognormal:MEAN,SPREAD"),
        ("lognormal:200ms,x", "'x' is not a number"),
        ("gamma:200ms,11", "spread of a distribution is from 0 to 10"),
        ("list:", "'' is not a duration"),
        ("200", "is not a duration"),
    ],
)
def test_what_is_no_distribution_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Dist.parse(text, TIME)


def test_impossible_means_are_refused() -> None:
    with pytest.raises(UsageError, match="mean"):
        Dist.constant(math.nan)
    with pytest.raises(UsageError, match="no values"):
        Dist.empirical(())


def test_a_file_holds_one_value_a_line(tmp_path: Path) -> None:
    path = tmp_path / "gaps.txt"
    path.write_text("18\n\n22.5\n", encoding="utf-8")
    dist = Dist.parse(f"file:{path}", TIME)
    assert dist.values == (18 * MS, 22.5 * MS)
    assert dist.format(TIME) == f"file:{path}"
    assert Dist.parse(f"file:{path}", COUNT).values == (18, 22.5)
    assert set(dist.samples(Random(1), 50)) == {18 * MS, 22.5 * MS}


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    path = tmp_path / "gaps.txt"
    with pytest.raises(UsageError, match=r"cannot read .*gaps.txt: No such file"):
        Dist.parse(f"file:{path}", TIME)
    path.write_text("18\nabc\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"gaps.txt:2: 'abc' is not a number"):
        Dist.parse(f"file:{path}", TIME)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(UsageError, match="holds no values"):
        Dist.parse(f"file:{path}", TIME)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        Dist.parse(f"file:{path}", TIME)


means = st.integers(1, 10**12).map(float)
spreads = st.floats(0.001, 5)
dists = st.one_of(
    means.map(Dist.constant),
    st.builds(Dist.lognormal, means, spreads),
    st.builds(Dist.gamma, means, spreads),
    st.lists(means, min_size=1, max_size=5).map(tuple).map(Dist.empirical),
)


@given(dists)
def test_distributions_survive_their_text(dist: Dist) -> None:
    assert Dist.parse(dist.format(TIME), TIME) == dist
    assert Dist.parse(dist.format(COUNT), COUNT) == dist


def test_numbers_print_without_a_needless_fraction() -> None:
    assert (format_number(64.0), format_number(0.3)) == ("64", "0.3")


@pytest.mark.parametrize(
    ("dist", "deviation"),
    [
        (Dist.constant(20.0), 0.0),
        (Dist.lognormal(20.0, 0.3), 20 * math.sqrt(math.exp(0.09) - 1)),
        (Dist.gamma(20.0, 0.5), 10.0),
        (Dist.empirical((10.0, 30.0)), 10.0),
    ],
)
def test_the_mean_is_the_mean(dist: Dist, deviation: float) -> None:
    samples = dist.samples(Random(7), 40_000)
    assert statistics.fmean(samples) == pytest.approx(20, rel=0.01)
    assert statistics.pstdev(samples) == pytest.approx(deviation, rel=0.03)
    assert min(samples) > 0
    assert dist.sample(Random(7)) == dist.samples(Random(7), 1)[0]
