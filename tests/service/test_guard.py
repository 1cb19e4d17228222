"""Who is let in, and what every answer carries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.request import Secret
from llm_latency_lens.service.config import ServeConfig
from llm_latency_lens.service.guard import HEADERS, Guard, is_loopback
from llm_latency_lens.service.sessions import COOKIE, session_of
from llm_latency_lens.testing.clock import FakeClock

TOKEN = Secret("correct-horse")
BEARER = {"authorization": "Bearer correct-horse"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def why(self) -> str:
        return str(json.loads(self.body)["error"])


class Door:
    """A guard before an application that says what it was sent."""

    def __init__(self, **settings: Any) -> None:
        self.serve = ServeConfig(**settings)
        self.clock = FakeClock()
        self.guard = Guard(self._app, lambda: self.serve, self.clock)
        self.seen: list[str] = []
        self.own_headers: list[tuple[bytes, bytes]] = []

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message.get("more_body", False)
        self.seen.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": self.own_headers})
        await send({"type": "http.response.body", "body": body})

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        *,
        pieces: tuple[bytes, ...] = (b"",),
        address: str = "127.0.0.1",
    ) -> Answer:
        return asyncio.run(self._ask(path, method, headers or {}, pieces, address))

    async def _ask(
        self, path: str, method: str, headers: Mapping[str, str], pieces: Any, address: str
    ) -> Answer:
        given = {"host": "localhost:9464", **headers}
        left = list(pieces)
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "path": path,
            "method": method,
            "client": (address, 1),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        await self.guard(scope, receive, send)
        start, body = sent
        found = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], found, body["body"])


def test_every_answer_keeps_the_browser_from_going_elsewhere() -> None:
    door = Door()
    for answer in (door.ask(), door.ask(headers={"host": "evil.example"})):
        assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
        assert "strict-transport-security" not in answer.headers
    policy = HEADERS["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_an_answer_s_own_headers_stand() -> None:
    door = Door()
    door.own_headers = [(b"Cache-Control", b"max-age=60")]
    assert door.ask().headers["Cache-Control"] == "max-age=60"
    assert "cache-control" not in door.ask().headers


def test_tls_is_remembered() -> None:
    door = Door(cert_file=Path("c"), key_file=Path("k"))
    assert door.ask().headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize(
    ("host", "settings", "status"),
    [
        ("localhost:9464", {}, 200),
        ("127.0.0.1:9464", {}, 200),
        ("[::1]:9464", {}, 200),
        ("LOCALHOST", {}, 200),
        ("localhost.", {}, 200),
        ("evil.example", {}, 421),
        ("localhost.evil.example", {}, 421),
        ("evil.example@localhost", {}, 200),
        ("", {}, 421),
        ("[::1", {}, 421),
        ("127.0.0.2:1", {"host": "127.0.0.2"}, 200),
        ("monitor.example.com", {"hosts": ("Monitor.example.com",)}, 200),
        ("other.example.com", {"hosts": ("monitor.example.com",)}, 421),
        ("anything.example", {"host": "0.0.0.0"}, 200),
        ("other.example", {"host": "0.0.0.0", "hosts": ("a.example",)}, 421),
    ],
)
def test_only_its_own_names_are_answered_to(
    host: str, settings: dict[str, Any], status: int
) -> None:
    assert Door(**settings).ask(headers={"host": host}).status == status


def test_health_is_free_for_all() -> None:
    door = Door(host="0.0.0.0", hosts=("a.example",), token=TOKEN, requests_per_minute=1)
    answers = [door.ask("/healthz", headers={"host": "10.0.0.7"}) for _ in range(5)]
    answers += [door.ask("/readyz")]
    assert {answer.status for answer in answers} == {200}
    assert Door().ask("/healthz", headers={"host": "evil.example"}).status == 421


def test_the_token_opens_everything_and_nothing_else_does() -> None:
    door = Door(token=TOKEN)
    assert door.ask("/metrics", headers=BEARER).status == 200
    assert door.ask("/metrics", headers={"authorization": "bearer correct-horse"}).status == 200
    for wrong in ("Bearer correct-hors", "Bearer ", "Basic correct-horse", "correct-horse", ""):
        answer = door.ask("/metrics", headers={"authorization": wrong})
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert door.ask("/api/v1/probe", "POST", BEARER).status == 200
    assert door.ask("/api/v1/probe", "POST").status == 401
    assert TOKEN.reveal() not in door.ask().body.decode()


def test_a_browser_is_led_to_the_login_and_back() -> None:
    answer = Door(token=TOKEN).ask("/targets/a b", headers={"accept": "text/html,*/*"})
    assert (answer.status, answer.headers["location"]) == (303, "/login?next=%2Ftargets%2Fa%20b")
    assert Door(token=TOKEN).ask("/login").status == 200
    assert Door(token=TOKEN).ask("/static/main.js").status == 200


def test_a_session_reads_and_changes_only_from_its_own_pages() -> None:
    door = Door(token=TOKEN)
    cookie = {"cookie": f"a=b; {COOKIE}={session_of(TOKEN)}"}
    assert door.ask("/", headers=cookie).status == 200
    own = {**cookie, "sec-fetch-site": "same-origin"}
    assert door.ask("/api/v1/probe", "POST", own).status == 200
    for foreign in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}, {}):
        answer = door.ask("/api/v1/probe", "POST", {**cookie, **foreign})
        assert (answer.status, answer.why) == (403, "sent from another site")
    door.serve = ServeConfig(token=Secret("another"))
    assert door.ask("/", headers=cookie).status == 401


def test_a_broken_cookie_is_none() -> None:
    door = Door(token=TOKEN)
    for cookie in (f"{COOKIE}=x", "\x7f=;;;", f"{COOKIE}"):
        assert door.ask("/", headers={"cookie": cookie}).status == 401


def test_without_a_token_all_may_read_and_nobody_may_change() -> None:
    door = Door()
    assert door.ask("/metrics").status == 200
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = door.ask("/api/v1/probe", method, BEARER)
        assert answer.status == 403
        assert "needs a token" in answer.why
    assert door.seen == ["/metrics"]


def test_what_is_too_long_is_refused_unread() -> None:
    door = Door(token=TOKEN, max_request_bytes=10)
    assert door.ask("/x", "POST", {**BEARER, "content-length": "10"}, pieces=(b"0123456789",)).body
    for length in ("11", "-1", "1e3", "x"):
        assert door.ask("/x", "POST", {**BEARER, "content-length": length}).status == 413
    assert door.seen == ["/x"]


def test_what_is_too_long_without_saying_so_is_cut_off() -> None:
    door = Door(token=TOKEN, max_request_bytes=10)
    answer = door.ask("/x", "POST", BEARER, pieces=(b"01234", b"56789", b"a"))
    assert (answer.status, answer.why) == (413, "a request may hold at most 10 bytes")
    assert door.ask("/x", "POST", BEARER, pieces=(b"01234", b"56789")).status == 200


def test_an_address_may_ask_so_often_and_gets_its_turn_again() -> None:
    door = Door(requests_per_minute=60)
    statuses = [door.ask().status for _ in range(62)]
    assert statuses == [200] * 60 + [429] * 2
    answer = door.ask()
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert door.ask(address="10.0.0.1").status == 200
    door.clock.advance(2 * SECOND_NS)
    assert [door.ask().status for _ in range(3)] == [200, 200, 429]
    door.clock.advance(3600 * SECOND_NS)
    assert [door.ask().status for _ in range(61)] == [200] * 60 + [429]


def test_many_addresses_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_latency_lens.service.guard._MOST_ADDRESSES", 3)
    door = Door(requests_per_minute=1)
    for number in range(10):
        door.ask(address=f"10.0.0.{number}")
    assert len(door.guard._rates._buckets) == 3
    assert door.ask(address="10.0.0.9").status == 429


def test_only_http_is_spoken() -> None:
    guard = Door().guard
    with pytest.raises(RuntimeError, match="not websocket"):
        asyncio.run(guard({"type": "websocket"}, None, None))  # type: ignore[arg-type]


def test_what_is_loopback() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.8.0.1")] == [
        True
    ] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.com")] == [
        False
    ] * 4
