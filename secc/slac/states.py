"""The states and timers of the matching on the side of the station."""

import enum


class State(enum.Enum):
    """Where the station's matching stands."""

    DOWN = "no modem"
    KEYING = "setting the key of the own modem"
    """Nothing is answered; the modem has not confirmed its key yet."""
    UNMATCHED = "unmatched"
    """Ready for an EV."""
    MATCHING = "matching"
    """At least one EV is being measured or has been."""
    JOINING = "waiting for the link"
    """An EV has the key; the modems are associating."""
    AMPLITUDE_MAP = "exchanging the amplitude map"
    MATCHED = "matched"
    """The link is there."""
    PAUSED = "paused"
    """The EV sleeps; the key is kept."""
    RESUMING = "waiting for the link of a paused session"


LISTENING = frozenset({State.UNMATCHED, State.MATCHING})
"""EVs may begin."""
NETWORKED = frozenset({State.JOINING, State.AMPLITUDE_MAP, State.MATCHED, State.PAUSED, State.RESUMING})
"""An EV has been given the key."""
UP = frozenset(set(State) - {State.DOWN})
"""There is a modem."""


class RunState(enum.Enum):
    """Where the run of one EV stands."""

    SOUNDING = "sounding"
    WAIT_RSP = "waiting for CM_ATTEN_CHAR.RSP"
    WAIT_MATCH = "waiting for CM_SLAC_MATCH.REQ"
    WAIT_STEP_2 = "waiting for the second CM_VALIDATE.REQ"
    COUNTING = "counting toggles of the control pilot"


class Timer(enum.Enum):
    """Timers of the station; each run has one deadline of its own besides."""

    SET_KEY = "CM_SET_KEY.CNF is due"
    SLAC_INIT = "TT_EVSE_SLAC_init"
    JOIN = "TT_match_join"
    LINK_POLL = "ask the modem for its link"
    LINK_DELAY = "the link counts as up, nobody can be asked"
    AMP_MAP = "TT_amp_map_exchange"
    MODEM_MAP = "the own modem's CM_AMP_MAP.CNF is due"
    RESUME = "T_conn_resume"
