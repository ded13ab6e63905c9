"""The table of (chain, defect, expected error), second part: depth, authorities, roles, time, anchors."""

from __future__ import annotations

from secc.pki.chains import ChainPolicy
from secc.pki.names import COMMON_NAME as CN
from secc.pki.names import COUNTRY, ORGANIZATION
from secc.pki.names import DOMAIN_COMPONENT as DC
from secc.pki.profiles import FIELD, Kind, Leniency
from secc.pki.rules import Rule
from secc.pki.trust import Role
from tests.support.defects import (
    ANY,
    CLIENT,
    CROSS,
    EXPIRED,
    MO,
    NOT_ALLOWED,
    OCSP_SIGNING,
    SERVER,
    STRICTLY,
    bad,
    constraints,
    contract,
    cross,
    day,
    deep,
    good,
    lasting,
    link,
    named,
    purpose,
    rolled,
    second,
    under,
    usage,
    v2g_root,
    without,
)
from tests.support.pki import (
    AIA,
    AKI,
    BASIC,
    CRL_POINTS,
    SKI,
    USAGE,
    basic,
    instant,
    key_usage,
    tlv,
    tree,
)

L = Leniency
_1970 = instant(day("1970-01-01"))
_9999 = tlv(0x18, b"99991231235959Z")


def _rolled_root(label: str) -> bytes:
    made = rolled(label)
    return made.build(made.subject, made.key)


def _expired_root() -> bytes:
    made = MO.root.lasting(day("2020-01-01"), day("2026-01-01"))
    return made.build(made.subject, made.key)


def _nine_roots() -> list[tuple[Kind, bytes]]:
    return [(Kind.MO_ROOT, _rolled_root(str(number))) for number in range(9)]


DEPTH = (
    good("one Sub-CA", L.OTHER_PATH_LENGTH, arrange=lambda c: [under("sub1"), c[2]]),
    bad("leaf under the MO root", Rule.ROOT_ISSUED_LEAF, arrange=lambda c: [under("root")]),
    bad(
        "leaf under the V2G root",
        Rule.ROOT_ISSUED_LEAF,
        role=Role.SECC,
        arrange=lambda c: [under("root", Role.SECC)],
    ),
    good(
        "station under a private root",
        role=Role.SECC,
        arrange=lambda c: [under("root", Role.SECC)],
        roots=lambda c: [(Kind.PRIVATE_ROOT, c[3])],
    ),
    bad("three Sub-CAs", Rule.TOO_DEEP, arrange=deep(0, 1, 2)),
    bad("four Sub-CAs", Rule.TOO_DEEP, arrange=deep(0, 1, 2, 3)),
    bad("four Sub-CAs without path lengths", Rule.TOO_DEEP, arrange=deep(None, None, None, None)),
    bad("three Sub-CAs where one may be, by policy", Rule.PATH_LENGTH, arrange=deep(0, 0, 1), policy=CROSS),
    bad("path length 0 above a Sub-CA", Rule.PATH_LENGTH, sub1=constraints(True, 0)),
    bad("root of path length 0", Rule.PATH_LENGTH, root=constraints(True, 0)),
    bad("root of path length 1", Rule.PATH_LENGTH, root=constraints(True, 1)),
    good("root of path length 2", root=constraints(True, 2)),
    good(
        "Sub-CAs without path length",
        L.OTHER_PATH_LENGTH,
        sub1=constraints(True),
        sub2=constraints(True),
    ),
    bad(
        "Sub-CA without path length, by the letter",
        Rule.PATH_LENGTH_PROFILE,
        sub2=constraints(True),
        policy=STRICTLY,
    ),
    good("Sub-CA 1 of path length 7", L.OTHER_PATH_LENGTH, sub1=constraints(True, 7)),
    good(
        "cross certificate to the V2G root, by policy",
        L.OTHER_PATH_LENGTH,
        L.OTHER_SUBJECT,
        L.NO_REVOCATION_POINTER,
        arrange=lambda c: [*c[:3], cross()],
        roots=lambda c: [(Kind.V2G_ROOT, v2g_root())],
        policy=CROSS,
    ),
    bad(
        "cross certificate where none is allowed",
        Rule.TOO_DEEP,
        arrange=lambda c: [*c[:3], cross()],
        roots=lambda c: [(Kind.V2G_ROOT, v2g_root())],
    ),
    good(
        "cross certificate that is not needed",
        L.OTHER_PATH_LENGTH,
        L.OTHER_SUBJECT,
        L.NO_REVOCATION_POINTER,
        arrange=lambda c: [*c[:3], cross()],
    ),
    good(
        "new root certified by the old one, by policy",
        L.OTHER_PATH_LENGTH,
        L.OTHER_SUBJECT,
        L.NO_KEY_IDENTIFIERS,
        L.NO_REVOCATION_POINTER,
        arrange=lambda c: link(),
        roots=lambda c: [(Kind.MO_ROOT, MO.certificates[3])],
        policy=CROSS,
    ),
)

