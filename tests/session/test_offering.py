"""Limits in force and what is offered: PMax, EVSEMaxCurrent and the DC limits never exceed the limit in force
[INV-08].

A change after the offer is reported to the EV.
"""

import dataclasses

import pytest

from secc.messages import din, iso2
from secc.messages.iso2 import EVSENotification
from secc.session.inputs import PowerLimited, SchedulesOffered
from secc.session.outlet import ControlPilot
from secc.session.outputs import AskSchedules
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.settings import EnergyConfig
from tests.session.iso2.handlers.test_parameters import schedule
from tests.support import din as d
from tests.support import requests as r
from tests.support.bench import AC, DC, DC_MODES, Bench, code
from tests.support.din import DinBench
from tests.support.pnc import PNC_AC, PncBench

ASKING = dataclasses.replace(DC, energy=EnergyConfig(modes=DC_MODES, ask_backend_for_schedules=True))


def watts(value: iso2.PhysicalValue | None) -> float:
    assert value is not None
    return value.value * 10.0**value.multiplier


def status(bench: Bench) -> iso2.ChargingStatusRes:
    response = bench.request(r.charging_status())
    assert isinstance(response, iso2.ChargingStatusRes)
    return response


def asks(bench: Bench) -> bool:
    """The EV is asked to renegotiate in the next response of the loop."""
    if bench.session.is_dc:
        response = bench.request(r.current_demand())
        assert isinstance(response, iso2.CurrentDemandRes)
        return response.dc_evse_status.evse_notification is EVSENotification.RE_NEGOTIATION
    return status(bench).ac_evse_status.evse_notification is EVSENotification.RE_NEGOTIATION


# --- in what is offered ---


@pytest.mark.inv("INV-08")
@pytest.mark.parametrize("limit", [5000.0, 0.0, float("nan"), -1.0])
def test_load_management_is_in_the_offer_of_an_ac_outlet(limit: float) -> None:
    bench = Bench(AC).to_parameters()
    bench.feed(PowerLimited(limit))
    response = bench.request(r.ac_parameters())
    assert isinstance(response, iso2.ChargeParameterDiscoveryRes)
    allowed = 5000.0 if limit == 5000.0 else 0.0
    assert schedule(response) == [(0, 86_400, allowed)]
    told = response.evse_charge_parameter
    assert isinstance(told, iso2.ACEVSEChargeParameter)
    assert watts(told.evse_max_current) * 3 * 230.0 <= allowed


@pytest.mark.inv("INV-08")
def test_a_momentary_limit_per_phase_is_in_the_offer() -> None:
    bench = Bench(AC).to_parameters()
    bench.outlet(max_current=10.0)
    assert schedule(bench.request(r.ac_parameters())) == [(0, 86_400, 6900.0)]


@pytest.mark.inv("INV-08")
def test_load_management_is_in_the_offer_of_a_dc_outlet() -> None:
    bench = Bench(DC).to_parameters()
    bench.feed(PowerLimited(12_000.0))
    response = bench.request(r.dc_parameters())
    assert isinstance(response, iso2.ChargeParameterDiscoveryRes)
    assert schedule(response) == [(0, 86_400, 12_000.0)]
    told = response.evse_charge_parameter
    assert isinstance(told, iso2.DCEVSEChargeParameter)
    assert watts(told.evse_maximum_power_limit) == 12_000.0


@pytest.mark.inv("INV-08")
def test_load_management_is_in_the_offer_in_din() -> None:
    bench = DinBench().at_parameters()
    bench.feed(PowerLimited(12_000.0))
    response = bench.ask(d.parameters())
    assert isinstance(response, din.ChargeParameterDiscoveryRes)
    (entry,) = response.sa_schedules.sa_schedule_tuple[0].p_max_schedule.p_max_schedule_entry
    assert entry.p_max == 12_000


@pytest.mark.inv("INV-08")
def test_schedules_of_the_back_end_are_cut_to_the_outlet_and_the_limits() -> None:
    bench = Bench(ASKING).to_parameters()
    bench.request(r.dc_parameters())
    offer = ScheduleOffer((PowerSchedule(4, (PowerStep(0, 80_000.0), PowerStep(600, 3000.0)), 3600),))
    bench.feed(SchedulesOffered(bench.ticket(AskSchedules), offer))
    assert schedule(bench.request(r.dc_parameters())) == [(0, None, 50_000.0), (600, 3600, 3000.0)]
    other = Bench(ASKING).to_parameters()
    other.feed(PowerLimited(20_000.0))
    other.request(r.dc_parameters())
    other.feed(SchedulesOffered(other.ticket(AskSchedules), offer))
    assert schedule(other.request(r.dc_parameters())) == [(0, None, 20_000.0), (600, 3600, 3000.0)]


