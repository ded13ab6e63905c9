"""States and timers of the matching on the side of the station."""

import enum

__all__ = ["LISTENING", "NETWORKED", "RunState", "SlacState", "SlacTimer", "UP"]


class SlacState(enum.Enum):
    """State of the station's matching."""

    DOWN = "no modem"
    KEYING = "setting the key of the modem"
    """The modem has not confirmed its key yet; no EV is answered."""
    RESTARTING = "waiting for the modem to restart"
    """The station has reset the modem; no EV is answered."""
    UNMATCHED = "unmatched"
    """Ready for an EV."""
    MATCHING = "matching"
    """At least one EV is being or has been measured."""
    JOINING = "waiting for the link"
    """An EV has the key; the modems are associating."""
    AMPLITUDE_MAP = "exchanging the amplitude map"
    MATCHED = "matched"
    """The link is up."""
    PAUSED = "paused"
    """The EV sleeps; the key is kept."""
    RESUMING = "waiting for the link of a paused session"


LISTENING = frozenset({SlacState.UNMATCHED, SlacState.MATCHING})
"""States in which EVs may start."""
NETWORKED = frozenset(
    {SlacState.JOINING, SlacState.AMPLITUDE_MAP, SlacState.MATCHED, SlacState.PAUSED, SlacState.RESUMING}
)
"""States in which an EV has received the key."""
UP = frozenset(set(SlacState) - {SlacState.DOWN})
"""States with a modem."""


class RunState(enum.Enum):
    """State of the run of one EV."""

    SOUNDING = "sounding"
    WAIT_RSP = "waiting for CM_ATTEN_CHAR.RSP"
    WAIT_MATCH = "waiting for CM_SLAC_MATCH.REQ"
    WAIT_STEP_2 = "waiting for the second CM_VALIDATE.REQ"
    COUNTING = "counting toggles of the control pilot"


class SlacTimer(enum.Enum):
    """Timers of the station; each run has one more deadline."""

    SET_KEY = "CM_SET_KEY.CNF is due"
    SLAC_INIT = "TT_EVSE_SLAC_init"
    JOIN = "TT_match_join"
    LINK_POLL = "link status request is due"
    LINK_DELAY = "link is assumed, the modem reports none"
    AMP_MAP = "TT_amp_map_exchange"
    MODEM_MAP = "CM_AMP_MAP.CNF of the modem is due"
    RESUME = "T_conn_resume"
    RESET = "a reset of the modem is due"
    RESTART = "the modem has had the time to begin its restart"
    KEY_CHECK = "the modem is asked for its key"
    KEY_ANSWER = "CM_GET_KEY.CNF is due"
