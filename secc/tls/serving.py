"""What a station presents in each of its two TLS profiles, and what it asks of the EV there.

Each side holds one context of OpenSSL per chain, made once: a context has room for one key of a kind, so a
P-256 and a P-521 leaf need two [V2G20-2064].
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from OpenSSL import SSL

from secc.errors import ConfigError
from secc.pki.keys import KeyType
from secc.pki.kinds import Generation, Kind
from secc.pki.transport import TlsVersion
from secc.pki.trust import ROOT_KINDS, Anchor, TrustStore
from secc.settings.tls import ClientAuth
from secc.tls import binding
from secc.tls.clock import Clock
from secc.tls.credentials import CredentialFiles, Credentials, choose, choose_named, load_credentials
from secc.tls.engine import TlsOffer
from secc.tls.hello import ClientHello
from secc.tls.peers import contract_judge, vehicle_judge
from secc.tls.profile import client_context, iso2_context, iso20_context
from secc.tls.verdict import complain_about_all, judge_in_callback, verdict_of

__all__ = ["ClientPolicy", "Iso20Policy", "Tls13Side", "Iso2Side", "Report"]

Report = Callable[[Credentials, str], None]
"""Called at the end of each handshake: with which chain, and why it failed if it did."""


@dataclasses.dataclass(frozen=True, slots=True)
class ClientPolicy:
    """TLS 1.2: whether an EV must show a certificate, and under which roots."""

    mode: ClientAuth = ClientAuth.NONE
    trust: TrustStore = dataclasses.field(default_factory=TrustStore)
    """V2G, MO and OEM roots."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Iso20Policy:
    """What a station needs to speak TLS 1.3 beside TLS 1.2."""

    chains: Sequence[CredentialFiles]
    """One per V2G root, the default one first."""
    trust: TrustStore
    """OEM and V2G roots of vehicle certificates [V2G20-2338]."""
    require_ocsp: bool = False
    """A chain without an OCSP response to staple is not presented."""
    laboratory: bool = False
    """Take keys of ISO 15118-2 on both sides, and provisioning certificates from EVs."""


class Iso2Side:
    """TLS 1.2 of ISO 15118-2."""

    def __init__(
        self,
        chains: Sequence[CredentialFiles],
        client: ClientPolicy,
        key_log: Path | None,
        clock: Clock,
        *,
        beside_tls13: bool,
    ) -> None:
        """`beside_tls13`: make contexts with the downgrade sentinel as well. Raises ConfigError."""
        self.credentials = tuple(load_credentials(files, clock()) for files in chains)
        self._asks = client.mode is not ClientAuth.NONE
        self._tolerant = client.mode is not ClientAuth.REQUIRE
        self._judge = contract_judge(client.trust, clock) if self._asks else None

        def contexts(newer: bool) -> tuple[SSL.Context, ...]:
            made = [(one, iso2_context(key_log, beside_tls13=newer)) for one in self.credentials]
            for one, context in made:
                _present(context, one, clock)
                if self._asks:
                    _ask_for_contract(context, client)
            return tuple(context for _, context in made)

        self._contexts = contexts(False)
        self._with_sentinel = contexts(True) if beside_tls13 else ()

    def offer(
        self,
        hello: ClientHello | None,
        at: datetime.datetime,
        report: Report,
        *,
        sentinel: bool,
        hint: str = "",
    ) -> TlsOffer:
        """What an EV gets that says this first; `sentinel`: it could have had TLS 1.3."""
        chosen = choose(self.credentials, hello.authorities if hello else (), at)
        contexts = self._with_sentinel if sentinel and self._with_sentinel else self._contexts
        return TlsOffer(
            context=contexts[self.credentials.index(chosen)],
            version=TlsVersion.TLS_1_2,
            title=_title(chosen, hello, at),
            judge=self._judge,
            tolerant=self._tolerant,
            hint=hint,
            report=lambda failure: report(chosen, failure),
        )


class Tls13Side:
    """TLS 1.3 of ISO 15118-20."""

    def __init__(self, policy: Iso20Policy, key_log: Path | None, clock: Clock) -> None:
        """Raises ConfigError; a chain that is only out of date is no error, see `problem`."""
        self._generation = Generation.LAB if policy.laboratory else Generation.ISO20
        self.credentials = tuple(
            load_credentials(files, clock(), self._generation) for files in policy.chains
        )
        self._require_ocsp = policy.require_ocsp
        self._judge = vehicle_judge(policy.trust, clock, laboratory=policy.laboratory)
        anchors = _vehicle_anchors(policy)
        self._contexts = []
        for one in self.credentials:
            context = iso20_context(key_log, laboratory=policy.laboratory)
            _present(context, one, clock, iso20=True)
            _require_vehicle(context, anchors)
            self._contexts.append(context)

    def problem(self, at: datetime.datetime) -> str:
        """Why TLS 1.3 is not offered now; empty while it is."""
        problems = [self._problem_of(one, at) for one in self.credentials]
        return "" if "" in problems else problems[0]

    def offer(self, hello: ClientHello, at: datetime.datetime, report: Report) -> TlsOffer | None:
        """What an EV gets that offers TLS 1.3; None when TLS 1.2 may fit better.

        That is so when it names roots, none of our chains leads to one of them, and it offers TLS 1.2 too.
        """
        usable = [one for one in self.credentials if not self._problem_of(one, at)]
        chosen = choose_named(usable, hello.named_roots)
        if chosen is None:
            if hello.offers_tls12:
                return None
            refusal = f"no chain under one of the {len(hello.named_roots)} roots that the EV names"
            return TlsOffer(context=self._contexts[0], refusal=f"{refusal} [V2G20-2379]")
        return TlsOffer(
            context=self._contexts[self.credentials.index(chosen)],
            version=TlsVersion.TLS_1_3,
            title=_title(chosen, hello, at),
            judge=self._judge,
            report=lambda failure: report(chosen, failure),
        )

    def _problem_of(self, one: Credentials, at: datetime.datetime) -> str:
        if at > one.expires:
            return f"{one.title}: expired on {one.expires:%Y-%m-%d}"
        if at < one.begins:
            return f"{one.title}: not valid before {one.begins:%Y-%m-%d}"
        if one.staple.revoked:
            return f"{one.title}: the certificate is revoked"
        if self._require_ocsp and not one.private and not one.staple.bytes_at(at):
            return f"{one.title}: no OCSP response to staple, and iso20.tls.require_ocsp is on"
        return ""


