"""`secc ev`: against a station in another process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from secc.cli import main
from tests.support.serving import serving
from tests.support.tls13 import OLD, PKI20

QUICK = ["--pace", "0.02", "--loops", "3", "--patience", "8"]


def test_an_absent_station_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ev", "--host", "::1", "--port", "9", "--ac"]) == 1
    assert "failed" in capsys.readouterr().out


def test_an_unknown_interface_is_a_no_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ev", "--interface", "nosuch0"]) == 1
    assert "nosuch0" in capsys.readouterr().out


def test_a_host_without_a_port_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ev", "--host", "::1"]) == 2
    assert "expected --host and --port together" in capsys.readouterr().err


def test_a_state_of_charge_outside_its_range_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ev", "--soc", "120"]) == 2
    assert "--soc 120" in capsys.readouterr().err


def test_a_session_is_shown_message_by_message_and_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    with serving("--sim", "ac") as (_, port):
        assert main(["ev", "--host", "::1", "--port", str(port), "--ac", *QUICK]) == 0
    text = capsys.readouterr().out
    assert text.count("  ChargingStatusReq ") == 3
    assert "PowerDeliveryRes" in text
    assert "charged" in text


def test_a_car_that_speaks_din(capsys: pytest.CaptureFixture[str]) -> None:
    with serving("--sim", "dc") as (_, port):
        command = ["ev", "--host", "::1", "--port", str(port), "--protocol", "din70121"]
        assert main([*command, *QUICK]) == 0
    text = capsys.readouterr().out
    assert text.count("  CurrentDemandReq ") == 3
    assert "ContractAuthenticationReq" in text
    assert "charged" in text


@pytest.mark.parametrize("more", ["--ac", "--tls", "--pause"])
def test_what_din_does_not_have_is_misuse(more: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ev", "--protocol", "din70121", more]) == 2
    assert "only DC, without TLS" in capsys.readouterr().err


def test_a_session_as_json_by_a_separate_process() -> None:
    with serving("--sim", "dc") as (_, port):
        command = [sys.executable, "-m", "secc", "ev", "--host", "::1", "--port", str(port), "--dc", "--json"]
        done = subprocess.run([*command, *QUICK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *exchanges, result = [json.loads(line) for line in done.stdout.splitlines()]
    assert exchanges[0]["request"] == "SupportedAppProtocolReq"
    assert exchanges[-1]["response"] == "SessionStopRes"
    assert result["completed"] is True
    assert result["messages"] == len(exchanges)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--mode", "DC_core"], "--service is of ISO 15118-20"),
        (["--install", "2"], "--install and --prefer need --wallet"),
        (["--wallet", "lab", "--install", "200"], "expected 0 to 127"),
        (["--wallet", "lab"], "lab/oem_chain.pem"),
        (["--mobility-needs", "2"], "--mobility-needs 2 needs --dynamic"),
        (["--session-id", "1234"], "16 hexadecimal digits"),
        (["--phase-currents", "16,16,10"], "--phase-currents is for AC with three phases"),
        (["--ac", "--phases", "1", "--phase-currents", "1,2,3"], "--phase-currents is for AC with three"),
        (["--service", "DC_BPT", "--dynamic", "--offer-fee", "0.1"], "--offer-fee is for Scheduled mode"),
        (["--offer-fee", "0.1"], "--offer-fee is for Scheduled mode"),
        (["--min-soc", "36"], "--min-soc 36: expected 0 to --soc, 35"),
        (["--misbehave", "wrong-car"], "--misbehave in ISO 15118-20 is one of: wrong-session-id"),
        (["--misbehave", "wrong-key"], "--misbehave in ISO 15118-20 is one of: wrong-session-id"),
        (["--contract", "none.pem"], "--contract none.pem: no such file"),
    ],
)
def test_what_iso_15118_20_does_not_have_is_misuse(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ev", "--protocol", "iso20", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_misbehaviour_of_a_wallet_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ev", "--misbehave", "wrong-set"]) == 2
    assert "need --wallet" in capsys.readouterr().err


@pytest.mark.parametrize("protocol", ["iso20", "iso15118-20"])
def test_a_station_without_iso_15118_20_is_a_no(protocol: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving("--sim", "dc") as (_, port):
        arguments = ["--host", "::1", "--port", str(port), "--protocol", protocol, "--service", "DC_BPT"]
        assert main(["ev", *arguments, *QUICK]) == 1
    assert "no common protocol" in capsys.readouterr().out


def iso20_site(folder: Path) -> Path:
    """The file of a station that knows one contract, over TLS 1.3."""
    assert main(["pnc", "init", str(folder / "site.db")]) == 0
    assert main(["pnc", "add", str(folder / "site.db"), "DEABC000000001G"]) == 0
    path = folder / "station.toml"
    path.write_text(
        f"""
