"""The peer's certificates, judged by our own rules from within OpenSSL's verification callback.

That is early enough that a refusal is a fatal alert of the handshake. OpenSSL's own opinion is not asked: its
purpose check refuses roots that are in use, and it knows nothing of roles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from OpenSSL import SSL, crypto

from secc.errors import CertificateError
from secc.pki.rules import Rule
from secc.pki.vehicle import VehicleIdentity
from secc.tls.binding import Alert

Judge = Callable[[Sequence[bytes]], VehicleIdentity | None]
"""Takes the peer's chain in DER, leaf first; raises CertificateError to refuse it."""


class TlsVerdict:
    """What is known about the peer's certificates on one connection."""

    __slots__ = ("_chain", "_judge", "_tolerant", "_top", "error", "given", "identity")

    def __init__(self, judge: Judge | None = None, *, tolerant: bool = False) -> None:
        """A `tolerant` one lets the handshake go on without an identity when the judge refuses."""
        self._judge = judge
        self._tolerant = tolerant
        self._chain: dict[int, bytes] = {}
        self._top: int | None = None
        self.given = False
        """The judge has been asked."""
        self.error: CertificateError | None = None
        """Why the judge has refused."""
        self.identity: VehicleIdentity | None = None
        """Whom the judge has recognised."""

    def see(self, der: bytes, depth: int, *, complaint: bool) -> bool:
        """Take one certificate of the chain; whether OpenSSL may go on."""
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
        """Where a chain must be judged, one has been; otherwise raises CertificateError."""
        if self._judge is not None and not self.given and not self._tolerant:
            self._judge([])

    @property
    def alert(self) -> Alert:
        """How a refusal is answered in TLS 1.3; what no alert names is certificate_unknown [V2G20-2443]."""
        rule = str(self.error.rule) if self.error is not None else ""
        return _ALERTS.get(rule, Alert.CERTIFICATE_UNKNOWN)


def judge_in_callback(
    connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
) -> bool:
    """OpenSSL's verification callback: collects the chain and lets the engine's judge decide about it.

    OpenSSL knows no root here, so it complains about the topmost certificate, and about each one where
    `complain_about_all` was called; what it finds wrong is let pass. With a complaint about each the judge is
    asked as soon as all are known: from within a complaint, as the alert after a refusal is made of the
    complaint (`unknown_ca`; without one it would be `internal_error`). Otherwise the last call, for the leaf
    and without a complaint, asks the judge.
    """
    der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
    return verdict_of(connection).see(der, depth, complaint=not ok)


def verdict_of(connection: SSL.Connection) -> TlsVerdict:
    """The verdict that the engine has given to this connection."""
    verdict = connection.get_app_data()
    assert isinstance(verdict, TlsVerdict)
    return verdict


def complain_about_all(context: SSL.Context) -> None:
    """Make OpenSSL call `judge_in_callback` with a complaint about every certificate of a chain."""
    flags = crypto.X509StoreFlags
    context.get_cert_store().set_flags(flags.CRL_CHECK | flags.CRL_CHECK_ALL)  # type: ignore[union-attr]


_ALERTS: dict[str, Alert] = {
    Rule.LEAF_EXPIRED: Alert.CERTIFICATE_EXPIRED,
    Rule.CA_EXPIRED: Alert.CERTIFICATE_EXPIRED,
    Rule.ROOT_EXPIRED: Alert.CERTIFICATE_EXPIRED,
    Rule.LEAF_REVOKED: Alert.CERTIFICATE_REVOKED,
    Rule.CA_REVOKED: Alert.CERTIFICATE_REVOKED,
    Rule.NO_ANCHOR: Alert.UNKNOWN_CA,
    Rule.MALFORMED: Alert.BAD_CERTIFICATE,
    Rule.SIGNATURE: Alert.BAD_CERTIFICATE,
    Rule.ISSUER_KEY: Alert.BAD_CERTIFICATE,
}
