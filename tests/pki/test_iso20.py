"""Certificates of ISO 15118-20: what is issued, what passes, and who is who."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from secc.errors import CertificateError, ChainError
from secc.pki.asn1 import KEY_USAGES
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chains import KINDS, ChainPolicy, verify_chain
from secc.pki.hierarchy import ISSUERS, make_hierarchy, make_iso20_hierarchy
from secc.pki.issuing import Holder, Order, cross_certify, issue, make_request, read_request
from secc.pki.keys import KeyType, new_private_key, read_private_key
from secc.pki.profiles import (
    FIELD,
    PROFILES,
    STRICT,
    Generation,
    Kind,
    Leniency,
    check,
    generation_of,
    profile_of,
    require,
)
from secc.pki.rules import Rule
from secc.pki.trust import ROOT_KINDS, Role, TrustStore, trust
from tests.support.certificates import certified

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NOW = datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)
PKI = make_iso20_hierarchy(not_before=BEGIN, seed=b"iso20")
ED448 = make_iso20_hierarchy(KeyType.ED448, not_before=BEGIN, seed=b"iso20")
ISO2 = make_hierarchy(not_before=BEGIN, seed=b"iso20")
POLICY = ChainPolicy(generation=Generation.ISO20)


def chain(role: Role, pki: Mapping[Kind, Holder] | None = None) -> list[Certificate]:
    return [(pki or PKI)[kind].certificate for kind in KINDS[role]]


def store(pki: Mapping[Kind, Holder] | None = None) -> TrustStore:
    kinds = ROOT_KINDS - {Kind.PRIVATE_ROOT}
    return trust((kind, (pki or PKI)[kind].certificate) for kind in sorted(kinds))


def rule_of(certificates: list[Certificate], role: Role = Role.VEHICLE, policy: ChainPolicy = POLICY) -> str:
    with pytest.raises(ChainError) as refused:
        verify_chain(certificates, role, store(), NOW, policy)
    return str(refused.value.rule)


# --- what is issued -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pki", [PKI, ED448], ids=["secp521r1", "ed448"])
@pytest.mark.parametrize("kind", sorted(PKI))
@pytest.mark.req("V2G20-2674", "V2G20-2686")
def test_what_is_issued_keeps_its_profile_to_the_letter(kind: Kind, pki: Mapping[Kind, Holder]) -> None:
    assert check(pki[kind].certificate, kind, Generation.ISO20) == ()
    assert len(pki[kind].certificate.der) <= 1600


@pytest.mark.parametrize("pki", [PKI, ED448], ids=["secp521r1", "ed448"])
@pytest.mark.parametrize("role", Role)
@pytest.mark.req("V2G20-1001", "V2G20-2331")
def test_each_role_has_a_chain_that_is_accepted_by_the_letter(role: Role, pki: Mapping[Kind, Holder]) -> None:
    strict = dataclasses.replace(POLICY, leniencies=STRICT | {Leniency.LONG_VALIDITY})
    proof = verify_chain(chain(role, pki), role, store(pki), NOW, strict)
    assert proof.role is role
    assert proof.tolerated == ()


@pytest.mark.parametrize(
    ("kind", "usage", "domain", "purposes"),
    [
        (Kind.SECC_LEAF, "digital_signature", "CPO", ["1.3.6.1.5.5.7.3.1"]),
        (Kind.VEHICLE_LEAF, "digital_signature", "EV", ["1.3.6.1.5.5.7.3.2"]),
        (Kind.CONTRACT_LEAF, "digital_signature", None, []),
        (Kind.CPS_LEAF, "digital_signature", "CPS", []),
        (Kind.OEM_LEAF, "digital_signature key_agreement", "OEM", []),
        (Kind.VEHICLE_SUB_CA_1, "cert_sign crl_sign", None, []),
    ],
)
def test_rows(kind: Kind, usage: str, domain: str | None, purposes: list[str]) -> None:
    certificate = PKI[kind].certificate
    assert sorted(certificate.key_usage or ()) == usage.split()
    assert certificate.subject.domain_components == ((domain,) if domain else ())
    assert list(certificate.extended_key_usage or ()) == purposes


@pytest.mark.req("V2G20-2598")
def test_a_vehicle_certificate_names_the_car_its_maker_and_its_role_and_nothing_else() -> None:
    subject = PKI[Kind.VEHICLE_LEAF].certificate.subject
    assert str(subject) == "CN=ZZZVTESTCAR00000001X, O=Test only, DC=EV"


def test_the_same_seed_makes_the_same_bytes() -> None:
    again = make_iso20_hierarchy(not_before=BEGIN, seed=b"iso20")
    assert {kind: one.certificate.der for kind, one in again.items()} == {
        kind: one.certificate.der for kind, one in PKI.items()
    }


@pytest.mark.parametrize("keys", [KeyType.SECP521R1, KeyType.ED448])
def test_a_request_says_which_generation_it_asks(keys: KeyType) -> None:
    key = new_private_key(keys)
    asked = read_request(make_request(key, Kind.SECC_LEAF, common_name="DEABC", organization="ACME"))
    assert asked.generation is Generation.ISO20
    assert asked.public_key == key.public_key()


@pytest.mark.parametrize("keys", KeyType)
def test_a_key_file_is_read_back(keys: KeyType) -> None:
    identity = Holder(PKI[Kind.SECC_LEAF].certificate, new_private_key(keys, b"file"))
    assert read_private_key(identity.key_pem).public_key() == identity.key.public_key()


def test_a_kind_that_a_generation_does_not_know_is_a_misuse() -> None:
    with pytest.raises(ValueError, match="iso15118-2 has no vehicle leaf"):
        profile_of(Kind.VEHICLE_LEAF)


# --- who is who -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(PKI))
@pytest.mark.req("V2G20-2342")
def test_no_certificate_passes_as_another_role(kind: Kind) -> None:
    same = {Kind.SECC_LEAF, Kind.PRIVATE_SECC_LEAF}  # they differ only in what may be missing
    leaves = {one for one, row in PROFILES[Generation.ISO20].items() if not row.authority}
    for other in leaves - {kind} - (same if kind in same else set()):
        with pytest.raises(ChainError):
            require(PKI[kind].certificate, other, FIELD, Generation.ISO20)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.VEHICLE])
@pytest.mark.req("V2G20-2331", "V2G20-2342")
def test_no_other_chain_passes_as_that_of_a_vehicle(role: Role) -> None:
    assert rule_of(chain(role))


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.VEHICLE])
@pytest.mark.req("V2G20-2674")
def test_the_generations_do_not_pass_as_each_other(role: Role) -> None:
    both = trust((kind, pki[kind].certificate) for pki in (PKI, ISO2) for kind in sorted(ROOT_KINDS))
    with pytest.raises(ChainError) as newer:
        verify_chain(chain(role), role, both, NOW)
    with pytest.raises(ChainError) as older:
        verify_chain([ISO2[kind].certificate for kind in KINDS[role]], role, both, NOW, POLICY)
    assert newer.value.rule is older.value.rule is Rule.CURVE


def test_the_laboratory_takes_keys_of_both() -> None:
    keys = {generation_of(one[Kind.V2G_ROOT].certificate) for one in (PKI, ED448, ISO2)}
    assert keys == {Generation.ISO20, Generation.ISO2}
    lab = ChainPolicy(generation=Generation.LAB)
    old = trust((kind, ISO2[kind].certificate) for kind in (Kind.V2G_ROOT, Kind.OEM_ROOT))
    assert verify_chain([ISO2[kind].certificate for kind in KINDS[Role.SECC]], Role.SECC, old, NOW, lab)


# --- vehicles that deviate ------------------------------------------------------------------------------


def vehicle(
    *,
    name: str = "ZZZVTESTCAR00000001X",
    domains: tuple[str, ...] = ("EV",),
    country: str = "",
    usage: frozenset[str] = frozenset({"digital_signature"}),
    purpose: bool = True,
    extension: x509.ExtensionType | None = None,
    critical: bool = False,
    until: datetime.datetime | None = None,
    keys: KeyType = KeyType.SECP521R1,
) -> list[Certificate]:
    """A vehicle's chain whose leaf differs from what `issue` would make."""
    key, issuer = new_private_key(keys, b"vehicle"), PKI[Kind.VEHICLE_SUB_CA_2]
    subject = [
        x509.NameAttribute(NameOID.COMMON_NAME, name),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "M"),
    ]
    subject += [x509.NameAttribute(NameOID.COUNTRY_NAME, country)] if country else []
    subject += [x509.NameAttribute(NameOID.DOMAIN_COMPONENT, domain) for domain in domains]
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.KeyUsage(*(bit in usage for bit in KEY_USAGES)), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), True),
        (x509.AuthorityKeyIdentifier(issuer.certificate.subject_key_id, None, None), True),
    ]
    if purpose:
        extensions.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), True))
    if extension is not None:
        extensions.append((extension, critical))
    made = certified(
        x509.Name(subject),
        key.public_key(),
        issuer.key,
        *extensions,
        issuer=issuer.certificate.to_cryptography().subject,
        begin=BEGIN,
        end=until or BEGIN + datetime.timedelta(days=90),
        serial=77,
    )
    return [read_certificate(made.public_bytes(Encoding.DER)), *chain(Role.VEHICLE)[1:]]


