"""Events of the control pilot."""

from __future__ import annotations

from secc.slac import timing
from secc.slac.context import MatchingContext
from secc.slac.events import LinkUsed, NoRequest, VehicleConnected, VehicleGone
from secc.slac.handlers.modem import leave
from secc.slac.handlers.upkeep import ask_key
from secc.slac.states import LISTENING, NETWORKED, SlacState, SlacTimer


def connected(matching: MatchingContext, event: VehicleConnected) -> SlacState:
    """Start answering EVs [V2G3-M06-07] [V2G3-M06-11]."""
    matching.connected = matching.expecting = True
    matching.waiting_for_request, matching.fallback_after = event.expect_request, event.within
    if event.expect_request and matching.state not in NETWORKED:
        matching.await_request()
    else:
        matching.stop_timers(SlacTimer.SLAC_INIT)
    if matching.state is SlacState.UNMATCHED and matching.history.answers_key and matching.config.key_check:
        ask_key(matching)
    return matching.state


def gone(matching: MatchingContext, event: VehicleGone) -> SlacState:
    """End all runs at once; only the new key for the modem is still sent."""
    matching.connected = matching.expecting = matching.waiting_for_request = matching.pilot_ready = False
    matching.stop_timers(SlacTimer.SLAC_INIT)
    matching.forget_runs()
    if matching.key_given:
        return leave(matching, "unplugged", failed=False)
    return SlacState.UNMATCHED if matching.state in LISTENING else matching.state


def link_used(matching: MatchingContext, event: LinkUsed) -> SlacState:
    """Store whether the EV has a connection over the link."""
    matching.link_used = event.used
    if event.used:
        matching.link_carried = True
        matching.history.failures = 0
    return matching.state


def no_request(matching: MatchingContext, timer: SlacTimer) -> SlacState:
    """TT_EVSE_SLAC_init: stop answering until the sequence of the control pilot is complete."""
    if any(run.profiles for run in matching.runs.values()):
        run_over = timing.TT_EVSE_MATCH_MNBC if matching.fallback_after else matching.config.slac_init
        matching.start_timer(SlacTimer.SLAC_INIT, run_over)
    else:
        matching.expecting = matching.waiting_for_request = False
        matching.pending.clear()
        matching.emit(NoRequest())
    return matching.state
