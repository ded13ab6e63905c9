"""The EV's behaviour without a socket: answers in, moves out."""

from collections.abc import Generator
from typing import Any

import msgspec
import pytest

from secc.messages import app_protocol, iso2
from secc.messages.iso2 import (
    ChargeProgress,
    EnergyTransferMode,
    EVSENotification,
    EVSEProcessing,
    ResponseCode,
)
from secc.messages.numbers import number
from secc.session.outlet import ControlPilot
from secc.sim.moves import Answer, Ask, Connect, Draw, EvGivesUp, Move, ShowPilot, Vanish, Wait
from secc.sim.script import EvScript, Plan, physical
from secc.sim.vehicle import Vehicle

OK = ResponseCode.OK
V, A, W = iso2.UnitSymbol.V, iso2.UnitSymbol.A, iso2.UnitSymbol.W


class Station:
    """Answers everything as a good station does; a test may change `notification` and `refuse`."""

    def __init__(self, modes: tuple[EnergyTransferMode, ...] = tuple(EnergyTransferMode)[:6]) -> None:
        self.modes = modes
        self.notification = EVSENotification.NONE
        self.refuse: type | None = None
        self.voltage = 0.0
        self.ongoing = 2
        self.now = 100.0

    def answer(self, request: object) -> object:
        body: Any = self._positive(request)
        if self.refuse is not None and isinstance(request, self.refuse):
            return msgspec.structs.replace(body, response_code=ResponseCode.FAILED)
        return body

    def _positive(self, request: object) -> iso2.BodyElement | app_protocol.SupportedAppProtocolRes:
        ac = iso2.ACEVSEStatus(notification_max_delay=0, evse_notification=self.notification, rcd=False)
        dc = iso2.DCEVSEStatus(
            notification_max_delay=0,
            evse_notification=self.notification,
            evse_status_code=iso2.DCEVSEStatusCode.EVSE_READY,
        )
        match request:
            case app_protocol.SupportedAppProtocolReq():
                code = app_protocol.ResponseCode.OK_SUCCESSFUL_NEGOTIATION
                return app_protocol.SupportedAppProtocolRes(response_code=code, schema_id=1)
            case iso2.SessionSetupReq():
                return iso2.SessionSetupRes(
                    response_code=ResponseCode.OK_NEW_SESSION_ESTABLISHED, evse_id="ZZ*000*E0"
                )
            case iso2.ServiceDiscoveryReq():
                return self._services()
            case iso2.ServiceDetailReq():
                return iso2.ServiceDetailRes(response_code=OK, service_id=1)
            case iso2.PaymentServiceSelectionReq():
                return iso2.PaymentServiceSelectionRes(response_code=OK)
            case iso2.AuthorizationReq():
                self.ongoing -= 1
                done = EVSEProcessing.FINISHED if self.ongoing < 0 else EVSEProcessing.ONGOING
                return iso2.AuthorizationRes(response_code=OK, evse_processing=done)
            case iso2.ChargeParameterDiscoveryReq():
                return self._schedules(ac)
            case iso2.CableCheckReq():
                return iso2.CableCheckRes(
                    response_code=OK, dc_evse_status=dc, evse_processing=EVSEProcessing.FINISHED
                )
            case iso2.PreChargeReq():
                self.voltage += 200.0
                target = number(request.ev_target_voltage)
                return iso2.PreChargeRes(
                    response_code=OK,
                    dc_evse_status=dc,
                    evse_present_voltage=physical(min(self.voltage, target), V),
                )
            case iso2.PowerDeliveryReq():
                return iso2.PowerDeliveryRes(response_code=OK, evse_status=ac)
            case iso2.ChargingStatusReq():
                return iso2.ChargingStatusRes(
                    response_code=OK,
                    evse_id="ZZ*000*E0",
                    sa_schedule_tuple_id=1,
                    evse_max_current=physical(10.0, A),
                    ac_evse_status=ac,
                )
            case iso2.CurrentDemandReq():
                return iso2.CurrentDemandRes(
                    response_code=OK,
                    dc_evse_status=dc,
                    evse_present_voltage=physical(360.0, V),
                    evse_present_current=physical(100.0, A),
                    evse_current_limit_achieved=False,
                    evse_voltage_limit_achieved=False,
                    evse_power_limit_achieved=False,
                    evse_id="ZZ*000*E0",
                    sa_schedule_tuple_id=1,
                )
            case iso2.WeldingDetectionReq():
                return iso2.WeldingDetectionRes(
                    response_code=OK, dc_evse_status=dc, evse_present_voltage=physical(10.0, V)
                )
            case iso2.SessionStopReq():
                return iso2.SessionStopRes(response_code=OK)
        raise AssertionError(request)

    def _services(self) -> iso2.ServiceDiscoveryRes:
        return iso2.ServiceDiscoveryRes(
            response_code=OK,
            payment_option_list=iso2.PaymentOptionList(payment_option=(iso2.PaymentOption.EXTERNAL_PAYMENT,)),
            charge_service=iso2.ChargeService(
                service_id=1,
                service_category=iso2.ServiceCategory.EV_CHARGING,
                free_service=False,
                supported_energy_transfer_mode=iso2.SupportedEnergyTransferMode(
                    energy_transfer_mode=self.modes
                ),
            ),
        )

    def _schedules(self, status: iso2.ACEVSEStatus) -> iso2.ChargeParameterDiscoveryRes:
        interval = iso2.RelativeTimeInterval(start=0, duration=3600)
        entry = iso2.PMaxScheduleEntry(time_interval=interval, p_max=physical(11000.0, W))
        schedule = iso2.SAScheduleTuple(
            sa_schedule_tuple_id=7, p_max_schedule=iso2.PMaxSchedule(p_max_schedule_entry=(entry,))
        )
        return iso2.ChargeParameterDiscoveryRes(
            response_code=OK,
            evse_processing=EVSEProcessing.FINISHED,
            sa_schedules=iso2.SAScheduleList(sa_schedule_tuple=(schedule,)),
            evse_charge_parameter=iso2.ACEVSEChargeParameter(
                ac_evse_status=status,
                evse_nominal_voltage=physical(230.0, V),
                evse_max_current=physical(32.0, A),
            ),
        )


