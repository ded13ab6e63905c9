"""Reading certificates: the same as `cryptography` where it reads them, and more where it does not."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtensionOID
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import CertificateError, ChainError
from secc.pki.certificates import in_order, read_certificate, read_chain
from secc.pki.rules import Rule
from secc.pki.trust import Role
from tests.support.pki import BASIC, NOW, basic, oid, plan, tlv, tree

FOLDER = Path(__file__).resolve().parents[2] / "certs/testpki"
FILES = sorted(path for path in FOLDER.glob("*.pem") if "key" not in path.name)
MO = tree(Role.CONTRACT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_field_is_read_as_cryptography_reads_it(path: Path) -> None:
    ours = read_chain(path.read_bytes())
    theirs = x509.load_pem_x509_certificates(path.read_bytes())
    for one, other in zip(ours, theirs, strict=True):
        assert one.der == other.public_bytes(Encoding.DER)
        assert one.tbs == other.tbs_certificate_bytes
        assert one.signature == other.signature
        assert one.serial == other.serial_number
        assert one.subject.der == other.subject.public_bytes()
        assert one.issuer.der == other.issuer.public_bytes()
        assert (one.not_before, one.not_after) == (other.not_valid_before_utc, other.not_valid_after_utc)
        assert one.public_key == other.public_key()
        assert one.signature_algorithm == other.signature_algorithm_oid.dotted_string
        constraints = other.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert one.basic_constraints is not None
        assert one.basic_constraints.authority == constraints.ca
        assert one.basic_constraints.path_length == constraints.path_length
        usage = other.extensions.get_extension_for_class(x509.KeyUsage).value
        assert one.key_usage is not None
        assert ("cert_sign" in one.key_usage, "digital_signature" in one.key_usage) == (
            usage.key_cert_sign,
            usage.digital_signature,
        )
        ski = other.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_KEY_IDENTIFIER).value
        assert isinstance(ski, x509.SubjectKeyIdentifier)
        assert one.subject_key_id == ski.digest
        assert one.to_cryptography() == other


def test_a_certificate_is_equal_to_its_copy_and_prints_its_name() -> None:
    one, other = read_certificate(MO.certificates[0]), read_certificate(MO.certificates[0])
    assert one == other
    assert len({one, other}) == 1
    assert one != MO
    assert str(one) == "CN=DEABC000000001G, O=Test"
    assert one.fingerprint == x509.load_der_x509_certificate(one.der).fingerprint(hashes.SHA256()).hex()


def test_an_explicit_false_is_a_fact_and_no_obstacle() -> None:
    changed = MO.but(leaf=lambda p: p.with_(BASIC, basic(None), critical=True)).certificates[0]
    assert bytes.fromhex("3003010100") in changed
    found = read_certificate(changed)
    assert found.explicit_false
    assert found.basic_constraints is not None
    assert not found.basic_constraints.authority


def test_names_are_folded_only_when_the_bytes_differ() -> None:
    upper = plan("a", tree(Role.SECC).root.subject.replace(b"V2G Root", b"v2g ROOT"), authority=True)
    one = read_certificate(tree(Role.SECC).certificates[3])
    other = read_certificate(upper.build(upper.subject, upper.key))
    assert one.subject.der != other.subject.der
    assert one.subject.same_as(other.subject)


def test_control_characters_do_not_reach_logs() -> None:
    subject = tlv(0x30, tlv(0x31, tlv(0x30, oid("2.5.4.3"), tlv(0x0C, b"a\x1b[31m\nb"))))
    made = plan("a", subject, authority=False)
    assert str(read_certificate(made.build(subject, made.key))) == "CN=a?[31m?b"


def test_years_before_1950_and_after_2049() -> None:
    made = MO.root.lasting(
        datetime.datetime(1949, 12, 31, tzinfo=datetime.UTC),
        datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC),
    )
    found = read_certificate(made.build(made.subject, made.key))
    assert (found.not_before.year, found.not_after.year) == (1949, 9999)


@pytest.mark.parametrize("kind", ["pem", "der"])
def test_a_pkcs7_answer_is_put_in_order(kind: str) -> None:
    certificates = [x509.load_der_x509_certificate(der) for der in reversed(tree(Role.SECC).certificates)]
    encoding = Encoding.PEM if kind == "pem" else Encoding.DER
    found = read_chain(pkcs7.serialize_certificates(certificates, encoding))
    assert len(found) == 4
    leaf = next(one for one in found if one.subject.common_name == "DEABCS0001")
    assert [one.der for one in in_order(found, leaf)] == list(tree(Role.SECC).certificates[:3])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n",
        b"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n",
        bytes.fromhex("300b06092a864886f70d010702"),
    ],
)
def test_files_without_certificates(data: bytes) -> None:
    with pytest.raises(CertificateError):
        read_chain(data)


def test_something_enormous_is_not_even_read() -> None:
    with pytest.raises(ChainError) as refused:
        read_certificate(b"\x30" * 20_000)
    assert refused.value.rule is Rule.TOO_LARGE


@given(st.integers(0, 3), st.integers(0, 10_000), st.integers(0, 255))
def test_everything_that_cryptography_reads_is_read_alike_or_refused(
    which: int, place: int, value: int
) -> None:
    der = bytearray(MO.certificates[which])
    der[place % len(der)] = value
    try:
        found = read_certificate(bytes(der))
    except CertificateError:
        return
    assert found.der == bytes(der)
    assert found.not_before.tzinfo is not None
    assert isinstance(found.subject.common_name, str)
    assert found.extension("1.2.3") is None
    assert NOW.tzinfo is not None
