"""TLS sessions taken up again: only when asked for, for each server apart."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
from scripted import Peer, TlsPeer, ask, plain, run, serve, transport, turns
from test_proxies import Carrier

from llm_latency_lens.timeline import ErrorKind, Stage, Timeline
from llm_latency_lens.transport import Network, Tls, dial

AUTHORITY = trustme.CA()
_CERTIFICATE = AUTHORITY.issue_cert("127.0.0.1", "localhost")
BOTH = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


def server_context(version: ssl.TLSVersion, tickets: int = 2) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _CERTIFICATE.configure_cert(context)
    context.minimum_version = context.maximum_version = version
    context.num_tickets = tickets
    return context


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


async def one_answer(peer: TlsPeer) -> None:
    """Answers one request, and serves those well who come for a ticket alone."""
    await peer.handshake()
    if await peer.request():
        await peer.send(plain(b"safe"))
    await peer.gone()


def resumed(timelines: list[Timeline]) -> list[bool | None]:
    assert [bytes(timeline.body) for timeline in timelines] == [b"safe"] * len(timelines)
    return [timeline.connection.tls_resumed for timeline in timelines]


@BOTH
@pytest.mark.parametrize("wanted", [True, False])
def test_a_cold_connection_takes_up_a_session_only_when_asked_to(
    ca_file: str, version: ssl.TLSVersion, wanted: bool
) -> None:
    async def main() -> list[Timeline]:
        network = Network(tls=Tls(ca_file=ca_file, resume=wanted))
        async with (
            serve(one_answer, tls=server_context(version)) as server,
            transport(network, reuse=False) as sender,
        ):
            return [await ask(sender, server.url) for _ in range(3)]

    timelines = run(main())
    assert resumed(timelines) == [False, wanted, wanted]
    assert all(timeline.connection.tls_ns for timeline in timelines)


def test_a_reused_connection_has_no_handshake_to_speak_of(ca_file: str) -> None:
    async def two_answers(peer: TlsPeer) -> None:
        await peer.handshake()
        for _ in range(2):
            await peer.request()
            await peer.send(plain(b"safe"))
        await peer.gone()

    async def main() -> list[Timeline]:
        async with (
            serve(two_answers, tls=server_context(ssl.TLSVersion.TLSv1_3)) as server,
            transport(Network(tls=Tls(ca_file=ca_file))) as sender,
        ):
            return [await ask(sender, server.url) for _ in range(2)]

    assert resumed(run(main())) == [False, None]


@BOTH
def test_primed_the_first_request_takes_up_a_session_too(
    ca_file: str, version: ssl.TLSVersion
) -> None:
    async def main() -> list[Timeline]:
        network = Network(tls=Tls(ca_file=ca_file, resume=True))
        async with (
            serve(one_answer, tls=server_context(version)) as server,
            transport(network, reuse=False) as sender,
        ):
            assert await sender.warm(server.url, 5) is None
            timelines = [await ask(sender, server.url)]
            assert len(server.peers) == 2
            return timelines

    assert resumed(run(main())) == [True]


def test_without_reuse_and_resumption_there_is_nothing_to_warm(ca_file: str) -> None:
    async def main() -> int:
        async with (
            serve(one_answer, tls=server_context(ssl.TLSVersion.TLSv1_3)) as server,
            transport(Network(tls=Tls(ca_file=ca_file)), reuse=False) as sender,
        ):
            assert await sender.warm(server.url, 5) is None
            return len(server.peers)

    assert run(main()) == 0


def test_a_server_that_gives_no_ticket_is_not_waited_for_long(
    ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "_TICKET_S", 0.0)

    async def main() -> list[Timeline]:
        network = Network(tls=Tls(ca_file=ca_file, resume=True))
        context = server_context(ssl.TLSVersion.TLSv1_3, tickets=0)
        async with (
            serve(one_answer, tls=context) as server,
            transport(network, reuse=False) as sender,
        ):
            assert await sender.warm(server.url, 1) is None
            return [await ask(sender, server.url) for _ in range(2)]

    assert resumed(run(main())) == [False, False]


def test_a_server_that_hangs_up_instead_of_giving_a_ticket(ca_file: str) -> None:
    async def rude(peer: TlsPeer) -> None:
        await peer.handshake(hold_tickets=True)

    async def main() -> None:
        network = Network(tls=Tls(ca_file=ca_file, resume=True))
        async with (
            serve(rude, tls=server_context(ssl.TLSVersion.TLSv1_3)) as server,
            transport(network, reuse=False) as sender,
        ):
            assert await sender.warm(server.url, 1) is None

    run(main())


def test_priming_a_server_that_cannot_be_reached_says_why(ca_file: str) -> None:
    async def plain_server(peer: Peer) -> None:
        await peer.read()
        peer.reset()

    async def main() -> None:
        network = Network(tls=Tls(ca_file=ca_file, resume=True))
        async with serve(plain_server) as server, transport(network, reuse=False) as sender:
            failure = await sender.warm(server.url.replace("http:", "https:"), 1)
        assert failure is not None
        assert (failure.kind, failure.stage) == (ErrorKind.NETWORK, Stage.TLS)

    run(main())


def test_each_server_has_its_own_session(ca_file: str) -> None:
    """One on another port of the same host cannot read the first one's ticket, and gets none."""

    async def main() -> list[Timeline]:
        network = Network(tls=Tls(ca_file=ca_file, resume=True))
        version = ssl.TLSVersion.TLSv1_3
        async with (
            serve(one_answer, tls=server_context(version)) as here,
            serve(one_answer, tls=server_context(version)) as there,
            transport(network, reuse=False) as sender,
        ):
            return [await ask(sender, server.url) for server in (here, there, here, there)]

    assert resumed(run(main())) == [False, False, True, True]


