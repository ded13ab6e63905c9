"""The table of profiles: what is issued by a row passes the row, and every leniency is good for something."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from secc.errors import ChainError
from secc.pki.certificates import read_certificate
from secc.pki.chains import verify_chain
from secc.pki.hierarchy import make_hierarchy
from secc.pki.profiles import (
    FIELD,
    PROFILES,
    STRICT,
    Generation,
    Kind,
    Leniency,
    check,
    describe,
    profile_of,
    require,
)
from secc.pki.rules import Rule
from secc.pki.trust import Role
from tests.pki.test_chains import store_of
from tests.support import defects_of_form, defects_of_role
from tests.support.defects import OCSP_SIGNING, purpose
from tests.support.pki import BASIC, basic, tree

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
PKI = make_hierarchy(not_before=BEGIN, seed=b"profiles")


@pytest.mark.req("V2G2-884")
@pytest.mark.parametrize("kind", sorted(PKI))
def test_what_is_issued_keeps_its_profile_to_the_letter(kind: Kind) -> None:
    assert check(PKI[kind].certificate, kind) == ()


def test_every_certificate_of_the_standard_has_a_row() -> None:
    vehicles = {kind for kind in Kind if kind.value.startswith("vehicle")}
    assert set(PROFILES[Generation.ISO2]) == set(Kind) - vehicles
    assert set(PROFILES[Generation.ISO20]) == set(PROFILES[Generation.LAB]) == set(Kind)
    assert set(PKI) == set(Kind) - vehicles - {Kind.OCSP_SIGNER}


@pytest.mark.parametrize(
    ("kind", "authority", "path_length", "usage", "domain", "days"),
    [
        (Kind.V2G_ROOT, True, None, "cert_sign crl_sign", "V2G", 14610),
        (Kind.CPO_SUB_CA_1, True, 1, "cert_sign crl_sign", "V2G", 1460),
        (Kind.CPO_SUB_CA_2, True, 0, "cert_sign crl_sign", "V2G", 730),
        (Kind.SECC_LEAF, False, None, "digital_signature key_agreement", "CPO", 90),
        (Kind.CPS_LEAF, False, None, "digital_signature", "CPS", 90),
        (Kind.MO_SUB_CA_1, True, 1, "cert_sign crl_sign", None, 1460),
        (
            Kind.CONTRACT_LEAF,
            False,
            None,
            "digital_signature key_agreement key_encipherment non_repudiation",
            None,
            730,
        ),
        (Kind.OEM_LEAF, False, None, "digital_signature key_agreement", "OEM", 7300),
    ],
)
@pytest.mark.req("V2G2-011", "V2G2-822")
def test_rows(
    kind: Kind, authority: bool, path_length: int | None, usage: str, domain: str | None, days: int
) -> None:
    certificate = PKI[kind].certificate
    assert certificate.basic_constraints is not None
    assert certificate.basic_constraints.authority is authority
    assert certificate.basic_constraints.path_length == path_length
    assert sorted(certificate.key_usage or ()) == usage.split()
    assert certificate.subject.domain_components == ((domain,) if domain else ())
    assert profile_of(kind).validity.days == days


@pytest.mark.parametrize("kind", sorted(PKI))
def test_no_certificate_passes_as_another_role(kind: Kind) -> None:
    same = {Kind.SECC_LEAF, Kind.PRIVATE_SECC_LEAF}  # they differ only in what may be missing
    leaves = {kind for kind, row in PROFILES[Generation.ISO2].items() if not row.authority}
    for other in leaves - {kind} - (same if kind in same else set()):
        with pytest.raises(ChainError):
            require(PKI[kind].certificate, other, FIELD)


def test_findings_name_the_certificate_the_rule_and_the_switch() -> None:
    changed = tree(Role.CONTRACT).but(leaf=lambda plan: plan.with_(BASIC, basic(None), critical=True))
    leaf = read_certificate(changed.certificates[0])
    (finding,) = check(leaf, Kind.CONTRACT_LEAF)
    assert finding.rule is Rule.EXPLICIT_FALSE
    assert finding.certificate == "contract leaf DEABC000000001G" == describe(leaf, Kind.CONTRACT_LEAF)
    assert finding.leniency is Leniency.EXPLICIT_FALSE
    assert require(leaf, Kind.CONTRACT_LEAF) == (finding,)
    with pytest.raises(ChainError) as refused:
        require(leaf, Kind.CONTRACT_LEAF, STRICT)
    assert refused.value.certificate == "contract leaf DEABC000000001G"
    assert refused.value.rule is Rule.EXPLICIT_FALSE


def test_each_leniency_is_a_separate_switch() -> None:
    """With all others on, the certificate that needs it is refused."""
    rows = (*defects_of_form.ROWS, *defects_of_role.ROWS)
    needed = {leniency for row in rows for leniency in row.tolerated}
    elsewhere = {Leniency.LONG_VALIDITY, Leniency.ROOT_KEY_PURPOSE}
    newer = {Leniency.OTHER_EXTENSION, Leniency.OUTLIVES_ISSUER, Leniency.OTHER_EVCCID}
    elsewhere |= {*newer, Leniency.NO_KEY_PURPOSE}
    assert needed == set(Leniency) - elsewhere
    for leniency in sorted(needed):
        row = next(row for row in rows if leniency in row.tolerated)
        policy = dataclasses.replace(row.policy, leniencies=row.policy.leniencies - {leniency})
        with pytest.raises(ChainError):
            verify_chain(row.chain, row.role, store_of(row), row.now, policy)


def test_a_root_with_a_key_purpose_is_accepted_in_the_field_only() -> None:
    root = read_certificate(tree(Role.SECC).but(root=purpose(OCSP_SIGNING)).certificates[3])
    (finding,) = require(root, Kind.V2G_ROOT)
    assert finding.leniency is Leniency.ROOT_KEY_PURPOSE
    with pytest.raises(ChainError):
        require(root, Kind.V2G_ROOT, STRICT)
