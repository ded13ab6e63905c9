"""Start, events and end of a transaction."""

from __future__ import annotations

import msgspec
import pytest

from secc.ocpp.model import (
    ChargingState,
    ConnectorStatus,
    EventKind,
    IdToken,
    StopReason,
    TokenKind,
    TransactionEvent,
    Trigger,
)
from secc.ocpp.transactions import Transactions, connector_status, reading_of, state_of, why
from secc.ocpp.v201 import sampled_values
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot, MeterReading
from secc.session.outputs import EndReason, EndSession

CARD = IdToken("CARD")
PLUGGED = EvseSnapshot(control_pilot=ControlPilot.B, meter=MeterReading("M", 1000))
CHARGING = msgspec.structs.replace(
    PLUGGED, control_pilot=ControlPilot.C, contactor_closed=True, meter=MeterReading("M", 1100)
)
PAUSED = msgspec.structs.replace(CHARGING, contactor_closed=False, control_pilot=ControlPilot.B)
GONE = msgspec.structs.replace(PLUGGED, control_pilot=ControlPilot.A)
TERMINATED = EndSession(reason=EndReason.TERMINATED)


def begun(interval: float = 60.0) -> tuple[Transactions, list[TransactionEvent]]:
    transactions = Transactions(interval=interval)
    return transactions, transactions.authorised(CARD, "t1", PLUGGED, 100.0, offline=False)


def told(events: list[TransactionEvent]) -> list[tuple[EventKind, Trigger, int]]:
    return [(event.kind, event.trigger, event.seq) for event in events]


def test_a_transaction_is_started_changes_its_state_and_ends_with_the_session() -> None:
    transactions, events = begun()
    events += transactions.observe(CHARGING, 110.0, offline=False)
    events += transactions.session_over(TERMINATED, 130.0, offline=False)
    assert told(events) == [
        (EventKind.STARTED, Trigger.AUTHORIZED, 0),
        (EventKind.UPDATED, Trigger.CHARGING_STATE, 1),
        (EventKind.ENDED, Trigger.STOP_AUTHORIZED, 2),
    ]
    assert [event.state for event in events] == [
        ChargingState.CONNECTED,
        ChargingState.CHARGING,
        ChargingState.IDLE,
    ]
    assert events[0].meter_start == 1000
    assert events[-1].reading is not None
    assert events[-1].reading.energy == 1100
    assert events[-1].reason is StopReason.STOPPED_BY_EV
    assert [event.token for event in events] == [CARD, None, CARD]
    assert transactions.open is None


def test_meter_values_come_at_their_interval_and_not_before() -> None:
    transactions, _ = begun(interval=60.0)
    transactions.observe(CHARGING, 101.0, offline=False)
    assert transactions.observe(CHARGING, 160.0, offline=False) == []
    events = transactions.observe(CHARGING, 161.0, offline=True)
    assert told(events) == [(EventKind.UPDATED, Trigger.METER_PERIODIC, 2)]
    assert events[0].offline


def test_a_paused_session_keeps_its_transaction_until_the_ev_leaves() -> None:
    transactions, _ = begun()
    transactions.observe(CHARGING, 110.0, offline=False)
    end = EndSession(reason=EndReason.PAUSED)
    events = transactions.session_over(end, 120.0, offline=False)
    assert events[0].state is ChargingState.SUSPENDED_EV
    assert transactions.session_over(end, 121.0, offline=False) == []
    assert transactions.open is not None
    events = transactions.observe(GONE, 500.0, offline=False)
    assert told(events) == [(EventKind.ENDED, Trigger.EV_DEPARTED, 3)]
    assert events[0].reason is StopReason.EV_DISCONNECTED


def test_who_continues_a_paused_session_goes_on_with_its_transaction() -> None:
    transactions = Transactions(interval=60.0)
    one = IdToken("DE-ABC-000000001-G", TokenKind.EMAID)
    transactions.authorised(one, "t1", PLUGGED, 100.0, offline=False)
    transactions.session_over(EndSession(reason=EndReason.PAUSED), 120.0, offline=False)
    other_spelling = IdToken("deabc000000001", TokenKind.EMAID)
    events = transactions.authorised(other_spelling, "t2", CHARGING, 200.0, offline=False)
    assert told(events) == [(EventKind.UPDATED, Trigger.CHARGING_STATE, 2)]
    assert events[0].transaction == "t1"