def test_a_server_that_has_lost_its_keys_is_asked_for_a_full_handshake(ca_file: str) -> None:
    async def main() -> list[Timeline]:
        network = Network(tls=Tls(ca_file=ca_file, resume=True))
        version = ssl.TLSVersion.TLSv1_3
        timelines = []
        async with transport(network, reuse=False) as sender:
            async with serve(one_answer, tls=server_context(version)) as server:
                timelines.append(await ask(sender, server.url))
                port = server.port
            async with serve(one_answer, tls=server_context(version), port=port) as server:
                timelines += [await ask(sender, server.url) for _ in range(2)]
        return timelines

    assert resumed(run(main())) == [False, False, True]


@pytest.mark.parametrize("proxy_gives_tickets", [True, False])
def test_behind_a_proxy_with_tls_both_handshakes_count(
    ca_file: str, proxy_gives_tickets: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed is only what is resumed throughout; the time is that of both handshakes."""
    if not proxy_gives_tickets:
        monkeypatch.setattr(dial, "_TICKET_S", 0.05)

    async def main() -> list[Timeline]:
        version = ssl.TLSVersion.TLSv1_3
        context = server_context(version, tickets=2 if proxy_gives_tickets else 0)
        async with (
            serve(one_answer, tls=server_context(version)) as server,
            serve(Carrier(), tls=context) as proxy,
        ):
            address = f"https://127.0.0.1:{proxy.port}"
            network = Network(tls=Tls(ca_file=ca_file, resume=True), proxy=address)
            async with transport(network, reuse=False) as sender:
                await sender.warm(server.url, 1)
                await turns(50)
                return [await ask(sender, server.url) for _ in range(2)]

    assert resumed(run(main())) == [proxy_gives_tickets] * 2


def test_a_session_outlives_a_connection_that_was_cut(ca_file: str) -> None:
    """A server that hangs up without a farewell spoils its session in OpenSSL, not the copy."""

    async def cut(peer: TlsPeer) -> None:
        await peer.handshake()
        await peer.request()
        await peer.send(plain(b"safe"))
        await asyncio.sleep(0)
        peer.reset()

    async def main() -> list[Timeline]:
        network = Network(tls=Tls(ca_file=ca_file, resume=True))
        async with (
            serve(cut, tls=server_context(ssl.TLSVersion.TLSv1_3)) as server,
            transport(network, reuse=False) as sender,
        ):
            return [await ask(sender, server.url) for _ in range(3)]

    assert resumed(run(main())) == [False, True, True]
