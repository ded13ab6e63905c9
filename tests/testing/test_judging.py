"""What is judged from evidence, without a run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from secc import testing
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.settings import DcConfig, EnergyConfig, SeccConfig
from secc.testing import (
    ROWS,
    Call,
    ControllerReport,
    Exercise,
    Observations,
    Owed,
    RowState,
    Sample,
    as_dict,
    judge,
)
from secc.testing.passive import problem_of
from secc.testing.rows import GUIDE, row

ROOT = Path(__file__).resolve().parents[2]


def shown(at: float, closed: bool) -> Sample:
    return Sample(at, 0.0001, EvseSnapshot(control_pilot=ControlPilot.C, contactor_closed=closed))


def switch(*, renewal: float = 0.2, held_up: float = 0.0) -> Exercise:
    """Closed from 0.1 to 1.5 s, then opened."""
    samples = [shown(0.01 * step, 10 <= step < 150) for step in range(200)]
    close = Call("close_contactor", (), 0.05, 0.1, True, longest_step=held_up, after=shown(0.1, True))
    opened = Call("open_contactor", (), 1.5, 1.5, True, after=shown(1.5, False))
    leases = [(renewal * step, 0.00001) for step in range(int(2 / renewal))]
    marks = {"held from": 0.2, "held until": 1.4, "off called": 1.5}
    return Exercise("switch", [close, opened], samples, leases, marks=marks)


def states(exercise: Exercise) -> dict[str, RowState]:
    rest = Exercise("rest", [Call("make_safe", (), 0.0, 0.0)], [shown(0.0, False)])
    evidence = Observations(
        Owed(), exercises={"rest": rest, "switch": exercise}, energised=True, stopped="test"
    )
    return {one.row.id: one.state for one in judge(evidence)}


def test_a_good_stretch_is_good() -> None:
    found = states(switch())
    assert found["close"] is found["open"] is found["open-stays"] is found["lease-keeps"] is RowState.OK
    assert found["lease-lapse"] is RowState.NOT_TRIED


def test_a_lease_that_the_run_itself_renews_late_gives_no_verdict() -> None:
    assert states(switch(renewal=0.6))["lease-keeps"] is RowState.NOT_TRIED


def test_a_loop_that_the_driver_holds_up_gives_a_verdict_about_that_only() -> None:
    found = states(switch(held_up=0.4))
    assert found["blocking"] is RowState.FAILED
    assert found["close"] is found["lease-keeps"] is RowState.NOT_TRIED


def test_a_row_is_not_tried_when_what_it_stands_on_has_failed() -> None:
    opens = switch()
    opens.calls[1].result = False
    found = states(opens)
    assert found["open"] is RowState.FAILED
    assert found["open-stays"] is RowState.NOT_TRIED


def test_a_snapshot_is_judged_as_the_station_judges_it() -> None:
    wrong = EvseSnapshot(control_pilot=ControlPilot.B, contactor_closed=1)  # type: ignore[arg-type]
    assert problem_of(wrong) == "contactor_closed is 1, expected None or True or False"
    assert problem_of(EvseSnapshot(control_pilot=ControlPilot.B)) == ""


def test_the_set_point_of_the_test_is_above_the_safe_voltage_and_within_the_limits() -> None:
    for low, high in ((150.0, 500.0), (0.0, 100.0), (300.0, 1000.0)):
        config = SeccConfig(energy=EnergyConfig(dc=DcConfig(min_voltage=low, max_voltage=high)))
        owed = Owed.of(config, dc=True)
        assert low <= owed.voltage <= high
        assert owed.voltage > owed.safe_voltage


def test_every_row_refers_to_a_heading_of_the_guide() -> None:
    headings = re.findall(r"^#+ (.*)$", (ROOT / GUIDE).read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w\s-]", "", text).strip().lower().replace(" ", "-") for text in headings}
    assert {one.anchor for one in ROWS} <= anchors


def test_rows_stand_on_rows_that_are_there() -> None:
    assert all(row(id) for one in ROWS for id in one.after)
    assert len({one.id for one in ROWS}) == len(ROWS)


def test_figures_stand_in_what_is_owed() -> None:
    assert row("close-time").owes(Owed(contactor=2.0)) == "returns within 2.0 s"
    assert row("off").owes(Owed()) == "(0, 0): below 60 V within 1.0 s"
    assert all("{" not in one.owes(Owed()) for one in ROWS)


def test_the_report_is_json_with_a_reference_for_each_row() -> None:
    report = ControllerReport.of(Observations(Owed(), refused="controller: Outlet has no make_safe"))
    found = json.loads(json.dumps(as_dict(report)))
    assert found["good"] is False
    assert found["rows"][0] == {
        "id": "methods",
        "section": "methods",
        "state": "failed",
        "seen": "Outlet has no make_safe",
        "owed": "a station takes the controller",
        "reference": f"{GUIDE}#what-each-method-owes",
    }


def test_every_public_name_is_there() -> None:
    assert all(getattr(testing, name) is not None for name in testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        testing.__getattr__("nothing")
