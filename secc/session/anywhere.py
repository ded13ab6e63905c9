"""What an input does in every state that has no row for it, in every protocol."""

from __future__ import annotations

from collections.abc import Mapping

from secc.session import contactor, ending, feedback, grant, isolation, offering
from secc.session.dialect import Anywhere, Key
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ChargingHeld,
    ContactorReported,
    ControllerFault,
    DischargePermitted,
    EnergyTargeted,
    GridCodeChanged,
    GridCodeGiven,
    GridTargeted,
    LinkLost,
    PauseRequested,
    PeerMisbehaved,
    PowerLimited,
    PricesOffered,
    RenegotiationRequested,
    SchedulesOffered,
    ServiceRenegotiationRequested,
    StandbyExitRequested,
    StopRequested,
)
from secc.session.states import Timer

__all__ = ["ANYWHERE", "anywhere"]

ANYWHERE: dict[Key, Anywhere] = {
    AuthorizationDecided: Anywhere(grant.decided, "INV-11 INV-20"),
    SchedulesOffered: Anywhere(ending.stale, "INV-20"),
    PricesOffered: Anywhere(ending.stale, "INV-20"),
    GridCodeGiven: Anywhere(ending.stale, "INV-20"),
    GridTargeted: Anywhere(ending.not_in_this_protocol, ""),
    GridCodeChanged: Anywhere(ending.not_in_this_protocol, ""),
    CableCheckReported: Anywhere(isolation.not_awaited, "INV-20 INV-30"),
    ContactorReported: Anywhere(contactor.failed, "INV-03 INV-20"),
    RenegotiationRequested: Anywhere(ending.not_in_this_protocol, ""),
    ServiceRenegotiationRequested: Anywhere(ending.not_in_this_protocol, ""),
    PauseRequested: Anywhere(ending.not_in_this_protocol, ""),
    StandbyExitRequested: Anywhere(ending.not_in_this_protocol, ""),
    EnergyTargeted: Anywhere(ending.not_in_this_protocol, ""),
    PowerLimited: Anywhere(offering.power_limited, "INV-08"),
    ChargingHeld: Anywhere(offering.charging_held, "INV-08"),
    DischargePermitted: Anywhere(offering.discharge_permitted, "INV-08"),
    StopRequested: Anywhere(ending.stop_requested, "INV-29"),
    ControllerFault: Anywhere(ending.controller_fault, "INV-03"),
    LinkLost: Anywhere(ending.link_lost, "INV-03"),
    PeerMisbehaved: Anywhere(ending.peer_misbehaved, ""),
    Timer.CONTACTOR_RELEASE: Anywhere(feedback.contactor_not_open, "INV-03 INV-30"),
    Timer.CONTACTOR_LOST: Anywhere(feedback.contactor_lost, "INV-03 INV-30"),
    Timer.DISCHARGE: Anywhere(feedback.not_discharged, "INV-04 INV-06 INV-30"),
    Timer.STOP_DELAY: Anywhere(ending.stop_due, "INV-03"),
    Timer.STOP_GRACE: Anywhere(ending.nothing, "INV-29"),
    Timer.SEQUENCE: Anywhere(ending.sequence_timeout, ""),
    Timer.COMMUNICATION_SETUP: Anywhere(ending.setup_timeout, ""),
    Timer.LEASE_RENEWAL: Anywhere(ending.nothing, "INV-31"),
}
"""The lease timer stands here because it runs in every state; the machine itself renews, after all else."""


def anywhere(ids: Mapping[Key, str], more: Mapping[Key, Anywhere]) -> dict[Key, Anywhere]:
    """ANYWHERE of a protocol: with its own ids before ours, and with what only it has."""
    cited = {
        key: Anywhere(entry.handler, f"{ids.get(key, '')} {entry.ids}".strip())
        for key, entry in ANYWHERE.items()
    }
    return {**cited, **more}
