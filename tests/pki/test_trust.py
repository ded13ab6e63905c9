"""Trust anchors: what may become one, and what each is good for."""

from __future__ import annotations

import datetime

import pytest

from secc.errors import ChainError
from secc.pki.certificates import read_certificate
from secc.pki.profiles import Kind
from secc.pki.rules import Rule
from secc.pki.trust import Role, TrustStore, trust
from tests.support.pki import NOW, tree

V2G = read_certificate(tree(Role.SECC).certificates[3])
MO = read_certificate(tree(Role.CONTRACT).certificates[3])
SUB_CA = read_certificate(tree(Role.CONTRACT).certificates[2])
LEAF = read_certificate(tree(Role.CONTRACT).certificates[0])


def test_an_empty_store_trusts_no_chain() -> None:
    assert {TrustStore().for_role(role) for role in Role} == {()}


@pytest.mark.parametrize(
    ("kind", "roles"),
    [
        (Kind.V2G_ROOT, {Role.SECC, Role.CPS, Role.CONTRACT, Role.OEM, Role.VEHICLE}),
        (Kind.MO_ROOT, {Role.CONTRACT}),
        (Kind.OEM_ROOT, {Role.OEM, Role.VEHICLE}),
        (Kind.PRIVATE_ROOT, {Role.SECC}),
    ],
)
@pytest.mark.req("V2G2-925", "V2G2-927")
def test_what_a_kind_of_root_is_good_for(kind: Kind, roles: set[Role]) -> None:
    store = TrustStore().with_anchor(V2G, kind, source="test")
    assert {role for role in Role if store.for_role(role)} == roles
    (anchor,) = store
    assert anchor.source == "test"


def test_one_certificate_may_be_granted_two_kinds() -> None:
    store = trust([(Kind.MO_ROOT, MO), (Kind.OEM_ROOT, MO)])
    (anchor,) = store
    assert anchor.kinds == {Kind.MO_ROOT, Kind.OEM_ROOT}


def test_a_duplicate_changes_nothing() -> None:
    store = trust([(Kind.MO_ROOT, MO)], source="first")
    assert store.with_anchor(MO, Kind.MO_ROOT, source="second") == store


def test_removing_by_fingerprint_leaves_the_old_store_alone() -> None:
    store = trust([(Kind.MO_ROOT, MO), (Kind.V2G_ROOT, V2G)])
    fingerprint = ":".join(MO.fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()
    assert [anchor.certificate for anchor in store.without(fingerprint)] == [V2G]
    assert len(store.anchors) == 2


@pytest.mark.parametrize("certificate", [SUB_CA, LEAF], ids=["Sub-CA", "leaf"])
def test_only_what_is_signed_by_itself_becomes_an_anchor(certificate: object) -> None:
    with pytest.raises(ChainError) as refused:
        TrustStore().with_anchor(certificate, Kind.MO_ROOT)  # type: ignore[arg-type]
    assert refused.value.rule is Rule.NOT_AN_ANCHOR


def test_a_sub_ca_becomes_one_by_a_switch_and_a_leaf_does_not() -> None:
    store = TrustStore().with_anchor(SUB_CA, Kind.MO_ROOT, allow_sub_ca=True)
    assert store.for_role(Role.CONTRACT)
    with pytest.raises(ChainError) as refused:
        TrustStore().with_anchor(LEAF, Kind.MO_ROOT, allow_sub_ca=True)
    assert refused.value.rule is Rule.NOT_A_CA


def test_a_self_signed_leaf_is_no_root() -> None:
    leaf = tree(Role.CONTRACT).leaf
    made = read_certificate(leaf.build(leaf.subject, leaf.key))
    with pytest.raises(ChainError) as refused:
        TrustStore().with_anchor(made, Kind.MO_ROOT)
    assert refused.value.rule is Rule.NOT_A_CA


def test_an_expired_root_is_not_installed() -> None:
    with pytest.raises(ChainError) as refused:
        TrustStore().with_anchor(MO, Kind.MO_ROOT, now=NOW + datetime.timedelta(days=400))
    assert refused.value.rule is Rule.ROOT_EXPIRED


def test_a_leaf_kind_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="not a kind of root"):
        TrustStore().with_anchor(MO, Kind.SECC_LEAF)
