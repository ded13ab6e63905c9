"""Requests of the CSMS about the outlet: transactions, reset, availability and reservations."""

from __future__ import annotations

from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.model import IdToken, StopReason, Trigger
from secc.ocpp.outlet import ReportedOutlet
from secc.ocpp.reservations import Reservation
from secc.ocpp.runtime import RuntimeSettings


class OutletCommands:
    """Serves these requests for one back end."""

    def __init__(
        self, settings: RuntimeSettings, conversation: CsmsConversation, outlet: ReportedOutlet
    ) -> None:
        self._settings = settings
        self._conversation = conversation
        self._outlet = outlet

    @property
    def transaction(self) -> str:
        """Id of the running transaction, or an empty text."""
        running = self._outlet.transactions.open
        return "" if running is None else running.id

    @property
    def may_start(self) -> bool:
        """The CSMS has accepted the station (OCPP B02.FR.05), it is in service, and no transaction runs."""
        return self._conversation.online and self._settings.operative and not self.transaction

    def admits(self, token: IdToken, group: str) -> bool:
        """Return whether no reservation excludes this token."""
        return self._outlet.reservations.admits(token, group, self._conversation.now)

    def stop_transaction(self, transaction: str) -> str:
        """Return Accepted when this transaction runs and the CSMS has accepted the station."""
        if not self._conversation.online or not transaction or self.transaction != transaction:
            return "Rejected"
        self._outlet.stop(Trigger.REMOTE_STOP, StopReason.REMOTE, "stopped by the CSMS")
        return "Accepted"

    async def messages_wait(self, transaction: str) -> bool:
        """Return whether messages wait, of this transaction or, for an empty text, of any kind."""
        return await self._conversation.queue.waits_for(transaction)

    def reset(self, *, at_once: bool) -> str:
        """Return Accepted, or Scheduled for the end of the transaction."""
        outlet = self._outlet
        if outlet.transactions.open is None:
            outlet.reset("RemoteReset")
            return "Accepted"
        outlet.reset_when_idle = True
        if at_once:
            outlet.stop(Trigger.RESET, StopReason.IMMEDIATE_RESET, "reset by the CSMS")
            return "Accepted"
        return "Scheduled"

    def change_availability(self, *, operative: bool) -> str:
        """Change the availability; a running transaction continues, the next one is refused."""
        self._settings.operative = operative
        self._conversation.queue.enqueue((), {"operative": operative})
        if not operative and self._outlet.transactions.open is not None:
            return "Scheduled"
        self._outlet.report_status()
        return "Accepted"

    def reserve(self, wanted: Reservation) -> str:
        """Return Accepted, Occupied, Faulted, Unavailable or Rejected."""
        return self._outlet.reserve(wanted)

    def cancel_reservation(self, id_: int) -> str:
        """Return Accepted or Rejected."""
        return self._outlet.cancel_reservation(id_)
