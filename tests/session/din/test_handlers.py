"""Each message of DIN SPEC 70121: what is answered, what is refused, what happens to the output."""

import dataclasses

import pytest

from secc import exi
from secc.messages import din
from secc.messages.din import DCEVErrorCode, EVRequestedEnergyTransfer, PaymentOption
from secc.session.din.states import DinState as S
from secc.session.inputs import (
    ControllerFault,
    LinkLost,
    PowerLimited,
    RenegotiationRequested,
    SchedulesOffered,
    StopRequested,
)
from secc.session.outlet import ControlPilot, EvseFault, IsolationLevel
from secc.session.outputs import AskSchedules, EndReason, NoticeKind, Output, RenewLease, SetOutput
from secc.session.paused import PausedSession
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.settings import DinConfig, EnergyMode, SeccConfig, TimingConfig
from tests.support import din as d
from tests.support.bench import code
from tests.support.din import DIN, DinBench, answer, status_code


def points(outputs: tuple[Output, ...]) -> list[tuple[float, float]]:
    return [(output.voltage, output.current) for output in outputs if isinstance(output, SetOutput)]


def with_modes(*modes: EnergyMode) -> SeccConfig:
    return dataclasses.replace(DIN, energy=dataclasses.replace(DIN.energy, modes=modes))


# --- session and service ---


@pytest.mark.inv("INV-12")
@pytest.mark.req("V2G-DC-393", "V2G-DC-872", "V2G-DC-620")
@pytest.mark.parametrize("proposed", [b"\0", bytes(8), b"12345678"])
def test_setup_is_a_new_session_whatever_id_the_ev_proposes(proposed: bytes) -> None:
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


# --- authorization ---


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


# --- charge parameters ---


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


# --- isolation ---


@pytest.mark.req("V2G-DC-493", "V2G-DC-967", "V2G-DC-418")
def test_cable_check_waits_for_the_pilot_then_for_the_test() -> None:
    bench = DinBench().at_cable_check()
    assert bench.ask(d.cable_check()) is None
    response = answer(bench.outlet(control_pilot=ControlPilot.C))
    assert status_code(response) == "EVSE_IsolationMonitoringActive"
    bench.isolation()
    finished = bench.ask(d.cable_check())
    assert isinstance(finished, din.CableCheckRes)
    assert finished.evse_processing is din.EVSEProcessing.FINISHED
    assert finished.dc_evse_status == din.DCEVSEStatus(
        evse_isolation_status=din.IsolationLevel.VALID,
        evse_status_code=din.DCEVSEStatusCode.EVSE_READY,
        notification_max_delay=0,
        evse_notification=din.EVSENotification.NONE,
    )


@pytest.mark.req("V2G-DC-547")
def test_cable_check_without_pilot_c_fails_after_the_detection_time() -> None:
    bench = DinBench().at_awaiting_pilot()
    assert code(answer(bench.tick(1.6))) == "FAILED"


@pytest.mark.inv("INV-06", "INV-30")
@pytest.mark.req("V2G-DC-890")
def test_an_isolation_fault_is_failed_and_a_malfunction() -> None:
    bench = DinBench().at_cable_check_result()
    bench.isolation(IsolationLevel.FAULT)
    response = bench.ask(d.cable_check())
    assert code(response) == "FAILED"
    assert status_code(response) == "EVSE_Malfunction"
    assert bench.end is not None
    assert bench.end.fault is EvseFault.ISOLATION


@pytest.mark.inv("INV-06")
@pytest.mark.parametrize("level", [IsolationLevel.NO_IMD, IsolationLevel.INVALID])
def test_a_test_without_a_sound_result_is_failed(level: IsolationLevel) -> None:
    bench = DinBench().at_cable_check_result()
    bench.isolation(level)
    response = bench.ask(d.cable_check())
    assert code(response) == "FAILED"
    assert isinstance(response, din.CableCheckRes)
    assert response.dc_evse_status.evse_isolation_status is din.IsolationLevel.INVALID


# --- pre-charge and start ---


@pytest.mark.inv("INV-05", "INV-31")
def test_pre_charge_goes_to_the_voltage_with_2_amperes_at_most() -> None:
    bench = DinBench().at_pre_charge()
    response = bench.ask(d.pre_charge(d.volts(380), d.amperes(50)))
    assert code(response) == "OK"
    assert points(bench.last) == [(380.0, 2.0)]
    assert bench.last[0] == RenewLease(0.5)