@pytest.mark.req("V2G2-225")
def test_a_profile_above_the_limit_in_force_is_refused() -> None:
    bench = Bench(AC).to_parameters()
    bench.feed(PowerLimited(5000.0))
    bench.request(r.ac_parameters())
    bench.outlet(control_pilot=ControlPilot.C)
    response = bench.request(r.power_delivery(profile=((0, r.watts(22_000)),)))
    assert code(response) == "FAILED_ChargingProfileInvalid"


# --- what comes after the offer ---


@pytest.mark.inv("INV-08")
@pytest.mark.req("V2G2-224", "V2G2-841", "V2G2-844")
def test_a_limit_between_offer_and_start_is_sent_with_the_first_response_of_the_loop() -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.feed(PowerLimited(5000.0))
    bench.outlet(control_pilot=ControlPilot.C)
    bench.request(r.power_delivery(profile=((0, r.watts(22_000)),)))  # within what was offered
    assert code(bench.contactor()) == "OK"
    first = status(bench)
    assert watts(first.evse_max_current) * 3 * 230.0 <= 5000.0
    assert first.ac_evse_status.evse_notification is EVSENotification.RE_NEGOTIATION
    bench.request(r.renegotiate())
    assert schedule(bench.request(r.ac_parameters())) == [(0, 86_400, 5000.0)]
    bench.request(r.start())
    bench.contactor()
    assert not asks(bench)


@pytest.mark.inv("INV-08")
def test_a_limit_in_the_loop_is_reported_at_once_and_no_longer_when_it_is_lifted() -> None:
    bench = Bench(AC).to_status()
    bench.feed(PowerLimited(5000.0))
    assert asks(bench)
    assert watts(status(bench).evse_max_current) * 3 * 230.0 <= 5000.0
    bench.feed(PowerLimited(None))
    assert not asks(bench)
    assert watts(status(bench).evse_max_current) == 32.0


def test_dc_is_not_interrupted_for_a_lower_limit_as_each_response_says_it() -> None:
    bench = Bench(DC).to_demand()
    bench.feed(PowerLimited(5000.0))
    assert not asks(bench)
    response = bench.request(r.current_demand())
    assert isinstance(response, iso2.CurrentDemandRes)
    assert watts(response.evse_maximum_power_limit) == 5000.0


@pytest.mark.parametrize(
    ("config", "lifted", "expected"), [(AC, 7000.0, True), (AC, 6000.0, False), (DC, None, True)]
)
def test_more_than_was_offered_is_reported_after_a_while_when_it_is_worth_it(
    config: object, lifted: float | None, expected: bool
) -> None:
    dc = config is DC
    bench = Bench(DC if dc else AC)
    bench.feed(PowerLimited(5000.0))
    bench.to_demand() if dc else bench.to_status()
    bench.feed(PowerLimited(lifted))
    assert not asks(bench)
    for _ in range(61):
        bench.tick(1.0)
        bench.request(r.current_demand() if dc else r.charging_status())
    assert asks(bench) is expected
    if not dc:  # until the EV renegotiates, what was offered binds
        assert watts(status(bench).evse_max_current) * 3 * 230.0 <= 5000.0


def test_it_is_never_sent_where_the_owner_does_not_want_it() -> None:
    energy = dataclasses.replace(AC.energy, renegotiate_above=None)
    bench = Bench(dataclasses.replace(AC, energy=energy))
    bench.feed(PowerLimited(5000.0))
    bench.to_status()
    bench.feed(PowerLimited(None))
    for _ in range(61):
        bench.tick(1.0)
        assert not asks(bench)


# --- with a contract ---


@pytest.mark.req("V2G2-844", "V2G2-691")
def test_with_a_contract_there_is_no_evse_max_current_and_a_limit_is_sent_by_renegotiation() -> None:
    bench = PncBench(PNC_AC).to_loop_ac()
    first = status(bench)
    assert first.evse_max_current is None
    assert first.ac_evse_status.evse_notification is EVSENotification.NONE
    bench.feed(PowerLimited(5000.0))
    told = status(bench)
    assert told.evse_max_current is None
    assert told.ac_evse_status.evse_notification is EVSENotification.RE_NEGOTIATION


def test_with_external_payment_it_is_there_and_no_receipt_is_asked_for() -> None:
    response = status(Bench(AC).to_status())
    assert response.evse_max_current is not None
    assert response.receipt_required is False
