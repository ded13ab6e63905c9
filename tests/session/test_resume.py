"""What stays the same in a session: the energy transfer mode always, and after a pause the payment option
and the services too; schedule and departure time are less by the time gone by [V2G2-741]."""

import dataclasses
import math

import pytest

from secc.messages import iso2
from secc.messages.din import EVRequestedEnergyTransfer
from secc.messages.iso2 import ChargingSession, EnergyTransferMode, PaymentOption
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.session.outputs import AskSchedules, CloseContactor, Send, SetOutput
from secc.session.paused import PausedSession
from secc.session.schedules import Offer, PowerSchedule, PowerStep, ScheduleOffer
from secc.session.service_events import ChosenService
from secc.settings import EnergyConfig, EnergyMode, Payment, SeccConfig, ServiceConfig
from secc.settings.services import ServiceParameter, ServiceParameterSet, ValueAddedService
from tests.session.iso2.handlers.test_parameters import schedule
from tests.support import din as d
from tests.support import requests as r
from tests.support.bench import AC, DC, Bench, code
from tests.support.din import DinBench
from tests.support.pnc import PNC_AC, PncBench

WRONG_MODE = "FAILED_WrongEnergyTransferMode"
OLD = b"old-one!"
BOTH = SeccConfig(
    evse_id="DE*AAA*E6",
    energy=EnergyConfig(
        modes=(
            EnergyMode.DC_EXTENDED,
            EnergyMode.DC_CORE,
            EnergyMode.AC_THREE_PHASE_CORE,
            EnergyMode.AC_SINGLE_PHASE_CORE,
        )
    ),
)


def setting(number: int) -> ServiceParameterSet:
    return ServiceParameterSet(id=number, parameters=(ServiceParameter(name="port", number=number),))


SERVICES = (
    ValueAddedService(id=10, needs_tls=False, parameter_sets=(setting(1), setting(2))),
    ValueAddedService(id=11, needs_tls=False),
)


def joined(paused: PausedSession, config: SeccConfig = BOTH) -> Bench:
    """A session that continues a paused one, 1000 s on the clock."""
    bench = Bench(config, paused=paused)
    assert code(bench.request(r.session_setup(), paused.session_id)) == "OK_OldSessionJoined"
    return bench


def to_parameters(bench: Bench) -> Bench:
    bench.request(r.service_discovery())
    bench.request(r.payment_selection())
    bench.request(r.authorization())
    bench.authorize()
    bench.request(r.authorization())
    return bench


# --- the energy transfer mode ---


@pytest.mark.inv("INV-01", "INV-04")
@pytest.mark.req("V2G2-476")
@pytest.mark.parametrize(
    "mode",
    [
        EnergyTransferMode.AC_THREE_PHASE_CORE,
        EnergyTransferMode.AC_SINGLE_PHASE_CORE,
        EnergyTransferMode.DC_CORE,
    ],
)
def test_a_renegotiated_dc_session_keeps_its_mode(mode: EnergyTransferMode) -> None:
    bench = Bench(BOTH).to_demand()
    bench.request(r.renegotiate())
    request = r.dc_parameters(mode) if mode.value.startswith("DC") else r.ac_parameters(mode)
    assert code(bench.request(request)) == WRONG_MODE
    assert bench.ended
    assert not any(isinstance(output, CloseContactor) for output in bench.outputs)


@pytest.mark.req("V2G2-476")
@pytest.mark.parametrize(
    "request_",
    [r.dc_parameters(), r.ac_parameters(EnergyTransferMode.AC_SINGLE_PHASE_CORE)],
    ids=["DC", "phases"],
)
def test_a_renegotiated_ac_session_keeps_its_mode_and_its_phases(request_: iso2.BodyElement) -> None:
    bench = Bench(BOTH).to_status()
    bench.request(r.renegotiate())
    assert code(bench.request(request_)) == WRONG_MODE
    assert bench.session.energised is None


def test_the_mode_stays_after_a_stop_and_after_a_receipt_too() -> None:
    bench = Bench(BOTH).to_stop_dc()
    assert code(bench.request(r.ac_parameters())) == WRONG_MODE


def test_the_mode_stays_while_schedules_are_waited_for() -> None:
    asking = dataclasses.replace(
        BOTH, energy=dataclasses.replace(BOTH.energy, ask_backend_for_schedules=True)
    )
    bench = Bench(asking).to_parameters()
    assert code(bench.request(r.dc_parameters())) == "OK"
    assert bench.stands_in(State.WAIT_CHARGE_PARAMETERS)
    assert code(bench.request(r.ac_parameters())) == WRONG_MODE


