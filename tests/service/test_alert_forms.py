"""What receivers are sent, and what is never in it."""

from __future__ import annotations

import base64
import hmac
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import jsonschema
import msgspec
import pytest
from alerts_world import HOOK, named

from llm_latency_lens.errors import SinkError
from llm_latency_lens.request import Secret
from llm_latency_lens.service.alerts.book import Told
from llm_latency_lens.service.alerts.delivery import cleaned, send
from llm_latency_lens.service.alerts.due import News
from llm_latency_lens.service.alerts.forms import (
    LASTS_S,
    LINES,
    SLACK_MOST,
    Post,
    json_schema,
    post,
    signature,
    text,
)
from llm_latency_lens.service.alerts.incident import Incident

SCHEMA = Path(__file__).parents[2] / "docs/reference/alert.schema.json"
NOW = 1_700_000_000.0


def incident(name: str = "chat", **told: object) -> Incident:
    given = {
        "id": f"id-{name}", "kind": "down", "severity": "critical", "what": "", "target": name,
        "provider": "openai", "model": "m", "sentence": f"{name}: down", "opened_unix_s": NOW,
        "since_unix_s": NOW - 120, **told,
    }  # fmt: skip
    return Incident(**given)  # type: ignore[arg-type]


def news(*incidents: Incident, told: Told | None = None) -> list[News]:
    return [News(one, told, None) for one in incidents]


def test_a_webhook_is_as_its_schema_says() -> None:
    sent = post(HOOK, news(incident(), incident("b", resolved_unix_s=NOW + 60)), NOW)
    body = json.loads(sent.body)
    jsonschema.validate(body, json.loads(SCHEMA.read_text()))
    assert json.loads(SCHEMA.read_text()) == json_schema()
    assert (body["schema"], body["status"]) == ("latency-lens.alert/1", "open")
    assert body["id"] == sent.headers["webhook-id"]
    assert sent.headers["Content-Type"] == "application/json"
    assert "webhook-signature" not in sent.headers
    (over,) = (json.loads(post(HOOK, news(incident(resolved_unix_s=NOW)), NOW).body),)
    assert over["status"] == "resolved"


def test_a_message_keeps_its_name_when_it_is_sent_again() -> None:
    def name(*given: News) -> str:
        return post(HOOK, given, NOW).headers["webhook-id"]

    first, other = news(incident(), incident("b"))
    assert name(first, other) == name(other, first)
    repeated = news(incident(), told=Told(NOW, "critical"))[0]
    assert len({name(first), name(other), name(repeated), name(first, other)}) == 4


