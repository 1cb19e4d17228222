import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.cli.kinds import (
    Kind,
    UnfitError,
    choice,
    headers,
    json_object,
    number,
    parsed,
    span,
    switch,
    text,
    urls,
    whole,
    wholes,
)
from llm_latency_lens.testing.values import parse_duration


@pytest.mark.parametrize(
    ("kind", "given_value", "value"),
    [
        (whole(1), "8", 8),
        (whole(1), 8, 8),
        (whole(0), "1e3", 1000),
        (number(0), "0.5", 0.5),
        (number(0, above=True), 3, 3.0),
        (span(), "30s", 30.0),
        (span(), "1h30m", 5400.0),
        (span(), "500ms", 0.5),
        (span(), "1d", 86400.0),
        (span(), 90, 90.0),
        (span(), " 1.5m ", 90.0),
        (span(zero=True), "0", 0.0),
        (span(endless=True), "none", None),
        (switch(), "yes", True),
        (switch(), "OFF", False),
        (switch(), True, True),
        (choice("a", "b"), "b", "b"),
        (text(), "x", "x"),
        (text(), 7, "7"),
        (json_object(), '{"top_p": 0.9}', {"top_p": 0.9}),
        (json_object(), {"top_p": 0.9}, {"top_p": 0.9}),
        (headers(), ["A: 1", "B:  x y "], (("A", "1"), ("B", "x y"))),
        (headers(), "A: 1\nB: 2", (("A", "1"), ("B", "2"))),
        (headers(), {"A": 1}, (("A", "1"),)),
        (headers(), ["A:"], (("A", ""),)),
        (urls(), ["statsd://h", "a.jsonl"], ("statsd://h", "a.jsonl")),
        (urls(), "statsd://h\n a.jsonl", ("statsd://h", "a.jsonl")),
        (wholes(1), "1, 20", (1, 20)),
        (wholes(1), [1, 20], (1, 20)),
        (wholes(1), 5, (5,)),
        (parsed(parse_duration), "20ms", "20ms"),
    ],
)
def test_values_as_text_and_as_a_file_has_them(kind: Kind, given_value: object, value: object):
    assert kind.read(given_value) == value


@pytest.mark.parametrize(
    ("kind", "given_value", "complaint"),
    [
        (whole(1), "0", "must be at least 1, not 0"),
        (whole(1), "2.5", "must be a whole number, not 2.5"),
        (whole(1), "x", "must be a whole number, not 'x'"),
        (whole(1), True, "must be a whole number, not 'true'"),
        (whole(1), [1], r"must be a whole number, not '\[1\]'"),
        (number(0, above=True), "0", "must be above 0, not 0"),
        (number(0), "-1", "must be at least 0, not -1"),
        (number(0), "nan", "must be a number, not 'nan'"),
        (number(0), "inf", "must be a number, not 'inf'"),
        (span(), "5 minutes", "must be a length of time such as 30s, 5m or 1h30m, not '5 min"),
        (span(), "0s", "must be above 0, not 0s"),
        (span(endless=True), "0", r"must be above 0, not 0 \(`none` is no limit\)"),
        (span(zero=True), "-1", "must be at least 0, not -1"),
        (switch(), "maybe", "must be true or false, not 'maybe'"),
        (choice("a", "b", "c"), "d", "must be a, b or c, not 'd'"),
        (text(), " ", "must not be empty"),
        (text(), ["secret"], "^must be text$"),
        (json_object(), "{", "is not JSON: "),
        (json_object(), "[1]", "must be a JSON object"),
        (headers(), ["no colon"], "must be given as 'Name: value', on one line"),
        (headers(), ["A: 1\nB: 2"], "must be given as 'Name: value', on one line"),
        (headers(), ["A: é"], "has a value for A that no HTTP header can carry"),
        (urls(), ["statsd://h", " "], "must not be empty"),
        (urls(), 5.0j, "must be text"),
        (wholes(1), "", "must be a whole number, not ''"),
        (wholes(1), [], "must not be empty"),
        (parsed(parse_duration), "20", "'20' is not a duration"),
        (parsed(parse_duration), True, "'yes' is not a duration"),
        (whole(1), "x" * 99, r"must be a whole number, not 'x{57}\.\.\.'"),
    ],
)
def test_values_that_do_not_fit(kind: Kind, given_value: object, complaint: str):
    with pytest.raises(UnfitError, match=complaint):
        kind.read(given_value)


def test_a_header_that_does_not_fit_is_not_repeated():
    for bad in ("sk-secret", "X: sk-secret\x00"):
        with pytest.raises(UnfitError) as caught:
            headers().read([bad])
        assert "sk-secret" not in str(caught.value)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.lists(st.text()), st.none()))
def test_any_value_fits_or_is_named_unfit(value: object):
    kinds = (whole(0), number(0), span(endless=True), switch(), text(), json_object(), headers())
    for kind in (*kinds, choice("a", "b"), wholes(1), parsed(parse_duration)):
        with contextlib.suppress(UnfitError):
            kind.read(value)
