"""Every permitted (state, input) of the matching. An input without a row is ignored and counted.

RULES covers the states of the station. The run of each EV has another state: EXPIRY maps its deadline to a
handler, and the handlers first check which messages the state of the run permits. A frame affects only the
run of its sender.
"""

import dataclasses
from collections.abc import Callable, Collection
from typing import Any

from secc.slac import events as e
from secc.slac import get_key, parameters, vendor
from secc.slac import messages as m
from secc.slac.handlers import identity, match, modem, power, sounding, upkeep, vehicle
from secc.slac.runs import Run
from secc.slac.states import LISTENING, NETWORKED, UP, RunState, SlacState, SlacTimer

Handler = Callable[[Any, Any], SlacState]


@dataclasses.dataclass(frozen=True, slots=True)
class SlacRule:
    """In `states`, the input `key` runs `handler` and leads to one of the states `next`."""

    states: Collection[SlacState]
    key: type | SlacTimer
    """An input, a message, or an expired timer."""
    handler: Handler
    next: Collection[SlacState]
    ids: str = ""


S = SlacState
_STAY = frozenset(SlacState)
_LEFT = frozenset({S.KEYING})
_UNLINKED = LISTENING | {S.KEYING, S.RESTARTING}
_MAPPING = frozenset({S.JOINING, S.AMPLITUDE_MAP, S.MATCHED})
_LINKED = frozenset({S.AMPLITUDE_MAP, S.MATCHED, S.RESUMING})
_ASLEEP = frozenset({S.PAUSED, S.RESUMING})

