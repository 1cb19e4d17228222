"""Ways through a proxy: whole URLs for HTTP, tunnels for HTTPS, and what a proxy refuses."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from urllib.parse import urlsplit

import pytest
from scripted import (
    Peer,
    Script,
    TlsPeer,
    always,
    ask,
    ask_once,
    check_shape,
    open_descriptors,
    plain,
    run,
    serve,
    transport,
    turns,
)
from test_tls_sessions import ca_file, secured, server_context

from llm_latency_lens.errors import UsageError
from llm_latency_lens.testing.clock import FakeClock
from llm_latency_lens.timeline import Timeline
from llm_latency_lens.transport import Network, Timeouts, Tls
from llm_latency_lens.transport.proxy import Proxy, find_proxy, parse_proxy

__all__ = ["ca_file"]

SECRET = "pass:w\xf6rd/1"
USER = "us%40er:pass%3Aw%C3%B6rd%2F1"
AUTHORIZATION = "Basic " + base64.b64encode(f"us@er:{SECRET}".encode()).decode()


class Carrier:
    """A proxy that opens the tunnels it is asked for."""

    def __init__(self, greeting: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.heads: list[bytes] = []
        self._greeting = greeting

    async def __call__(self, peer: Peer) -> None:
        if isinstance(peer, TlsPeer):
            await peer.handshake()
        head = await peer.request()
        self.heads.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        with socket.socket() as sock:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
            for byte in self._greeting:
                await peer.send(bytes([byte]))
                await turns(2)
            upwards = asyncio.create_task(_pump(peer, Peer(sock)))
            await _pump(Peer(sock), peer)
            upwards.cancel()
            await asyncio.wait([upwards])


async def _pump(source: Peer, sink: Peer) -> None:
    with contextlib.suppress(OSError):  # either end may be closed by now
        while data := await source.read():
            await sink.send(data)


def _why(timeline: Timeline) -> tuple[str, str, str]:
    assert timeline.failure is not None
    return timeline.failure.kind, timeline.failure.stage, timeline.failure.message


# -- plain HTTP -------------------------------------------------------------------------------


def test_a_proxy_for_http_is_asked_with_the_whole_url() -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        while head := await peer.request():
            seen.append(head)
            await peer.send(plain(b"by proxy"))

    async def main() -> list[Timeline]:
        async with serve(script) as proxy:
            network = Network(proxy=f"http://{USER}@127.0.0.1:{proxy.port}")
            async with transport(network) as sender:
                return [await ask(sender, "http://model.example:8000/v1?x=1") for _ in range(2)]

    first, second = run(main())
    check_shape(first)
    assert bytes(first.body) == b"by proxy"
    assert first.connection.dns_ns is None  # the proxy looks the name up
    assert second.connection.reused
    expected = (
        "POST http://model.example:8000/v1?x=1 HTTP/1.1\r\nhost: model.example:8000\r\n"
        f"proxy-authorization: {AUTHORIZATION}\r\n"
    )
    assert [head.startswith(expected.encode()) for head in seen] == [True, True]


def test_a_proxy_that_refuses_http_is_an_answer_like_any_other() -> None:
    async def main() -> Timeline:
        refusal = plain(b"who are you", status="407 Proxy Authentication Required")
        async with serve(always(refusal)) as proxy:
            network = Network(proxy=f"http://127.0.0.1:{proxy.port}")
            return await ask_once(network, "http://model.example/")

    timeline = run(main())
    assert (timeline.complete, timeline.status) == (True, 407)


# -- tunnels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("to_proxy", ["http", "https"])
def test_https_goes_through_a_tunnel(ca_file: str, to_proxy: str) -> None:
    carrier = Carrier()

    async def main() -> tuple[list[Timeline], int]:
        context = server_context()
        async with (
            serve(secured(plain(b"one"), plain(b"x" * 100_000)), tls=context) as server,
            serve(carrier, tls=context if to_proxy == "https" else None) as proxy,
            transport(
                Network(
                    proxy=f"{to_proxy}://{USER}@127.0.0.1:{proxy.port}", tls=Tls(ca_file=ca_file)
                )
            ) as sender,
        ):
            timelines = [await ask(sender, server.url) for _ in range(2)]
            return timelines, server.port

    (first, second), port = run(main())
    for timeline in (first, second):
        check_shape(timeline)
        assert timeline.complete
    assert (bytes(first.body), len(second.body)) == (b"one", 100_000)
    assert (first.connection.reused, second.connection.reused) == (False, True)
    assert first.connection.tls_version == "TLSv1.3"
    assert first.connection.connect_ns is not None
    assert first.connection.tls_ns is not None
    assert carrier.heads == [
        f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
        f"proxy-authorization: {AUTHORIZATION}\r\n\r\n".encode()
    ]


def test_a_tunnel_that_is_opened_in_the_words_of_http_1_0(ca_file: str) -> None:
    carrier = Carrier(b"HTTP/1.0 200 OK\r\nvia: 1.0 old\r\n\r\n")

    async def main() -> Timeline:
        async with (
            serve(secured(plain(b"ok")), tls=server_context()) as server,
            serve(carrier) as proxy,
        ):
            network = Network(proxy=f"127.0.0.1:{proxy.port}", tls=Tls(ca_file=ca_file))
            return await ask_once(network, server.url)

    assert run(main()).complete


def _through(script: Script, network_of: dict[str, object] | None = None) -> Timeline:
    async def main() -> Timeline:
        async with serve(script) as proxy:
            network = Network(
                proxy=f"http://{USER}@127.0.0.1:{proxy.port}",
                **(network_of or {}),  # type: ignore[arg-type]
            )
            return await ask_once(network, "https://model.example/v1")

    before = open_descriptors()
    timeline = run(main())
    assert open_descriptors() == before
    return timeline


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n",
            "(the proxy) opens no tunnel: HTTP/1.1 407 Proxy Authentication Required",
        ),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "(the proxy) opens no tunnel: HTTP/1.1 502 Bad"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "(the proxy) opens no tunnel: SSH-2.0-OpenSSH"),
        (b"HTTP/1.1 200", "(the proxy) closed the connection before the tunnel was up"),
        (b"", "(the proxy) closed the connection before the tunnel was up"),
        (b"x" * 40_000, "(the proxy) opens no tunnel: its answer has no end"),
    ],
)
def test_a_tunnel_that_is_refused(reply: bytes, words: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        with contextlib.suppress(ConnectionError):
            await peer.send(reply)
            peer.fin()
            await peer.gone()

    kind, stage, message = _why(_through(script))
    assert (kind, stage) == ("network", "connect")
    assert words in message
    assert SECRET not in message
    assert USER not in message
    assert AUTHORIZATION not in message


def test_a_proxy_that_resets() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    kind, stage, message = _why(_through(script))
    assert (kind, stage) == ("network", "connect")
    assert message.endswith("(the proxy): connection reset by peer")


def test_a_proxy_that_is_not_there_is_named_as_the_proxy() -> None:
    async def main() -> tuple[Timeline, int]:
        async with serve(always(b"")) as gone:
            port = gone.port
        network = Network(proxy=f"http://{USER}@127.0.0.1:{port}")
        return await ask_once(network, "https://model.example/v1"), port

    timeline, port = run(main())
    assert _why(timeline) == (
        "network",
        "connect",
        f"no connection to 127.0.0.1:{port} (the proxy): connection refused (is the server "
        "running there?)",
    )


def test_a_proxy_that_says_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    async def main() -> tuple[Timeline, int]:
        async with serve(script) as proxy:
            network = Network(
                proxy=f"http://127.0.0.1:{proxy.port}", timeouts=Timeouts(connect_s=2.0)
            )
            return await ask_once(network, "https://model.example/v1"), proxy.port

    timeline, port = FakeClock().run(main())
    assert _why(timeline) == (
        "timeout",
        "connect",
        f"no connection to 127.0.0.1:{port} (the proxy) within 2 s",
    )


def test_a_certificate_of_the_proxy_that_is_not_trusted() -> None:
    async def script(peer: TlsPeer) -> None:
        with pytest.raises(OSError, match="unknown ca"):
            await peer.handshake()

    async def main() -> Timeline:
        async with serve(script, tls=server_context()) as proxy:
            network = Network(proxy=f"https://127.0.0.1:{proxy.port}")
            return await ask_once(network, "https://model.example/v1")

    kind, stage, message = _why(run(main()))
    assert (kind, stage) == ("network", "tls")
    assert "(the proxy) is not trusted" in message


def test_a_server_behind_the_tunnel_that_breaks_off_the_handshake(ca_file: str) -> None:
    carrier = Carrier()

    async def rude(peer: Peer) -> None:
        await peer.read()

    async def main() -> tuple[Timeline, int]:
        async with serve(rude) as server, serve(carrier, tls=server_context()) as proxy:
            network = Network(proxy=f"https://127.0.0.1:{proxy.port}", tls=Tls(ca_file=ca_file))
            url = f"https://127.0.0.1:{server.port}/"
            timeline = await ask_once(network, url)
            await turns()
            return timeline, server.port

    timeline, port = run(main())
    kind, stage, message = _why(timeline)
    assert (kind, stage) == ("network", "tls")
    assert f"127.0.0.1:{port}:" in message
    assert "closed the connection during the TLS handshake" in message


# -- which proxy ------------------------------------------------------------------------------


def _found(monkeypatch: pytest.MonkeyPatch, url: str, **variables: str) -> Proxy | None:
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return find_proxy(urlsplit(url), "env")


def test_the_environment_names_proxies_and_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_proxy, secure_proxy = "http://plain.example:3128", "http://secure.example:3129"
    both = {"HTTP_PROXY": plain_proxy, "https_proxy": secure_proxy}
    for url, variables, host in (
        ("http://model/", {}, None),
        ("http://model/", both, "plain.example"),
        ("https://model/", both, "secure.example"),
        ("https://model/", {"HTTP_PROXY": plain_proxy}, None),
        ("https://model/", {"ALL_PROXY": plain_proxy}, "plain.example"),
        ("https://model/", {**both, "NO_PROXY": "other,model"}, None),
        ("https://user:x@model:8000/", {**both, "NO_PROXY": "model"}, None),
        ("https://a.model.example/", {**both, "NO_PROXY": ".model.example"}, None),
        ("https://model/", {**both, "NO_PROXY": "*"}, None),
        ("https://model/", {**both, "NO_PROXY": "localhost"}, "secure.example"),
    ):
        found = _found(monkeypatch, url, **variables)
        assert (found and found.host) == host, (url, variables)


def test_a_proxy_that_is_given_or_forbidden_overrules_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://environment.example")
    monkeypatch.setenv("NO_PROXY", "*")
    url = urlsplit("http://model/")
    assert find_proxy(url, None) is None
    given = find_proxy(url, "http://given.example")
    assert given == Proxy("given.example", 80, False)


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://p.example", Proxy("p.example", 80, False)),
        ("https://p.example", Proxy("p.example", 443, True)),
        ("p.example:3128", Proxy("p.example", 3128, False)),
        ("http://[::1]:3128/", Proxy("::1", 3128, False)),
        ("http://me@p.example", Proxy("p.example", 80, False, "Basic bWU6")),
        (f"http://{USER}@p.example:1", Proxy("p.example", 1, False, AUTHORIZATION)),
    ],
)
def test_a_proxys_url(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize(
    "text",
    [
        "socks5://p.example:1080",
        f"socks5://{USER}@p.example:1080",
        "http://",
        "http://p.example:port",
        f"http://{USER}@p.example:99999",
        "http://[::1",
        f"http://{USER}@[::1",
        "",
    ],
)
def test_what_is_no_proxy_is_the_callers_mistake_and_its_password_stays_secret(text: str) -> None:
    with pytest.raises(UsageError, match="proxy: a URL such as") as caught:
        parse_proxy(text)
    assert "pass" not in str(caught.value)

    async def main() -> None:
        async with transport(Network(proxy=text)) as sender:
            with pytest.raises(UsageError, match="proxy: "):
                await ask(sender, "http://127.0.0.1:1/")
            with pytest.raises(UsageError, match="proxy: "):
                await sender.warm("http://127.0.0.1:1/", 2)

    run(main())


def test_a_proxys_password_does_not_print() -> None:
    assert "Basic" not in repr(parse_proxy(f"http://{USER}@p.example"))


def test_a_tunnel_to_an_address_of_version_6_has_brackets() -> None:
    ask_for = Proxy("p.example", 80, False).connect_request("::1", 443)
    assert ask_for == b"CONNECT [::1]:443 HTTP/1.1\r\nhost: [::1]:443\r\n\r\n"