def _title(chosen: Credentials, hello: ClientHello | None, at: datetime.datetime) -> str:
    stapled = hello is not None and hello.asks_for_status and chosen.staple.bytes_at(at)
    return chosen.title + (" with OCSP response" if stapled else "")


def _present(context: SSL.Context, credentials: Credentials, clock: Clock, *, iso20: bool = False) -> None:
    """Chain, key and staple; OpenSSL staples for the leaf only."""
    staple = credentials.staple
    context.set_ocsp_server_callback(lambda _connection, _data: staple.bytes_at(clock()))
    context.use_certificate(credentials.chain[0])
    for certificate in credentials.chain[1:]:
        context.add_extra_chain_cert(certificate)
    if credentials.key is not None:
        context.use_privatekey(credentials.key)
    else:
        _use_token(context, credentials.files)
        _try_token(context, credentials.files, iso20=iso20)


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


def _try_token(context: SSL.Context, files: CredentialFiles, *, iso20: bool) -> None:
    """Sign one handshake in memory: a provider may find a key that it cannot use, and that must be known
    before the first EV. The client sends no certificate, and the station's side ends there."""
    station = SSL.Connection(context)
    station.set_accept_state()
    client = SSL.Connection(client_context(None, iso2=not iso20, iso20=iso20))
    client.set_connect_state()
    for _ in range(_FLIGHTS):
        try:
            with contextlib.suppress(SSL.WantReadError):
                client.do_handshake()
                return
            station.bio_write(client.bio_read(_FLIGHT))
            with contextlib.suppress(SSL.WantReadError):
                station.do_handshake()
            client.bio_write(station.bio_read(_FLIGHT))
        except SSL.Error as error:
            reason = error.args[0][0][-1] if error.args and error.args[0] else "no answer"
            raise ConfigError(
                f"{files.key}: OpenSSL finds the key in the token and cannot sign with it ({reason}); "
                "docs/how-to/tls.md says which providers were tried"
            ) from error
    raise ConfigError(f"{files.key}: a handshake with the key in the token does not end")


def _ask_for_contract(context: SSL.Context, client: ClientPolicy) -> None:
    """The judge decides; OpenSSL only sees to it that there is something to judge."""
    anchors = [anchor for anchor in client.trust if anchor.kinds & ROOT_KINDS]
    if not anchors:
        raise ConfigError(
            f"tls.client_auth is {client.mode}: trust has no V2G, MO or OEM root to check it by"
        )
    _ask(context, anchors, required=client.mode is ClientAuth.REQUIRE)
    complain_about_all(context)


def _require_vehicle(context: SSL.Context, anchors: Sequence[Anchor]) -> None:
    """In every handshake [V2G20-2400]; refusals are answered with an alert that says what is wrong."""
    _ask(context, anchors, required=True)
    if not binding.choose_alerts(context, lambda connection: verdict_of(connection).alert):
        complain_about_all(context)


def _ask(context: SSL.Context, anchors: Iterable[Anchor], *, required: bool) -> None:
    """Ask for a client certificate and name the roots that are accepted, as their certificates have them."""
    mode = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if required else 0)
    context.set_verify(mode, judge_in_callback)
    context.set_verify_depth(_MAX_DEPTH)
    context.set_session_id(b"secc")
    for anchor in anchors:
        try:
            context.add_client_ca(anchor.certificate.to_cryptography())
        except ValueError:
            continue  # its name cannot be sent to the EV; the judge still accepts it


def _vehicle_anchors(policy: Iso20Policy) -> list[Anchor]:
    """V2G and OEM roots [V2G20-2402] with keys that the judge accepts."""
    roots = frozenset({Kind.V2G_ROOT, Kind.OEM_ROOT})
    found = [anchor for anchor in policy.trust if anchor.kinds & roots]
    if not policy.laboratory:
        found = [one for one in found if one.certificate.key_type is not KeyType.SECP256R1]
    if not found:
        keys = "" if policy.laboratory else " with a key on secp521r1 or Ed448"
        raise ConfigError(f"iso20.tls: trust has no V2G or OEM root{keys} to check vehicle certificates by")
    return found


_FLIGHT = 65_536  # bytes, more than a flight of the handshake has
_FLIGHTS = 8  # more than a handshake has, with a HelloRetryRequest
_MAX_DEPTH = 8  # above what any chain of the standard needs; the judge is stricter
