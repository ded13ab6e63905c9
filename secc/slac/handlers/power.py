"""The amplitude map: transmit power of both modems per carrier."""

from __future__ import annotations

from secc.slac import messages as m
from secc.slac import timing
from secc.slac.context import MatchingContext
from secc.slac.events import AmplitudeMapReceived, FrameVerdict
from secc.slac.frames import LOCAL_MODEM, Frame
from secc.slac.handlers.modem import leave
from secc.slac.states import SlacState, SlacTimer

ACCEPTED, REFUSED = 0, 1


def map_requested(matching: MatchingContext, frame: Frame) -> SlacState:
    """Answer a map of the EV, at most twice per link: repeated requests may be an attack."""
    message = frame.message
    assert isinstance(message, m.AmpMapReq)
    winner = matching.winner
    if winner is None or frame.source != winner.ev_mac or matching.amp_maps >= _MAX_AMP_MAPS:
        return matching.ignore(FrameVerdict.CONTRADICTION)
    matching.amp_maps += 1
    if not matching.config.accept_amplitude_map:
        _answer(matching, message, REFUSED)
    elif matching.config.apply_amplitude_map:
        matching.map_asked = message
        matching.send(LOCAL_MODEM, message)
        matching.start_timer(SlacTimer.MODEM_MAP, _MODEM_TIME)
    else:
        _answer(matching, message, ACCEPTED)
    return matching.state


_MAX_AMP_MAPS = 2
_MODEM_TIME = 0.15  # s; the EV waits 0.2 s for the answer, TT_amp_map_exchange


def map_confirmed(matching: MatchingContext, frame: Frame) -> SlacState:
    """Confirmation of the station's map by the EV, or of the EV's map by the modem."""
    assert isinstance(frame.message, m.AmpMapCnf)
    if matching.map_asked is not None and matching.is_modem(frame.source):
        return _applied(matching, frame.message.result)
    winner = matching.winner
    if winner is None or frame.source != winner.ev_mac or matching.state is not SlacState.AMPLITUDE_MAP:
        return matching.ignore(FrameVerdict.CONTRADICTION)
    if frame.message.result != ACCEPTED:  # ignored; the request is repeated [V2G3-A09-114]
        return matching.ignore(FrameVerdict.CONTRADICTION)
    matching.stop_timers(SlacTimer.AMP_MAP)
    return matching.link_ready()


def modem_silent(matching: MatchingContext, timer: SlacTimer) -> SlacState:
    """Refuse the EV's map: the modem has not confirmed it in time."""
    return _applied(matching, REFUSED)


def _applied(matching: MatchingContext, result: int) -> SlacState:
    asked, matching.map_asked = matching.map_asked, None
    matching.stop_timers(SlacTimer.MODEM_MAP)
    if asked is not None:
        matching.map_applied = matching.map_applied or result == ACCEPTED
        _answer(matching, asked, ACCEPTED if result == ACCEPTED else REFUSED)
    return matching.state


def _answer(matching: MatchingContext, asked: m.AmpMapReq, result: int) -> None:
    winner = matching.winner
    if winner is not None:
        matching.send(winner.ev_mac, m.AmpMapCnf(result))
    matching.emit(AmplitudeMapReceived(asked.carriers, asked.data, result == ACCEPTED))


def send_map(matching: MatchingContext, timer: SlacTimer) -> SlacState:
    """Request zero attenuation from the EV, at most three times."""
    if matching.amp_map_tries > timing.C_EV_MATCH_RETRY:
        return leave(matching, "CM_AMP_MAP.CNF missing", failed=True)
    matching.amp_map_tries += 1
    winner = matching.winner
    assert winner is not None
    matching.send(winner.ev_mac, m.AmpMapReq.without_limit())
    matching.start_timer(SlacTimer.AMP_MAP, timing.TT_AMP_MAP_EXCHANGE)
    return SlacState.AMPLITUDE_MAP
