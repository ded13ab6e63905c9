"""Start, events and end of a transaction. Pure: a fold over observations.

A transaction starts with an authorisation and ends with the session, when the cable is unplugged, or when it
is stopped. A paused session keeps it open: it ends when the EV is unplugged or another identity is
authorised. After a restart of the process the output is off, so an open transaction ends with the last stored
reading.
"""

from __future__ import annotations

import msgspec

from secc.ocpp.model import (
    ChargingState,
    ConnectorStatus,
    EventKind,
    IdToken,
    Reading,
    StopReason,
    TransactionEvent,
    Trigger,
)
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot
from secc.session.outputs import EndReason, EndSession

__all__ = [
    "FLOWING",
    "MEASURANDS",
    "OpenTransaction",
    "Transactions",
    "connector_status",
    "power_of",
    "reading_of",
    "state_of",
    "why",
]

MEASURANDS = (
    "Energy.Active.Import.Register",
    "Energy.Active.Export.Register",
    "Power.Active.Import",
    "Power.Active.Export",
    "Current.Import",
    "Voltage",
    "SoC",
)
"""What a transaction can report."""
USUAL = (
    "Energy.Active.Import.Register",
    "Energy.Active.Export.Register",
    "Power.Active.Import",
    "Power.Active.Export",
    "SoC",
)
FLOWING = 0.5
"""Amperes; below this current a DC output counts as idle."""


class OpenTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """The running transaction, as it is stored."""

    id: str
    token: IdToken
    next_seq: int
    begun_at: float
    meter_start: int | None
    reading: Reading | None
    told_at: float
    """Time of the last event."""
    state: ChargingState
    remote_start_id: int | None = None
    group: str = ""
    charged: bool = False
    """Energy has flowed."""
    stop: tuple[Trigger, StopReason] | None = None
    """Trigger and reason of a requested stop."""


