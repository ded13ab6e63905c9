"""Revocation by OCSP responses and CRLs: what to ask, and how to judge an answer.

This module opens no connections. `questions(chain)` returns what to ask and where; the caller fetches the
answers, by the port `secc.ports.OcspSource`, or gets them elsewhere (stapled, from the back end);
`check_revocation` judges them. An answer counts only if it is about this certificate, is signed by the issuer
or by a responder that the issuer has authorized, and is neither stale nor from the future. Everything else is
*unknown*, never *good*.

Addresses are part of certificates that anyone may have made. Therefore `questions` takes a VerifiedChain, so
that they are used only after the signatures, and `address_is_acceptable` refuses addresses in the local
network.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import hashlib
import ipaddress
import urllib.parse
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from secc.errors import ChainError
from secc.pki import asn1
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chains import VerifiedChain
from secc.pki.keys import ECDSA_HASHES, ED448, has_made
from secc.pki.names import read_name
from secc.pki.profiles import Kind, generation_of, require
from secc.pki.rules import Rule, broken


class RevocationMode(enum.Enum):
    """What to do when the status is unknown."""

    REQUIRE = "require"
    """Unknown is refused."""
    PREFER = "prefer"
    """Unknown is accepted and noted."""
    OFF = "off"
    """No status is requested."""


class RevocationStatus(enum.Enum):
    """Status of one certificate, or of a chain."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, slots=True)
class RevocationPolicy:
    """How answers are judged."""

    mode: RevocationMode = RevocationMode.REQUIRE
    skew: datetime.timedelta = datetime.timedelta(seconds=60)
    """Tolerated difference between the clocks of responder and station."""
    oldest: datetime.timedelta = datetime.timedelta(hours=24)
    """Maximum age of an answer without nextUpdate."""
    longest: datetime.timedelta = datetime.timedelta(days=7)
    """Maximum time of use of any answer, regardless of its nextUpdate."""


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """The question about one certificate."""

    certificate: Certificate
    issuer: Certificate
    ocsp_urls: tuple[str, ...]
    crl_urls: tuple[str, ...]

    def ocsp_request(self, *, sha1: bool = True, nonce: bytes | None = None) -> bytes:
        """Return a request in DER. Some responders know only SHA-1 identifiers, OCPP only SHA-256."""
        algorithm: hashes.HashAlgorithm = hashes.SHA1() if sha1 else hashes.SHA256()
        name_hash, key_hash = identifier_hashes(self.issuer, algorithm)
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            name_hash, key_hash, self.certificate.serial, algorithm
        )
        if nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        return builder.build().public_bytes(Encoding.DER)


@dataclasses.dataclass(frozen=True, slots=True)
class RevocationAnswer:
    """A genuine answer about one certificate; made by `read_ocsp` and `read_crl`."""

    status: RevocationStatus
    """GOOD, REVOKED, or UNKNOWN if the responder does not know the certificate."""
    this_update: datetime.datetime
    usable_until: datetime.datetime
    """By its nextUpdate and the limits of the policy."""
    revoked_at: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ChainStatus:
    """Status of a chain: an answer for each certificate, leaf first; None if there is none."""

    answers: tuple[RevocationAnswer | None, ...]
    complaints: tuple[str, ...]
    """Reasons for rejected and missing answers; for the log."""

    @property
    def status(self) -> RevocationStatus:
        """GOOD if every certificate is; a revoked one has raised an error."""
        good = all(answer is not None and answer.status is RevocationStatus.GOOD for answer in self.answers)
        return RevocationStatus.GOOD if good else RevocationStatus.UNKNOWN

    @property
    def usable_until(self) -> datetime.datetime | None:
        """When the first answer must be renewed."""
        return min((answer.usable_until for answer in self.answers if answer is not None), default=None)


def questions(chain: VerifiedChain) -> tuple[Question, ...]:
    """Return one question for each certificate below the root, leaf first."""
    issuers = (*chain.authorities, chain.anchor.certificate)
    return tuple(
        Question(certificate, issuer, certificate.ocsp_urls, certificate.crl_urls)
        for certificate, issuer in zip(chain.certificates, issuers, strict=True)
    )


