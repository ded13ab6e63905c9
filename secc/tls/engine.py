"""One connection's security, sans I/O: bytes in, bytes out.

OpenSSL is driven through memory buffers. Compared with the TLS of asyncio this costs a tenth of the memory
per connection, and the alert after a failed handshake is handed over so that it can be sent. The OpenSSL
object is made when there is something for it to do, not when a connection is accepted.

Peers' certificates are judged by our own rules, from within OpenSSL's verification callback: early enough
that a refusal is a fatal alert of the handshake. OpenSSL's own opinion is not asked: its purpose check
refuses roots that are in use, and it knows nothing of roles.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

from cryptography import x509
from OpenSSL import SSL, crypto

from secc.errors import CertificateError, LinkError
from secc.pki.vehicle import VehicleIdentity
from secc.tls.hello import ClientHello, HelloReader, Peek

MAX_HANDSHAKE = 32768
"""Bytes of an EV's handshake at most; a hello of 16 KiB and five certificates of 800 bytes stay below.

OpenSSL alone would take in 100 KiB of certificates for each of the connections that wait."""

Judge = Callable[[Sequence[bytes]], VehicleIdentity | None]
"""Takes the peer's chain in DER, leaf first; raises CertificateError to refuse it."""


@dataclasses.dataclass(frozen=True, slots=True)
class TlsProgress:
    """What became of bytes fed into an engine."""

    plaintext: bytes = b""
    to_send: bytes = b""
    """For the peer, at once: handshake messages, alerts. To be sent even when `failure` is set."""
    closed: bool = False
    """The peer has closed properly, or it is over after a failure."""
    failure: LinkError | None = None
    """What went wrong; the alert, if there is one, is in `to_send`."""


class TlsEngine(Protocol):
    """One connection's security; no sockets, no clock."""

    @property
    def secure(self) -> bool:
        """Whether the bytes are protected: Plug & Charge needs it [V2G2-632]."""
        ...

    @property
    def handshake_done(self) -> bool:
        """Whether application data can be sent."""
        ...

    @property
    def vehicle(self) -> VehicleIdentity | None:
        """Who the EV has proved to be, after the handshake; None without a client certificate."""
        ...

    @property
    def summary(self) -> str:
        """What has been agreed, for the record; empty before the end of the handshake."""
        ...

    def start(self) -> bytes:
        """First bytes for the peer, for the side that speaks first; else empty."""
        ...

    def feed(self, data: bytes) -> TlsProgress:
        """Take bytes of the peer. Never raises for what a peer sends."""
        ...

    def send(self, plaintext: bytes) -> bytes:
        """Bytes for the peer that carry this plaintext; raises LinkError when there is no session."""
        ...

    def close(self) -> bytes:
        """Farewell for the peer; may be empty."""
        ...


class PlainEngine:
    """TCP without TLS."""

    __slots__ = ()

    secure = False
    handshake_done = True
    vehicle: VehicleIdentity | None = None
    summary = ""

    def start(self) -> bytes:
        """Nothing to say first."""
        return b""

    def feed(self, data: bytes) -> TlsProgress:
        """The bytes as they are."""
        return TlsProgress(plaintext=data)

    def send(self, plaintext: bytes) -> bytes:
        """The bytes as they are."""
        return plaintext

    def close(self) -> bytes:
        """No farewell."""
        return b""


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """What a station chose to present to an EV."""

    context: SSL.Context
    title: str
    """For the record: which chain, whether with a staple."""
    report: Callable[[str], None] = lambda _failure: None
    """Hears once how the handshake ended: empty, or why it failed."""


