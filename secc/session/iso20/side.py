"""What EV and station have agreed beyond the shared data, in a session of ISO 15118-20."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, cast

import msgspec

from secc.messages.iso20_common import MeterInfo, Receipt, ResponseCode
from secc.session.agreed import ChargeParameters
from secc.session.costs import NOTHING_USED, Costs, Usage
from secc.session.grid import NO_TARGETS, GridCode, GridTargets
from secc.session.inputs import PricesOffered
from secc.session.iso20.attempt import Attempt
from secc.session.iso20.installing import Installing
from secc.session.iso20.services import ControlMode, EnergySet, MobilityNeeds, Service
from secc.session.iso20.vehicle_question import VehicleQuestion
from secc.session.needs import VehicleNeeds
from secc.session.outlet import MeterReading
from secc.session.prices import AbsolutePrices, PriceOffer, TuplePrices
from secc.session.schedules import Mobility, Offer, ScheduleOffer
from secc.session.ticket import Ticket

if TYPE_CHECKING:
    from secc.session.context import Context
    from secc.session.iso20.states import Iso20State


class ServiceOffer(msgspec.Struct, frozen=True):
    """The services of this session. It is fixed with the first ServiceDiscoveryRes and kept across a pause
    [V2G20-1644] [V2G20-1932]."""

    energy: dict[Service, tuple[EnergySet, ...]]
    """In the order offered."""
    added: dict[int, tuple[int, ...]]
    """Parameter sets of the value-added services by ServiceID."""
    renegotiable: bool
    """ServiceRenegotiationSupported."""
    grid: GridCode | None = None
    """By which the EV may feed the grid, AC_DER_IEC."""

    def takes(self, service_id: int, parameter_set: int) -> bool:
        """An EV may select this service with this set [V2G20-1216]."""
        energy = {int(service): sets for service, sets in self.energy.items()}
        if service_id in energy:
            return any(one.number == parameter_set for one in energy[service_id])
        return parameter_set in self.added.get(service_id, ())


class Selection(msgspec.Struct, frozen=True):
    """The energy service in use, with its parameter set."""

    service: Service
    parameters: EnergySet

    @property
    def dynamic(self) -> bool:
        """The station decides about the power."""
        return self.parameters.control is ControlMode.DYNAMIC

    @property
    def station_knows_needs(self) -> bool:
        """Departure and state of charge come from the station."""
        return self.parameters.needs is MobilityNeeds.STATION


class BatteryState(msgspec.Struct, frozen=True):
    """Last report of the EV about its battery; None if not reported. Percent and mWh."""

    present_soc: int | None = None
    minimum_soc: int | None = None
    target_soc: int | None = None
    minimum_energy: int | None = None
    """EVMinimumEnergyRequest: above zero, the battery is below the driver's minimum."""
    minimum_v2x: int | None = None
    """EVMinimumV2XEnergyRequest: below zero, so much may be taken out."""
    maximum_v2x: int | None = None
    """EVMaximumV2XEnergyRequest: below zero, the battery is above the range that may be cycled."""

    complete: bool = False
    """It is full."""

    @property
    def may_discharge(self) -> bool:
        """Nothing that is known speaks against taking energy out."""
        soc = self.present_soc is None or self.minimum_soc is None or self.present_soc > self.minimum_soc
        needed = self.minimum_energy is not None and self.minimum_energy > 0
        exhausted = self.minimum_v2x is not None and self.minimum_v2x >= 0
        outside = self.maximum_v2x is not None and self.maximum_v2x < 0
        return soc and not (needed or exhausted or outside)


class PriceQuestion(msgspec.Struct, frozen=True):
    """The back end has been asked for prices, and perhaps has answered."""

    ticket: Ticket
    answer: PricesOffered | None = None


class PricesSent(msgspec.Struct, frozen=True):
    """Prices that the EV has been sent."""

    offer: PriceOffer
    at: float
    """Monotonic seconds: the prices count from here."""
    anchor: int
    """The same as TimeAnchor."""


class Tariff(msgspec.Struct, frozen=True):
    """The prices in force."""

    prices: TuplePrices
    at: float
    """Monotonic seconds: they count from here."""
    anchor: int
    """The same as TimeAnchor."""


class PriceTerms(msgspec.Struct, frozen=True):
    """How far EV and station have come with prices."""

    unpriced: ScheduleOffer | None = None
    """Schedules that wait for their prices."""
    question: PriceQuestion | None = None
    priced: PriceOffer | None = None
    """Prices that fit the EV, of the exchange in progress."""
    sent: PricesSent | None = None
    tariff: Tariff | None = None
    """In force."""


class Account(msgspec.Struct, frozen=True):
    """The usage of one direction, by its prices."""

    prices: AbsolutePrices
    shift: float = 0.0
    """Seconds from the beginning of these prices to when they were sent; their operator may have set it."""
    usage: Usage = NOTHING_USED


class Bill(msgspec.Struct, frozen=True):
    """What the session costs, counted in the charge loop."""

    tariff: Tariff | None = None
    """By which it is counted; None: nothing is."""
    charging: Account | None = None
    discharging: Account | None = None
    earlier: Costs | None = None
    """By prices that were in force before."""