def check_revocation(
    chain: VerifiedChain,
    now: datetime.datetime,
    *,
    ocsp_responses: Iterable[bytes] = (),
    crls: Iterable[bytes] = (),
    policy: RevocationPolicy | None = None,
) -> ChainStatus:
    """Judge all evidence about a chain.

    Raises ChainError: LEAF_REVOKED or CA_REVOKED for a genuine answer, in every mode but OFF;
    REVOCATION_UNKNOWN in mode REQUIRE when a certificate has no usable answer. Nothing is checked under a
    private root [V2G2-868].
    """
    policy = policy or RevocationPolicy()
    private = Kind.PRIVATE_ROOT in chain.anchor.kinds
    if policy.mode is RevocationMode.OFF or private:
        return ChainStatus((), ("not checked: private root" if private else "not asked",))
    ocsp_responses, crls = tuple(ocsp_responses), tuple(crls)
    answers: list[RevocationAnswer | None] = []
    complaints: list[str] = []
    for question in questions(chain):
        answer = _best_answer(question, now, ocsp_responses, crls, policy, complaints)
        if answer is not None and answer.status is RevocationStatus.REVOKED:
            leaf = question.certificate is chain.leaf
            rule = Rule.LEAF_REVOKED if leaf else Rule.CA_REVOKED
            raise broken(rule, str(question.certificate), f"revoked since {answer.revoked_at:%Y-%m-%d}")
        if answer is None or answer.status is RevocationStatus.UNKNOWN:
            complaints.append(f"{question.certificate}: no usable answer")
        answers.append(answer)
    status = ChainStatus(tuple(answers), tuple(complaints))
    if policy.mode is RevocationMode.REQUIRE and status.status is not RevocationStatus.GOOD:
        raise broken(Rule.REVOCATION_UNKNOWN, "", "; ".join(complaints))
    return status


def read_ocsp(
    response: bytes,
    certificate: Certificate,
    issuer: Certificate,
    now: datetime.datetime,
    *,
    nonce: bytes | None = None,
    policy: RevocationPolicy | None = None,
) -> RevocationAnswer:
    """Return the answer of a response about a certificate.

    Raises ChainError (EVIDENCE_…) if it is not usable.
    """
    policy = policy or RevocationPolicy()
    try:
        return _read_ocsp(response, certificate, issuer, now, nonce, policy)
    except _PARSER_ERRORS as error:
        raise _malformed(f"not an OCSP response: {error}") from error


def read_crl(
    crl: bytes,
    certificate: Certificate,
    issuer: Certificate,
    now: datetime.datetime,
    *,
    policy: RevocationPolicy | None = None,
) -> RevocationAnswer:
    """Return the answer of a complete CRL about a certificate.

    Raises ChainError (EVIDENCE_…) if it is not usable.
    """
    policy = policy or RevocationPolicy()
    try:
        return _read_crl(crl, certificate, issuer, now, policy)
    except _PARSER_ERRORS as error:
        raise _malformed(f"not a CRL: {error}") from error