class Transactions:
    """The transaction of one outlet; at most one."""

    def __init__(self, *, interval: float, open_: OpenTransaction | None = None) -> None:
        """`interval` in seconds between meter values; `open_` was running when the process stopped."""
        self.interval = interval
        self.aligned = 0.0
        """Seconds between meter values at multiples of it since midnight UTC; 0: none."""
        self.measurands: dict[str, tuple[str, ...]] = dict.fromkeys(
            ("Started", "Updated", "Ended", "Aligned"), USUAL
        )
        """What is reported, by use."""
        self.soc: int | None = None
        """State of charge of the EV that is plugged in, percent; None while it is not known."""
        self.held = False
        """The station permits no energy now."""
        self.open = open_
        self._aligned_at: float | None = None

    def recovered(self, now: float, *, offline: bool) -> list[TransactionEvent]:
        """End the open transaction after a restart."""
        if self.open is None:
            return []
        return self._end(Trigger.ABNORMAL, StopReason.POWER_LOSS, max(now, self.open.told_at), offline)

    def authorised(
        self,
        token: IdToken,
        transaction: str,
        snapshot: EvseSnapshot,
        now: float,
        *,
        offline: bool,
        remote_start_id: int | None = None,
        group: str = "",
        evccid: str = "",
        reservation: int | None = None,
    ) -> list[TransactionEvent]:
        """Start a transaction with this id for an authorised token, unless a paused one of the same token
        continues."""
        events: list[TransactionEvent] = []
        if self.open is not None:
            if self.open.token.key == token.key and self.open.stop is None:
                return self.observe(snapshot, now, offline=offline)
            events = self._end(Trigger.ABNORMAL, StopReason.OTHER, now, offline)
        reading = self._reading(snapshot)
        self.open = OpenTransaction(
            id=transaction,
            token=token,
            next_seq=0,
            begun_at=now,
            meter_start=None if reading is None else reading.energy,
            reading=reading,
            told_at=now,
            state=self._state(snapshot, self.open),
            remote_start_id=remote_start_id,
            group=group,
        )
        trigger = Trigger.AUTHORIZED if remote_start_id is None else Trigger.REMOTE_START
        started = self._event(EventKind.STARTED, trigger, now, offline)
        return [*events, msgspec.structs.replace(started, evccid=evccid, reservation=reservation)]

    def observe(self, snapshot: EvseSnapshot, now: float, *, offline: bool) -> list[TransactionEvent]:
        """Observe the outlet."""
        transaction = self.open
        if transaction is None:
            return []
        now = max(now, transaction.told_at)  # a clock that was set back must not change the order of events
        reading = self._reading(snapshot) or transaction.reading
        state = self._state(snapshot, transaction)
        charged = transaction.charged or state is ChargingState.CHARGING
        self.open = msgspec.structs.replace(transaction, reading=reading, charged=charged)
        if not snapshot.control_pilot.connected and snapshot.control_pilot is ControlPilot.A:
            return self._end(Trigger.EV_DEPARTED, StopReason.EV_DISCONNECTED, now, offline)
        if state is not transaction.state:
            self.open = msgspec.structs.replace(self.open, state=state)
            return [self._event(EventKind.UPDATED, Trigger.CHARGING_STATE, now, offline)]
        if self.aligned_due(now):
            return [self._event(EventKind.UPDATED, Trigger.METER_CLOCK, now, offline)]
        if now - transaction.told_at >= self.interval:
            return [self._event(EventKind.UPDATED, Trigger.METER_PERIODIC, now, offline)]
        return []

    def aligned_due(self, now: float) -> bool:
        """Return whether clock-aligned meter values are due, once for each multiple of the interval."""
        if self.aligned < 1:
            self._aligned_at = None
            return False
        place = now // self.aligned
        before, self._aligned_at = self._aligned_at, place
        return before is not None and place > before

    def rate_changed(self, now: float, *, offline: bool) -> list[TransactionEvent]:
        """Report that the charging limit has changed (OCPP K12, K13)."""
        if self.open is None:
            return []
        now = max(now, self.open.told_at)
        return [self._event(EventKind.UPDATED, Trigger.RATE_CHANGED, now, offline)]

    def triggered(self, now: float, *, offline: bool) -> list[TransactionEvent]:
        """Report the transaction at the request of the CSMS."""
        if self.open is None:
            return []
        return [
            self._event(EventKind.UPDATED, Trigger.TRIGGER, max(now, self.open.told_at), offline),
        ]

    def stopping(self, trigger: Trigger, reason: StopReason) -> None:
        """Note a requested stop; its reason appears in the last event."""
        if self.open is not None and self.open.stop is None:
            self.open = msgspec.structs.replace(self.open, stop=(trigger, reason))

    def session_over(self, end: EndSession, now: float, *, offline: bool) -> list[TransactionEvent]:
        """End the transaction with its session; a paused session leaves it open, and one that only read the
        state of charge is none that a transaction belongs to."""
        if self.open is None or end.only_read:
            return []
        now = max(now, self.open.told_at)
        if end.meter is not None:
            self.open = msgspec.structs.replace(self.open, reading=Reading(end.meter.energy, soc=self.soc))
        if end.reason is EndReason.PAUSED and self.open.stop is None:
            if self.open.state is ChargingState.SUSPENDED_EV:
                return []
            self.open = msgspec.structs.replace(self.open, state=ChargingState.SUSPENDED_EV)
            return [self._event(EventKind.UPDATED, Trigger.CHARGING_STATE, now, offline)]
        trigger, reason = self.open.stop or why(end)
        return self._end(trigger, reason, now, offline)

    def _state(self, snapshot: EvseSnapshot, transaction: OpenTransaction | None) -> ChargingState:
        return state_of(snapshot, transaction, held=self.held)

    def _reading(self, snapshot: EvseSnapshot) -> Reading | None:
        reading = reading_of(snapshot)
        return None if reading is None else msgspec.structs.replace(reading, soc=self.soc)

    # --- events --------------------------------------------------------------------------------------------

    def _end(self, trigger: Trigger, reason: StopReason, now: float, offline: bool) -> list[TransactionEvent]:
        assert self.open is not None
        self.open = msgspec.structs.replace(self.open, state=ChargingState.IDLE)
        event = self._event(EventKind.ENDED, trigger, now, offline, reason)
        self.open = None
        return [event]

    def _event(
        self, kind: EventKind, trigger: Trigger, now: float, offline: bool, reason: StopReason | None = None
    ) -> TransactionEvent:
        assert self.open is not None
        transaction = self.open
        event = TransactionEvent(
            kind=kind,
            transaction=transaction.id,
            seq=transaction.next_seq,
            at=now,
            trigger=trigger,
            state=transaction.state,
            token=None if kind is EventKind.UPDATED else transaction.token,
            reading=transaction.reading,
            meter_start=transaction.meter_start,
            offline=offline,
            reason=reason,
            remote_start_id=transaction.remote_start_id if kind is EventKind.STARTED else None,
            measurands=self.measurands["Aligned" if trigger is Trigger.METER_CLOCK else kind.value],
        )
        self.open = msgspec.structs.replace(transaction, next_seq=transaction.next_seq + 1, told_at=now)
        return event


