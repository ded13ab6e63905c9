"""`secc demo`: run station and EV in one command."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from secc.cli import main


def test_all_sessions_complete_within_the_performance_times() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "secc", "demo", "--loops", "5"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    completed = [line.split("completed")[0].strip() for line in lines if "completed" in line]
    assert completed == [
        "ISO 15118-2 AC",
        "ISO 15118-2 DC",
        "ISO 15118-2 AC, TLS",
        "ISO 15118-2 DC, TLS",
        "DIN SPEC 70121",
        "ISO 15118-20 DC",
        "ISO 15118-20 DC, both ways",
    ]
    assert done.stdout.count(" over TLS 1.3, ") == 2
    assert "MISSED" not in done.stdout
    assert "\x1b" not in done.stdout


def test_power_goes_both_ways_in_iso_15118_20(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--only", "iso20-both", "--loops", "12", "--plain-text"]) == 0
    text = capsys.readouterr().out
    assert " V -" in text  # current into the station
    assert " Wh back over TLS 1.3" in text


def test_one_of_them_is_shown_with_state_and_measurements(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--only", "ac", "--loops", "3"]) == 0
    text = capsys.readouterr().out
    assert "ChargingStatusRes" in text
    assert "WAIT_STATUS" in text
    assert "230.0 V" in text
    assert "session over: terminated by the EV" in text


def test_a_pace_is_kept_outside_the_dc_loop(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--only", "ac", "--loops", "2", "--minimum-pace", "0.1", "--quiet"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("SessionSetupRes"))
    assert float(row.split()[2]) >= 100.0


def test_a_pace_outside_its_range_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--minimum-pace", "7"]) == 2
    assert "timing.minimum_pace" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "secc", "demo", "--only", "ac", "--loops", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert demo.stderr.read() == ""
    assert demo.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_in_a_network_namespace_the_ev_finds_the_station_by_multicast() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "secc", "demo", "--netns", "--only", "dc-tls", "--loops", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 2 and "--netns" in done.stderr:
        pytest.skip(f"no network namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[fe80::" in done.stdout


def test_plug_and_charge_gives_one_car_its_contract_and_renews_another(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "offers.svg"
    words = ["demo", "--pnc", "--loops", "12", "--plain-text", "--offers", str(picture)]
    main(words)  # 0 or 1: the response times are not judged here
    text = capsys.readouterr().out
    assert "CertificateInstallationRes" in text
    assert "CertificateUpdateRes" in text
    assert "MeteringReceiptRes" in text
    assert text.count("completed") == 3
    assert text.count("MORootCA Demo ") == 3
    assert "not revoked" in text
    assert "signed meter receipts stored" in text
    assert "installed DEABC0000DEMO3Y, DEABC0000DEMO4V" in text
    assert "charged to DEABC0000DEMO3Y" in text
    assert "MeteringConfirmationRes" in text
    assert re.search(r"[1-9][0-9.]* Wh to the car, [0-9.]*[1-9][0-9]* Wh back with permission", text)
    assert "offered schedules 1: charging 0.39 EUR/kWh, 2 steps, discharging -0.25 EUR/kWh" in text
    assert re.search(r"by these prices the session has cost -?0\.[0-9]{4} EUR", text)
    assert re.search(r"the reading of the meter confirmed [1-9][0-9]* times, beside the loop", text)
    assert "schedule 1, discharging ✓: price, EUR/kWh" in picture.read_text("utf-8")
    session = (tmp_path / "offers-session.svg").read_text("utf-8")
    assert "0x8101 schedule renegotiation" in session
    assert "0x8102 metering confirmation" in session


def test_the_demonstration_with_a_central_system_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--ocpp", "--plain-text", "--loops", "5", "-q"]) == 0
    out = capsys.readouterr().out
    assert out.count("completed") == 2
    assert out.count("one transaction for DEABC0000DEMO1Z") == 2
