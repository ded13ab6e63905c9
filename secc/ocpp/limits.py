"""The charging profiles of one outlet: applied to the station, and offered to the EV as a schedule."""

from __future__ import annotations

import asyncio

import msgspec

from secc.ocpp import composite, profiles, steering
from secc.ocpp.attached import AttachedStation
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.profile_model import (
    ChargingProfile,
    LimitSource,
    Period,
    ProfileFilter,
    ProfileKind,
    ProfilePurpose,
    Schedule,
)
from secc.ocpp.profiles import ProfileRefusal
from secc.ocpp.tariffs import sales_tariff
from secc.ocpp.transactions import Transactions
from secc.session.schedules import EnergyNeed, ScheduleOffer
from secc.settings.config import SeccConfig
from secc.settings.ocpp import OcppVersion

__all__ = ["ChargingLimits", "HORIZON", "discharge_of"]

HORIZON = 86_400.0
"""Length of a schedule in seconds."""


class ChargingLimits:
    """Holds the profiles; `profiles` and `composite` decide what they allow."""

    def __init__(
        self,
        config: SeccConfig,
        transactions: Transactions,
        attached: AttachedStation,
        conversation: CsmsConversation,
        local: steering.LocalSteering,
    ) -> None:
        self.supply = composite.supply_of(config)
        self.profiles: tuple[ChargingProfile, ...] = ()
        self.power: float | None = None
        """The limit in W that the station has; None: no limit."""
        self.priority = False
        """The driver has priority: profiles of that purpose apply (2.1)."""
        self.dynamic = False
        """The EV leaves the power to the station: changes act at once, without a renegotiation."""
        self.discharge_permitted = False
        """The CSMS permits this driver to discharge (2.1, block Q)."""
        self.negotiated = False
        """The EV has its schedule: profiles decide how much it may give, before that whether it may."""
        self._hardware = discharge_of(config)
        self.can_discharge = config.iso20.discharge and self._hardware > 0.0
        """The outlet takes energy from EVs: V2XChargingCtrlr.Enabled."""
        self.renegotiation_wanted = False
        """The EV is asked to renegotiate because the CSMS has changed the profiles (K16)."""
        self.profile_added = asyncio.Event()
        """Set when the CSMS has added a profile for the transaction."""
        self.steering = local
        """Values that are not in a profile (2.1, block Q)."""
        self._steered: tuple[float | None, float | None] = None, None
        self._transactions = transactions
        self._attached = attached
        self._conversation = conversation

    @property
    def running(self) -> composite.Running | None:
        """The running transaction, as profiles refer to it."""
        transaction = self._transactions.open
        return None if transaction is None else composite.Running(transaction.id, transaction.begun_at)

    @property
    def effective(self) -> tuple[ChargingProfile, ...]:
        """The profiles that apply now."""
        found = profiles.lapsed(self.profiles, self._conversation.offline_for)
        values = self.steering.values()
        found = tuple(steering.resolved(one, self.supply, values) for one in found)
        return tuple(one for one in found if self.priority or one.purpose is not ProfilePurpose.PRIORITY)

    # --- offers --------------------------------------------------------------------------------------------

    def schedules(self, need: EnergyNeed) -> ScheduleOffer | None:
        """Return the schedules that the profiles allow, with their tariffs; None without a profile."""
        choices = self.choices
        lists = [self.steps(HORIZON, choice=number) for number in range(max(1, len(choices)))]
        if all(step.watts is None for steps in lists for step in steps):
            return None

        def tariff(choice: int) -> object | None:
            body = choices[choice].sales_tariff if choice < len(choices) else None
            return None if body is None else sales_tariff(body, choice + 1)

        return composite.offer(lists[0], self.supply, need, HORIZON, *lists[1:], tariffs=tariff)

    @property
    def chosen(self) -> ChargingProfile | None:
        """The profile between whose schedules the EV may choose."""
        return composite.chosen_profile(self.effective, self.running, self._conversation.now)

    @property
    def choices(self) -> tuple[Schedule, ...]:
        """The schedules between which the EV may choose; empty without a profile."""
        chosen = self.chosen
        return () if chosen is None else chosen.schedules

    def steps(self, duration: float, *, choice: int = 0) -> tuple[composite.LimitStep, ...]:
        """Return what all profiles together allow from now on, for a duration in seconds."""
        now = self._conversation.now
        return composite.composite(self.effective, self.supply, now, duration, self.running, choice=choice)

    def allowed(self) -> composite.Allowed:
        """Return what is allowed now."""
        now = self._conversation.now
        return composite.allowed_at(self.effective, self.supply, now, self.running, now)

    # --- changes -------------------------------------------------------------------------------------------

    def add(self, profile: ChargingProfile) -> ProfileRefusal | None:
        """Add a profile of the CSMS; returns the reason of a refusal."""
        if problem := self.steering.unsupported(profile):
            return ProfileRefusal(problem, "UnsupportedParam")
        changed = profiles.added(self.profiles, self._dated(profile), self.running)
        if isinstance(changed, ProfileRefusal):
            return changed
        self._change(changed)
        if profile.purpose is ProfilePurpose.TX:
            self.profile_added.set()
        return None

    def add_at_start(self, profile: ChargingProfile) -> None:
        """Add the profile of a remote start; the session has not negotiated yet."""
        changed = profiles.added(self.profiles, self._dated(profile), self.running)
        if not isinstance(changed, ProfileRefusal) and not self.steering.unsupported(profile):
            self.profiles = changed
            self._store()

    def update(self, id_: int, change: Period) -> ProfileRefusal | None:
        """Change the values of a dynamic profile (2.1); returns the reason of a refusal."""
        changed = profiles.updated(self.profiles, id_, change, self._conversation.now)
        if isinstance(changed, ProfileRefusal):
            return changed
        self.profiles = changed
        self._store()
        self.apply()
        return None

    def clear(self, which: ProfileFilter) -> bool:
        """Remove profiles; returns whether there were any."""
        left = profiles.cleared(self.profiles, which)
        if len(left) == len(self.profiles):
            return False
        self._change(left)
        return True

    def limit_externally(self, watts: float | None, source: LimitSource) -> None:
        """Set or remove the limit of another system; it caps all profiles and no CSMS can remove it."""
        kept = tuple(
            one
            for one in self.profiles
            if one.purpose is not ProfilePurpose.EXTERNAL or one.source is not source
        )
        if watts is not None:
            kept = (*kept, _external(watts, source))
        self._change(kept)

    def steer(self, values: steering.ExternalValues) -> None:
        """Apply the values of another system in the modes ExternalSetpoint and ExternalLimits; they count as
        an update of dynamic profiles (OCPP K29.FR.08, Q05.FR.08)."""
        self.steering.external = values
        now = self._conversation.now
        self.profiles = tuple(
            msgspec.structs.replace(one, updated_at=now) if steering.is_external(one) else one
            for one in self.profiles
        )
        self.apply()

    def use_priority(self, *, active: bool) -> None:
        """Apply the priority profiles, or no longer."""
        self.priority = active
        self._act()

    def end_transaction(self) -> None:
        """Remove the profiles of the transaction."""
        self.profiles = profiles.after_transaction(self.profiles)
        self.priority = self.dynamic = self.discharge_permitted = False
        self.renegotiation_wanted = self.negotiated = False
        self.steering.end_transaction()
        self.profile_added.clear()
        self.apply()

    # --- effect --------------------------------------------------------------------------------------------

    def apply(self) -> bool:
        """Set limit, set-point and discharge of this moment; returns whether the limit has changed.

        A limit above the power of the outlet has no effect. Energy flows from the EV only where a profile of
        the transaction permits it and the CSMS has permitted it to the driver.
        """
        valid = profiles.after_offline(self.profiles, self._conversation.offline_for)
        if len(valid) != len(self.profiles):
            self.profiles = valid
            self._store()
        allowed, station = self.allowed(), self._attached.station
        steered = (
            self.dynamic and allowed.setpoint is not None
        )  # a limit of 0 would forbid energy from the EV
        limit = allowed.ceiling if steered else allowed.watts
        if limit is not None:
            limit = min(limit, self.supply.max_power)
        if station is None:
            return False
        self._steer(allowed)
        if limit == self.power:
            return False
        station.limit_power(limit)
        self.power = limit
        return True

    def _steer(self, allowed: composite.Allowed) -> None:
        """Pass on discharge and set-point, which only ISO 15118-20 has."""
        station = self._attached.station
        if station is None:
            return
        discharge = allowed.discharge if self.negotiated else self._hardware
        discharge = discharge if self.discharge_permitted else 0.0
        setpoint = self.permitted(allowed.setpoint, allowed)
        version = (
            self._conversation.dialect.version
        )  # before 2.1 a CSMS has no word for it: `iso20.discharge`
        wanted = (discharge if version is OcppVersion.V21 else None, setpoint)
        if wanted == self._steered:
            return
        if wanted[0] != self._steered[0]:
            station.permit_discharge(wanted[0])
        if wanted[1] != self._steered[1]:
            station.set_power(setpoint)
        self._steered = wanted

    def permitted(self, setpoint: float | None, allowed: composite.Allowed) -> float | None:
        """Return a set-point without the discharge that is not permitted."""
        discharge = allowed.discharge if self.discharge_permitted else 0.0
        return None if setpoint is None else max(setpoint, -discharge)

    def _dated(self, profile: ChargingProfile) -> ChargingProfile:
        if profile.kind is not ProfileKind.DYNAMIC:
            return profile
        return msgspec.structs.replace(profile, updated_at=self._conversation.now)

    def _change(self, changed: tuple[ChargingProfile, ...]) -> None:
        """Obey at once, and let the EV renegotiate."""
        self.profiles = changed
        self._store()
        self._act()

    def _act(self) -> None:
        self.apply()
        if self._attached.station is not None and self.running is not None and not self.dynamic:
            self.renegotiation_wanted = True
            self._attached.station.renegotiate()

    def _store(self) -> None:
        self._conversation.queue.enqueue((), {"profiles": self.profiles})


def discharge_of(config: SeccConfig) -> float:
    """Return the power in W that the outlet can take from an EV."""
    energy = config.energy
    if energy.offers_dc:
        return min(energy.dc.max_discharge_power, energy.dc.max_voltage * energy.dc.max_discharge_current)
    supply = composite.supply_of(config)
    return supply.voltage * supply.phases * energy.ac.max_discharge_current


def _external(watts: float, source: LimitSource) -> ChargingProfile:
    """Return the limit of another system as a profile; its id is below those of a CSMS."""
    return ChargingProfile(
        id=-1 - list(LimitSource).index(source),
        stack=0,
        purpose=ProfilePurpose.EXTERNAL,
        kind=ProfileKind.RELATIVE,
        schedules=(Schedule(unit="W", periods=(Period(0, watts),)),),
        source=source,
    )
