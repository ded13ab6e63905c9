"""TLS 1.3 clients of others at our station: openssl, GnuTLS and tlslite-ng, with and without good
intentions."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from secc.pki.keys import KeyType
from secc.records import LinkEvent
from tests.tls_peers.lab import Served, serving_iso20

OPENSSL, GNUTLS = shutil.which("openssl"), shutil.which("gnutls-cli")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="the openssl program is not installed")
needs_gnutls = pytest.mark.skipif(GNUTLS is None, reason="gnutls-cli is not installed (gnutls-bin of Debian)")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_iso20(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def ed448(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_iso20(tmp_path_factory.mktemp("ed448"), keys=KeyType.ED448) as made:
        yield made


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_iso20(tmp_path_factory.mktemp("insecure"), laboratory=True) as made:
        yield made


# --- openssl s_client -----------------------------------------------------------------------------------


def shows(lab: Served, role: str = "vehicle", folder: str = "iso20") -> list[str]:
    """Options that show the chain of a role."""
    own = lab.folder / folder
    leaf = "contract_leaf" if role == "contract" else f"{role}_leaf"
    chain = ["-cert", str(own / f"{leaf}.pem"), "-cert_chain", str(own / f"{role}_chain.pem")]
    return [*chain, "-key", str(own / f"{leaf}_key.pem")]


def s_client(lab: Served, *arguments: str, root: Path | None = None) -> str:
    """Everything it says; it hangs up when the station does, or after a moment."""
    assert OPENSSL is not None
    ca = root or lab.files.root
    command = (
        f"sleep 0.4 | {OPENSSL} s_client -connect '{lab.address}' -CAfile {ca} -tls1_3 {' '.join(arguments)}"
    )
    if any(one in arguments for one in ("-tls1_2", "-no_tls1_3")):
        command = command.replace(" -tls1_3", "")
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, timeout=20, check=False, errors="replace"
    )
    lab.until_idle()
    return done.stdout + done.stderr


@needs_openssl
@pytest.mark.req("V2G20-1235", "V2G20-1264", "V2G20-2458")
def test_openssl_gets_the_profile_and_nothing_else(lab: Served) -> None:
    said = s_client(lab, *shows(lab), "-groups", "P-521")
    assert "Verify return code: 0 (ok)" in said
    assert "New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384" in said
    assert "Server Temp Key: ECDH, secp521r1, 521 bits" in said or "Server Temp Key: ECDH, P-521" in said
    assert "Peer signing digest: SHA512" in said
    assert "Peer signature type: ECDSA" in said
    assert "Early data was not sent" in said
    assert "Shared Requested Signature Algorithms: " in said
    secured = lab.events(LinkEvent.SECURED)[-1]
    assert secured.startswith("TLS 1.3 TLS_AES_256_GCM_SHA384 secp521r1; ")
    assert "client certificate of CN=ZZZVTESTCAR00000001X" in secured


@needs_openssl
@pytest.mark.parametrize(("group", "named"), [("X448", "X448"), ("X25519:P-521", "521 bits")])
def test_openssl_with_other_groups_of_the_standard(lab: Served, group: str, named: str) -> None:
    said = s_client(lab, *shows(lab), "-groups", group)
    assert "Verify return code: 0 (ok)" in said
    assert named in said


@needs_openssl
def test_openssl_with_chacha20(lab: Served) -> None:
    suite = "TLS_CHACHA20_POLY1305_SHA256"
    said = s_client(lab, *shows(lab), "-groups", "P-521", "-ciphersuites", suite)
    assert f"New, TLSv1.3, Cipher is {suite}" in said


@needs_openssl
@pytest.mark.req("V2G20-2388", "V2G20-1021")
def test_openssl_gets_the_staple_of_the_leaf(lab: Served) -> None:
    """Of the leaf only: a gap that docs/explanation/tls.md declares."""
    said = s_client(lab, *shows(lab), "-groups", "P-521", "-status")
    assert said.count("OCSP Response Status: successful") == 1
    assert "Cert Status: good" in said
    assert "with OCSP response" in lab.events(LinkEvent.SECURED)[-1]


@needs_openssl
def test_openssl_at_a_station_of_ed448(ed448: Served) -> None:
    said = s_client(ed448, *shows(ed448), "-groups", "X448")
    assert "Verify return code: 0 (ok)" in said
    assert "Peer signature type: ed448" in said
    assert "x448" in ed448.events(LinkEvent.SECURED)[-1]


@needs_openssl
@pytest.mark.req("V2G20-2401", "V2G20-2402")
def test_openssl_sees_the_names_of_the_accepted_roots(lab: Served) -> None:
    said = s_client(lab, *shows(lab), "-groups", "P-521")
    names = said.partition("Acceptable client certificate CA names")[2].splitlines()[1:3]
    assert [name.partition("CN = ")[2].split(",")[0] for name in names] == [
        "V2GRootCA Test",
        "OEMRootCA Test",
    ]


@needs_openssl
@pytest.mark.req("V2G20-2359", "V2G20-2064")
def test_openssl_with_tls12_gets_the_chain_of_iso2(lab: Served) -> None:
    said = s_client(lab, "-tls1_2", root=lab.folder / "v2g_root.pem")
    assert "New, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-SHA256" in said
    assert "Verify return code: 0 (ok)" in said
    assert "Acceptable client certificate CA names" not in said


@needs_openssl
@pytest.mark.req("V2G20-1007", "V2G20-2379")
def test_openssl_that_names_roots(lab: Served) -> None:
    own = lab.folder / "iso20"
    fits = s_client(lab, *shows(lab), "-groups", "P-521", "-requestCAfile", str(own / "v2g_root.pem"))
    assert "Verify return code: 0 (ok)" in fits
    other = s_client(lab, *shows(lab), "-groups", "P-521", "-requestCAfile", str(own / "mo_root.pem"))
    assert "alert handshake failure" in other
    assert "no chain under one of the 1 roots" in lab.events(LinkEvent.TLS_FAILED)[-1]


@needs_openssl
@pytest.mark.parametrize(
    ("arguments", "alert", "reason"),
    [
        (["-groups", "P-256"], "handshake failure", "no suitable key share"),
        (["-groups", "X25519"], "handshake failure", "no suitable key share"),
        (
            ["-groups", "P-521", "-ciphersuites", "TLS_AES_128_GCM_SHA256"],
            "handshake failure",
            "no shared cipher",
        ),
        (
            ["-groups", "P-521", "-sigalgs", "ecdsa_secp256r1_sha256"],
            "handshake failure",
            "no shared signature algorithms",
        ),
        (["-groups", "P-521", "-sigalgs", "ed448"], "handshake failure", "no suitable signature"),
    ],
)
def test_openssl_outside_the_profile_is_refused(
    lab: Served, arguments: list[str], alert: str, reason: str
) -> None:
    said = s_client(lab, *shows(lab), *arguments)
    assert f"alert {alert}" in said
    assert reason in lab.events(LinkEvent.TLS_FAILED)[-1]


@needs_openssl
@pytest.mark.req("V2G20-2400", "V2G20-2443", "V2G20-2342")
@pytest.mark.threat("T20-05")
@pytest.mark.parametrize(
    ("role", "alert"),
    [
        ("", "certificate required"),
        ("contract", "certificate unknown"),
        ("oem", "certificate unknown"),
        ("secc", "certificate unknown"),
        ("cps", "certificate unknown"),
    ],
)
def test_openssl_without_a_vehicle_certificate_gets_its_alert(lab: Served, role: str, alert: str) -> None:
    before = len(lab.events(LinkEvent.SECURED))
    said = s_client(lab, *(shows(lab, role) if role else []), "-groups", "P-521")
    assert f"alert {alert}" in said or "alert number 116" in said
    assert len(lab.events(LinkEvent.SECURED)) == before


@needs_openssl
def test_openssl_with_a_certificate_of_iso2_is_refused(lab: Served) -> None:
    before = len(lab.events(LinkEvent.SECURED))
    said = s_client(lab, *shows(lab, "oem", "."), "-groups", "P-521:P-256")
    assert "alert" in said
    assert len(lab.events(LinkEvent.SECURED)) == before


@needs_openssl
@pytest.mark.req("V2G20-2677")
def test_openssl_brings_a_ticket_back_in_vain(lab: Served) -> None:
    ticket = lab.folder / "ticket.pem"
    first = s_client(lab, *shows(lab), "-groups", "P-521", "-sess_out", str(ticket))
    assert "TLS session ticket lifetime hint: 1 (seconds)" in first
    assert "Max Early Data: 0" in first
    again = s_client(lab, *shows(lab), "-groups", "P-521", "-sess_in", str(ticket))
    assert "New, TLSv1.3" in again
    assert "Reused, TLSv1.3" not in again


@needs_openssl
def test_openssl_with_a_small_fragment_length(lab: Served) -> None:
    assert "Verify return code: 0 (ok)" in s_client(
        lab, *shows(lab), "-groups", "P-521", "-maxfraglen", "512"
    )


@needs_openssl
def test_the_laboratory_shakes_hands_with_p256(laboratory: Served) -> None:
    said = s_client(laboratory, *shows(laboratory, "oem", "."), "-groups", "P-256")
    assert "Verify return code: 0 (ok)" in said
    assert "(oem, " in laboratory.events(LinkEvent.SECURED)[-1]
    assert "INSECURE LABORATORY" in laboratory.events(LinkEvent.TLS_ALARM)[0]
    assert "INSECURE LABORATORY" in laboratory.station.health.warnings[0]


# --- GnuTLS ---------------------------------------------------------------------------------------------

_GNUTLS = (
    "NONE:+VERS-TLS1.3:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+SHA384:+SHA256:+SIGN-ALL:+CTYPE-X509:+COMP-NULL"
)


def gnutls(lab: Served, *groups: str, role: str = "vehicle") -> str:
    assert GNUTLS is not None
    own = lab.folder / "iso20"
    priority = ":".join([_GNUTLS, *(f"+GROUP-{group}" for group in groups)])
    command = [GNUTLS, "--priority", priority, "--no-ca-verification", "--disable-sni", "-p", str(lab.port)]
    if role:
        command += ["--x509certfile", str(own / f"{role}_chain.pem")]
        command += ["--x509keyfile", str(own / f"{role}_leaf_key.pem")]
    done = subprocess.run(
        [*command, "::1"], input="", capture_output=True, text=True, timeout=20, check=False, errors="replace"
    )
    lab.until_idle()
    return done.stdout + done.stderr


@needs_gnutls
@pytest.mark.parametrize("group", ["SECP521R1", "X448"])
def test_gnutls_shakes_hands(lab: Served, group: str) -> None:
    said = gnutls(lab, group)
    assert "Handshake was completed" in said
    assert f"(TLS1.3-X.509)-(ECDHE-{group})-(ECDSA-SECP521R1-SHA512)-(AES-256-GCM)" in said


@needs_gnutls
def test_gnutls_at_a_station_of_ed448(ed448: Served) -> None:
    assert "(EdDSA-Ed448)" in gnutls(ed448, "X448")


@needs_gnutls
@pytest.mark.parametrize("role", ["", "contract", "oem"])
def test_gnutls_without_a_vehicle_certificate_has_no_session(lab: Served, role: str) -> None:
    before = len(lab.events(LinkEvent.SECURED))
    gnutls(lab, "SECP521R1", role=role)
    assert len(lab.events(LinkEvent.SECURED)) == before
    assert len(lab.events(LinkEvent.TLS_FAILED)) > 0


# --- tlslite-ng -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["secp521r1", "x448"])
def test_tlslite_shakes_hands(lab: Served, group: str) -> None:
    api = pytest.importorskip("tlslite.api", reason="tlslite-ng is not installed (it is in the dev extra)")
    settings = api.HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 4)
    settings.eccCurves = settings.keyShares = [group]
    settings.cipherNames = ["aes256gcm"]
    # It compresses its certificate when its own hello, not the station's request, says that it may.
    settings.certificate_compression_send = []
    chain, own = api.X509CertChain(), lab.folder / "iso20"
    chain.parsePemList((own / "vehicle_chain.pem").read_text())
    key = api.parsePEMKey((own / "vehicle_leaf_key.pem").read_text(), private=True)
    with lab.connect() as connected:
        session = api.TLSConnection(connected)
        session.handshakeClientCert(chain, key, settings=settings)
        session.write(b"x")
        assert session.getVersionName() == "TLS 1.3"
        assert session.session.serverCertChain.x509List[0].certAlg == "ecdsa"
        session.close()
    lab.until_idle()
    assert group in lab.events(LinkEvent.SECURED)[-1]


# --- single records -------------------------------------------------------------------------------------


@pytest.mark.threat("T20-12")
def test_early_bytes_of_a_client_that_is_not_judged_yet_are_not_read(lab: Served) -> None:
    """A TLS 1.3 record of application data before any handshake."""
    with lab.connect() as connected:
        connected.sendall(b"\x17\x03\x03\x00\x10" + bytes(16))
        connected.settimeout(5)
        assert connected.recv(64)[:1] in (b"\x15", b"")
        connected.shutdown(socket.SHUT_RDWR)
    lab.until_idle()