def play(plan: Plan, station: Station, vehicle: Vehicle | None = None) -> list[Move]:
    """All moves of a session with this station."""
    script: Generator[Move, Answer, None] = EvScript(plan, vehicle or Vehicle()).run()
    moves: list[Move] = []
    move = next(script)
    while True:
        moves.append(move)
        if isinstance(move, Vanish):
            return moves
        message = None
        if isinstance(move, Ask):
            station.now += 0.1
            message = station.answer(move.request)
        try:
            move = script.send(Answer(station.now, message))  # type: ignore[arg-type]
        except StopIteration:
            return moves


def names(moves: list[Move]) -> list[str]:
    return [type(move.request).__name__ for move in moves if isinstance(move, Ask)]


def others(moves: list[Move], *kinds: type) -> list[Move]:
    return [move for move in moves if isinstance(move, kinds)]


DC = Plan(mode=EnergyTransferMode.DC_EXTENDED, loops=2, pace=0.0)
AC = Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=2, pace=0.0)

OPENING = [
    "SupportedAppProtocolReq",
    "SessionSetupReq",
    "ServiceDiscoveryReq",
    "PaymentServiceSelectionReq",
    "AuthorizationReq",
    "AuthorizationReq",
    "AuthorizationReq",
    "ChargeParameterDiscoveryReq",
]


def test_an_ac_session_in_the_order_of_the_standard() -> None:
    assert names(play(AC, Station())) == [
        *OPENING,
        "PowerDeliveryReq",
        "ChargingStatusReq",
        "ChargingStatusReq",
        "PowerDeliveryReq",
        "SessionStopReq",
    ]


