"""Where records are sent: URLs whose scheme says in which way.

    influx+http://host:8086?db=NAME                InfluxDB 1, `/write`
    influx2+http://host:8086?org=ORG&bucket=NAME   InfluxDB 2, `/api/v2/write`
    influx3+http://host:8181?db=NAME               InfluxDB 3, `/api/v3/write_lp`
    otlp+http://host:4318                          OpenTelemetry, `/v1/traces` and `/v1/metrics`
    pushgateway+http://host:9091?job=NAME          Prometheus' Pushgateway
    remote-write+http://host:9090                  Prometheus remote write, `/api/v1/write`
    statsd://host:8125, dogstatsd://host:8125      UDP
    file:requests.jsonl, requests.jsonl            one JSON line for each request

`+https` in place of `+http` encrypts. A password stands in the URL or, as a token does, in a
variable: none of it is ever shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from ..errors import UsageError

FILE = "file"
_PORT = 8125
_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class Way:
    """One way of sending. `needs` and `takes` are parameters of its URL, `imports` the packages
    that it cannot do without, `extra` what installs them; `variable` holds its token, unless
    `token_env` in the URL names another."""

    module: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    extra: str = ""
    variable: str | None = None
    http: bool = True


WAYS = {
    "influx": Way("push_influx", needs=("db",), takes=("rp",)),
    "influx2": Way("push_influx", needs=("org", "bucket"), variable="INFLUX_TOKEN"),
    "influx3": Way("push_influx", needs=("db",), variable="INFLUXDB3_AUTH_TOKEN"),
    "otlp": Way("push_otlp", imports=("opentelemetry.proto",), extra="otel"),
    "pushgateway": Way(
        "push_prometheus",
        takes=("job", "instance"),
        imports=("prometheus_client",),
        extra="prometheus",
    ),
    "remote-write": Way(
        "push_prometheus",
        takes=("job", "instance"),
        imports=("prometheus_client", "cramjam"),
        extra="prometheus",
    ),
    "statsd": Way("push_statsd", http=False),
    "dogstatsd": Way("push_statsd", http=False),
    FILE: Way("push_file", http=False),
}
"""By the scheme, without `+http` and `+https`."""


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart. `url` is where HTTP goes, or the path of a file; `shown` is the whole
    without its secrets."""

    way: str
    url: str
    shown: str
    host: str = ""
    port: int = 0
    params: Mapping[str, str] = field(default_factory=dict)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


def is_url(text: str) -> bool:
    """Whether this names a place to send to, and not a format."""
    return "://" in text or text.startswith(f"{FILE}:")


def parse(text: str, environ: Mapping[str, str]) -> Address:
    """Take a URL apart. Raises `UsageError` for one that cannot be sent to; the message repeats
    nothing that could be secret."""
    scheme, _, rest = text.partition(":")
    if not is_url(text):
        if not text.endswith(_LINES):
            raise UsageError(_unknown(text))
        return Address(FILE, text, text)
    if scheme == FILE:
        path = unquote(urlsplit(text).path) if rest.startswith("//") else rest
        if not path:
            raise UsageError("the file URL names no file")
        return Address(FILE, path, path)
    way, plus, transport = scheme.partition("+")
    if way not in WAYS or (plus and transport not in ("http", "https")):
        raise UsageError(_unknown(scheme))
    if WAYS[way].http and not plus:
        raise UsageError(f"{way}: say {way}+http:// or {way}+https://")
    if plus and not WAYS[way].http:
        raise UsageError(f"{way} goes by UDP: say {way}://HOST:{_PORT}")
    return _remote(way, transport, text, environ)


def _remote(way: str, transport: str, text: str, environ: Mapping[str, str]) -> Address:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        given = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
    except ValueError:
        raise UsageError(f"the {way} URL is none: check its host, port and parameters") from None
    if not host:
        raise UsageError(f"the {way} URL names no host")
    variable = given.pop("token_env", None)
    _check(way, given)
    netloc = parts.netloc.rpartition("@")[2]
    query = urlencode(given)
    return Address(
        way,
        urlunsplit((transport, netloc, parts.path.rstrip("/"), "", "")),
        urlunsplit((parts.scheme, netloc, parts.path, query, "")),
        host,
        port or _PORT,
        given,
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
        _token(way, variable, environ),
    )


def _check(way: str, given: Mapping[str, str]) -> None:
    known = WAYS[way]
    takes = (*known.needs, *known.takes, *(("token_env",) if known.http else ()))
    for name in given:
        if name not in takes:
            listed = f"it takes {', '.join(takes)}" if takes else "it takes none"
            raise UsageError(f"the {way} URL has an unknown parameter {name!r}: {listed}")
    for name in known.needs:
        if not given.get(name):
            raise UsageError(
                f"the {way} URL must say {name}=..., as in {way}+http://HOST?{name}=NAME"
            )
    for package in known.imports:
        if not _installed(package):
            raise UsageError(
                f"{way} needs {package}: pip install 'llm-latency-lens[{known.extra}]'"
            )


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of a package in which it would be
        return False


def _token(way: str, variable: str | None, environ: Mapping[str, str]) -> str | None:
    if variable is not None:
        if not environ.get(variable):
            raise UsageError(f"the {way} URL takes its token from {variable}, which is not set")
        return environ[variable]
    usual = WAYS[way].variable
    return environ.get(usual) or None if usual else None


def _unknown(given: str) -> str:
    ways = ", ".join(f"{name}+http" if way.http else name for name, way in WAYS.items())
    what = "that" if "@" in given else repr(given)
    return (
        f"cannot send to {what}: say one of {ways}, as in otlp+http://HOST:4318, or a file that"
        " ends in .jsonl"
    )