AUTHORITIES = (
    bad("Sub-CA 2 is no authority", Rule.NOT_A_CA, sub2=constraints(False)),
    bad("Sub-CA 1 is no authority", Rule.NOT_A_CA, sub1=constraints(False)),
    bad("Sub-CA 2 says FALSE in so many bytes", Rule.NOT_A_CA, sub2=constraints(None)),
    bad("Sub-CA 2 without BasicConstraints", Rule.NOT_A_CA, sub2=without(BASIC)),
    bad("Sub-CA 2 may not sign certificates", Rule.KEY_USAGE, sub2=usage("crl_sign")),
    bad("Sub-CA 1 has a leaf's usage", Rule.KEY_USAGE, sub1=usage("digital_signature", "key_agreement")),
    bad("Sub-CA 2 without KeyUsage", Rule.KEY_USAGE_MISSING, sub2=without(USAGE)),
    good(
        "Sub-CA 2 may sign more",
        L.OTHER_KEY_USAGE,
        sub2=usage("cert_sign", "crl_sign", "digital_signature", "non_repudiation"),
    ),
    good("Sub-CA 2 may not sign CRLs", L.OTHER_KEY_USAGE, sub2=usage("cert_sign")),
    bad("Sub-CA 2 for OCSP only", Rule.EXTENDED_KEY_USAGE, sub2=purpose(OCSP_SIGNING)),
    good("Sub-CA 2 for TLS", sub2=purpose(SERVER, CLIENT)),
    good("Sub-CA 2 for anything", sub2=purpose(ANY)),
    good("root for OCSP", root=purpose(OCSP_SIGNING)),
    good("root without KeyUsage", root=without(USAGE)),
    good(
        "Sub-CA 2 without organization",
        L.OTHER_SUBJECT,
        sub2=named((CN, "MO Sub 2"), (COUNTRY, "DE")),
    ),
    good(
        "Sub-CA 2 with a domain component",
        L.OTHER_SUBJECT,
        role=Role.SECC,
        sub2=named((CN, "CPO Sub 2"), (ORGANIZATION, "Test"), (COUNTRY, "DE"), (DC, "CPO")),
    ),
    good(
        "constraints of Sub-CA 2 not critical",
        L.NOT_CRITICAL,
        sub2=lambda p: p.with_(BASIC, basic(True, 0)),
    ),
)