def test_a_dc_session_in_the_order_of_the_standard() -> None:
    assert names(play(DC, Station())) == [
        *OPENING,
        "CableCheckReq",
        "PreChargeReq",
        "PreChargeReq",
        "PowerDeliveryReq",
        "CurrentDemandReq",
        "CurrentDemandReq",
        "PowerDeliveryReq",
        "WeldingDetectionReq",
        "SessionStopReq",
    ]


def test_the_pilot_shows_c_before_energy_and_b_after_it() -> None:
    pilots = [ShowPilot(ControlPilot.C), ShowPilot(ControlPilot.B)]
    assert others(play(AC, Station()), ShowPilot) == pilots
    assert others(play(DC, Station()), ShowPilot) == pilots


def test_the_vehicle_closes_its_contactors_after_pre_charge_and_opens_them_after_the_stop() -> None:
    moves = others(play(DC, Station()), Connect)
    assert isinstance(moves[0], Connect)
    assert moves[0].load is not None
    assert moves[-1] == Connect(None)


def test_the_charger_draws_what_is_offered_and_nothing_at_the_end() -> None:
    assert others(play(AC, Station()), Draw) == [Draw(10.0, 3), Draw(10.0, 3), Draw(0.0, 3)]


def test_a_charger_that_is_offered_less_than_its_minimum_draws_nothing() -> None:
    moves = play(AC, Station(), Vehicle(ac_min_current=11.0))
    assert others(moves, Draw)[0] == Draw(0.0, 3)


def test_the_start_names_the_schedule_and_follows_it_with_its_profile() -> None:
    start = next(
        move.request
        for move in play(AC, Station())
        if isinstance(move, Ask) and isinstance(move.request, iso2.PowerDeliveryReq)
    )
    assert isinstance(start, iso2.PowerDeliveryReq)
    assert start.charge_progress is ChargeProgress.START
    assert start.sa_schedule_tuple_id == 7
    assert start.charging_profile is not None
    assert start.charging_profile.profile_entry[0].charging_profile_entry_max_power == physical(11000.0, W)


def test_a_target_of_energy_ends_the_loop() -> None:
    plan = Plan(mode=EnergyTransferMode.DC_EXTENDED, loops=None, energy=3.0, pace=0.0)
    vehicle = Vehicle()
    moves = play(plan, Station(), vehicle)
    assert 3.0 <= vehicle.received < 4.0
    assert names(moves)[-1] == "SessionStopReq"


def test_a_full_battery_ends_the_loop() -> None:
    plan = Plan(mode=EnergyTransferMode.DC_EXTENDED, loops=None, pace=0.0)
    assert "CurrentDemandReq" not in names(play(plan, Station(), Vehicle(soc=0.8)))


class Stopping(Station):
    """Orders a stop in the answer to a request of this class, and from there on."""

    def __init__(self, at: type) -> None:
        super().__init__()
        self._at = at

    def answer(self, request: object) -> object:
        if isinstance(request, self._at):
            self.notification = EVSENotification.STOP_CHARGING
        return super().answer(request)


def test_a_station_that_orders_a_stop_is_obeyed() -> None:
    plan = Plan(mode=EnergyTransferMode.AC_SINGLE_PHASE_CORE, loops=None, pace=0.0)
    assert names(play(plan, Stopping(iso2.ChargingStatusReq))).count("ChargingStatusReq") == 1


@pytest.mark.parametrize("at", [iso2.ChargeParameterDiscoveryReq, iso2.CableCheckReq, iso2.PreChargeReq])
def test_a_stop_before_energy_flows_makes_it_leave_in_order(at: type) -> None:
    plan = Plan(mode=EnergyTransferMode.DC_EXTENDED, loops=None, pace=0.0)
    sent = names(play(plan, Stopping(at)))
    assert sent[-2:] == [at.__name__, "SessionStopReq"]


