"""`secc serve`: what it refuses to start with, and a process that serves and stops."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from secc.cli import main
from tests.support.serving import serving


def test_no_interface_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--sim", "dc"]) == 2
    assert "--interface" in capsys.readouterr().err


def test_an_interface_that_does_not_exist_is_named_with_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serve", "--sim", "dc", "--interface", "nosuch0"]) == 2
    text = capsys.readouterr().err
    assert "interface: there is no nosuch0; found " in text
    assert "lo" in text


def test_a_wrong_key_in_the_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "station.toml").write_text("[timing]\nsequense = 60.0\n")
    assert main(["serve", "--config", str(tmp_path / "station.toml")]) == 2
    assert "timing.sequense is not a setting" in capsys.readouterr().err


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--config", "no-such.toml"]) == 2
    assert "no-such.toml" in capsys.readouterr().err


def test_sim_and_controller_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "-i", "lo", "--sim", "ac", "--controller", "a:B"]) == 2
    assert "exclude" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("no_colon", "expected package.module:Class"),
        ("no_such_module:Outlet", "No module named 'no_such_module'"),
        ("secc.ports:NoSuchClass", "NoSuchClass"),
        ("secc.settings:load", "called without arguments"),
    ],
)
def test_a_controller_that_cannot_be_made_is_misuse(
    name: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "-i", "lo", "--controller", name]) == 2
    assert complaint in capsys.readouterr().err


def test_modes_of_both_kinds_need_a_decision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "station.toml").write_text('[energy]\nmodes = ["AC_three_phase_core", "DC_extended"]\n')
    assert main(["serve", "-i", "lo", "--config", str(tmp_path / "station.toml")]) == 2
    assert "add --sim ac or dc" in capsys.readouterr().err


def test_tls_without_its_files_is_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "station.toml").write_text(
        '[tls]\npolicy = "required"\ncertificate_chain = "chain.pem"\nprivate_key = "key.pem"\n'
    )
    assert main(["serve", "-i", "lo", "--config", str(tmp_path / "station.toml")]) == 2
    assert "chain.pem" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_served_station_charges_an_ev_stays_small_and_stops_on_a_signal(number: signal.Signals) -> None:
    with serving("--sim", "dc") as (process, port):
        ev = ["ev", "--host", "::1", "--port", str(port), "--dc", "--loops", "5", "--pace", "0.02", "-q"]
        assert main([*ev, "--patience", "8"]) == 0
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = int(status.split("VmRSS:")[1].split()[0])  # kB
        process.send_signal(number)
        out, _ = process.communicate(timeout=10.0)
    assert process.returncode == 0
    assert "is over: terminated by the EV" in out
    assert out.splitlines()[-1].endswith("stopped")
    assert resident < 64 * 1024


def test_a_signal_in_mid_charge_switches_off_first() -> None:
    with serving("--sim", "ac") as (process, port):
        ev = [sys.executable, "-m", "secc", "ev", "--host", "::1", "--port", str(port), "--ac"]
        charging = subprocess.Popen([*ev, "--loops", "1000"], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if "ChargingStatusRes" in line:
                break
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10.0)
        charging.communicate(timeout=10.0)
    assert process.returncode == 0
    assert charging.returncode == 1
    lines = [line.split(" ", 1)[1].strip() for line in out.splitlines()]
    over = next(number for number, line in enumerate(lines) if "is over" in line)
    assert lines[over - 1] == "OpenContactor"
    assert "link lost, the station stops" in lines[over]


def test_a_custom_controller_and_back_end_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "from secc.sim import SimulatedAcEvse, SimulatedBackend\n"
        "class Outlet(SimulatedAcEvse):\n"
        "    def snapshot(self):\n"
        "        return super().snapshot()\n"
        "def backend():\n"
        "    return SimulatedBackend(grant=False)\n"
    )
    monkeypatch.chdir(tmp_path)
    with serving("--controller", "mine:Outlet", "--backend", "mine:backend") as (_, port):
        ev = ["ev", "--host", "::1", "--port", str(port), "--ac", "--pace", "0.02", "-q", "--patience", "8"]
        assert main(ev) == 1
