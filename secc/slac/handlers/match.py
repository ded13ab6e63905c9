"""Validation, and handing over the key."""

from __future__ import annotations

from secc.settings.slac import Validation
from secc.slac import messages as m
from secc.slac import timing
from secc.slac.context import MatchingContext
from secc.slac.events import FrameVerdict, Outcome, PilotMoved
from secc.slac.frames import Frame
from secc.slac.handlers.modem import watch_link
from secc.slac.messages import ValidateCnf
from secc.slac.runs import Run
from secc.slac.states import RunState, SlacState, SlacTimer

READY = 1  # the only result with which an EV continues


def validation_requested(matching: MatchingContext, frame: Frame) -> SlacState:
    """Answer step 1 or start step 2 of a validation; the source address selects the run."""
    message = frame.message
    assert isinstance(message, m.ValidateReq)
    run = matching.runs.get(frame.source)
    if run is None or run.state not in (RunState.WAIT_MATCH, RunState.WAIT_STEP_2):
        return matching.ignore(FrameVerdict.NO_RULE)
    if message.signal_type != 0:  # [V2G3-A09-56] [V2G3-A09-77]
        return matching.ignore(FrameVerdict.CONTRADICTION)
    if run.state is RunState.WAIT_STEP_2 and message.result != READY:
        _validation_over(matching, run)  # [V2G3-A09-85]
    elif message.result != READY:
        return matching.ignore(FrameVerdict.CONTRADICTION)
    elif run.state is RunState.WAIT_STEP_2 and message.timer:
        run.state = RunState.COUNTING
        run.window = matching.now
        run.edges = ((matching.now, matching.pilot_ready),)
        run.deadline = matching.now + min((message.timer + 1) * 0.1, timing.TT_EVSE_VALD_TOGGLE)
    elif message.timer == 0:
        _answer_step_1(matching, run)
    else:
        return matching.ignore(FrameVerdict.NO_RULE)
    return matching.state


def _answer_step_1(matching: MatchingContext, run: Run) -> None:
    mode = matching.config.validation
    if mode is Validation.OFF:
        result = ValidateCnf.FAILURE  # [V2G3-A09-51]
    elif mode is Validation.NOT_REQUIRED:
        result = ValidateCnf.NOT_REQUIRED  # [V2G3-A09-72]
    elif any(other.validating for other in matching.runs.values() if other is not run):
        result = ValidateCnf.NOT_READY  # [V2G3-M09-13]
    else:
        result = ValidateCnf.READY
        run.state = RunState.WAIT_STEP_2
        run.retries = 0
        run.deadline = matching.now + timing.TT_MATCH_SEQUENCE
    matching.send(run.ev_mac, ValidateCnf(0, 0, result))


def step_2_late(matching: MatchingContext, run: Run) -> None:
    """Repeat READY, up to C_EV_match_retry times."""
    if run.retries >= timing.C_EV_MATCH_RETRY:
        matching.drop(run, Outcome.VALIDATION_FAILED)
        return
    run.retries += 1
    run.deadline = matching.now + timing.TT_MATCH_SEQUENCE
    matching.send(run.ev_mac, ValidateCnf(0, 0, ValidateCnf.READY))


def pilot_moved(matching: MatchingContext, event: PilotMoved) -> SlacState:
    """Store a phase of a toggle. During a validation, state C is a signal and does not request energy."""
    matching.pilot_ready = event.ready
    for run in matching.runs.values():
        if run.state is RunState.COUNTING and len(run.edges) < _MAX_EDGES:
            run.edges += ((matching.now, event.ready),)
    return matching.state


_MAX_EDGES = 64


def counting_over(matching: MatchingContext, run: Run) -> None:
    """Report the number of toggles; the EV decides whether it is correct."""
    run.toggles = _toggles(run.edges, matching.now)
    matching.send(run.ev_mac, ValidateCnf(0, run.toggles, ValidateCnf.SUCCESS))
    _validation_over(matching, run)


def _toggles(edges: tuple[tuple[float, bool], ...], end: float) -> int:
    """Number of C phases between two B phases, without short phases."""
    phases: list[bool] = []
    ends = [at for at, _ in edges[1:]] + [end]
    for (at, ready), until in zip(edges, ends, strict=True):
        if until - at >= timing.DEBOUNCE - _ROUNDING and (not phases or phases[-1] is not ready):
            phases.append(ready)
    return sum(1 for i in range(1, len(phases) - 1) if phases[i])


_ROUNDING = 1e-6


def _validation_over(matching: MatchingContext, run: Run) -> None:
    run.state = RunState.WAIT_MATCH
    run.deadline = matching.now + timing.TT_MATCH_SEQUENCE


def match_late(matching: MatchingContext, run: Run) -> None:
    """End a run whose EV has chosen another station."""
    matching.drop(run, Outcome.NO_MATCH)


def match_requested(matching: MatchingContext, frame: Frame) -> SlacState:
    """Give the key to the first EV with a valid request; repeat the answer for TT_match_join.

    This holds after the link is up too: the link may be assumed while the EV has not received the answer.
    """
    message = frame.message
    assert isinstance(message, m.SlacMatchReq)
    winner = matching.winner
    if winner is not None:
        again = frame.source == winner.ev_mac and message == winner.request
        if again and matching.now < winner.deadline:
            matching.send_again(winner.answer)
            return matching.state
        return matching.ignore(FrameVerdict.NO_RULE)
    run = matching.runs.get(frame.source)
    if run is None or message.run_id != run.run_id or message.pev_mac != frame.source:
        return matching.ignore(FrameVerdict.CONTRADICTION)  # [V2G3-A09-98]
    if message.evse_mac != matching.evse_mac:
        return matching.ignore(FrameVerdict.CONTRADICTION)
    if run.state is not RunState.WAIT_MATCH or not matching.connected:
        return matching.ignore(FrameVerdict.NO_RULE)
    run.request = message
    run.deadline = matching.now + timing.TT_MATCH_JOIN
    key, ids = matching.key, (message.pev_id, message.evse_id)
    run.answer = matching.send(
        run.ev_mac, m.SlacMatchCnf(run.ev_mac, matching.evse_mac, run.run_id, key.nid, key.nmk, *ids)
    )
    matching.win(run)
    matching.stop_timers(SlacTimer.SLAC_INIT)
    matching.start_timer(SlacTimer.JOIN, timing.TT_MATCH_JOIN)
    watch_link(matching)
    return SlacState.JOINING