@pytest.mark.parametrize("mode", [EnergyTransferMode.DC_EXTENDED, EnergyTransferMode.AC_SINGLE_PHASE_CORE])
def test_a_stop_with_the_start_is_followed_by_the_stop(mode: EnergyTransferMode) -> None:
    sent = names(play(Plan(mode=mode, loops=None, pace=0.0), Stopping(iso2.PowerDeliveryReq)))
    assert sent.count("PowerDeliveryReq") == 2
    assert not {"CurrentDemandReq", "ChargingStatusReq"} & set(sent)
    assert sent[-1] == "SessionStopReq"


def test_a_renegotiation_in_dc_passes_cable_check_and_pre_charge_again() -> None:
    plan = Plan(mode=EnergyTransferMode.DC_EXTENDED, loops=2, pace=0.0, renegotiate_at=1)
    sent = names(play(plan, Station()))
    assert sent.count("ChargeParameterDiscoveryReq") == 2
    assert sent.count("CableCheckReq") == 2
    assert sent.count("PowerDeliveryReq") == 4


def test_a_renegotiation_in_ac_goes_back_to_the_parameters_only() -> None:
    plan = Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=2, pace=0.0, renegotiate_at=1)
    sent = names(play(plan, Station()))
    assert sent.count("ChargeParameterDiscoveryReq") == 2
    assert sent.count("PowerDeliveryReq") == 4


def test_a_refusal_ends_the_session() -> None:
    station = Station()
    station.refuse = iso2.PaymentServiceSelectionReq
    with pytest.raises(EvGivesUp, match="PaymentServiceSelectionRes: FAILED"):
        play(AC, station)


def test_a_mode_that_is_not_offered_ends_the_session() -> None:
    with pytest.raises(EvGivesUp, match="DC_extended is not offered"):
        play(DC, Station(modes=(EnergyTransferMode.AC_THREE_PHASE_CORE,)))


def test_a_station_that_never_decides_is_left_after_a_minute() -> None:
    station = Station()
    station.ongoing = 10_000
    with pytest.raises(EvGivesUp, match="AuthorizationReq: not finished after 60 s"):
        play(AC, station)


def test_pauses_come_where_the_plan_has_them() -> None:
    plan = Plan(
        mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=2, pace=0.5, waits={iso2.PowerDeliveryReq: 59.3}
    )
    assert others(play(plan, Station()), Wait) == [Wait(0.5), Wait(0.5), Wait(59.3), Wait(0.5)]


def test_a_tampered_move_takes_the_place_of_the_request() -> None:
    def tamper(request: object, number: int) -> Move | None:
        return Vanish() if isinstance(request, iso2.ChargingStatusReq) and number == 1 else None

    plan = Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, pace=0.0, tamper=tamper)
    moves = play(plan, Station())
    assert names(moves)[-1] == "ChargingStatusReq"
    assert moves[-1] == Vanish()


def test_the_services_details_and_the_welding_detection_are_optional() -> None:
    plan = Plan(mode=EnergyTransferMode.DC_EXTENDED, pace=0.0, service_detail=True, welding_detection=False)
    sent = names(play(plan, Station()))
    assert "ServiceDetailReq" in sent
    assert "WeldingDetectionReq" not in sent


def test_numbers_become_physical_values_to_the_nearest_tenth() -> None:
    assert physical(380.0, V) == iso2.PhysicalValue(multiplier=0, unit=V, value=380)
    assert physical(380.26, V) == iso2.PhysicalValue(multiplier=-1, unit=V, value=3803)
    assert physical(60_000.0, W) == iso2.PhysicalValue(multiplier=1, unit=W, value=6000)
    assert physical(0.0, A) == iso2.PhysicalValue(multiplier=0, unit=A, value=0)
