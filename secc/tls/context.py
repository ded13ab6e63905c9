"""The TLS profile of ISO 15118-2, and what a station or an EV needs to make engines of it.

TLS 1.2 and nothing else, TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, secp256r1 [V2G2-007] [V2G2-067]. No
session tickets, no session cache, no compression, no renegotiation. The second suite of the standard, static
ECDH [V2G2-602], does not exist in OpenSSL since 1.1: an EV that offers nothing else gets a handshake_failure
alert.

`TlsContext` is immutable but for its staples, and shared; renewed certificates mean a new context, running
sessions keep theirs. A context that cannot be used raises ConfigError and names the file: there is no
fallback to less.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from secc.errors import ConfigError
from secc.pki.trust import ROOT_KINDS, TrustStore
from secc.settings.tls import ClientAuth
from secc.tls.clock import Clock, utc_now
from secc.tls.credentials import (
    CredentialFiles,
    Credentials,
    choose,
    load_credentials,
    load_staple,
    read_certificates,
)
from secc.tls.engine import Judge, Offer, OpenSslEngine, complain_about_all, judge_in_callback
from secc.tls.hello import ClientHello
from secc.tls.peers import station_judge, vehicle_judge

_SUITE = b"ECDHE-ECDSA-AES128-SHA256"  # OpenSSL's name of the only suite


@dataclasses.dataclass(frozen=True, slots=True)
class ClientPolicy:
    """Whether an EV has to show a certificate in TLS, and under which roots."""

    mode: ClientAuth = ClientAuth.NONE
    trust: TrustStore = dataclasses.field(default_factory=TrustStore)
    """V2G, MO and OEM roots."""


class TlsContext:
    """Certificates and settings many connections share; made by `for_station`, `for_server`, `for_client`."""

    def __init__(
        self,
        contexts: Sequence[SSL.Context],
        credentials: Sequence[Credentials] = (),
        *,
        clock: Clock = utc_now,
        judge: Judge | None = None,
        tolerant: bool = False,
    ) -> None:
        """Internal: use `for_station`, `for_server` or `for_client`."""
        self._contexts = tuple(contexts)
        self.credentials = tuple(credentials)
        """What a station can present; the first is the default. Empty on the EV's side."""
        self._clock = clock
        self._judge = judge
        self._tolerant = tolerant
        self.on_handshake: Callable[[Credentials, str], None] = lambda _credentials, _failure: None
        """Hears of the end of each handshake: with which chain, and why it failed if it did."""

    @classmethod
    def for_station(
        cls,
        chains: Sequence[CredentialFiles],
        *,
        client: ClientPolicy | None = None,
        key_log: Path | None = None,
        clock: Clock = utc_now,
    ) -> TlsContext:
        """The station's side: one chain per V2G root, the default one first.

        `key_log` collects the secrets of every session in a file: for a laboratory only. Raises ConfigError
        when a file is unreadable, a key does not belong to its leaf, or a certificate is outside its validity
        or profile.
        """
        client = client or ClientPolicy()
        credentials = [load_credentials(files, clock()) for files in chains]
        contexts = [_server_context(one, client, key_log, clock) for one in credentials]
        asked = client.mode is not ClientAuth.NONE
        return cls(
            contexts,
            credentials,
            clock=clock,
            judge=vehicle_judge(client.trust, clock) if asked else None,
            tolerant=client.mode is not ClientAuth.REQUIRE,
        )

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
    ) -> TlsContext:
        """`for_station` with one chain and without client certificates."""
        files = CredentialFiles(
            chain=chain_file, key=key_file, password=password_file, ocsp_response=ocsp_file
        )
        return cls.for_station([files], key_log=key_log, clock=clock)

    @classmethod
    def for_client(
        cls,
        roots_file: Path | None,
        *,
        certificate: CredentialFiles | None = None,
        key_log: Path | None = None,
        clock: Clock = utc_now,
    ) -> TlsContext:
        """The EV's side, for simulation and tests. Without `roots_file` any certificate is accepted.

        `certificate` is shown when the station asks for one. The station's chain is judged by our own rules.
        """
        context = _profile(key_log)
        if certificate is not None:
            context.use_certificate_chain_file(str(certificate.chain))
            context.use_privatekey_file(str(certificate.key))
        if roots_file is None:
            return cls([context])
        context.set_verify(SSL.VERIFY_PEER, judge_in_callback)
        complain_about_all(context)
        return cls([context], judge=station_judge(read_certificates(roots_file), clock))

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What is presented by default: leaf first; without the V2G root. Empty on the EV's side."""
        return self.credentials[0].chain if self.credentials else ()

    @property
    def expires(self) -> datetime.datetime | None:
        """When the last of our chains ends, and with it TLS; None on the EV's side."""
        return max((one.expires for one in self.credentials), default=None)

    def engine(self) -> OpenSslEngine:
        """An engine for one connection."""
        if not self.credentials:
            return OpenSslEngine(self._contexts[0], server=False, judge=self._judge)
        return OpenSslEngine(self._choose, server=True, judge=self._judge, tolerant=self._tolerant)

    def load_staples(self) -> None:
        """Read the OCSP responses of the files again; raises ConfigError and keeps what it has."""
        for one in self.credentials:
            load_staple(one, self._clock())

    def inherit_staples(self, old: TlsContext) -> None:
        """Take over the staples of the context that this one replaces, for leaves that are the same."""
        for one in self.credentials:
            for before in old.credentials:
                if one.fingerprint == before.fingerprint and one.staple.staple is None:
                    one.staple.staple = before.staple.staple

    def _choose(self, hello: ClientHello | None) -> Offer:
        at = self._clock()
        chosen = choose(self.credentials, hello.authorities if hello else (), at)
        stapled = hello is not None and hello.asks_for_status and chosen.staple.bytes_at(at)
        title = chosen.title + (" with OCSP response" if stapled else "")
        return Offer(
            self._contexts[self.credentials.index(chosen)],
            title,
            lambda failure: self.on_handshake(chosen, failure),
        )