def test_another_token_ends_the_transaction_that_was_open() -> None:
    transactions, _ = begun()
    events = transactions.authorised(IdToken("OTHER"), "t2", PLUGGED, 200.0, offline=False)
    assert [(event.kind, event.transaction) for event in events] == [
        (EventKind.ENDED, "t1"),
        (EventKind.STARTED, "t2"),
    ]


def test_a_stop_from_afar_gives_the_last_event_its_reason() -> None:
    transactions, _ = begun()
    transactions.stopping(Trigger.REMOTE_STOP, StopReason.REMOTE)
    transactions.stopping(Trigger.RESET, StopReason.IMMEDIATE_RESET)
    events = transactions.session_over(TERMINATED, 130.0, offline=False)
    assert told(events) == [(EventKind.ENDED, Trigger.REMOTE_STOP, 1)]
    assert events[0].reason is StopReason.REMOTE


def test_a_stop_of_a_paused_session_ends_it() -> None:
    transactions, _ = begun()
    transactions.stopping(Trigger.REMOTE_STOP, StopReason.REMOTE)
    events = transactions.session_over(EndSession(reason=EndReason.PAUSED), 130.0, offline=False)
    assert events[0].kind is EventKind.ENDED


def test_what_was_open_when_the_process_ended_ends_with_what_was_written_down() -> None:
    transactions, _ = begun()
    transactions.observe(CHARGING, 110.0, offline=False)
    again = Transactions(interval=60.0, open_=transactions.open)
    events = again.recovered(5.0, offline=True)
    assert told(events) == [(EventKind.ENDED, Trigger.ABNORMAL, 2)]
    assert events[0].reason is StopReason.POWER_LOSS
    assert events[0].at == 110.0
    assert events[0].reading is not None
    assert events[0].reading.energy == 1100
    assert again.recovered(6.0, offline=True) == []


def test_a_clock_that_is_set_back_never_puts_an_event_before_another() -> None:
    transactions, events = begun()
    events += transactions.observe(CHARGING, 50.0, offline=False)
    events += transactions.triggered(40.0, offline=False)
    events += transactions.session_over(TERMINATED, 30.0, offline=False)
    assert [event.at for event in events] == [100.0, 100.0, 100.0, 100.0]
    assert [event.seq for event in events] == [0, 1, 2, 3]


def test_a_silent_meter_leaves_the_last_reading_of_the_transaction() -> None:
    silent = msgspec.structs.replace(CHARGING, meter=None)
    assert reading_of(silent) is None
    transactions, _ = begun()
    (event,) = transactions.observe(silent, 110.0, offline=False)
    assert event.reading is not None
    assert event.reading.energy == 1000


def test_without_a_transaction_nothing_is_reported() -> None:
    transactions = Transactions(interval=1.0)
    assert transactions.observe(CHARGING, 1.0, offline=False) == []
    assert transactions.triggered(1.0, offline=False) == []
    assert transactions.session_over(TERMINATED, 1.0, offline=False) == []
    transactions.stopping(Trigger.REMOTE_STOP, StopReason.REMOTE)
    assert transactions.open is None


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (TERMINATED, StopReason.STOPPED_BY_EV),
        (EndSession(reason=EndReason.UNPLUGGED), StopReason.EV_DISCONNECTED),
        (EndSession(reason=EndReason.SEQUENCE_TIMEOUT), StopReason.TIMEOUT),
        (EndSession(reason=EndReason.LINK_LOST), StopReason.OTHER),
        (EndSession(reason=EndReason.REFUSED), StopReason.OTHER),
        (EndSession(reason=EndReason.PILOT_ERROR), StopReason.OTHER),
        (
            EndSession(reason=EndReason.TERMINATED, fault=EvseFault.EMERGENCY_STOP),
            StopReason.EMERGENCY_STOP,
        ),
        (EndSession(reason=EndReason.TERMINATED, fault=EvseFault.ISOLATION), StopReason.GROUND_FAULT),
        (EndSession(reason=EndReason.TERMINATED, fault=EvseFault.MALFUNCTION), StopReason.OTHER),
    ],
)
def test_the_end_of_a_session_as_a_reason_of_ocpp(end: EndSession, reason: StopReason) -> None:
    assert why(end)[1] is reason