def tolerated(certificates: list[Certificate]) -> set[Leniency | None]:
    proof = verify_chain(certificates, Role.VEHICLE, store(), NOW, POLICY)
    found = {finding.leniency for finding in proof.tolerated}
    for leniency in found - {Leniency.NO_REVOCATION_POINTER}:
        policy = dataclasses.replace(POLICY, leniencies=FIELD - {leniency})
        with pytest.raises(ChainError):  # each of them is a separate switch
            verify_chain(certificates, Role.VEHICLE, store(), NOW, policy)
    return found - {Leniency.NO_REVOCATION_POINTER}


def test_critical_key_identifiers_are_no_fault() -> None:
    assert tolerated(vehicle()) == set()


@pytest.mark.parametrize("domain", ["EV", "OEMEV", "XYZ-EV"])
@pytest.mark.req("V2G20-3073")
def test_a_domain_component_that_ends_in_ev_makes_a_vehicle(domain: str) -> None:
    assert tolerated(vehicle(domains=(domain,), name="a car")) == {Leniency.OTHER_EVCCID}


def test_the_name_of_a_car_makes_a_vehicle_of_the_first_edition() -> None:
    expected = {Leniency.NO_DOMAIN_COMPONENT, Leniency.NO_KEY_PURPOSE}
    assert tolerated(vehicle(domains=(), purpose=False)) == expected


