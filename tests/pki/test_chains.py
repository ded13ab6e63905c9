"""The validator against the table of defects, its proofs, and its manners towards hostile bytes."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import datetime
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import CertificateError, ChainError, IdentifierError
from secc.pki.certificates import read_certificate
from secc.pki.chains import (
    ChainPolicy,
    UnanchoredChain,
    VerifiedChain,
    check_authority_chain,
    verify_chain,
    verify_without_anchor,
)
from secc.pki.names import COMMON_NAME, COUNTRY
from secc.pki.profiles import STRICT, Kind, Leniency
from secc.pki.rules import Request, Rule, response_code
from secc.pki.trust import Role, TrustStore, trust
from tests.support import defects_of_form, defects_of_role
from tests.support.defects import MO, Row
from tests.support.pki import NOW, name, tree

ROWS: tuple[Row, ...] = (*defects_of_form.ROWS, *defects_of_role.ROWS)

MO_STORE = trust([(Kind.MO_ROOT, read_certificate(MO.certificates[3]))])


def store_of(row: Row) -> TrustStore:
    return trust([(kind, read_certificate(root)) for kind, root in row.roots])


def test_the_table_is_long_enough_and_names_each_row_once() -> None:
    assert len(ROWS) >= 120
    assert len({row.title for row in ROWS}) == len(ROWS)


def test_every_rule_of_a_chain_occurs_in_the_table() -> None:
    elsewhere = {rule for rule in Rule if rule.startswith("evidence_")} | {
        Rule.LEAF_REVOKED,
        Rule.CA_REVOKED,
        Rule.REVOCATION_UNKNOWN,
        Rule.REQUEST,
        Rule.NOT_OUR_KEY,
        Rule.NOT_AN_ANCHOR,
        Rule.SUBJECT,  # in a separate test below
        Rule.LONG_VALIDITY,
        Rule.OTHER_EXTENSION,  # of ISO 15118-20
        Rule.OUTLIVES_ISSUER,
    }
    assert {row.rule for row in ROWS if row.rule} == set(Rule) - elsewhere


@pytest.mark.req("V2G2-885", "V2G2-009", "V2G2-925", "V2G2-910")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_verdict(row: Row) -> None:
    if row.rule is None:
        verified = verify_chain(row.chain, row.role, store_of(row), row.now, row.policy)
        found = {finding.leniency for finding in verified.tolerated}
        assert found - {Leniency.LONG_VALIDITY} == row.tolerated
        return
    with pytest.raises(ChainError) as refused:
        verify_chain(row.chain, row.role, store_of(row), row.now, row.policy)
    assert (refused.value.rule, refused.value.response_code) == (row.rule, row.code)


def test_a_sub_ca_without_company_is_refused_by_the_letter() -> None:
    nameless = name((COMMON_NAME, "MO Sub 2"), (COUNTRY, "DE"))
    chain = MO.but(sub2=lambda plan: plan.but(subject=nameless)).certificates[:3]
    with pytest.raises(ChainError) as refused:
        verify_chain(chain, Role.CONTRACT, MO_STORE, NOW, ChainPolicy(leniencies=STRICT))
    assert refused.value.rule is Rule.SUBJECT


def test_the_proof_says_what_was_verified() -> None:
    verified = verify_chain(MO.certificates, Role.CONTRACT, MO_STORE, NOW)
    assert verified.role is Role.CONTRACT
    assert [one.der for one in verified.certificates] == list(MO.certificates[:3])
    assert verified.anchor.certificate.der == MO.certificates[3]
    assert verified.emaid.normal == "DEABC000000001G"
    assert verified.checked_at == NOW
    assert verified.expires == datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)


def test_the_proof_of_a_car_names_the_car() -> None:
    certificates = tree(Role.OEM).certificates
    store = trust([(Kind.OEM_ROOT, read_certificate(certificates[3]))])
    verified = verify_chain(certificates, Role.OEM, store, NOW)
    assert verified.pcid.normal == "ZZZTESTCAR0000001"
    with pytest.raises(IdentifierError):
        _ = verified.emaid


def test_only_the_validator_makes_a_proof() -> None:
    verified = verify_chain(MO.certificates, Role.CONTRACT, MO_STORE, NOW)
    fields = {field.name: getattr(verified, field.name) for field in dataclasses.fields(verified)}
    with pytest.raises(TypeError):
        VerifiedChain(**fields)
    with pytest.raises(TypeError, match=r"only secc\.pki\.chains"):
        VerifiedChain(**fields, seal=object())
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(verified, role=Role.CPS)  # type: ignore[call-arg]
    with pytest.raises(dataclasses.FrozenInstanceError):
        verified.role = Role.CPS  # type: ignore[misc]
    assert copy.copy(verified) == verified


def test_a_time_without_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="time zone"):
        verify_chain(MO.certificates, Role.CONTRACT, MO_STORE, NOW.replace(tzinfo=None))


def test_an_unknown_root_leaves_a_consistent_chain_that_is_another_type() -> None:
    found = verify_without_anchor(MO.certificates[:3], Role.CONTRACT, NOW)
    assert type(found) is UnanchoredChain
    assert not isinstance(found, VerifiedChain)
    assert found.emaid.normal == "DEABC000000001G"


@pytest.mark.parametrize(
    ("chain", "rule"),
    [
        (MO.certificates[:1], Rule.NO_ANCHOR),
        ((MO.certificates[0], MO.certificates[2]), Rule.ORDER),
        ((b"\x30\x00",), Rule.MALFORMED),
    ],
)
def test_without_an_anchor_everything_else_is_still_checked(chain: tuple[bytes, ...], rule: Rule) -> None:
    with pytest.raises(ChainError) as refused:
        verify_without_anchor(chain, Role.CONTRACT, NOW)
    assert refused.value.rule is rule


def test_without_an_anchor_signatures_are_still_checked() -> None:
    forged = MO.but(leaf=lambda plan: plan.but(signer=MO.root.key)).certificates
    with pytest.raises(ChainError) as refused:
        verify_without_anchor(forged[:3], Role.CONTRACT, NOW)
    assert refused.value.rule is Rule.SIGNATURE


def test_the_chain_of_an_authority_is_judged_by_its_place() -> None:
    certificates = [read_certificate(der) for der in tree(Role.SECC).certificates]
    store = trust([(Kind.V2G_ROOT, certificates[3])])
    check_authority_chain(certificates[1:3], Kind.CPO_SUB_CA_2, store, NOW)
    check_authority_chain(certificates[2:3], Kind.CPO_SUB_CA_1, store, NOW)
    with pytest.raises(ChainError) as refused:
        check_authority_chain(certificates[0:3], Kind.CPO_SUB_CA_2, store, NOW)
    assert refused.value.rule is Rule.NOT_A_CA


@pytest.mark.parametrize(
    ("rule", "request_", "code"),
    [
        (Rule.LEAF_EXPIRED, Request.CERTIFICATE_INSTALLATION, "FAILED_CertificateExpired"),
        (Rule.DOMAIN_COMPONENT, Request.CERTIFICATE_INSTALLATION, "FAILED_NoCertificateAvailable"),
        (Rule.DOMAIN_COMPONENT, Request.PAYMENT_DETAILS, "FAILED_CertChainError"),
        (Rule.FORBIDDEN_COUNTRY, Request.CERTIFICATE_UPDATE, "FAILED_NoCertificateAvailable"),
        (Rule.COMMON_NAME, Request.CERTIFICATE_UPDATE, "FAILED_NoCertificateAvailable"),
        (Rule.COMMON_NAME, Request.PAYMENT_DETAILS, "FAILED_CertificateNotAllowedAtThisEVSE"),
        (Rule.ORDER, Request.CERTIFICATE_UPDATE, "FAILED_CertChainError"),
        (Rule.LEAF_REVOKED, Request.PAYMENT_DETAILS, "FAILED_CertificateRevoked"),
    ],
)
def test_the_code_depends_on_the_request(rule: Rule, request_: Request, code: str) -> None:
    assert response_code(rule, request_).value == code


def test_no_verdict_takes_more_than_50_ms() -> None:
    """The bound for hostile chains; measured, a verdict takes about half a millisecond."""
    slowest = 0.0
    for row in ROWS:
        store, tries = store_of(row), []
        for _ in range(3):
            begin = time.perf_counter()
            with contextlib.suppress(ChainError):
                verify_chain(row.chain, row.role, store, row.now, row.policy)
            tries.append(time.perf_counter() - begin)
        slowest = max(slowest, min(tries))
    assert slowest < 0.05


@given(st.binary(max_size=900))
def test_random_bytes_raise_certificate_errors_only(data: bytes) -> None:
    with pytest.raises(CertificateError):
        verify_chain([data, *MO.certificates[1:3]], Role.CONTRACT, MO_STORE, NOW)


@given(st.integers(0, 3), st.data())
def test_truncated_certificates_raise_certificate_errors_only(which: int, data: st.DataObject) -> None:
    der = MO.certificates[which]
    size = data.draw(st.integers(0, len(der) - 1))
    with pytest.raises(CertificateError):
        read_certificate(der[:size])


@given(st.integers(0, 2), st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_passes(which: int, place: int, mask: int) -> None:
    certificates = list(MO.certificates[:3])
    der = bytearray(certificates[which])
    der[place % len(der)] ^= mask
    certificates[which] = bytes(der)
    with pytest.raises(CertificateError):
        verify_chain(certificates, Role.CONTRACT, MO_STORE, NOW)
