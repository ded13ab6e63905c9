"""Whole sessions as folds over their inputs, with everything that comes out written down."""

import msgspec
import pytest

from secc.messages.iso2 import ChargingSession, EVSEProcessing, PhysicalValue, SAScheduleList, UnitSymbol
from secc.session.identity import EvIdentity
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot, IsolationLevel
from secc.session.outputs import (
    Authorize,
    CloseContactor,
    EndReason,
    EndSession,
    Notice,
    OpenContactor,
    Output,
    RenewLease,
    Send,
    SetOutput,
    StartCableCheck,
)
from secc.session.ticket import Ticket
from tests.support import requests as r
from tests.support.bench import AC, DC, Bench, code, counting_bytes

OFF_DC = [SetOutput(0.0, 0.0), OpenContactor()]


def said(outputs: tuple[Output, ...]) -> list[object]:
    """Outputs with a response as its name and code; notices and session ends without their texts."""
    line: list[object] = []
    for output in outputs:
        match output:
            case Send(message):
                line.append((type(message.body).__name__, code(message.body)))
            case EndSession(reason=reason):
                line.append(reason)
            case Notice():
                pass
            case _:
                line.append(output)
    return line


@pytest.mark.req(
    "V2G2-462",
    "V2G2-543",
    "V2G2-563",
    "V2G2-568",
    "V2G2-575",
    "V2G2-576",
    "V2G2-854",
    "V2G2-862",
    "V2G2-388",
    "V2G2-390",
    "V2G2-747",
)
def test_ac_session_from_setup_to_stop() -> None:
    bench = Bench(AC)
    bench.request(r.session_setup(), b"\0")
    assert said(bench.last) == [("SessionSetupRes", "OK_NewSessionEstablished")]
    assert bench.session.session_id == bytes.fromhex("0000000000000001")
    bench.request(r.service_discovery())
    assert said(bench.last) == [("ServiceDiscoveryRes", "OK")]
    bench.request(r.payment_selection())
    assert said(bench.last) == [("PaymentServiceSelectionRes", "OK")]

    waiting = bench.request(r.authorization())
    shown = EvIdentity("020000000001", proven=False)
    assert said(bench.last) == [Authorize(Ticket(0, 1), shown), ("AuthorizationRes", "OK")]
    assert waiting.evse_processing is EVSEProcessing.ONGOING_WAITING_FOR_CUSTOMER_INTERACTION  # type: ignore[union-attr]
    bench.request(r.authorization())
    assert said(bench.last) == [("AuthorizationRes", "OK")]
    bench.authorize()
    assert bench.last == ()
    finished = bench.request(r.authorization())
    assert finished.evse_processing is EVSEProcessing.FINISHED  # type: ignore[union-attr]

    offer = bench.request(r.ac_parameters())
    assert said(bench.last) == [("ChargeParameterDiscoveryRes", "OK")]
    schedules = offer.sa_schedules  # type: ignore[union-attr]
    assert isinstance(schedules, SAScheduleList)
    (entry,) = schedules.sa_schedule_tuple[0].p_max_schedule.p_max_schedule_entry
    assert entry.p_max == PhysicalValue(multiplier=0, unit=UnitSymbol.W, value=22080)
    assert (entry.time_interval.start, entry.time_interval.duration) == (0, 86400)

    bench.outlet(control_pilot=ControlPilot.C)
    bench.request(r.start())
    assert said(bench.last) == [RenewLease(0.5), CloseContactor(Ticket(0, 2))]
    bench.contactor()
    assert said(bench.last) == [("PowerDeliveryRes", "OK")]

    status = bench.request(r.charging_status())
    assert said(bench.last) == [("ChargingStatusRes", "OK")]
    assert status.evse_max_current == PhysicalValue(multiplier=0, unit=UnitSymbol.A, value=32)  # type: ignore[union-attr]
    assert status.receipt_required is False  # type: ignore[union-attr]
    assert said(bench.tick(0.45)) == [RenewLease(0.5), RenewLease(0.5)]

    bench.request(r.stop())
    assert said(bench.last) == [OpenContactor(), ("PowerDeliveryRes", "OK")]
    assert bench.tick(1.0) == ()
    bench.request(r.session_stop())
    assert said(bench.last) == [OpenContactor(), ("SessionStopRes", "OK"), EndReason.TERMINATED]
    assert bench.stands_in(State.ENDED)
    assert bench.session.deadline is None


