"""A new client certificate of security profile 3: judged before it is taken, on probation until it stands."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from secc.certificate_files import CertificateFiles
from secc.errors import CertificateError, ConfigError
from secc.ocpp.client_chain import Probation, read_authorities, verify_client_chain
from secc.pki.certificates import read_certificate
from tests.support.certificates import certified, named

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("root", "sub", "leaf", "other", "foreign")}


def certificate(
    subject: str,
    issuer: str,
    *,
    key: str = "",
    signed_by: str = "",
    authority: bool = False,
    begin: datetime.datetime = NOW - DAY,
    end: datetime.datetime = NOW + DAY,
) -> x509.Certificate:
    public, signer = KEYS[key or subject].public_key(), KEYS[signed_by or issuer]
    constraints = x509.BasicConstraints(ca=authority, path_length=None)
    return certified(subject, public, signer, (constraints, True), issuer=issuer, begin=begin, end=end)


ROOT = certificate("root", "root", authority=True)
SUB = certificate("sub", "root", authority=True)
LEAF = certificate("leaf", "sub")
REQUEST = (
    x509.CertificateSigningRequestBuilder().subject_name(named("leaf")).sign(KEYS["leaf"], hashes.SHA256())
)


def verify(chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate] = (ROOT,)) -> None:
    read = [read_certificate(one.public_bytes(Encoding.DER)) for one in chain]
    verify_client_chain(read, authorities, REQUEST, NOW)


@pytest.mark.parametrize(
    ("chain", "authorities"),
    [
        pytest.param([LEAF, SUB], [ROOT], id="with its Sub-CA"),
        pytest.param([LEAF], [SUB], id="below a Sub-CA that is known"),
        pytest.param([LEAF, SUB, ROOT], [ROOT], id="with the root"),
        pytest.param([certificate("leaf", "root")], [SUB, ROOT], id="below the root itself"),
    ],
)
def test_a_chain_below_a_known_authority_is_good(
    chain: list[x509.Certificate], authorities: list[x509.Certificate]
) -> None:
    verify(chain, authorities)


@pytest.mark.parametrize(
    ("chain", "why"),
    [
        ([certificate("leaf", "root", end=NOW)], "valid from"),
        ([certificate("leaf", "root", begin=NOW + DAY / 24)], "valid from"),
        ([certificate("leaf", "root", signed_by="foreign")], "not issued below"),
        ([certificate("leaf", "leaf")], "not issued below"),
        ([LEAF], "not issued below"),
        ([LEAF, certificate("sub", "root", signed_by="foreign", authority=True)], "not issued below"),
        ([LEAF, certificate("sub", "root")], "not issued below"),
        ([LEAF, certificate("sub", "root", authority=True, end=NOW)], "not issued below"),
        ([certificate("other", "root")], "not for the key"),
        ([certificate("other", "root", key="leaf")], "expected the name in the request"),
        ([certificate("leaf", "root", authority=True)], "is an authority"),
    ],
    ids=[
        "expired",
        "not valid yet",
        "signed by another key",
        "signed by itself",
        "without its Sub-CA",
        "Sub-CA of another root",
        "Sub-CA that is no authority",
        "expired Sub-CA",
        "another key",
        "another name",
        "an authority",
    ],
)
def test_a_chain_that_is_not_good_is_refused(chain: list[x509.Certificate], why: str) -> None:
    with pytest.raises(CertificateError, match=why):
        verify(chain)


def test_without_a_known_authority_nothing_is_good() -> None:
    with pytest.raises(CertificateError, match=r"set ocpp\.ca"):
        verify([LEAF, SUB], [])


def test_an_expired_authority_vouches_for_nothing() -> None:
    with pytest.raises(CertificateError, match="not issued below"):
        verify([certificate("leaf", "root")], [certificate("root", "root", authority=True, end=NOW)])


def test_authorities_are_found_among_leaves() -> None:
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in (LEAF, SUB))
    assert read_authorities(pem, ROOT.public_bytes(Encoding.PEM)) == (SUB, ROOT)
    with pytest.raises(CertificateError, match="not a PEM file"):
        read_authorities(b"nothing")


# --- probation ---


def pem_key(name: str) -> bytes:
    return KEYS[name].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    """A pair that has been replaced by a new one."""
    made = CertificateFiles(tmp_path / "chain.pem", tmp_path / "key.pem")
    made.chain.write_bytes(LEAF.public_bytes(Encoding.PEM))
    made.key.write_bytes(pem_key("leaf"))
    new = certificate("leaf", "sub", key="other")
    made.replace(new.public_bytes(Encoding.PEM), pem_key("other"))
    return made


def status(code: int) -> InvalidStatus:
    return InvalidStatus(Response(code, "", Headers(), b""))


def clock() -> float:
    return NOW.timestamp()


def test_a_connection_with_the_new_pair_ends_the_probation(files: CertificateFiles) -> None:
    probation = Probation(files, clock)
    probation.succeeded()
    assert not files.has_old
    assert files.key.read_bytes() == pem_key("other")
    assert [probation.failed(ssl.SSLError("alert")) for _ in range(5)] == [""] * 5


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLError("alert"),
        ConnectionResetError("reset"),
        status(401),
        status(403),
        ConfigError("key values mismatch"),
    ],
    ids=["alert", "reset", "401", "403", "unusable"],
)
def test_the_old_pair_comes_back_when_the_new_one_is_refused_again_and_again(
    files: CertificateFiles, error: Exception
) -> None:
    probation = Probation(files, clock)
    assert [probation.failed(error) for _ in range(2)] == ["", ""]
    assert "new client certificate" in probation.failed(error)
    assert files.key.read_bytes() == pem_key("leaf")
    assert not files.has_old


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("refused"),
        TimeoutError(),
        status(503),
        ssl.SSLCertVerificationError("the server's own certificate"),
    ],
    ids=["refused", "time-out", "503", "certificate of the server"],
)
def test_a_csms_that_is_away_says_nothing_about_the_certificate(
    files: CertificateFiles, error: Exception
) -> None:
    probation = Probation(files, clock)
    assert [probation.failed(error) for _ in range(10)] == [""] * 10
    assert files.has_old


def test_an_old_pair_that_has_expired_does_not_come_back(files: CertificateFiles) -> None:
    probation = Probation(files, lambda: (NOW + 2 * DAY).timestamp())
    assert [probation.failed(ssl.SSLError("alert")) for _ in range(5)] == [""] * 5
    assert files.key.read_bytes() == pem_key("other")


def test_a_replacement_that_was_interrupted_is_finished_at_start(files: CertificateFiles) -> None:
    files.key.write_bytes(pem_key("foreign"))
    Probation(files, clock).recover()
    assert files.key.read_bytes() == pem_key("leaf")
