"""Creation of keys, requests, certificates and revocation lists, from the rows of `kinds.PROFILES`.

An issued certificate is read back and must match its profile exactly, except for the length of its validity,
which the caller chooses. Time, serial numbers and keys are values, so a hierarchy is reproducible byte for
byte.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID, ObjectIdentifier

from secc.errors import CertificateError
from secc.pki.asn1 import KEY_USAGES
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.keys import (
    KeyType,
    PrivateKey,
    PublicKey,
    key_type,
    new_private_key,
    read_private_key,
    signing_hash,
    signing_options,
    write_private_key,
)
from secc.pki.names import ORGANIZATION
from secc.pki.profiles import Generation, Kind, Leniency, Profile, generation_of, profile_of, require
from secc.pki.rules import Rule, broken

__all__ = [
    "Holder",
    "Identity",
    "Order",
    "Revocation",
    "SigningRequest",
    "cross_certify",
    "issue",
    "key_pem",
    "make_crl",
    "make_request",
    "new_key",
    "read_key",
    "read_request",
    "request_pem",
    "serial_from",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Holder:
    """A certificate and its key, of either generation."""

    certificate: Certificate
    key: PrivateKey = dataclasses.field(repr=False)

    @property
    def key_pem(self) -> bytes:
        """The private key as PEM, PKCS#8, not encrypted."""
        return key_pem(self.key)


@dataclasses.dataclass(frozen=True, slots=True)
class Identity(Holder):
    """A certificate and its key on the curve of ISO 15118-2."""

    key: ec.EllipticCurvePrivateKey = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The content of a certificate to issue."""

    kind: Kind
    generation: Generation = Generation.ISO2
    common_name: str
    organization: str
    country: str
    """Two letters; omitted if the profile has no country."""
    serial: int
    not_before: datetime.datetime
    not_after: datetime.datetime | None = None
    """None: the validity of the profile."""
    ocsp_url: str = ""
    """Required if the profile needs a revocation pointer and there is no CRL address."""
    crl_url: str = ""
    server_purpose: bool = False
    """Write ExtendedKeyUsage serverAuth into an SECC leaf: some authorities and clients require it."""


def issue(
    order: Order,
    public_key: PublicKey,
    issuer: Holder | PrivateKey,
    *,
    reproducible: bool = False,
) -> Certificate:
    """Issue one certificate. `issuer` has certificate and key of the authority; for a root it is the key of
    the root.

    `reproducible`: the same input gives the same bytes (RFC 6979; `cryptography` 45 or newer). Raises
    CertificateError when the result would violate its profile, for example an invalid eMAID.
    """
    profile = profile_of(order.kind, order.generation)
    key = issuer.key if isinstance(issuer, Holder) else issuer
    subject = _name(order, profile)
    name = issuer.certificate.to_cryptography().subject if isinstance(issuer, Holder) else subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(order.serial)
        .not_valid_before(_not_before(order, issuer))
        .not_valid_after(_not_after(order, profile, issuer))
    )
    authority = issuer.certificate if isinstance(issuer, Holder) else None
    for extension, critical in _extensions(order, profile, public_key, authority):
        builder = builder.add_extension(extension, critical=critical)
    made = builder.sign(key, signing_hash(key), **signing_options(key, reproducible=reproducible))
    certificate = read_certificate(made.public_bytes(Encoding.DER))
    require(certificate, order.kind, frozenset({Leniency.LONG_VALIDITY}), order.generation)
    return certificate


def cross_certify(
    root: Certificate,
    issuer: Holder,
    *,
    serial: int,
    not_before: datetime.datetime,
    not_after: datetime.datetime | None = None,
    ocsp_url: str = "",
    reproducible: bool = False,
) -> Certificate:
    """Return a cross certificate: name and key of a root, signed by another root of the same generation.

    Who trusts the issuer then trusts what hangs below `root`, where cross certificates are accepted
    (`ChainPolicy.cross_certificates`). It ends with the first of both roots. Raises CertificateError for
    roots of two generations, or a certificate that is no root.
    """
    own, key = issuer.certificate, issuer.key
    _require_root_of(generation_of(own), root)
    end = min(one for one in (not_after, root.not_after, own.not_after) if one is not None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(root.to_cryptography().subject)
        .issuer_name(own.to_cryptography().subject)
        .public_key(root.key)
        .serial_number(serial)
        .not_valid_before(max(not_before, own.not_before, root.not_before))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(profile_of(Kind.V2G_ROOT, generation_of(own))), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(root.subject_key_id or b""), critical=False)
        .add_extension(_authority_key(own), critical=False)
    )
    if ocsp_url:
        builder = builder.add_extension(_responder(ocsp_url), critical=False)
    made = builder.sign(key, signing_hash(key), **signing_options(key, reproducible=reproducible))
    return read_certificate(made.public_bytes(Encoding.DER))


def _require_root_of(generation: Generation, root: Certificate) -> None:
    if not (root.self_issued and root.has_signed(root)):
        raise broken(Rule.NOT_A_CA, str(root), "not a root: it has not signed itself")
    if generation_of(root) is not generation:
        text = f"a root of {generation_of(root)}, expected one of {generation}"
        raise broken(Rule.CURVE, str(root), text)


def new_key(seed: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """Return a key on secp256r1 [V2G2-007]; with a seed always the same one, for tests only."""
    key = new_private_key(KeyType.SECP256R1, seed)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # the requested type
    return key


def serial_from(random_bytes: bytes) -> int:
    """Return a serial number from 16 random bytes: positive, at most 16 bytes, never 0."""
    return int.from_bytes(random_bytes[:16], "big") >> 1 | 1 << 126


def key_pem(key: PrivateKey, password: bytes | None = None) -> bytes:
    """Return the private key as PEM, PKCS#8, encrypted if there is a password."""
    return write_private_key(key, password)


