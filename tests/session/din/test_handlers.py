"""Messages of DIN SPEC 70121 before the output is on: what is answered and what is refused."""

import dataclasses

import pytest

from secc import exi
from secc.messages import din
from secc.messages.din import EVRequestedEnergyTransfer, PaymentOption
from secc.session.din.states import DinState as S
from secc.session.inputs import (
    SchedulesOffered,
)
from secc.session.outputs import AskSchedules
from secc.session.paused import PausedSession
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.settings import DinConfig, EnergyMode, SeccConfig
from tests.support import din as d
from tests.support.bench import code
from tests.support.din import DIN, DinBench


def with_modes(*modes: EnergyMode) -> SeccConfig:
    return dataclasses.replace(DIN, energy=dataclasses.replace(DIN.energy, modes=modes))


# --- session and service -----------------------------------------------------------------------------------


@pytest.mark.inv("INV-12")
@pytest.mark.req("V2G-DC-393", "V2G-DC-872", "V2G-DC-620")
@pytest.mark.parametrize("proposed", [b"\0", bytes(8), b"12345678"])
def test_setup_is_a_new_session_for_every_proposed_id(proposed: bytes) -> None:
    bench = DinBench()
    response = bench.ask(d.session_setup(), proposed)
    assert response == din.SessionSetupRes(
        response_code=din.ResponseCode.OK_NEW_SESSION_ESTABLISHED,
        evse_id=bytes.fromhex("49a80737a45678"),
        date_time_now=1_700_000_000,
    )
    assert bench.session.session_id == bytes(7) + b"\x01"


@pytest.mark.inv("INV-13")
@pytest.mark.req("V2G-DC-241")
def test_a_paused_session_is_not_continued_in_din() -> None:
    bench = DinBench(paused=PausedSession(b"12345678", None))
    response = bench.ask(d.session_setup(), b"12345678")
    assert code(response) == "OK_NewSessionEstablished"
    assert bench.session.session_id != b"12345678"
    assert bench.session.joined is None


@pytest.mark.req("V2G-DC-876")
def test_an_unknown_evse_id_is_one_zero_byte() -> None:
    response = DinBench(dataclasses.replace(DIN, din=DinConfig())).ask(d.session_setup(), b"\0")
    assert isinstance(response, din.SessionSetupRes)
    assert response.evse_id == b"\0"


@pytest.mark.req("V2G-DC-252", "V2G-DC-628", "V2G-DC-629", "V2G-DC-634")
@pytest.mark.parametrize("category", [None, din.ServiceCategory.INTERNET])
def test_charging_is_the_only_service_and_external_the_only_payment(
    category: din.ServiceCategory | None,
) -> None:
    response = DinBench().at_discovery().ask(din.ServiceDiscoveryReq(service_category=category))
    assert response == din.ServiceDiscoveryRes(
        response_code=din.ResponseCode.OK,
        payment_options=din.PaymentOptions(payment_option=(PaymentOption.EXTERNAL_PAYMENT,)),
        charge_service=din.ServiceCharge(
            service_tag=din.ServiceTag(service_id=1, service_category=din.ServiceCategory.EV_CHARGING),
            free_service=False,
            energy_transfer_type=din.EVSESupportedEnergyTransfer.DC_EXTENDED,
        ),
    )


def test_the_first_mode_that_din_knows_is_offered() -> None:
    config = with_modes(EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.DC_CORE)
    response = DinBench(config).at_discovery().ask(din.ServiceDiscoveryReq())
    assert isinstance(response, din.ServiceDiscoveryRes)
    offered = response.charge_service.energy_transfer_type
    assert offered is din.EVSESupportedEnergyTransfer.DC_CORE


@pytest.mark.req("V2G-DC-548")
def test_details_of_a_service_are_refused() -> None:
    response = DinBench().at_selection().ask(din.ServiceDetailReq(service_id=1))
    assert code(response) == "FAILED_ServiceIDInvalid"


@pytest.mark.req("V2G-DC-395")
def test_a_contract_cannot_be_selected() -> None:
    response = DinBench().at_selection().ask(d.payment_selection(PaymentOption.CONTRACT))
    assert code(response) == "FAILED_PaymentSelectionInvalid"


@pytest.mark.req("V2G-DC-396")
@pytest.mark.parametrize("services", [(2,), (1, 2)])
def test_a_service_that_was_not_offered_cannot_be_selected(services: tuple[int, ...]) -> None:
    request = d.payment_selection(PaymentOption.EXTERNAL_PAYMENT, *services)
    assert code(DinBench().at_selection().ask(request)) == "FAILED_ServiceSelectionInvalid"


# --- authorization -----------------------------------------------------------------------------------------


@pytest.mark.inv("INV-09")
def test_authentication_is_ongoing_until_the_person_is_authorised() -> None:
    bench = DinBench().at_authorization()
    request = din.ContractAuthenticationReq()
    waiting = din.ContractAuthenticationRes(
        response_code=din.ResponseCode.OK, evse_processing=din.EVSEProcessing.ONGOING
    )
    assert [bench.ask(request), bench.ask(request)] == [waiting, waiting]
    assert sum(type(output).__name__ == "Authorize" for output in bench.outputs) == 1
    bench.authorize()
    response = bench.ask(request)
    assert isinstance(response, din.ContractAuthenticationRes)
    assert response.evse_processing is din.EVSEProcessing.FINISHED
    assert bench.stands(S.WAIT_CHARGE_PARAMETERS)


