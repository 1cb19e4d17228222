from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers.texts import LONGEST, one_line


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Incorrect API key provided: sk-proj-ab12cd34.", "Incorrect API key provided: ***"),
        ("Incorrect API key provided: my-own-key. See", "Incorrect API key provided: *** See"),
        ("key sk-abcd****************wxyz is wrong", "key sk-*** is wrong"),
        ("Your api key: ****abcd is invalid", "Your api key: *** is invalid"),
        ("it ends with ****abcd", "it ends with *******"),
        ("Authorization: Bearer abc.def-123 refused", "Authorization: Bearer *** refused"),
        ("got 'Bearer eyJhbGciOi.x'", "got 'Bearer ***'"),
        ('{"api_key": "zzzzz", "n": 1}', '{"api_key": "***", "n": 1}'),
        ("token=abcdef&x", "token=***"),
        ("AIzaSyA1234567890abcdef failed", "AIza*** failed"),
        ("key gsk_0123456789 of Groq, hf_abcdefgh of HF", "key gsk_*** of Groq, hf_*** of HF"),
        ("nvapi-0123456789abcdef", "nvapi-***"),
    ],
)
def test_keys_are_blanked(said: str, shown: str) -> None:
    assert one_line(said) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Bearer authentication is required",
        "max_tokens: 8192 is more than 4096",
        "unexpected token: 128",
        "the task-runner stopped; session expired; skip it",
        "model hf/whatever not found (request req_011CSHoEeqs5C35K2UUqR7Fy)",
        "missing token: it",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert one_line(text) == text


@pytest.mark.parametrize(
    "echo",
    [
        "bad: 'input': 'my prompt'",
        'bad: "input": {"x": "my prompt"}',
        "bad: [type=missing, input_value={'messages': 'my prompt'}, input_type=dict]",
    ],
)
def test_what_was_sent_is_left_out(echo: str) -> None:
    shown = one_line(echo)
    assert "my prompt" not in shown
    assert shown.startswith("bad: ")
    assert shown.endswith("(what was sent is left out)")


def test_one_bounded_line() -> None:
    assert one_line(" a\r\n\tb\x00\x1b[31m\u2028c ") == "a b [31m c"
    long = one_line("w " * 1000)
    assert len(long) <= LONGEST
    assert long.endswith("w…")


@given(st.text())
def test_any_text_becomes_one_line(text: str) -> None:
    shown = one_line(text)
    assert len(shown) <= LONGEST
    assert len(shown.splitlines()) <= 1
