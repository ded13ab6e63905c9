"""What a handler is given: what has been agreed, and the few things it may do.

A handler is a plain function `(context, input) -> state`. It reads what is agreed, sets groups of it after
all checks have passed, emits outputs and answers; it never sees the table, the dispatch or the clock.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Protocol

from secc.pki.transport import Transport
from secc.session.agreed import (
    CableTest,
    ChargeParameters,
    ContractSide,
    DcLimits,
    Demand,
    Energised,
    Grant,
    Match,
    ScheduleQuestion,
    Stop,
)
from secc.session.battery_events import SocReading
from secc.session.contract_events import ContractTerms
from secc.session.costs import Costs
from secc.session.facts import ProtocolFacts
from secc.session.identity import EvIdentity, Names, shown
from secc.session.outlet import EvseFault, EvseSnapshot, MeterReading
from secc.session.outputs import EndReason, NoticeKind, Output, SetOutput
from secc.session.paused import PausedSession
from secc.session.quantities import NO_DISCHARGE, DischargeLimit
from secc.session.refusals import Refused
from secc.session.schedules import Offer
from secc.session.service_events import ChosenService
from secc.session.states import Stage, Timer
from secc.session.streams import Stream
from secc.session.ticket import Ticket
from secc.session.timers import Timers
from secc.settings.compat import CompatConfig
from secc.settings.din import DinConfig
from secc.settings.energy import EnergyConfig, EnergyMode
from secc.settings.iso20 import Iso20Config
from secc.settings.pnc import PncConfig
from secc.settings.protocols import ProtocolName
from secc.settings.services import Payment, ServiceConfig, ValueAddedService
from secc.settings.soc import SocConfig
from secc.settings.timing import TimingConfig

if TYPE_CHECKING:
    from secc.pki.vehicle import VehicleIdentity

__all__ = ["Agreed", "Context", "SessionConfig"]


class SessionConfig(Protocol):
    """The settings that sessions read; `SeccConfig` has them."""

    @property
    def evse_id(self) -> str: ...
    @property
    def protocols(self) -> tuple[ProtocolName, ...]: ...
    @property
    def offers_din(self) -> bool: ...
    @property
    def timing(self) -> TimingConfig: ...
    @property
    def energy(self) -> EnergyConfig: ...
    @property
    def service(self) -> ServiceConfig: ...
    @property
    def pnc(self) -> PncConfig: ...
    @property
    def din(self) -> DinConfig: ...
    @property
    def compat(self) -> CompatConfig: ...
    @property
    def iso20(self) -> Iso20Config: ...
    @property
    def soc(self) -> SocConfig: ...
    @property
    def for_soc(self) -> SessionConfig: ...


class Agreed(Protocol):
    """All that EV and station have agreed, with the values of the beginning, and what follows from it.

    A Protocol, so that what only reads it does not depend on the session; the session inherits it as it is.
    """

    config: SessionConfig
    now: float
    """Monotonic seconds of the input at hand."""
    state: Stage
    dialect: ProtocolFacts
    session_id: bytes
    vehicle: VehicleIdentity | None
    """Who the EV proved to be in the TLS handshake, where it was asked."""
    asks_vehicle: bool
    """Whether the vehicle certificate is revoked can be found out."""
    services: tuple[ValueAddedService, ...]
    """Value-added ones besides those of the configuration."""
    evse: EvseSnapshot
    soc_reading: SocReading
    """Whether it only reads the state of charge, where the handshake selects such a protocol."""
    tls: bool
    transport: Transport
    """What the connection proves, of either version of TLS."""
    contracts: ContractTerms | None
    pnc: ContractSide
    received_id: bytes = b""
    """SessionID of the last request."""
    evcc_id: bytes | None = None
    joined: PausedSession | None = None
    """The paused session that this one continues, until its schedule has been offered again."""
    continues: PausedSession | None = None
    """The same, to the end: its payment option, mode and services are those of this session [V2G2-741]."""
    payment: Payment | None = None
    services_chosen: tuple[ChosenService, ...] = ()
    """Besides charging, the certificate service among them."""
    grant: Grant | None = None
    parameters: ChargeParameters | None = None
    schedule_question: ScheduleQuestion | None = None
    latest_offer: Offer | None = None
    """What the EV may choose from."""
    offer: Offer | None = None
    """What is in force."""
    cable_test: CableTest | None = None
    contactor_ticket: Ticket | None = None
    pre_charge: Demand | None = None
    awaits_discharge: bool = False
    """CableCheckReq waits for an output without voltage; the isolation test has not begun."""
    contactor_ordered: bool | None = False
    """What the contactor's feedback must show: closed, open, or None while it may be either."""
    contactor_reported: bool = False
    """The outlet says that it has closed; the feedback may be a moment behind."""
    match: Match | None = None
    """From the confirmed start on, DC."""
    energised: Energised | None = None
    lease_until: float = 0.0
    """Monotonic seconds up to which the output may stay on without renewal."""
    commanded: SetOutput | None = None
    """The set-point in force, DC; None while the output is off."""
    rises_until: float | None = None
    """Monotonic seconds; later the current may only fall, because the demand is not fresh any more. None: a
    demand does not age."""
    ramped_at: float = 0.0
    """When the current was last allowed to rise."""
    dc_limits: DcLimits | None = None
    """Those of the last look, see `limits.dc`."""
    stop: Stop | None = None
    fault: EvseFault | None = None
    earlier_fault: bool = False
    """`fault` is one of an earlier session, which has not been reset."""
    fault_detail: str = ""
    """What exactly was seen, where there is more to say than the name of the fault."""
    interrupted: bool = False
    """The output was switched off in the middle; only a new start can switch it on."""
    renegotiation_wanted: bool = False
    offer_outdated: bool = False
    """What was offered is no longer what can be had; looked at in each round of the charge loop."""
    external_limit: float | None = None
    held: bool = False
    """The operator holds the charge: no energy in either direction, and the session goes on."""
    discharge_permitted: float | None = None
    """W that the operator permits to flow back, by the last input; None: by the configuration."""
    may_discharge: DischargeLimit = NO_DISCHARGE
    """mW that may flow back now: the room of the protocol sets it; 0 wherever it does not."""
    reading: MeterReading | None = None
    """The last one that could be believed [INV-33]."""
    first_reading: MeterReading | None = None
    meter_trouble: str = ""
    costs: Costs | None = None
    """By the prices in force, up to the last reading."""
    received_signature: object | None = None
    """Signature in the header of the last request, as the room's codec has made it."""
    received_payload: bytes = b""
    """The last request as it came."""
    room: object | None = None
    """The data of the session that only its protocol has."""
    received_stream: Stream = Stream.MAIN
    """Where it came."""
    streams: dict[Stream, Stage]
    """The side streams that are open, each with its state."""

    @property
    def is_dc(self) -> bool:
        """The agreed mode is DC; before there is one: the outlet is DC."""
        if self.parameters is not None:
            return self.parameters.mode.is_dc
        return any(mode.is_dc for mode in self.modes)

    @property
    def modes(self) -> tuple[EnergyMode, ...]:
        """The energy transfer modes on offer: those of the outlet; in a continued session the one that was in
        use [V2G2-741]."""
        modes, before = self.config.energy.modes, self.continues
        return tuple(mode for mode in modes if before is None or before.mode in (None, mode)) or modes

    @property
    def granted(self) -> bool:
        """A grant for the payment option that was chosen; that of another never counts."""
        return self.grant is not None and self.grant.granted and self.grant.payment is self.payment

    @property
    def ev(self) -> EvIdentity | None:
        """What the EV says it is, and whether its vehicle certificate proves that."""
        vehicle = self.vehicle
        proof = vehicle.common_name if vehicle is not None and vehicle.is_vehicle else None
        return shown(self.evcc_id, proof)

    @property
    def payment_options(self) -> tuple[Payment, ...]:
        """What is offered on this connection: contracts only over TLS [V2G2-632] [V2G2-633] [INV-21], and
        while the clock is set, as certificates cannot be judged without it."""
        terms = self.contracts
        contract = self.tls and terms is not None and self.utc >= terms.policy.chain.earliest
        options, before = self.config.service.payment_options, self.continues
        paid = options if before is None or before.payment is None else (before.payment,)  # [V2G2-741]
        return tuple(o for o in options if o in paid and (o is not Payment.CONTRACT or contract))

    @property
    def utc(self) -> datetime.datetime:
        """The wall clock; 1970 when it makes no sense."""
        seconds = self.evse.utc if 0 <= self.evse.utc < _YEAR_9000 else 0.0
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC)

    @property
    def schedule_id(self) -> int:
        """SAScheduleTupleID followed; 1 while there is none."""
        return self.offer.schedule_id if self.offer is not None else 1

    @property
    def unix_time(self) -> int:
        """EVSETimeStamp [V2G2-567]; 0 when the wall clock makes no sense."""
        return int(self.evse.utc) if abs(self.evse.utc) < 2**62 else 0

    def trip(self, fault: EvseFault, detail: str = "") -> None:
        """The outlet is at fault from now on. The first fault of this session stays, but a latched one takes
        its place: it needs a separate reset [INV-30]."""
        before = self.fault
        if before is None or (fault.latched and (self.earlier_fault or not before.latched)):
            self.fault, self.fault_detail, self.earlier_fault = fault, detail, False


class Context(Agreed, Protocol):
    """What a handler may see and do."""

    owed: object | None = None
    """The request that waits for its answer."""
    answer_by: float
    """Monotonic seconds at which the answer to the last request leaves at the latest."""
    names: Names
    timers: Timers

    def emit(self, output: Output) -> None:
        """Ask the outside for something."""

    def notice(self, kind: NoticeKind, text: str) -> None:
        """Let the log say something."""

    def answer(self, body: object, *, signature: object | None = None, payload: bytes | None = None) -> None:
        """Send the response to the request at hand; `payload` are bytes that say the same, to be sent as they
        are."""

    def refuse(self, refused: Refused) -> None:
        """Answer what is owed with a refusal, and end."""

    def run(self, key: type[object] | Timer, event: object) -> None:
        """Take what is no request: a row of the state, else what holds everywhere, else nothing."""

    def end(self, reason: EndReason, detail: str = "") -> None:
        """End the session; the output goes off first, an owed answer is given."""


_YEAR_9000 = 221_845_392_000  # Unix seconds; dates beyond it are no dates
