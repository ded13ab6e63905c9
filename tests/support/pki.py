"""Certificates with any defect: written byte by byte, so that nothing stands between a test and a bad idea.

`Plan` is what a certificate says; `Tree` is a role's four plans, linked and signed. The issuing code of the
library refuses to make most of these.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from secc.pki.asn1 import KEY_USAGES
from secc.pki.issuing import new_key
from secc.pki.names import COMMON_NAME as CN
from secc.pki.names import COUNTRY, ORGANIZATION
from secc.pki.names import DOMAIN_COMPONENT as DC
from secc.pki.trust import Role

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
BASIC, USAGE, PURPOSE, SKI, AKI = "2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.14", "2.5.29.35"
AIA, CRL_POINTS = "1.3.6.1.5.5.7.1.1", "2.5.29.31"

ECDSA_SHA256 = "1.2.840.10045.4.3.2"
OCSP_URL = "http://ocsp.example.com:8080/"


def tlv(tag: int, *contents: bytes) -> bytes:
    """One DER element."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def integer(value: int) -> bytes:
    """INTEGER in its shortest form."""
    size = value.bit_length() // 8 + 1 if value >= 0 else ((value + 1).bit_length() // 8) + 1
    return tlv(0x02, value.to_bytes(size, "big", signed=True))


def oid(text: str) -> bytes:
    """OBJECT IDENTIFIER."""
    first, second, *rest = (int(part) for part in text.split("."))
    out = b""
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        out += bytes(reversed(groups))
    return tlv(0x06, out)


def name(*attributes: tuple[str, str]) -> bytes:
    """A distinguished name: country as PrintableString, domain component as IA5String, others as UTF-8."""
    tags = {COUNTRY: 0x13, DC: 0x16}
    parts = (tlv(0x31, tlv(0x30, oid(k), tlv(tags.get(k, 0x0C), v.encode()))) for k, v in attributes)
    return tlv(0x30, *parts)


def instant(when: datetime.datetime) -> bytes:
    """UTCTime until 2049, GeneralizedTime from then on."""
    if 1950 <= when.year < 2050:
        return tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, f"{when.year:04d}{when:%m%d%H%M%S}Z".encode())


