"""The station's modem: its identity, its key, its link."""

from __future__ import annotations

from secc.settings.slac import KeyResult, LinkStatus
from secc.slac import messages as m
from secc.slac import timing, vendor
from secc.slac.context import MatchingContext
from secc.slac.events import (
    Armed,
    FrameVerdict,
    KeyRefused,
    LeaveLink,
    LinkGone,
    LinkUnwatched,
    ModemFound,
    ModemLost,
    ModemOpened,
    ModemSilent,
    PauseLink,
    ResumeLink,
    SleepModem,
    Suspicious,
    WakeModem,
)
from secc.slac.frames import LOCAL_MODEM, Frame
from secc.slac.states import NETWORKED, SlacState, SlacTimer
from secc.slac.vendor import Vendor

KEY_TRIES = 4
KEY_TIME = 0.75  # s until the key is sent again
SLOW_KEY_TIME = 5.0  # s, once the modem is known to be silent
JOIN_POLL = 0.25  # s between requests until the link is up
LINK_POLL = 1.0  # s between requests after that: a change shows within TT_link_status_response, 5 s
LINK_LOST_AFTER = 3  # consecutive "no link" answers: single ones occur while modems adapt their rates
RESET_PAUSE = 60.0  # s between two resets of the modem
LINK_SILENT_AFTER = 5  # consecutive requests without an answer


def opened(matching: MatchingContext, event: ModemOpened) -> SlacState:
    """Request the identity of the modem and set its key; a modem that has slept keeps its key."""
    if matching.asleep:
        if matching.state is SlacState.RESUMING:
            send_key(matching)
        return matching.state
    matching.modem = ModemFound(b"")
    matching.answers_link = matching.link_unwatched = False
    matching.history.answers_key = None
    matching.history.impostor = b""
    ask_names(matching)
    return leave(matching, "the modem was opened", failed=False)


def ask_names(matching: MatchingContext) -> None:
    """Request the identity of the modem; each maker answers its own messages."""
    matching.history.parameters_asked = False
    for message in (
        vendor.OperationAttributesReq(COOKIE),
        vendor.SoftwareVersionReq(),
        vendor.LumissilVersionReq(),
    ):
        matching.send(LOCAL_MODEM, message)


def lost(matching: MatchingContext, event: ModemLost) -> SlacState:
    """End everything. The interface of a sleeping or waking modem may disappear without consequence."""
    if matching.asleep:
        return matching.state
    _report_link_gone(matching, event.reason, failed=True)
    matching.forget_runs()
    matching.stop_timers(*SlacTimer)
    matching.renew_key()
    matching.map_applied = False
    return SlacState.DOWN


def leave(matching: MatchingContext, reason: str, *, failed: bool) -> SlacState:
    """Leave the logical network: set a new random key in the modem [V2G3-A09-121]."""
    _report_link_gone(matching, reason, failed=failed)
    matching.forget_runs()
    matching.stop_timers(*SlacTimer)
    if matching.asleep:
        matching.asleep = False
        matching.emit(WakeModem())
    if matching.map_applied:
        matching.map_applied = False
        matching.send(LOCAL_MODEM, m.AmpMapReq.without_limit())
    matching.expecting = matching.waiting_for_request = False  # until the next `VehicleConnected`
    matching.renew_key()
    matching.key_tries, matching.key_result = 0, None
    send_key(matching)
    return SlacState.KEYING


def leave_link(matching: MatchingContext, event: LeaveLink) -> SlacState:
    """Leave on D-LINK_TERMINATE or D-LINK_ERROR."""
    unused = matching.state is SlacState.MATCHED and not matching.link_carried
    state = leave(matching, event.reason, failed=False)
    if event.failed and unused:
        match_failed(matching)
    return state


def pause(matching: MatchingContext, event: PauseLink) -> SlacState:
    """Keep key and state, and stop asking for the link: a sleeping modem does not answer."""
    matching.stop_timers(SlacTimer.LINK_POLL, SlacTimer.LINK_DELAY)
    if matching.config.sleep_on_pause:
        matching.asleep = True
        matching.emit(SleepModem())
    return SlacState.PAUSED


