"""Reset of a modem that hangs, and the check whether an idle modem still has its key."""

from __future__ import annotations

from secc.slac import vendor
from secc.slac.context import MatchingContext
from secc.slac.events import FrameVerdict, KeyLost, ModemReset
from secc.slac.frames import LOCAL_MODEM, Frame
from secc.slac.get_key import GetKeyCnf, GetKeyReq
from secc.slac.handlers.modem import NONCE, ask_names, send_key
from secc.slac.states import SlacState, SlacTimer
from secc.slac.vendor import Vendor

# --- reset --------------------------------------------------------------------------------------------------


def reset(matching: MatchingContext, timer: SlacTimer) -> SlacState:
    """Reset the modem. It confirms the request and restarts a moment later, so the key waits."""
    failures = matching.history.failures
    silent = failures < matching.config.reset_after
    matching.emit(
        ModemReset("it does not confirm its key" if silent else f"{failures} failed matches in a row")
    )
    matching.forget_runs()
    matching.stop_timers(*(set(SlacTimer) - {SlacTimer.SLAC_INIT}))
    matching.history.failures, matching.history.last_reset = 0, matching.now
    lumissil = matching.vendor is Vendor.LUMISSIL
    matching.send(LOCAL_MODEM, vendor.LumissilResetReq() if lumissil else vendor.RestartReq())
    matching.start_timer(SlacTimer.RESTART, RESTART_BEGUN)
    return SlacState.RESTARTING


RESTART_BEGUN = 2.0  # s after which the modem no longer answers with the state of before
RESTART_TRIES = 10  # of the key, 0.75 s each, before a restarting modem counts as silent


def restarted(matching: MatchingContext, timer: SlacTimer) -> SlacState:
    """Ask the modem for its names and set its key, until it answers: the time that a restart takes depends on
    chip, firmware and where the firmware is loaded from."""
    ask_names(matching)
    matching.key_tries, matching.key_result = -RESTART_TRIES, None
    send_key(matching)
    return SlacState.KEYING


# --- the key of an idle modem -------------------------------------------------------------------------------


def check_key(matching: MatchingContext, timer: SlacTimer) -> SlacState:
    """Ask the modem whether it has its key; not while an EV is measured, which would show it anyway."""
    if matching.state is SlacState.UNMATCHED:
        ask_key(matching)
    else:
        matching.start_timer(SlacTimer.KEY_CHECK, matching.config.key_check)
    return matching.state


def ask_key(matching: MatchingContext) -> None:
    """Send CM_GET_KEY.REQ."""
    matching.stop_timers(SlacTimer.KEY_CHECK)
    matching.send(LOCAL_MODEM, GetKeyReq(matching.key.nid, NONCE))
    matching.start_timer(SlacTimer.KEY_ANSWER, _ANSWER_TIME)


_ANSWER_TIME = 1.0  # s


def key_reported(matching: MatchingContext, frame: Frame) -> SlacState:
    """Set the key again if the modem has lost it."""
    message = frame.message
    assert isinstance(message, GetKeyCnf)
    asked = SlacTimer.KEY_ANSWER in matching.timers
    if not asked or message.your_nonce != NONCE or not matching.is_modem(frame.source):
        return matching.ignore(FrameVerdict.CONTRADICTION)
    matching.history.answers_key = True
    matching.stop_timers(SlacTimer.KEY_ANSWER)
    if message.result == 0 and message.nmk in (matching.key.nmk, bytes(16)):  # some may not show the key
        matching.start_timer(SlacTimer.KEY_CHECK, matching.config.key_check)
        return matching.state
    return _set_again(matching)


def key_unreported(matching: MatchingContext, timer: SlacTimer) -> SlacState:
    """Set the key again if the modem has answered before; one that never has is not asked again.

    A modem that is busy with the sounds of an EV may answer late.
    """
    if matching.state is SlacState.MATCHING:
        matching.start_timer(SlacTimer.KEY_CHECK, matching.config.key_check)
    elif matching.history.answers_key:
        return _set_again(matching)
    else:
        matching.history.answers_key = False
    return matching.state


def _set_again(matching: MatchingContext) -> SlacState:
    """Set the key that no EV has received; EVs that are plugged in are answered after that."""
    matching.emit(KeyLost())
    matching.forget_runs()
    matching.key_tries, matching.key_result = 0, None
    send_key(matching)
    return SlacState.KEYING
