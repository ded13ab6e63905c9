"""Requests of the CSMS about charging profiles, and about energy from the EV."""

from __future__ import annotations

from secc.ocpp import profiles
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.dialect import to_iso
from secc.ocpp.limits import ChargingLimits
from secc.ocpp.model import Payload
from secc.ocpp.outlet import ReportedOutlet
from secc.ocpp.profile_model import ChargingProfile, ProfileFilter, ProfilePurpose
from secc.ocpp.profiles import ProfileRefusal


class ProfileCommands:
    """Serves these requests for one back end."""

    def __init__(
        self, conversation: CsmsConversation, limits: ChargingLimits, outlet: ReportedOutlet
    ) -> None:
        self._conversation = conversation
        self._limits = limits
        self._outlet = outlet

    def set(self, profile: ChargingProfile) -> ProfileRefusal | None:
        """Add a profile; returns the reason of a refusal."""
        if profile.evse not in (0, 1):
            return ProfileRefusal(f"unknown EVSE {profile.evse}", "UnknownEvse")
        if profile.purpose is ProfilePurpose.EXTERNAL:
            return ProfileRefusal("the CSMS must not set external constraints")
        return self._limits.add(profile)

    def clear(self, which: ProfileFilter) -> bool:
        """Remove profiles; returns whether there were any."""
        return self._limits.clear(which)

    def selected(self, which: ProfileFilter) -> tuple[ChargingProfile, ...]:
        """Return stored profiles."""
        return profiles.selected(self._limits.profiles, which)

    def composite(self, duration: float, unit: str) -> tuple[str, list[Payload]]:
        """Return start and periods of the composite schedule; without a profile the limit of the outlet."""
        now, supply = self._conversation.now, self._limits.supply
        per_ampere = supply.voltage * supply.phases
        periods = []
        for step in self._limits.steps(duration):
            watts = supply.max_power if step.watts is None else min(step.watts, supply.max_power)
            limit = watts if unit == "W" else watts / per_ampere
            periods.append({"startPeriod": int(step.start - now), "limit": round(limit, 1)})
        return to_iso(now), periods

    def permit_transfer(self, *, discharge: bool) -> None:
        """Permit or forbid energy from the EV; a new permission lets the EV select a service again."""
        before, self._limits.discharge_permitted = self._limits.discharge_permitted, discharge
        self._limits.apply()
        if discharge and not before:
            self._outlet.renegotiate_service()