def resume(matching: MatchingContext, event: ResumeLink) -> SlacState:
    """Wait for the link, which must be back within T_conn_resume without matching.

    A modem that has slept receives the same key again: it may have lost it.
    """
    matching.start_timer(SlacTimer.RESUME, timing.T_CONN_RESUME)
    if matching.asleep:
        matching.emit(WakeModem())
        matching.key_tries = 0
        send_key(matching)
    else:
        watch_link(matching)
    return SlacState.RESUMING


def key_confirmed(matching: MatchingContext, frame: Frame) -> SlacState:
    """Judge the result byte by the configured meaning and continue if the modem has the key."""
    assert isinstance(frame.message, m.SetKeyCnf)
    result = frame.message.result
    if frame.message.your_nonce != NONCE or not matching.is_modem(frame.source):
        return confirmed_again(matching, frame)
    if not is_success(matching, result):
        if matching.key_result != result:
            matching.emit(KeyRefused(result))
        matching.key_result = result
        return matching.ignore(FrameVerdict.CONTRADICTION)
    matching.learn_modem(frame.source)
    matching.key_result = result
    matching.stop_timers(SlacTimer.SET_KEY)
    if matching.state is SlacState.RESUMING:
        matching.asleep = False
        watch_link(matching)
        return SlacState.RESUMING
    matching.emit(Armed())
    if matching.config.key_check and matching.history.answers_key is not False:
        matching.start_timer(SlacTimer.KEY_CHECK, matching.config.key_check)
    return SlacState.UNMATCHED


def confirmed_again(matching: MatchingContext, frame: Frame) -> SlacState:
    """Report another device that confirms the key, once: a second modem, or a forged frame."""
    known = matching.modem.mac
    if known and frame.source != known and not matching.history.impostor:
        matching.history.impostor = frame.source
        where = f"{frame.source.hex(':')} confirms the key, and the modem is {known.hex(':')}"
        matching.emit(Suspicious(f"{where}: set slac.modem_mac"))
    return matching.ignore(FrameVerdict.CONTRADICTION)


def is_success(matching: MatchingContext, result: int) -> bool:
    """Judge a result byte of CM_SET_KEY.CNF by the configured meaning, or by that of the maker."""
    wanted = matching.config.set_key_result
    if wanted is KeyResult.VENDOR:  # 305 of 306 confirmations in captures of Qualcomm modems have 1
        wanted = KeyResult.ONE if matching.vendor is Vendor.QUALCOMM else KeyResult.ANY
    return str(result) in (("0", "1") if wanted is KeyResult.ANY else (wanted.value,))


def key_late(matching: MatchingContext, timer: SlacTimer) -> SlacState:
    """Send the key again; a modem that applies a key may not answer for seconds."""
    if matching.key_tries == KEY_TRIES:
        matching.emit(ModemSilent())
    send_key(matching)
    if matching.key_tries > KEY_TRIES + matching.config.reset_after:
        reset_if_due(matching)
    return matching.state


def send_key(matching: MatchingContext) -> None:
    """Send the key to the modem, and again when its confirmation is late."""
    matching.key_tries += 1
    key = matching.key
    matching.send(LOCAL_MODEM, m.SetKeyReq(key.nid, key.nmk, my_nonce=NONCE, cco_capability=0))
    slow = matching.key_tries > KEY_TRIES
    matching.start_timer(SlacTimer.SET_KEY, SLOW_KEY_TIME if slow else KEY_TIME)


def match_failed(matching: MatchingContext) -> None:
    """Count a match that failed at the modem or the link; too many in a row reset the modem."""
    matching.history.failures += 1
    if matching.history.failures >= matching.config.reset_after:
        reset_if_due(matching)


def reset_if_due(matching: MatchingContext) -> None:
    """Reset the modem at the next tick, if the settings and its maker permit it, at most once a minute."""
    last = matching.history.last_reset
    rested = last is None or matching.now >= last + RESET_PAUSE
    if matching.config.reset_after and matching.vendor is not None and rested:
        matching.start_timer(SlacTimer.RESET, 0.0)


def _report_link_gone(matching: MatchingContext, reason: str, *, failed: bool) -> None:
    if matching.state in NETWORKED:
        matching.emit(LinkGone(reason, failed))


# --- the link -----------------------------------------------------------------------------------------------


