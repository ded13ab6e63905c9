"""`openssl s_client` with the station: answers, refusals, and their alerts."""

import datetime
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from secc.records import LinkEvent
from secc.settings import ClientAuth
from secc.tls import CredentialFiles
from tests.support import certificates
from tests.tls_peers.lab import Lab, serving

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="the openssl program is not installed")

SUITE = "ECDHE-ECDSA-AES128-SHA256"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with serving(tmp_path_factory.mktemp("lab"), stapling=True) as made:
        yield made


def s_client(lab: Lab, *arguments: str, text: str = "") -> str:
    """Everything it says; it hangs up at the end of its input."""
    command = [str(OPENSSL), "s_client", "-connect", lab.address, "-CAfile", str(lab.files.root), *arguments]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=20, check=False, errors="replace"
    )
    lab.until_idle()
    return done.stdout + done.stderr


# --- what it gets ------------------------------------------------------------------------------------------


def test_the_one_suite_on_the_one_curve_with_nothing_extra(lab: Lab) -> None:
    said = s_client(lab, "-noservername")
    assert "Verify return code: 0 (ok)" in said
    assert f"New, TLSv1.2, Cipher is {SUITE}" in said
    assert "Server Temp Key: ECDH, prime256v1, 256 bits" in said
    assert "Peer signing digest: SHA256" in said
    assert "Secure Renegotiation IS supported" in said
    assert "Compression: NONE" in said
    assert "TLS session ticket" not in said
    assert "Extended master secret: yes" in said
    assert lab.events(LinkEvent.SECURED)[-1] == "DEABCSTEST under V2G Root A"


def test_a_server_name_changes_nothing(lab: Lab) -> None:
    assert "Verify return code: 0 (ok)" in s_client(lab, "-servername", "anything.invalid")


def test_the_chain_comes_without_the_root(lab: Lab) -> None:
    said = s_client(lab, "-showcerts")
    assert said.count("BEGIN CERTIFICATE") == 3
    assert "No client certificate CA names sent" in said


@pytest.mark.req("V2G2-071")
def test_the_leaf_comes_with_its_ocsp_response(lab: Lab) -> None:
    said = s_client(lab, "-status")
    assert "OCSP Response Status: successful" in said
    assert "Cert Status: good" in said
    assert lab.events(LinkEvent.SECURED)[-1].endswith("with OCSP response")
    assert "OCSP response: no response sent" not in said
    assert "OCSP Response" not in s_client(lab)


def test_a_session_cannot_be_resumed(lab: Lab, tmp_path: Path) -> None:
    session = tmp_path / "session.pem"
    s_client(lab, "-sess_out", str(session))
    if session.exists():
        assert "Reused, TLSv1.2" not in s_client(lab, "-sess_in", str(session))
    assert "Session-ID: \n" in s_client(lab)


def test_curves_are_negotiated_down_to_the_one(lab: Lab) -> None:
    assert "Server Temp Key: ECDH, prime256v1" in s_client(lab, "-groups", "X25519:P-384:P-256")


# --- what it is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "alert"),
    [
        (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], "alert protocol version"),
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "alert protocol version"),
        (["-tls1_3"], "alert protocol version"),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "handshake failure"),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384"], "handshake failure"),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], "handshake failure"),
        (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256:AES128-SHA256"], "handshake failure"),
        (["-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"], "handshake failure"),
        (["-tls1_2", "-cipher", SUITE, "-groups", "P-384"], "handshake failure"),
        (["-tls1_2", "-cipher", SUITE, "-groups", "X25519"], "handshake failure"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_anything_outside_the_profile_gets_an_alert(lab: Lab, arguments: list[str], alert: str) -> None:
    said = s_client(lab, *arguments)
    assert alert in said
    assert "Cipher is (NONE)" in said


def test_the_record_says_what_the_ev_offered(lab: Lab) -> None:
    s_client(lab, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "no shared cipher; the EV offers C02B" in lab.events(LinkEvent.TLS_FAILED)[-1]


def test_renegotiation_is_refused(lab: Lab) -> None:
    said = s_client(lab, "-tls1_2", text="R\nR\n")
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said
    assert "verify return:1" in said


def test_early_data_and_fallback_do_not_help(lab: Lab) -> None:
    said = s_client(lab, "-fallback_scsv", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in said


# --- client certificates -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with serving(tmp_path_factory.mktemp("strict"), client_auth=ClientAuth.REQUIRE) as made:
        yield made


def show(files: CredentialFiles) -> list[str]:
    return ["-cert", str(files.chain), "-cert_chain", str(files.chain), "-key", str(files.key)]


def test_a_contract_is_let_in_and_named(strict: Lab) -> None:
    files = certificates.store(strict.folder, certificates.contract(strict.root), "car")
    said = s_client(strict, *show(files))
    assert "Verify return code: 0 (ok)" in said
    assert "CN = V2G Root A" in said.split("Acceptable client certificate CA names")[1]
    assert f"eMAID {certificates.EMAID}" in strict.events(LinkEvent.SECURED)[-1]


def test_a_car_without_certificate_learns_that(strict: Lab) -> None:
    said = s_client(strict)
    assert "alert handshake failure" in said
    assert "did not return a certificate" in strict.events(LinkEvent.TLS_FAILED)[-1]


def test_bad_certificates_are_refused_with_an_alert(strict: Lab) -> None:
    ended = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    cases = {
        "not an accepted root": certificates.contract(certificates.root("Nobody", "MO")),
        "expired on 2025-01-01": certificates.contract(strict.root, not_after=ended),
        "is not an eMAID": certificates.contract(strict.root, emaid="somebody"),
        "self-issued": certificates.issue(certificates.EMAID, None, None, leaf=True),
    }
    for reason, leaf in cases.items():
        said = s_client(strict, *show(certificates.store(strict.folder, leaf, "car")))
        assert "alert unknown ca" in said
        assert reason in strict.events(LinkEvent.TLS_FAILED)[-1]
    assert len(strict.events(LinkEvent.SECURED)) <= 1


def test_a_leaf_alone_is_refused(strict: Lab) -> None:
    leaf = certificates.contract(strict.root)
    files = certificates.store(strict.folder, leaf, "car")
    files.chain.write_bytes(leaf.pem)
    assert "alert unknown ca" in s_client(strict, "-cert", str(files.chain), "-key", str(files.key))
