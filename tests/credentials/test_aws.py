"""AWS's own library against profiles and endpoints of ours."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aws_judge import authorization
from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.credentials import aws as module
from llm_latency_lens.credentials.aws import BEARER, AwsIdentity, KeyRing, aws
from llm_latency_lens.credentials.sigv4 import Keys
from llm_latency_lens.errors import UsageError
from llm_latency_lens.request import Request
from llm_latency_lens.testing.clock import FakeClock

REQUEST = Request("bedrock", "m", "http://h/model/m/converse", (("accept", "x"),), b"{}")
PROFILES = """\
[profile here]
aws_access_key_id = AKHERE
aws_secret_access_key = secret-here
region = eu-west-1
[profile nowhere]
aws_access_key_id = AKNOWHERE
aws_secret_access_key = secret-nowhere
[profile half]
region = eu-west-1
aws_access_key_id = AKHALF
[profile role]
role_arn = arn:aws:iam::1:role/r
source_profile = here
region = eu-west-1
[profile sso]
sso_session = work
sso_account_id = 1
sso_role_name = r
region = eu-west-1
[sso-session work]
sso_region = eu-west-1
sso_start_url = https://work.example/start
"""


class Endpoints:
    """A container's and a token service's, which give out keys that end soon."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.lasts = timedelta(minutes=5)
        self.broken = False

    def answer(self, path: str) -> str:
        self.asked.append(path)
        ends = f"{datetime.now(UTC) + self.lasts:%Y-%m-%dT%H:%M:%SZ}"
        keys = {
            "AccessKeyId": "AK",
            "SecretAccessKey": f"secret-{len(self.asked)}",
            "Expiration": ends,
        }
        if path.startswith("/keys"):
            return json.dumps({**keys, "Token": f"token-{len(self.asked)}"})
        keys["SessionToken"] = f"token-{len(self.asked)}"
        fields = "".join(f"<{name}>{value}</{name}>" for name, value in keys.items())
        kind = "AssumeRoleWithWebIdentity" if "WebIdentity" in path else "AssumeRole"
        told = f"<{kind}Result><Credentials>{fields}</Credentials></{kind}Result>"
        return f"<{kind}Response>{told}</{kind}Response>"


@pytest.fixture
def endpoints(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoints]:
    state = Endpoints()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(state.answer(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self.reply(state.answer(body))

        def reply(self, text: str) -> None:
            self.send_response(400 if state.broken else 200)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", base)
        monkeypatch.setenv("THE_CONTAINER", f"{base}/keys")
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that says nothing of AWS but where its files are, and to leave IMDS alone."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(PROFILES)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def set_keys(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("AWS_ACCESS_KEY_ID", "AKENV")
    environ.setenv("AWS_SECRET_ACCESS_KEY", "secret-env")


def who(identity: AwsIdentity) -> str:
    """The access key and the region that a signature is made with."""
    proof = dict(identity.authorize(REQUEST).headers)["authorization"]
    key, _, region, service, _ = proof.partition("Credential=")[2].partition(",")[0].split("/")
    assert service == "bedrock"
    return f"{key} in {region}"


def test_keys_of_the_environment(environ: pytest.MonkeyPatch) -> None:
    set_keys(environ)
    environ.setenv("AWS_SESSION_TOKEN", "token-env")
    found = aws(os.environ, region="us-east-1")
    assert who(found) == "AKENV in us-east-1"
    assert found.secrets == [b"secret-env", b"token-env"]
    signed = found.authorize(REQUEST)
    assert dict(signed.headers)["x-amz-security-token"] == "token-env"
    keys = Keys("AKENV", "secret-env", "token-env")
    assert dict(signed.headers)["authorization"] == authorization(signed, keys, "us-east-1")
    found.close()


@pytest.mark.parametrize(
    ("given", "variables", "region"),
    [
        ("a-1", {"AWS_REGION": "b-1", "AWS_DEFAULT_REGION": "c-1"}, "a-1"),
        (None, {"AWS_REGION": "b-1", "AWS_DEFAULT_REGION": "c-1"}, "b-1"),
        (None, {"AWS_DEFAULT_REGION": "c-1"}, "c-1"),
        (None, {}, "eu-west-1"),
    ],
)
def test_region_of_the_target_then_the_environment_then_the_profile(
    environ: pytest.MonkeyPatch, given: str | None, variables: dict[str, str], region: str
) -> None:
    environ.setenv("AWS_PROFILE", "here")
    for name, value in variables.items():
        environ.setenv(name, value)
    found = aws(os.environ, region=given)
    assert (who(found), found.region) == (f"AKHERE in {region}", region)


def test_named_profile_stands_before_all_of_the_environment(environ: pytest.MonkeyPatch) -> None:
    set_keys(environ)
    environ.setenv(BEARER, "bearer-token")
    assert who(aws(os.environ, profile="here")) == "AKHERE in eu-west-1"


def test_bearer_token_needs_no_keys(environ: pytest.MonkeyPatch) -> None:
    environ.setenv(BEARER, "bearer-token")
    found = aws(os.environ, region="us-east-1")
    assert found.authorize(REQUEST).headers[-1] == ("authorization", "Bearer bearer-token")
    assert (found.region, found.secrets) == ("us-east-1", [b"bearer-token"])
    found.close()
    environ.setenv("AWS_PROFILE", "here")
    assert aws(os.environ).region == "eu-west-1"


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ("missing", r"no AWS keys: The config profile \(missing\) could not be found"),
        ("nowhere", "Bedrock needs a region: give --region, set AWS_REGION, or name one"),
        ("half", "no AWS keys: Partial credentials found in .*aws_secret_access_key"),
        ("sso", "no AWS keys: Error loading SSO Token: Token for work does not exist"),
        (None, "no AWS keys: AWS_ACCESS_KEY_ID and AWS_BEARER_TOKEN_BEDROCK are not set, no prof"),
    ],
)
def test_what_is_missing_is_said_in_a_line(
    environ: pytest.MonkeyPatch, profile: str | None, says: str
) -> None:
    if profile is None:
        environ.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(UsageError, match=says) as raised:
        aws(os.environ, profile=profile)
    assert "\n" not in str(raised.value)


