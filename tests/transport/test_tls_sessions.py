"""TLS over memory: trust, handshakes, tickets, and records that fall anywhere into the reads."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import (
    CHUNKED,
    LAST_CHUNK,
    OK,
    Peer,
    Script,
    TlsPeer,
    ask,
    ask_once,
    check_shape,
    chunk,
    hold_up,
    plain,
    run,
    serve,
    transport,
    turns,
    until,
)

from llm_latency_lens.errors import UsageError
from llm_latency_lens.request import Request
from llm_latency_lens.timeline import Timeline
from llm_latency_lens.transport import Network, Tls
from llm_latency_lens.transport.tls import build_context

AUTHORITY = trustme.CA()
_CERTIFICATE = AUTHORITY.issue_cert("127.0.0.1", "localhost")

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kernel stamps")


def server_context(adjust: Callable[[ssl.SSLContext], Any] = lambda _: None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _CERTIFICATE.configure_cert(context)
    adjust(context)
    return context


def _only(version: ssl.TLSVersion) -> Callable[[ssl.SSLContext], None]:
    def adjust(context: ssl.SSLContext) -> None:
        context.minimum_version = context.maximum_version = version

    return adjust


@pytest.fixture(scope="session")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


def test_a_file_of_authorities_takes_the_place_of_the_usual_ones(ca_file: str) -> None:
    (trusted,) = build_context(Tls(ca_file=ca_file)).get_ca_certs()
    assert "trustme" in str(trusted["subject"])
    assert len(build_context(Tls()).get_ca_certs()) > 10


def secured(*replies: bytes) -> Script:
    async def script(peer: TlsPeer) -> None:
        await peer.handshake()
        for reply in replies:
            await peer.request()
            await peer.send(reply)
        await peer.gone()

    return script


def _ask(script: Script, tls: Tls, context: ssl.SSLContext | None = None) -> Timeline:
    async def main() -> Timeline:
        async with serve(script, tls=context or server_context()) as server:
            return await ask_once(Network(tls=tls), server.url)

    return run(main())


def _refused(tls: Tls, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Timeline:
    """A handshake that comes to nothing, seen from the client."""

    async def script(peer: TlsPeer) -> None:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await peer.handshake()

    async def main() -> Timeline:
        async with serve(script, tls=context or server_context()) as server:
            return await ask_once(Network(tls=tls), f"https://{host}:{server.port}/")

    return run(main())


def _why(timeline: Timeline) -> tuple[str, str, str]:
    assert timeline.failure is not None
    assert not timeline.complete
    return timeline.failure.kind, timeline.failure.stage, timeline.failure.message


# -- trust ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_authority_from_a_file_is_trusted(ca_file: str, version: ssl.TLSVersion) -> None:
    context = server_context(_only(version))
    timeline = _ask(secured(plain(b"safe")), Tls(ca_file=ca_file), context)
    check_shape(timeline)
    assert bytes(timeline.body) == b"safe"
    assert timeline.connection.tls_version == version.name.replace("_", ".")
    assert timeline.connection.tls_ns is not None
    assert timeline.connection.tls_ns > 0
    assert timeline.connection.connect_ns is not None


def test_the_second_request_names_the_version_but_no_handshake(ca_file: str) -> None:
    async def main() -> list[Timeline]:
        script = secured(plain(b"one"), plain(b"two"))
        async with (
            serve(script, tls=server_context()) as server,
            transport(Network(tls=Tls(ca_file=ca_file))) as sender,
        ):
            return [await ask(sender, server.url) for _ in range(2)]

    first, second = run(main())
    assert second.connection.reused
    assert second.connection.tls_ns is None
    assert second.connection.tls_version == first.connection.tls_version == "TLSv1.3"


def test_an_unknown_authority_is_refused_with_what_to_do_about_it() -> None:
    kind, stage, message = _why(_refused(Tls()))
    assert (kind, stage) == ("network", "tls")
    assert message.startswith("the certificate of 127.0.0.1:")
    assert "is not trusted: unable to get local issuer certificate" in message
    assert message.endswith("(--ca-file names a CA to trust, --insecure skips the check)")


def test_a_certificate_for_another_name_is_refused(ca_file: str) -> None:
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("elsewhere.example").configure_cert(other)
    kind, stage, message = _why(_refused(Tls(ca_file=ca_file), other))
    assert (kind, stage) == ("network", "tls")
    assert "certificate is not valid for '127.0.0.1'" in message


def test_insecure_takes_any_certificate() -> None:
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("elsewhere.example").configure_cert(other)
    timeline = _ask(secured(plain(b"whoever")), Tls(verify=False), other)
    assert bytes(timeline.body) == b"whoever"


def _asks_for_a_certificate(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    AUTHORITY.configure_trust(context)


def test_a_client_certificate_is_shown(ca_file: str, tmp_path: Path) -> None:
    mine = AUTHORITY.issue_cert("me@example.org")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    mine.cert_chain_pems[0].write_to_path(str(cert))
    mine.private_key_pem.write_to_path(str(key))
    tls = Tls(ca_file=ca_file, cert_file=str(cert), key_file=str(key))
    timeline = _ask(secured(plain(b"welcome")), tls, server_context(_asks_for_a_certificate))
    assert bytes(timeline.body) == b"welcome"


@pytest.mark.parametrize(
    ("version", "stages"),
    [(ssl.TLSVersion.TLSv1_2, {"tls"}), (ssl.TLSVersion.TLSv1_3, {"wait", "send"})],
)
def test_a_missing_client_certificate_is_named(
    ca_file: str, version: ssl.TLSVersion, stages: set[str]
) -> None:
    """In TLS 1.3 the client has finished its part before the server can object."""

    def adjust(context: ssl.SSLContext) -> None:
        _only(version)(context)
        _asks_for_a_certificate(context)

    kind, stage, message = _why(_refused(Tls(ca_file=ca_file), server_context(adjust)))
    assert kind == "network"
    assert stage in stages
    assert "certificate required" in message or "handshake failure" in message


@pytest.mark.parametrize(
    ("tls", "match"),
    [
        (Tls(ca_file="/no/such/ca.pem"), "CA file /no/such/ca.pem: No such file or directory"),
        (
            Tls(cert_file="/no/such/cert.pem"),
            "client certificate /no/such/cert.pem: No such file or directory",
        ),
    ],
)
def test_files_that_are_not_there_are_the_callers_mistake(tls: Tls, match: str) -> None:
    async def silent(peer: Peer) -> None:
        await peer.gone()

    async def main() -> None:
        async with serve(silent) as server, transport(Network(tls=tls)) as sender:
            url = f"https://127.0.0.1:{server.port}/"
            for attempt in (lambda: ask(sender, url), lambda: sender.warm(url, 3)):
                with pytest.raises(UsageError, match=match):
                    await attempt()
            with pytest.raises(UsageError, match=match):
                sender.check(url)
            sender.check(url.replace("https", "http"))  # where TLS is not needed, nothing is read

    run(main())


def test_files_that_hold_something_else_are_the_callers_mistake(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    for tls, match in (
        (Tls(ca_file=str(junk)), f"CA file {junk}: no certificate or crl found$"),
        (Tls(cert_file=str(junk)), f"client certificate {junk}: a certificate and its key in PEM"),
    ):
        sender = transport(Network(tls=tls))

        async def main(sender: Any = sender, match: str = match) -> None:
            async with sender as made:
                with pytest.raises(UsageError, match=match):
                    made.check("https://model.example/")

        run(main())


def test_an_encrypted_key_is_refused_and_no_password_asked_for(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    mine = AUTHORITY.issue_cert("me@example.org")
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    path = tmp_path / "both.pem"
    path.write_bytes(
        mine.cert_chain_pems[0].bytes()
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )

    async def main() -> None:
        async with transport(Network(tls=Tls(cert_file=str(path)))) as sender:
            with pytest.raises(UsageError) as caught:
                sender.check("https://model.example/")
        assert str(caught.value) == (
            "client certificate: its key is encrypted; one without a password is needed"
        )

    run(main())


# -- handshakes that fail ---------------------------------------------------------------------


def test_a_server_without_tls_behind_an_https_url() -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        await peer.send(plain(b"This is HTTP", status="400 Bad Request"))
        await peer.gone()

    async def main() -> Timeline:
        async with serve(script) as server:
            return await ask_once(Network(), f"https://127.0.0.1:{server.port}/")

    kind, stage, message = _why(run(main()))
    assert (kind, stage) == ("network", "tls")
    assert message.endswith("(a server without TLS has an http:// URL)")


@pytest.mark.parametrize("end", ["fin", "reset"])
def test_a_server_that_hangs_up_in_the_handshake(end: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        if end == "reset":
            peer.reset()

    async def main() -> Timeline:
        async with serve(script) as server:
            return await ask_once(Network(), f"https://127.0.0.1:{server.port}/")

    kind, stage, message = _why(run(main()))
    assert (kind, stage) == ("network", "tls")
    expected = {"fin": "closed the connection during the TLS handshake", "reset": "reset by peer"}
    assert expected[end] in message


def test_versions_that_do_not_meet(ca_file: str) -> None:
    def adjust(context: ssl.SSLContext) -> None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context = server_context(adjust)
    kind, stage, message = _why(_refused(Tls(ca_file=ca_file), context))
    assert (kind, stage) == ("network", "tls")
    assert message.startswith("TLS with 127.0.0.1:")


# -- records ----------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "with the answer"])
def test_session_tickets_are_no_data_whenever_they_come(ca_file: str, when: str) -> None:
    async def script(peer: TlsPeer) -> None:
        tickets = await peer.handshake(hold_tickets=True)
        assert tickets
        if when == "before":
            await peer.send_raw(tickets)
            await turns()
        await peer.request()
        if when == "with the answer":
            await peer.send_raw(tickets + peer.seal(plain(b"one")))
        else:
            await peer.send(plain(b"one"))
        await turns()
        await peer.request()
        await peer.send(plain(b"two"))
        await peer.gone()

    async def main() -> list[Timeline]:
        async with (
            serve(script, tls=server_context()) as server,
            transport(Network(tls=Tls(ca_file=ca_file))) as sender,
        ):
            assert await sender.warm(server.url, 1) is None
            await turns(20)
            timelines = [await ask(sender, server.url)]
            await turns(20)
            timelines.append(await ask(sender, server.url))
            assert len(server.peers) == 1
            return timelines

    first, second = run(main())
    for timeline in (first, second):
        check_shape(timeline)
        assert timeline.clock_source == ("kernel" if sys.platform == "linux" else "user")
    assert (bytes(first.body), bytes(second.body)) == (b"one", b"two")
    assert second.connection.reused


def test_several_records_in_one_read_and_one_record_in_several(ca_file: str) -> None:
    async def script(peer: TlsPeer) -> None:
        await peer.handshake()
        await peer.request()
        await peer.send(CHUNKED)
        await turns()
        await peer.send_raw(b"".join(peer.seal(chunk(piece)) for piece in (b"a", b"b", b"c")))
        await turns()
        record = peer.seal(chunk(b"defg"))
        await peer.send_cut(record, (1, 5, len(record) - 1))
        await turns()
        await peer.send(LAST_CHUNK)
        await peer.gone()

    timeline = _ask_raw_cut(script, ca_file)
    assert list(timeline.reads()) == [(timeline.at[0], b"abc"), (timeline.at[1], b"defg")]


def _ask_raw_cut(script: Script, ca_file: str) -> Timeline:
    timeline = _ask(script, Tls(ca_file=ca_file))
    check_shape(timeline)
    assert timeline.complete
    return timeline


_BODY = bytes(range(256)) * 3


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(0, 1100), max_size=8), records=st.integers(1, 9))
def test_cut_anywhere_the_body_is_the_same(ca_file: str, cuts: list[int], records: int) -> None:
    async def script(peer: TlsPeer) -> None:
        await peer.handshake()
        await peer.request()
        answer = plain(_BODY)
        size = len(answer) // records + 1
        sealed = b"".join(
            peer.seal(answer[begin : begin + size]) for begin in range(0, len(answer), size)
        )
        await peer.send_cut(sealed, cuts)
        await peer.gone()

    assert bytes(_ask_raw_cut(script, ca_file).body) == _BODY


def test_a_large_prompt_and_a_large_answer(ca_file: str) -> None:
    prompt, body, seen = b"p" * (8 << 20), bytes(range(251)) * 8192, []

    async def script(peer: TlsPeer) -> None:
        await peer.handshake()
        await turns(50)
        seen.append(await peer.request())
        await peer.send(plain(body))
        await peer.gone()

    async def main() -> Timeline:
        network = Network(tls=Tls(ca_file=ca_file))
        async with serve(script, tls=server_context(), narrow=True) as server:
            return await ask_once(network, server.url, prompt)

    timeline = run(main())
    check_shape(timeline)
    assert seen[0].endswith(b"\r\n\r\n" + prompt)
    assert bytes(timeline.body) == body


@linux
def test_the_stamp_is_that_of_the_segment_that_completed_the_record(ca_file: str) -> None:
    peers: list[Peer] = []

    async def main() -> Timeline:
        async def script(peer: TlsPeer) -> None:
            peers.append(peer)
            await peer.handshake()
            await peer.request()
            await peer.send_raw(peer.seal(CHUNKED))
            await until(lambda: timeline.status)
            for number in range(10):
                record = peer.seal(chunk(b"token"))
                await peer.send_raw(record[:9])
                hold_up(300_000)
                await turns()
                peer.note_time()
                await peer.send_raw(record[9:])
                hold_up(500_000)
                await until(lambda number=number: len(timeline.at) > number)
            await peer.send_raw(peer.seal(LAST_CHUNK))

        timeline = Timeline()
        network = Network(tls=Tls(ca_file=ca_file))
        async with serve(script, tls=server_context()) as server, transport(network) as sender:
            blueprint = Request("openai", "m", server.url, (), b"{}")
            await sender.send(blueprint, timeline)
        return timeline

    timeline = run(main())
    check_shape(timeline)
    assert timeline.clock_source == "kernel"
    assert len(timeline.at) == 10
    ways = [
        at_ns + timeline.offset_ns - sent_unix_ns
        for sent_unix_ns, at_ns in zip(peers[0].sent_at, timeline.at, strict=True)
    ]
    assert min(ways) >= 0
    assert sorted(ways)[5] < 450_000
    assert sorted(timeline.lag)[5] > 450_000


# -- how it ends ------------------------------------------------------------------------------


@pytest.mark.parametrize("fin", [True, False])
def test_a_farewell_ends_a_body_without_length_with_or_without_a_fin(
    ca_file: str, fin: bool
) -> None:
    async def script(peer: TlsPeer) -> None:
        await peer.handshake()
        await peer.request()
        await peer.send(OK + b"\r\nall of it")
        await turns()
        await peer.send_raw(peer.farewell())
        if fin:
            peer.fin()
        await peer.gone()

    timeline = _ask(script, Tls(ca_file=ca_file))
    check_shape(timeline)
    assert timeline.complete
    assert bytes(timeline.body) == b"all of it"


def test_a_farewell_in_the_middle_of_an_answer_breaks_it_off(ca_file: str) -> None:
    async def script(peer: TlsPeer) -> None:
        await peer.handshake()
        await peer.request()
        await peer.send_raw(peer.seal(CHUNKED + chunk(b"abc")) + peer.farewell())
        await peer.gone()

    timeline = _ask(script, Tls(ca_file=ca_file))
    check_shape(timeline)
    assert _why(timeline)[:2] == ("network", "stream")
    assert bytes(timeline.body) == b"abc"


@pytest.mark.parametrize("apart", [True, False])
def test_a_farewell_behind_an_answer_ends_the_reuse(ca_file: str, apart: bool) -> None:
    async def script(peer: TlsPeer) -> None:
        await peer.handshake()
        await peer.request()
        if apart:
            await peer.send(plain(b"ok"))
            await turns()
            await peer.send_raw(peer.farewell())
        else:
            await peer.send_raw(peer.seal(plain(b"ok")) + peer.farewell())
        await peer.gone()

    async def main() -> None:
        async with (
            serve(script, tls=server_context()) as server,
            transport(Network(tls=Tls(ca_file=ca_file))) as sender,
        ):
            for count in (1, 2):
                timeline = await ask(sender, server.url)
                check_shape(timeline)
                assert bytes(timeline.body) == b"ok"
                assert len(server.peers) == count
                await turns(20)

    run(main())


def test_a_body_without_length_that_ends_without_a_farewell_is_taken(ca_file: str) -> None:
    """Many servers hang up so; whether the answer is whole, the decoder sees."""

    async def script(peer: TlsPeer) -> None:
        await peer.handshake()
        await peer.request()
        await peer.send(OK + b"\r\nwhat came")

    timeline = _ask(script, Tls(ca_file=ca_file))
    check_shape(timeline)
    assert bytes(timeline.body) == b"what came"


def test_records_that_were_tampered_with_end_the_request(ca_file: str) -> None:
    async def script(peer: TlsPeer) -> None:
        await peer.handshake()
        await peer.request()
        await peer.send(CHUNKED + chunk(b"abc"))
        await turns()
        record = bytearray(peer.seal(chunk(b"def")))
        record[-1] ^= 1
        await peer.send_raw(bytes(record))
        await peer.gone()

    timeline = _ask(script, Tls(ca_file=ca_file))
    check_shape(timeline)
    kind, stage, message = _why(timeline)
    assert (kind, stage) == ("network", "stream")
    assert "TLS: " in message
    assert bytes(timeline.body) == b"abc"


def test_rubbish_on_an_idle_connection_ends_the_reuse(ca_file: str) -> None:
    async def script(peer: TlsPeer) -> None:
        await peer.handshake()
        await peer.request()
        await peer.send(plain(b"ok"))
        await turns()
        await peer.send_raw(b"\x16\x03\x03\x00\x02\x00\x00")
        await peer.gone()

    async def main() -> None:
        async with (
            serve(script, tls=server_context()) as server,
            transport(Network(tls=Tls(ca_file=ca_file))) as sender,
        ):
            for count in (1, 2):
                assert (await ask(sender, server.url)).complete
                assert len(server.peers) == count
                await turns(20)

    run(main())
