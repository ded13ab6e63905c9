"""secc doctor --controller."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from secc import load
from secc.cli import controller_check, main
from secc.station.ownership import OutletClaim
from secc.testing import ControllerReport, Observations, Owed, Rig

AC = "secc.sim:SimulatedAcEvse"
DC = "secc.sim:SimulatedDcEvse"
WRONG = "tests.support.wrong_outlets:NotANumber"


def rig(outlet: Any) -> Rig:
    return Rig(pilot=outlet.cable.set_pilot)


def no_rig(outlet: object) -> object:
    return outlet


class Kept:
    """In place of a run: what it was asked for."""

    def __init__(self, evidence: Observations | None = None) -> None:
        self.evidence = evidence or Observations(Owed())
        self.given: dict[str, Any] = {}

    async def __call__(self, controller: object, config: object, **given: Any) -> ControllerReport:
        self.given = given
        return ControllerReport.of(self.evidence)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    kept = Kept()
    monkeypatch.setattr(controller_check, "check_controller", kept)
    return kept


def test_a_good_outlet_without_power(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--controller", AC]) == 0
    out = capsys.readouterr().out
    assert "docs/how-to/controller.md#what-each-method-owes" in out
    assert "ok    make-safe " in out
    assert "-     lease-lapse" in out
    assert "Without power: add --energise for the rest." in out


def test_a_failed_row_is_exit_code_1_with_what_was_seen_and_where_it_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor", "--controller", WRONG]) == 1
    out = capsys.readouterr().out
    assert "FAIL  snapshot-values" in out
    assert "max_power is nan, expected None or a number" in out
    assert "1 failed" in out


def test_on_a_narrow_terminal_what_is_owed_is_shown_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["doctor", "--controller", WRONG]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any("owed: a station takes every value" in line for line in lines)
    assert max(len(line) for line in lines) <= 80


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--controller", DC, "--outlet", "dc", "--json", "--rig", f"{__name__}:rig"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["controller"] == DC
    assert found["kind"] == "dc"
    assert found["energised"] is False
    assert {one["state"] for one in found["rows"] if one["id"] == "changed"} == {"ok"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--controller", "nowhere"], "expected package.module:Class"),
        (["--controller", "nowhere:Outlet"], "No module named 'nowhere'"),
        (["--controller", "secc.sim:Nothing"], "has no attribute 'Nothing'"),
        (["--controller", AC, "--voltage", "900"], "--voltage 900: expected above 0 and at most 500"),
        (["--controller", AC, "--rig", f"{__name__}:no_rig"], "expected a secc.testing.Rig"),
        ([], "expected --config with the file of the station"),
    ],
)
def test_misuse_is_exit_code_2(options: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *options]) == 2
    assert text in capsys.readouterr().err


def test_a_configuration_with_both_kinds_needs_the_kind(
    tmp_path: Path, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "station.toml"
    file.write_text('[energy]\nmodes = ["AC_three_phase_core", "DC_extended"]\n')
    arguments = ["doctor", "--controller", AC, "--config", str(file)]
    assert main(arguments) == 2
    assert "add --outlet ac or --outlet dc" in capsys.readouterr().err
    main([*arguments, "--outlet", "dc", "--voltage", "150", "--energise"])
    assert kept.given["dc"] is True
    assert kept.given["voltage"] == 150.0
    assert kept.given["energise"] is True


@pytest.mark.parametrize(("answer", "allowed"), [("energise", True), ("yes", False), ("", False)])
def test_at_a_terminal_it_asks_before_it_switches_on(
    answer: str,
    allowed: bool,
    kept: Kept,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    main(["doctor", "--controller", DC, "--outlet", "dc"])
    assert kept.given["energise"] is allowed
    assert "up to 500 V" in capsys.readouterr().out


def test_hardware_that_a_running_station_has_is_left_alone(
    tmp_path: Path, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "station.toml"
    file.write_text('interface = "eth77"\n')
    with OutletClaim(load(str(file)), 15118):
        assert main(["doctor", "--controller", f"{__name__}:never_made", "--config", str(file)]) == 2
    assert "interface eth77 is in use" in capsys.readouterr().err


def never_made() -> object:
    raise AssertionError("the controller was made")


def test_without_a_terminal_it_does_not_switch_on(kept: Kept) -> None:
    main(["doctor", "--controller", AC])
    assert kept.given["energise"] is False


def test_an_output_that_may_be_on_is_the_last_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = Observations(Owed(), stopped="contactor closed after make_safe", unsafe="contactor closed")
    monkeypatch.setattr(controller_check, "check_controller", Kept(evidence))
    assert main(["doctor", "--controller", AC]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "THE OUTPUT MAY BE ON, disconnect the supply: contactor closed"


@pytest.mark.parametrize(
    ("unsafe", "text"), [("", "the output is off"), ("contactor closed", "THE OUTPUT MAY BE ON")]
)
def test_a_signal_ends_it_and_says_how_the_output_is(
    unsafe: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def interrupted(*given: object, **options: object) -> ControllerReport:
        raise asyncio.CancelledError(unsafe)

    monkeypatch.setattr(controller_check, "check_controller", interrupted)
    assert main(["doctor", "--controller", AC]) == 1
    assert text in capsys.readouterr().err
