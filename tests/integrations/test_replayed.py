"""What httpx asked, recorded and answered again: whole, broken off, too late, not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from asking import BODY, HEADERS
from lens_servers import saying, simulating

from llm_latency_lens import Record
from llm_latency_lens.integrations.replayed import Asked, Replay, asked_of, keep, read, replaying
from llm_latency_lens.integrations.sdk.call import Call
from llm_latency_lens.integrations.sdk.watching import watching
from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.providers import decode
from llm_latency_lens.store import runs

DEAD = "http://127.0.0.1:1/v1/chat/completions"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 500\r\n\r\n"


class NotRecordedError(BaseException):
    pass


def missing(asked: Asked, other_body: bool) -> BaseException:
    return NotRecordedError(asked.path, other_body)


def post(client: httpx2.Client, url: str, body: bytes = BODY) -> Any:
    """What comes of it: status and body, or what is raised."""
    try:
        answer = client.post(url, content=body, headers=HEADERS)
    except httpx2.HTTPError as error:
        return type(error).__name__
    return answer.status_code, answer.headers.get("content-type"), answer.content


def recorded(folder: Path, url: str) -> tuple[Any, Replay]:
    calls: list[Call] = []

    def take(call: Call) -> None:
        calls.append(call)

    with httpx2.Client(verify=False, timeout=0.1) as client, watching(take, (), None):
        answer = post(client, url)
    keep(folder / "run", Context(id="one", health=Health(cpu_s=3)), calls)
    return answer, Replay(read(runs.load(folder / "run")), missing)


def replayed(replay: Replay) -> tuple[Any, Record]:
    with httpx2.Client(verify=False) as client, replaying(replay, (), None, None) as seen:
        answer = post(client, DEAD)
    (record,) = seen
    return answer, record


@pytest.mark.parametrize(
    ("raw", "hang", "expected"),
    [
        (HEAD + EVENT, False, "RemoteProtocolError"),
        (HEAD + EVENT, True, "ReadTimeout"),
        (b"", True, "ReadTimeout"),
        (b"HTTP/1.1 503 X\r\ncontent-length: 2\r\n\r\nno", False, (503, None, b"no")),
    ],
)
def test_an_answer_fails_as_it_did(tmp_path: Path, raw: bytes, hang: bool, expected: Any) -> None:
    with saying(raw, hang=hang) as base_url:
        first, replay = recorded(tmp_path, f"{base_url}/chat/completions")
    kept = decode(replay.left[0][1].timeline)
    second, record = replayed(replay)
    assert first == second == expected
    assert record == kept
    assert replay.health.cpu_s == 3


def test_nobody_listened(tmp_path: Path) -> None:
    first, replay = recorded(tmp_path, DEAD)
    assert first == replayed(replay)[0] == "ConnectError"


def test_what_is_not_asked_of_a_model_is_sent(tmp_path: Path) -> None:
    with simulating(tmp_path, ttft="1ms", gap="1ms", tokens="2") as base_url:
        url = f"{base_url}/chat/completions"
        first, replay = recorded(tmp_path, url)
        with (
            httpx2.Client(verify=False) as mine,
            httpx2.Client(verify=False) as other,
            replaying(replay, (mine,), None, None) as seen,
        ):
            assert post(other, url)[0] == 200
            assert mine.get(f"{base_url}/models").status_code == 200
            assert post(mine, url) == first
            with pytest.raises(NotRecordedError, match="completions', False"):
                post(mine, url)
        assert len(seen) == 1
        other_body = Replay([(asked_of("POST", url, "{}"), replay.taken[0])], missing)
        with pytest.raises(NotRecordedError, match="completions', True"):
            replayed(other_body)


def test_what_makes_two_requests_the_same() -> None:
    one = asked_of("POST", "https://a.example/v1/x?key=secret", b'{"a": 1, "b": 2}')
    assert one == asked_of("POST", "http://b.example:8/v1/x", '{"b":2,"a":1}')
    assert one.path == "/v1/x"
    assert asked_of("POST", "http://b/v1/x", None) != one
    assert asked_of("POST", "http://b/v1/x", b"no JSON") != asked_of("POST", "http://b/v1/x", b"")
