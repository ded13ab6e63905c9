"""Every permitted (state, input) of the matching. An input without a row is ignored and counted.

RULES covers the states of the station. The run of each EV has another state: EXPIRY maps its deadline to a
handler, and the handlers first check which messages the state of the run permits. A frame affects only the
run of its sender.
"""

import dataclasses
from collections.abc import Callable, Collection
from typing import Any

from secc.slac import events as e
from secc.slac import messages as m
from secc.slac import vendor
from secc.slac.handlers import match, modem, power, sounding, vehicle
from secc.slac.runs import Run
from secc.slac.states import LISTENING, NETWORKED, UP, RunState, State, Timer

Handler = Callable[[Any, Any], State]


@dataclasses.dataclass(frozen=True, slots=True)
class On:
    """In `states`, the input `key` runs `handler` and leads to one of the states `next`."""

    states: Collection[State]
    key: type | Timer
    """An input, a message, or an expired timer."""
    handler: Handler
    next: Collection[State]
    ids: str = ""


S = State
_STAY = frozenset(State)
_LEFT = frozenset({S.KEYING})
_MAPPING = frozenset({S.JOINING, S.AMPLITUDE_MAP, S.MATCHED})
_ASLEEP = frozenset({S.PAUSED, S.RESUMING})

RULES = (
    # --- the modem ---
    On(set(S), e.ModemOpened, modem.opened, _LEFT | _ASLEEP),
    On(UP, e.ModemLost, modem.lost, {S.DOWN} | _ASLEEP),
    On({S.KEYING, S.RESUMING}, m.SetKeyCnf, modem.key_confirmed, {S.KEYING, S.UNMATCHED, S.RESUMING}),
    On({S.KEYING, S.RESUMING}, Timer.SET_KEY, modem.key_late, {S.KEYING, S.RESUMING}),
    On(UP, vendor.OperationAttributesCnf, modem.introduced, _STAY),
    On(UP, vendor.SoftwareVersionCnf, modem.introduced, _STAY),
    On(UP, vendor.LumissilVersionCnf, modem.introduced, _STAY),
    # --- the control pilot ---
    On(set(S), e.VehicleConnected, vehicle.connected, _STAY, "V2G3-M06-11"),
    On(set(S), e.VehicleGone, vehicle.gone, {S.DOWN, S.KEYING, S.UNMATCHED}),
    On(set(S), e.PilotMoved, match.pilot_moved, _STAY),
    On(LISTENING | {S.KEYING}, Timer.SLAC_INIT, vehicle.no_request, LISTENING | {S.KEYING}, "V2G3-M06-07"),
    # --- the runs of EVs ---
    On(
        LISTENING | {S.JOINING},
        m.SlacParmReq,
        sounding.parameters_requested,
        LISTENING | {S.JOINING},
        "V2G3-A09-16",
    ),
    On(LISTENING, m.StartAttenCharInd, sounding.sounding_started, LISTENING, "V2G3-A09-41"),
    On(LISTENING, m.MnbcSoundInd, sounding.sound_heard, LISTENING),
    On(LISTENING, m.AttenProfileInd, sounding.profile_measured, LISTENING, "V2G3-A09-19"),
    On(LISTENING, m.AttenCharRsp, sounding.average_acknowledged, LISTENING, "V2G3-A09-47"),
    On(LISTENING, m.ValidateReq, match.validation_requested, LISTENING, "V2G3-A09-51"),
    On(
        LISTENING | _MAPPING,
        m.SlacMatchReq,
        match.match_requested,
        LISTENING | _MAPPING,
        "V2G3-A09-98",
    ),
    # --- the link ---
    On({S.JOINING, S.RESUMING}, Timer.LINK_DELAY, modem.link_assumed, {S.MATCHED, S.AMPLITUDE_MAP}),
    On({S.JOINING, S.RESUMING, S.MATCHED}, Timer.LINK_POLL, modem.ask_link, NETWORKED | _LEFT),
    On({S.JOINING, S.RESUMING, S.MATCHED}, vendor.LinkStatusCnf, modem.link_reported, NETWORKED | _LEFT),
    On({S.JOINING, S.RESUMING, S.MATCHED}, vendor.LumissilLinkCnf, modem.link_reported, NETWORKED | _LEFT),
    On({S.MATCHED}, vendor.NetworkInfoCnf, modem.network_reported, {S.MATCHED} | _LEFT),
    On({S.JOINING}, Timer.JOIN, modem.join_late, _LEFT),
    On({S.RESUMING}, Timer.RESUME, modem.join_late, _LEFT, "V2G3-M07-26"),
    On(_MAPPING, m.AmpMapReq, power.map_requested, _MAPPING),
    On(_MAPPING, m.AmpMapCnf, power.map_confirmed, _MAPPING, "V2G3-A09-114"),
    On(_MAPPING, Timer.MODEM_MAP, power.modem_silent, _MAPPING),
    On({S.AMPLITUDE_MAP}, Timer.AMP_MAP, power.send_map, {S.AMPLITUDE_MAP, S.KEYING}),
    On(UP - {S.KEYING}, e.LeaveLink, modem.leave_link, _LEFT, "V2G3-M09-17"),
    On({S.MATCHED}, e.PauseLink, modem.pause, {S.PAUSED}),
    On({S.PAUSED}, e.ResumeLink, modem.resume, {S.RESUMING}),
)

TABLE: dict[tuple[State, type | Timer], On] = {(state, row.key): row for row in RULES for state in row.states}
"""The rules by state and input."""

EXPIRY: dict[RunState, Callable[[Any, Run], None]] = {
    RunState.SOUNDING: sounding.sounding_over,  # TT_EVSE_match_MNBC [V2G3-A09-43]
    RunState.WAIT_RSP: sounding.response_late,  # TT_match_response [V2G3-A09-46]
    RunState.WAIT_MATCH: match.match_late,  # TT_EVSE_match_session
    RunState.WAIT_STEP_2: match.step_2_late,  # TT_match_sequence
    RunState.COUNTING: match.counting_over,  # the window that the EV named
}
"""Handler for the deadline of a run, by state of the run."""
