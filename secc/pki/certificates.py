"""X.509 certificates: read once, immutable, judged by other modules.

Reading checks only whether the bytes are a certificate; `profiles` and `chains` decide whether it is
acceptable. asn1crypto reads all fields with the types of `asn1`, as strict DER. `cryptography` loads the
public key and checks signatures; it does not read the extensions, because one large PKI writes
BasicConstraints as `30 03 01 01 00`, and `cryptography` then rejects every extension of that certificate.
Here this is a fact (`explicit_false`) that the profile judges. Invalid bytes raise only CertificateError.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import functools
import hashlib
import re
from collections.abc import Sequence
from typing import Any

from asn1crypto import core
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding

from secc.pki import asn1
from secc.pki.asn1 import malformed
from secc.pki.extensions import BasicConstraints, Extension, Extensions, read_extensions
from secc.pki.keys import CURVE_NAMES, EC_PUBLIC_KEY, ED448, KeyType, PublicKey, has_made
from secc.pki.names import Name, read_name
from secc.pki.rules import Rule, broken

__all__ = ["Certificate", "base64_lines", "in_order", "read_certificate", "read_chain"]

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
ANY_EXTENDED_USAGE = "2.5.29.37.0"


@dataclasses.dataclass(frozen=True, eq=False)
class Certificate:
    """A certificate, made by `read_certificate`; equal if the bytes are equal."""

    der: bytes = dataclasses.field(repr=False)
    tbs: bytes = dataclasses.field(repr=False)
    """The signed part."""
    version: int
    """Version: 1, 2 or 3."""
    serial: int
    issuer: Name
    subject: Name
    not_before: datetime.datetime
    not_after: datetime.datetime
    key_algorithm: str
    """Object identifier of the algorithm of the public key."""
    curve: str
    """Object identifier of the named curve; empty if there is none."""
    point: bytes = dataclasses.field(repr=False)
    """The public key as in the certificate; its SHA-1 identifies the issuer in OCSP."""
    signature_algorithm: str
    """Object identifier; empty if the inner and the outer one differ."""
    signature: bytes = dataclasses.field(repr=False)
    extensions: tuple[Extension, ...] = dataclasses.field(repr=False)
    duplicate_extensions: tuple[str, ...]
    """Object identifiers that occur more than once."""
    not_understood: tuple[str, ...]
    """Object identifiers of critical extensions with unknown content."""
    explicit_false: bool
    """A FALSE is written out where DER requires its omission."""
    basic_constraints: BasicConstraints | None
    key_usage: frozenset[str] | None
    """Subset of KEY_USAGES; None without the extension."""
    extended_key_usage: tuple[str, ...] | None
    subject_key_id: bytes | None
    authority_key_id: bytes | None
    ocsp_urls: tuple[str, ...]
    crl_urls: tuple[str, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __str__(self) -> str:
        return str(self.subject)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the encoding, in hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def self_issued(self) -> bool:
        """Subject and issuer have the same name, as in a root."""
        return self.subject.same_as(self.issuer)

    def extension(self, oid: str) -> Extension | None:
        """The first extension with this object identifier."""
        return next((extension for extension in self.extensions if extension.oid == oid), None)

    @property
    def key_type(self) -> KeyType | None:
        """The type of the public key by its identifiers; None for a type of neither generation."""
        if self.key_algorithm == ED448:
            return KeyType.ED448
        return CURVE_NAMES.get(self.curve) if self.key_algorithm == EC_PUBLIC_KEY else None

    @functools.cached_property
    def key(self) -> PublicKey:
        """The public key, of any type in use.

        Raises ChainError for others and for a point that is not on the curve.
        """
        if self.key_type is KeyType.ED448:
            return self._ed448_key()
        if self.key_type is KeyType.SECP521R1:
            return self._ec_key(ec.SECP521R1(), 133)
        return self.public_key

    @functools.cached_property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key of ISO 15118-2, on secp256r1; raises ChainError for any other key or an invalid point."""
        if self.key_algorithm != EC_PUBLIC_KEY:
            raise broken(Rule.KEY_ALGORITHM, str(self), f"the key is not an EC key ({self.key_algorithm})")
        if self.key_type is not KeyType.SECP256R1:
            raise broken(Rule.CURVE, str(self), f"the key is not on secp256r1 ({self.curve or 'no name'})")
        return self._ec_key(ec.SECP256R1(), 65)

    def _ec_key(self, curve: ec.EllipticCurve, size: int) -> ec.EllipticCurvePublicKey:
        if len(self.point) != size or self.point[0] != 4:
            raise broken(Rule.POINT, str(self), f"the key is not an uncompressed point of {size} bytes")
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(curve, self.point)
        except ValueError as error:
            raise broken(Rule.POINT, str(self), "the key is not a point on the curve") from error

    def _ed448_key(self) -> ed448.Ed448PublicKey:
        try:
            return ed448.Ed448PublicKey.from_public_bytes(self.point)
        except ValueError as error:
            raise broken(Rule.POINT, str(self), "the key is not an Ed448 key") from error

    def has_signed(self, certificate: Certificate) -> bool:
        """Return whether the key of this certificate has signed the other one, with the algorithm of its
        type.

        Names are not compared. Raises ChainError for a key of a type that is not in use.
        """
        key = self.key
        if self.key_type is None or certificate.signature_algorithm != self.key_type.signature_algorithm:
            return False
        return has_made(key, certificate.signature_algorithm, certificate.signature, certificate.tbs)

    def to_cryptography(self) -> x509.Certificate:
        """Convert for other libraries; some certificates raise ValueError or InvalidVersion."""
        return x509.load_der_x509_certificate(self.der)

    @property
    def pem(self) -> bytes:
        """PEM with lines of 64 characters."""
        text = base64_lines(self.der)
        return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"