def test_a_purpose_makes_a_vehicle_under_any_name() -> None:
    certificates = vehicle(domains=("EVCC",), name="WMIV1234567890ABCDEX", country="DE")
    expected = {Leniency.NO_DOMAIN_COMPONENT, Leniency.OTHER_EVCCID, Leniency.OTHER_SUBJECT}
    assert tolerated(certificates) == expected


def test_without_any_sign_of_the_role_it_is_no_vehicle() -> None:
    assert rule_of(vehicle(domains=(), purpose=False, name="DEABC000000001G")) == Rule.COMMON_NAME


@pytest.mark.parametrize("domain", ["OEM", "CPO", "CPS", "MO", "V2G"])
def test_the_domain_component_of_another_role_is_never_tolerated(domain: str) -> None:
    assert rule_of(vehicle(domains=(domain,))) == Rule.DOMAIN_COMPONENT
    assert rule_of(vehicle(domains=("EV", domain))) == Rule.DOMAIN_COMPONENT


def test_key_agreement_without_a_domain_component_is_a_provisioning_certificate() -> None:
    usage = frozenset({"digital_signature", "key_agreement"})
    assert rule_of(vehicle(domains=(), usage=usage)) == Rule.DOMAIN_COMPONENT
    assert tolerated(vehicle(usage=usage)) == {Leniency.OTHER_KEY_USAGE}


@pytest.mark.req("V2G20-2686")
def test_an_extension_that_is_not_listed_is_a_switch_and_a_critical_one_is_never_tolerated() -> None:
    other = x509.SubjectAlternativeName([x509.DNSName("car.test")])
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert tolerated(vehicle(extension=other)) == {Leniency.OTHER_EXTENSION}
    assert tolerated(vehicle(extension=unknown)) == {Leniency.OTHER_EXTENSION}
    assert rule_of(vehicle(extension=unknown, critical=True)) == Rule.CRITICAL_EXTENSION


@pytest.mark.req("V2G20-3000")
def test_a_leaf_that_outlives_its_issuer_is_a_switch() -> None:
    beyond = PKI[Kind.VEHICLE_SUB_CA_2].certificate.not_after + datetime.timedelta(days=1)
    found = tolerated(vehicle(until=beyond))
    assert found == {Leniency.OUTLIVES_ISSUER, Leniency.LONG_VALIDITY}


