"""Extensions that are malformed, and critical ones with a content that is not known here."""

from __future__ import annotations

import pytest

from secc.errors import ChainError
from secc.pki.certificates import read_certificate
from secc.pki.chains import verify_chain
from secc.pki.profiles import FIELD, Kind, require
from secc.pki.rules import Rule
from secc.pki.trust import Role, TrustStore
from tests.support.pki import AIA, CRL_POINTS, NOW, integer, oid, tlv, tree

MO = tree(Role.CONTRACT)
TRUST = TrustStore().with_anchor(read_certificate(MO.certificates[3]), Kind.MO_ROOT, source="test")

SAN, NAME_CONSTRAINTS, POLICIES = "2.5.29.17", "2.5.29.30", "2.5.29.32"
OCSP, ISSUERS = oid("1.3.6.1.5.5.7.48.1"), oid("1.3.6.1.5.5.7.48.2")
CPS, NOTICE = oid("1.3.6.1.5.5.7.2.1"), oid("1.3.6.1.5.5.7.2.2")
URI, DNS, ADDRESS, OTHER = tlv(0x86, b"http://a/"), tlv(0x82, b"a.b"), tlv(0x87, b"\x7f\0\0\1"), tlv(0xA0)
ANY_POLICY = oid("2.5.29.32.0")


def subtree(*names: bytes) -> bytes:
    return tlv(0xA0, *(tlv(0x30, one) for one in names))


def policy(kind: bytes, value: bytes) -> bytes:
    return tlv(0x30, ANY_POLICY, tlv(0x30, tlv(0x30, kind, value)))


MALFORMED = [
    pytest.param(SAN, tlv(0x30), id="no alternative name"),
    pytest.param(SAN, tlv(0x31, DNS), id="names in a set"),
    pytest.param(SAN, tlv(0x30, tlv(0x89, b"a")), id="a name of a tenth kind"),
    pytest.param(SAN, tlv(0x30, tlv(0x82)), id="an empty DNS name"),
    pytest.param(SAN, tlv(0x30, tlv(0x82, b"\xe4")), id="a DNS name that is not ASCII"),
    pytest.param(SAN, tlv(0x30, tlv(0x87, bytes(5))), id="an address of five bytes"),
    pytest.param(SAN, tlv(0x30, DNS) + b"\0", id="a byte behind the names"),
    pytest.param(SAN, tlv(0x30, tlv(0xA4, tlv(0x31))), id="a directory name that is a set"),
    pytest.param(POLICIES, tlv(0x30), id="no policy"),
    pytest.param(POLICIES, tlv(0x30, ANY_POLICY), id="a policy without its sequence"),
    pytest.param(POLICIES, tlv(0x30, tlv(0x30, ANY_POLICY), tlv(0x30, ANY_POLICY)), id="a policy twice"),
    pytest.param(POLICIES, tlv(0x30, tlv(0x30, ANY_POLICY, tlv(0x30))), id="qualifiers without one"),
    pytest.param(POLICIES, tlv(0x30, policy(CPS, tlv(0x0C, b"http://a/"))), id="a CPS address in UTF-8"),
    pytest.param(POLICIES, tlv(0x30, policy(NOTICE, tlv(0x04, b"a"))), id="a notice that is octets"),
    pytest.param(NAME_CONSTRAINTS, tlv(0x30), id="constraints without a subtree"),
    pytest.param(NAME_CONSTRAINTS, tlv(0x30, tlv(0xA0)), id="an empty list of subtrees"),
    pytest.param(NAME_CONSTRAINTS, tlv(0x30, subtree(b"")), id="a subtree without a base"),
    pytest.param(
        NAME_CONSTRAINTS,
        tlv(0x30, tlv(0xA0, tlv(0x30, DNS, tlv(0x80, b"\x01")))),
        id="a subtree with a distance",
    ),
    pytest.param(AIA, tlv(0x30), id="no description"),
    pytest.param(AIA, tlv(0x30, tlv(0x30, OCSP)), id="a description without an address"),
    pytest.param(AIA, tlv(0x30, tlv(0x30, OCSP, URI, URI)), id="a description with two"),
    pytest.param(AIA, tlv(0x30, tlv(0x30, OCSP, tlv(0x86, b"http://\xe4/"))), id="an address not ASCII"),
    pytest.param(AIA, tlv(0x30, tlv(0x30, OCSP, tlv(0x86))), id="an empty address"),
    pytest.param(CRL_POINTS, tlv(0x30), id="no distribution point"),
    pytest.param(CRL_POINTS, tlv(0x30, tlv(0x30, tlv(0xA0, tlv(0xA0)))), id="a point without names"),
]


@pytest.mark.parametrize("critical", [False, True])
@pytest.mark.parametrize(("extension", "value"), MALFORMED)
def test_a_malformed_extension_is_refused(extension: str, value: bytes, critical: bool) -> None:
    chain = MO.but(leaf=lambda p: p.with_(extension, value, critical=critical)).certificates[:3]
    with pytest.raises(ChainError) as refused:
        verify_chain(chain, Role.CONTRACT, TRUST, NOW)
    assert refused.value.rule is Rule.MALFORMED


