"""Block K: charging profiles."""

from __future__ import annotations

import asyncio

from secc.ocpp import v201
from secc.ocpp.blocks.provisioning import info
from secc.ocpp.commands import Commands
from secc.ocpp.model import Payload
from secc.ocpp.profile_model import ChargingProfile, LimitSource, ProfileFilter, ProfilePurpose
from secc.ocpp.profiles import ProfileRefusal


def set_profile(commands: Commands, body: Payload) -> Payload:
    """Add a charging profile (K01 to K05, K15, K16)."""
    if v201.has_phase_values(body["chargingProfile"]):
        return refused(ProfileRefusal("values for single phases of an EV without them", "PhaseConflict"))
    try:
        profile = v201.read_profile(body["chargingProfile"], body["evseId"])
    except ValueError as error:
        return refused(ProfileRefusal(str(error)))
    problem = commands.profiles.set(profile)
    return {"status": "Accepted"} if problem is None else refused(problem)


def refused(problem: ProfileRefusal) -> Payload:
    """Return the answer with the reason."""
    return {"status": "Rejected", "statusInfo": info(problem.code, problem.text)}


def clear_profile(commands: Commands, body: Payload) -> Payload:
    """Remove charging profiles (K10)."""
    which = body.get("chargingProfileCriteria", {})
    purpose = which.get("chargingProfilePurpose")
    if purpose is not None and purpose not in ProfilePurpose.__members__.values():
        return {"status": "Unknown"}  # a purpose of 2.1 that is not supported
    found = commands.profiles.clear(
        ProfileFilter(
            id=body.get("chargingProfileId"),
            evse=which.get("evseId"),
            purpose=None if purpose is None else ProfilePurpose(purpose),
            stack=which.get("stackLevel"),
        )
    )
    return {"status": "Accepted" if found else "Unknown"}


def get_profiles(commands: Commands, body: Payload) -> Payload:
    """Report the selected charging profiles after the answer (K09)."""
    which = body["chargingProfile"]
    purpose = which.get("chargingProfilePurpose")
    if purpose is not None and purpose not in ProfilePurpose.__members__.values():
        return {"status": "NoProfiles"}
    sources = [one for one in which.get("chargingLimitSource", []) if one in list(LimitSource)]
    if which.get("chargingLimitSource") and not sources:
        return {"status": "NoProfiles"}
    found = commands.profiles.selected(
        ProfileFilter(
            ids=tuple(which.get("chargingProfileId", [])),
            evse=body.get("evseId"),
            purpose=None if purpose is None else ProfilePurpose(purpose),
            stack=which.get("stackLevel"),
            sources=tuple(LimitSource(one) for one in sources),
        )
    )
    if not found:
        return {"status": "NoProfiles"}
    commands.background.spawn(_report(commands, body["requestId"], found))
    return {"status": "Accepted"}


async def _report(commands: Commands, request_id: int, found: tuple[ChargingProfile, ...]) -> None:
    """ReportChargingProfiles: one message for each EVSE and source."""
    await asyncio.sleep(0.01)
    groups = dict.fromkeys((one.evse, one.source) for one in found)
    for number, (evse, source) in enumerate(groups, start=1):
        rows = [v201.write_profile(one) for one in found if (one.evse, one.source) == (evse, source)]
        body: Payload = {
            "requestId": request_id,
            "chargingLimitSource": source.value,
            "evseId": evse,
            "chargingProfile": rows,
            "tbc": number < len(groups),
        }
        if await commands.conversation.ask_or_report(("ReportChargingProfiles", body)) is None:
            return


def composite(commands: Commands, body: Payload) -> Payload:
    """Return what all profiles together allow (K08)."""
    if body["evseId"] not in (0, 1) or body["duration"] <= 0:
        return {"status": "Rejected", "statusInfo": info("UnknownEvse", f"EVSE {body['evseId']}")}
    unit = body.get("chargingRateUnit", "W")
    begin, periods = commands.profiles.composite(body["duration"], unit)
    schedule = {
        "evseId": body["evseId"],
        "duration": body["duration"],
        "scheduleStart": begin,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": periods,
    }
    return {"status": "Accepted", "schedule": schedule}