def _server_context(
    credentials: Credentials, client: ClientPolicy, key_log: Path | None, clock: Clock
) -> SSL.Context:
    context = _profile(key_log)
    staple = credentials.staple
    context.set_ocsp_server_callback(lambda _connection, _data: staple.bytes_at(clock()))
    context.use_certificate(credentials.chain[0])
    for certificate in credentials.chain[1:]:
        context.add_extra_chain_cert(certificate)
    if credentials.key is not None:
        context.use_privatekey(credentials.key)
    else:
        _use_token(context, credentials.files)
    if client.mode is not ClientAuth.NONE:
        _ask_for_certificate(context, client)
    return context


def _use_token(context: SSL.Context, files: CredentialFiles) -> None:
    """The key stays where it is; OpenSSL signs through the provider that its own configuration names."""
    try:
        context.use_privatekey_file(str(files.key))
    except SSL.Error as error:
        reason = error.args[0][-1][-1] if error.args and error.args[0] else "unknown"
        raise ConfigError(
            f"{files.key}: OpenSSL cannot use the key in the token ({reason}); is the provider in "
            "OPENSSL_CONF, the token there, and the key that of the leaf?"
        ) from error


def _ask_for_certificate(context: SSL.Context, client: ClientPolicy) -> None:
    """The judge decides; OpenSSL only sees to it that there is something to judge."""
    anchors = [anchor for anchor in client.trust if anchor.kinds & ROOT_KINDS]
    if not anchors:
        raise ConfigError(
            f"tls.client_auth is {client.mode}: trust has no V2G, MO or OEM root to check it by"
        )
    required = client.mode is ClientAuth.REQUIRE
    mode = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if required else 0)
    context.set_verify(mode, judge_in_callback)
    complain_about_all(context)
    context.set_verify_depth(_MAX_DEPTH)
    context.set_session_id(b"secc")
    for anchor in anchors:
        try:
            context.add_client_ca(anchor.certificate.to_cryptography())
        except ValueError:
            continue  # its name cannot be told to the EV; the judge accepts it all the same


def _profile(key_log: Path | None) -> SSL.Context:
    """A context with everything the profile fixes and no certificate."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(_SUITE)
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


_MAX_DEPTH = 8  # above what any chain of the standard needs; the judge is stricter
