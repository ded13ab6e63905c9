"""From the first request of an EV to the average that it receives."""

from __future__ import annotations

from secc.slac import messages as m
from secc.slac import timing
from secc.slac.attenuation import average, mean, padded
from secc.slac.context import MatchingContext
from secc.slac.events import FrameVerdict, LinkGone, Outcome, Suspicious
from secc.slac.frames import Frame
from secc.slac.handlers.modem import match_failed
from secc.slac.runs import MAX_HEARD, MAX_RUNS, UNHEARD, Run
from secc.slac.states import LISTENING, RunState, SlacState, SlacTimer


def parameters_requested(matching: MatchingContext, frame: Frame) -> SlacState:
    """Answer and store the request; restart when the EV restarts [V2G3-A09-16]."""
    assert isinstance(frame.message, m.SlacParmReq)
    ev_mac, run_id = frame.source, frame.message.run_id
    winner = matching.winner
    if not matching.expecting or (winner is not None and winner.ev_mac != ev_mac):
        return matching.ignore(FrameVerdict.NO_RULE)
    if not matching.rate.admit(ev_mac, matching.now):
        return matching.ignore(FrameVerdict.RATE)
    if winner is not None:  # it has not received the key, or cannot use it
        matching.winner = None
        matching.stop_timers(SlacTimer.JOIN, SlacTimer.LINK_POLL, SlacTimer.LINK_DELAY)
    elif (run := matching.runs.get(ev_mac)) is not None:
        if matching.now < run.began + UNHEARD:  # a real EV waits for its average first
            matching.emit(Suspicious(f"{ev_mac.hex(':')} restarts in the middle of its sounds"))
        matching.drop(run, Outcome.RESTARTED)
    _answer_parameters(matching, ev_mac, run_id)
    if matching.waiting_for_request and matching.fallback_after is None:
        matching.await_request()
    return matching.state if matching.state in LISTENING else SlacState.UNMATCHED


def _answer_parameters(matching: MatchingContext, ev_mac: bytes, run_id: bytes) -> None:
    matching.pending.add(ev_mac, run_id, matching.now)
    matching.send(ev_mac, m.SlacParmCnf(run_id, ev_mac))


def restart_requested(matching: MatchingContext, frame: Frame) -> SlacState:
    """Answer the matched EV again: it has lost its state while its modem kept the key, so the link stays up.

    The link is left when the EV starts sounding. An EV with a connection is not answered.
    """
    assert isinstance(frame.message, m.SlacParmReq)
    if not _may_restart(matching, frame):
        return matching.ignore(FrameVerdict.NO_RULE)
    if not matching.rate.admit(frame.source, matching.now):
        return matching.ignore(FrameVerdict.RATE)
    _answer_parameters(matching, frame.source, frame.message.run_id)
    return matching.state


def restarted(matching: MatchingContext, frame: Frame) -> SlacState:
    """Leave the link for a new run of the same EV; the modem keeps its key."""
    assert isinstance(frame.message, m.StartAttenCharInd)
    if frame.message.forwarding_station != frame.source:
        return matching.ignore(FrameVerdict.CONTRADICTION)
    fresh = matching.pending.holds(frame.source, frame.message.run_id, matching.now)
    if not fresh or not _may_restart(matching, frame):
        return matching.ignore(FrameVerdict.NO_RULE)
    matching.emit(LinkGone("the EV starts matching again", failed=False))
    matching.winner = None
    matching.stop_timers(*SlacTimer)
    if matching.waiting_for_request:
        matching.await_request()
    return sounding_started(matching, frame)


def _may_restart(matching: MatchingContext, frame: Frame) -> bool:
    winner = matching.winner
    idle = matching.connected and not matching.link_used and not matching.asleep
    return idle and winner is not None and frame.source == winner.ev_mac


def sounding_started(matching: MatchingContext, frame: Frame) -> SlacState:
    """Start a run with the first of three CM_START_ATTEN_CHAR.IND; the others belong to it."""
    message = frame.message
    assert isinstance(message, m.StartAttenCharInd)
    if message.forwarding_station != frame.source:
        return matching.ignore(FrameVerdict.CONTRADICTION)
    known = matching.runs.get(frame.source)
    if known is not None and known.run_id == message.run_id:
        return matching.state
    if not _make_room(matching):
        return matching.ignore(FrameVerdict.FULL)
    if not matching.pending.take(frame.source, message.run_id, matching.now):
        return matching.ignore(FrameVerdict.NO_RULE)
    matching.runs[frame.source] = Run(
        frame.source,
        message.run_id,
        began=matching.now,
        deadline=matching.now
        + timing.TT_EVSE_MATCH_MNBC,  # the value of the standard, not the one in the message
        expected=min(message.sounds, timing.C_EV_MATCH_MNBC),
    )
    return SlacState.MATCHING


