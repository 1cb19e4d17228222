"""Keys that a server sends back are blanked before anything is kept."""

from __future__ import annotations

import pytest

from llm_latency_lens.engine.scrub import find_secrets, scrub
from llm_latency_lens.request import Secret
from llm_latency_lens.timeline import Timeline

KEY = "sk-verysecret"


@pytest.mark.parametrize(
    ("key", "headers", "found"),
    [
        (None, [], ()),
        (KEY, [], (KEY.encode(),)),
        ("short", [], ()),
        (None, [("Authorization", f"Bearer {KEY}")], (f"Bearer {KEY}".encode(), KEY.encode())),
        (KEY, [("x-api-key", KEY)], (KEY.encode(),)),
        (None, [("content-type", "application/json"), ("accept", "text/event-stream")], ()),
        (None, [("X-Auth-Token", "t0ken-1234"), ("Cookie", "s=1")], (b"t0ken-1234",)),
    ],
)
def test_what_must_never_be_kept(
    key: str | None, headers: list[tuple[str, str]], found: tuple[bytes, ...]
) -> None:
    assert find_secrets(Secret(key) if key else None, headers) == found


def test_bodies_and_headers_are_blanked_and_keep_their_lengths() -> None:
    timeline = Timeline()
    timeline.add(1, b'{"error":"bad key sk-verysecret, sk-verysec')
    timeline.add(2, b'ret, sk-other"}')
    timeline.headers = (
        ("content-type", "text/html"),
        ("set-cookie", "session=1"),
        ("x-echo", f"key {KEY} is wrong"),
    )
    scrub(timeline, (KEY.encode(),))
    assert timeline.body == b'{"error":"bad key *************, *************, sk-other"}'
    assert timeline.ends[-1] == len(timeline.body)
    assert timeline.headers == (("content-type", "text/html"), ("x-echo", "key ****** is wrong"))
    scrub(timeline, (KEY.encode(),))
    assert timeline.headers[1] == ("x-echo", "key ****** is wrong")


def test_without_secrets_only_cookies_go() -> None:
    timeline = Timeline()
    timeline.add(1, b"sk-verysecret")
    timeline.headers = (("set-cookie2", "a"), ("date", "today"))
    scrub(timeline, ())
    assert timeline.body == b"sk-verysecret"
    assert timeline.headers == (("date", "today"),)
