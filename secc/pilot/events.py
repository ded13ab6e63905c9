"""Inputs and outputs of the sequence of the control pilot."""

import dataclasses

from secc.pilot.signals import PilotSignal
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason

__all__ = [
    "Authorized",
    "BasicCharging",
    "BasicWanted",
    "Expect",
    "GiveUp",
    "InitTimeout",
    "Input",
    "Leave",
    "LimitChanged",
    "LinkDown",
    "LinkUp",
    "MatchingChanged",
    "Output",
    "Pause",
    "PilotSeen",
    "ResponseFailed",
    "Resume",
    "SessionOver",
    "SetupOver",
    "Show",
    "StationLink",
    "PilotTick",
    "WakeUp",
]


@dataclasses.dataclass(frozen=True, slots=True)
class PilotSeen:
    """The measured state; may be repeated."""

    pilot: ControlPilot


@dataclasses.dataclass(frozen=True, slots=True)
class MatchingChanged:
    """The matching changed its state."""

    ready: bool
    """The modem has its key."""
    running: bool = False
    """An EV is being measured or is matched."""


@dataclasses.dataclass(frozen=True, slots=True)
class InitTimeout:
    """TT_EVSE_SLAC_init has expired: no EV has started matching."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkUp:
    """D-LINK_READY(link established)."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkDown:
    """D-LINK_READY(no link)."""

    reason: str
    failed: bool = True
    """False: the end of the link was requested."""


@dataclasses.dataclass(frozen=True, slots=True)
class SessionOver:
    """The session has ended and its connection is closed."""

    reason: EndReason
    spoken: bool = True
    """The EV had established a session; its refusal does not permit charging without one."""
    only_read: bool = False
    """The session was for the state of charge alone; charging follows, with or without a result."""


@dataclasses.dataclass(frozen=True, slots=True)
class SetupOver:
    """The communication setup time expired without a session [V2G2-723]."""


@dataclasses.dataclass(frozen=True, slots=True)
class WakeUp:
    """The station wakes the paused or finished EV."""


@dataclasses.dataclass(frozen=True, slots=True)
class Authorized:
    """AC: external identification (EIM) is positive in the session: show `slac.authorized_duty`."""


@dataclasses.dataclass(frozen=True, slots=True)
class ResponseFailed:
    """DIN SPEC 70121: the session ends with a FAILED response: the oscillator goes off [V2G-DC-942]."""


@dataclasses.dataclass(frozen=True, slots=True)
class BasicWanted:
    """AC: authorized without messages (EIM); offer the nominal duty cycle now [V2G3-M06-08]."""


@dataclasses.dataclass(frozen=True, slots=True)
class LimitChanged:
    """AC: back end, site or outlet changed the current limit."""

    current: float
    """A per phase; below 6 A, the least that a duty cycle can express, no current may flow."""


@dataclasses.dataclass(frozen=True, slots=True)
class PilotTick:
    """The deadline has passed."""


Input = (
    PilotSeen
    | MatchingChanged
    | InitTimeout
    | LinkUp
    | LinkDown
    | SessionOver
    | SetupOver
    | WakeUp
    | Authorized
    | ResponseFailed
    | BasicWanted
    | LimitChanged
    | PilotTick
)


@dataclasses.dataclass(frozen=True, slots=True)
class Show:
    """Drive the pilot."""

    signal: PilotSignal


@dataclasses.dataclass(frozen=True, slots=True)
class Expect:
    """To the matching: EVs may start."""

    digital: bool
    within: float | None = None
    """Seconds until the outlet falls back to basic charging; None: TT_EVSE_SLAC_init."""


@dataclasses.dataclass(frozen=True, slots=True)
class GiveUp:
    """To the matching: the EV is unplugged or the pilot is broken."""


@dataclasses.dataclass(frozen=True, slots=True)
class Leave:
    """To the matching: leave the logical network."""

    reason: str
    failed: bool = False
    """True: after an error, D-LINK_ERROR."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pause:
    """To the matching: the EV sleeps."""


@dataclasses.dataclass(frozen=True, slots=True)
class Resume:
    """To the matching: the EV wakes."""


@dataclasses.dataclass(frozen=True, slots=True)
class StationLink:
    """To the station: call `link_up` or `link_down`."""

    up: bool
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class BasicCharging:
    """To the outlet: the pilot permits charging by IEC 61851 alone, or no longer does."""

    allowed: bool


Output = Show | Expect | GiveUp | Leave | Pause | Resume | StationLink | BasicCharging
