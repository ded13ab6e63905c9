"""Each wrong driver fails for its own reason and for no other; drivers that keep the contract pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secc.settings import SeccConfig, TimingConfig
from secc.testing import ROWS, ControllerReport, Rig, RowState, check_controller
from tests.support.fasttime import play_fast
from tests.support.outlets import AcOutlet, DcOutlet
from tests.support.wrong_dc_outlets import CheckSaysValid
from tests.support.wrong_drivers import WRONG

Outlet = Callable[[], AcOutlet | DcOutlet]
CONFIG = SeccConfig(timing=TimingConfig(cable_check=5.0))


def report_of(make: Outlet, *, rigged: bool = True) -> ControllerReport:
    async def checked() -> ControllerReport:
        outlet = make()
        dc = isinstance(outlet, DcOutlet)
        rig = outlet.rig() if rigged else Rig()
        return await check_controller(outlet, CONFIG, dc=dc, energise=True, rig=rig)

    return play_fast(checked(), sockets=False)


def failed(report: ControllerReport) -> dict[str, str]:
    return {one.row.id: one.seen for one in report.failed}


@pytest.mark.parametrize(("make", "row"), WRONG, ids=[f"{make.__name__}-{row}" for make, row in WRONG])
def test_a_wrong_driver_fails_for_its_reason_only(make: Outlet, row: str) -> None:
    # The clock is virtual, but a pause of the machine counts too and may show in one more row.
    for _ in range(3):
        report = report_of(make)
        if set(failed(report)) == {row}:
            break
    assert set(failed(report)) == {row}, failed(report)
    assert not report.good


def test_every_row_has_a_driver_that_breaks_it() -> None:
    only_warns = {"feedback"}
    assert {row.id for row in ROWS} - {row for _, row in WRONG} == only_warns


@pytest.mark.parametrize("make", [AcOutlet, DcOutlet])
def test_a_driver_that_keeps_the_contract_passes_every_row(make: Outlet) -> None:
    report = report_of(make)
    assert failed(report) == {}
    assert report.good
    assert {one.row.id for one in report.results if one.state is RowState.NOT_TRIED} == set()


@pytest.mark.parametrize(
    ("make", "row"),
    [(CheckSaysValid, "check-lease"), (CheckSaysValid, "check-overtaken")],
)
def test_a_test_that_was_broken_off_has_no_result(make: Outlet, row: str) -> None:
    assert row in failed(report_of(make))