def identifier_hashes(issuer: Certificate, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    """Return the hashes of name and key of the issuer, which identify it in OCSP and OCPP."""
    return (
        hashlib.new(algorithm.name, issuer.subject.der, usedforsecurity=False).digest(),
        hashlib.new(algorithm.name, issuer.point, usedforsecurity=False).digest(),
    )


def address_is_acceptable(url: str, *, allow_private: bool = False) -> bool:
    """Return whether a URL of a certificate may be fetched: http or https, and no address of the local
    network.

    A host name may still resolve to such an address: the caller must check the address that it connects to.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        return False
    if allow_private:
        return True
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".local", ".internal"))


def _best_answer(
    question: Question,
    now: datetime.datetime,
    ocsp_responses: Sequence[bytes],
    crls: Sequence[bytes],
    policy: RevocationPolicy,
    complaints: list[str],
) -> RevocationAnswer | None:
    """Prefer REVOKED over GOOD over UNKNOWN: a replayed old answer cannot hide a newer revocation."""
    found: list[RevocationAnswer] = []
    subject = (question.certificate, question.issuer, now)
    for response in ocsp_responses:
        try:
            found.append(read_ocsp(response, *subject, policy=policy))
        except ChainError as error:
            if error.rule != Rule.EVIDENCE_OTHER:
                complaints.append(str(error))
    for crl in crls:
        try:
            found.append(read_crl(crl, *subject, policy=policy))
        except ChainError as error:
            if error.rule != Rule.EVIDENCE_OTHER:
                complaints.append(str(error))
    return min(found, key=lambda answer: _PRECEDENCE.index(answer.status), default=None)


_PRECEDENCE = (RevocationStatus.REVOKED, RevocationStatus.GOOD, RevocationStatus.UNKNOWN)

_STATUS = {
    ocsp.OCSPCertStatus.GOOD: RevocationStatus.GOOD,
    ocsp.OCSPCertStatus.REVOKED: RevocationStatus.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN: RevocationStatus.UNKNOWN,
}

_PARSER_ERRORS = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion)

_MAX_EVIDENCE = 1 << 20  # bytes; larger data is not parsed


def _malformed(text: str) -> ChainError:
    return broken(Rule.EVIDENCE_MALFORMED, "", text)


def _read_ocsp(
    data: bytes,
    certificate: Certificate,
    issuer: Certificate,
    now: datetime.datetime,
    nonce: bytes | None,
    policy: RevocationPolicy,
) -> RevocationAnswer:
    if len(data) > _MAX_EVIDENCE:
        raise _malformed(f"OCSP response of {len(data)} bytes")
    response = ocsp.load_der_ocsp_response(data)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise _malformed(f"the OCSP responder answers {response.response_status.name}")
    single = _find_single(response, certificate, issuer)
    _check_ocsp_signature(response, issuer, now, policy)
    if nonce is not None:
        _check_nonce(response, nonce)
    usable_until = _check_times(single.this_update_utc, single.next_update_utc, now, policy, "OCSP response")
    return RevocationAnswer(
        _STATUS[single.certificate_status], single.this_update_utc, usable_until, single.revocation_time_utc
    )


def _find_single(
    response: ocsp.OCSPResponse, certificate: Certificate, issuer: Certificate
) -> ocsp.OCSPSingleResponse:
    for single in response.responses:
        if single.serial_number != certificate.serial:
            continue
        hashes_ = identifier_hashes(issuer, single.hash_algorithm)
        if (single.issuer_name_hash, single.issuer_key_hash) == hashes_:
            return single
    raise broken(Rule.EVIDENCE_OTHER, str(certificate), "the OCSP response is about other certificates")


def _check_ocsp_signature(
    response: ocsp.OCSPResponse, issuer: Certificate, now: datetime.datetime, policy: RevocationPolicy
) -> None:
    """Check the signature: by the issuer, or by an included certificate that the issuer has authorized."""
    algorithm = response.signature_algorithm_oid.dotted_string
    if algorithm not in _ALGORITHMS:
        raise broken(
            Rule.EVIDENCE_SIGNER, str(issuer), f"the OCSP response is not signed with {_SIGNED_WITH}"
        )
    for signer in (issuer, *_appointed(response.certificates, issuer, now, policy)):
        if has_made(signer.key, algorithm, response.signature, response.tbs_response_bytes):
            return
    raise broken(Rule.EVIDENCE_SIGNER, str(issuer), "the OCSP response names another signer")


def _appointed(
    certificates: Sequence[x509.Certificate],
    issuer: Certificate,
    now: datetime.datetime,
    policy: RevocationPolicy,
) -> list[Certificate]:
    """Return the valid responder certificates: issued by this issuer, for OCSP signing, and valid now."""
    appointed: list[Certificate] = []
    for one in certificates[:4]:
        try:
            signer = read_certificate(one.public_bytes(Encoding.DER))
            require(signer, Kind.OCSP_SIGNER, generation=generation_of(issuer))
        except ChainError:
            continue
        in_date = now + policy.skew >= signer.not_before and now - policy.skew <= signer.not_after
        if in_date and signer.issuer.same_as(issuer.subject) and issuer.has_signed(signer):
            appointed.append(signer)
    return appointed


def _check_nonce(response: ocsp.OCSPResponse, nonce: bytes) -> None:
    """Check the nonce: many responders do not return it; a returned one must match."""
    try:
        found = response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return
    if found != nonce:
        raise broken(Rule.EVIDENCE_NONCE, "", "the OCSP response has another nonce than the request")


def _check_times(
    this_update: datetime.datetime,
    next_update: datetime.datetime | None,
    now: datetime.datetime,
    policy: RevocationPolicy,
    what: str,
) -> datetime.datetime:
    """Return the end of use; raises if the time of use has not started or is over."""
    if this_update > now + policy.skew:
        raise broken(Rule.EVIDENCE_FUTURE, "", f"the {what} is from {this_update:%Y-%m-%d %H:%M}Z")
    if next_update is None:
        usable_until = this_update + policy.oldest
    else:
        usable_until = min(next_update, this_update + policy.longest)
    if usable_until < now - policy.skew:
        raise broken(Rule.EVIDENCE_STALE, "", f"the {what} was valid until {usable_until:%Y-%m-%d %H:%M}Z")
    return usable_until


def _read_crl(
    data: bytes,
    certificate: Certificate,
    issuer: Certificate,
    now: datetime.datetime,
    policy: RevocationPolicy,
) -> RevocationAnswer:
    if len(data) > _MAX_EVIDENCE:
        raise _malformed(f"CRL of {len(data)} bytes")
    if not _crl_issuer_is(data, issuer):  # the cheapest check first: lists are long
        raise broken(Rule.EVIDENCE_OTHER, str(certificate), "the CRL is from another issuer")
    crl = x509.load_der_x509_crl(data)
    if issuer.key_usage is not None and "crl_sign" not in issuer.key_usage:
        raise broken(Rule.EVIDENCE_SIGNER, str(issuer), "the issuer may not sign CRLs")
    if crl.signature_algorithm_oid.dotted_string not in _ALGORITHMS:
        raise broken(Rule.EVIDENCE_SIGNER, str(issuer), f"the CRL is not signed with {_SIGNED_WITH}")
    if not crl.is_signature_valid(issuer.key):
        raise broken(Rule.EVIDENCE_SIGNER, str(issuer), "the CRL is not signed by the issuer")
    for extension in crl.extensions:
        if extension.critical:  # partial, indirect, delta: a missing serial number means nothing there
            raise broken(Rule.EVIDENCE_OTHER, "", "the CRL is not a complete list of its issuer")
    usable_until = _check_times(crl.last_update_utc, crl.next_update_utc, now, policy, "CRL")
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial)
    if entry is None:
        return RevocationAnswer(RevocationStatus.GOOD, crl.last_update_utc, usable_until)
    return RevocationAnswer(
        RevocationStatus.REVOKED, crl.last_update_utc, usable_until, entry.revocation_date_utc
    )


def _crl_issuer_is(data: bytes, issuer: Certificate) -> bool:
    try:
        name = asn1.RevocationList.load(data, strict=True)["tbs"]["issuer"].dump()
    except asn1.NOT_ASN1 as error:
        raise _malformed(f"not a CRL: {error}") from error
    try:
        return read_name(asn1.load(asn1.DistinguishedName, name)).same_as(issuer.subject)
    except ChainError as error:
        raise _malformed(f"not a CRL: {error}") from error


_ALGORITHMS = {*ECDSA_HASHES, ED448}
_SIGNED_WITH = "ECDSA and SHA-2, or Ed448"

__all__ = [
    "RevocationAnswer",
    "ChainStatus",
    "Question",
    "RevocationMode",
    "RevocationPolicy",
    "RevocationStatus",
    "address_is_acceptable",
    "check_revocation",
    "identifier_hashes",
    "questions",
    "read_crl",
    "read_ocsp",
]