def base64_lines(data: bytes) -> bytes:
    """Return base64 in lines of 64 characters."""
    text = base64.b64encode(data)
    return b"".join(text[start : start + 64] + b"\n" for start in range(0, len(text), 64))


def read_certificate(der: bytes) -> Certificate:
    """Read one certificate; raises ChainError if the bytes are not a certificate.

    Recent results are cached: the same authorities appear with every car, and reading takes a millisecond.
    """
    return _read(bytes(der))


@functools.lru_cache(maxsize=64)
def _read(der: bytes) -> Certificate:
    if not der:
        raise broken(Rule.EMPTY, "", "no certificate")
    if len(der) > _MAX_READ:
        raise broken(Rule.TOO_LARGE, "", f"certificate of {len(der)} bytes")
    document = asn1.load(asn1.SignedCertificate, der)
    tbs, algorithm = document["tbs"], document["algorithm"]
    key = tbs["key"]
    found = read_extensions(tbs["extensions"]) if asn1.present(tbs["extensions"]) else Extensions()
    same = tbs["signature"].dump() == algorithm.dump()
    return Certificate(
        der=der,
        tbs=tbs.dump(),
        version=tbs["version"].native + 1,
        serial=tbs["serial"].native,
        issuer=read_name(tbs["issuer"]),
        subject=read_name(tbs["subject"]),
        not_before=_read_time(tbs["validity"]["begin"]),
        not_after=_read_time(tbs["validity"]["end"]),
        key_algorithm=key["algorithm"]["algorithm"].dotted,
        curve=_curve(key["algorithm"]["parameters"]),
        point=key["key"].native,
        signature_algorithm=algorithm["algorithm"].dotted if same else "",
        signature=document["signature"].native,
        **vars(found),
    )


def read_chain(data: bytes) -> tuple[Certificate, ...]:
    """Return all certificates of a file: PEM with any number of them, PKCS#7 certs-only, or one in DER.

    They are returned in the order of the file, complete. Raises CertificateError without a certificate.
    """
    if b"-----BEGIN PKCS7-----" in data or b"-----BEGIN CMS-----" in data:
        return _read_pkcs7(_pem_blocks(data.replace(b" CMS-", b" PKCS7-"), b"PKCS7")[0])
    if b"-----BEGIN " in data:
        blocks = _pem_blocks(data, b"CERTIFICATE")
        return tuple(read_certificate(block) for block in blocks)
    if _PKCS7_SIGNED_DATA in data[:32]:
        return _read_pkcs7(data)
    return (read_certificate(data),)


def in_order(certificates: Sequence[Certificate], leaf: Certificate) -> tuple[Certificate, ...]:
    """Return the path from `leaf` upwards among certificates in any order, by name and signature, without a
    root.

    For files without an order (PKCS#7 answers). Chains from the wire must be in order.
    """
    chain = [leaf]
    rest = [one for one in dict.fromkeys(certificates) if one != leaf and not one.self_issued]
    while issuer := next(
        (one for one in rest if one.subject.same_as(chain[-1].issuer) and one.has_signed(chain[-1])), None
    ):
        chain.append(issuer)
        rest.remove(issuer)
    return tuple(chain)


_MAX_READ = 4096
"""Roots and signers of OCSP responses may exceed the limits of the wire, up to this size."""

_PKCS7_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")


_TIMES = {
    "utc": re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z"),
    "general": re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z"),
}


def _read_time(time: asn1.Time) -> datetime.datetime:
    """Return UTCTime or GeneralizedTime in the format of RFC 5280: to the second, in UTC."""
    found = _TIMES[time.name].fullmatch(time.contents)
    if found is None:
        raise malformed(f"invalid time {time.contents!r}")
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    if time.name == "utc":
        year += 1900 if year >= 50 else 2000
    try:
        return datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError as error:
        raise malformed(f"invalid time {time.contents!r}") from error


def _curve(parameters: Any) -> str:
    """Return the object identifier of the named curve; empty for keys of other kinds."""
    found = parameters.parsed if asn1.present(parameters) else None
    if not isinstance(found, core.ObjectIdentifier) or found.class_ != 0:
        return ""
    return str(found.dotted)


def _pem_blocks(data: bytes, label: bytes) -> list[bytes]:
    pattern = rb"-----BEGIN %b-----([A-Za-z0-9+/=\s]*)-----END %b-----" % (label, label)
    blocks = re.findall(pattern, data)
    if not blocks:
        raise malformed(f"PEM file without a {label.decode()}")
    try:
        return [base64.b64decode(block) for block in blocks]
    except ValueError as error:
        raise malformed("PEM block is not base64") from error


def _read_pkcs7(data: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a certs-only PKCS#7, which is a set and has no meaningful order."""
    from cryptography.hazmat.primitives.serialization import pkcs7  # loads the package `email`

    try:
        found = pkcs7.load_der_pkcs7_certificates(data)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise malformed("PKCS#7 file without certificates") from error
    return tuple(read_certificate(one.public_bytes(Encoding.DER)) for one in found)
