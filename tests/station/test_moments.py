"""States that an outlet has for a single reading: the session must receive them, regardless of which task
read them.

A fault register may clear itself when it is read, a contact may bounce. A state that was read between two
messages may have passed when the session reads.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot
from secc.session.outputs import EndReason, EndSession
from tests.support import requests
from tests.support.attacks import DcOutlet, at
from tests.support.attacks import made as settings
from tests.support.wire import Bed, Car, RecordingOutlet, eventually, running


class _Momentary(RecordingOutlet):
    """Shows `moment` once, at the next look."""

    moment: dict[str, Any] | None = None

    def snapshot(self) -> EvseSnapshot:
        moment, self.moment = self.moment, None
        return msgspec.structs.replace(super().snapshot(), **(moment or {}))


class _AcOutlet(_Momentary): ...


class _DcOutlet(_Momentary, DcOutlet): ...


async def _charging(bed: Bed, dc: bool) -> Car:
    car = await at(bed, "loop", dc=dc)
    assert await car.ask(requests.current_demand() if dc else requests.charging_status()) == "OK"
    return car


def _ends(bed: Bed) -> list[EndSession]:
    outputs = [getattr(record, "output", None) for record in bed.records]
    return [output for output in outputs if isinstance(output, EndSession)]


@pytest.mark.inv("INV-03", "INV-30")
@pytest.mark.parametrize("dc", [True, False])
async def test_an_emergency_stop_that_shows_for_one_look_switches_off_and_blocks(dc: bool) -> None:
    outlet = _DcOutlet() if dc else _AcOutlet()
    async with running(settings(dc=dc), outlet=outlet) as bed:
        car = await _charging(bed, dc)
        before = len(outlet.calls)
        outlet.moment = {"fault": EvseFault.EMERGENCY_STOP}
        await eventually(lambda: len(outlet.calls) > before)
        assert outlet.calls[before] == ("set_output 0 0" if dc else "open_contactor")
        assert bed.station.health.blocked
        car.close()


@pytest.mark.inv("INV-03")
@pytest.mark.parametrize("dc", [True, False])
async def test_a_cable_that_is_unplugged_for_one_look_ends_the_session(dc: bool) -> None:
    outlet = _DcOutlet() if dc else _AcOutlet()
    async with running(settings(dc=dc), outlet=outlet) as bed:
        car = await _charging(bed, dc)
        outlet.moment = {"control_pilot": ControlPilot.A}
        await eventually(lambda: bool(_ends(bed)))
        assert _ends(bed)[0].reason is EndReason.UNPLUGGED
        await eventually(lambda: "open_contactor" in outlet.calls)
        car.close()


@pytest.mark.inv("INV-11")
async def test_an_authorization_that_is_withdrawn_before_it_is_asked_for_is_not_given() -> None:
    async with running() as bed:
        car = await at(bed, "discovery", dc=False)
        bed.station.withdraw_authorization()
        for body in (
            requests.service_discovery(),
            requests.payment_selection(),
            requests.authorization(),
        ):
            assert await car.ask(body) == "OK"
        assert await car.ask(requests.authorization()) == "FAILED"
        assert bed.backend.asked == []
        assert "close_contactor" not in bed.outlet.calls
        car.close()