def read_key(pem: bytes, password: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """Read a private key on secp256r1 from PEM; raises CertificateError for anything else."""
    key = read_private_key(pem, password)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key_type(key) is not KeyType.SECP256R1:
        raise CertificateError("the private key is not on secp256r1 [V2G2-007]", rule=Rule.CURVE)
    return key


# --- requests -------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class SigningRequest:
    """A PKCS#10 request, signed with its key; made by `read_request`."""

    der: bytes = dataclasses.field(repr=False)
    common_name: str
    organization: str
    public_key: PublicKey

    @property
    def generation(self) -> Generation:
        """The generation of the requested certificate, by the type of its key."""
        iso2 = key_type(self.public_key) is KeyType.SECP256R1
        return Generation.ISO2 if iso2 else Generation.ISO20


def make_request(
    key: PrivateKey, kind: Kind, *, common_name: str, organization: str, country: str = ""
) -> bytes:
    """Return a PKCS#10 request in DER for a certificate of a kind, with a subject that matches the profile.

    The issuer chooses the extensions, but basic constraints and key usage state what is requested.
    """
    generation = Generation.ISO2 if key_type(key) is KeyType.SECP256R1 else Generation.ISO20
    profile = profile_of(kind, generation)
    order = Order(
        kind=kind,
        generation=generation,
        common_name=common_name,
        organization=organization,
        country=country,
        serial=1,
        not_before=_EPOCH,
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(order, profile))
    constraints = x509.BasicConstraints(ca=profile.authority, path_length=profile.path_length)
    builder = builder.add_extension(constraints, critical=True)
    builder = builder.add_extension(_key_usage(profile), critical=True)
    return builder.sign(key, signing_hash(key)).public_bytes(Encoding.DER)


def read_request(data: bytes) -> SigningRequest:
    """Read a request in PEM or DER and check its signature; raises CertificateError."""
    try:
        pem = b"-----BEGIN" in data
        request = x509.load_pem_x509_csr(data) if pem else x509.load_der_x509_csr(data)
        key = request.public_key()
        own_signature = request.is_signature_valid
        names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.InvalidVersion) as error:
        raise broken(Rule.REQUEST, "", f"not a certificate request: {error}") from error
    if not isinstance(key, (ec.EllipticCurvePublicKey, ed448.Ed448PublicKey)) or key_type(key) is None:
        raise broken(Rule.CURVE, "", f"unsupported key in the request, expected one of {', '.join(KeyType)}")
    if not own_signature:
        raise broken(Rule.REQUEST, "", "the request is not signed by the key in it")
    if len(names) != 1:
        raise broken(Rule.COMMON_NAME, "", f"{len(names)} common names in the request, expected one")
    organization = str(organizations[0].value) if organizations else ""
    return SigningRequest(request.public_bytes(Encoding.DER), str(names[0].value), organization, key)


