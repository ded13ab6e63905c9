"""secc doctor."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from secc.cli import doctor, main
from secc.sim import PowerLine, SimulatedPlc
from secc.sim.certificates import make_throwaway_pki


def findings(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    """Exit code, and the grade by what was looked at."""
    (tmp_path / "station.toml").write_text(text)
    code = main(["doctor", "--config", str(tmp_path / "station.toml"), "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return code, {row["what"]: row["grade"] for row in rows}


def test_a_good_station_has_nothing_in_its_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pki = make_throwaway_pki(tmp_path)
    text = f'interface = "lo"\n[tls]\npolicy = "required"\ncertificate_chain = "{pki.chain}"\n'
    code, grades = findings(tmp_path, text + f'private_key = "{pki.key}"\n', capsys)
    assert code == 0
    assert grades["interface"] == grades["IPv6"] == grades["multicast"] == "ok"
    assert grades["modem"] == "note"
    assert grades["certificates"] in ("ok", "note")


def test_a_missing_interface_is_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, grades = findings(tmp_path, 'interface = "nosuch0"\n', capsys)
    assert code == 1
    assert grades["interface"] == "bad"


def test_a_modem_that_does_not_answer_is_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, grades = findings(tmp_path, 'interface = "lo"\n[slac]\nenabled = true\n', capsys)
    assert code == 1
    assert grades["modem"] == "bad"


def test_a_modem_that_answers_is_shown_with_its_firmware(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = PowerLine()
    modem_mac = bytes.fromhex("0200000000aa")
    monkeypatch.setattr(doctor, "RawModem", lambda name: SimulatedPlc(line, b"\x02\0\0\0\0\xc1", modem_mac))
    monkeypatch.setattr(doctor, "_MODEM_TIME", 0.2)
    (tmp_path / "station.toml").write_text('interface = "lo"\n[slac]\nenabled = true\n')
    main(["doctor", "--config", str(tmp_path / "station.toml")])
    text = capsys.readouterr().out
    assert "02:00:00:00:00:aa, qualcomm, QCA7000 SIMULATED-QCA7000-1.0" in text
    assert "the modem takes a network key" in text


def test_a_taken_port_is_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as taken:
        taken.bind(("::", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, grades = findings(tmp_path, f'interface = "lo"\n[network]\ntcp_port = {port}\n', capsys)
    assert code == 1
    assert grades["port"] == "bad"


def test_certificates_that_cannot_be_read_are_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        'interface = "lo"\n[tls]\npolicy = "required"\ncertificate_chain = "a.pem"\nprivate_key = "b.pem"\n'
    )
    code, grades = findings(tmp_path, text, capsys)
    assert code == 1
    assert grades["certificates"] == "bad"


def test_a_file_that_is_no_configuration_is_misuse(tmp_path: Path) -> None:
    assert main(["doctor", "--config", str(tmp_path / "missing.toml")]) == 2