@pytest.mark.req("V2G-DC-969")
def test_pre_charge_may_last_20_seconds_up_to_power_delivery() -> None:
    bench = DinBench().at_power_on()
    assert (0.0, 0.0) not in points(bench.tick(19.9))
    assert (0.0, 0.0) in points(bench.tick(0.2))
    assert code(bench.ask(d.power(True))) == "FAILED"


def test_a_start_without_a_profile_follows_the_first_schedule() -> None:
    bench = DinBench().at_power_on()
    assert code(bench.ask(d.power(True))) == "OK"
    assert bench.session.schedule_id == 1


@pytest.mark.req("V2G-DC-400")
def test_a_schedule_that_was_not_offered_is_refused() -> None:
    assert code(DinBench().at_power_on().ask(d.power(True, schedule_id=2))) == "FAILED_TariffSelectionInvalid"


@pytest.mark.req("V2G-DC-399")
@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (((0, 32767),), "OK"),
        (((0, 20_000), (3600, 0)), "OK"),
        (((0, 20_000), (86_400, 0)), "OK"),
        (((0, 20_000), (86_400, 1)), "FAILED_ChargingProfileInvalid"),
        (((60, 1000), (60, 500)), "FAILED_ChargingProfileInvalid"),
    ],
)
def test_a_profile_has_to_fit_the_schedule(profile: tuple[tuple[int, int], ...], expected: str) -> None:
    assert code(DinBench().at_power_on().ask(d.power(True, schedule_id=1, profile=profile))) == expected


def test_a_negative_power_is_no_profile_in_strict_mode() -> None:
    body = d.power(True, schedule_id=1, profile=((0, -1),))
    assert code(DinBench(d.STRICT_DIN).at_power_on().ask(body)) == "FAILED_ChargingProfileInvalid"


@pytest.mark.req("V2G-DC-401")
def test_a_start_that_cannot_be_is_not_applied() -> None:
    bench = DinBench().at_pre_charge()
    bench.ask(d.pre_charge())
    bench.outlet(present_voltage=380.0)
    bench.outlet(ready=False)
    response = bench.ask(d.power(True))
    assert code(response) == "FAILED_PowerDeliveryNotApplied"
    assert bench.ended


def test_a_start_waits_for_a_reading_that_comes_late() -> None:
    """A Tesla Model Y asked for power about a second before the recorded station read its voltage."""
    bench = DinBench().at_awaiting_voltage()
    assert answer(bench.tick(0.9)) is None
    bench.outlet(present_voltage=384.0)
    assert code(answer(bench.tick(0.1))) == "OK"
    assert bench.stands(S.WAIT_FIRST_DEMAND)


def test_a_start_without_the_voltage_is_not_applied_before_the_car_stops_waiting() -> None:
    bench = DinBench().at_awaiting_voltage()
    assert code(answer(bench.tick(1.4))) == "FAILED_PowerDeliveryNotApplied"


def test_an_ev_may_give_up_before_the_start() -> None:
    bench = DinBench().at_power_on()
    assert code(bench.ask(d.power(False))) == "OK"
    assert points(bench.last) == [(0.0, 0.0)]
    assert bench.stands(S.WAIT_STOP_DC)


@pytest.mark.inv("INV-04")
def test_pre_charge_and_start_need_the_pilot() -> None:
    bench = DinBench().at_pre_charge()
    bench.outlet(control_pilot=ControlPilot.B)
    assert code(bench.ask(d.pre_charge())) == "FAILED"
    bench = DinBench().at_power_on()
    assert points(bench.outlet(control_pilot=ControlPilot.B)) == [(0.0, 0.0)]
    bench.outlet(control_pilot=ControlPilot.C)
    assert code(bench.ask(d.power(True))) == "FAILED_PowerDeliveryNotApplied"


# --- the charge loop ---


@pytest.mark.inv("INV-07")
def test_a_demand_gets_what_it_wants_within_all_limits() -> None:
    bench = DinBench().at_first_demand()
    response = bench.ask(d.current_demand(d.volts(400), d.amperes(300), max_current=d.amperes(100)))
    assert points(bench.last) == [(400.0, 100.0)]
    assert isinstance(response, din.CurrentDemandRes)
    assert response.evse_current_limit_achieved
    assert not response.evse_voltage_limit_achieved
    assert response.evse_maximum_current_limit == d.amperes(125)
    assert response.evse_present_voltage == d.volts(380)