def key_usage(*bits: str) -> bytes:
    """The value of the KeyUsage extension."""
    flags = "".join("1" if one in bits else "0" for one in KEY_USAGES).rstrip("0")
    unused = -len(flags) % 8
    data = int(flags + "0" * unused or "0", 2).to_bytes(max((len(flags) + 7) // 8, 0), "big")
    return tlv(0x03, bytes([unused]) + data)


def basic(authority: bool | None, path_length: int | None = None) -> bytes:
    """The value of BasicConstraints; None writes the FALSE out: `30 03 01 01 00`."""
    parts = {True: b"\x01\x01\xff", False: b"", None: b"\x01\x01\x00"}[authority]
    return tlv(0x30, parts, integer(path_length) if path_length is not None else b"")


def purposes(*oids: str) -> bytes:
    """The value of ExtendedKeyUsage."""
    return tlv(0x30, *(oid(one) for one in oids))


@functools.cache
def key_of(seed: str) -> ec.EllipticCurvePrivateKey:
    """The same key for the same text."""
    return new_key(seed.encode())


def spki(point: bytes, curve: str = "1.2.840.10045.3.1.7", algorithm: str = "1.2.840.10045.2.1") -> bytes:
    """SubjectPublicKeyInfo."""
    return tlv(0x30, tlv(0x30, oid(algorithm), oid(curve)), tlv(0x03, b"\0", point))


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The uncompressed point."""
    numbers = key.public_key().public_numbers()
    size = (key.curve.key_size + 7) // 8
    return b"\x04" + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


Extensions = dict[str, tuple[bool | None, bytes]]
"""By object identifier: critical (None writes FALSE out) and value."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What one certificate says."""

    subject: bytes
    extensions: Extensions
    key: ec.EllipticCurvePrivateKey
    issuer: bytes | None = None
    """None: the name of the signer."""
    signer: ec.EllipticCurvePrivateKey | None = None
    """None: the key of the next one in the tree."""
    version: bytes = b"\xa0\x03\x02\x01\x02"
    serial: bytes
    algorithm: str = ECDSA_SHA256
    outer_algorithm: str | None = None
    hash: hashes.HashAlgorithm = dataclasses.field(default_factory=hashes.SHA256)
    begin: bytes = instant(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
    end: bytes = instant(datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC))
    info: bytes | None = None
    """SubjectPublicKeyInfo; None: of `key`."""
    extra: bytes = b""
    """More extensions, encoded; may repeat one."""
    change: Callable[[bytes], bytes] | None = None
    """What happens to the finished bytes."""

    def but(self, **changes: object) -> Plan:
        """A plan that differs in some things."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def with_(self, extension: str, value: bytes | None, *, critical: bool | None = False) -> Plan:
        """Another value for an extension; None removes it."""
        changed = {key: kept for key, kept in self.extensions.items() if key != extension}
        if value is not None:
            changed[extension] = (critical, value)
        return self.but(extensions=changed)

    def without(self, *extensions: str) -> Plan:
        """Without some extensions."""
        return self.but(extensions={k: v for k, v in self.extensions.items() if k not in extensions})

    def lasting(self, begin: datetime.datetime, end: datetime.datetime) -> Plan:
        """Another validity."""
        return self.but(begin=instant(begin), end=instant(end))

    def build(self, issuer: bytes, signer: ec.EllipticCurvePrivateKey) -> bytes:
        """The certificate."""
        extensions = b"".join(extension(k, *v) for k, v in self.extensions.items()) + self.extra
        algorithm = tlv(0x30, oid(self.algorithm))
        tbs = tlv(
            0x30,
            self.version,
            self.serial,
            algorithm,
            self.issuer or issuer,
            tlv(0x30, self.begin, self.end),
            self.subject,
            self.info or spki(point_of(self.key)),
            tlv(0xA3, tlv(0x30, extensions)) if extensions else b"",
        )
        signature = (self.signer or signer).sign(tbs, ec.ECDSA(self.hash, deterministic_signing=True))
        outer = tlv(0x30, oid(self.outer_algorithm)) if self.outer_algorithm else algorithm
        der = tlv(0x30, tbs, outer, tlv(0x03, b"\0", signature))
        return self.change(der) if self.change else der


def extension(identifier: str, critical: bool | None, value: bytes) -> bytes:
    """One extension."""
    flag = {True: b"\x01\x01\xff", False: b"", None: b"\x01\x01\x00"}[critical]
    return tlv(0x30, oid(identifier), flag, tlv(0x04, value))


def plan(
    seed: str,
    subject: bytes,
    *,
    authority: bool,
    path_length: int | None = None,
    usage: tuple[str, ...] = ("cert_sign", "crl_sign"),
    issuer: str | None = None,
    ocsp: bool = True,
) -> Plan:
    """A plan without defects; `seed` names the key, `issuer` that of the issuer."""
    extensions: Extensions = {
        BASIC: (True, basic(authority, path_length)),
        USAGE: (True, key_usage(*usage)),
        SKI: (False, tlv(0x04, identifier_of(seed))),
    }
    if issuer is not None:
        extensions[AKI] = (False, tlv(0x30, tlv(0x80, identifier_of(issuer))))
        if ocsp:
            place = tlv(0x30, oid("1.3.6.1.5.5.7.48.1"), tlv(0x86, OCSP_URL.encode()))
            extensions[AIA] = (False, tlv(0x30, place))
    serial = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") >> 1 | 1 << 62
    return Plan(subject=subject, extensions=extensions, key=key_of(seed), serial=integer(serial))


def identifier_of(seed: str) -> bytes:
    """A short key identifier, as a large PKI makes them: not a hash of the key."""
    return seed.encode()[:8].ljust(8, b".")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tree:
    """Leaf, Sub-CA 2, Sub-CA 1 and root of one role."""

    leaf: Plan
    sub2: Plan
    sub1: Plan
    root: Plan

    def but(self, **changes: Callable[[Plan], Plan]) -> Tree:
        """A tree in which some plans differ."""
        changed = {place: change(getattr(self, place)) for place, change in changes.items()}
        return dataclasses.replace(self, **changed)

    @property
    def certificates(self) -> tuple[bytes, bytes, bytes, bytes]:
        """Leaf, Sub-CA 2, Sub-CA 1, root."""
        return (
            self.leaf.build(self.sub2.subject, self.sub2.key),
            self.sub2.build(self.sub1.subject, self.sub1.key),
            self.sub1.build(self.root.subject, self.root.key),
            self.root.build(self.root.subject, self.root.key),
        )


def tree(role: Role, label: str = "") -> Tree:
    """A tree without defects; another label makes other keys with the same names."""
    company = ((ORGANIZATION, "Test"), (COUNTRY, "DE"))
    owner = {Role.SECC: "CPO", Role.CPS: "CPS", Role.CONTRACT: "MO", Role.OEM: "OEM"}[role]
    v2g = role in (Role.SECC, Role.CPS)
    root_dc = {Role.CONTRACT: "MO", Role.OEM: "OEM"}.get(role, "V2G")
    sub_dc = ((DC, "V2G"),) if v2g else ()
    signing = "digital_signature"
    leaves: dict[Role, tuple[bytes, tuple[str, ...]]] = {
        Role.SECC: (name((CN, "DEABCS0001"), *company, (DC, "CPO")), (signing, "key_agreement")),
        Role.CPS: (name((CN, "CPS signer"), *company, (DC, "CPS")), (signing,)),
        Role.CONTRACT: (
            name((CN, "DEABC000000001G"), (ORGANIZATION, "Test")),
            (signing, "non_repudiation", "key_encipherment", "key_agreement"),
        ),
        Role.OEM: (
            name((CN, "ZZZTESTCAR0000001"), (ORGANIZATION, "Test"), (DC, "OEM")),
            (signing, "key_agreement"),
        ),
    }
    subject, usage = leaves[role]
    seeds = [f"{place}{label}{owner}" for place in ("leaf", "sub2", "sub1")]
    root_seed = f"root{label}" if v2g else f"root{label}{owner}"
    sub2 = name((CN, f"{owner} Sub 2"), *company, *sub_dc)
    sub1 = name((CN, f"{owner} Sub 1"), *company, *sub_dc)
    root = name((CN, f"{root_dc} Root"), *company, (DC, root_dc))
    return Tree(
        leaf=plan(
            seeds[0], subject, authority=False, usage=usage, issuer=seeds[1], ocsp=role is not Role.OEM
        ),
        sub2=plan(seeds[1], sub2, authority=True, path_length=0, issuer=seeds[2]),
        sub1=plan(seeds[2], sub1, authority=True, path_length=1, issuer=root_seed),
        root=plan(root_seed, root, authority=True),
    )
