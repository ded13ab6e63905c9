"""The TLS profile of ISO 15118-2, without sockets: bytes in, bytes out.

TLS 1.2 and nothing else, TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, secp256r1 [V2G2-007]. No session tickets,
no session cache, no compression, no renegotiation. Only the station shows a certificate; a contract never
appears in TLS. The second suite of the standard, static ECDH [V2G2-602], does not exist in OpenSSL since 1.1:
an EV that offers nothing else gets a handshake_failure alert.

OpenSSL is driven through memory buffers. Compared with the TLS of asyncio this costs a tenth of the memory
per connection, and the alert after a failed handshake is handed over so that it can be sent. The OpenSSL
object is made when the first byte arrives, not when a connection is accepted.

`TlsContext` is immutable and shared; a renewed certificate means a new context, running sessions keep theirs.
A context that cannot be used raises ConfigError and names the file: there is no fallback to less.
"""

import dataclasses
import datetime
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from secc.errors import ChainError, ConfigError, LinkError

Clock = Callable[[], datetime.datetime]
"""Wall-clock time, with a time zone: certificates have a validity."""


def utc_now() -> datetime.datetime:
    """The wall clock of the operating system."""
    return datetime.datetime.now(datetime.UTC)


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


class TlsContext:
    """Certificates and settings many connections share; made by `for_server` or `for_client`."""

    def __init__(self, ssl: SSL.Context, *, server: bool, chain: Sequence[x509.Certificate] = ()) -> None:
        """Internal: use `for_server` or `for_client`."""
        self._ssl = ssl
        self._server = server
        self.chain = tuple(chain)
        """What is presented: leaf first; without the V2G root."""
        self._judge: Callable[[Sequence[x509.Certificate]], None] | None = None

    @classmethod
    def for_server(
        cls,
        chain_file: Path,
        key_file: Path,
        *,
        password_file: Path | None = None,
        ocsp_file: Path | None = None,
        key_log: Path | None = None,
        clock: Clock = utc_now,
    ) -> "TlsContext":
        """The station's side. `chain_file`: PEM, leaf first; `key_file`: PEM of the leaf's key.

        `password_file` holds the password of an encrypted key, `ocsp_file` an OCSP response (DER) for the
        leaf, stapled when the EV asks; OpenSSL can staple no more than this one. `key_log` collects the
        secrets of every session in a file: for a laboratory only. Raises ConfigError when a file is
        unreadable, the key does not belong to the leaf, or a certificate is outside its validity or profile.
        """
        chain = _drop_root(_read_certificates(chain_file))
        key = _read_key(key_file, password_file)
        if key.public_key() != chain[0].public_key():
            raise ConfigError(f"{key_file}: the key does not belong to the leaf in {chain_file}")
        _check_own_chain(chain, chain_file, clock())
        staple = _read_staple(ocsp_file) if ocsp_file else None
        ssl = _profile(key_log)
        if staple is not None:
            ssl.set_ocsp_server_callback(lambda _connection, _data: staple)
        ssl.use_certificate(chain[0])
        for certificate in chain[1:]:
            ssl.add_extra_chain_cert(certificate)
        ssl.use_privatekey(key)
        return cls(ssl, server=True, chain=chain)

    @classmethod
    def for_client(
        cls, roots_file: Path | None, *, key_log: Path | None = None, clock: Clock = utc_now
    ) -> "TlsContext":
        """The EV's side, for simulation and tests. Without `roots_file` any certificate is accepted.

        The chain is judged by our own rules after the handshake, as OpenSSL's purpose check refuses roots
        that are in use.
        """
        context = cls(_profile(key_log), server=False)
        if roots_file is not None:
            roots = _read_certificates(roots_file)
            context._judge = lambda chain: verify_station_chain(chain, roots, clock())
        return context

    @property
    def expires(self) -> datetime.datetime | None:
        """When the first of our certificates ends; None on the EV's side."""
        return min((certificate.not_valid_after_utc for certificate in self.chain), default=None)

    def engine(self) -> "OpenSslEngine":
        """An engine for one connection."""
        return OpenSslEngine(self._ssl, server=self._server, judge=self._judge)


class OpenSslEngine:
    """One TLS connection; made by `TlsContext.engine`."""

    __slots__ = ("_connection", "_context", "_dead", "_done", "_judge", "_server")

    secure = True

    def __init__(
        self,
        context: SSL.Context,
        *,
        server: bool,
        judge: Callable[[Sequence[x509.Certificate]], None] | None = None,
    ) -> None:
        """`judge` gets the peer's chain after the handshake and raises ChainError to refuse it."""
        self._context = context
        self._server = server
        self._judge = judge
        self._connection: SSL.Connection | None = None
        self._done = False
        self._dead = False

    @property
    def handshake_done(self) -> bool:
        """Whether application data can be sent."""
        return self._done

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
        connection = self._open()
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
        except (SSL.Error, ChainError) as error:
            failure = LinkError(f"TLS {'session' if self._done else 'handshake'} failed: {_reason(error)}")
            failure.__cause__ = error
        self._dead = closed or failure is not None
        return TlsProgress(bytes(plaintext), self._drain(connection), self._dead, failure)

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

    def _open(self) -> SSL.Connection:
        if self._connection is None:
            self._connection = SSL.Connection(self._context, None)
            if self._server:
                self._connection.set_accept_state()
            else:
                self._connection.set_connect_state()
        return self._connection

    def _handshake(self, connection: SSL.Connection) -> None:
        connection.do_handshake()
        if self._judge is not None:
            self._judge(self.peer_chain)
        self._done = True

    @staticmethod
    def _drain(connection: SSL.Connection) -> bytes:
        out = bytearray()
        try:
            while True:
                out += connection.bio_read(_READ_SIZE)
        except SSL.WantReadError:
            return bytes(out)


