"""Timers and counters of ISO 15118-3 with their names there [V2G3-A08-01] [V2G3-M08-01]. Seconds."""

TT_MATCH_SEQUENCE = 0.4
"""Longest time from one message of the sequence to the next request."""
TT_MATCH_RESPONSE = 0.2
"""Longest wait for a response."""
TT_EVSE_MATCH_MNBC = 0.6
"""Duration of the sounding, from its first CM_START_ATTEN_CHAR.IND."""
TT_EVSE_MATCH_SESSION = 10.0
"""From CM_ATTEN_CHAR.RSP to CM_SLAC_MATCH.REQ."""
TT_MATCH_JOIN = 12.0
"""From CM_SLAC_MATCH.CNF to the link."""
TT_AMP_MAP_EXCHANGE = 0.2
"""Longest wait for CM_AMP_MAP.CNF."""
T_CONN_RESUME = 6.0
"""Longest time until a paused link is back."""
T_STEP_EF = 4.0
"""Shortest time in state E or F."""
T_STEP_X1 = 3.0
"""Time in X1 (oscillator off) on the way to another duty cycle."""
TT_EVSE_VALD_TOGGLE = 3.5
"""Longest window of a validation, even if the EV names a longer one."""
C_EV_MATCH_MNBC = 10
"""Number of sounds."""
C_EV_MATCH_RETRY = 2
"""Repetitions after the first transmission."""
C_SEQU_RETRY = 2
"""Attempts with state E or F to start an EV that sends no request."""
C_CONN_MAX_MATCH = 3
"""Attempts to get a link before giving up."""
DEBOUNCE = 0.1
"""Shortest phase of the control pilot that counts in a validation: half the shortest valid phase."""
