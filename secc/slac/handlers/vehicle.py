"""The control pilot, as far as matching is concerned."""

from __future__ import annotations

from secc.slac.context import MatchingContext
from secc.slac.events import NoRequest, VehicleConnected, VehicleGone
from secc.slac.handlers.modem import leave
from secc.slac.states import LISTENING, NETWORKED, State, Timer


def connected(matching: MatchingContext, event: VehicleConnected) -> State:
    """From now on EVs are answered [V2G3-M06-07] [V2G3-M06-11]."""
    matching.connected = matching.expecting = True
    matching.waiting_for_request = event.expect_request
    if event.expect_request and matching.state not in NETWORKED:
        matching.start_timer(Timer.SLAC_INIT, matching.config.slac_init)
    else:
        matching.stop_timers(Timer.SLAC_INIT)
    return matching.state


def gone(matching: MatchingContext, event: VehicleGone) -> State:
    """Everything is given up at once; no frame follows but the new key for the own modem."""
    matching.connected = matching.expecting = matching.waiting_for_request = matching.pilot_ready = False
    matching.stop_timers(Timer.SLAC_INIT)
    matching.forget_runs()
    if matching.key_given:
        return leave(matching, "unplugged", failed=False)
    return State.UNMATCHED if matching.state in LISTENING else matching.state


def nobody_began(matching: MatchingContext, timer: Timer) -> State:
    """TT_EVSE_SLAC_init: no answers any more until the control pilot has had its sequence."""
    if matching.runs:
        matching.start_timer(Timer.SLAC_INIT, matching.config.slac_init)
    else:
        matching.expecting = matching.waiting_for_request = False
        matching.pending.clear()
        matching.emit(NoRequest())
    return matching.state