class OpenSslEngine:
    """One TLS connection; made by `TlsContext.engine`."""

    secure = True

    def __init__(
        self,
        context: SSL.Context | Callable[[ClientHello | None], Offer],
        *,
        server: bool,
        judge: Judge | None = None,
        tolerant: bool = False,
    ) -> None:
        """`context` may be a function that chooses one by what the EV says first, None if unreadable.

        `judge` gets the peer's chain during the handshake. When it refuses a chain the handshake fails; a
        `tolerant` engine goes on without an identity instead.
        """
        self._context = context
        self._server = server
        self._verdict = _Verdict(judge, tolerant=tolerant)
        self._hello = HelloReader() if callable(context) else None
        self._title = ""
        self._report: Callable[[str], None] = lambda _failure: None
        self._offered = ""
        self._connection: SSL.Connection | None = None
        self._done = False
        self._dead = False
        self._unfinished = 0  # bytes fed before the end of the handshake

    @property
    def handshake_done(self) -> bool:
        """Whether application data can be sent."""
        return self._done

    @property
    def vehicle(self) -> VehicleIdentity | None:
        """Who the EV has proved to be, after the handshake."""
        return self._verdict.identity if self._done else None

    @property
    def summary(self) -> str:
        """Which chain was presented, and whose certificate came back."""
        if not self._done:
            return ""
        parts = [self._title]
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
                self._dead = True
                error = LinkError(f"TLS handshake failed: more than {MAX_HANDSHAKE} bytes, far too many")
                return TlsProgress(to_send=_HANDSHAKE_FAILURE, closed=True, failure=error)
        if self._connection is None:
            held = self._hold_back(data)
            if held is None:
                return TlsProgress()
            data = held
        return self._feed(self._open(), data)

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
            return b""  # in the middle of a handshake there is nothing to say
        return self._drain(connection)

    def _hold_back(self, data: bytes) -> bytes | None:
        """Until the ClientHello is complete and a context is chosen: None. Then all bytes so far."""
        if self._hello is None or not callable(self._context):
            return data
        peeked = self._hello.feed(data)
        if peeked is Peek.MORE:
            return None
        hello = peeked if isinstance(peeked, ClientHello) else None
        offer = self._context(hello)
        self._context, self._title, self._report = offer.context, offer.title, offer.report
        if hello is not None:
            self._offered = " ".join(f"{suite:04X}" for suite in hello.suites[:16])
        held, self._hello = bytes(self._hello.raw), None
        return held

    def _open(self) -> SSL.Connection:
        if self._connection is None:
            assert isinstance(self._context, SSL.Context)
            self._connection = SSL.Connection(self._context, None)
            self._connection.set_app_data(self._verdict)
            if self._server:
                self._connection.set_accept_state()
            else:
                self._connection.set_connect_state()
        return self._connection

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
        except (SSL.Error, CertificateError) as error:
            failure = self._failure(error)
        self._dead = closed or failure is not None
        return TlsProgress(bytes(plaintext), self._drain(connection), self._dead, failure)

    def _handshake(self, connection: SSL.Connection) -> None:
        connection.do_handshake()
        self._verdict.require()
        self._done = True
        self._report("")

    def _failure(self, error: Exception) -> LinkError:
        stage = "session" if self._done else "handshake"
        cause = error if self._verdict.error is None or self._done else self._verdict.error
        text = _reason(cause)
        if text == "no shared cipher" and self._offered:
            text += f"; the EV offers {self._offered}"
        if not self._done:
            self._report(text)
        failure = LinkError(f"TLS {stage} failed: {text}")
        failure.__cause__ = cause
        return failure

    @staticmethod
    def _drain(connection: SSL.Connection) -> bytes:
        out = bytearray()
        try:
            while True:
                out += connection.bio_read(_READ_SIZE)
        except SSL.WantReadError:
            return bytes(out)


def judge_in_callback(
    connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
) -> bool:
    """OpenSSL's verification callback: collects the chain and lets the engine's judge decide about it.

    OpenSSL knows no root and no CRL here, so it complains about each certificate, first about the topmost;
    what it finds wrong is let pass. As soon as all are known the judge is asked: from within a complaint, as
    the alert after a refusal is made of the complaint (`unknown_ca`; without one it would be
    `internal_error`). Should the order of complaints ever change, the last call, for the leaf and without a
    complaint, still asks the judge.
    """
    verdict = connection.get_app_data()
    assert isinstance(verdict, _Verdict)
    der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
    return verdict.see(der, depth, complaint=not ok)


def complain_about_all(context: SSL.Context) -> None:
    """Makes OpenSSL call `judge_in_callback` with a complaint about every certificate of a chain."""
    flags = crypto.X509StoreFlags
    context.get_cert_store().set_flags(flags.CRL_CHECK | flags.CRL_CHECK_ALL)  # type: ignore[union-attr]


class _Verdict:
    """What is known about the peer's certificates on one connection."""

    __slots__ = ("_chain", "_judge", "_tolerant", "_top", "error", "given", "identity")

    def __init__(self, judge: Judge | None, *, tolerant: bool) -> None:
        self._judge = judge
        self._tolerant = tolerant
        self._chain: dict[int, bytes] = {}
        self._top: int | None = None
        self.given = False
        self.error: CertificateError | None = None
        self.identity: VehicleIdentity | None = None

    def see(self, der: bytes, depth: int, *, complaint: bool) -> bool:
        self._chain[depth] = der
        if self._top is None and complaint:
            self._top = depth
        known = complaint and self._top is not None and len(self._chain) == self._top + 1
        last = not complaint and depth == 0
        if self.given or not (known or last):
            return self.error is None or self._tolerant
        self.given = True
        try:
            if self._judge is not None:
                self.identity = self._judge([self._chain[at] for at in sorted(self._chain)])
        except CertificateError as error:
            self.error = error
            return self._tolerant
        return True

    def require(self) -> None:
        """Where a chain has to be judged, one has been; otherwise raises CertificateError."""
        if self._judge is not None and not self.given and not self._tolerant:
            self._judge([])


_HANDSHAKE_FAILURE = bytes.fromhex("15030300020228")  # the alert, as long as nothing is encrypted

_READ_SIZE = 16384  # one TLS record


def _reason(error: Exception) -> str:
    """The innermost reason OpenSSL gives, in its words."""
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list) and error.args[0]:
        return str(error.args[0][-1][-1])
    return str(error) or type(error).__name__
