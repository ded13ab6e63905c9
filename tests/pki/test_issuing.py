"""Issuing, registers, authorities in a folder: nothing leaves that breaks its profile or is not recorded."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import CertificateError, ChainError
from secc.pki.authority import Authority, IssuingPolicy, authorities
from secc.pki.chains import ChainPolicy, verify_chain
from secc.pki.hierarchy import hierarchy_files, make_hierarchy, write_hierarchy
from secc.pki.issuing import (
    Order,
    Revocation,
    issue,
    key_pem,
    make_request,
    new_key,
    read_key,
    read_request,
    request_pem,
    serial_from,
)
from secc.pki.profiles import STRICT, Kind
from secc.pki.register import Register
from secc.pki.rules import Rule
from secc.pki.trust import Role, trust

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NOW = datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
PKI = make_hierarchy(not_before=BEGIN, seed=b"issuing")


def policy(**changes: object) -> IssuingPolicy:
    numbers = itertools.count(1)
    return IssuingPolicy(random_bytes=lambda size: next(numbers).to_bytes(size, "big"), **changes)  # type: ignore[arg-type]


def station_request(name: str = "DEABCS" + "7" * 33) -> bytes:
    key = new_key(b"station")
    return make_request(key, Kind.SECC_LEAF, common_name=name, organization="ACME", country="DE")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_hierarchy(PKI, tmp_path, BEGIN)
    return tmp_path


@pytest.fixture
def authority(folder: Path) -> Authority:
    return Authority(folder, Kind.CPO_SUB_CA_2)


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others() -> None:
    again = make_hierarchy(not_before=BEGIN, seed=b"issuing")
    other = make_hierarchy(not_before=BEGIN, seed=b"other")
    assert hierarchy_files(again) == hierarchy_files(PKI)
    assert not set(hierarchy_files(other).values()) & set(hierarchy_files(PKI).values())


def test_without_a_seed_keys_are_new_each_time() -> None:
    one = make_hierarchy(not_before=BEGIN, random_bytes=b"1" * 16)
    other = make_hierarchy(not_before=BEGIN, random_bytes=b"1" * 16)
    assert one[Kind.V2G_ROOT].key.public_key() != other[Kind.V2G_ROOT].key.public_key()


@pytest.mark.parametrize(
    ("kind", "name", "rule"),
    [
        (Kind.CONTRACT_LEAF, "not an eMAID", Rule.COMMON_NAME),
        (Kind.OEM_LEAF, "not a PCID", Rule.COMMON_NAME),
        (Kind.SECC_LEAF, "DEABCS0001", Rule.REVOCATION_POINTER),
    ],
)
def test_nothing_is_issued_that_breaks_its_profile(kind: Kind, name: str, rule: Rule) -> None:
    order = Order(
        kind=kind,
        common_name=name,
        organization="Test",
        country="DE",
        serial=1,
        not_before=BEGIN,
        ocsp_url="http://ocsp.example.com/" if kind is Kind.CONTRACT_LEAF else "",
    )
    with pytest.raises(ChainError) as refused:
        issue(order, new_key(b"x").public_key(), PKI[Kind.MO_SUB_CA_2])
    assert refused.value.rule is rule


def test_no_certificate_outlives_its_issuer() -> None:
    order = Order(
        kind=Kind.CPS_LEAF,
        common_name="CPS",
        organization="Test",
        country="DE",
        serial=1,
        not_before=BEGIN,
        not_after=BEGIN + 10_000 * DAY,
        ocsp_url="http://ocsp.example.com/",
    )
    issuer = PKI[Kind.CPS_SUB_CA_2]
    assert issue(order, new_key(b"x").public_key(), issuer).not_after == issuer.certificate.not_after


@given(st.binary(min_size=16, max_size=20))
def test_serial_numbers_are_positive_and_of_sixteen_bytes(random_bytes: bytes) -> None:
    assert serial_from(random_bytes).bit_length() == 127


def test_keys_with_and_without_password() -> None:
    key = new_key(b"x")
    assert read_key(key_pem(key)).public_key() == key.public_key()
    locked = key_pem(key, b"secret")
    assert b"ENCRYPTED" in locked
    assert read_key(locked, b"secret").public_key() == key.public_key()
    for pem, password in ((locked, None), (locked, b"wrong"), (key_pem(key), b"secret"), (b"", None)):
        with pytest.raises(CertificateError):
            read_key(pem, password)


@pytest.mark.parametrize("kind", ["P-384", "RSA"])
def test_keys_of_another_kind(kind: str) -> None:
    key = (
        ec.generate_private_key(ec.SECP384R1())
        if kind == "P-384"
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(CertificateError) as refused:
        read_key(pem)
    assert refused.value.rule is Rule.CURVE
    request = x509.CertificateSigningRequestBuilder().subject_name(_name("x")).sign(key, hashes.SHA256())
    with pytest.raises(CertificateError) as refused:
        read_request(request.public_bytes(Encoding.DER))
    assert refused.value.rule is Rule.CURVE


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def test_a_request_in_pem_or_der() -> None:
    der = station_request()
    assert read_request(der) == read_request(request_pem(der))
    assert read_request(der).common_name == "DEABCS" + "7" * 33
    assert read_request(der).organization == "ACME"


def test_a_request_that_is_not_signed_by_its_key() -> None:
    der = bytearray(station_request())
    der[-1] ^= 1
    with pytest.raises(CertificateError) as refused:
        read_request(bytes(der))
    assert refused.value.rule is Rule.REQUEST


@given(st.binary(max_size=300))
def test_random_bytes_are_no_request(data: bytes) -> None:
    with pytest.raises(CertificateError):
        read_request(data)


def test_a_station_gets_a_chain_that_verifies_to_the_letter(authority: Authority, folder: Path) -> None:
    leaf = authority.issue(read_request(station_request()), Kind.SECC_LEAF, NOW, policy(server_purpose=False))
    store = trust([(Kind.V2G_ROOT, PKI[Kind.V2G_ROOT].certificate)])
    chain = [leaf, *authority.chain]
    verified = verify_chain(chain, Role.SECC, store, NOW, ChainPolicy(leniencies=STRICT))
    assert str(verified.leaf.subject) == f"CN=DEABCS{'7' * 33}, O=ACME, C=DE, DC=CPO"
    assert leaf.not_after - NOW == 90 * DAY - datetime.timedelta(hours=1)


def test_what_is_issued_is_in_the_register_of_the_next_process(authority: Authority, folder: Path) -> None:
    leaf = authority.issue(read_request(station_request()), Kind.SECC_LEAF, NOW, policy())
    entry = Register(folder / "register.jsonl").find(authority.certificate, leaf.serial)
    assert entry is not None
    assert entry.certificate == leaf
    assert entry.at == NOW
    assert entry.revocation is None


def test_a_serial_is_used_once(authority: Authority) -> None:
    authority.issue(read_request(station_request()), Kind.SECC_LEAF, NOW, policy())
    with pytest.raises(CertificateError) as refused:
        authority.issue(read_request(station_request()), Kind.SECC_LEAF, NOW, policy())
    assert refused.value.rule is Rule.SERIAL


def test_an_authority_issues_only_what_its_request_may_be(authority: Authority) -> None:
    request = read_request(station_request("not an eMAID"))
    with pytest.raises(CertificateError):
        authority.issue(request, Kind.CONTRACT_LEAF, NOW, policy())
    assert len(list(authority.register)) == 13


def test_an_expired_authority_issues_nothing(authority: Authority) -> None:
    with pytest.raises(ChainError) as refused:
        authority.issue(read_request(station_request()), Kind.SECC_LEAF, BEGIN + 3000 * DAY, policy())
    assert refused.value.rule is Rule.CA_EXPIRED


def test_renewal_keeps_name_and_key_and_is_asked_for_once(authority: Authority) -> None:
    issuing = policy()
    old = authority.issue(read_request(station_request()), Kind.SECC_LEAF, NOW, issuing)
    assert old not in [one.certificate for one in authority.expiring(30 * DAY, NOW + 59 * DAY)]
    (entry,) = [one for one in authority.expiring(30 * DAY, NOW + 61 * DAY) if one.certificate == old]
    new = authority.renew(entry, NOW + 61 * DAY, issuing)
    assert new.subject.der == old.subject.der
    assert new.public_key == old.public_key
    assert new.not_after == old.not_after + 61 * DAY
    assert old not in [one.certificate for one in authority.expiring(30 * DAY, NOW + 61 * DAY)]


def test_a_revocation_is_final_and_needs_a_known_serial(authority: Authority) -> None:
    leaf = authority.issue(read_request(station_request()), Kind.SECC_LEAF, NOW, policy())
    authority.revoke(Revocation(leaf.serial, NOW, x509.ReasonFlags.key_compromise))
    assert [one.serial for one in authority.register.revoked(authority.certificate)] == [leaf.serial]
    for serial in (leaf.serial, 4711):
        with pytest.raises(CertificateError):
            authority.revoke(Revocation(serial, NOW))


def test_a_crl_lists_what_is_revoked_and_not_yet_expired(authority: Authority) -> None:
    leaf = authority.issue(read_request(station_request()), Kind.SECC_LEAF, NOW, policy())
    authority.revoke(Revocation(leaf.serial, NOW))
    crl = x509.load_der_x509_crl(authority.crl(NOW + DAY, DAY))
    assert [one.serial_number for one in crl] == [leaf.serial]
    later = x509.load_der_x509_crl(authority.crl(leaf.not_after + DAY, DAY))
    assert len(later) == 0


def test_two_authorities_on_one_folder_see_each_other(folder: Path, authority: Authority) -> None:
    other = Authority(folder, Kind.CPO_SUB_CA_2)
    leaf = other.issue(read_request(station_request()), Kind.SECC_LEAF, NOW, policy())
    authority.revoke(Revocation(leaf.serial, NOW))
    assert authority.register.find(authority.certificate, leaf.serial) is not None


def test_every_authority_of_a_folder_is_found(folder: Path) -> None:
    assert len(authorities(folder)) == 12


def test_a_key_of_another_party_is_noticed(folder: Path) -> None:
    (folder / "cpo_sub_ca_2_key.pem").write_bytes(key_pem(new_key(b"thief")))
    with pytest.raises(CertificateError) as refused:
        Authority(folder, Kind.CPO_SUB_CA_2)
    assert refused.value.rule is Rule.NOT_OUR_KEY


@pytest.mark.parametrize("line", ["{", '{"event": "issued"}', "[]", '{"event":"revoked","at":"x"}'])
def test_a_register_with_a_broken_line_is_not_used(folder: Path, line: str) -> None:
    with (folder / "register.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CertificateError, match="line 14"):
        Register(folder / "register.jsonl")


def test_a_line_that_a_crash_cut_off_is_overwritten(folder: Path, authority: Authority) -> None:
    path = folder / "register.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "issued", "at"')
    assert len(list(Register(path))) == 13
    authority.issue(read_request(station_request()), Kind.SECC_LEAF, NOW, policy())
    assert path.read_bytes().startswith(whole + b'{"event": "issued", "at": "2026-02-01T00:00:00+00:00"')
    assert len(list(Register(path))) == 14


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CertificateError):
        Authority(tmp_path / "nothing", Kind.CPO_SUB_CA_2)


def test_a_key_that_replaces_a_readable_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    key = tmp_path / "secc_leaf_key.pem"
    key.write_bytes(b"")
    key.chmod(0o644)
    write_hierarchy(PKI, tmp_path, BEGIN)
    assert key.stat().st_mode & 0o777 == 0o600
