"""The table of (chain, defect, expected error), first part: bytes, form, algorithms, signatures, shape."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes

from secc.pki.profiles import Kind
from secc.pki.rules import Rule
from secc.pki.trust import Role
from tests.support.defects import (
    BRAINPOOL,
    FOREIGN,
    K1,
    MO,
    OFF_CURVE,
    P384,
    STRICTLY,
    UNKNOWN,
    bad,
    changed,
    cut,
    good,
    indefinite,
    lasting,
    long_length,
    names_key,
    padded,
    signature,
    with_key,
)
from tests.support.pki import (
    AKI,
    BASIC,
    USAGE,
    basic,
    extension,
    integer,
    key_of,
    key_usage,
    oid,
    point_of,
    spki,
    tlv,
    tree,
)

READING = (
    bad("64 bytes that are no certificate", Rule.MALFORMED, leaf=changed(lambda _: bytes(range(64)))),
    bad("DER that is no certificate", Rule.MALFORMED, leaf=changed(lambda _: tlv(0x30, integer(1)))),
    bad("leaf without its last byte", Rule.MALFORMED, leaf=changed(lambda der: der[:-1])),
    bad("half a leaf", Rule.MALFORMED, leaf=changed(cut)),
    bad("half a Sub-CA", Rule.MALFORMED, sub1=changed(cut)),
    bad("leaf of no bytes", Rule.EMPTY, "FAILED", leaf=changed(lambda _: b"")),
    bad("Sub-CA of no bytes", Rule.EMPTY, "FAILED", sub2=changed(lambda _: b"")),
    bad("a byte behind the leaf", Rule.MALFORMED, leaf=changed(lambda der: der + b"\0")),
    bad("a byte behind a Sub-CA", Rule.MALFORMED, sub2=changed(lambda der: der + b"\0")),
    bad("indefinite length", Rule.MALFORMED, leaf=changed(indefinite)),
    bad("length with a leading zero", Rule.MALFORMED, leaf=changed(long_length)),
    bad("serial with a leading zero", Rule.MALFORMED, leaf=lambda p: p.but(serial=b"\x02\x02\x00\x01")),
    bad("time without seconds", Rule.MALFORMED, leaf=lambda p: p.but(end=tlv(0x17, b"2701010000Z"))),
    bad("time with an offset", Rule.MALFORMED, leaf=lambda p: p.but(end=tlv(0x17, b"270101000000+0100"))),
    bad("month 13", Rule.MALFORMED, leaf=lambda p: p.but(end=tlv(0x17, b"271301000000Z"))),
    good("leaf of 800 bytes", leaf=padded(800)),
    bad("leaf of 801 bytes", Rule.TOO_LARGE, "FAILED", leaf=padded(801)),
    bad(
        "Sub-CA of 1000 bytes",
        Rule.TOO_LARGE,
        "FAILED",
        sub1=lambda p: p.with_("2.5.29.17", tlv(0x30, tlv(0x82, b"x" * 500))),
    ),
    good("root of 1000 bytes", root=lambda p: p.with_("2.5.29.17", tlv(0x30, tlv(0x82, b"x" * 600)))),
)

FORM = (
    bad("version 1", Rule.VERSION, leaf=lambda p: p.but(version=b"", extensions={})),
    bad("version 2", Rule.VERSION, leaf=lambda p: p.but(version=b"\xa0\x03\x02\x01\x01")),
    bad("Sub-CA of version 1", Rule.VERSION, sub2=lambda p: p.but(version=b"", extensions={})),
    bad("serial 0", Rule.SERIAL, leaf=lambda p: p.but(serial=integer(0))),
    bad("negative serial", Rule.SERIAL, leaf=lambda p: p.but(serial=integer(-5))),
    bad("serial of 21 bytes", Rule.SERIAL, leaf=lambda p: p.but(serial=integer(1 << 160))),
    good("serial of 20 bytes", leaf=lambda p: p.but(serial=integer((1 << 159) - 1))),
    bad(
        "KeyUsage twice",
        Rule.DUPLICATE_EXTENSION,
        leaf=lambda p: p.but(extra=extension(USAGE, True, key_usage("digital_signature"))),
    ),
    bad(
        "BasicConstraints twice on a Sub-CA",
        Rule.DUPLICATE_EXTENSION,
        sub2=lambda p: p.but(extra=extension(BASIC, True, basic(True))),
    ),
    bad(
        "unknown critical extension",
        Rule.CRITICAL_EXTENSION,
        leaf=lambda p: p.with_(UNKNOWN, b"\x05\x00", critical=True),
    ),
    bad(
        "unknown critical extension on a Sub-CA",
        Rule.CRITICAL_EXTENSION,
        sub1=lambda p: p.with_(UNKNOWN, b"\x05\x00", critical=True),
    ),
    good("unknown extension", leaf=lambda p: p.with_(UNKNOWN, b"\x05\x00")),
    bad(
        "critical name constraints",
        Rule.CRITICAL_EXTENSION,
        sub2=lambda p: p.with_(
            "2.5.29.30", tlv(0x30, tlv(0xA0, tlv(0x30, tlv(0x82, b"example.com")))), critical=True
        ),
    ),
    bad(
        "critical policy constraints",
        Rule.CRITICAL_EXTENSION,
        sub2=lambda p: p.with_("2.5.29.36", tlv(0x30, b"\x80\x01\x00"), critical=True),
    ),
    good(
        "certificate policies",
        leaf=lambda p: p.with_("2.5.29.32", tlv(0x30, tlv(0x30, oid("2.5.29.32.0")))),
    ),
    bad("ends before it begins", Rule.VALIDITY_ORDER, leaf=lasting("2026-12-01", "2026-01-01")),
)

ALGORITHMS = (
    bad("leaf on P-384", Rule.CURVE, leaf=with_key(P384, "1.3.132.0.34")),
    bad("Sub-CA on P-384", Rule.CURVE, sub2=with_key(P384, "1.3.132.0.34")),
    bad("leaf on secp256k1", Rule.CURVE, leaf=with_key(K1, "1.3.132.0.10")),
    bad("leaf on brainpoolP256r1", Rule.CURVE, leaf=with_key(BRAINPOOL, "1.3.36.3.3.2.8.1.1.7")),
    bad(
        "explicit curve parameters",
        Rule.CURVE,
        leaf=lambda p: p.but(
            info=tlv(
                0x30,
                tlv(0x30, oid("1.2.840.10045.2.1"), tlv(0x30, integer(1))),
                tlv(0x03, b"\0", point_of(p.key)),
            )
        ),
    ),
    bad(
        "RSA key",
        Rule.KEY_ALGORITHM,
        leaf=lambda p: p.but(
            info=tlv(
                0x30,
                tlv(0x30, oid("1.2.840.113549.1.1.1"), b"\x05\x00"),
                tlv(0x03, b"\0", tlv(0x30, integer(0xC0FFEE << 1000 | 1), integer(65537))),
            )
        ),
    ),
    bad(
        "compressed point",
        Rule.POINT,
        leaf=lambda p: p.but(info=spki(bytes([2 + point_of(p.key)[64] % 2]) + point_of(p.key)[1:33])),
    ),
    bad("point off the curve", Rule.POINT, leaf=lambda p: p.but(info=spki(OFF_CURVE))),
    bad("point off the curve on a Sub-CA", Rule.POINT, sub2=lambda p: p.but(info=spki(OFF_CURVE))),
    bad("point at infinity", Rule.POINT, leaf=lambda p: p.but(info=spki(b"\0"))),
    bad(
        "ECDSA with SHA-384",
        Rule.SIGNATURE_ALGORITHM,
        leaf=lambda p: p.but(algorithm="1.2.840.10045.4.3.3", hash=hashes.SHA384()),
    ),
    bad(
        "ECDSA with SHA-384 on a Sub-CA",
        Rule.SIGNATURE_ALGORITHM,
        sub1=lambda p: p.but(algorithm="1.2.840.10045.4.3.3", hash=hashes.SHA384()),
    ),
    bad(
        "ECDSA with SHA-1",
        Rule.SIGNATURE_ALGORITHM,
        leaf=lambda p: p.but(algorithm="1.2.840.10045.4.1", hash=hashes.SHA1()),
    ),
    bad(
        "inner and outer algorithm differ",
        Rule.SIGNATURE_ALGORITHM,
        leaf=lambda p: p.but(outer_algorithm="1.2.840.10045.4.3.3"),
    ),
)

SIGNATURES = (
    bad("leaf signed with another key", Rule.SIGNATURE, leaf=lambda p: p.but(signer=key_of("other"))),
    bad("Sub-CA 2 signed with another key", Rule.SIGNATURE, sub2=lambda p: p.but(signer=key_of("other"))),
    bad("Sub-CA 1 signed with another key", Rule.SIGNATURE, sub1=lambda p: p.but(signer=key_of("other"))),
    bad("leaf signed with its own key", Rule.SIGNATURE, leaf=lambda p: p.but(signer=p.key)),
    bad("leaf signed by Sub-CA 1", Rule.SIGNATURE, leaf=lambda p: p.but(signer=MO.sub1.key)),
    bad(
        "one character of the eMAID changed",
        Rule.SIGNATURE,
        leaf=changed(lambda der: der.replace(b"DEABC000000001G", b"DEABC000000002G")),
    ),
    bad(
        "life of a Sub-CA prolonged",
        Rule.SIGNATURE,
        sub2=changed(lambda der: der.replace(b"270101000000Z", b"370101000000Z")),
    ),
    bad("empty signature", Rule.SIGNATURE, leaf=changed(signature(b"\0"))),
    bad(
        "signature (0, 0)",
        Rule.SIGNATURE,
        leaf=changed(signature(b"\0" + tlv(0x30, integer(0), integer(0)))),
    ),
    bad("raw signature", Rule.SIGNATURE, leaf=changed(signature(b"\0" + b"\x01" * 64))),
)

SHAPE = (
    good("contract under its MO root"),
    good("contract, by the letter", policy=STRICTLY),
    good("station under the V2G root", role=Role.SECC, policy=STRICTLY),
    good("CPS under the V2G root", role=Role.CPS, policy=STRICTLY),
    good("car under its OEM root", role=Role.OEM, policy=STRICTLY),
    bad("nothing", Rule.EMPTY, "FAILED", arrange=lambda c: []),
    bad("leaf alone", Rule.NO_ANCHOR, arrange=lambda c: c[:1]),
    bad("Sub-CA 2 missing", Rule.ORDER, arrange=lambda c: [c[0], c[2]]),
    bad("Sub-CA 1 missing", Rule.NO_ANCHOR, arrange=lambda c: c[:2]),
    bad("inverted", Rule.ORDER, arrange=lambda c: [c[2], c[1], c[0]]),
    bad("Sub-CAs swapped", Rule.ORDER, arrange=lambda c: [c[0], c[2], c[1]]),
    bad("leaf last", Rule.ORDER, arrange=lambda c: [c[1], c[2], c[0]]),
    bad("leaf twice", Rule.DUPLICATE, arrange=lambda c: [c[0], c[0], c[1], c[2]]),
    bad("Sub-CA 2 twice", Rule.DUPLICATE, arrange=lambda c: [c[0], c[1], c[1], c[2]]),
    good("root sent along", arrange=lambda c: c),
    bad("root in the middle", Rule.ORDER, arrange=lambda c: [c[0], c[1], c[3], c[2]]),
    bad("root alone", Rule.SELF_SIGNED, arrange=lambda c: [c[3]]),
    bad("six certificates", Rule.TOO_MANY, "FAILED", arrange=lambda c: [*c[:3], *FOREIGN.certificates[:3]]),
    bad("a stranger behind", Rule.ORDER, arrange=lambda c: [*c[:3], tree(Role.SECC).certificates[1]]),
    bad("leaf of a foreign PKI", Rule.ISSUER_KEY, arrange=lambda c: [FOREIGN.certificates[0], *c[1:3]]),
    bad(
        "Sub-CA 2 of a foreign PKI",
        Rule.ISSUER_KEY,
        arrange=lambda c: [c[0], FOREIGN.certificates[1], c[2]],
    ),
    bad("Sub-CA 1 of a foreign PKI", Rule.ISSUER_KEY, arrange=lambda c: [*c[:2], FOREIGN.certificates[2]]),
    bad("foreign PKI, same names", Rule.SIGNATURE, arrange=lambda c: FOREIGN.certificates[:3]),
    bad(
        "foreign PKI, same names and key identifiers",
        Rule.SIGNATURE,
        leaf=lambda p: p.but(key=key_of("a")),
        sub2=lambda p: p.but(key=key_of("b")),
        sub1=lambda p: p.but(key=key_of("c")),
        root=lambda p: p.but(key=key_of("d")),
        roots=lambda c: [(Kind.MO_ROOT, MO.certificates[3])],
    ),
    bad(
        "unknown root",
        Rule.NO_ANCHOR,
        roots=lambda c: [(Kind.MO_ROOT, tree(Role.OEM).certificates[3])],
    ),
    bad("nobody trusted", Rule.NO_ANCHOR, roots=lambda c: []),
    bad(
        "leaf signs itself",
        Rule.SELF_SIGNED,
        arrange=lambda c: [MO.leaf.build(MO.leaf.subject, MO.leaf.key)],
    ),
    bad(
        "leaf claims to issue itself",
        Rule.SELF_SIGNED,
        leaf=lambda p: p.but(issuer=p.subject),
    ),
    bad(
        "two authorities that issue each other",
        Rule.NO_ANCHOR,
        sub1=lambda p: p.but(issuer=MO.sub2.subject, signer=MO.sub2.key),
    ),
    bad(
        "leaf names another key than its issuer's",
        Rule.ISSUER_KEY,
        leaf=lambda p: p.with_(AKI, names_key(b"x")),
    ),
    bad(
        "Sub-CA 2 names another key than its issuer's",
        Rule.ISSUER_KEY,
        sub2=lambda p: p.with_(AKI, names_key(b"x")),
    ),
    good("Sub-CA 1 names another key than the root's", sub1=lambda p: p.with_(AKI, names_key(b"x"))),
)

ROWS = (*READING, *FORM, *ALGORITHMS, *SIGNATURES, *SHAPE)
