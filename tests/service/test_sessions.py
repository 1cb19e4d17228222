"""A cookie that stands for the token."""

from __future__ import annotations

import pytest

from llm_latency_lens.request import Secret
from llm_latency_lens.service.sessions import is_own, is_session, is_token, session_of

TOKEN = Secret("correct horse")


def test_a_session_is_of_one_token() -> None:
    cookie = session_of(TOKEN)
    assert is_session(TOKEN, cookie)
    assert not is_session(Secret("another"), cookie)
    assert "correct" not in cookie


@pytest.mark.parametrize("cookie", ["", "correct horse", "ü", "0" * 64])
def test_what_is_no_session(cookie: str) -> None:
    assert not is_session(TOKEN, cookie)


def test_the_token_itself() -> None:
    assert is_token(TOKEN, "correct horse")
    assert not is_token(TOKEN, "correct hörse")


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://a:1", "host": "a:1"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": "http://a:1", "host": "a:1"}, True),
        ({"origin": "http://b:1", "host": "a:1"}, False),
        ({"origin": "null", "host": "a:1"}, False),
        ({"host": "a:1"}, False),
        ({}, False),
    ],
)
def test_only_own_pages_change_something(headers: dict[str, str], own: bool) -> None:
    assert is_own(headers) is own
