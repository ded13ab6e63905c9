"""What EV and station have agreed so far, in groups that are set at once.

A group is None, or complete; a handler replaces it as a whole after all checks have passed.
"""

import dataclasses
import datetime
import enum
from fractions import Fraction

from secc.messages.iso2 import MeterInfo
from secc.messages.xmldsig import Signature
from secc.pki.contract import ForwardedContract, PresentedContract, UnanchoredContract, VerifiedContract
from secc.pki.provisioning import ProvisioningRequest
from secc.session.contract_events import ContractTerms, GrantSource
from secc.session.inputs import SchedulesOffered
from secc.session.outlet import EvseFault, EvseSnapshot, IsolationLevel, MeterReading
from secc.session.paused import PausedSession
from secc.session.schedules import Offer
from secc.session.service_events import ChosenService
from secc.session.streams import Stream
from secc.session.ticket import Ticket
from secc.settings.config import SeccConfig
from secc.settings.energy import EnergyMode
from secc.settings.services import Payment


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """The question whether this person may charge, and what was said [INV-09] [INV-11]."""

    ticket: Ticket
    payment: Payment
    """A grant for one way to pay never counts for the other."""
    granted: bool = False
    refused: bool = False
    """Denied, or withdrawn: nothing in this session can grant again."""


@dataclasses.dataclass(frozen=True, slots=True)
class RevocationQuestion:
    """A contract that has been shown, while its revocation is looked up."""

    ticket: Ticket
    contract: PresentedContract


@dataclasses.dataclass(frozen=True, slots=True)
class ProvisioningQuestion:
    """The back end has been asked for a contract."""

    ticket: Ticket
    request: ProvisioningRequest


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """A contract whose chain is good, and the challenge that its owner has to sign [V2G2-697]."""

    contract: PresentedContract | UnanchoredContract
    challenge: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class ContractPayer:
    """Who pays, proved, and by whose word."""

    contract: VerifiedContract | ForwardedContract
    source: GrantSource | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ReceiptQuestion:
    """The reading that the EV has to sign now."""

    meter_info: MeterInfo
    schedule_id: int


@dataclasses.dataclass(slots=True)
class ContractSide:
    """The groups of Plug and Charge; all None in a session that pays another way."""

    revocation_question: RevocationQuestion | None = None
    provisioning_question: ProvisioningQuestion | None = None
    retry_counter: int = 0
    """For a refused CertificateUpdateRes."""
    claim: Claim | None = None
    """A contract that has been shown, until its owner has proved it."""
    payer: ContractPayer | None = None
    receipt_question: ReceiptQuestion | None = None
    receipt_at: float | None = None
    """When a receipt was asked for last, or the loop began."""
    last_energy: int | None = None
    """Wh on the meter where a grant without the back end has to end."""


@dataclasses.dataclass(frozen=True, slots=True)
class EvLimits:
    """What the EV can take: V, A, W. Set by the accepted ChargeParameterDiscoveryReq, never raised later."""

    voltage: Fraction
    current: Fraction
    power: Fraction | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ChargeParameters:
    """The accepted ChargeParameterDiscoveryReq."""

    mode: EnergyMode
    limits: EvLimits
    departure: int | None
    """Seconds from the request on."""
    max_steps: int
    energy: Fraction | None
    departure_at: float | None = None
    """The same in monotonic seconds."""

    @property
    def phases(self) -> int:
        return 3 if self.mode is EnergyMode.AC_THREE_PHASE_CORE else 1


@dataclasses.dataclass(frozen=True, slots=True)
class ScheduleQuestion:
    """The back end has been asked for schedules, and perhaps has answered."""

    ticket: Ticket
    answer: SchedulesOffered | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class CableTest:
    """The isolation test of this pass through CableCheck [INV-06]."""

    ticket: Ticket
    level: IsolationLevel | None = None


class Purpose(enum.Enum):
    """Why there is, or may be, energy at the output."""

    AC = "AC charging"
    CABLE_TEST = "isolation test"
    PRE_CHARGE = "pre-charge"
    DC = "DC charging"


@dataclasses.dataclass(frozen=True, slots=True)
class Demand:
    """What the EV asks for now (DC), with the lowest maxima it has told."""

    voltage: Fraction
    current: Fraction
    limits: EvLimits


@dataclasses.dataclass(frozen=True, slots=True)
class Energised:
    """The output is on; it stays so only while the lease is renewed [INV-31]."""

    purpose: Purpose
    demand: Demand | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Match:
    """The output is, or was last, at the voltage of the battery."""

    voltage: Fraction
    """V of pre-charge; with current the highest that was read since."""
    flowed: bool = False
    """More current was read than pre-charge may have: the battery is there, and its voltage is this."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """The station has decided to end the charge; this is never taken back [INV-29]."""

    reason: str
    due: float
    """Monotonic seconds when the output is forced off."""


class Agreed:
    """All of it together, with the values of the beginning, and what follows from it; the session inherits
    it."""

    config: SeccConfig
    evse: EvseSnapshot
    tls: bool
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
    """What the contactor's feedback has to show: closed, open, or None while it may be either."""
    contactor_reported: bool = False
    """The outlet says that it has closed; the feedback may be a moment behind."""
    match: Match | None = None
    """From the confirmed start on, DC."""
    energised: Energised | None = None
    stop: Stop | None = None
    fault: EvseFault | None = None
    earlier_fault: bool = False
    """`fault` stands for one of an earlier session, which has not been reset."""
    fault_detail: str = ""
    """What exactly was seen, where there is more to say than the name of the fault."""
    interrupted: bool = False
    """The output was switched off in the middle; only a new start can switch it on."""
    renegotiation_wanted: bool = False
    offer_outdated: bool = False
    """What was offered is no longer what can be had; looked at in each round of the charge loop."""
    external_limit: float | None = None
    reading: MeterReading | None = None
    """The last one that could be believed [INV-33]."""
    first_reading: MeterReading | None = None
    meter_trouble: str = ""
    received_signature: Signature | None = None
    """Signature in the header of the last request."""
    received_payload: bytes = b""
    """The last request as it came."""
    received_stream: Stream = Stream.MAIN
    """Where it came."""

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
    def payment_options(self) -> tuple[Payment, ...]:
        """What is offered on this connection: contracts only over TLS [V2G2-632] [V2G2-633] [INV-21], and
        while the clock is set, as nothing can be said about certificates without it."""
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
        its place: it needs a reset of its own [INV-30]."""
        before = self.fault
        if before is None or (fault.latched and (self.earlier_fault or not before.latched)):
            self.fault, self.fault_detail, self.earlier_fault = fault, detail, False


_YEAR_9000 = 221_845_392_000  # Unix seconds; dates beyond it are no dates
