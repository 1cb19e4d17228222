"""Google's own library against a server of ours that gives out tokens."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.credentials.google import SCOPE, VARIABLE, GoogleIdentity, google
from llm_latency_lens.credentials.renewal import MARGIN_S
from llm_latency_lens.errors import UsageError
from llm_latency_lens.request import Request
from llm_latency_lens.testing.clock import FakeClock

REQUEST = Request("vertex", "m", "http://h/", (("accept", "x"),), b"{}")


class Tokens:
    """What the server gives out, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refusal: dict[str, str] | None = None
        self.base = ""

    def answer(self, path: str, asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.asked.append((path, asked))
        if self.refusal:
            return 400, self.refusal
        if path == "/subject":
            return 200, {"token": "who-i-am"}
        name = f"token-{len(self.asked)}"
        if path.endswith(":generateAccessToken"):
            ends = datetime.now(UTC) + timedelta(hours=1)
            return 200, {"accessToken": name, "expireTime": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}
        told = {"access_token": name, "expires_in": 3600, "token_type": "Bearer"}
        return 200, told | {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}


@pytest.fixture
def tokens() -> Iterator[Tokens]:
    state = Tokens()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, told = state.answer(self.path, form or json.loads(body or "{}"))
            answer = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    state.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No user, no machine, no project: nothing is found but what a test puts there."""
    for name in (VARIABLE, "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Opens an identity by a file of credentials; all are closed at the end."""
    opened: list[GoogleIdentity] = []

    def find(info: Any, clock: FakeClock | None = None) -> GoogleIdentity:
        file = tmp_path / "credentials.json"
        file.write_text(info if isinstance(info, str) else json.dumps(info))
        monkeypatch.setenv(VARIABLE, str(file))
        opened.append(google({VARIABLE: str(file)}, clock))
        return opened[-1]

    yield find
    for identity in opened:
        identity.close()


@pytest.fixture
def service_account(tokens: Tokens, private_key: str) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "k1",
        "private_key": private_key,
        "client_email": "me@my-project.iam.gserviceaccount.com",
        "token_uri": f"{tokens.base}/token",
    }


def test_a_service_account(found: Any, tokens: Tokens, service_account: dict[str, str]) -> None:
    identity = found(service_account)
    assert identity.authorize(REQUEST).headers == (
        ("accept", "x"),
        ("authorization", "Bearer token-1"),
    )
    assert identity.project == "my-project"
    assert identity.secrets == [b"token-1"]
    ((path, asked),) = tokens.asked
    assert path == "/token"
    assert asked["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"


def test_a_project_of_the_environment_comes_first(
    found: Any, service_account: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "theirs")
    assert found(service_account).project == "theirs"


def test_whose_quota_is_used_is_said(
    found: Any, service_account: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "payer")
    identity = found(service_account)
    assert identity.authorize(REQUEST).headers[1:] == (
        ("authorization", "Bearer token-1"),
        ("x-goog-user-project", "payer"),
    )


@pytest.mark.parametrize("impersonated", [False, True])
def test_workload_identity(
    found: Any, tokens: Tokens, monkeypatch: pytest.MonkeyPatch, impersonated: bool
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "mine")  # else Google is asked for its name
    info = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/"
        "providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{tokens.base}/sts",
        "credential_source": {
            "url": f"{tokens.base}/subject",
            "format": {"type": "json", "subject_token_field_name": "token"},
        },
    }
    if impersonated:
        name = "projects/-/serviceAccounts/it@p.iam.gserviceaccount.com:generateAccessToken"
        info["service_account_impersonation_url"] = f"{tokens.base}/v1/{name}"
    identity = found(info)
    paths = [path.rpartition(":")[2] for path, _ in tokens.asked]
    assert paths == ["/subject", "/sts", *(["generateAccessToken"] if impersonated else [])]
    assert tokens.asked[1][1]["subject_token"] == "who-i-am"
    last = f"token-{len(paths)}"
    assert identity.authorize(REQUEST).headers[1] == ("authorization", f"Bearer {last}")
    assert identity.secrets == [last.encode()]
    assert identity.project == "mine"
    whole, few = SCOPE, "https://www.googleapis.com/auth/iam"
    assert tokens.asked[1][1]["scope"] == (few if impersonated else whole)


def test_a_token_is_renewed_well_before_it_ends(
    found: Any, tokens: Tokens, service_account: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    ends_s = datetime.now(UTC).timestamp() + 3600
    clock = FakeClock(realtime_ns=round((ends_s - 3600) * SECOND_NS))
    identity = found(service_account, clock)

    def at(seconds: float) -> str:
        clock.advance(round(seconds * SECOND_NS) - clock.realtime_ns())
        identity.renewal.renew_if_due()
        return dict(identity.authorize(REQUEST).headers)["authorization"]

    assert at(ends_s - MARGIN_S - 60) == "Bearer token-1"
    tokens.refusal = {"error": "invalid_grant", "error_description": "the account is gone"}
    assert at(ends_s - MARGIN_S + 60) == "Bearer token-1"
    assert "the account is gone" in caplog.text
    assert [one.levelno for one in caplog.records if "renewed" in one.message] == [logging.WARNING]
    tokens.refusal = None
    assert at(ends_s - MARGIN_S + 61) == "Bearer token-3"
    assert identity.secrets == [b"token-1", b"token-3"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"private_key": "no key"}, "Failed to load service account credentials"),
        ({"type": "no_such_type"}, "does not have a valid type"),
    ],
)
def test_a_file_that_is_wrong(
    found: Any, service_account: dict[str, str], change: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError) as raised:
        found(service_account | change)
    assert says in str(raised.value)
    assert "check the file that GOOGLE_APPLICATION_CREDENTIALS names" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_none(found: Any) -> None:
    with pytest.raises(UsageError, match="is not a valid json file"):
        found("{")


def test_a_refusal(found: Any, tokens: Tokens, service_account: dict[str, str]) -> None:
    tokens.refusal = {"error": "invalid_grant", "error_description": "Invalid JWT: " + "x" * 400}
    with pytest.raises(UsageError, match=r"\(invalid_grant: Invalid JWT: x+…\)$"):
        found(service_account)


def test_nobody_says_how_to_become_somebody() -> None:
    with pytest.raises(UsageError, match="run `gcloud auth application-default login`, or let"):
        google({})


def test_without_its_library_one_line_says_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(UsageError, match=r"pip install 'llm-latency-lens\[google\]'"):
        google({})