def _make_room(matching: MatchingContext) -> bool:
    """Replace the oldest run without a measurement, unless its first sound may still come."""
    if len(matching.runs) < MAX_RUNS:
        return True
    oldest = next((run for run in matching.runs.values() if not run.profiles), None)
    if oldest is None or matching.now < oldest.began + UNHEARD:
        return False
    matching.drop(oldest, Outcome.EVICTED)
    return True


def sound_heard(matching: MatchingContext, frame: Frame) -> SlacState:
    """Count a sound, for statistics; only the measurements of the modem decide."""
    assert isinstance(frame.message, m.MnbcSoundInd)
    run = matching.runs.get(frame.source)
    if run is None or run.run_id != frame.message.run_id or run.state is not RunState.SOUNDING:
        return matching.ignore(FrameVerdict.CONTRADICTION)
    run.sounds += 1
    return matching.state


def profile_measured(matching: MatchingContext, frame: Frame) -> SlacState:
    """Store the measurement of one sound by the station's modem."""
    message = frame.message
    assert isinstance(message, m.AttenProfileInd)
    run = matching.runs.get(message.pev_mac)
    if not matching.is_modem(frame.source) or not message.profile:
        return matching.ignore(FrameVerdict.CONTRADICTION)
    if run is None or run.state is not RunState.SOUNDING:
        return matching.ignore(FrameVerdict.NO_RULE)
    if run.profiles and len(message.profile) != len(run.profiles[0]):
        return matching.ignore(FrameVerdict.CONTRADICTION)
    if run.sounds and len(run.profiles) >= run.sounds + _TOLERANCE:
        run.surplus += 1
        if run.surplus == 1:
            matching.emit(Suspicious(f"more measurements than sounds of {run.ev_mac.hex(':')}"))
        return matching.ignore(FrameVerdict.CONTRADICTION)
    if not run.profiles and not _make_room_for(matching, message.profile):
        return matching.ignore(FrameVerdict.FULL)
    run.profiles.append(message.profile)
    if len(run.profiles) >= run.expected:
        _answer_average(matching, run)
    return matching.state


def _make_room_for(matching: MatchingContext, profile: bytes) -> bool:
    """Replace the measured run with the most attenuation, if the newcomer has less."""
    heard = [run for run in matching.runs.values() if run.profiles]
    if len(heard) < MAX_HEARD:
        return True
    faintest = max(heard, key=lambda run: mean(run.profiles[0]))
    if mean(faintest.profiles[0]) <= mean(profile):
        return False
    matching.drop(faintest, Outcome.EVICTED)
    return True


_TOLERANCE = 2  # sounds that the modem measured and the host did not receive


def sounding_over(matching: MatchingContext, run: Run) -> None:
    """TT_EVSE_match_MNBC: send the average of the measurements so far [V2G3-A09-19] [V2G3-A09-43]."""
    if run.profiles:
        _answer_average(matching, run)
    else:  # no invented value: it would look like the best station
        matching.drop(run, Outcome.NO_PROFILE)
        if run.sounds >= _SOUNDS:  # received through the modem, which has not measured them
            match_failed(matching)


_SOUNDS = 5


def _answer_average(matching: MatchingContext, run: Run) -> None:
    run.profile = average(run.profiles, matching.config.attenuation_offset)
    run.sounded = matching.now
    _send_average(matching, run)


def _send_average(matching: MatchingContext, run: Run) -> None:
    profile = padded(run.profile, m.GROUPS)
    message = m.AttenCharInd(run.ev_mac, run.run_id, len(run.profiles), profile, len(run.profile))
    matching.send(run.ev_mac, message)
    run.state = RunState.WAIT_RSP
    run.deadline = matching.now + timing.TT_MATCH_RESPONSE


def response_late(matching: MatchingContext, run: Run) -> None:
    """Repeat the average, up to C_EV_match_retry times [V2G3-A09-46]."""
    if run.retries >= timing.C_EV_MATCH_RETRY:
        matching.drop(run, Outcome.NO_RESPONSE)
    else:
        run.retries += 1
        _send_average(matching, run)


def average_acknowledged(matching: MatchingContext, frame: Frame) -> SlacState:
    """CM_ATTEN_CHAR.RSP; a deviating message is ignored and the repetitions continue [V2G3-A09-47]."""
    message = frame.message
    assert isinstance(message, m.AttenCharRsp)
    run = matching.runs.get(frame.source)
    if run is None or run.run_id != message.run_id or message.source_address != frame.source:
        return matching.ignore(FrameVerdict.CONTRADICTION)
    if run.state is RunState.SOUNDING:
        matching.emit(Suspicious(f"{run.ev_mac.hex(':')} acknowledges an average that was not sent"))
    if run.state is not RunState.WAIT_RSP:
        return matching.ignore(FrameVerdict.NO_RULE)
    run.state = RunState.WAIT_MATCH
    run.deadline = matching.now + timing.TT_EVSE_MATCH_SESSION
    return matching.state
