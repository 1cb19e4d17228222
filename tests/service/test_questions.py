"""How what is asked is read: every text gives a value or says what it must be."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.errors import UsageError
from llm_latency_lens.service.api.asking import Parameter, read_values
from llm_latency_lens.service.api.desk import MOST_POINTS, aligned, step_of
from llm_latency_lens.service.api.endpoints import ENDPOINTS

NOW_UNIX_S = 1_790_000_000.0
EVERY = {one.name: one for endpoint in ENDPOINTS for one in endpoint.parameters}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(EVERY)), st.text(max_size=20) | st.from_regex(r"\d{0,14}[smhdwZ]?"))
def test_nothing_else_than_a_value_or_one_line(name: str, text: str) -> None:
    told = ""
    try:
        found = read_values([(name, text)], [EVERY[name]], NOW_UNIX_S)
    except UsageError as error:
        told, found = str(error), {name: None}
    assert list(found) == [name]
    assert not told or name in told


@settings(max_examples=60, deadline=None)
@given(st.datetimes(datetime(1970, 1, 1), datetime(2250, 1, 1)))
def test_moments_are_read_as_they_are_written(moment: datetime) -> None:
    given = moment.replace(tzinfo=UTC)
    parameter = EVERY["since"]
    for text in (given.isoformat(), moment.isoformat(), f"{moment.isoformat()}Z"):
        found = read_values([("since", text)], [parameter], NOW_UNIX_S)
        assert found["since"] == pytest.approx(given.timestamp())


def test_what_is_not_given_has_its_default() -> None:
    parameters = [EVERY["since"], EVERY["until"], Parameter("x", EVERY["target"].kind, "x")]
    assert read_values([], parameters, NOW_UNIX_S) == {
        "since": NOW_UNIX_S - 86_400,
        "until": NOW_UNIX_S,
        "x": None,
    }


@settings(max_examples=60, deadline=None)
@given(st.floats(1.0, 4e8), st.floats(1.0, 86_400.0))
def test_a_step_suits_its_span(span_s: float, interval_s: float) -> None:
    step_s = step_of(span_s, interval_s)
    assert span_s / step_s <= 240
    assert step_s >= min(2 * interval_s, 86_400.0)
    since, until = aligned(NOW_UNIX_S - span_s, NOW_UNIX_S, step_s)
    assert since <= NOW_UNIX_S - span_s
    assert until >= NOW_UNIX_S
    assert (until - since) / step_s <= 242 < MOST_POINTS