def power_of(snapshot: EvseSnapshot | None) -> float:
    """Return the present power of an outlet in W, above 0 to the EV; 0 while it is not known."""
    if snapshot is None:
        return 0.0
    measured = snapshot.present_power
    return snapshot.present_voltage * snapshot.present_current if measured is None else measured


def reading_of(snapshot: EvseSnapshot) -> Reading | None:
    """Return the reading; None without one: an old reading is never reported as new [INV-33]."""
    if snapshot.meter is None:
        return None
    voltage, current = snapshot.present_voltage, snapshot.present_current
    power = voltage * current
    return Reading(
        energy=snapshot.meter.energy,
        power=power if power != 0 else None,
        voltage=voltage if voltage > 0 else None,
        current=current if current != 0 else None,
        exported=snapshot.meter.exported,
    )


def state_of(
    snapshot: EvseSnapshot, transaction: OpenTransaction | None, *, held: bool = False
) -> ChargingState:
    """Return the state of the outlet in terms of OCPP; `held`: the station permits no energy now."""
    pilot = snapshot.control_pilot
    if not pilot.connected:
        return ChargingState.IDLE
    if held and transaction is not None and abs(snapshot.present_current) <= FLOWING:
        return ChargingState.SUSPENDED_EVSE
    if snapshot.contactor_closed or snapshot.present_current > FLOWING:
        return ChargingState.CHARGING
    if transaction is None or not transaction.charged:
        return ChargingState.CONNECTED
    return ChargingState.SUSPENDED_EVSE if pilot.wants_energy else ChargingState.SUSPENDED_EV


def connector_status(
    snapshot: EvseSnapshot,
    transaction: OpenTransaction | None,
    *,
    operative: bool,
    reserved: bool = False,
    held: bool = False,
) -> ConnectorStatus:
    """Return the status for StatusNotification."""
    if snapshot.fault is not None or snapshot.control_pilot in (ControlPilot.E, ControlPilot.F):
        return ConnectorStatus.FAULTED
    if not snapshot.control_pilot.connected:
        free = ConnectorStatus.RESERVED if reserved else ConnectorStatus.AVAILABLE
        return free if operative else ConnectorStatus.UNAVAILABLE
    if transaction is None:
        return ConnectorStatus.PREPARING if operative else ConnectorStatus.UNAVAILABLE
    match state_of(snapshot, transaction, held=held):
        case ChargingState.CHARGING:
            return ConnectorStatus.CHARGING
        case ChargingState.SUSPENDED_EV:
            return ConnectorStatus.SUSPENDED_EV
        case ChargingState.SUSPENDED_EVSE:
            return ConnectorStatus.SUSPENDED_EVSE
        case _:
            return ConnectorStatus.PREPARING


def why(end: EndSession) -> tuple[Trigger, StopReason]:
    """Return trigger and reason for the end of a session in terms of OCPP."""
    match end.fault:
        case EvseFault.EMERGENCY_STOP:
            return Trigger.ABNORMAL, StopReason.EMERGENCY_STOP
        case EvseFault.ISOLATION | EvseFault.RESIDUAL_CURRENT:
            return Trigger.ABNORMAL, StopReason.GROUND_FAULT
        case EvseFault.CONTACTOR | EvseFault.SWITCH_OFF | EvseFault.MALFUNCTION:
            return Trigger.ABNORMAL, StopReason.OTHER
    return _ENDS.get(end.reason, (Trigger.ABNORMAL, StopReason.OTHER))


_ENDS = {
    EndReason.TERMINATED: (Trigger.STOP_AUTHORIZED, StopReason.STOPPED_BY_EV),
    EndReason.PAUSED: (Trigger.STOP_AUTHORIZED, StopReason.STOPPED_BY_EV),
    EndReason.UNPLUGGED: (Trigger.EV_DEPARTED, StopReason.EV_DISCONNECTED),
    EndReason.SEQUENCE_TIMEOUT: (Trigger.EV_LOST, StopReason.TIMEOUT),
    EndReason.SETUP_TIMEOUT: (Trigger.EV_LOST, StopReason.TIMEOUT),
    EndReason.LINK_LOST: (Trigger.EV_LOST, StopReason.OTHER),
}
