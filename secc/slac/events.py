"""Inputs and outputs of the matching. Addresses and run ids are bytes, times are seconds."""

import dataclasses
import enum

from secc.slac.fitness import Shortcoming
from secc.slac.parameters import CcoMode, SlacRole
from secc.slac.states import SlacState
from secc.slac.vendor import Vendor

__all__ = [
    "AmplitudeMapReceived",
    "Armed",
    "FrameReceived",
    "Input",
    "KeyLost",
    "KeyRefused",
    "LeaveLink",
    "LinkGone",
    "LinkReady",
    "LinkUnwatched",
    "LinkUsed",
    "ModemFound",
    "ModemLost",
    "ModemOpened",
    "ModemReset",
    "ModemSilent",
    "ModemUnfit",
    "NoRequest",
    "Outcome",
    "Output",
    "PauseLink",
    "PilotMoved",
    "ResumeLink",
    "RunReport",
    "SendFrame",
    "SleepModem",
    "StateChanged",
    "Suspicious",
    "SlacTick",
    "VehicleConnected",
    "VehicleGone",
    "FrameVerdict",
    "WakeModem",
]


@dataclasses.dataclass(frozen=True, slots=True)
class ModemOpened:
    """The modem can send and receive frames: at start, and after an interface comes back."""


@dataclasses.dataclass(frozen=True, slots=True)
class ModemLost:
    """The interface has disappeared."""

    reason: str = "interface lost"


@dataclasses.dataclass(frozen=True, slots=True)
class FrameReceived:
    """An Ethernet frame was received."""

    data: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class SlacTick:
    """The deadline has passed."""


@dataclasses.dataclass(frozen=True, slots=True)
class VehicleConnected:
    """The control pilot is in B, C or D and the oscillator runs; EVs may start [V2G3-M06-11]."""

    expect_request: bool = True
    """At 5 % duty cycle: report `NoRequest` when no EV starts within TT_EVSE_SLAC_init."""
    within: float | None = None
    """Seconds in place of TT_EVSE_SLAC_init until the outlet falls back to basic charging; a request without
    sounds does not prolong them."""


@dataclasses.dataclass(frozen=True, slots=True)
class VehicleGone:
    """The control pilot is in A, E or F: all runs end at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class PilotMoved:
    """The control pilot changed between B and C or D: the signal of a validation."""

    ready: bool
    """True: C or D."""


@dataclasses.dataclass(frozen=True, slots=True)
class LeaveLink:
    """D-LINK_TERMINATE or D-LINK_ERROR: leave the logical network [V2G3-M09-17] [V2G3-M07-06]."""

    reason: str = "D-LINK_TERMINATE"
    failed: bool = False
    """True: D-LINK_ERROR. A link that never carried a connection then counts as a failed match."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkUsed:
    """Connections of the EV over the link. While there is one, an EV cannot match again: the request may be
    forged, and the session must not end with it."""

    used: bool


@dataclasses.dataclass(frozen=True, slots=True)
class PauseLink:
    """D-LINK_PAUSE: keep the key; the modems may sleep."""


@dataclasses.dataclass(frozen=True, slots=True)
class ResumeLink:
    """The paused session continues: the link must return without a new matching."""


Input = (
    ModemOpened
    | ModemLost
    | FrameReceived
    | SlacTick
    | VehicleConnected
    | VehicleGone
    | PilotMoved
    | LeaveLink
    | LinkUsed
    | PauseLink
    | ResumeLink
)


@dataclasses.dataclass(frozen=True, slots=True)
class SendFrame:
    """Send this Ethernet frame. It may hold a key: never log it, see `secc.slac.frames.redacted`."""

    data: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class StateChanged:
    """The state of the matching changed."""

    state: SlacState


@dataclasses.dataclass(frozen=True, slots=True)
class Armed:
    """The modem has its key: switch the oscillator on; EVs are answered from now on."""


@dataclasses.dataclass(frozen=True, slots=True)
class ModemSilent:
    """The modem does not confirm its key; the station keeps trying."""


