"""The committed test certificates satisfy the profile of the standard."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtensionOID, NameOID, SignatureAlgorithmOID

from certs.testpki import make
from secc.pki.certificates import read_chain
from secc.pki.chains import ChainPolicy, verify_chain
from secc.pki.profiles import Generation, Kind
from secc.pki.rules import Rule
from secc.pki.trust import Role, trust

UTC = datetime.UTC

FOLDER = Path(make.__file__).parent
NAMES = ("v2g_root", "cpo_sub_ca_1", "cpo_sub_ca_2", "secc_leaf")


def certificate(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((FOLDER / f"{name}.pem").read_bytes())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.req("V2G2-006", "V2G2-007", "V2G2-010")
def test_algorithms_and_size(name: str) -> None:
    found = certificate(name)
    key = found.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert found.signature_algorithm_oid == SignatureAlgorithmOID.ECDSA_WITH_SHA256
    assert len(found.public_bytes(Encoding.DER)) <= 800
    assert found.version is x509.Version.v3


@pytest.mark.parametrize("name", NAMES)
def test_validity_outlives_the_tests(name: str) -> None:
    found = certificate(name)
    assert found.not_valid_before_utc == datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    assert found.not_valid_after_utc == datetime.datetime(2124, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("name", "authority", "path_length"),
    [
        ("v2g_root", True, None),
        ("cpo_sub_ca_1", True, 1),
        ("cpo_sub_ca_2", True, 0),
        ("secc_leaf", False, None),
    ],
)
def test_basic_constraints(name: str, authority: bool, path_length: int | None) -> None:
    extension = certificate(name).extensions.get_extension_for_class(x509.BasicConstraints)
    assert extension.critical
    assert extension.value == x509.BasicConstraints(ca=authority, path_length=path_length)


@pytest.mark.parametrize("name", ["v2g_root", "cpo_sub_ca_1", "cpo_sub_ca_2"])
def test_authorities_may_sign_certificates_and_revocation_lists_only(name: str) -> None:
    extension = certificate(name).extensions.get_extension_for_class(x509.KeyUsage)
    assert extension.critical
    assert (extension.value.key_cert_sign, extension.value.crl_sign) == (True, True)
    assert (extension.value.digital_signature, extension.value.key_agreement) == (False, False)


def test_the_leaf_may_sign_and_agree_on_keys_only() -> None:
    extension = certificate("secc_leaf").extensions.get_extension_for_class(x509.KeyUsage)
    assert extension.critical
    assert (extension.value.digital_signature, extension.value.key_agreement) == (True, True)
    assert (extension.value.key_cert_sign, extension.value.crl_sign) == (False, False)


@pytest.mark.req("V2G2-875")
def test_the_leaf_says_that_it_is_an_operators() -> None:
    names = certificate("secc_leaf").subject.get_attributes_for_oid(NameOID.DOMAIN_COMPONENT)
    assert [name.value for name in names] == ["CPO"]


@pytest.mark.parametrize("name", ["cpo_sub_ca_1", "cpo_sub_ca_2", "secc_leaf"])
def test_everything_under_the_root_names_issuer_key_and_ocsp_responder(name: str) -> None:
    extensions = certificate(name).extensions
    extensions.get_extension_for_oid(ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS)


def test_each_certificate_is_issued_by_the_one_above() -> None:
    root, sub_ca_1, sub_ca_2, leaf = (certificate(name) for name in NAMES)
    root.verify_directly_issued_by(root)
    sub_ca_1.verify_directly_issued_by(root)
    sub_ca_2.verify_directly_issued_by(sub_ca_1)
    leaf.verify_directly_issued_by(sub_ca_2)


@pytest.mark.req("V2G2-009")
def test_the_chain_is_leaf_first_without_the_root() -> None:
    chain = x509.load_pem_x509_certificates((FOLDER / "secc_chain.pem").read_bytes())
    assert chain == [certificate("secc_leaf"), certificate("cpo_sub_ca_2"), certificate("cpo_sub_ca_1")]


def test_the_key_belongs_to_the_leaf() -> None:
    key = load_pem_private_key((FOLDER / "secc_leaf_key.pem").read_bytes(), None)
    assert key.public_key() == certificate("secc_leaf").public_key()


def test_the_script_writes_the_committed_files(tmp_path: Path) -> None:
    make.main(tmp_path)
    written = {str(path.relative_to(tmp_path)): path.read_bytes() for path in files_of(tmp_path)}
    assert set(written) == {str(path.relative_to(FOLDER)) for path in files_of(FOLDER)}
    assert written == {name: (FOLDER / name).read_bytes() for name in written}


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".pem", ".jsonl")]


@pytest.mark.parametrize("role", list(Role))
def test_every_chain_of_iso20_reaches_its_root(role: Role) -> None:
    folder, policy = FOLDER / "iso20", ChainPolicy(generation=Generation.ISO20)
    roots = {Role.CONTRACT: Kind.MO_ROOT, Role.OEM: Kind.OEM_ROOT, Role.VEHICLE: Kind.OEM_ROOT}
    kind = roots.get(role, Kind.V2G_ROOT)
    root = read_chain((folder / f"{kind.value}.pem").read_bytes())[0]
    chain = read_chain((folder / f"{role.value}_chain.pem").read_bytes())
    now = datetime.datetime(2026, 1, 1, tzinfo=UTC)
    verified = verify_chain(chain, role, trust([(kind, root)]), now, policy)
    assert {finding.rule for finding in verified.tolerated} == {Rule.LONG_VALIDITY}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.VEHICLE])
def test_every_chain_reaches_its_root(role: Role) -> None:
    roots = {
        Role.SECC: Kind.V2G_ROOT,
        Role.CPS: Kind.V2G_ROOT,
        Role.CONTRACT: Kind.MO_ROOT,
        Role.OEM: Kind.OEM_ROOT,
    }
    kind = roots[role]
    root = read_chain((FOLDER / f"{kind.value}.pem").read_bytes())[0]
    chain = read_chain((FOLDER / f"{role.value}_chain.pem").read_bytes())
    verified = verify_chain(chain, role, trust([(kind, root)]), datetime.datetime(2026, 1, 1, tzinfo=UTC))
    assert {finding.rule for finding in verified.tolerated} == {Rule.LONG_VALIDITY}