def verify_station_chain(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: datetime.datetime
) -> None:
    """What an EV checks of a station: a path to a root, validity, DC=CPO [V2G2-875]. Raises ChainError."""
    if not chain:
        raise ChainError("the station showed no certificate", certificate="SECC leaf")
    if "CPO" not in _domains(chain[0]):
        raise ChainError(
            "the leaf does not say DC=CPO [V2G2-875]", certificate=_name(chain[0]), rule="V2G2-875"
        )
    for certificate, issuer in itertools.pairwise(chain):
        _check_validity(certificate, at)
        if not _issued_by(certificate, issuer):
            raise ChainError(f"not issued by {_name(issuer)}", certificate=_name(certificate))
    _check_validity(chain[-1], at)
    if chain[-1] not in roots and not any(_issued_by(chain[-1], root) for root in roots):
        raise ChainError("does not reach an accepted root", certificate=_name(chain[-1]))


_READ_SIZE = 16384  # one TLS record

_MAX_DER = 800  # [V2G2-010]


def _profile(key_log: Path | None) -> SSL.Context:
    """A context with everything the profile fixes and no certificate."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(b"ECDHE-ECDSA-AES128-SHA256")  # OpenSSL's name of the only suite
    context.set_tmp_ecdh(ec.SECP256R1())
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 32 KiB less for each idle connection
    context.set_verify(SSL.VERIFY_NONE)
    if key_log is not None:
        _log_keys(context, key_log)
    return context


def _log_keys(context: SSL.Context, path: Path) -> None:
    def write(_connection: SSL.Connection, line: bytes) -> None:
        with path.open("ab") as file:
            file.write(line + b"\n")

    try:
        path.touch(mode=0o600)
        with path.open("ab"):
            pass
    except OSError as error:
        raise ConfigError(f"{path}: the key log cannot be written: {error.strerror}") from error
    context.set_keylog_callback(write)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _read_certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError as error:
        raise ConfigError(f"{path}: not a PEM file with certificates") from error


def _read_key(path: Path, password_file: Path | None) -> ec.EllipticCurvePrivateKey:
    password = _read(password_file).strip() if password_file else None
    try:
        key = load_pem_private_key(_read(path), password)
    except TypeError as error:
        raise ConfigError(f"{path}: the private key {'is not' if password else 'is'} encrypted") from error
    except ValueError as error:
        what = "not a PEM file with a private key" + (", or the password is wrong" if password else "")
        raise ConfigError(f"{path}: {what}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path}: not an elliptic-curve key [V2G2-006]")
    return key


def _read_staple(path: Path) -> bytes:
    data = _read(path)
    try:
        response = ocsp.load_der_ocsp_response(data)
    except ValueError as error:
        raise ConfigError(f"{path}: not an OCSP response in DER") from error
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ConfigError(f"{path}: an OCSP response that says {response.response_status.name}")
    return data


def _drop_root(chain: list[x509.Certificate]) -> list[x509.Certificate]:
    """A V2G root is never sent; a private root right above its leaf is [V2G2-872]."""
    root_is_last = len(chain) > 2 and chain[-1].subject == chain[-1].issuer
    return chain[:-1] if root_is_last else chain


def _check_own_chain(chain: Sequence[x509.Certificate], path: Path, at: datetime.datetime) -> None:
    """What we present is strict where what we accept is not."""
    if "CPO" not in _domains(chain[0]):
        raise ConfigError(f"{path}: the leaf {_name(chain[0])} does not say DC=CPO; is it first in the file?")
    for number, certificate in enumerate(chain):
        where = f"{path}: {_name(certificate)}"
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigError(f"{where}: the key is not on secp256r1 [V2G2-007]")
        if (size := len(certificate.public_bytes(Encoding.DER))) > _MAX_DER:
            raise ConfigError(f"{where}: {size} bytes, at most 800 are allowed [V2G2-010]")
        if at < certificate.not_valid_before_utc:
            raise ConfigError(f"{where}: not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M}Z")
        if at > certificate.not_valid_after_utc:
            raise ConfigError(f"{where}: expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M}Z")
        if number and not _issued_by(chain[number - 1], certificate):
            raise ConfigError(
                f"{where}: did not issue {_name(chain[number - 1])}, the one before it in the file"
            )


def _check_validity(certificate: x509.Certificate, at: datetime.datetime) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise ChainError(
            f"not valid on {at:%Y-%m-%d}",
            certificate=_name(certificate),
            response_code="FAILED_CertificateExpired",
        )


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _domains(certificate: x509.Certificate) -> list[str | bytes]:
    return [part.value for part in certificate.subject.get_attributes_for_oid(NameOID.DOMAIN_COMPONENT)]


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


def _reason(error: Exception) -> str:
    """The innermost reason OpenSSL gives, in its words."""
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list) and error.args[0]:
        return str(error.args[0][-1][-1])
    return str(error) or type(error).__name__
