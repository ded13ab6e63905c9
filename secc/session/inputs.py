"""What goes into a session.

Everything the session decides depends on these inputs and on the time that is handed in with them; a list of
(now, input) replayed through `Session.handle` gives the same outputs again [INV-35]. Volts, amperes, watts,
seconds; never wire types, except in `Received`.

The answer to a question (`secc.session.outputs`) brings the `Ticket` of the question back. An answer with
another ticket is late, belongs to an earlier session or to an earlier pass of this one, and changes nothing
[INV-20].

`gc=False`, here and in other modules of the session: made for each message, and never part of a cycle.
"""

import msgspec

from secc.session.contract_events import ContractInput
from secc.session.facts import Message
from secc.session.grid import GridCode, GridTargets
from secc.session.outlet import EvseFault, EvseSnapshot, IsolationLevel
from secc.session.prices import PriceOffer
from secc.session.schedules import DynamicOffer, ScheduleOffer
from secc.session.streams import Stream
from secc.session.ticket import Ticket
from secc.session.vehicle_events import VehicleStatusReported

__all__ = [
    "AuthorizationDecided",
    "CableCheckReported",
    "ChargingHeld",
    "ContactorReported",
    "ControllerFault",
    "DischargePermitted",
    "EnergyTargeted",
    "GridCodeChanged",
    "GridCodeGiven",
    "GridTargeted",
    "Input",
    "LinkLost",
    "PauseRequested",
    "PeerMisbehaved",
    "PowerLimited",
    "PricesOffered",
    "Received",
    "RenegotiationRequested",
    "SchedulesOffered",
    "ServiceRenegotiationRequested",
    "StandbyExitRequested",
    "StationInput",
    "StopRequested",
    "Tick",
]


class Received(msgspec.Struct, frozen=True, gc=False):
    """A complete, decoded message of the EV."""

    message: Message
    snapshot: EvseSnapshot
    payload: bytes = b""
    """The same as it came, EXI: a back end that provisions gets it."""
    stream: Stream = Stream.MAIN
    """On which it came; the answer goes there too."""

    def __repr__(self) -> str:
        """Without the bytes, which say the same as the message."""
        return f"Received({self.message!r}, {self.snapshot!r}, stream={self.stream!r})"


class Tick(msgspec.Struct, frozen=True, gc=False):
    """Time has passed: hand it in at `Session.deadline` at the latest.

    Also the way to report a changed pilot, fault or limit at once: more ticks than needed do no harm.
    """

    snapshot: EvseSnapshot


class ContactorReported(msgspec.Struct, frozen=True):
    """Answer to `CloseContactor`, by the level of the feedback. `closed=False`: it failed."""

    ticket: Ticket
    closed: bool


class CableCheckReported(msgspec.Struct, frozen=True):
    """Answer to `StartCableCheck`: result of the isolation test that this request began."""

    ticket: Ticket
    level: IsolationLevel


class AuthorizationDecided(msgspec.Struct, frozen=True):
    """Answer to `Authorize`. `granted=False` may come later too: it withdraws, finally [INV-11]."""

    ticket: Ticket
    granted: bool


class SchedulesOffered(msgspec.Struct, frozen=True):
    """Answer to `AskSchedules`. None: the back end has none or failed; the outlet's own limit is offered."""

    ticket: Ticket
    offer: ScheduleOffer | DynamicOffer | None


class PricesOffered(msgspec.Struct, frozen=True):
    """Answer to `AskPrices`. None: the back end has none or failed; the schedules are offered without."""

    ticket: Ticket
    offer: PriceOffer | None


class GridCodeGiven(msgspec.Struct, frozen=True):
    """Answer to `AskGridCode`. None: there is none; then an EV may not feed the grid in AC_DER_IEC."""

    ticket: Ticket
    code: GridCode | None


class GridCodeChanged(msgspec.Struct, frozen=True):
    """The rules of the grid have other values: in AC_DER_IEC the EV has them with its next parameters."""

    code: GridCode


class GridTargeted(msgspec.Struct, frozen=True):
    """The grid operator asks for other values in AC_DER_IEC of ISO 15118-20."""

    targets: GridTargets


class StopRequested(msgspec.Struct, frozen=True):
    """The station or the operator ends the charge; final for this session [INV-29]."""

    reason: str = "stop requested"
    at_once: bool = False
    """The EV is given no time."""


class RenegotiationRequested(msgspec.Struct, frozen=True):
    """The station wants other schedules: the EV is asked, it may decline [V2G2-680] [V2G2-841]."""


class ServiceRenegotiationRequested(msgspec.Struct, frozen=True):
    """The station offers other services: the EV is asked to choose again, ISO 15118-20; it may decline."""


class ChargingHeld(msgspec.Struct, frozen=True):
    """The station or its operator holds the charge at no energy, or lets it go on."""

    held: bool


class PauseRequested(msgspec.Struct, frozen=True):
    """The station wants the EV to pause, ISO 15118-20."""


class StandbyExitRequested(msgspec.Struct, frozen=True):
    """The station wants the EV to leave standby, ISO 15118-20; it may stay."""


class EnergyTargeted(msgspec.Struct, frozen=True):
    """Energy management asks for another power in Dynamic mode of ISO 15118-20."""

    power: float | None
    """W, positive to the EV, negative from it; None: as much as the EV takes. Limits and permissions of both
    sides still apply."""


class DischargePermitted(msgspec.Struct, frozen=True):
    """The operator permits energy to flow from the EV to the station, or forbids it."""

    max_power: float | None
    """W; 0 forbids it, None leaves it to the configuration again."""


class PowerLimited(msgspec.Struct, frozen=True):
    """A limit from outside the outlet (load management); None lifts it."""

    max_power: float | None
    """W in total."""


class LinkLost(msgspec.Struct, frozen=True):
    """TCP, TLS or the data link has ended."""

    reason: str = "link lost"


class PeerMisbehaved(msgspec.Struct, frozen=True):
    """Bytes came that are no message of this protocol, or no common protocol exists."""

    detail: str
    no_protocol: bool = False


class ControllerFault(msgspec.Struct, frozen=True):
    """A call of the controller raised or never came back."""

    reason: str
    fault: EvseFault = EvseFault.MALFUNCTION


StationInput = (
    Tick
    | ContactorReported
    | CableCheckReported
    | AuthorizationDecided
    | SchedulesOffered
    | PricesOffered
    | StopRequested
    | RenegotiationRequested
    | ServiceRenegotiationRequested
    | PauseRequested
    | StandbyExitRequested
    | EnergyTargeted
    | GridCodeGiven
    | GridCodeChanged
    | GridTargeted
    | DischargePermitted
    | PowerLimited
    | ChargingHeld
    | LinkLost
    | PeerMisbehaved
    | ControllerFault
    | ContractInput
    | VehicleStatusReported
)
"""What happens besides the messages of the EV."""

Input = Received | StationInput