NOT_UNDERSTOOD = [
    pytest.param(SAN, tlv(0x30, DNS, tlv(0xA0, oid("1.2.3"), tlv(0xA0, tlv(0x0C, b"a")))), id="other name"),
    pytest.param(SAN, tlv(0x30, tlv(0x88, oid("1.2.3")[2:])), id="registered identifier"),
    pytest.param(POLICIES, tlv(0x30, policy(oid("1.2.3"), tlv(0x05))), id="policy qualifier"),
    pytest.param(AIA, tlv(0x30, tlv(0x30, oid("1.2.3"), URI)), id="access method"),
    pytest.param(AIA, tlv(0x30, tlv(0x30, OCSP, DNS)), id="access by a name"),
    pytest.param(NAME_CONSTRAINTS, tlv(0x30, subtree(DNS)), id="name constraints"),
    pytest.param(
        CRL_POINTS, tlv(0x30, tlv(0x30, tlv(0xA0, tlv(0xA0, URI)), tlv(0x81, b"\x06\x40"))), id="some reasons"
    ),
    pytest.param(CRL_POINTS, tlv(0x30, tlv(0x30, tlv(0xA2, DNS))), id="another issuer of lists"),
]


@pytest.mark.parametrize(("extension", "value"), NOT_UNDERSTOOD)
def test_a_critical_extension_that_is_not_understood_is_refused(extension: str, value: bytes) -> None:
    chain = MO.but(leaf=lambda p: p.with_(extension, value, critical=True)).certificates[:3]
    with pytest.raises(ChainError) as refused:
        verify_chain(chain, Role.CONTRACT, TRUST, NOW)
    assert refused.value.rule is Rule.CRITICAL_EXTENSION
    assert extension in str(refused.value)


@pytest.mark.parametrize(("extension", "value"), NOT_UNDERSTOOD)
def test_the_same_is_no_obstacle_where_it_is_not_critical(extension: str, value: bytes) -> None:
    made = MO.but(leaf=lambda p: p.with_(extension, value)).certificates[0]
    require(read_certificate(made), Kind.CONTRACT_LEAF, FIELD)


@pytest.mark.parametrize(
    ("extension", "value"),
    [
        pytest.param(SAN, tlv(0x30, DNS, ADDRESS, URI, tlv(0x81, b"a@b")), id="alternative names"),
        pytest.param(POLICIES, tlv(0x30, tlv(0x30, ANY_POLICY)), id="a policy"),
        pytest.param(POLICIES, tlv(0x30, policy(CPS, tlv(0x16, b"http://a/"))), id="a CPS address"),
        pytest.param(
            POLICIES,
            tlv(0x30, policy(NOTICE, tlv(0x30, tlv(0x30, tlv(0x0C, b"a"), tlv(0x30, integer(1)))))),
            id="a notice",
        ),
        pytest.param(AIA, tlv(0x30, tlv(0x30, OCSP, URI), tlv(0x30, ISSUERS, URI)), id="access"),
        pytest.param(CRL_POINTS, tlv(0x30, tlv(0x30, tlv(0xA0, tlv(0xA0, URI)))), id="a list"),
    ],
)
def test_a_critical_extension_that_is_understood_is_accepted(extension: str, value: bytes) -> None:
    chain = MO.but(leaf=lambda p: p.with_(extension, value, critical=True)).certificates[:3]
    verify_chain(chain, Role.CONTRACT, TRUST, NOW)


def test_addresses_are_read_and_other_names_left_out() -> None:
    access = tlv(
        0x30, tlv(0x30, ISSUERS, URI), tlv(0x30, OCSP, tlv(0x86, b"http://o/")), tlv(0x30, OCSP, DNS)
    )
    points = tlv(0x30, tlv(0x30, tlv(0xA0, tlv(0xA0, DNS, URI))), tlv(0x30, tlv(0xA2, DNS)))
    made = MO.but(leaf=lambda p: p.with_(AIA, access).with_(CRL_POINTS, points)).certificates[0]
    found = read_certificate(made)
    assert found.ocsp_urls == ("http://o/",)
    assert found.crl_urls == ("http://a/",)


def test_a_certificate_that_comes_again_is_not_read_again() -> None:
    der = MO.certificates[0]
    assert read_certificate(der) is read_certificate(bytes(bytearray(der)))


def test_the_first_of_two_equal_extensions_counts() -> None:
    again = tlv(0x30, oid(SAN), tlv(0x04, tlv(0x30, DNS)))
    made = MO.but(leaf=lambda p: p.with_(SAN, tlv(0x30, URI)).but(extra=again)).certificates[0]
    assert read_certificate(made).duplicate_extensions == (SAN,)
