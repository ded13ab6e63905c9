"""One connection's security, sans I/O: bytes in, bytes out.

OpenSSL is driven through memory buffers. Compared with the TLS of asyncio this costs a tenth of the memory
per connection, and the alert after a failed handshake is handed over so that it can be sent. The OpenSSL
object is made when there is something for it to do, not when a connection is accepted.

Which profile a station speaks on a connection is chosen from the ClientHello; the engine checks after the
handshake that it was this one. Peers' certificates are judged by `secc.tls.verdict`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from cryptography import x509
from OpenSSL import SSL

from secc.errors import CertificateError, LinkError
from secc.pki.transport import TlsVersion
from secc.pki.vehicle import VehicleIdentity
from secc.tls.hello import ClientHello, HelloReader, Peek
from secc.tls.plain import TlsProgress
from secc.tls.verdict import Judge, TlsVerdict

__all__ = ["Judge", "MAX_HANDSHAKE", "OpenSslEngine", "TlsOffer"]

MAX_HANDSHAKE = 32768
"""Bytes of an EV's handshake at most; a hello of 16 KiB and five certificates of 800 bytes, or four of 1,600,
stay below.

OpenSSL alone would take in 100 KiB of certificates for each of the connections that wait."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TlsOffer:
    """What a station chose to present to an EV, and what it asks of it."""

    context: SSL.Context
    version: TlsVersion | None = None
    """The version that the handshake must agree on; None for any that the context allows."""
    title: str = ""
    """For the record: which chain, whether with a staple."""
    judge: Judge | None = None
    """Gets the peer's chain during the handshake; when it refuses, the handshake fails."""
    tolerant: bool = False
    """The handshake goes on without an identity when `judge` refuses."""
    hint: str = ""
    """Added to the reason when the handshake fails: why something better was not offered."""
    refusal: str = ""
    """Why there is nothing to present to this EV: it is answered with handshake_failure."""
    report: Callable[[str], None] = lambda _failure: None
    """Called once at the end of the handshake: empty, or why it failed."""


Choose = Callable[[ClientHello | None], TlsOffer]
"""Chooses by what the EV says first; None when that cannot be read."""


