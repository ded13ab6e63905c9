"""X.509 certificates as this library sees them: read once, immutable, judged elsewhere.

Reading asks only whether the bytes are a certificate; whether it is a *good* one is for `profiles` and
`chains`. asn1crypto reads all fields, by the types of `asn1` and strictly DER. `cryptography` loads the
public key and checks signatures; it does not read the extensions, because one large PKI writes
BasicConstraints as `30 03 01 01 00`, and `cryptography` then refuses every extension of that certificate.
Here that is a fact (`explicit_false`) for the profile to judge. Whatever the bytes are, nothing but a
CertificateError is raised.
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
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from secc.pki import asn1
from secc.pki.asn1 import malformed
from secc.pki.extensions import BasicConstraints, Extension, Extensions, read_extensions
from secc.pki.keys import CURVE_NAMES, EC_PUBLIC_KEY, ED448, KeyType, PublicKey, has_made
from secc.pki.names import Name, read_name
from secc.pki.rules import Rule, broken

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
ANY_EXTENDED_USAGE = "2.5.29.37.0"


@dataclasses.dataclass(frozen=True, eq=False)
class Certificate:
    """A certificate that could be read. Made by `read_certificate`; equal when the bytes are."""

    der: bytes = dataclasses.field(repr=False)
    tbs: bytes = dataclasses.field(repr=False)
    """What is signed."""
    version: int
    """1, 2 or 3."""
    serial: int
    issuer: Name
    subject: Name
    not_before: datetime.datetime
    not_after: datetime.datetime
    key_algorithm: str
    """Object identifier of the public key's algorithm."""
    curve: str
    """Object identifier of the named curve; empty where there is none."""
    point: bytes = dataclasses.field(repr=False)
    """The public key itself, as in the certificate; its SHA-1 identifies the issuer in OCSP."""
    signature_algorithm: str
    """Object identifier; empty when the inner and the outer one differ."""
    signature: bytes = dataclasses.field(repr=False)
    extensions: tuple[Extension, ...] = dataclasses.field(repr=False)
    duplicate_extensions: tuple[str, ...]
    """Object identifiers that occur more than once."""
    not_understood: tuple[str, ...]
    """Object identifiers of critical extensions with a content that is not known here."""
    explicit_false: bool
    """A FALSE is written out where DER leaves it away."""
    basic_constraints: BasicConstraints | None
    key_usage: frozenset[str] | None
    """Of KEY_USAGES; None without the extension."""
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
        """Subject and issuer have the same name: a root, or made to look like one."""
        return self.subject.same_as(self.issuer)

    def extension(self, oid: str) -> Extension | None:
        """The first extension with this object identifier."""
        return next((extension for extension in self.extensions if extension.oid == oid), None)

    @property
    def key_type(self) -> KeyType | None:
        """The type of the public key by its identifiers; None for one that neither generation uses."""
        if self.key_algorithm == ED448:
            return KeyType.ED448
        return CURVE_NAMES.get(self.curve) if self.key_algorithm == EC_PUBLIC_KEY else None

    @functools.cached_property
    def key(self) -> PublicKey:
        """The public key, of any type in use; raises ChainError for others and for a point off its curve."""
        if self.key_type is KeyType.ED448:
            return self._ed448_key()
        if self.key_type is KeyType.SECP521R1:
            return self._ec_key(ec.SECP521R1(), 133)
        return self.public_key

    @functools.cached_property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key of ISO 15118-2, on secp256r1; raises ChainError for any other and for a point not on it."""
        if self.key_algorithm != EC_PUBLIC_KEY:
            raise broken(Rule.KEY_ALGORITHM, str(self), f"the key is no EC key ({self.key_algorithm})")
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
            raise broken(Rule.POINT, str(self), "the key is not one of Ed448") from error

    def has_signed(self, certificate: Certificate) -> bool:
        """Whether this one's key made the signature of the other, with the algorithm of its type.

        Names do not matter here. Raises ChainError when the key is of no type in use.
        """
        key = self.key
        if self.key_type is None or certificate.signature_algorithm != self.key_type.signature_algorithm:
            return False
        return has_made(key, certificate.signature_algorithm, certificate.signature, certificate.tbs)

    def to_cryptography(self) -> x509.Certificate:
        """The same for other libraries; some certificates raise ValueError or InvalidVersion."""
        return x509.load_der_x509_certificate(self.der)

    @property
    def pem(self) -> bytes:
        """PEM, with the line length everybody uses."""
        text = base64_lines(self.der)
        return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"


def base64_lines(data: bytes) -> bytes:
    """Base64 in lines of 64 characters."""
    text = base64.b64encode(data)
    return b"".join(text[start : start + 64] + b"\n" for start in range(0, len(text), 64))


def read_certificate(der: bytes) -> Certificate:
    """Read one certificate; raises ChainError when the bytes are none.

    The last ones are kept: the same authorities come with every car, and reading takes a millisecond.
    """
    return _read(bytes(der))


@functools.lru_cache(maxsize=64)
def _read(der: bytes) -> Certificate:
    if not der:
        raise broken(Rule.EMPTY, "", "there is no certificate")
    if len(der) > _MAX_READ:
        raise broken(Rule.TOO_LARGE, "", f"a certificate of {len(der)} bytes")
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
    """All certificates of a file: PEM with any number of them, PKCS#7 certs-only, or one in DER.

    In the order of the file, nothing dropped. Raises CertificateError when there is none.
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
    """The way from `leaf` up among certificates in any order, by name and signature; a root is left out.

    For files that lose the order (PKCS#7 answers). What comes over the wire has to be in order.
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
"""Roots and signers of OCSP responses may exceed the limits of the wire, within reason."""

_PKCS7_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")


_TIMES = {
    "utc": re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z"),
    "general": re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z"),
}


def _read_time(time: asn1.Time) -> datetime.datetime:
    """UTCTime or GeneralizedTime in the form of RFC 5280: to the second, in UTC."""
    found = _TIMES[time.name].fullmatch(time.contents)
    if found is None:
        raise malformed(f"a time that reads {time.contents!r}")
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    if time.name == "utc":
        year += 1900 if year >= 50 else 2000
    try:
        return datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError as error:
        raise malformed(f"a time that reads {time.contents!r}") from error


def _curve(parameters: Any) -> str:
    """Object identifier of the named curve; empty for keys of other kinds."""
    found = parameters.parsed if asn1.present(parameters) else None
    if not isinstance(found, core.ObjectIdentifier) or found.class_ != 0:
        return ""
    return str(found.dotted)


def _pem_blocks(data: bytes, label: bytes) -> list[bytes]:
    pattern = rb"-----BEGIN %b-----([A-Za-z0-9+/=\s]*)-----END %b-----" % (label, label)
    blocks = re.findall(pattern, data)
    if not blocks:
        raise malformed(f"a PEM file without a {label.decode()}")
    try:
        return [base64.b64decode(block) for block in blocks]
    except ValueError as error:
        raise malformed("a PEM block that is not Base64") from error


def _read_pkcs7(data: bytes) -> tuple[Certificate, ...]:
    """Certificates of a certs-only PKCS#7: a set, so in no order worth anything."""
    try:
        found = pkcs7.load_der_pkcs7_certificates(data)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise malformed("a PKCS#7 file without certificates") from error
    return tuple(read_certificate(one.public_bytes(Encoding.DER)) for one in found)