LEAVES = (
    bad("leaf is an authority", Rule.IS_A_CA, leaf=constraints(True)),
    good("leaf says FALSE in so many bytes", L.EXPLICIT_FALSE, leaf=constraints(None)),
    bad(
        "leaf says FALSE in so many bytes, by the letter",
        Rule.EXPLICIT_FALSE,
        leaf=constraints(None),
        policy=STRICTLY,
    ),
    good(
        "criticality FALSE written out",
        L.EXPLICIT_FALSE,
        leaf=lambda p: p.with_(SKI, tlv(0x04, b"12345678"), critical=None),
    ),
    good("leaf without BasicConstraints", L.NO_BASIC_CONSTRAINTS, leaf=without(BASIC)),
    bad(
        "leaf without BasicConstraints, by the letter",
        Rule.BASIC_CONSTRAINTS,
        leaf=without(BASIC),
        policy=STRICTLY,
    ),
    good("leaf without KeyUsage", L.NO_KEY_USAGE, leaf=without(USAGE)),
    bad("leaf without KeyUsage, by the letter", Rule.KEY_USAGE_MISSING, leaf=without(USAGE), policy=STRICTLY),
    good("leaf without both", L.NO_BASIC_CONSTRAINTS, L.NO_KEY_USAGE, leaf=without(BASIC, USAGE)),
    good(
        "leaf without extensions",
        L.NO_BASIC_CONSTRAINTS,
        L.NO_KEY_USAGE,
        L.NO_KEY_IDENTIFIERS,
        L.NO_REVOCATION_POINTER,
        leaf=lambda p: p.but(extensions={}),
    ),
    good("constraints not critical", L.NOT_CRITICAL, leaf=lambda p: p.with_(BASIC, basic(False))),
    bad(
        "key usage not critical, by the letter",
        Rule.CRITICAL_FLAG,
        leaf=lambda p: p.with_(USAGE, key_usage("digital_signature")),
        policy=STRICTLY,
    ),
    good(
        "contract of less usage",
        L.OTHER_KEY_USAGE,
        leaf=usage("digital_signature", "key_agreement"),
    ),
    bad(
        "contract of less usage, by the letter",
        Rule.KEY_USAGE_PROFILE,
        leaf=usage("digital_signature", "key_agreement"),
        policy=STRICTLY,
    ),
    bad("contract that may not sign", Rule.KEY_USAGE, leaf=usage("key_agreement")),
    bad("contract that may do nothing", Rule.KEY_USAGE, leaf=usage()),
    bad(
        "contract that may sign certificates",
        Rule.KEY_USAGE,
        leaf=usage("digital_signature", "cert_sign"),
    ),
    good("leaf with a path length", L.OTHER_PATH_LENGTH, leaf=constraints(False, 0)),
    good("contract for TLS clients", leaf=purpose(CLIENT)),
    good("contract for anything", leaf=purpose(ANY)),
    bad("contract for TLS servers", Rule.EXTENDED_KEY_USAGE, leaf=purpose(SERVER)),
    bad("contract for OCSP", Rule.EXTENDED_KEY_USAGE, leaf=purpose(OCSP_SIGNING)),
    good("station for TLS servers", role=Role.SECC, leaf=purpose(SERVER)),
    bad("station for TLS clients", Rule.EXTENDED_KEY_USAGE, role=Role.SECC, leaf=purpose(CLIENT)),
    good("leaf without key identifiers", L.NO_KEY_IDENTIFIERS, leaf=without(SKI, AKI)),
    bad("leaf without identifiers, by the letter", Rule.KEY_IDENTIFIERS, leaf=without(AKI), policy=STRICTLY),
    good("no address for revocation", L.NO_REVOCATION_POINTER, leaf=without(AIA)),
    bad("no address, by the letter", Rule.REVOCATION_POINTER, leaf=without(AIA), policy=STRICTLY),
    good(
        "CRL in place of OCSP",
        leaf=lambda p: p.without(AIA).with_(
            CRL_POINTS, tlv(0x30, tlv(0x30, tlv(0xA0, tlv(0xA0, tlv(0x86, b"http://crl.example.com/")))))
        ),
        policy=STRICTLY,
    ),
)