@pytest.mark.inv("INV-08")
def test_load_management_acts_at_the_next_renewal_of_the_lease() -> None:
    bench = DinBench().at_demand()
    bench.feed(PowerLimited(8000.0))
    assert points(bench.tick(0.25)) == [(400.0, 20.0)]


@pytest.mark.inv("INV-08")
def test_a_schedule_binds_beyond_what_its_entry_can_say() -> None:
    """PMax ends at 32767 W, the outlet has 50 kW: what it cannot say is not taken away."""
    bench = DinBench().at_first_demand()
    bench.ask(d.current_demand(d.volts(400), d.amperes(110)))
    assert points(bench.last) == [(400.0, 110.0)]


@pytest.mark.req("V2G-DC-957")
def test_the_loop_may_stand_still_for_5_seconds() -> None:
    bench = DinBench().at_demand()
    bench.tick(4.9)
    assert code(bench.ask(d.current_demand())) == "OK"
    outputs = bench.tick(5.1)
    assert (0.0, 0.0) in points(outputs)
    assert bench.end is not None
    assert bench.end.reason is EndReason.SEQUENCE_TIMEOUT


def test_before_and_after_the_loop_the_sequence_time_is_60_seconds() -> None:
    bench = DinBench().at_first_demand()
    bench.tick(59.0)
    assert code(bench.ask(d.current_demand())) == "OK"
    bench.ask(d.power(False))
    bench.tick(59.0)
    assert not bench.ended


@pytest.mark.inv("INV-29")
@pytest.mark.req("V2G-DC-500")
def test_an_ordered_stop_is_told_by_the_status_code_alone() -> None:
    bench = DinBench().at_demand()
    bench.feed(StopRequested())
    response = bench.ask(d.current_demand())
    assert isinstance(response, din.CurrentDemandRes)
    assert response.dc_evse_status == din.DCEVSEStatus(
        evse_isolation_status=din.IsolationLevel.VALID,
        evse_status_code=din.DCEVSEStatusCode.EVSE_SHUTDOWN,
        notification_max_delay=0,
        evse_notification=din.EVSENotification.NONE,
    )
    end = bench.ask(d.power(False))
    assert (code(end), status_code(end)) == ("OK", "EVSE_Shutdown")


@pytest.mark.inv("INV-03", "INV-29")
def test_an_ev_that_does_not_heed_the_stop_is_switched_off_and_refused() -> None:
    bench = DinBench(dataclasses.replace(DIN, timing=TimingConfig(stop_delay=2.0))).at_demand()
    bench.feed(StopRequested())
    bench.tick(1.9)
    assert code(bench.ask(d.current_demand())) == "OK"
    assert (0.0, 0.0) in points(bench.tick(0.2))
    assert code(bench.ask(d.current_demand())) == "FAILED"


@pytest.mark.inv("INV-04")
@pytest.mark.req("V2G-DC-668")
def test_pilot_b_in_the_loop_is_an_emergency_shutdown() -> None:
    bench = DinBench().at_demand()
    assert points(bench.outlet(control_pilot=ControlPilot.B)) == [(0.0, 0.0)]
    response = bench.ask(d.current_demand())
    assert (code(response), status_code(response)) == ("OK", "EVSE_EmergencyShutdown")
    assert points(bench.last) == []


@pytest.mark.inv("INV-03", "INV-30")
@pytest.mark.parametrize("fault", [EvseFault.EMERGENCY_STOP, EvseFault.MALFUNCTION])
def test_a_fault_in_the_loop_is_switched_off_at_once_and_told(fault: EvseFault) -> None:
    bench = DinBench().at_demand()
    assert points(bench.outlet(fault=fault)) == [(0.0, 0.0)]
    response = bench.ask(d.current_demand())
    assert (code(response), status_code(response)) == ("FAILED", "EVSE_EmergencyShutdown")
    assert bench.end is not None
    assert bench.end.fault is fault


@pytest.mark.inv("INV-03")
def test_a_driver_that_fails_switches_off() -> None:
    bench = DinBench().at_demand()
    assert points(bench.feed(ControllerFault("no answer"))) == [(0.0, 0.0)]
    assert code(bench.ask(d.current_demand())) == "FAILED"