class GridSide(msgspec.Struct, frozen=True):
    """The grid in a session of AC_DER_IEC."""

    ticket: Ticket | None = None
    """Of the question for the rules."""
    answered: bool = False
    """The first answer counts, also one without rules."""
    code: GridCode | None = None
    targets: GridTargets = NO_TARGETS
    condition: int = 0
    """The last GridEventCondition that was reported."""
    reported_at: float | None = None
    """When it was, monotonic seconds."""
    ev_reactive: int | None = None
    """mvar that the EV has at most, a magnitude; None: the EV does not say."""
    reactive: int | None = None
    """mvar that the EV was asked for last."""


class Wish(enum.Enum):
    """What the station asks the EV for besides a stop, the most urgent first."""

    PAUSE = "pause"
    SERVICE_RENEGOTIATION = "service renegotiation"
    SCHEDULE_RENEGOTIATION = "schedule renegotiation"
    EXIT_STANDBY = "exit standby"


class MeteringQuestion(msgspec.Struct, frozen=True):
    """The reading that the EV must confirm with its signature."""

    reading: MeterReading
    meter_info: MeterInfo
    """The same as it was sent."""
    schedule_id: int | None
    """The schedule in force; None in Dynamic mode."""
    due: float
    """Monotonic seconds until which the EV is asked."""
    receipt: Receipt | None = None
    """Sent with it; None without absolute prices."""


class Terms(msgspec.Struct, frozen=True):
    """What a renegotiation of the schedule may change."""

    parameters: ChargeParameters | None
    latest_offer: Offer | None
    offer: Offer | None
    per_phase: bool
    positive_discharge: bool
    least_charge: int
    least_discharge: int
    charge_phases: tuple[int, int, int] | None
    discharge_phases: tuple[int, int, int] | None
    prices: PriceTerms
    battery: BatteryState
    ev_reactive: int | None


class Iso20Side(msgspec.Struct):
    """The groups of ISO 15118-20."""

    dc: bool
    """The namespace that was agreed on is that of DC."""
    der: bool = False
    """It is that of AC_DER_IEC."""
    grid: GridSide = GridSide()
    stamp: int = 0
    """The last time stamp sent."""
    offer: ServiceOffer | None = None
    selection: Selection | None = None
    vehicle_question: VehicleQuestion | None = None
    """Whether the vehicle certificate is revoked; None: not asked."""
    installing: Installing = msgspec.field(default_factory=Installing)
    """Contracts that are delivered to the vehicle."""
    denials: int = 0
    """How many attempts to authorize have failed."""
    challenge: bytes | None = None
    """GenChallenge of AuthorizationSetupRes; None before it, and after the first grant."""
    attempt: Attempt | None = None
    """The contract at hand; None in external identification."""
    positive_discharge: bool = False
    """Discharge limits go on the wire above zero in this session."""
    per_phase: bool = False
    """The EV uses the elements of L2 and L3, so the station does [V2G20-1822]."""
    least_charge: int = 0
    """EVMinimumChargePower, mW."""
    least_discharge: int = 0
    """EVMinimumDischargePower, a magnitude, mW."""
    charge_phases: tuple[int, int, int] | None = None
    """AC: what the EV takes of each phase at most, mW; None where it does not distinguish them."""
    discharge_phases: tuple[int, int, int] | None = None
    """The same for what it gives; magnitudes."""
    target_at: float = 0.0
    """AC: when the set-point was last allowed to rise."""
    wanted: int | None = None
    """mW that energy management asks for in Dynamic mode, signed; None: as much as the EV can take."""
    mobility: Mobility | None = None
    """The mobility needs that the back end knows, MobilityNeedsMode 2."""
    prices: PriceTerms = PriceTerms()
    bill: Bill = Bill()
    battery: BatteryState = BatteryState()
    exceeded_at: float | None = None
    """AC: when the measured power was first above the power in force."""
    needs: VehicleNeeds | None = None
    """As they were reported to the back end last."""
    needs_at: float = -math.inf
    """When that was."""
    wishes: dict[Wish, float] = msgspec.field(default_factory=dict)
    """Wish to the moment, monotonic seconds, by which the EV must have followed it."""
    start_code: ResponseCode = ResponseCode.OK
    """AC: the code of the answer to a start, while the contactor closes."""
    metered: bool = False
    """MeterInfo was sent since the last start."""
    resting: bool = False
    """The EV is in standby, or negotiates a schedule out of it."""
    target_sent: int = 0
    """AC: the last EVSETargetActivePower, mW."""
    metering: MeteringQuestion | None = None
    """Until it is answered, or another one takes its place."""
    metering_before: MeteringQuestion | None = None
    """The one whose place it took: its confirmation may be on its way."""
    aside: Terms | None = None
    """What has been agreed on the side stream so far; it counts for nothing yet."""
    next_terms: Terms | None = None
    """What the EV has chosen there; it counts from the next ChargeLoopReq on [V2G20-1050]."""

    def __repr__(self) -> str:
        """Without the challenge [INV-25]."""
        return f"Iso20Side(dc={self.dc}, selection={self.selection!r})"


def side(session: Context) -> Iso20Side:
    """The data of this room. Raises RuntimeError in a session of another protocol."""
    if not isinstance(session.room, Iso20Side):
        raise RuntimeError(f"{type(session.room).__name__} is not the data of ISO 15118-20")
    return session.room


def session_state(session: Context) -> Iso20State:
    """The state at hand, for a handler that stays in it."""
    return cast("Iso20State", session.state)  # rows of ISO 15118-20 only


def selection(session: Context) -> Selection:
    """What the EV has selected. Raises RuntimeError before ServiceSelectionReq: the table forbids it."""
    chosen = side(session).selection
    if chosen is None:
        raise RuntimeError("no service is selected")
    return chosen
