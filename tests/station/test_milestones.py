"""What happened to a car, in few words."""

from secc.messages import din, iso2
from secc.records import Direction, MessageRecord, OutputRecord
from secc.session.outlet import ControlPilot, MeterReading
from secc.session.outputs import EndReason, EndSession, Send
from secc.station.milestones import (
    Authorised,
    ChargingStarted,
    ChargingStopped,
    LimitsChanged,
    MeterRead,
    Milestone,
    Milestones,
    SessionEnded,
    SessionStarted,
)
from tests.support import requests as r
from tests.support.bench import DC, Bench
from tests.support.wire import Car, finish, running, to_charge_loop


async def test_a_session_over_the_network_in_a_summary() -> None:
    async def scenario() -> list[Milestone]:
        told: list[Milestone] = []
        milestones = Milestones(told.append)
        async with running() as bed:
            car = await Car.connect(bed.plain_port)
            await to_charge_loop(car, bed.outlet)
            await finish(car, bed.outlet)
            await bed.until_idle()
            for record in bed.records:
                milestones(record)
        return told

    told = await scenario()
    assert [type(one) for one in told] == [
        SessionStarted,
        Authorised,
        ChargingStarted,
        LimitsChanged,
        ChargingStopped,
        SessionEnded,
    ]
    first, last = told[0], told[-1]
    assert isinstance(first, SessionStarted)
    assert isinstance(last, SessionEnded)
    assert (first.evcc_id, first.resumed) == (r.session_setup().evcc_id.hex().upper(), False)
    assert last.reason is EndReason.TERMINATED
    assert len({one.session for one in told}) == 1
    assert len(first.session) == 16


def milestones_of(bench: Bench) -> list[Milestone]:
    """Of a session at the bench."""
    told: list[Milestone] = []
    milestones = Milestones(told.append)
    for at, event, outputs in bench.trace:
        if (message := getattr(event, "message", None)) is not None:
            milestones(MessageRecord(at, Direction.RECEIVED, message))
        for output in outputs:
            if isinstance(output, Send):
                milestones(MessageRecord(at, Direction.SENT, output.message, 0.0, "AB"))
            elif isinstance(output, EndSession):
                milestones(OutputRecord(at, output, "AB"))
    return told


def test_limits_and_readings_are_reported_when_they_change() -> None:
    bench = Bench(DC).to_demand()
    bench.outlet(meter=MeterReading("M", 500))
    for power in (None, None, 20_000.0, 20_000.0):
        bench.outlet(max_power=power)
        bench.request(r.current_demand())
    bench.request(r.stop())
    bench.outlet(control_pilot=ControlPilot.B)
    told = milestones_of(bench)
    limits = [one for one in told if isinstance(one, LimitsChanged)]
    assert [(one.current, one.voltage, one.power) for one in limits] == [
        (125.0, 500.0, 50_000.0),
        (125.0, 500.0, 20_000.0),
    ]
    assert [one.energy for one in told if isinstance(one, MeterRead)] == [500]


def test_an_end_before_the_session_has_begun_is_none() -> None:
    told: list[Milestone] = []
    Milestones(told.append)(OutputRecord(0.0, EndSession(reason=EndReason.LINK_LOST), ""))
    assert told == []


def test_a_refusal_is_no_milestone() -> None:
    told: list[Milestone] = []
    header = iso2.MessageHeader(session_id=bytes(8))
    body = iso2.SessionSetupRes(response_code=iso2.ResponseCode.FAILED, evse_id="ZZ*000*E0")
    message = iso2.V2GMessage(header=header, body=body)
    Milestones(told.append)(MessageRecord(0.0, Direction.SENT, message, 0.0, "AB"))
    assert told == []


def test_din_starts_and_stops_by_a_truth_value() -> None:
    told: list[Milestone] = []
    milestones = Milestones(told.append)
    for ready in (True, False):
        request = din.PowerDeliveryReq(ready_to_charge_state=ready)
        answer = din.PowerDeliveryRes(
            response_code=din.ResponseCode.OK,
            evse_status=din.DCEVSEStatus(
                evse_status_code=din.DCEVSEStatusCode.EVSE_READY,
                notification_max_delay=0,
                evse_notification=din.EVSENotification.NONE,
            ),
        )
        milestones(MessageRecord(0.0, Direction.RECEIVED, request))
        milestones(MessageRecord(0.1, Direction.SENT, answer, 0.1, "AB"))
    assert [type(one) for one in told] == [ChargingStarted, ChargingStopped]