@pytest.mark.parametrize(
    ("snapshot", "state", "status"),
    [
        (GONE, ChargingState.IDLE, ConnectorStatus.AVAILABLE),
        (PLUGGED, ChargingState.SUSPENDED_EV, ConnectorStatus.SUSPENDED_EV),
        (CHARGING, ChargingState.CHARGING, ConnectorStatus.CHARGING),
        (
            msgspec.structs.replace(CHARGING, contactor_closed=False),
            ChargingState.SUSPENDED_EVSE,
            ConnectorStatus.SUSPENDED_EVSE,
        ),
        (
            msgspec.structs.replace(PLUGGED, present_voltage=400.0, present_current=10.0),
            ChargingState.CHARGING,
            ConnectorStatus.CHARGING,
        ),
        (
            msgspec.structs.replace(CHARGING, fault=EvseFault.MALFUNCTION),
            ChargingState.CHARGING,
            ConnectorStatus.FAULTED,
        ),
        (
            msgspec.structs.replace(GONE, control_pilot=ControlPilot.F),
            ChargingState.IDLE,
            ConnectorStatus.FAULTED,
        ),
    ],
)
def test_state_and_status_of_an_outlet_that_has_charged(
    snapshot: EvseSnapshot, state: ChargingState, status: ConnectorStatus
) -> None:
    transactions, _ = begun()
    transactions.observe(CHARGING, 110.0, offline=False)
    assert state_of(snapshot, transactions.open) is state
    assert connector_status(snapshot, transactions.open, operative=True) is status


@pytest.mark.parametrize(
    ("snapshot", "operative", "status"),
    [
        (GONE, True, ConnectorStatus.AVAILABLE),
        (GONE, False, ConnectorStatus.UNAVAILABLE),
        (PLUGGED, True, ConnectorStatus.PREPARING),
        (PLUGGED, False, ConnectorStatus.UNAVAILABLE),
    ],
)
def test_status_without_a_transaction(
    snapshot: EvseSnapshot, status: ConnectorStatus, *, operative: bool
) -> None:
    assert connector_status(snapshot, None, operative=operative) is status


def test_the_power_of_a_reading_is_reported_where_it_is_known() -> None:
    reading = reading_of(msgspec.structs.replace(CHARGING, present_voltage=400.0, present_current=10.0))
    assert reading is not None
    assert reading.power == 4000.0
    reading = reading_of(CHARGING)
    assert reading is not None
    assert reading.power is None


def test_the_state_of_charge_of_the_ev_is_among_the_meter_values() -> None:
    transactions = Transactions(interval=60.0)
    transactions.soc = 41
    (event,) = transactions.authorised(CARD, "t1", PLUGGED, 100.0, offline=False)
    (value,) = [one for one in sampled_values(event) if one["measurand"] == "SoC"]
    assert value["value"] == 41
    assert (value["unitOfMeasure"], value["location"]) == ({"unit": "Percent"}, "EV")


def test_a_session_that_only_read_ends_no_transaction() -> None:
    transactions, _ = begun()
    read = EndSession(reason=EndReason.TERMINATED, only_read=True)
    assert transactions.session_over(read, 130.0, offline=False) == []
    assert transactions.open is not None


def test_a_station_that_permits_no_energy_is_suspended_by_the_evse() -> None:
    transactions, _ = begun()
    transactions.observe(CHARGING, 110.0, offline=False)
    transactions.held = True
    (event,) = transactions.observe(CHARGING, 120.0, offline=False)
    assert event.state is ChargingState.SUSPENDED_EVSE
    status = connector_status(CHARGING, transactions.open, operative=True, held=True)
    assert status is ConnectorStatus.SUSPENDED_EVSE
