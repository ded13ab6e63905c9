"""What goes into the matching and what comes out. Addresses and run ids are bytes, times seconds."""

import dataclasses
import enum

from secc.slac.states import State
from secc.slac.vendor import Vendor


@dataclasses.dataclass(frozen=True, slots=True)
class ModemOpened:
    """Frames can be sent and received: at start, and again after the interface was gone."""


@dataclasses.dataclass(frozen=True, slots=True)
class ModemLost:
    """The interface is gone."""

    reason: str = "interface lost"


@dataclasses.dataclass(frozen=True, slots=True)
class FrameReceived:
    """An Ethernet frame came in."""

    data: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """The deadline has come."""


@dataclasses.dataclass(frozen=True, slots=True)
class VehicleConnected:
    """The control pilot is in B, C or D and the oscillator runs; EVs may begin [V2G3-M06-11]."""

    expect_request: bool = True
    """At 5 % duty cycle: tell when no EV begins within TT_EVSE_SLAC_init."""


@dataclasses.dataclass(frozen=True, slots=True)
class VehicleGone:
    """The control pilot is in A, E or F: everything is given up at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class PilotMoved:
    """The control pilot went from B to C or D, or back: the signal of a validation."""

    ready: bool
    """True: C or D."""


@dataclasses.dataclass(frozen=True, slots=True)
class LeaveLink:
    """D-LINK_TERMINATE or D-LINK_ERROR: leave the logical network [V2G3-M09-17] [V2G3-M07-06]."""

    reason: str = "D-LINK_TERMINATE"


@dataclasses.dataclass(frozen=True, slots=True)
class PauseLink:
    """D-LINK_PAUSE: keep the key, the modems may sleep."""


@dataclasses.dataclass(frozen=True, slots=True)
class ResumeLink:
    """The paused session goes on: the link should come back without matching."""


Input = (
    ModemOpened
    | ModemLost
    | FrameReceived
    | Tick
    | VehicleConnected
    | VehicleGone
    | PilotMoved
    | LeaveLink
    | PauseLink
    | ResumeLink
)


@dataclasses.dataclass(frozen=True, slots=True)
class SendFrame:
    """Send this Ethernet frame. It may hold a key: never log it, see `secc.slac.frames.redacted`."""

    data: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class StateChanged:
    """For displays."""

    state: State


@dataclasses.dataclass(frozen=True, slots=True)
class Armed:
    """The modem has its key: the oscillator may be switched on, EVs will be answered."""


@dataclasses.dataclass(frozen=True, slots=True)
class ModemSilent:
    """The modem does not confirm its key; the station goes on trying."""


@dataclasses.dataclass(frozen=True, slots=True)
class KeyRefused:
    """The modem does not take its key; the station goes on trying, and answers no EV."""

    result: int
    """As in CM_SET_KEY.CNF; see `slac.set_key_result`."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkUnwatched:
    """The modem does not answer the question for its link: the link is assumed, its loss goes unnoticed."""


@dataclasses.dataclass(frozen=True, slots=True)
class ModemFound:
    """The own modem has told something about itself."""

    mac: bytes
    vendor: Vendor | None = None
    hardware: str = ""
    firmware: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class NoRequest:
    """No EV began within TT_EVSE_SLAC_init; none is answered until the next `VehicleConnected`."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkReady:
    """D-LINK_READY(link established)."""

    ev_mac: bytes
    run_id: bytes
    nid: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class LinkGone:
    """D-LINK_READY(no link): the link is lost, or did not come [V2G3-M09-18]."""

    reason: str
    failed: bool
    """True: nobody wanted it, the error routine of the control pilot is due."""


class Outcome(enum.Enum):
    """What became of one run."""

    MATCHED = "matched"
    RESTARTED = "begun anew by the EV"
    NO_PROFILE = "the modem delivered no measurement"
    NO_RESPONSE = "CM_ATTEN_CHAR.RSP missing"
    NO_MATCH = "no CM_SLAC_MATCH.REQ; it may have chosen another station"
    VALIDATION_FAILED = "validation not finished by the EV"
    OTHER_MATCHED = "another EV was matched"
    EVICTED = "given up for a newcomer: too many at once"
    CANCELLED = "cancelled"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run is over; for the log and for commissioning. No key in it."""

    ev_mac: bytes
    run_id: bytes
    outcome: Outcome
    sounds: int
    """Sounds heard."""
    profiles: int
    """Measurements of the own modem that were averaged."""
    profile: bytes
    """The average, dB per carrier group; empty when it did not come to that."""
    duration: float
    """Seconds from the first CM_START_ATTEN_CHAR.IND."""
    sounding: float | None = None
    """Seconds of them until CM_ATTEN_CHAR.IND."""
    toggles: int | None = None
    """Toggles counted in a validation."""


@dataclasses.dataclass(frozen=True, slots=True)
class AmplitudeMapReceived:
    """The EV has asked for less transmit power, carrier by carrier."""

    carriers: int
    data: bytes
    """4 bits per carrier: attenuation step."""
    accepted: bool
    """What the EV was told."""


@dataclasses.dataclass(frozen=True, slots=True)
class SleepModem:
    """The session is paused: the own modem may be put to sleep."""


@dataclasses.dataclass(frozen=True, slots=True)
class WakeModem:
    """It is needed again."""


@dataclasses.dataclass(frozen=True, slots=True)
class Suspicious:
    """Something on the power line contradicts itself: worth a security event."""

    text: str


Output = (
    SendFrame
    | StateChanged
    | Armed
    | ModemSilent
    | KeyRefused
    | LinkUnwatched
    | ModemFound
    | NoRequest
    | LinkReady
    | LinkGone
    | RunReport
    | AmplitudeMapReceived
    | SleepModem
    | WakeModem
    | Suspicious
)


class Verdict(enum.Enum):
    """What became of a frame; the matching counts them."""

    ACCEPTED = "accepted"
    NOT_FOR_US = "destination is another station"
    BAD_SOURCE = "source is a group, nobody, or ourselves"
    MALFORMED = "malformed"
    NO_RULE = "not expected in this state"
    CONTRADICTION = "contents do not fit sender or run"
    RATE = "rate limit"
    FULL = "too many at once"
