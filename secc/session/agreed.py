"""What EV and station have agreed so far, in groups that are set at once.

A group is None, or complete; a handler replaces it as a whole after all checks have passed.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

from secc.session.contract_events import GrantSource
from secc.session.inputs import SchedulesOffered
from secc.session.outlet import IsolationLevel, MeterReading
from secc.session.quantities import NO_DISCHARGE, ZERO, Bounds, ChargeLimit, DischargeLimit, Milli
from secc.session.ticket import Ticket
from secc.settings.energy import EnergyMode
from secc.settings.services import Payment

if TYPE_CHECKING:
    from secc.pki.contract import ForwardedContract, PresentedContract, UnanchoredContract, VerifiedContract
    from secc.pki.provisioning import ProvisioningRequest


class Grant(msgspec.Struct, frozen=True):
    """The question whether this person may charge, and the answer [INV-09] [INV-11]."""

    ticket: Ticket
    payment: Payment
    """A grant for one way to pay never counts for the other."""
    granted: bool = False
    refused: bool = False
    """Denied, or withdrawn: nothing in this session can grant again."""


class RevocationQuestion(msgspec.Struct, frozen=True):
    """A contract that has been shown, while its revocation is looked up."""

    ticket: Ticket
    contract: PresentedContract


class ProvisioningQuestion(msgspec.Struct, frozen=True):
    """The back end has been asked for a contract."""

    ticket: Ticket
    request: ProvisioningRequest


class Claim(msgspec.Struct, frozen=True):
    """A contract whose chain is good, and the challenge that its owner must sign [V2G2-697]."""

    contract: PresentedContract | UnanchoredContract
    challenge: bytes

    def __repr__(self) -> str:
        """Without the challenge [INV-25]."""
        return f"Claim({self.contract!r})"


class ContractPayer(msgspec.Struct, frozen=True):
    """Who pays, proved, and by whose word."""

    contract: VerifiedContract | ForwardedContract
    source: GrantSource | None = None


class ReceiptQuestion(msgspec.Struct, frozen=True):
    """The reading that the EV must sign now."""

    reading: MeterReading
    schedule_id: int


class ContractSide(msgspec.Struct):
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
    signed: tuple[str, int, int | None] | None = None
    """Meter and registers of the reading that the EV has signed last."""
    last_energy: int | None = None
    """Wh on the meter where a grant without the back end ends."""


class EvLimits(msgspec.Struct, frozen=True, gc=False):
    """What the EV can take, and give. Set by the accepted charge parameters, never raised later."""

    voltage: Milli
    current: ChargeLimit
    power: ChargeLimit | None = None
    """None: the EV does not say."""
    discharge_current: DischargeLimit = NO_DISCHARGE
    discharge_power: DischargeLimit = NO_DISCHARGE
    lowest_voltage: Milli = ZERO
    """Below it the EV gives nothing."""


class ChargeParameters(msgspec.Struct, frozen=True):
    """The accepted ChargeParameterDiscoveryReq."""

    mode: EnergyMode
    limits: EvLimits
    departure: int | None
    """Seconds from the request on."""
    max_steps: int
    energy: Milli | None
    """mWh that the EV wants."""
    departure_at: float | None = None
    """The same in monotonic seconds."""

    @property
    def phases(self) -> int:
        return 3 if self.mode is EnergyMode.AC_THREE_PHASE_CORE else 1


class ScheduleQuestion(msgspec.Struct, frozen=True):
    """The back end has been asked for schedules, and perhaps has answered."""

    ticket: Ticket
    answer: SchedulesOffered | None = None


class CableTest(msgspec.Struct, frozen=True):
    """The isolation test of this pass through CableCheck [INV-06]."""

    ticket: Ticket
    level: IsolationLevel | None = None


class Purpose(enum.Enum):
    """Why there is, or may be, energy at the output."""

    AC = "AC charging"
    CABLE_TEST = "isolation test"
    PRE_CHARGE = "pre-charge"
    DC = "DC charging"


class Demand(msgspec.Struct, frozen=True, gc=False):
    """What the EV asks for now (DC), with the lowest maxima it has announced."""

    voltage: Milli
    current: Milli
    """Signed: below zero the car gives."""
    limits: EvLimits


class SetPoint(msgspec.Struct, frozen=True, gc=False):
    """What to deliver, and what kept it below what the EV asked for."""

    voltage: Milli = ZERO
    current: Milli = ZERO
    """Signed: below zero the car gives."""
    voltage_limited: bool = False
    current_limited: bool = False
    power_limited: bool = False


class DcLimits(msgspec.Struct, frozen=True, gc=False):
    """What the outlet can deliver at this moment, DC."""

    seen: tuple[object, ...]
    """What this was computed from."""
    voltage: Milli
    """The highest."""
    lowest_voltage: Milli
    """Nothing is set below it, and no battery is there."""
    current: Bounds
    power: Bounds
    """Schedule and load management included."""


class Energised(msgspec.Struct, frozen=True, gc=False):
    """The output is on; it stays so only while the lease is renewed [INV-31]."""

    purpose: Purpose
    demand: Demand | None = None


class Match(msgspec.Struct, frozen=True, gc=False):
    """The output is, or was last, at the voltage of the battery."""

    voltage: Milli
    """Of pre-charge; with current the highest that was read since."""
    flowed: bool = False
    """More current was read than pre-charge may have: the battery is there, and its voltage is this."""


class Stop(msgspec.Struct, frozen=True):
    """The station has decided to end the charge; this is never taken back [INV-29]."""

    reason: str
    due: float
    """Monotonic seconds when the output is forced off."""
