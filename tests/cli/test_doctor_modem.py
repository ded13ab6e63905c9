"""secc doctor and the modem: each wrong state is named, with what to do about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from secc.cli import doctor, doctor_modem, main
from secc.errors import LinkError
from secc.sim import PowerLine, SimulatedPlc
from secc.slac.parameters import SlacRole
from tests.support.captured_modem import CapturedModem, Lumissil, Qualcomm
from tests.support.messages import ROOT

SLAC = 'interface = "lo"\n[slac]\nenabled = true\n'


@pytest.fixture(autouse=True)
def any_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SDP_PORT", 0)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> SimulatedPlc:
    """A modem on any interface that the doctor checks."""
    plc = SimulatedPlc(PowerLine(), b"\x02\0\0\0\0\xc1", bytes.fromhex("0200000000aa"))
    monkeypatch.setattr(doctor_modem, "RawModem", lambda name: plc)
    monkeypatch.setattr(doctor_modem, "MODEM_TIME", 0.2)
    return plc


Findings = Callable[..., tuple[int, dict[str, dict[str, str]]]]


@pytest.fixture
def findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Findings:
    """Run the doctor; returns its exit code and the findings by what was checked."""

    def look(text: str = SLAC) -> tuple[int, dict[str, dict[str, str]]]:
        (tmp_path / "station.toml").write_text(text)
        code = main(["doctor", "--config", str(tmp_path / "station.toml"), "--json"])
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return code, {row["what"]: row for row in rows}

    return look


def test_a_modem_that_answers_is_shown_with_its_firmware(simulated: SimulatedPlc, findings: Findings) -> None:
    code, found = findings()
    assert code == 0
    assert found["modem"]["text"] == "02:00:00:00:00:aa, qualcomm, QCA7000 SIMULATED-QCA7000-1.0"
    assert found["role"]["text"] == "configured for a station, always coordinator"
    assert found["key"]["text"] == "the modem accepts a network key"
    assert "link status" not in found


def test_a_modem_that_does_not_take_its_key_as_configured_is_bad(
    simulated: SimulatedPlc, findings: Findings
) -> None:
    code, found = findings(SLAC + 'set_key_result = "0"\n')
    assert code == 1
    assert (found["modem"]["grade"], found["key"]["grade"]) == ("ok", "bad")


def test_a_modem_of_an_unknown_maker_is_good_but_its_link_is_only_assumed(
    simulated: SimulatedPlc, findings: Findings
) -> None:
    simulated.modem.nameless = True
    _, found = findings()
    grades = [found[what]["grade"] for what in ("modem", "link status", "key")]
    assert grades == ["ok", "note", "ok"]


@pytest.mark.parametrize("wanted", ["required", "off"])
def test_the_doctor_knows_whether_the_link_status_is_needed(
    wanted: str, simulated: SimulatedPlc, findings: Findings
) -> None:
    simulated.modem.nameless = True
    code, found = findings(SLAC + f'link_status = "{wanted}"\n')
    assert (code, "link status" in found) == ((1, True) if wanted == "required" else (0, False))


def test_a_second_modem_on_the_interface_is_bad(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    modem = Qualcomm()
    answers = modem._answers

    def twice(data: bytes) -> list[bytes]:
        found = answers(data)
        return found + [one[:6] + bytes.fromhex("0200000000ab") + one[12:] for one in found]

    monkeypatch.setattr(modem, "_answers", twice)
    monkeypatch.setattr(doctor_modem, "RawModem", lambda name: modem)
    monkeypatch.setattr(doctor_modem, "MODEM_TIME", 0.2)
    code, found = findings()
    assert (code, found["modem"]["grade"]) == (1, "bad")
    assert "02:00:00:00:00:aa, 02:00:00:00:00:ab" in found["modem"]["text"]


@pytest.mark.parametrize("role", [SlacRole.EV, SlacRole.OFF])
def test_a_modem_in_another_role_is_bad(role: SlacRole, simulated: SimulatedPlc, findings: Findings) -> None:
    simulated.modem.role = role
    code, found = findings()
    assert (code, found["role"]["grade"]) == (1, "bad")


def test_a_silent_modem_is_bad(simulated: SimulatedPlc, findings: Findings) -> None:
    simulated.modem.silent = True
    code, found = findings()
    assert (code, found["modem"]["grade"]) == (1, "bad")


def test_nothing_on_the_interface_is_bad(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_modem, "MODEM_TIME", 0.2)
    code, found = findings()
    assert (code, found["modem"]["grade"]) == (1, "bad")


@pytest.mark.parametrize(("capabilities", "advice"), [("0", "CAP_NET_RAW"), ("2000", ""), ("?", "")])
def test_without_the_privilege_for_packet_sockets_the_modem_is_bad(
    capabilities: str,
    advice: str,
    simulated: SimulatedPlc,
    findings: Findings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def refuse() -> bytes:
        raise LinkError("packet socket on lo: Operation not permitted")

    monkeypatch.setattr(simulated, "open", refuse)
    (tmp_path / "status").write_text(f"Name:\tsecc\nCapEff:\t{capabilities}\nSeccomp:\t0\n")
    monkeypatch.setattr(doctor_modem, "STATUS", tmp_path / "status")
    code, found = findings()
    assert (code, found["modem"]["grade"]) == (1, "bad")
    assert advice in found["modem"]["advice"]


# --- driver and interface -----------------------------------------------------------------------------------


def test_driver_and_random_address_of_an_interface_are_shown(
    simulated: SimulatedPlc, findings: Findings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "drivers" / "qca_spi").mkdir(parents=True)
    (tmp_path / "lo" / "device").mkdir(parents=True)
    (tmp_path / "lo" / "device" / "driver").symlink_to(tmp_path / "drivers" / "qca_spi")
    (tmp_path / "lo" / "addr_assign_type").write_text("1\n")
    monkeypatch.setattr(doctor_modem, "INTERFACES", tmp_path)
    _, found = findings()
    assert found["driver"]["text"] == "qca_spi"
    assert found["address"]["grade"] == "note"


@pytest.mark.parametrize(
    ("bound", "words"), [(False, "has no driver: modprobe qca_spi"), (True, "a wrong signature means wiring")]
)
def test_a_missing_interface_of_a_modem_on_spi_is_explained(
    bound: bool, words: str, findings: Findings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "spi" / "spi0.0").mkdir(parents=True)
    (tmp_path / "spi" / "spi0.0" / "modalias").write_text("spi:qca7000\n")
    if bound:
        (tmp_path / "spi" / "spi0.0" / "driver").mkdir()
    monkeypatch.setattr(doctor_modem, "SPI_DEVICES", tmp_path / "spi")
    _, found = findings('interface = "plc0"\n')
    assert found["interface"]["grade"] == "bad"
    assert words in found["interface"]["advice"]


# --- the page -----------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "how-to" / "modems.md").read_text()

STATES: dict[str, tuple[CapturedModem, str]] = {
    "A modem that is ready": (Qualcomm(), ""),
    "No firmware": (Qualcomm(firmware="BootLoader", boot_loader=True), ""),
    "The modem of an EV": (Qualcomm(role=1, cco=1), ""),
    "A chip for networks in homes": (Qualcomm(hardware="QCA7420", firmware="MAC-QCA7420-1.4.0", role=0), ""),
    "A key that is refused": (Qualcomm(key_result=0), ""),
    "A key that is not confirmed": (Qualcomm(key_result=None), ""),
    "A modem that does not report its link": (Qualcomm(answers_link=False), ""),
    "A required link status that does not come": (
        Qualcomm(answers_link=False),
        'link_status = "required"\n',
    ),
    "A Lumissil modem": (Lumissil(), ""),
}


@pytest.mark.parametrize("title", STATES)
def test_the_page_shows_what_the_doctor_prints(
    title: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    modem, settings = STATES[title]
    monkeypatch.setattr(doctor_modem, "RawModem", lambda name: modem)
    monkeypatch.setattr(doctor_modem, "MODEM_TIME", 0.2)
    (tmp_path / "station.toml").write_text(SLAC + settings)
    main(["doctor", "--config", str(tmp_path / "station.toml")])
    printed = capsys.readouterr().out
    begin = next(at for at, line in enumerate(printed.splitlines()) if " modem " in line)
    end = next(at for at, line in enumerate(printed.splitlines()) if " port " in line)
    block = "\n".join(printed.splitlines()[begin:end])
    assert f"### {title}\n" in PAGE
    assert block in PAGE, f"### {title}\n{block}"
