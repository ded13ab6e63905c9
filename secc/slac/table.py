"""Every (state, input) that is legal in the matching. What has no row is ignored and counted.

RULES are the states of the station. The run of an EV has a state of its own besides; what its deadline means
is in EXPIRY, and which of its messages count in which state is the first thing that the handlers look at. A
frame is always bound to the run of its sender: no message of one EV can move the run of another.
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
    """In these states this input runs this handler and leads to one of these states."""

    states: Collection[State]
    key: type | Timer
    """An input, a message, or a timer that is over."""
    handler: Handler
    next: Collection[State]
    ids: str = ""


S = State
_STAY = frozenset(State)
_LEFT = frozenset({S.KEYING})
_MAPPING = frozenset({S.JOINING, S.AMPLITUDE_MAP, S.MATCHED})
_ASLEEP = frozenset({S.PAUSED, S.RESUMING})

RULES = (
    # --- the own modem ---
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
    On(LISTENING | {S.KEYING}, Timer.SLAC_INIT, vehicle.nobody_began, LISTENING | {S.KEYING}, "V2G3-M06-07"),
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
    On({S.JOINING, S.RESUMING, S.MATCHED}, vendor.LinkStatusCnf, modem.link_told, NETWORKED | _LEFT),
    On({S.JOINING, S.RESUMING, S.MATCHED}, vendor.LumissilLinkCnf, modem.link_told, NETWORKED | _LEFT),
    On({S.MATCHED}, vendor.NetworkInfoCnf, modem.network_told, {S.MATCHED} | _LEFT),
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
"""The same, to look up."""

EXPIRY: dict[RunState, Callable[[Any, Run], None]] = {
    RunState.SOUNDING: sounding.sounding_over,  # TT_EVSE_match_MNBC [V2G3-A09-43]
    RunState.WAIT_RSP: sounding.response_late,  # TT_match_response [V2G3-A09-46]
    RunState.WAIT_MATCH: match.match_late,  # TT_EVSE_match_session
    RunState.WAIT_STEP_2: match.step_2_late,  # TT_match_sequence
    RunState.COUNTING: match.counting_over,  # the window that the EV has named
}
"""What the deadline of a run means."""