ROLES = (
    good("contract with a country", L.CONTRACT_COUNTRY, leaf=contract("DEABC000000001G", (COUNTRY, "DE"))),
    bad(
        "contract with a country, by the letter",
        Rule.FORBIDDEN_COUNTRY,
        NOT_ALLOWED,
        leaf=contract("DEABC000000001G", (COUNTRY, "DE")),
        policy=STRICTLY,
    ),
    good("contract with DC=MO", leaf=contract("DEABC000000001G", (DC, "MO"))),
    bad("contract with DC=OEM", Rule.DOMAIN_COMPONENT, leaf=contract("DEABC000000001G", (DC, "OEM"))),
    bad("contract with DC=CPO", Rule.DOMAIN_COMPONENT, leaf=contract("DEABC000000001G", (DC, "CPO"))),
    bad("contract with DC=V2G", Rule.DOMAIN_COMPONENT, leaf=contract("DEABC000000001G", (DC, "V2G"))),
    bad("contract without a name", Rule.COMMON_NAME, NOT_ALLOWED, leaf=named((ORGANIZATION, "Test"))),
    bad(
        "contract with two names",
        Rule.COMMON_NAME,
        NOT_ALLOWED,
        leaf=contract("DEABC000000001G", (CN, "DEABC000000002G")),
    ),
    bad("contract with a malformed eMAID", Rule.COMMON_NAME, NOT_ALLOWED, leaf=contract("DEABC")),
    bad("eMAID with a zero byte", Rule.COMMON_NAME, NOT_ALLOWED, leaf=contract("DEABC000000001\0")),
    good("eMAID with hyphens", leaf=contract("DE-ABC-000000001-G")),
    good("eMAID in mixed case", leaf=contract("deAbC000000001g")),
    good("eMAID without check digit", leaf=contract("DEABC000000001")),
    good("eMAID with a wrong check digit", leaf=contract("DEABC000000001X")),
    good(
        "car without a domain component",
        L.NO_DOMAIN_COMPONENT,
        role=Role.OEM,
        leaf=named((CN, "ZZZTESTCAR0000001"), (ORGANIZATION, "Test")),
    ),
    bad(
        "car without a domain component, by the letter",
        Rule.DOMAIN_COMPONENT,
        role=Role.OEM,
        leaf=named((CN, "ZZZTESTCAR0000001"), (ORGANIZATION, "Test")),
        policy=STRICTLY,
    ),
    bad(
        "car with DC=MO",
        Rule.DOMAIN_COMPONENT,
        role=Role.OEM,
        leaf=named((CN, "ZZZTESTCAR0000001"), (ORGANIZATION, "Test"), (DC, "MO")),
    ),
    bad(
        "car with a malformed PCID",
        Rule.COMMON_NAME,
        NOT_ALLOWED,
        role=Role.OEM,
        leaf=named((CN, "ZZZ-TEST-CAR-00001"), (ORGANIZATION, "Test"), (DC, "OEM")),
    ),
    good(
        "car of a test hierarchy without a PCID, by policy",
        L.OTHER_PCID,
        role=Role.OEM,
        leaf=named((CN, "OEMProvCert"), (ORGANIZATION, "Test"), (DC, "OEM")),
        policy=ChainPolicy(leniencies=FIELD | {L.OTHER_PCID}),
    ),
    bad(
        "car without a PCID and without DC=OEM, by the same policy",
        Rule.COMMON_NAME,
        NOT_ALLOWED,
        role=Role.OEM,
        leaf=named((CN, "OEMProvCert"), (ORGANIZATION, "Test")),
        policy=ChainPolicy(leniencies=FIELD | {L.OTHER_PCID}),
    ),
    bad(
        "car that may not agree on keys",
        Rule.KEY_USAGE,
        role=Role.OEM,
        leaf=usage("digital_signature"),
    ),
    bad(
        "station without a domain component",
        Rule.DOMAIN_COMPONENT,
        role=Role.SECC,
        leaf=named((CN, "DEABCS0001"), (ORGANIZATION, "Test"), (COUNTRY, "DE")),
    ),
    bad(
        "station with DC=cpo",
        Rule.DOMAIN_COMPONENT,
        role=Role.SECC,
        leaf=named((CN, "DEABCS0001"), (ORGANIZATION, "Test"), (COUNTRY, "DE"), (DC, "cpo")),
    ),
    bad(
        "station and CPS in one",
        Rule.DOMAIN_COMPONENT,
        role=Role.SECC,
        leaf=named((CN, "DEABCS0001"), (ORGANIZATION, "Test"), (COUNTRY, "DE"), (DC, "CPO"), (DC, "CPS")),
    ),
    bad("station as CPS", Rule.DOMAIN_COMPONENT, role=Role.CPS, of=tree(Role.SECC)),
    bad("CPS as station", Rule.DOMAIN_COMPONENT, role=Role.SECC, of=tree(Role.CPS)),
    bad("station as contract", Rule.COMMON_NAME, NOT_ALLOWED, of=tree(Role.SECC)),
    bad("car as contract", Rule.COMMON_NAME, NOT_ALLOWED, of=tree(Role.OEM)),
    bad(
        "contract as car",
        Rule.KEY_USAGE,
        role=Role.OEM,
        of=tree(Role.CONTRACT),
        leaf=usage("digital_signature"),
    ),
    bad("Sub-CA as contract", Rule.IS_A_CA, arrange=lambda c: c[1:3]),
    bad(
        "contract under the OEM root",
        Rule.NO_ANCHOR,
        roots=lambda c: [(Kind.OEM_ROOT, c[3])],
    ),
    bad(
        "CPS under an MO root",
        Rule.NO_ANCHOR,
        role=Role.CPS,
        roots=lambda c: [(Kind.MO_ROOT, c[3])],
    ),
    bad(
        "contract under a private root",
        Rule.NO_ANCHOR,
        roots=lambda c: [(Kind.PRIVATE_ROOT, c[3])],
    ),
    good("contract under a V2G root", roots=lambda c: [(Kind.V2G_ROOT, c[3])]),
    good("car under a V2G root", role=Role.OEM, roots=lambda c: [(Kind.V2G_ROOT, c[3])]),
)

