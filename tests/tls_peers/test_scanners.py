"""Two scanners that look for weaknesses find one suite, one curve, one version, and nothing to report."""

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tls_peers.lab import Lab, serving

SSLSCAN = shutil.which("sslscan")
SSLYZE_HOME = Path(__file__).parents[2] / ".venv-sslyze" / "bin" / "sslyze"
SSLYZE = str(SSLYZE_HOME) if os.access(SSLYZE_HOME, os.X_OK) else shutil.which("sslyze")

needs_sslscan = pytest.mark.skipif(SSLSCAN is None, reason="sslscan is not installed (a package of Debian)")
needs_sslyze = pytest.mark.skipif(SSLYZE is None, reason="sslyze is not installed (`make scanner` does it)")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with serving(tmp_path_factory.mktemp("lab"), stapling=True, max_pending=64) as made:
        yield made


@needs_sslscan
def test_sslscan_finds_the_profile_and_nothing_else(lab: Lab) -> None:
    done = subprocess.run(
        [str(SSLSCAN), "--xml=-", "--no-colour", lab.address],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    found = ElementTree.fromstring(done.stdout)
    protocols = {f"{p.get('type')} {p.get('version')}": p.get("enabled") for p in found.iter("protocol")}
    assert {name for name, enabled in protocols.items() if enabled == "1"} == {"tls 1.2"}
    assert len(protocols) == 6
    ciphers = [(c.get("sslversion"), c.get("cipher"), c.get("curve")) for c in found.iter("cipher")]
    assert ciphers == [("TLSv1.2", "ECDHE-ECDSA-AES128-SHA256", "P-256")]
    assert [g.get("name") for g in found.iter("group")] == ["secp256r1 (NIST P-256)"]
    assert [r.get("supported") for r in found.iter("renegotiation")] == ["0"]
    assert {h.get("vulnerable") for h in found.iter("heartbleed")} == {"0"}


@pytest.fixture(scope="module")
def scan(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What sslyze found, by its names."""
    report = tmp_path_factory.mktemp("sslyze") / "report.json"
    wanted = "sslv2 sslv3 tlsv1 tlsv1_1 tlsv1_2 tlsv1_3 elliptic_curves heartbleed openssl_ccs reneg robot"
    wanted += " compression fallback resum certinfo early_data ems"
    options = [f"--{name}" for name in wanted.split()]
    subprocess.run(
        [str(SSLYZE), f"--json_out={report}", *options, lab.address],
        capture_output=True,
        timeout=50,
        check=True,
    )
    server = json.loads(report.read_text())["server_scan_results"][0]
    assert server["scan_status"] == "COMPLETED"
    return {name: value["result"] for name, value in server["scan_result"].items() if value["result"]}


@needs_sslyze
def test_sslyze_finds_one_suite_in_one_version(scan: dict[str, Any]) -> None:
    accepted = {}
    for version in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2", "tls_1_3"):
        suites = scan[f"{version}_cipher_suites"]["accepted_cipher_suites"]
        accepted[version] = [suite["cipher_suite"]["name"] for suite in suites]
    assert accepted == {
        "ssl_2_0": [],
        "ssl_3_0": [],
        "tls_1_0": [],
        "tls_1_1": [],
        "tls_1_2": ["TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"],
        "tls_1_3": [],
    }


@needs_sslyze
def test_sslyze_finds_one_curve(scan: dict[str, Any]) -> None:
    assert [curve["name"] for curve in scan["elliptic_curves"]["supported_curves"]] == ["secp256r1"]


@needs_sslyze
def test_sslyze_finds_no_known_weakness(scan: dict[str, Any]) -> None:
    assert scan["heartbleed"]["is_vulnerable_to_heartbleed"] is False
    assert scan["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"] is False
    assert scan["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"] is False
    assert scan["session_renegotiation"]["supports_secure_renegotiation"] is True
    assert scan["robot"]["robot_result"] == "NOT_VULNERABLE_RSA_NOT_SUPPORTED"
    assert scan["tls_compression"]["supports_compression"] is False
    assert scan["tls_fallback_scsv"]["supports_fallback_scsv"] is True
    assert scan["tls_1_3_early_data"]["supports_early_data"] is False
    assert scan["tls_extended_master_secret"]["supports_ems_extension"] is True
    assert scan["session_resumption"]["session_id_resumption_result"] == "NOT_SUPPORTED"
    assert scan["session_resumption"]["tls_ticket_resumption_result"] == "NOT_SUPPORTED"


@needs_sslyze
def test_sslyze_sees_three_certificates_in_order_and_the_staple(scan: dict[str, Any]) -> None:
    (deployed,) = scan["certificate_info"]["certificate_deployments"]
    names = [one["subject"]["attributes"][0]["value"] for one in deployed["received_certificate_chain"]]
    assert names == ["DEABCSTEST", "CPO Sub-CA 2", "CPO Sub-CA 1"]
    assert deployed["received_chain_has_valid_order"] is True
    assert deployed["ocsp_response"]["certificate_status"] == "GOOD"
