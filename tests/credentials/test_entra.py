from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from llm_latency_lens.credentials.entra import SCOPE, entra
from llm_latency_lens.errors import UsageError
from llm_latency_lens.request import Request

REQUEST = Request("azure", "m", "http://h/", (), b"{}")


@pytest.fixture
def managed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The endpoint that Azure gives to a machine of its own, with what it is to answer."""
    state: dict[str, Any] = {"status": 200, "asked": []}

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state["asked"].append(self.path)
            told = {"access_token": "tok-1", "expires_on": str(int(time.time()) + 3600)}
            if state["status"] != 200:
                told = {"error": "invalid_request", "error_description": "nobody is here"}
            body = json.dumps(told | {"token_type": "Bearer", "resource": "r"}).encode()
            self.send_response(state["status"])
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    for name, value in {
        "IDENTITY_ENDPOINT": f"http://127.0.0.1:{server.server_port}/token",
        "IDENTITY_HEADER": "header",
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
    }.items():
        monkeypatch.setenv(name, value)
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_token_in_the_environment_is_used_as_it_is() -> None:
    identity = entra({"AZURE_OPENAI_AD_TOKEN": "given"})
    assert identity.authorize(REQUEST).headers == (("authorization", "Bearer given"),)
    assert identity.secrets == [b"given"]
    identity.close()


def test_azure_is_asked_for_one(managed: dict[str, Any]) -> None:
    identity = entra({})
    assert identity.authorize(REQUEST).headers == (("authorization", "Bearer tok-1"),)
    assert identity.secrets == [b"tok-1"]
    assert SCOPE.removesuffix("/.default") in managed["asked"][0]
    identity.close()


def test_where_azure_gives_none_one_line_says_what_to_do(managed: dict[str, Any]) -> None:
    managed["status"] = 400
    with pytest.raises(UsageError, match=r"^no key for azure: set .*`az login` \(") as raised:
        entra({})
    assert "\n" not in str(raised.value)


def test_where_its_library_is_missing_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(UsageError, match=r"pip install 'llm-latency-lens\[azure\]'"):
        entra({})