class OpenSslEngine:
    """One TLS connection; made by `TlsContext.engine`."""

    secure = True

    def __init__(self, offer: TlsOffer | Choose, *, server: bool, slow: bool = False) -> None:
        """A server's `offer` is a function that chooses one. `slow`: its handshakes may be of TLS 1.3."""
        self._opening = None if isinstance(offer, TlsOffer) else _Opening(offer)
        self._offer: TlsOffer | None = offer if isinstance(offer, TlsOffer) else None
        self._server = server
        self._slow = slow
        self._verdict = TlsVerdict()
        self._suites = ""  # what an EV has offered
        self._connection: SSL.Connection | None = None
        self._done = False
        self._dead = False
        self._unfinished = 0  # bytes fed before the end of the handshake

    @property
    def handshake_done(self) -> bool:
        """Whether application data can be sent."""
        return self._done

    @property
    def slow(self) -> bool:
        """TLS 1.3 of ISO 15118-20 computes on P-521 until its handshake is done."""
        if self._done or self._dead or not self._slow:
            return False
        return self._offer is None or self._offer.version is TlsVersion.TLS_1_3

    @property
    def version(self) -> TlsVersion | None:
        """What the handshake has agreed on."""
        connection = self._connection
        if connection is None or not self._done:
            return None
        return _VERSIONS.get(connection.get_protocol_version())

    @property
    def vehicle(self) -> VehicleIdentity | None:
        """Who the EV has proved to be, after the handshake."""
        return self._verdict.identity if self._done else None

    @property
    def summary(self) -> str:
        """Which chain was presented, and whose certificate came back; in TLS 1.3 what was agreed on as
        well."""
        connection = self._connection
        if not self._done or connection is None or self._offer is None:
            return ""
        parts = [self._offer.title]
        if self.version is TlsVersion.TLS_1_3:
            names = self.version, connection.get_cipher_name(), connection.get_group_name()
            parts.insert(0, " ".join(str(name) for name in names if name))
        if self._verdict.identity is not None:
            parts.append(f"client certificate of {self._verdict.identity}")
        elif self._verdict.error is not None:
            parts.append(f"client certificate not accepted: {self._verdict.error}")
        return "; ".join(part for part in parts if part)

    @property
    def peer_chain(self) -> list[x509.Certificate]:
        """Certificates of the peer, leaf first; empty before the handshake and where there are none."""
        if self._connection is None:
            return []
        return self._connection.get_peer_cert_chain(as_cryptography=True) or []

    def start(self) -> bytes:
        """The ClientHello; nothing on the station's side."""
        if self._server:
            return b""
        return self.feed(b"").to_send

    def feed(self, data: bytes) -> TlsProgress:
        """Take bytes of the peer."""
        if self._dead:
            return TlsProgress(closed=True)
        if self._server and not self._done:
            self._unfinished += len(data)
            if self._unfinished > MAX_HANDSHAKE:
                return self._refuse(f"more than {MAX_HANDSHAKE} bytes, far too many")
        if self._opening is not None:
            chosen = self._opening.feed(data)
            if chosen is None:
                return TlsProgress()
            self._offer, data = chosen
            self._suites, self._opening = self._opening.suites, None
        offer = self._offer
        assert offer is not None  # chosen as soon as nothing is held back
        if offer.refusal:
            offer.report(offer.refusal)
            return self._refuse(offer.refusal)
        return self._feed(self._open(offer), data)

    def send(self, plaintext: bytes) -> bytes:
        """Encrypt; raises LinkError before the handshake and after the end."""
        connection = self._connection
        if connection is None or not self._done or self._dead:
            raise LinkError("no TLS session to send in")
        rest = memoryview(plaintext)
        try:
            while rest:
                rest = rest[connection.send(rest) :]
        except SSL.Error as error:
            self._dead = True
            raise LinkError(f"TLS session failed: {_reason(error)}") from error
        return self._drain(connection)

    def close(self) -> bytes:
        """The close_notify, once, where there is a session to close."""
        connection = self._connection
        if connection is None or self._dead:
            return b""
        self._dead = True
        try:
            connection.shutdown()
        except SSL.Error:
            return b""  # nothing can be sent in the middle of a handshake
        return self._drain(connection)

    def _open(self, offer: TlsOffer) -> SSL.Connection:
        if self._connection is None:
            self._verdict = TlsVerdict(offer.judge, tolerant=offer.tolerant)
            self._connection = SSL.Connection(offer.context, None)
            self._connection.set_app_data(self._verdict)
            if self._server:
                self._connection.set_accept_state()
            else:
                self._connection.set_connect_state()
        return self._connection

    def _refuse(self, reason: str) -> TlsProgress:
        """End the handshake without OpenSSL, with an alert that is not encrypted."""
        self._dead = True
        error = LinkError(f"TLS handshake failed: {reason}")
        return TlsProgress(to_send=_HANDSHAKE_FAILURE, closed=True, failure=error)

    def _feed(self, connection: SSL.Connection, data: bytes) -> TlsProgress:
        plaintext = bytearray()
        closed = False
        failure = None
        try:
            if data:
                connection.bio_write(data)
            if not self._done:
                self._handshake(connection)
            while True:
                plaintext += connection.recv(_READ_SIZE)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            closed = True
        except (SSL.Error, CertificateError, LinkError) as error:
            failure = self._failure(error)
        self._dead = closed or failure is not None
        return TlsProgress(bytes(plaintext), self._drain(connection), self._dead, failure)

    def _handshake(self, connection: SSL.Connection) -> None:
        connection.do_handshake()
        self._verdict.require()
        offer, agreed = self._offer, _VERSIONS.get(connection.get_protocol_version())
        if offer is not None and offer.version is not None and agreed is not offer.version:
            # Two readers of one hello, ours and OpenSSL's, did not see the same versions in it.
            raise LinkError(f"{agreed} was agreed on where {offer.version} was chosen")
        self._done = True
        self._report("")

    def _failure(self, error: Exception) -> LinkError:
        stage = "session" if self._done else "handshake"
        cause = error if self._verdict.error is None or self._done else self._verdict.error
        text = _reason(cause)
        if text == "no shared cipher" and self._suites:
            text += f"; the EV offers {self._suites}"
        if not self._done and self._offer is not None and self._offer.hint:
            text += f"; {self._offer.hint}"
        if not self._done:
            self._report(text)
        failure = LinkError(f"TLS {stage} failed: {text}")
        failure.__cause__ = cause
        return failure

    def _report(self, failure: str) -> None:
        if self._offer is not None:
            self._offer.report(failure)

    @staticmethod
    def _drain(connection: SSL.Connection) -> bytes:
        out = bytearray()
        try:
            while True:
                out += connection.bio_read(_READ_SIZE)
        except SSL.WantReadError:
            return bytes(out)


class _Opening:
    """Holds back what an EV sends until its ClientHello is complete and an offer is chosen by it."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._hello = HelloReader()
        self.suites = ""
        """The suites it offers, for messages."""

    def feed(self, data: bytes) -> tuple[TlsOffer, bytes] | None:
        """The offer and all bytes so far; None while the hello is not complete."""
        peeked = self._hello.feed(data)
        if peeked is Peek.MORE:
            return None
        hello = peeked if isinstance(peeked, ClientHello) else None
        if hello is not None:
            self.suites = " ".join(f"{suite:04X}" for suite in hello.suites[:16])
        return self._choose(hello), bytes(self._hello.raw)


_VERSIONS = {SSL.TLS1_2_VERSION: TlsVersion.TLS_1_2, SSL.TLS1_3_VERSION: TlsVersion.TLS_1_3}

_HANDSHAKE_FAILURE = bytes.fromhex("15030300020228")  # the alert, as long as nothing is encrypted

_READ_SIZE = 16384  # one TLS record


def _reason(error: Exception) -> str:
    """The innermost reason OpenSSL gives, in its words."""
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list) and error.args[0]:
        return str(error.args[0][-1][-1])
    return str(error) or type(error).__name__
