"""What goes into the sequence of the control pilot, and what comes out of it."""

import dataclasses

from secc.pilot.signals import PilotSignal
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason


@dataclasses.dataclass(frozen=True, slots=True)
class PilotSeen:
    """The state as it is measured; may be told again and again."""

    pilot: ControlPilot


@dataclasses.dataclass(frozen=True, slots=True)
class MatchingTold:
    """The matching has changed its state."""

    ready: bool
    """The modem has its key."""
    running: bool = False
    """An EV is being measured, or matched."""


@dataclasses.dataclass(frozen=True, slots=True)
class NobodyBegan:
    """TT_EVSE_SLAC_init is over."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkUp:
    """D-LINK_READY(link established)."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkDown:
    """D-LINK_READY(no link)."""

    reason: str
    failed: bool = True
    """False: it was wanted."""


@dataclasses.dataclass(frozen=True, slots=True)
class SessionOver:
    """The session has ended and its connection is closed."""

    reason: EndReason
    spoken: bool = True
    """The EV had got as far as a session; its refusal is no reason for charging without one."""


@dataclasses.dataclass(frozen=True, slots=True)
class SetupOver:
    """The communication setup time is over without a session [V2G2-723]."""


@dataclasses.dataclass(frozen=True, slots=True)
class WakeUp:
    """The station wants the paused, or finished, EV to come back."""


@dataclasses.dataclass(frozen=True, slots=True)
class BasicWanted:
    """AC: authorized without a message (EIM), offer the nominal duty cycle now [V2G3-M06-08]."""


@dataclasses.dataclass(frozen=True, slots=True)
class LimitTold:
    """AC: what may flow has changed, by the back end, the site or the outlet itself."""

    current: float
    """A per phase; below 6 A, which no duty cycle can say, nothing may flow."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """The deadline has come."""


Input = (
    PilotSeen
    | MatchingTold
    | NobodyBegan
    | LinkUp
    | LinkDown
    | SessionOver
    | SetupOver
    | WakeUp
    | BasicWanted
    | LimitTold
    | Tick
)


@dataclasses.dataclass(frozen=True, slots=True)
class Show:
    """Drive the pilot."""

    signal: PilotSignal


@dataclasses.dataclass(frozen=True, slots=True)
class Expect:
    """To the matching: EVs may begin."""

    digital: bool


@dataclasses.dataclass(frozen=True, slots=True)
class GiveUp:
    """To the matching: the EV is unplugged or the pilot is broken."""


@dataclasses.dataclass(frozen=True, slots=True)
class Leave:
    """To the matching: leave the logical network."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Pause:
    """To the matching: the EV sleeps."""


@dataclasses.dataclass(frozen=True, slots=True)
class Resume:
    """To the matching: the EV wakes."""


@dataclasses.dataclass(frozen=True, slots=True)
class StationLink:
    """To the station: `link_up` or `link_down`."""

    up: bool
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class BasicCharging:
    """To the outlet: charging by IEC 61851 alone is allowed by the pilot, or not any more."""

    allowed: bool


Output = Show | Expect | GiveUp | Leave | Pause | Resume | StationLink | BasicCharging