protocols = ["iso15118-2", "iso15118-20"]
service.payment_options = ["Contract"]
energy.modes = ["DC_extended"]
pnc.revocation = "prefer"
pnc.site.store = "{folder / "site.db"}"
tls.policy = "required"
tls.certificate_chain = "{OLD / "secc_chain.pem"}"
tls.private_key = "{OLD / "secc_leaf_key.pem"}"
iso20.tls.certificate_chain = "{PKI20 / "secc_chain.pem"}"
iso20.tls.private_key = "{PKI20 / "secc_leaf_key.pem"}"
trust.v2g_roots = ["{PKI20 / "v2g_root.pem"}"]
trust.mo_roots = ["{PKI20 / "mo_root.pem"}"]
trust.oem_roots = ["{PKI20 / "oem_root.pem"}"]
"""
    )
    return path


def test_an_ev_of_iso_15118_20_pays_by_contract_at_a_station_of_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = iso20_site(tmp_path)
    ev = ["ev", "--host", "::1", "--protocol", "iso20", "--tls", "--roots", str(PKI20 / "v2g_root.pem")]
    ev += ["--vehicle", str(PKI20 / "vehicle_chain.pem"), "--contract", str(PKI20 / "contract_chain.pem")]
    with serving("--sim", "dc", "--config", str(settings), security="TLS") as (_, port):
        assert main([*ev, "--port", str(port), *QUICK]) == 0
        assert "charged" in capsys.readouterr().out
        assert (
            main([*ev, "--port", str(port), "--misbehave", "wrong-challenge", *QUICK]) == 0
        )  # ended in order
        assert "WARNING_ChallengeInvalid" in capsys.readouterr().out


def site_of_both(folder: Path) -> Path:
    """A site with keys of both generations from `secc pki new`; a car that has two contracts."""
    lab, store = folder / "lab", str(folder / "site.db")
    assert main(["pki", "new", str(lab)]) == 0
    assert main(["pnc", "init", store]) == 0
    for emaid in ("DEABC000000001G", "DEABC000000002E"):
        assert main(["pnc", "add", store, emaid]) == 0
        car = [str(lab / "iso20" / "oem_chain.pem"), "--root", str(lab / "iso20" / "oem_root.pem")]
        assert main(["pnc", "import", store, *car, "--emaid", emaid, "--also"]) == 0
    (folder / "station.toml").write_text(
        """
protocols = ["iso15118-2", "iso15118-20"]
service.payment_options = ["Contract"]
energy.modes = ["AC_three_phase_core"]
pnc.revocation = "prefer"
tls.policy = "required"
tls.certificate_chain = "lab/secc_chain.pem"
tls.private_key = "lab/secc_leaf_key.pem"
iso20.tls.certificate_chain = "lab/iso20/secc_chain.pem"
iso20.tls.private_key = "lab/iso20/secc_leaf_key.pem"
trust.v2g_roots = ["lab/v2g_root.pem", "lab/iso20/v2g_root.pem"]
trust.mo_roots = ["lab/mo_root.pem", "lab/iso20/mo_root.pem"]
trust.oem_roots = ["lab/oem_root.pem", "lab/iso20/oem_root.pem"]

[pnc.site]
store = "site.db"
mo_chain = "lab/contract_chain.pem"
mo_key = "lab/mo_sub_ca_2_key.pem"
cps_chain = "lab/cps_chain.pem"
cps_key = "lab/cps_leaf_key.pem"

[pnc.site.iso20]
mo_chain = "lab/iso20/contract_chain.pem"
mo_key = "lab/iso20/mo_sub_ca_2_key.pem"
cps_chain = "lab/iso20/cps_chain.pem"
cps_key = "lab/iso20/cps_leaf_key.pem"
"""
    )
    return folder / "station.toml"


def test_an_ev_installs_contracts_and_keeps_them_for_the_next_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, lab = site_of_both(tmp_path), tmp_path / "lab"
    ev = ["ev", "--host", "::1", "--protocol", "iso20", "--ac", "--tls", "--wallet", str(lab)]
    ev += ["--roots", str(lab / "iso20" / "v2g_root.pem")]
    with serving("--sim", "ac", "--config", str(settings), security="TLS") as (_, port):
        assert main([*ev, "--port", str(port), "--install", "2", "--prefer", "DEABC000000002E", *QUICK]) == 0
        assert "CertificateInstallationReq" in capsys.readouterr().out
        assert main([*ev, "--port", str(port), *QUICK]) == 0
        again = capsys.readouterr().out
    assert "CertificateInstallationReq" not in again
    assert "charged" in again
    kept = sorted(path.name for path in (lab / "iso20").glob("car_contract_*"))
    assert [name for name in kept if "key" not in name] == [
        "car_contract_DEABC000000001G.pem",
        "car_contract_DEABC000000002E.pem",
    ]
    assert main(["pnc", "list", str(tmp_path / "site.db")]) == 0
    assert capsys.readouterr().out.count("iso15118-20 until") == 2
