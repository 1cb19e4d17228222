"""What Google's errors say beside their message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers.errors_map import complaint_of
from llm_latency_lens.providers.google_status import Status, read_status

ANY = st.recursive(
    st.none() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["details", "violations", "retryDelay", "quotaId"]), inner
        )
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("37s", 37.0),
        ("34.074824224s", 34.074824224),
        ("0s", 0.0),
        ("900ms", 0.9),
        ("2h52m39s", 10359.0),
        ("3m", 180.0),
        ("1h", 3600.0),
        ("", None),
        ("s", None),
        ("soon", None),
        ("37", None),
        ("-1s", None),
        ("9" * 400 + "s", None),
        (37, None),
    ],
)
def test_the_delay(text: Any, seconds: float | None) -> None:
    status = read_status({"details": [{"retryDelay": text}]})
    assert status == Status(None, seconds and pytest.approx(seconds), False)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Quota exceeded.\nPlease retry in 20.04466179s.", 20.04466179),
        ("please retry in 8h2m3.5s, or later", 28923.5),
        ("Please retry in 500ms", 0.5),
        ("Please retry in a minute.", None),
        (None, None),
    ],
)
def test_the_delay_in_words(message: str | None, seconds: float | None) -> None:
    delay = read_status({"message": message}).retry_after_s
    assert delay == (seconds and pytest.approx(seconds))


def test_the_detail_counts_before_the_words() -> None:
    error = {"message": "Please retry in 5s.", "details": [{"retryDelay": "4s"}]}
    assert read_status(error).retry_after_s == 4


def test_the_first_of_each_counts() -> None:
    details = [{"reason": "A", "retryDelay": "1s"}, {"reason": "B", "retryDelay": "2s"}]
    assert read_status({"details": details}) == Status("A", 1.0, False)


def test_a_complaint_has_all_of_it() -> None:
    error = {
        "code": 429,
        "message": "Too much.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"reason": "RATE_LIMIT_EXCEEDED"}, {"retryDelay": "4s"}],
    }
    for document in ({"error": error}, [{"error": error}]):
        complaint = complaint_of(document)
        assert complaint.message == "Too much."
        assert (complaint.code, complaint.type) == ("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
        assert (complaint.status, complaint.retry_after_s, complaint.spent) == (429, 4.0, False)
        assert complaint.provider_code == "RESOURCE_EXHAUSTED"


def test_a_status_in_small_letters_is_no_code() -> None:
    assert complaint_of({"status": "error", "message": "No."}).code is None


@given(st.dictionaries(st.sampled_from(["details", "message", "status"]), ANY))
def test_any_value_may_stand_where_another_belongs(error: dict[str, Any]) -> None:
    assert complaint_of({"error": error}) is not None