def request_pem(der: bytes) -> bytes:
    """Return a request as PEM."""
    return x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)


# --- revocation -----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Revocation:
    """One revoked certificate of an issuer."""

    serial: int
    at: datetime.datetime
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified


def make_crl(
    authority: Holder,
    revoked: Iterable[Revocation],
    *,
    number: int,
    this_update: datetime.datetime,
    next_update: datetime.datetime,
    reproducible: bool = False,
) -> bytes:
    """Return a complete CRL in DER, signed by the authority."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.to_cryptography().subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_key(authority.certificate), critical=False)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(one.at)
        if one.reason is not x509.ReasonFlags.unspecified:
            entry = entry.add_extension(x509.CRLReason(one.reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    key = authority.key
    crl = builder.sign(key, signing_hash(key), **signing_options(key, reproducible=reproducible))
    return crl.public_bytes(Encoding.DER)


# --- parts ----------------------------------------------------------------------------------------------

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _name(order: Order, profile: Profile) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COMMON_NAME, order.common_name),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, order.organization),
    ]
    if order.country and profile.subject != (ORGANIZATION,):
        attributes.append(x509.NameAttribute(NameOID.COUNTRY_NAME, order.country))
    if profile.domain is not None:
        attributes.append(x509.NameAttribute(NameOID.DOMAIN_COMPONENT, profile.domain))
    return x509.Name(attributes)


def _not_before(order: Order, issuer: Holder | PrivateKey) -> datetime.datetime:
    """Return the begin, never before the begin of the issuer [V2G20-3000]: an issuer may be minutes old."""
    begin = order.not_before
    return max(begin, issuer.certificate.not_before) if isinstance(issuer, Holder) else begin


def _not_after(order: Order, profile: Profile, issuer: Holder | PrivateKey) -> datetime.datetime:
    """Return the end, never after the end of the issuer: it could not be verified then."""
    wanted = order.not_after or order.not_before + profile.validity
    return min(wanted, issuer.certificate.not_after) if isinstance(issuer, Holder) else wanted


def _extensions(
    order: Order,
    profile: Profile,
    public_key: PublicKey,
    issuer: Certificate | None,
) -> Iterable[tuple[x509.ExtensionType, bool]]:
    yield x509.BasicConstraints(ca=profile.authority, path_length=profile.path_length), True
    yield _key_usage(profile), True
    written = profile.must_have_purpose or profile.issued_with_purpose or order.server_purpose
    purposes = sorted(profile.purposes) if written else []
    if purposes:
        critical = order.kind is Kind.VEHICLE_LEAF  # required by Amendment 1
        yield x509.ExtendedKeyUsage([ObjectIdentifier(purpose) for purpose in purposes]), critical
    if order.kind is Kind.OCSP_SIGNER:
        yield x509.OCSPNoCheck(), False
    yield x509.SubjectKeyIdentifier.from_public_key(public_key), False
    if issuer is not None:
        yield _authority_key(issuer), False
        if order.ocsp_url and profile.revocation_pointer:
            yield _responder(order.ocsp_url), False
        if order.crl_url and profile.revocation_pointer:
            place = x509.DistributionPoint([x509.UniformResourceIdentifier(order.crl_url)], None, None, None)
            yield x509.CRLDistributionPoints([place]), False


def _responder(url: str) -> x509.AuthorityInformationAccess:
    place = x509.UniformResourceIdentifier(url)
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)]
    )


def _authority_key(issuer: Certificate) -> x509.AuthorityKeyIdentifier:
    """Return the key identifier as in the certificate of the issuer, however it was computed."""
    return x509.AuthorityKeyIdentifier(issuer.subject_key_id, None, None)


def _key_usage(profile: Profile) -> x509.KeyUsage:
    return x509.KeyUsage(*(name in profile.key_usage for name in KEY_USAGES))