@pytest.mark.req(
    "V2G2-582", "V2G2-584", "V2G2-587", "V2G2-590", "V2G2-593", "V2G2-597", "V2G2-601", "V2G2-921"
)
def test_dc_session_from_cable_check_to_stop() -> None:
    bench = Bench(DC).to_cable_check()
    bench.request(r.cable_check())
    assert said(bench.last) == []  # owed until the pilot shows C
    bench.outlet(control_pilot=ControlPilot.C)
    assert said(bench.last) == [
        RenewLease(0.5),
        StartCableCheck(Ticket(0, 2), 410.0),
        ("CableCheckRes", "OK"),
    ]
    bench.request(r.cable_check())
    assert said(bench.last) == [("CableCheckRes", "OK")]
    bench.isolation(IsolationLevel.VALID)
    assert said(bench.last) == [SetOutput(0.0, 0.0)]
    bench.request(r.cable_check())
    assert said(bench.last) == [("CableCheckRes", "OK")]
    assert bench.stands_in(State.WAIT_PRE_CHARGE)

    bench.request(r.pre_charge(r.volts(380), r.amperes(10)))
    assert said(bench.last) == [RenewLease(0.5), SetOutput(380.0, 2.0), ("PreChargeRes", "OK")]
    bench.outlet(present_voltage=379.0)
    bench.request(r.start())
    assert said(bench.last) == [("PowerDeliveryRes", "OK")]

    demand = bench.request(r.current_demand(r.volts(400), r.amperes(80)))
    assert said(bench.last) == [RenewLease(0.5), SetOutput(400.0, 80.0), ("CurrentDemandRes", "OK")]
    assert demand.evse_current_limit_achieved is False  # type: ignore[union-attr]
    bench.request(r.current_demand(r.volts(400), r.amperes(120)))
    assert said(bench.last) == [RenewLease(0.5), SetOutput(400.0, 100.0), ("CurrentDemandRes", "OK")]

    bench.request(r.stop())
    assert said(bench.last) == [SetOutput(0.0, 0.0), ("PowerDeliveryRes", "OK")]
    bench.request(r.welding_detection())
    assert said(bench.last) == []  # owed until the pilot shows B
    bench.outlet(control_pilot=ControlPilot.B)
    assert said(bench.last) == [("WeldingDetectionRes", "OK")]
    bench.request(r.welding_detection())
    bench.request(r.session_stop())
    assert said(bench.last) == [*OFF_DC, ("SessionStopRes", "OK"), EndReason.TERMINATED]


@pytest.mark.req("V2G2-813", "V2G2-842", "V2G2-849")
def test_ac_renegotiation_keeps_the_contactor_closed() -> None:
    bench = Bench(AC).to_status()
    bench.request(r.renegotiate())
    assert said(bench.last) == [("PowerDeliveryRes", "OK")]
    bench.request(r.ac_parameters())
    assert said(bench.last) == [("ChargeParameterDiscoveryRes", "OK")]
    assert said(bench.tick(0.25)) == [RenewLease(0.5)]
    bench.request(r.start())
    assert said(bench.last) == [RenewLease(0.5), CloseContactor(Ticket(0, 3))]
    bench.contactor()
    assert said(bench.last) == [("PowerDeliveryRes", "OK")]
    assert bench.stands_in(State.WAIT_FIRST_STATUS)


@pytest.mark.inv("INV-06")
@pytest.mark.req("V2G2-565", "V2G2-582", "V2G2-813")
def test_dc_renegotiation_switches_off_and_tests_the_isolation_again() -> None:
    bench = Bench(DC).to_demand()
    bench.request(r.renegotiate())
    assert said(bench.last) == [SetOutput(0.0, 0.0), ("PowerDeliveryRes", "OK")]
    bench.request(r.dc_parameters())
    assert bench.stands_in(State.WAIT_CABLE_CHECK)
    bench.request(r.cable_check())
    assert said(bench.last) == [SetOutput(0.0, 0.0), ("CableCheckRes", "OK")]  # 380 V still
    bench.evse = msgspec.structs.replace(bench.evse, present_voltage=12.0)
    bench.request(r.cable_check())
    assert said(bench.last) == [
        RenewLease(0.5),
        StartCableCheck(Ticket(0, 3), 410.0),
        ("CableCheckRes", "OK"),
    ]
    bench.request(r.cable_check())
    assert bench.stands_in(State.WAIT_CABLE_CHECK_RESULT)  # the old result does not count


@pytest.mark.req("V2G2-739")
def test_pause_is_answered_ok_and_ends_the_session_as_paused() -> None:
    bench = Bench(AC).to_status()
    bench.request(r.stop())
    bench.request(r.session_stop(ChargingSession.PAUSE))
    assert said(bench.last) == [OpenContactor(), ("SessionStopRes", "OK"), EndReason.PAUSED]


@pytest.mark.inv("INV-35")
def test_the_same_inputs_give_the_same_outputs_again() -> None:
    bench = Bench(DC).to_demand()
    bench.request(r.stop())
    again = Bench(DC, random_bytes=counting_bytes())
    assert [again.session.handle(event, now) for now, event, _ in bench.trace] == [
        outputs for _, _, outputs in bench.trace
    ]
