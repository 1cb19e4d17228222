"""Signatures against AWS's published examples and against botocore's own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_judge import authorization
from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.credentials.sigv4 import Keys, sign
from llm_latency_lens.request import Request

KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT_NS = int(datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()) * SECOND_NS
MODEL = "https://bedrock-runtime.us-east-1.amazonaws.com/model/a.b-v1%3A0/converse"


def request(method: str, url: str, *headers: tuple[str, str], body: bytes = b"") -> Request:
    return Request("bedrock", "m", url, headers, body, method=method)


@pytest.mark.parametrize(
    ("name", "method", "url", "signature"),
    [
        (
            "get-vanilla",
            "GET",
            "https://example.amazonaws.com/",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-relative",
            "GET",
            "https://example.amazonaws.com/example/..",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-slashes",
            "GET",
            "https://example.amazonaws.com//./",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "post-vanilla",
            "POST",
            "https://example.amazonaws.com/",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            "https://example.amazonaws.com/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ],
    ids=lambda value: value if "-" in value and "/" not in value else "",
)
def test_examples_of_the_signature_suite(name: str, method: str, url: str, signature: str) -> None:
    signed = sign(request(method, url), KEYS, "us-east-1", "service", AT_NS)
    assert signed.headers == (
        ("x-amz-date", "20150830T123600Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            f"SignedHeaders=host;x-amz-date, Signature={signature}",
        ),
    )


def test_rest_of_the_request_stays() -> None:
    asked = Request("bedrock", "m", MODEL, (("a", "b"),), b"{}", stream=False, tag="t")
    signed = sign(asked, KEYS, "eu-west-1", "bedrock", AT_NS)
    assert signed.headers[0] == ("a", "b")
    assert (signed.url, signed.body, signed.tag, signed.stream) == (MODEL, b"{}", "t", False)


def test_what_go_betweens_change_is_not_signed_and_a_token_is() -> None:
    headers = (("User-Agent", "x"), ("Content-Type", "application/json"), ("X-My", "  a   b "))
    keys = Keys(*KEYS[:2], "token")
    signed = sign(request("POST", MODEL, *headers, body=b"{}"), keys, "us-east-1", "b", AT_NS)
    proof = dict(signed.headers)["authorization"]
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-my, " in proof
    assert proof == authorization(signed, keys, "us-east-1", "b")


@pytest.mark.parametrize(
    ("url", "host"), [("http://127.0.0.1:8080/x", "127.0.0.1:8080"), ("http://u:p@h/x", "h")]
)
def test_host_is_signed_as_it_is_sent(url: str, host: str) -> None:
    signed = sign(request("POST", url), KEYS, "us-east-1", "bedrock", AT_NS)
    same = sign(request("POST", f"http://{host}/x"), KEYS, "us-east-1", "bedrock", AT_NS)
    assert signed.headers == same.headers


PATHS = st.lists(st.text("ab1.-_~%:,", max_size=6), max_size=5).map("/".join)
PAIRS = st.lists(st.tuples(st.text("abC", min_size=1), st.text("1%2Fx", max_size=3)), max_size=4)
NAMES = st.text("abx-", min_size=1, max_size=6).filter(lambda name: name.strip("-") == name)
VALUES = st.text("ab \t=;,é", max_size=12)


@given(PATHS, PAIRS, st.dictionaries(NAMES, VALUES, max_size=4), st.binary(max_size=30))
def test_signature_is_botocores(
    path: str, pairs: list[tuple[str, str]], headers: dict[str, str], body: bytes
) -> None:
    query = "&".join(f"{name}={value}" for name, value in pairs)
    asked = request("POST", f"https://h.example/{path}?{query}", *headers.items(), body=body)
    signed = sign(asked, KEYS, "us-west-2", "bedrock", AT_NS)
    assert dict(signed.headers)["authorization"] == authorization(signed, KEYS, "us-west-2")