@pytest.mark.inv("INV-11")
def test_a_denied_person_is_refused() -> None:
    bench = DinBench().at_authorization()
    bench.ask(din.ContractAuthenticationReq())
    bench.authorize(False)
    assert code(bench.ask(din.ContractAuthenticationReq())) == "FAILED"


def test_authorization_has_55_seconds() -> None:
    bench = DinBench().at_authorization()
    for _ in range(54):
        bench.ask(din.ContractAuthenticationReq())
        bench.tick(1.0)
    assert code(bench.ask(din.ContractAuthenticationReq())) == "OK"
    bench.tick(1.5)
    assert code(bench.ask(din.ContractAuthenticationReq())) == "FAILED"


# --- charge parameters -------------------------------------------------------------------------------------


@pytest.mark.req("V2G-DC-554")
def test_parameters_are_answered_with_limits_and_one_schedule_without_prices() -> None:
    response = DinBench().at_parameters().ask(d.parameters())
    assert isinstance(response, din.ChargeParameterDiscoveryRes)
    (schedule,) = response.sa_schedules.sa_schedule_tuple
    assert (schedule.sa_schedule_tuple_id, schedule.sales_tariff) == (1, None)
    (entry,) = schedule.p_max_schedule.p_max_schedule_entry
    assert (entry.p_max, entry.time_interval) == (32767, din.RelativeTimeInterval(start=0, duration=86_400))
    limits = response.evse_charge_parameter
    assert isinstance(limits, din.DCEVSEChargeParameter)
    assert limits.evse_maximum_voltage_limit == d.volts(500)
    assert limits.evse_maximum_power_limit == d.watts(5000, 1)
    assert limits.evse_minimum_voltage_limit == d.volts(150)
    assert limits.dc_evse_status.evse_status_code is din.DCEVSEStatusCode.EVSE_READY


@pytest.mark.req("V2G-DC-397")
@pytest.mark.parametrize(
    "mode",
    [
        EVRequestedEnergyTransfer.DC_COMBO_CORE,
        EVRequestedEnergyTransfer.DC_UNIQUE,
        EVRequestedEnergyTransfer.AC_THREE_PHASE_CORE,
    ],
)
def test_a_mode_that_is_not_offered_is_refused(mode: EVRequestedEnergyTransfer) -> None:
    response = DinBench().at_parameters().ask(d.parameters(mode))
    assert code(response) == "FAILED_WrongEnergyTransferType"


@pytest.mark.req("V2G-DC-397")
def test_ac_is_refused_by_an_outlet_that_has_ac_too() -> None:
    bench = DinBench(with_modes(EnergyMode.DC_EXTENDED, EnergyMode.AC_THREE_PHASE_CORE)).at_parameters()
    response = bench.ask(d.parameters(EVRequestedEnergyTransfer.AC_THREE_PHASE_CORE))
    assert code(response) == "FAILED_WrongEnergyTransferType"


@pytest.mark.req("V2G-DC-398")
def test_ac_parameters_are_refused() -> None:
    assert code(DinBench().at_parameters().ask(d.ac_parameters())) == "FAILED_WrongChargeParameter"


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(
    "request_",
    [
        d.parameters(max_voltage=d.volts(-1)),
        d.parameters(max_voltage=d.volts(100)),  # below what the outlet gives at least
        d.parameters(max_current=d.amperes(0)),
        d.parameters(max_voltage=d.volts(400, 0, din.UnitSymbol.A)),
        d.parameters(max_power=d.watts(-5)),
    ],
)
def test_parameters_that_make_no_sense_are_refused(request_: din.ChargeParameterDiscoveryReq) -> None:
    assert code(DinBench().at_parameters().ask(request_)) == "FAILED_WrongChargeParameter"


def test_a_value_without_unit_means_the_unit_of_its_element() -> None:
    """An Opel Mokka-e sends none (recordings 1_config-dc-dinspec)."""
    bench = DinBench().at_parameters()
    request = d.parameters(max_voltage=d.volts(470, 0, None), max_current=d.amperes(250, 0, None))
    assert code(bench.ask(request)) == "OK"
    assert bench.session.parameters is not None
    limits = bench.session.parameters.limits
    assert (limits.voltage, limits.current) == (470_000, 250_000)


@pytest.mark.req("V2G-DC-329")
def test_schedules_of_the_back_end_are_waited_for_and_cut_to_twelve_entries() -> None:
    asking = dataclasses.replace(DIN.energy, ask_backend_for_schedules=True)
    bench = DinBench(dataclasses.replace(DIN, energy=asking)).at_parameters()
    first = bench.ask(d.parameters())
    assert isinstance(first, din.ChargeParameterDiscoveryRes)
    assert first.evse_processing is din.EVSEProcessing.ONGOING
    assert len(first.sa_schedules.sa_schedule_tuple) == 1  # required by the schema
    steps = tuple(PowerStep(60 * i, 20_000 - 100 * i) for i in range(20))
    offer = ScheduleOffer((PowerSchedule(5, steps, 600),))
    bench.feed(SchedulesOffered(bench.ticket(AskSchedules), offer))
    second = bench.ask(d.parameters())
    assert isinstance(second, din.ChargeParameterDiscoveryRes)
    assert second.evse_processing is din.EVSEProcessing.FINISHED
    entries = second.sa_schedules.sa_schedule_tuple[0].p_max_schedule.p_max_schedule_entry
    assert len(entries) == 12
    assert [entry.p_max for entry in entries[-2:]] == [19_000, 18_100]  # the lowest of what was cut
    assert entries[0].time_interval == din.RelativeTimeInterval(start=0, duration=60)
    exi.codec("din").encode(d.message(bytes(8), second))
