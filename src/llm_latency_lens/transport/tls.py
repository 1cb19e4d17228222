"""TLS over memory, so that the bytes come off the socket with their stamps before they are read."""

from __future__ import annotations

import asyncio
import socket
import ssl

from ..errors import UsageError
from .settings import Tls

Peer = tuple[str, int]
"""Host and port at the other end of a TLS session."""

_READ_SIZE = 65536
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


def build_context(tls: Tls) -> ssl.SSLContext:
    """A client context; raises UsageError for files that are missing or do not parse."""
    import certifi

    try:
        # Given a file, this trusts it alone; without one, what the system trusts.
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"CA file {tls.ca_file}: {reason(error)}") from None
    if not tls.ca_file:
        context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION  # it would make reads and writes wait for each other
    if tls.cert_file:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            why = reason(error, "a certificate and its key in PEM format are needed")
            raise UsageError(f"client certificate {tls.cert_file}: {why}") from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_password() -> str:
    """Where this were missing, OpenSSL would ask on the terminal, and the program hang there."""
    raise UsageError("client certificate: its key is encrypted; one without a password is needed")


class TlsLayer:
    """One TLS session: ciphertext in, plaintext out, and the reverse.

    `sessions` are those that a handshake can take up, the newest of each peer; None is never.
    """

    def __init__(
        self, context: ssl.SSLContext, peer: Peer, sessions: dict[Peer, ssl.SSLSession] | None
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._peer = peer
        self._sessions = sessions
        self._object = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_hostname=peer[0],
            session=None if sessions is None else sessions.get(peer),
        )
        self.ended = False
        """True once the peer said that no more will come (close_notify)."""

    @property
    def version(self) -> str | None:
        return self._object.version()

    @property
    def resumed(self) -> bool:
        """Whether the handshake took up an earlier session; it is for the server to agree."""
        return bool(self._object.session_reused)

    def keep_session(self) -> bool:
        """Keep the session for the next handshake, where that is wanted and the server allows it.

        In TLS 1.3 that is known only once something was read: tickets follow the handshake.
        """
        session = None if self._sessions is None else self._object.session
        if self._sessions is None or session is None or not session.id:
            return False
        self._sessions[self._peer] = session
        return True

    @property
    def agreed_on_http1(self) -> bool:
        """Whether the server chose HTTP/1.1 (ALPN, RFC 7301); many that speak it choose nothing."""
        return self._object.selected_alpn_protocol() == "http/1.1"

    def handshake(self, received: bytes) -> tuple[bool, bytes]:
        """Take what the peer sent; (done, what to send it)."""
        self._incoming.write(received)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False, self._outgoing.read()
        return True, self._outgoing.read()

    def decrypt(self, ciphertext: bytes | memoryview) -> bytes:
        """The plaintext that this ciphertext completes; may be empty."""
        self._incoming.write(ciphertext)
        plaintext = b""
        # The exception for "no whole record" costs more than a read: look before asking again.
        while self._incoming.pending or self._object.pending():
            try:
                piece = self._object.read(_READ_SIZE)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                piece = b""
            if not piece:
                self.ended = True
                break
            plaintext = plaintext + piece if plaintext else piece
        return plaintext

    def encrypt(self, plaintext: bytes) -> bytes:
        self._object.write(plaintext)
        return self._outgoing.read()


async def handshake(sock: socket.socket, layer: TlsLayer, outer: TlsLayer | None) -> bytes:
    """Carry out the handshake; the plaintext that already came with its last flight.

    `outer` is the TLS session with a proxy, inside which this one runs.
    """
    loop = asyncio.get_running_loop()
    received = b""
    while True:
        done, reply = layer.handshake(received)
        if reply:
            await loop.sock_sendall(sock, outer.encrypt(reply) if outer else reply)
        if done:
            return layer.decrypt(b"")
        data = await loop.sock_recv(sock, _READ_SIZE)
        if not data:
            raise ConnectionResetError("the server closed the connection during the TLS handshake")
        received = outer.decrypt(data) if outer else data


def explain(error: ssl.SSLError, host: str) -> str:
    """One line for a failed handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {host} is not trusted: {error.verify_message} "
            "(--ca-file names a CA to trust, --insecure skips the check)"
        )
    hint = " (a server without TLS has an http:// URL)" if error.reason in _NOT_TLS else ""
    return f"TLS with {host} failed: {reason(error)}{hint}"


def reason(error: OSError, unknown: str = "no reason is given") -> str:
    """An error of TLS or of a file in plain words; OpenSSL does not always give one."""
    if isinstance(error, ssl.SSLError):
        return error.reason.lower().replace("_", " ") if error.reason else unknown
    return error.strerror or str(error)