def watch_link(matching: MatchingContext) -> None:
    """Start asking the modem for its link; if it cannot be asked, assume the link after a fixed time."""
    matching.silences = matching.negatives = 0
    if not matching.asks_link or matching.link_unwatched:
        matching.start_timer(SlacTimer.LINK_DELAY, matching.config.link_delay)
    else:
        matching.start_timer(SlacTimer.LINK_POLL, JOIN_POLL)


def ask_link(matching: MatchingContext, timer: SlacTimer) -> SlacState:
    """Ask the modem whether another station is associated."""
    matching.silences += 1
    if matching.silences > LINK_SILENT_AFTER:
        if matching.config.link_status is LinkStatus.REQUIRED:
            if matching.state is SlacState.MATCHED:
                return leave(matching, "the modem no longer answers", failed=True)
        elif not matching.answers_link and matching.state is not SlacState.MATCHED:
            return _link_unwatched(matching)
    if matching.vendor is Vendor.LUMISSIL:
        matching.send(LOCAL_MODEM, vendor.LumissilLinkReq())
    else:
        matching.send(LOCAL_MODEM, vendor.LinkStatusReq())
        if matching.config.verify_network and matching.state is SlacState.MATCHED:
            matching.send(LOCAL_MODEM, vendor.NetworkInfoReq())
    matching.start_timer(SlacTimer.LINK_POLL, LINK_POLL if matching.state is SlacState.MATCHED else JOIN_POLL)
    return matching.state


def _link_unwatched(matching: MatchingContext) -> SlacState:
    """Assume the link: the modem does not support the request, as many do not."""
    matching.stop_timers(SlacTimer.LINK_POLL)
    if not matching.link_unwatched:
        matching.link_unwatched = True
        matching.emit(LinkUnwatched())
    return joined(matching)


def link_reported(matching: MatchingContext, frame: Frame) -> SlacState:
    """Process the link status from the modem."""
    message = frame.message
    assert isinstance(message, (vendor.LinkStatusCnf, vendor.LumissilLinkCnf))
    if not matching.is_modem(frame.source):
        return matching.ignore(FrameVerdict.CONTRADICTION)
    matching.silences, matching.answers_link, matching.link_unwatched = 0, True, False
    if message.link == 1:
        matching.negatives = 0
        return (
            joined(matching) if matching.state in (SlacState.JOINING, SlacState.RESUMING) else matching.state
        )
    matching.negatives += 1
    if matching.state is SlacState.MATCHED and matching.negatives >= LINK_LOST_AFTER:
        return leave(matching, "the modem reports no link", failed=True)  # [V2G3-M07-34]
    return matching.state


def network_reported(matching: MatchingContext, frame: Frame) -> SlacState:
    """Check the networks of the modem; `link_reported` handles a modem without a network."""
    assert isinstance(frame.message, vendor.NetworkInfoCnf)
    networks = frame.message.networks
    if not matching.is_modem(frame.source) or not matching.config.verify_network:
        return matching.ignore(FrameVerdict.CONTRADICTION)
    if not networks or any(network.nid == matching.key.nid for network in networks):
        return matching.state
    matching.emit(Suspicious("the modem is in another network: another device set its key"))
    return leave(matching, "the modem is in another network", failed=True)


def link_assumed(matching: MatchingContext, timer: SlacTimer) -> SlacState:
    """Assume the link of a modem that cannot be asked."""
    return joined(matching)


def joined(matching: MatchingContext) -> SlacState:
    """Continue with both modems in the same network."""
    matching.stop_timers(SlacTimer.JOIN, SlacTimer.RESUME)
    if matching.config.amplitude_map and matching.state is SlacState.JOINING:
        matching.amp_map_tries = 0
        matching.start_timer(SlacTimer.AMP_MAP, 0.0)
        return SlacState.AMPLITUDE_MAP
    return matching.link_ready()


def join_late(matching: MatchingContext, timer: SlacTimer) -> SlacState:
    """Leave: TT_match_join or T_conn_resume has expired."""
    state = leave(matching, f"no link within {timer.value}", failed=True)
    match_failed(matching)
    return state


COOKIE = 0x5EC0
NONCE = bytes(4)  # some modems answer to no other value