@dataclasses.dataclass(frozen=True, slots=True)
class KeyRefused:
    """The modem refuses its key; the station keeps trying and answers no EV."""

    result: int
    """As in CM_SET_KEY.CNF; see `slac.set_key_result`."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkUnwatched:
    """The modem does not answer link status requests: the link is assumed, and a loss stays undetected."""


@dataclasses.dataclass(frozen=True, slots=True)
class ModemFound:
    """The station's modem has reported its identity."""

    mac: bytes
    vendor: Vendor | None = None
    hardware: str = ""
    firmware: str = ""
    role: SlacRole | None = None
    """Side of SLAC that its firmware serves; None: unknown, it cannot be read from every modem."""
    cco: CcoMode | None = None
    """Whether it becomes the coordinator of its network; None: unknown."""


@dataclasses.dataclass(frozen=True, slots=True)
class ModemUnfit:
    """The modem cannot serve a station; it is still used, as its answer may be wrong."""

    reason: Shortcoming


@dataclasses.dataclass(frozen=True, slots=True)
class ModemReset:
    """The station resets its modem, see `slac.reset_after`; no EV is answered until the modem has its key."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class KeyLost:
    """The idle modem no longer has its key, it has probably restarted; the key is set again."""


@dataclasses.dataclass(frozen=True, slots=True)
class NoRequest:
    """No EV started within TT_EVSE_SLAC_init; none is answered until the next `VehicleConnected`."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkReady:
    """D-LINK_READY(link established)."""

    ev_mac: bytes
    run_id: bytes
    nid: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class LinkGone:
    """D-LINK_READY(no link): the link is lost or was not established [V2G3-M09-18]."""

    reason: str
    failed: bool
    """True: the loss was not requested; run the error routine of the control pilot."""


class Outcome(enum.Enum):
    """Result of one run."""

    MATCHED = "matched"
    RESTARTED = "restarted by the EV"
    NO_PROFILE = "the modem delivered no measurement"
    NO_RESPONSE = "CM_ATTEN_CHAR.RSP missing"
    NO_MATCH = "no CM_SLAC_MATCH.REQ; the EV may have chosen another station"
    VALIDATION_FAILED = "validation not finished by the EV"
    OTHER_MATCHED = "another EV was matched"
    EVICTED = "replaced by a newer run: too many at once"
    CANCELLED = "cancelled"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A run has ended; for the log and for commissioning. Contains no key."""

    ev_mac: bytes
    run_id: bytes
    outcome: Outcome
    sounds: int
    """Sounds received."""
    profiles: int
    """Measurements of the modem in the average."""
    profile: bytes
    """The average, dB per carrier group; empty if there is none."""
    duration: float
    """Seconds from the first CM_START_ATTEN_CHAR.IND."""
    sounding: float | None = None
    """Seconds from there to CM_ATTEN_CHAR.IND."""
    toggles: int | None = None
    """Toggles counted in a validation."""


@dataclasses.dataclass(frozen=True, slots=True)
class AmplitudeMapReceived:
    """The EV requests less transmit power, per carrier."""

    carriers: int
    data: bytes
    """4 bits per carrier: attenuation step."""
    accepted: bool
    """The answer that the EV received."""


@dataclasses.dataclass(frozen=True, slots=True)
class SleepModem:
    """The session is paused: the station's modem may sleep."""


@dataclasses.dataclass(frozen=True, slots=True)
class WakeModem:
    """The modem is needed again."""


@dataclasses.dataclass(frozen=True, slots=True)
class Suspicious:
    """Frames contradict each other: report a security event."""

    text: str


Output = (
    SendFrame
    | StateChanged
    | Armed
    | ModemSilent
    | KeyRefused
    | KeyLost
    | LinkUnwatched
    | ModemFound
    | ModemUnfit
    | ModemReset
    | NoRequest
    | LinkReady
    | LinkGone
    | RunReport
    | AmplitudeMapReceived
    | SleepModem
    | WakeModem
    | Suspicious
)


class FrameVerdict(enum.Enum):
    """Result for one received frame; the matching counts them."""

    ACCEPTED = "accepted"
    NOT_FOR_US = "destination is another station"
    BAD_SOURCE = "source is a group address, zero, or this station"
    MALFORMED = "malformed"
    NO_RULE = "not expected in this state"
    CONTRADICTION = "contents do not fit sender or run"
    RATE = "rate limit"
    FULL = "too many at once"