@pytest.mark.inv("INV-03")
def test_a_lost_link_switches_off_and_ends() -> None:
    bench = DinBench().at_demand()
    assert (0.0, 0.0) in points(bench.feed(LinkLost()))
    assert bench.end is not None
    assert bench.end.reason is EndReason.LINK_LOST


@pytest.mark.inv("INV-31")
def test_a_lapsed_lease_ends_the_session() -> None:
    bench = DinBench().at_demand()
    bench.clock.advance(0.6)
    bench.ask(d.current_demand())
    assert bench.end is not None
    assert bench.end.reason is EndReason.LEASE_LAPSED


@pytest.mark.req("V2G-DC-962")
def test_an_unplugged_cable_ends_the_session() -> None:
    bench = DinBench().at_demand()
    bench.outlet(control_pilot=ControlPilot.A)
    assert bench.end is not None
    assert bench.end.reason is EndReason.UNPLUGGED


@pytest.mark.parametrize(
    "status", [d.ev_status(ready=False), d.ev_status(error=DCEVErrorCode.FAILED_EV_RESS_MALFUNCTION)]
)
def test_an_ev_that_is_not_ready_or_at_fault_gets_nothing_and_is_stopped(status: din.DCEVStatus) -> None:
    bench = DinBench().at_demand()
    response = bench.ask(d.current_demand(status=status))
    assert points(bench.last) == [(0.0, 0.0)]
    assert status_code(response) == "EVSE_Shutdown"


def test_a_full_ev_gets_nothing() -> None:
    bench = DinBench().at_demand()
    response = bench.ask(d.current_demand(complete=True))
    assert points(bench.last) == [(0.0, 0.0)]
    assert status_code(response) == "EVSE_Ready"


def test_a_renegotiation_cannot_be_told() -> None:
    bench = DinBench().at_demand()
    (notice,) = bench.feed(RenegotiationRequested())
    assert getattr(notice, "kind", None) is NoticeKind.IGNORED
    assert status_code(bench.ask(d.current_demand())) == "EVSE_Ready"


@pytest.mark.parametrize(
    "request_",
    [
        d.current_demand(d.volts(-1)),
        d.current_demand(current=d.amperes(-1)),
        d.current_demand(d.volts(400, 0, din.UnitSymbol.A)),
        d.current_demand(max_current=d.amperes(-1)),
        d.current_demand(max_power=d.volts(1)),
    ],
)
def test_a_demand_that_makes_no_sense_is_refused_with_the_output_off(request_: din.CurrentDemandReq) -> None:
    bench = DinBench().at_demand()
    assert code(bench.ask(request_)) == "FAILED"
    assert (0.0, 0.0) in points(bench.last)


def test_a_second_start_in_the_loop_is_refused() -> None:
    assert code(DinBench().at_demand().ask(d.power(True))) == "FAILED"


# --- the end ---


@pytest.mark.req("V2G-DC-556")
def test_welding_detection_waits_for_pilot_b_with_the_output_off() -> None:
    bench = DinBench().at_stop()
    assert bench.session.energised is None
    assert bench.ask(d.welding_detection()) is None
    bench.outlet(present_voltage=12.5)
    response = answer(bench.outlet(control_pilot=ControlPilot.B))
    assert isinstance(response, din.WeldingDetectionRes)
    assert response.evse_present_voltage == d.volts(125, -1)


@pytest.mark.req("V2G-DC-925")
def test_welding_detection_has_20_seconds() -> None:
    bench = DinBench().at_welding()
    bench.tick(19.9)
    assert code(bench.ask(d.welding_detection())) == "OK"
    bench.tick(0.2)
    assert code(bench.ask(d.welding_detection())) == "FAILED"


@pytest.mark.req("V2G-DC-988")
def test_session_stop_after_charging_waits_for_pilot_b() -> None:
    bench = DinBench().at_stop()
    assert bench.ask(din.SessionStop()) is None
    assert code(answer(bench.outlet(control_pilot=ControlPilot.B))) == "OK"
    assert bench.end is not None
    assert (bench.end.reason, bench.end.paused) == (EndReason.TERMINATED, None)


@pytest.mark.req("V2G-DC-547")
def test_session_stop_without_pilot_b_fails_after_the_detection_time() -> None:
    bench = DinBench().at_stop()
    bench.ask(din.SessionStop())
    assert code(answer(bench.tick(1.6))) == "FAILED"
