"""AC_DER_IEC over real sockets: a simulated EV feeds the grid by its rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from secc.messages import iso20_ac_der_iec as der
from secc.ports import SetsReactivePower
from secc.records import LinkEvent, LinkRecord, MessageRecord, OutputRecord, Record
from secc.session.grid import GridTargets
from secc.session.iso20.services import ControlMode, Service
from secc.session.outputs import EndSession
from secc.settings import SeccConfig
from secc.sim import EvResult, ScriptedEvcc, SimulatedAcEvse, SimulatedCable
from secc.sim.iso20 import Iso20Misbehaviour, Iso20Plan, misbehaving
from secc.station.station import Station
from tests.station.test_iso20 import configuration
from tests.support.grid import CODE, GridBackend

PLAN = Iso20Plan(service=Service.AC_DER_IEC, loops=6, pace=0.05)


class Follower(SimulatedAcEvse, SetsReactivePower):
    """An outlet that knows the reactive power."""

    def __init__(self, cable: SimulatedCable) -> None:
        super().__init__(cable)
        self.followed: list[float] = []

    def reactive_power(self, power: float) -> None:
        self.followed.append(power)


@dataclasses.dataclass
class Run:
    """One session and what is left of it."""

    result: EvResult
    records: list[Record]
    backend: GridBackend
    evse: Follower

    def messages(self, kind: type[Any]) -> list[Any]:
        found = [one.message for one in self.records if isinstance(one, MessageRecord)]
        return [one for one in found if isinstance(one, kind)]

    @property
    def end(self) -> EndSession:
        found = [one.output for one in self.records if isinstance(one, OutputRecord)]
        (end,) = [one for one in found if isinstance(one, EndSession)]
        return end


async def charged(
    plan: Iso20Plan = PLAN,
    *,
    backend: GridBackend | None = None,
    meanwhile: Callable[[Station], None] = lambda _: None,
) -> Run:
    base = configuration(Service.AC_BPT)
    iso20 = dataclasses.replace(base.iso20, der=True, der_reactive_power=6000.0, loop_timeout=20.0)
    config: SeccConfig = dataclasses.replace(base, iso20=iso20)
    cable = SimulatedCable()
    run = Run(EvResult(), [], backend or GridBackend(), Follower(cable))

    seen: list[Callable[[], None]] = []

    def see(record: Record) -> None:
        run.records.append(record)
        first = isinstance(record, MessageRecord) and isinstance(record.message, der.ACChargeLoopRes)
        if first and seen:
            seen.pop()()

    station = Station(config, run.evse, run.backend, reporter=see, sdp_port=0)

    async with station:
        seen.append(lambda: meanwhile(station))
        ev = ScriptedEvcc(plan, cable=cable, tls=False, sdp_port=station.sdp_port or 0, patience=8.0)
        run.result = await ev.charge()
    return run


@pytest.mark.parametrize("control", ControlMode)
async def test_an_ev_charges_by_the_rules_of_the_grid(control: ControlMode) -> None:
    run = await charged(dataclasses.replace(PLAN, control=control, grid_event=5, grid_event_at=3))
    assert run.result.completed, run.result.error
    (first, second) = run.messages(der.ACChargeParameterDiscoveryRes)
    assert first.ac_cpd_res_energy_transfer_mode == second.ac_cpd_res_energy_transfer_mode
    control_sent = second.ac_cpd_res_energy_transfer_mode.der_control
    assert control_sent.reactive_power_support is not None
    assert run.backend.events == [5]
    assert str(run.end.reason) == "terminated by the EV"


async def test_the_station_discharges_and_asks_for_reactive_power_within_its_limits() -> None:
    def meanwhile(station: Station) -> None:
        station.set_power(-7000.0)
        station.set_grid_targets(GridTargets(reactive=9000.0, max_discharge=5000.0))

    plan = dataclasses.replace(PLAN, control=ControlMode.DYNAMIC, loops=10)
    run = await charged(plan, meanwhile=meanwhile)
    assert run.result.completed, run.result.error
    last = run.messages(der.ACChargeLoopRes)[-1].cl_res_control_mode
    assert last.evse_target_active_power.value * 10.0**last.evse_target_active_power.exponent == -5000
    assert last.evse_target_reactive_power.value * 10.0**last.evse_target_reactive_power.exponent == 6000
    assert run.evse.followed == [6000.0]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (Iso20Misbehaviour.PLAIN_MODE, "FAILED"),
        (Iso20Misbehaviour.WRONG_MODE, "FAILED"),
        (Iso20Misbehaviour.WRONG_SET, "FAILED_SequenceError"),
        (Iso20Misbehaviour.EARLY_START, "FAILED_SequenceError"),
    ],
)
async def test_an_ev_that_misbehaves_is_refused_and_the_contactor_opens(
    how: Iso20Misbehaviour, code: str
) -> None:
    run = await charged(dataclasses.replace(PLAN, tamper=misbehaving(how)))
    assert str(run.end.code) == code
    assert run.evse.snapshot().contactor_closed is not True


async def test_a_fluttering_grid_does_not_flood_the_back_end() -> None:
    plan = dataclasses.replace(PLAN, loops=20, tamper=misbehaving(Iso20Misbehaviour.FLUTTERING_GRID))
    run = await charged(plan)
    assert run.result.completed, run.result.error
    assert 1 <= len(run.backend.events) <= 3


async def test_rules_that_contradict_each_other_are_reported_and_the_ev_only_charges() -> None:
    broken = object.__new__(type(CODE))
    for field in dataclasses.fields(CODE):
        object.__setattr__(broken, field.name, getattr(CODE, field.name))
    object.__setattr__(broken, "cos_phi_setpoint", True)
    run = await charged(backend=GridBackend(broken))
    assert run.result.completed, run.result.error
    complaints = [one.text for one in run.records if isinstance(one, LinkRecord)]
    assert any("grid_code: " in text and "exclude each other" in text for text in complaints)
    assert LinkEvent.COMPLAINT in {one.event for one in run.records if isinstance(one, LinkRecord)}
    found = run.messages(der.ACChargeParameterDiscoveryRes)[0].ac_cpd_res_energy_transfer_mode
    assert found.evse_maximum_discharge_power.value == 0
    assert found.der_control == der.DERControl()
