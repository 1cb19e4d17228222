"""URLs of sinks: what they mean, what is wrong with them, and what of them is shown."""

from __future__ import annotations

import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.sinks import address
from llm_latency_lens.sinks.address import WAYS, Way, is_url, parse

SECRETS = ("pa55", "t0ken")


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("influx+http://h:8086?db=a", "http://h:8086", "influx+http://h:8086?db=a"),
        ("influx+https://u:pa55@h/x/?db=a", "https://h/x", "influx+https://h/x/?db=a"),
        (
            "influx2+http://h?org=o&bucket=b%20c&token_env=MINE",
            "http://h",
            "influx2+http://h?org=o&bucket=b+c",
        ),
        ("otlp+http://[::1]:4318", "http://[::1]:4318", "otlp+http://[::1]:4318"),
        ("statsd://h", "//h", "statsd://h"),
        ("file:a/b.jsonl", "a/b.jsonl", "a/b.jsonl"),
        ("file:///tmp/a%20b", "/tmp/a b", "/tmp/a b"),
        ("a/b.jsonl", "a/b.jsonl", "a/b.jsonl"),
        ("C:\\runs\\b.ndjson", "C:\\runs\\b.ndjson", "C:\\runs\\b.ndjson"),
    ],
)
def test_what_a_url_means(text: str, url: str, shown: str):
    found = parse(text, {"MINE": "t0ken", "INFLUX_TOKEN": "t0ken"})
    assert (found.url, found.shown) == (url, shown)
    assert not any(secret in repr(found) for secret in SECRETS)


def test_secrets_and_where_they_come_from():
    found = parse("influx+http://me:p%40a@h?db=a", {"INFLUX_TOKEN": "t0ken"})
    assert (found.user, found.password, found.token) == ("me", "p@a", None)
    assert parse("influx2+http://h?org=o&bucket=b", {"INFLUX_TOKEN": "t0ken"}).token == "t0ken"
    assert parse("influx3+http://h?db=b", {"INFLUXDB3_AUTH_TOKEN": "x"}).token == "x"
    assert parse("influx3+http://h?db=b", {"INFLUXDB3_AUTH_TOKEN": ""}).token is None
    found = parse("otlp+http://h?token_env=MINE", {"MINE": "t0ken"})
    assert (found.token, dict(found.params)) == ("t0ken", {})


def test_ports():
    assert parse("statsd://h", {}).port == 8125
    assert parse("dogstatsd://h:99", {}).port == 99


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "cannot send to 'nothing': say one of influx+http, "),
        ("me:pa55@host", "cannot send to that: say one of"),
        ("http://h", "cannot send to 'http'"),
        ("influx+ftp://h", "cannot send to 'influx+ftp'"),
        ("influx://h?db=a", "influx: say influx+http:// or influx+https://"),
        ("statsd+http://h", "statsd goes by UDP: say statsd://HOST:8125"),
        ("influx+http://me:pa55@:1?db=a", "the influx URL names no host"),
        ("influx+http://h:x?db=a", "the influx URL is none: check its host, port"),
        ("influx+http://h?db", "the influx URL is none: check its host, port"),
        ("influx+http://h?db=", "the influx URL must say db=..., as in influx+http://HOST?db=NAME"),
        ("influx2+http://h?org=o", "the influx2 URL must say bucket=..."),
        ("influx+http://h?db=a&p=pa55", "unknown parameter 'p': it takes db, rp, token_env"),
        ("statsd://h?x=1", "the statsd URL has an unknown parameter 'x': it takes none"),
        ("otlp+http://h?token_env=NOPE", "takes its token from NOPE, which is not set"),
        ("file:", "the file URL names no file"),
    ],
)
def test_what_is_wrong(text: str, message: str):
    with pytest.raises(UsageError) as raised:
        parse(text, {})
    assert message in str(raised.value)
    assert not any(secret in str(raised.value) for secret in SECRETS)


def test_what_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    needing = Way("push_otlp", imports=("nosuch.part",), extra="otel")
    monkeypatch.setitem(WAYS, "otlp", needing)
    with pytest.raises(UsageError, match=r"otlp needs nosuch\.part: pip install 'llm-latency-l"):
        parse("otlp+http://h", {})


def test_formats_are_no_urls():
    assert is_url("statsd://h")
    assert is_url("file:x")
    assert not is_url("jsonl")
    assert all(way in (address.__doc__ or "") for way in WAYS)