@pytest.mark.parametrize("prefix", ["", "whsec_"])
def test_a_webhook_is_signed_as_standard_webhooks_says(prefix: str) -> None:
    key = b"not a secret, but a key"
    secret = prefix + base64.b64encode(key).decode() if prefix else key.decode()
    sent = post(named(secret=Secret(secret)), news(incident()), NOW)
    headers = sent.headers
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + sent.body
    wanted = base64.b64encode(hmac.new(key, content, sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert secret not in sent.body.decode()
    assert secret not in repr(sent)


def test_the_signature_is_that_of_the_specifications_example() -> None:
    """Of https://github.com/standard-webhooks/standard-webhooks, its reference tests."""
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_slack_gets_a_text_that_is_escaped_and_short() -> None:
    slack = named(kind="slack")
    (body,) = (json.loads(post(slack, news(incident(sentence="a<800 & b")), NOW).body),)
    assert body == {"text": "a&lt;800 &amp; b"}
    many = [incident(f"target-{number}", sentence="x" * 400) for number in range(30)]
    told = json.loads(post(slack, news(*many), NOW).body)["text"]
    assert len(told) <= SLACK_MOST
    assert told.endswith("\n…")


def test_alertmanager_gets_labels_that_say_which_and_times() -> None:
    manager = named(kind="alertmanager")
    labels = {"team-name": "a", "2nd": "b", "target": "not mine", "empty": ""}
    opened, over = json.loads(
        post(manager, news(incident(labels=labels), incident(resolved_unix_s=NOW - 300)), NOW).body
    )
    assert opened["labels"] == {
        "alertname": "LatencyLensTargetDown", "severity": "critical", "target": "chat",
        "provider": "openai", "model": "m", "team_name": "a", "_2nd": "b",
    }  # fmt: skip
    assert opened["startsAt"] == "2023-11-14T22:11:20.000+00:00"
    assert opened["endsAt"] == "2023-11-14T22:18:20.000+00:00"
    assert LASTS_S == 300
    # A clock that was set back must not end an alert before its beginning: it would be refused.
    assert over["endsAt"] == over["startsAt"]
    assert opened["annotations"] == {"summary": "chat: down", "incident": "id-chat"}


def test_a_text_of_many_says_what_it_is_of() -> None:
    assert text([incident()]) == "chat: down"
    title, *lines = text([incident(f"t{number}") for number in range(LINES + 3)]).splitlines()
    assert title == f"openai: {LINES + 3} targets down: t0, t1, t2, t3, t4 and {LINES - 2} more"
    assert lines[-1] == "and 3 more"
    mixed = [incident(), incident("b", kind="change")]
    assert text(mixed).startswith("openai: 2 targets in trouble: chat, b\n")
    own = [incident("", kind="monitor", what=what, provider="") for what in ("history", "alerts")]
    assert text(own).startswith("trouble with 2 parts of the monitor: history, alerts\n")
    over = [incident(name, resolved_unix_s=NOW) for name in "ab"]
    assert text(over).splitlines()[0] == "openai: 2 targets: trouble is over: a, b"
    assert text(over).splitlines()[1] == "resolved after 2 min | a: down"


def test_an_error_is_told_without_what_is_secret() -> None:
    receiver = named(
        url=Secret("https://user:hunter22@hooks.test/services/T000/B000/XXXXXXXX?token=abcdef"),
        headers=(("Authorization", "Bearer zzzz-token"),),
        secret=Secret("whsec_c2VjcmV0"),
    )
    said = (
        "no https://user:hunter22@hooks.test/services/T000/B000/XXXXXXXX?token=abcdef and no"
        " /services/T000/B000/XXXXXXXX nor XXXXXXXX, Bearer zzzz-token, whsec_c2VjcmV0, hunter22,"
        " token=abcdef or %2Fservices%2FT000%2FB000%2FXXXXXXXX"
    )
    told = cleaned(said, receiver)
    for secret in ("hunter22", "XXXX", "zzzz", "whsec_", "abcdef", "B000"):
        assert secret not in told
    assert msgspec.json.encode(told)


@contextmanager
def _server(status: int) -> Iterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    """A URL that answers with this, and what came there."""
    came: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"no such hook: " + self.path.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", came
        server.shutdown()
        thread.join()


def test_a_message_goes_over_http_and_into_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with _server(200) as (url, came):
        receiver = named(url=Secret(f"{url}/hooks/secret-path/"), headers=(("X-Own", "1"),))
        send(receiver, Post(b"{}", {"Content-Type": "application/json"}, "/api/v2/alerts"))
    ((path, headers, body),) = came
    assert (path, body) == ("/hooks/secret-path/api/v2/alerts", b"{}")
    assert (headers["x-own"], headers["content-type"]) == ("1", "application/json")
    assert "secret-path" not in caplog.text


@pytest.mark.parametrize(("status", "later"), [(503, True), (429, True), (404, False)])
def test_a_refusal_is_a_sink_error(status: int, later: bool) -> None:
    with _server(status) as (url, _), pytest.raises(SinkError) as caught:
        send(named(url=Secret(f"{url}/secret-path")), Post(b"{}", {}))
    assert caught.value.later is later
    assert str(caught.value) == f"HTTP {status}: no such hook: /secret-path"
    assert cleaned(str(caught.value), named(url=Secret("http://x/secret-path"))) == (
        f"HTTP {status}: no such hook: ***"
    )
    with pytest.raises(SinkError) as caught:
        send(named(url=Secret(url)), Post(b"{}", {}))
    assert caught.value.later
