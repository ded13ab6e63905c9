"""The charging profiles of one outlet: applied to the station, and offered to the EV as a schedule."""

from __future__ import annotations

from secc.ocpp import profiles
from secc.ocpp.attached import AttachedStation
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.model import ChargingProfile, ProfileFilter
from secc.ocpp.transactions import Transactions
from secc.session.schedules import EnergyNeed, ScheduleOffer
from secc.settings.config import SeccConfig

__all__ = ["ChargingLimits", "HORIZON"]

HORIZON = 86_400.0
"""Length of a schedule in seconds."""


class ChargingLimits:
    """Holds the profiles; `profiles` decides what they allow."""

    def __init__(
        self,
        config: SeccConfig,
        transactions: Transactions,
        attached: AttachedStation,
        conversation: CsmsConversation,
    ) -> None:
        self.supply = profiles.supply_of(config)
        self.profiles: tuple[ChargingProfile, ...] = ()
        self.power: float | None = None
        """The limit in W that the station has; None: no limit."""
        self._transactions = transactions
        self._attached = attached
        self._conversation = conversation

    @property
    def running(self) -> profiles.Running | None:
        """The running transaction, as profiles refer to it."""
        transaction = self._transactions.open
        return None if transaction is None else profiles.Running(transaction.id, transaction.begun_at)

    def schedules(self, need: EnergyNeed) -> ScheduleOffer | None:
        """Return the schedule that the profiles allow; None without a profile."""
        steps = self.steps(HORIZON)
        if all(step.watts is None for step in steps):
            return None
        return profiles.offer(steps, self.supply, need, HORIZON)

    def steps(self, duration: float) -> tuple[profiles.LimitStep, ...]:
        """Return what all profiles together allow from now on, for a duration in seconds."""
        return profiles.composite(self.profiles, self.supply, self._conversation.now, duration, self.running)

    def add(self, profile: ChargingProfile) -> str:
        """Add a profile of the CSMS; returns the reason of a refusal, or an empty text."""
        changed = profiles.added(self.profiles, profile, self.running)
        if isinstance(changed, str):
            return changed
        self._change(changed)
        return ""

    def add_at_start(self, profile: ChargingProfile) -> None:
        """Add the profile of a remote start; the session has not negotiated yet."""
        changed = profiles.added(self.profiles, profile, self.running)
        if not isinstance(changed, str):
            self.profiles = changed
            self._store()

    def clear(self, which: ProfileFilter) -> bool:
        """Remove profiles; returns whether there were any."""
        left = profiles.cleared(self.profiles, which)
        if len(left) == len(self.profiles):
            return False
        self._change(left)
        return True

    def end_transaction(self) -> None:
        """Remove the profiles of the transaction."""
        self.profiles = profiles.after_transaction(self.profiles)
        self.apply()

    def apply(self) -> None:
        """Set the limit of this moment; a limit above the power of the outlet has no effect."""
        now = self._conversation.now
        limit = profiles.limit_at(self.profiles, self.supply, now, self.running, now)
        if limit is not None:
            limit = min(limit, self.supply.max_power)
        station = self._attached.station
        if limit != self.power and station is not None:
            station.limit_power(limit)
            self.power = limit

    def _change(self, changed: tuple[ChargingProfile, ...]) -> None:
        """Obey at once, and let the EV renegotiate."""
        self.profiles = changed
        self._store()
        self.apply()
        if self._attached.station is not None and self.running is not None:
            self._attached.station.renegotiate()

    def _store(self) -> None:
        self._conversation.queue.enqueue((), {"profiles": self.profiles})
