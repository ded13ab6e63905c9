"""Making keys, requests, certificates and revocation lists, by the rows of `kinds.PROFILES`.

What is issued is read back and has to pass its own profile to the letter; only the length of its validity
is the caller's affair. Time, serial numbers and keys come in as values, so a hierarchy can be made again
byte for byte.
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
from secc.pki.profiles import Generation, Kind, Leniency, Profile, profile_of, require
from secc.pki.rules import Rule, broken


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
    """A certificate and its key on a curve, as all of ISO 15118-2 have."""

    key: ec.EllipticCurvePrivateKey = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to issue."""

    kind: Kind
    generation: Generation = Generation.ISO2
    common_name: str
    organization: str
    country: str
    """Two letters; left out where the profile has no country."""
    serial: int
    not_before: datetime.datetime
    not_after: datetime.datetime | None = None
    """None for the validity of the profile."""
    ocsp_url: str = ""
    """Needed where the profile wants a revocation pointer, unless there is a CRL address."""
    crl_url: str = ""
    server_purpose: bool = False
    """Write ExtendedKeyUsage serverAuth into a SECC leaf: some authorities and clients want it."""


def issue(
    order: Order,
    public_key: PublicKey,
    issuer: Holder | PrivateKey,
    *,
    reproducible: bool = False,
) -> Certificate:
    """One certificate. `issuer` holds the authority's certificate and key; for a root it is the root's key.

    `reproducible`: the same input gives the same bytes (RFC 6979; `cryptography` 45 or newer). Raises
    CertificateError when the result would break its profile, an eMAID that is none for example.
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
        .not_valid_before(order.not_before)
        .not_valid_after(_not_after(order, profile, issuer))
    )
    authority = issuer.certificate if isinstance(issuer, Holder) else None
    for extension, critical in _extensions(order, profile, public_key, authority):
        builder = builder.add_extension(extension, critical=critical)
    made = builder.sign(key, signing_hash(key), **signing_options(key, reproducible=reproducible))
    certificate = read_certificate(made.public_bytes(Encoding.DER))
    require(certificate, order.kind, frozenset({Leniency.LONG_VALIDITY}), order.generation)
    return certificate


def new_key(seed: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """A key on secp256r1 [V2G2-007]; with a seed always the same one, which is for tests only."""
    key = new_private_key(KeyType.SECP256R1, seed)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # by the type that was asked for
    return key


def serial_from(random_bytes: bytes) -> int:
    """A serial number from 16 random bytes: positive, at most 16 bytes, never 0."""
    return int.from_bytes(random_bytes[:16], "big") >> 1 | 1 << 126


def key_pem(key: PrivateKey, password: bytes | None = None) -> bytes:
    """The private key as PEM, PKCS#8, encrypted where there is a password."""
    return write_private_key(key, password)


def read_key(pem: bytes, password: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """A private key on secp256r1 from PEM; raises CertificateError for anything else."""
    key = read_private_key(pem, password)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key_type(key) is not KeyType.SECP256R1:
        raise CertificateError("the private key is not on secp256r1 [V2G2-007]", rule=Rule.CURVE)
    return key


# --- requests -------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class SigningRequest:
    """A PKCS#10 request that is signed by the key in it; made by `read_request`."""

    der: bytes = dataclasses.field(repr=False)
    common_name: str
    organization: str
    public_key: PublicKey

    @property
    def generation(self) -> Generation:
        """Which generation it asks a certificate of, by the type of its key."""
        iso2 = key_type(self.public_key) is KeyType.SECP256R1
        return Generation.ISO2 if iso2 else Generation.ISO20


def make_request(
    key: PrivateKey, kind: Kind, *, common_name: str, organization: str, country: str = ""
) -> bytes:
    """A PKCS#10 request in DER for a certificate of a kind; the subject is as its profile wants it.

    The extensions are the issuer's affair, but basic constraints and key usage say what is wanted.
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
        raise broken(Rule.CURVE, "", f"the key in the request is none of {', '.join(KeyType)}")
    if not own_signature:
        raise broken(Rule.REQUEST, "", "the request is not signed by the key in it")
    if len(names) != 1:
        raise broken(Rule.COMMON_NAME, "", f"{len(names)} common names in the request, expected one")
    organization = str(organizations[0].value) if organizations else ""
    return SigningRequest(request.public_bytes(Encoding.DER), str(names[0].value), organization, key)


def request_pem(der: bytes) -> bytes:
    """A request as PEM."""
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
    """A complete CRL in DER, signed by the authority itself."""
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


def _not_after(order: Order, profile: Profile, issuer: Holder | PrivateKey) -> datetime.datetime:
    """Never after the issuer's own end: nobody could verify it then."""
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
        critical = order.kind is Kind.VEHICLE_LEAF  # as Amendment 1 asks
        yield x509.ExtendedKeyUsage([ObjectIdentifier(purpose) for purpose in purposes]), critical
    if order.kind is Kind.OCSP_SIGNER:
        yield x509.OCSPNoCheck(), False
    yield x509.SubjectKeyIdentifier.from_public_key(public_key), False
    if issuer is not None:
        yield _authority_key(issuer), False
        if order.ocsp_url and profile.revocation_pointer:
            responder = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(order.ocsp_url)
            )
            yield x509.AuthorityInformationAccess([responder]), False
        if order.crl_url and profile.revocation_pointer:
            place = x509.DistributionPoint([x509.UniformResourceIdentifier(order.crl_url)], None, None, None)
            yield x509.CRLDistributionPoints([place]), False


def _authority_key(issuer: Certificate) -> x509.AuthorityKeyIdentifier:
    """The identifier as the issuer's certificate has it, however it was made."""
    return x509.AuthorityKeyIdentifier(issuer.subject_key_id, None, None)


def _key_usage(profile: Profile) -> x509.KeyUsage:
    return x509.KeyUsage(*(name in profile.key_usage for name in KEY_USAGES))