@pytest.mark.req("V2G-DC-397")
def test_a_din_session_keeps_its_mode() -> None:
    asking = dataclasses.replace(
        d.DIN, energy=dataclasses.replace(d.DIN.energy, ask_backend_for_schedules=True)
    )
    bench = DinBench(asking).at_parameters()
    bench.ask(d.parameters())
    other = d.parameters(EVRequestedEnergyTransfer.DC_CORE)
    assert code(bench.ask(other)) == "FAILED_WrongEnergyTransferType"


@pytest.mark.inv("INV-01")
@pytest.mark.parametrize("volts", [398.0, -398.0, 60.1, math.nan])
def test_the_contactor_of_an_outlet_with_dc_is_not_closed_onto_voltage(volts: float) -> None:
    bench = Bench(BOTH).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C, present_voltage=volts)
    assert bench.request(r.start()) is None
    assert bench.stands_in(State.AWAITING_PILOT_AC)
    bench.tick(20)
    assert [code(output.message.body) for output in bench.outputs if isinstance(output, Send)][-1] == (
        "FAILED_PowerDeliveryNotApplied"
    )
    assert not any(isinstance(output, CloseContactor) for output in bench.outputs)


@pytest.mark.inv("INV-01")
@pytest.mark.parametrize("volts", [0.0, 60.0])
def test_it_closes_as_soon_as_the_voltage_is_safe(volts: float) -> None:
    bench = Bench(BOTH).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C, present_voltage=398.0)
    assert bench.request(r.start()) is None
    bench.outlet(present_voltage=volts)
    bench.tick(0.1)
    assert [type(output) for output in bench.outputs if isinstance(output, CloseContactor)] == [
        CloseContactor
    ]


# --- after a pause ---


def paused_dc() -> PausedSession:
    bench = Bench(BOTH).to_stop_dc()
    bench.outlet(control_pilot=ControlPilot.B, present_voltage=0.0)
    bench.request(r.session_stop(ChargingSession.PAUSE))
    assert bench.end is not None
    assert bench.end.paused is not None
    return bench.end.paused


@pytest.mark.inv("INV-13")
@pytest.mark.req("V2G2-741")
def test_a_continued_session_has_the_mode_of_the_paused_one_and_its_limits() -> None:
    bench = joined(paused_dc())
    offered = bench.request(r.service_discovery())
    assert isinstance(offered, iso2.ServiceDiscoveryRes)
    modes = offered.charge_service.supported_energy_transfer_mode.energy_transfer_mode
    assert modes == (EnergyTransferMode.DC_EXTENDED,)
    bench.request(r.payment_selection())
    bench.request(r.authorization())
    bench.authorize()
    bench.request(r.authorization())
    assert code(bench.request(r.ac_parameters())) == WRONG_MODE


@pytest.mark.req("V2G2-741")
def test_a_continued_ac_session_offers_what_the_ac_outlet_has() -> None:
    dc_offer = Offer(ScheduleOffer((PowerSchedule(1, (PowerStep(0, 50_000.0),), 3600),)), 900.0, 1)
    bench = to_parameters(joined(PausedSession(OLD, dc_offer, mode=EnergyMode.AC_THREE_PHASE_CORE)))
    assert schedule(bench.request(r.ac_parameters())) == [(0, 3500, 22_080.0)]


@pytest.mark.req("V2G2-741")
@pytest.mark.parametrize(
    ("before", "offered", "refused"),
    [
        (Payment.CONTRACT, PaymentOption.CONTRACT, PaymentOption.EXTERNAL_PAYMENT),
        (Payment.EXTERNAL, PaymentOption.EXTERNAL_PAYMENT, PaymentOption.CONTRACT),
    ],
)
def test_a_continued_session_is_paid_as_before(
    before: Payment, offered: PaymentOption, refused: PaymentOption
) -> None:
    for option, expected in ((offered, "OK"), (refused, "FAILED_PaymentSelectionInvalid")):
        bench = PncBench(PNC_AC, paused=PausedSession(OLD, None, payment=before))
        bench.request(r.session_setup(), OLD)
        response = bench.request(r.service_discovery())
        assert isinstance(response, iso2.ServiceDiscoveryRes)
        assert response.payment_option_list.payment_option == (offered,)
        assert code(bench.request(r.payment_selection(option))) == expected