TIME = (
    bad("leaf expired", Rule.LEAF_EXPIRED, EXPIRED, leaf=lasting("2025-01-01", "2026-05-31")),
    bad("leaf not yet valid", Rule.LEAF_NOT_YET_VALID, EXPIRED, leaf=lasting("2026-07-01", "2027-01-01")),
    bad("Sub-CA 2 expired", Rule.CA_EXPIRED, "FAILED", sub2=lasting("2025-01-01", "2026-05-31")),
    bad("Sub-CA 1 expired", Rule.CA_EXPIRED, "FAILED", sub1=lasting("2025-01-01", "2026-05-31")),
    bad("Sub-CA 2 not yet valid", Rule.CA_NOT_YET_VALID, "FAILED", sub2=lasting("2026-07-01", "2027-01-01")),
    bad("Sub-CA 1 not yet valid", Rule.CA_NOT_YET_VALID, "FAILED", sub1=lasting("2026-07-01", "2027-01-01")),
    bad("root expired", Rule.ROOT_EXPIRED, "FAILED", root=lasting("2025-01-01", "2026-05-31")),
    bad("root not yet valid", Rule.ROOT_NOT_YET_VALID, "FAILED", root=lasting("2026-07-01", "2027-01-01")),
    bad(
        "leaf and Sub-CA 2 expired",
        Rule.LEAF_EXPIRED,
        EXPIRED,
        leaf=lasting("2025-01-01", "2026-05-31"),
        sub2=lasting("2025-01-01", "2026-05-31"),
    ),
    good("within the skew after the end", now=second(60, "2027-01-01")),
    bad("a second beyond the skew", Rule.LEAF_EXPIRED, EXPIRED, now=second(61, "2027-01-01")),
    good("within the skew before the beginning", now=second(-60, "2026-01-01")),
    bad("a second before the skew", Rule.LEAF_NOT_YET_VALID, EXPIRED, now=second(-61, "2026-01-01")),
    good("root from 1970 to 9999", root=lambda p: p.but(begin=_1970, end=_9999)),
    good("leaf until 9999", leaf=lambda p: p.but(end=_9999)),
    good("leaf until 2050", leaf=lasting("2026-01-01", "2050-01-01")),
    bad("our clock says 1970", Rule.CLOCK, "FAILED", now=day("1970-01-01")),
)
"""Comes after every other check, so that a chain that proves nothing is not excused with the date."""

ANCHORS = (
    good(
        "two roots of one name",
        roots=lambda c: [(Kind.MO_ROOT, _rolled_root("a")), (Kind.MO_ROOT, c[3])],
    ),
    good(
        "two roots of one name, the other way round",
        roots=lambda c: [(Kind.MO_ROOT, c[3]), (Kind.MO_ROOT, _rolled_root("a"))],
    ),
    bad(
        "only another root of that name",
        Rule.SIGNATURE,
        roots=lambda c: [(Kind.MO_ROOT, _rolled_root("a"))],
    ),
    good(
        "an expired and a renewed certificate of one root",
        roots=lambda c: [(Kind.MO_ROOT, _expired_root()), (Kind.MO_ROOT, c[3])],
    ),
    good(
        "root name in capitals",
        sub1=lambda p: p.but(issuer=MO.root.subject.replace(b"MO Root", b"MO ROOT")),
    ),
    good("ten roots of one name", roots=lambda c: [*_nine_roots(), (Kind.MO_ROOT, c[3])]),
    good(
        "no skew allowed, and none needed",
        policy=ChainPolicy(skew=second(0, "2026-01-01") - day("2026-01-01")),
    ),
)

ROWS = (*DEPTH, *AUTHORITIES, *LEAVES, *ROLES, *TIME, *ANCHORS)
