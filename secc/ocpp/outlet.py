"""The outlet as the CSMS sees it: its transaction, its status, and what is reported about both."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from secc.ocpp.attached import AttachedStation
from secc.ocpp.background import BackgroundTasks
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.dialect import EventAnswer, Request
from secc.ocpp.limits import ChargingLimits
from secc.ocpp.model import (
    ConnectorStatus,
    IdToken,
    Payload,
    StopReason,
    TokenStatus,
    TransactionEvent,
    Trigger,
)
from secc.ocpp.profile_model import LimitSource
from secc.ocpp.reservations import Reservation, Reservations
from secc.ocpp.rpc import CallFailed, NoAnswer
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.steering import ExternalValues
from secc.ocpp.tokens import PresentedToken, PresentedTokens
from secc.ocpp.transactions import Transactions, connector_status, reading_of
from secc.session.outlet import EvseSnapshot
from secc.session.outputs import EndSession
from secc.settings.ocpp import OcppVersion

__all__ = ["ReportedOutlet"]


class ReportedOutlet:
    """Follows one outlet and reports it to the CSMS."""

    def __init__(
        self,
        settings: RuntimeSettings,
        transactions: Transactions,
        conversation: CsmsConversation,
        attached: AttachedStation,
        limits: ChargingLimits,
        tokens: PresentedTokens,
        background: BackgroundTasks,
        report: Callable[[str], None],
        *,
        on_reset: Callable[[], None] | None = None,
        observed: Callable[[EvseSnapshot], None] = lambda _snapshot: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_reset` restarts the program, or does what a reset means to the integrator; `observed` receives
        each snapshot; `ended` is called at the end of a transaction."""
        self.transactions = transactions
        self.reservations = Reservations()
        self._observed = observed
        self._ended = ended
        self.reset_when_idle = False
        """Reset at the end of the transaction."""
        self._settings = settings
        self._conversation = conversation
        self._attached = attached
        self._limits = limits
        self._tokens = tokens
        self._background = background
        self._report = report
        self._on_reset = on_reset
        self._external = ExternalValues()
        self._reported_status: ConnectorStatus | None = None

    # --- transactions --------------------------------------------------------------------------------------

    def recover(self) -> None:
        """End the transaction that was open when the process stopped."""
        self.record(self.transactions.recovered(self._conversation.now, offline=True))

    def begin(
        self,
        token: IdToken,
        *,
        presented: PresentedToken | None = None,
        group: str = "",
        discharge: bool = False,
        evccid: str = "",
    ) -> None:
        """Begin the transaction of an authorized token; other waiting tokens are dropped.

        `discharge`: the CSMS permits energy from the EV. `evccid` of an EV of ISO 15118-20 is reported by an
        outlet that can take energy from EVs, before it is permitted [Q01.FR.02].
        """
        self._tokens.clear()
        snapshot = self._attached.snapshot
        if snapshot is None:
            return
        reservation = self.reservations.used(token, group, self._conversation.now)
        self._store_reservation()
        events = self.transactions.authorised(
            token,
            str(uuid.uuid4()),
            snapshot,
            self._conversation.now,
            offline=not self._conversation.online,
            remote_start_id=None if presented is None else presented.remote_start_id,
            group=group,
            reservation=reservation,
            evccid=evccid if self._limits.can_discharge else "",
        )
        if presented is not None and presented.profile is not None:
            self._limits.add_at_start(presented.profile)
        self._limits.discharge_permitted = discharge
        self.record(events)
        self._limits.apply()

    def session_over(self, end: EndSession) -> None:
        """End the transaction with its session, unless the session is paused."""
        offline = not self._conversation.online
        self.record(self.transactions.session_over(end, self._conversation.now, offline=offline))

    def stop(self, trigger: Trigger, reason: StopReason, text: str) -> None:
        """Stop the running transaction."""
        self.transactions.stopping(trigger, reason)
        if self._attached.station is not None:
            self._attached.station.stop_charging(text)

    def renegotiate_service(self) -> None:
        """Let the EV select a service again, ISO 15118-20."""
        if self._attached.station is not None:
            self._attached.station.renegotiate_service()

    def report_meter(self) -> None:
        """Send meter values now: in the transaction, otherwise by MeterValues."""
        if self.transactions.open is not None:
            self.report_transaction()
            return
        snapshot = self._attached.snapshot
        reading = None if snapshot is None else reading_of(snapshot)
        if reading is not None:
            request = self._conversation.dialect.meter_values(reading, self._conversation.now, "Trigger")
            self._background.spawn(self._send(*request))

    def report_transaction(self) -> None:
        """Send the state of the transaction now."""
        offline = not self._conversation.online
        self.record(self.transactions.triggered(self._conversation.now, offline=offline))

    def record(self, events: list[TransactionEvent]) -> None:
        """Store events together with the transaction that they leave, and send them."""
        if not events:
            return
        over = self.transactions.open is None
        if over:
            self._limits.end_transaction()
            self._ended()
        state = {"transaction": self.transactions.open, "profiles": self._limits.profiles}
        self._conversation.queue.enqueue(events, state)
        if over and self.reset_when_idle:
            self.reset("ScheduledReset")

    def event_answered(self, event: TransactionEvent, answer: EventAnswer) -> None:
        """Withdraw the authorization if the CSMS refuses the token of the running transaction."""
        if answer.info is None or event.token is None or answer.info.status is TokenStatus.ACCEPTED:
            return
        transaction = self.transactions.open
        if transaction is None or transaction.id != event.transaction:
            return
        self._report(f"the CSMS refuses {event.token.text} after the start: {answer.info.status.value}")
        self.transactions.stopping(Trigger.DEAUTHORIZED, StopReason.DEAUTHORIZED)
        if self._attached.station is not None:
            self._attached.station.withdraw_authorization()

    def reset(self, reason: str) -> None:
        """Restart, or do what `on_reset` does instead, and send BootNotification."""
        self.reset_when_idle = False
        if self._on_reset is not None:
            self._on_reset()
        self._background.spawn(self._conversation.boot_again(reason))

    # --- observation ---------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Observe the outlet periodically, until cancelled."""
        trouble = ""
        while True:
            try:
                self.observe()
                trouble = ""
            except Exception as error:  # the next observation must take place in any case
                if trouble != (trouble := f"{type(error).__name__}: {error}"):
                    self._report(f"observation of the outlet: {trouble}")
            await asyncio.sleep(self._settings.ocpp.look_interval)

    def observe(self) -> None:
        """Report what has changed, and apply the charging limit of this moment."""
        snapshot = self._attached.snapshot
        if snapshot is not None:
            offline = not self._conversation.online
            if not snapshot.control_pilot.connected:
                self.transactions.soc = None
            station = self._attached.station
            self.transactions.held = station is not None and station.power_limit == 0
            self.record(self.transactions.observe(snapshot, self._conversation.now, offline=offline))
            self._end_reservation(snapshot)
            self._report_aligned(snapshot)
            self._report_status(snapshot)
            self._observed(snapshot)
        self._limits.apply()

    def _report_aligned(self, snapshot: EvseSnapshot) -> None:
        """Clock-aligned meter values without a transaction (OCPP J01)."""
        now = self._conversation.now
        if self.transactions.open is not None or not self.transactions.aligned_due(now):
            return
        reading = reading_of(snapshot)
        if self._settings.ocpp.aligned_when_idle and reading is not None and self._conversation.online:
            request = self._conversation.dialect.meter_values(reading, now, "Sample.Clock")
            self._background.spawn(self._send(*request))

    def limit_externally(
        self, watts: float | None, source: LimitSource, *, grid_critical: bool | None = None
    ) -> None:
        """Set or remove the limit of another system, and report it (OCPP K11 to K14)."""
        before = self._limits.power
        self._limits.limit_externally(watts, source)
        limit: Payload = {"chargingLimitSource": source.value}
        if watts is None:
            self._conversation.notify("ClearedChargingLimit", {**limit, "evseId": 1})
        else:
            if grid_critical is not None:
                limit["isGridCritical"] = grid_critical
            body: Payload = {"chargingLimit": limit, "evseId": 1}
            if self._settings.ocpp.limit_with_schedules:
                period = {"startPeriod": 0, "limit": round(watts, 1)}
                schedule = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
                body["chargingSchedule"] = [schedule]
            self._conversation.notify("NotifyChargingLimit", body)
        if self._is_significant(before, self._limits.power):
            offline = not self._conversation.online
            self.record(self.transactions.rate_changed(self._conversation.now, offline=offline))

    def steer_externally(self, values: ExternalValues) -> None:
        """Apply the values of another system, and report a significant change (OCPP Q05, Q06.FR.11)."""
        before, self._external = self._external, values
        self._limits.steer(values)
        changes = (
            (before.setpoint, values.setpoint),
            (before.limit, values.limit),
            (before.discharge, values.discharge),
        )
        if not any(self._is_significant(old, new) for old, new in changes):
            return
        period: Payload = {"startPeriod": 0}
        found = (("setpoint", values.setpoint), ("limit", values.limit), ("dischargeLimit", values.discharge))
        period |= {name: round(watts, 1) for name, watts in found if watts is not None}
        if "dischargeLimit" in period:
            period["dischargeLimit"] *= -1
        mode = "ExternalLimits" if values.setpoint is None else "ExternalSetpoint"
        schedule = {
            "id": 1,
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{**period, "operationMode": mode}],
        }
        body = {
            "chargingLimit": {"chargingLimitSource": LimitSource.EMS.value},
            "evseId": 1,
            "chargingSchedule": [schedule],
        }
        self._conversation.notify("NotifyChargingLimit", body, (OcppVersion.V21,))

    def _is_significant(self, before: float | None, after: float | None) -> bool:
        """LimitChangeSignificance: percent of the limit before; without one, of the outlet."""
        whole = self._limits.supply.max_power
        old, new = (whole if one is None else one for one in (before, after))
        return abs(new - old) * 100 >= self._settings.ocpp.limit_change * max(abs(old), 1.0) and new != old

    # --- reservation ---------------------------------------------------------------------------------------

    def reserve(self, wanted: Reservation) -> str:
        """Reserve the outlet; returns Accepted, Occupied, Faulted, Unavailable or Rejected."""
        snapshot = self._attached.snapshot
        status = ConnectorStatus.FAULTED if snapshot is None else self._status(snapshot)
        answer = self.reservations.reserve(wanted, status, self._conversation.now)
        if answer == "Accepted":
            self._store_reservation()
            self.report_status()
        return answer

    def cancel_reservation(self, id_: int) -> str:
        """Return Accepted or Rejected."""
        answer = self.reservations.cancel(id_)
        if answer == "Accepted":
            self._store_reservation()
            self.report_status()
        return answer

    def _end_reservation(self, snapshot: EvseSnapshot) -> None:
        ended = self.reservations.ended(self._status(snapshot), self._conversation.now)
        if ended is not None:
            self._store_reservation()
            body = {"reservationId": ended[0], "reservationUpdateStatus": ended[1]}
            self._conversation.notify("ReservationStatusUpdate", body)

    def _store_reservation(self) -> None:
        reserved = self.reservations.present is not None
        if reserved or self._settings.reserved:
            self._conversation.queue.enqueue((), {"reservation": self.reservations.present})
        self._settings.reserved = reserved

    # --- status --------------------------------------------------------------------------------------------

    def _status(self, snapshot: EvseSnapshot) -> ConnectorStatus:
        settings = self._settings
        return connector_status(
            snapshot,
            self.transactions.open,
            operative=settings.operative,
            reserved=settings.reserved,
            held=self.transactions.held,
        )

    def report_status(self) -> None:
        """Send StatusNotification, changed or not."""
        self._reported_status = None
        snapshot = self._attached.snapshot
        if snapshot is not None:
            self._report_status(snapshot)

    def _report_status(self, snapshot: EvseSnapshot) -> None:
        status = self._status(snapshot)
        if status is not self._reported_status and self._conversation.online:
            self._reported_status = status
            fault = "" if snapshot.fault is None else snapshot.fault.value
            request = self._conversation.dialect.status(status, self._conversation.now, fault)
            self._background.spawn(self._send_status(status, request))

    async def _send_status(self, status: ConnectorStatus, request: Request) -> None:
        """A status that the CSMS has not answered is sent again when it is connected."""
        try:
            await self._conversation.ask(request)
        except CallFailed as error:  # a CSMS that refuses the message would refuse it again
            self._report(f"{request[0]}: {error}")
        except NoAnswer as error:
            self._report(f"{request[0]}: {error}")
            if self._reported_status is status:
                self._reported_status = None

    async def _send(self, action: str, payload: dict[str, object]) -> None:
        await self._conversation.ask_or_report((action, payload))