@pytest.mark.inv("INV-21")
def test_a_contract_session_is_not_continued_without_tls() -> None:
    bench = Bench(PNC_AC, paused=PausedSession(OLD, None, payment=Payment.CONTRACT))
    bench.request(r.session_setup(), OLD)
    assert code(bench.request(r.service_discovery())) == "FAILED"


@pytest.mark.req("V2G2-741")
def test_a_continued_session_has_the_services_of_the_paused_one() -> None:
    config = dataclasses.replace(AC, service=ServiceConfig(value_added=SERVICES))
    first = Bench(config)
    first.request(r.session_setup(), b"\0")
    first.request(r.service_discovery())
    selected = (
        iso2.SelectedService(service_id=1),
        iso2.SelectedService(service_id=10, parameter_set_id=2),
    )
    selection = iso2.PaymentServiceSelectionReq(
        selected_payment_option=PaymentOption.EXTERNAL_PAYMENT,
        selected_service_list=iso2.SelectedServiceList(selected_service=selected),
    )
    assert code(first.request(selection)) == "OK"
    first.request(r.session_stop(ChargingSession.PAUSE))
    assert first.end is not None
    paused = first.end.paused
    assert paused is not None
    assert paused.services == (ChosenService(10, 2),)

    bench = joined(paused, config)
    offered = bench.request(r.service_discovery())
    assert isinstance(offered, iso2.ServiceDiscoveryRes)
    assert offered.service_list is not None
    assert [service.service_id for service in offered.service_list.service] == [10]
    details = bench.request(r.service_detail(10))
    assert isinstance(details, iso2.ServiceDetailRes)
    assert details.service_parameter_list is not None
    assert [one.parameter_set_id for one in details.service_parameter_list.parameter_set] == [2]
    assert code(bench.request(r.service_detail(11))) == "FAILED_ServiceIDInvalid"
    other = joined(paused, config)
    other.request(r.service_discovery())
    assert code(other.request(r.payment_selection(services=(1, 11)))) == "FAILED_ServiceSelectionInvalid"


def test_a_session_paused_before_any_choice_may_choose() -> None:
    bench = joined(PausedSession(OLD, None))
    offered = bench.request(r.service_discovery())
    assert isinstance(offered, iso2.ServiceDiscoveryRes)
    modes = offered.charge_service.supported_energy_transfer_mode.energy_transfer_mode
    assert len(modes) == 4


@pytest.mark.req("V2G2-741", "V2G2-742")
@pytest.mark.parametrize(
    ("told", "counts"), [(7200, 3000), (2000, 2000), (None, 3000)], ids=["unreduced", "earlier", "none"]
)
def test_the_departure_time_is_less_by_the_time_gone(told: int | None, counts: int) -> None:
    config = dataclasses.replace(DC, energy=dataclasses.replace(DC.energy, ask_backend_for_schedules=True))
    bench = to_parameters(joined(PausedSession(OLD, None, departure_at=4000.0), config))
    bench.request(r.dc_parameters(departure=told))
    (question,) = [output for output in bench.outputs if isinstance(output, AskSchedules)]
    assert question.need.departure == counts


def test_a_departure_that_has_passed_in_the_pause_binds_no_ev() -> None:
    bench = to_parameters(joined(PausedSession(OLD, None, departure_at=900.0)))
    assert schedule(bench.request(r.dc_parameters(departure=7200))) == [(0, 7200, 50_000.0)]


def test_a_pause_hands_over_what_was_agreed_also_the_second_time() -> None:
    bench = Bench(BOTH).to_parameters()
    bench.request(r.dc_parameters(departure=3600))
    bench.outlet(control_pilot=ControlPilot.B)
    bench.request(r.session_stop(ChargingSession.PAUSE))
    assert bench.end is not None
    first = bench.end.paused
    assert first is not None
    assert (first.payment, first.mode, first.departure_at) == (
        Payment.EXTERNAL,
        EnergyMode.DC_EXTENDED,
        4600.0,
    )
    again = joined(first)
    again.request(r.session_stop(ChargingSession.PAUSE))
    assert again.end is not None
    assert again.end.paused is not None
    assert (again.end.paused.payment, again.end.paused.mode) == (Payment.EXTERNAL, EnergyMode.DC_EXTENDED)
    assert again.end.paused.departure_at == 4600.0


def test_a_continued_session_starts_off() -> None:
    bench = joined(paused_dc())
    assert not [o for o in bench.outputs if isinstance(o, SetOutput) and o.voltage > 0]
    assert bench.evse == EvseSnapshot(control_pilot=ControlPilot.B, utc=1_700_000_000)