def test_a_broken_file_is_named(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("region = eu-west-1\n")
    with pytest.raises(UsageError, match=r"no AWS keys: Unable to parse config file: .*config"):
        aws(os.environ, region="us-east-1")


def test_library_that_is_not_installed(environ: pytest.MonkeyPatch) -> None:
    environ.setitem(sys.modules, "botocore", None)
    with pytest.raises(UsageError, match=r"pip install 'llm-latency-lens\[aws\]'"):
        aws(os.environ)


def test_keys_of_a_container_are_renewed(
    environ: pytest.MonkeyPatch, endpoints: Endpoints, caplog: pytest.LogCaptureFixture
) -> None:
    environ.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", os.environ["THE_CONTAINER"])
    found = aws(os.environ, region="us-east-1")
    try:
        first = found.authorize(REQUEST)
        count = len(endpoints.asked)
        endpoints.lasts = timedelta(hours=2)
        found.renewal.renew_if_due()
        assert len(endpoints.asked) == count + 1
        assert found.secrets[-2:] == [b"secret-%d" % (count + 1), b"token-%d" % (count + 1)]
        second = found.authorize(REQUEST)
        assert first.headers != second.headers
        found.renewal.renew_if_due()  # the new ones last
        assert len(endpoints.asked) == count + 1
        assert found.authorize(REQUEST) is second
    finally:
        found.close()


def test_the_old_keys_go_on_where_no_new_ones_come(
    environ: pytest.MonkeyPatch, endpoints: Endpoints, caplog: pytest.LogCaptureFixture
) -> None:
    endpoints.lasts = timedelta(minutes=9)
    environ.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", os.environ["THE_CONTAINER"])
    environ.setattr("botocore.utils.ContainerMetadataFetcher.RETRY_ATTEMPTS", 1)
    found = aws(os.environ, region="us-east-1")
    try:
        signed = found.authorize(REQUEST)
        endpoints.broken = True
        with caplog.at_level(logging.WARNING, logger=module.__name__):
            found.renewal.renew_if_due()
        assert "the AWS keys could not be renewed: no AWS keys: " in caplog.text
        assert found.authorize(REQUEST) is signed
    finally:
        found.close()


def test_roles_are_assumed(
    environ: pytest.MonkeyPatch, endpoints: Endpoints, tmp_path: Path
) -> None:
    found = aws(os.environ, profile="role")
    found.close()
    assert who(found) == "AK in eu-west-1"
    assert "Action=AssumeRole&" in endpoints.asked[0]
    assert b"token-1" in found.secrets
    (tmp_path / "token").write_text("who-i-am")
    environ.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")
    environ.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    found = aws(os.environ, region="us-east-1")
    found.close()
    assert who(found) == "AK in us-east-1"
    assert "WebIdentityToken=who-i-am" in endpoints.asked[-1]


class TestKeyRing:
    def ring(self, clock: FakeClock) -> KeyRing:
        return KeyRing(lambda: Keys("A", "s"), "us-east-1", [], clock, lasting=True)

    def test_same_request_is_signed_once_a_minute(self) -> None:
        clock = FakeClock()
        ring = self.ring(clock)
        first = ring.sign(REQUEST)
        clock.advance(59 * SECOND_NS)
        assert ring.sign(REQUEST) is first
        clock.advance(SECOND_NS)
        later = ring.sign(REQUEST)
        assert dict(later.headers)["x-amz-date"] != dict(first.headers)["x-amz-date"]
        assert ring.sign(Request("b", "m", "http://h/", (), b"other")) is not later

    def test_no_more_are_kept_than_fit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_MOST_KEPT", 2)
        ring = self.ring(FakeClock())
        asked = [Request("b", "m", "http://h/", (), b"%d" % i) for i in range(3)]
        first = ring.sign(asked[0])
        assert ring.sign(asked[0]) is first
        for one in asked:
            ring.sign(one)
        assert ring.sign(asked[0]) is not first

    def test_what_the_user_proves_otherwise_stays(self) -> None:
        ring = self.ring(FakeClock())
        asked = Request("b", "m", "http://h/", (("Authorization", "x"),), b"")
        assert ring.sign(asked) is asked

    def test_keys_that_end_are_looked_after(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looked, keys = threading.Event(), [Keys("A", "s")]

        def fetch() -> Keys:
            if len(keys) == 1:
                keys.append(Keys("B", "t"))
                return keys[0]
            looked.set()
            return keys[1]

        monkeypatch.setattr(module, "LOOK_S", 0.001)
        secrets: list[bytes] = []
        ring = KeyRing(fetch, "us-east-1", secrets, FakeClock(), lasting=False)
        assert looked.wait(30)
        ring.close()
        assert secrets[0] == b"s"
