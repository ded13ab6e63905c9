"""X.509 certificates as this library sees them: read once, immutable, judged elsewhere.

Reading asks only whether the bytes are a certificate; whether it is a *good* one is for `profiles` and
`chains`. All fields are read by our own walker over the DER. `cryptography` loads the public key and checks
signatures, but it does not read the extensions: one large PKI writes BasicConstraints as `30 03 01 01 00`,
and a parser that wants DER to the letter then refuses every extension of that certificate. Here that is a
fact (`explicit_false`) for the profile to judge. Whatever the bytes are, nothing but a CertificateError is
raised.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import functools
import hashlib
import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from secc.pki.der import BIT_STRING, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, Reader, malformed
from secc.pki.keys import CURVE_NAMES, EC_PUBLIC_KEY, ED448, KeyType, PublicKey, has_made
from secc.pki.names import Name, read_name
from secc.pki.rules import Rule, broken

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
ANY_EXTENDED_USAGE = "2.5.29.37.0"

KEY_USAGES = (
    "digital_signature",
    "non_repudiation",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
"""Names of the bits of KeyUsage, in their order."""


@dataclasses.dataclass(frozen=True, slots=True)
class Extension:
    """One extension: whether it must be understood, and its content."""

    oid: str
    critical: bool
    value: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class BasicConstraints:
    """Whether it is an authority, and how many may stand below it before the leaf."""

    authority: bool
    path_length: int | None


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
    """Read one certificate; raises ChainError when the bytes are none."""
    if not der:
        raise broken(Rule.EMPTY, "", "there is no certificate")
    if len(der) > _MAX_READ:
        raise broken(Rule.TOO_LARGE, "", f"a certificate of {len(der)} bytes")
    document = Reader(der)
    outer = document.enter(SEQUENCE)
    document.finish()
    tbs = outer.element(SEQUENCE)
    outer_algorithm = outer.content(SEQUENCE)
    signature = outer.bit_string()
    outer.finish()
    return _read_tbs(der, tbs, outer_algorithm, signature)


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


_MAX_READ = 16384
"""Roots and signers of OCSP responses may exceed the 800 bytes of the wire, within reason."""

_PKCS7_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")


def _read_tbs(der: bytes, tbs: bytes, outer_algorithm: bytes, signature: bytes) -> Certificate:
    fields = Reader(tbs).enter(SEQUENCE)
    version = 1
    if fields.peek() == 0xA0:
        wrapped = fields.enter(0xA0)
        version = wrapped.integer() + 1
        wrapped.finish()
    serial = fields.integer()
    algorithm = fields.content(SEQUENCE)
    issuer = read_name(fields)
    validity = fields.enter(SEQUENCE)
    not_before, not_after = validity.time(), validity.time()
    validity.finish()
    subject = read_name(fields)
    key_algorithm, curve, point = _read_key(fields.enter(SEQUENCE))
    for unique_id in (0x81, 0x82):
        if fields.peek() == unique_id:
            fields.content(unique_id)
    found = _Extensions()
    if fields.peek() == 0xA3:
        wrapped = fields.enter(0xA3)
        found.read(wrapped.enter(SEQUENCE))
        wrapped.finish()
    fields.finish()
    return Certificate(
        der=der,
        tbs=tbs,
        version=version,
        serial=serial,
        issuer=issuer,
        subject=subject,
        not_before=not_before,
        not_after=not_after,
        key_algorithm=key_algorithm,
        curve=curve,
        point=point,
        signature_algorithm=Reader(algorithm).oid() if algorithm == outer_algorithm else "",
        signature=signature,
        **found.as_fields(),  # type: ignore[arg-type]
    )


def _read_key(info: Reader) -> tuple[str, str, bytes]:
    """Algorithm, named curve and point of a SubjectPublicKeyInfo."""
    algorithm = info.enter(SEQUENCE)
    kind = algorithm.oid()
    curve = ""
    if algorithm.peek() == OBJECT_IDENTIFIER:
        curve = algorithm.oid()
    elif not algorithm.at_end():
        algorithm.any_element()  # NULL of RSA, explicit parameters: not ours
    algorithm.finish()
    point = info.bit_string()
    info.finish()
    return kind, curve, point


class _Extensions:
    """Collects the extensions of one certificate."""

    def __init__(self) -> None:
        self.extensions: list[Extension] = []
        self.duplicate_extensions: list[str] = []
        self.explicit_false = False
        self.basic_constraints: BasicConstraints | None = None
        self.key_usage: frozenset[str] | None = None
        self.extended_key_usage: tuple[str, ...] | None = None
        self.subject_key_id: bytes | None = None
        self.authority_key_id: bytes | None = None
        self.ocsp_urls: tuple[str, ...] = ()
        self.crl_urls: tuple[str, ...] = ()

    def read(self, extensions: Reader) -> None:
        """All of them; the value of one that occurs again is not looked at."""
        if extensions.at_end():
            raise malformed("an empty list of extensions")
        seen: set[str] = set()
        while not extensions.at_end():
            fields = extensions.enter(SEQUENCE)
            oid = fields.oid()
            critical = self._default_false(fields)
            value = fields.content(OCTET_STRING)
            fields.finish()
            self.extensions.append(Extension(oid, critical, value))
            if oid in seen:
                self.duplicate_extensions.append(oid)
            elif oid in _READERS:
                _READERS[oid](self, Reader(value))
            seen.add(oid)

    def as_fields(self) -> dict[str, object]:
        """What `Certificate` wants to know."""
        return {
            **vars(self),
            "extensions": tuple(self.extensions),
            "duplicate_extensions": tuple(self.duplicate_extensions),
        }

    def read_basic_constraints(self, value: Reader) -> None:
        fields = value.enter(SEQUENCE)
        value.finish()
        authority = self._default_false(fields)
        path_length = None
        if not fields.at_end():
            path_length = fields.integer()
            if path_length < 0:
                raise malformed("a negative path length")
        fields.finish()
        self.basic_constraints = BasicConstraints(authority, path_length)

    def read_key_usage(self, value: Reader) -> None:
        content = value.content(BIT_STRING)
        value.finish()
        if not 1 <= len(content) <= 3 or content[0] > 7 or (content[0] and len(content) == 1):
            raise malformed("a key usage that is no bit string")
        bits = "".join(f"{byte:08b}" for byte in content[1:])
        if content[0] and "1" in bits[-content[0] :]:
            raise malformed("a key usage with bits behind its end")
        named = zip(KEY_USAGES, bits, strict=False)
        self.key_usage = frozenset(name for name, bit in named if bit == "1")

    def read_extended_key_usage(self, value: Reader) -> None:
        purposes = value.enter(SEQUENCE)
        value.finish()
        found: list[str] = []
        while not purposes.at_end():
            found.append(purposes.oid())
        if not found:
            raise malformed("an extended key usage without a purpose")
        self.extended_key_usage = tuple(found)

    def read_subject_key_id(self, value: Reader) -> None:
        self.subject_key_id = value.content(OCTET_STRING)
        value.finish()

    def read_authority_key_id(self, value: Reader) -> None:
        fields = value.enter(SEQUENCE)
        value.finish()
        if fields.peek() == 0x80:
            self.authority_key_id = fields.content(0x80)
        while not fields.at_end():  # issuer and serial: nobody needs them to find a key
            fields.any_element()

    def read_authority_information(self, value: Reader) -> None:
        descriptions = value.enter(SEQUENCE)
        value.finish()
        urls: list[str] = []
        while not descriptions.at_end():
            description = descriptions.enter(SEQUENCE)
            method = description.oid()
            tag, location = description.any_element()
            description.finish()
            if method == _OCSP and tag == _URI:
                urls.append(_url(location))
        self.ocsp_urls = tuple(urls)

    def read_crl_points(self, value: Reader) -> None:
        points = value.enter(SEQUENCE)
        value.finish()
        urls: list[str] = []
        while not points.at_end():
            point = points.enter(SEQUENCE)
            if point.peek() != 0xA0:
                continue
            name = point.enter(0xA0)
            if name.peek() != 0xA0:
                continue
            full = name.enter(0xA0)
            while not full.at_end():
                tag, location = full.any_element()
                if tag == _URI:
                    urls.append(_url(location))
        self.crl_urls = tuple(urls)

    def _default_false(self, fields: Reader) -> bool:
        """BOOLEAN DEFAULT FALSE: absent, TRUE, or the FALSE that should not be there."""
        if fields.peek() != 0x01:
            return False
        value = fields.boolean()
        self.explicit_false |= not value
        return value


_READERS = {
    "2.5.29.19": _Extensions.read_basic_constraints,
    "2.5.29.15": _Extensions.read_key_usage,
    "2.5.29.37": _Extensions.read_extended_key_usage,
    "2.5.29.14": _Extensions.read_subject_key_id,
    "2.5.29.35": _Extensions.read_authority_key_id,
    "1.3.6.1.5.5.7.1.1": _Extensions.read_authority_information,
    "2.5.29.31": _Extensions.read_crl_points,
}

_OCSP = "1.3.6.1.5.5.7.48.1"
_URI = 0x86


def _url(location: bytes) -> str:
    try:
        return location.decode("ascii")
    except UnicodeDecodeError as error:
        raise malformed("an address that is not ASCII") from error


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