RULES = (
    # --- the modem ---
    SlacRule(set(S), e.ModemOpened, modem.opened, _LEFT | _ASLEEP),
    SlacRule(UP, e.ModemLost, modem.lost, {S.DOWN} | _ASLEEP),
    SlacRule({S.KEYING, S.RESUMING}, m.SetKeyCnf, modem.key_confirmed, {S.KEYING, S.UNMATCHED, S.RESUMING}),
    SlacRule(LISTENING, m.SetKeyCnf, modem.confirmed_again, LISTENING),
    SlacRule({S.KEYING, S.RESUMING}, SlacTimer.SET_KEY, modem.key_late, {S.KEYING, S.RESUMING}),
    SlacRule(UP, vendor.OperationAttributesCnf, identity.introduced, _STAY),
    SlacRule(UP, vendor.SoftwareVersionCnf, identity.introduced, _STAY),
    SlacRule(UP, vendor.LumissilVersionCnf, identity.introduced, _STAY),
    SlacRule(UP, parameters.ModuleReadCnf, identity.introduced, _STAY),
    SlacRule(LISTENING | {S.KEYING}, SlacTimer.RESET, upkeep.reset, {S.RESTARTING}),
    SlacRule({S.RESTARTING}, SlacTimer.RESTART, upkeep.restarted, _LEFT),
    SlacRule(LISTENING, SlacTimer.KEY_CHECK, upkeep.check_key, LISTENING),
    SlacRule(LISTENING, get_key.GetKeyCnf, upkeep.key_reported, LISTENING | _LEFT),
    SlacRule(LISTENING, SlacTimer.KEY_ANSWER, upkeep.key_unreported, LISTENING | _LEFT),
    # --- the control pilot ---
    SlacRule(set(S), e.VehicleConnected, vehicle.connected, _STAY, "V2G3-M06-11"),
    SlacRule(set(S), e.VehicleGone, vehicle.gone, {S.DOWN, S.KEYING, S.RESTARTING, S.UNMATCHED}),
    SlacRule(set(S), e.PilotMoved, match.pilot_moved, _STAY),
    SlacRule(_UNLINKED, SlacTimer.SLAC_INIT, vehicle.no_request, _UNLINKED, "V2G3-M06-07"),
    # --- the runs of EVs ---
    SlacRule(
        LISTENING | {S.JOINING},
        m.SlacParmReq,
        sounding.parameters_requested,
        LISTENING | {S.JOINING},
        "V2G3-A09-16",
    ),
    SlacRule(LISTENING, m.StartAttenCharInd, sounding.sounding_started, LISTENING, "V2G3-A09-41"),
    SlacRule(_LINKED, m.SlacParmReq, sounding.restart_requested, _LINKED, "V2G3-A09-16"),
    SlacRule(_LINKED, m.StartAttenCharInd, sounding.restarted, _LINKED | {S.MATCHING}),
    SlacRule(LISTENING, m.MnbcSoundInd, sounding.sound_heard, LISTENING),
    SlacRule(LISTENING, m.AttenProfileInd, sounding.profile_measured, LISTENING, "V2G3-A09-19"),
    SlacRule(LISTENING, m.AttenCharRsp, sounding.average_acknowledged, LISTENING, "V2G3-A09-47"),
    SlacRule(LISTENING, m.ValidateReq, match.validation_requested, LISTENING, "V2G3-A09-51"),
    SlacRule(
        LISTENING | _MAPPING,
        m.SlacMatchReq,
        match.match_requested,
        LISTENING | _MAPPING,
        "V2G3-A09-98",
    ),
    # --- the link ---
    SlacRule({S.JOINING, S.RESUMING}, SlacTimer.LINK_DELAY, modem.link_assumed, {S.MATCHED, S.AMPLITUDE_MAP}),
    SlacRule({S.JOINING, S.RESUMING, S.MATCHED}, SlacTimer.LINK_POLL, modem.ask_link, NETWORKED | _LEFT),
    SlacRule(
        {S.JOINING, S.RESUMING, S.MATCHED}, vendor.LinkStatusCnf, modem.link_reported, NETWORKED | _LEFT
    ),
    SlacRule(
        {S.JOINING, S.RESUMING, S.MATCHED}, vendor.LumissilLinkCnf, modem.link_reported, NETWORKED | _LEFT
    ),
    SlacRule({S.MATCHED}, vendor.NetworkInfoCnf, modem.network_reported, {S.MATCHED} | _LEFT),
    SlacRule({S.JOINING}, SlacTimer.JOIN, modem.join_late, _LEFT),
    SlacRule({S.RESUMING}, SlacTimer.RESUME, modem.join_late, _LEFT, "V2G3-M07-26"),
    SlacRule(_MAPPING, m.AmpMapReq, power.map_requested, _MAPPING),
    SlacRule(_MAPPING, m.AmpMapCnf, power.map_confirmed, _MAPPING, "V2G3-A09-114"),
    SlacRule(_MAPPING, SlacTimer.MODEM_MAP, power.modem_silent, _MAPPING),
    SlacRule({S.AMPLITUDE_MAP}, SlacTimer.AMP_MAP, power.send_map, {S.AMPLITUDE_MAP, S.KEYING}),
    SlacRule(UP - {S.KEYING, S.RESTARTING}, e.LeaveLink, modem.leave_link, _LEFT, "V2G3-M09-17"),
    SlacRule(set(S), e.LinkUsed, vehicle.link_used, _STAY),
    SlacRule({S.MATCHED}, e.PauseLink, modem.pause, {S.PAUSED}),
    SlacRule({S.PAUSED}, e.ResumeLink, modem.resume, {S.RESUMING}),
)

TABLE: dict[tuple[SlacState, type | SlacTimer], SlacRule] = {
    (state, row.key): row for row in RULES for state in row.states
}
"""The rules by state and input."""

EXPIRY: dict[RunState, Callable[[Any, Run], None]] = {
    RunState.SOUNDING: sounding.sounding_over,  # TT_EVSE_match_MNBC [V2G3-A09-43]
    RunState.WAIT_RSP: sounding.response_late,  # TT_match_response [V2G3-A09-46]
    RunState.WAIT_MATCH: match.match_late,  # TT_EVSE_match_session
    RunState.WAIT_STEP_2: match.step_2_late,  # TT_match_sequence
    RunState.COUNTING: match.counting_over,  # the window that the EV named
}
"""Handler for the deadline of a run, by state of the run."""