@pytest.mark.parametrize("keys", [KeyType.SECP256R1])
def test_a_leaf_on_another_curve_is_never_tolerated(keys: KeyType) -> None:
    assert rule_of(vehicle(keys=keys)) == Rule.CURVE


def test_a_vehicle_is_expired_after_its_end() -> None:
    assert rule_of(vehicle(until=NOW - datetime.timedelta(days=1))) == Rule.LEAF_EXPIRED


def test_a_contract_under_a_v2g_root_is_no_vehicle() -> None:
    """Both roles may be under a V2G root, so only the leaf distinguishes them."""
    key = new_private_key(KeyType.SECP521R1, b"contract")
    order = Order(
        kind=Kind.CONTRACT_LEAF,
        generation=Generation.ISO20,
        common_name="DEABC000000001G",
        organization="eMSP",
        country="DE",
        serial=5,
        not_before=BEGIN,
        ocsp_url="http://ocsp.test.invalid/",
    )
    leaf = issue(order, key.public_key(), PKI[Kind.CPS_SUB_CA_2])
    authorities = [PKI[kind].certificate for kind in (Kind.CPS_SUB_CA_2, Kind.CPS_SUB_CA_1)]
    assert rule_of([leaf, *authorities]) == Rule.COMMON_NAME


def test_an_mo_root_carries_no_vehicle() -> None:
    only_mo = trust([(Kind.MO_ROOT, PKI[Kind.OEM_ROOT].certificate)])
    with pytest.raises(ChainError) as refused:
        verify_chain(chain(Role.VEHICLE), Role.VEHICLE, only_mo, NOW, POLICY)
    assert refused.value.rule is Rule.NO_ANCHOR


def test_vehicles_and_provisioning_certificates_have_different_authorities() -> None:
    assert ISSUERS[Kind.VEHICLE_LEAF] is not ISSUERS[Kind.OEM_LEAF]


# --- cross certificates -----------------------------------------------------------------------------------


CROSSED = ChainPolicy(generation=Generation.ISO20, cross_certificates=1)


def crossed(pki: Mapping[Kind, Holder] = PKI, **more: object) -> Certificate:
    """The OEM root, signed by the V2G root."""
    fields: dict[str, object] = {"serial": 77, "not_before": BEGIN, **more}
    return cross_certify(
        pki[Kind.OEM_ROOT].certificate,
        pki[Kind.V2G_ROOT],
        **fields,  # type: ignore[arg-type]
    )


def only_v2g(pki: Mapping[Kind, Holder] = PKI) -> TrustStore:
    return trust([(Kind.V2G_ROOT, pki[Kind.V2G_ROOT].certificate)])


@pytest.mark.parametrize("pki", [PKI, ED448], ids=["secp521r1", "ed448"])
def test_a_vehicle_reaches_the_v2g_root_by_a_cross_certificate(pki: Mapping[Kind, Holder]) -> None:
    certificates = [*chain(Role.VEHICLE, pki), crossed(pki)]
    found = verify_chain(certificates, Role.VEHICLE, only_v2g(pki), NOW, CROSSED)
    assert found.anchor.certificate == pki[Kind.V2G_ROOT].certificate
    assert len(found.authorities) == 3
    with pytest.raises(ChainError) as refused:
        verify_chain(certificates, Role.VEHICLE, only_v2g(pki), NOW, POLICY)
    assert refused.value.rule == Rule.TOO_DEEP


def test_a_cross_certificate_ends_with_the_first_of_both_roots() -> None:
    ends = min(PKI[kind].certificate.not_after for kind in (Kind.OEM_ROOT, Kind.V2G_ROOT))
    assert crossed().not_after == ends
    assert crossed(not_after=NOW).not_after == NOW
    expired = [*chain(Role.VEHICLE), crossed(not_after=NOW - datetime.timedelta(days=3))]
    with pytest.raises(ChainError) as refused:
        verify_chain(expired, Role.VEHICLE, only_v2g(), NOW, CROSSED)
    assert refused.value.rule == Rule.CA_EXPIRED


def test_only_roots_of_one_generation_are_crossed() -> None:
    for other in (ISO2[Kind.OEM_ROOT].certificate, PKI[Kind.VEHICLE_SUB_CA_1].certificate):
        with pytest.raises(CertificateError):
            cross_certify(other, PKI[Kind.V2G_ROOT], serial=1, not_before=BEGIN)
