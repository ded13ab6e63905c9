"""What energy costs: prices that a back end offers with its schedules, ISO 15118-20.

Money is a whole number of millionths of the currency, so 0.39 EUR is 390_000 and nothing is rounded on the
way. A price that the EV sees must be the price that is billed: a value that the message cannot hold exactly
is refused. The message has 16 bits and a power of ten, so four to five digits. `as_millionths` converts.

A step holds until the next one, the last one until the end of the schedule that it belongs to.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable

import msgspec

from secc.session.schedules import PowerSchedule
from secc.settings.iso20 import Pricing

__all__ = [
    "AbsolutePrices",
    "AddedService",
    "LevelStep",
    "Overstay",
    "OverstayFee",
    "PriceAlgorithm",
    "PriceBand",
    "PriceLevels",
    "PriceNeed",
    "PriceOffer",
    "PriceStep",
    "Prices",
    "SignedPrices",
    "Tax",
    "TuplePrices",
    "as_millionths",
]

MOST_BANDS = 2048
"""Price bands and price levels in one offer, all steps of all schedules together."""
_LATEST = 2**32 - 1


class PriceAlgorithm(enum.Enum):
    """How the bands of a step make a price; the value is that of PriceAlgorithm."""

    POWER = "urn:iso:std:iso:15118:-20:PriceAlgorithm:1-Power"
    """All energy has the fee of the band that the power of the moment is in."""
    PEAK_POWER = "urn:iso:std:iso:15118:-20:PriceAlgorithm:2-PeakPower"
    """All energy of a step has the fee of the band that the highest power within the step is in."""
    STACKED_ENERGY = "urn:iso:std:iso:15118:-20:PriceAlgorithm:3-StackedEnergy"
    """The part of the power inside a band has the fee of that band."""


class PriceBand(msgspec.Struct, frozen=True):
    """A price from a power upwards, up to the next band (PriceRule)."""

    from_power: int
    """W, 0 or more; the band includes it. In a discharging schedule a magnitude too."""
    energy_fee: int
    """Millionths of the currency per kWh; below 0 the driver is paid."""
    parking_fee: int | None = None
    """Millionths of the currency for each period that has begun."""
    parking_period: int | None = None
    """Seconds; together with `parking_fee`."""
    carbon_dioxide: int | None = None
    """g of CO2 per kWh."""
    renewable: int | None = None
    """Percent of the energy that comes from renewable sources."""

    def __post_init__(self) -> None:
        _power(self.from_power, "from_power")
        _money(self.energy_fee, "energy_fee")
        if (self.parking_fee is None) is not (self.parking_period is None):
            raise ValueError("parking_fee and parking_period are expected together")
        if self.parking_fee is not None:
            _money(self.parking_fee, "parking_fee")


class PriceStep(msgspec.Struct, frozen=True):
    """The bands that hold from a moment on (PriceRuleStack)."""

    start: int
    """Seconds from the moment of the offer."""
    bands: tuple[PriceBand, ...]
    """One to eight, in rising order of power, the first from 0 W."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.bands) <= 8:
            raise ValueError(f"{len(self.bands)} bands, expected 1..8")
        _rising([band.from_power for band in self.bands], "bands begin at", "W")


class Tax(msgspec.Struct, frozen=True):
    """A tax and what it is raised on (TaxRule)."""

    number: int
    """TaxRuleID, 1..4294967295, once in a schedule."""
    rate: int
    """Thousandths of a percent: 19 % is 19_000."""
    name: str | None = None
    included: bool = False
    """It is in the fees already (TaxIncludedInPrice)."""
    on_energy: bool = True
    on_parking: bool = True
    on_overstay: bool = True
    on_limits: bool = True
    """On `minimum_cost` and `maximum_cost`."""

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1_000_000:
            raise ValueError(f"rate is {self.rate} thousandths of a percent, expected 0..1000000")
        _exact(self.rate, "rate")


class OverstayFee(msgspec.Struct, frozen=True):
    """What overstaying costs from a moment on (OverstayRule)."""

    start: int
    """Seconds after overstaying has begun."""
    fee: int
    """Millionths of the currency for each period that has begun."""
    period: int
    """Seconds, 1 or more."""
    description: str | None = None

    def __post_init__(self) -> None:
        _money(self.fee, "fee")
        if self.period < 1:
            raise ValueError(f"period is {self.period} s, expected 1 or more")


class Overstay(msgspec.Struct, frozen=True):
    """When an EV overstays, and what that costs (OverstayRules)."""

    fees: tuple[OverstayFee, ...]
    """One to five, in rising order of their start."""
    after: int = 0
    """Seconds below the power until the EV overstays."""
    below_power: int | None = None
    """W below which an EV does not charge any more; None: it overstays when the charge has ended."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.fees) <= 5:
            raise ValueError(f"{len(self.fees)} overstay fees, expected 1..5")
        starts = [fee.start for fee in self.fees]
        if any(a >= b for a, b in itertools.pairwise(starts)):
            raise ValueError(f"overstay fees start at {starts}, expected a rising order")
        if self.below_power is not None:
            _power(self.below_power, "below_power")


class AddedService(msgspec.Struct, frozen=True):
    """A service besides energy with one fee (AdditionalService)."""

    name: str
    fee: int
    """Millionths of the currency."""

    def __post_init__(self) -> None:
        _money(self.fee, "fee")


class AbsolutePrices(msgspec.Struct, frozen=True, kw_only=True):
    """Prices in a currency over time (AbsolutePriceSchedule)."""

    currency: str
    """ISO 4217, three capital letters."""
    language: str
    """ISO 639, three small letters: of the texts in it."""
    steps: tuple[PriceStep, ...]
    """1..1024 in rising order, the first at 0."""
    algorithm: PriceAlgorithm = PriceAlgorithm.POWER
    number: int = 1
    """PriceScheduleID, 1..4294967295."""
    description: str | None = None
    minimum_cost: int | None = None
    """Millionths of the currency."""
    maximum_cost: int | None = None
    """Likewise."""
    taxes: tuple[Tax, ...] = ()
    """At most ten."""
    overstay: Overstay | None = None
    services: tuple[AddedService, ...] = ()
    """At most five."""

    def __post_init__(self) -> None:
        if not _letters(self.currency) or not self.currency.isupper():
            raise ValueError(f"currency is {self.currency!r}, expected three capital letters of ISO 4217")
        if not _letters(self.language) or not self.language.islower():
            raise ValueError(f"language is {self.language!r}, expected three small letters of ISO 639")
        _steps([step.start for step in self.steps], "price steps")
        _at_most(self.taxes, 10, "taxes")
        _at_most(self.services, 5, "services")
        if len({tax.number for tax in self.taxes}) != len(self.taxes):
            raise ValueError(f"tax numbers {[tax.number for tax in self.taxes]} repeat")
        for name, cost in (("minimum_cost", self.minimum_cost), ("maximum_cost", self.maximum_cost)):
            if cost is not None:
                _money(cost, name)
        least, most = self.minimum_cost, self.maximum_cost
        if least is not None and most is not None and least > most:
            raise ValueError(f"minimum_cost {least} is above maximum_cost {most}")


class LevelStep(msgspec.Struct, frozen=True):
    """A price level from a moment on (PriceLevelScheduleEntry)."""

    start: int
    """Seconds from the moment of the offer."""
    level: int
    """0 is the cheapest."""


class PriceLevels(msgspec.Struct, frozen=True):
    """Cheaper and dearer times, without a currency (PriceLevelSchedule)."""

    levels: tuple[LevelStep, ...]
    """1..1024 in rising order, the first at 0."""
    count: int
    """NumberOfPriceLevels, 1..255: each level is below it."""
    number: int = 1
    """PriceScheduleID, 1..4294967295."""
    description: str | None = None

    def __post_init__(self) -> None:
        _steps([step.start for step in self.levels], "price levels")
        highest = max(step.level for step in self.levels)
        if not 1 <= self.count <= 255 or not highest < self.count:
            raise ValueError(f"level {highest} of {self.count}, expected one below it, of at most 255")


class SignedPrices(msgspec.Struct, frozen=True):
    """A price schedule as its mobility operator has signed it; sent as it is, byte for byte."""

    exi: bytes
    """AbsolutePriceSchedule or PriceLevelSchedule with an Id, as EXI fragment of CommonMessages: the octets
    of its digest."""


Prices = AbsolutePrices | PriceLevels | SignedPrices


class TuplePrices(msgspec.Struct, frozen=True):
    """What one schedule costs, for each direction."""

    charging: Prices | None = None
    discharging: Prices | None = None
    """Only sent where energy may flow back."""
    schedule_id: int | None = None
    """None: every schedule without separate prices; in Dynamic mode, where there are no schedules."""


class PriceOffer(msgspec.Struct, frozen=True):
    """The answer of a back end to a question for prices."""

    prices: tuple[TuplePrices, ...]
    """One for each schedule, or one for all of them."""
    signature: bytes | None = None
    """Of the mobility operator over all `SignedPrices` in here: Signature as EXI fragment of CommonMessages;
    it goes into the header of ScheduleExchangeRes as it is."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.prices) <= 4:
            raise ValueError(f"prices of {len(self.prices)} schedules, expected 1..4")
        ids = [one.schedule_id for one in self.prices]
        if len(set(ids)) != len(ids):
            raise ValueError(f"schedule ids {ids} repeat")

    def of(self, schedule_id: int | None) -> TuplePrices:
        """What the schedule costs; nothing is known of one without prices."""
        found = {one.schedule_id: one for one in self.prices}
        return found.get(schedule_id) or found.get(None) or TuplePrices()

    @property
    def signed(self) -> tuple[SignedPrices, ...]:
        """All schedules in it that are signed."""
        both = itertools.chain.from_iterable((one.charging, one.discharging) for one in self.prices)
        return tuple(one for one in both if isinstance(one, SignedPrices))


class PriceNeed(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be priced."""

    pricing: Pricing
    """The form that the EV has selected; prices in another one are not sent."""
    schedules: tuple[PowerSchedule, ...]
    """As they will be offered; empty in Dynamic mode."""
    end: int
    """Seconds from now up to which the prices hold."""
    max_entries: int
    """Steps in a price schedule that the EV can store; longer ones are not sent."""
    discharge: float
    """W that may flow back; 0: prices for discharging are not needed."""


def as_millionths(amount: float) -> int:
    """An amount of a currency, or a price per kWh, rounded to millionths."""
    return round(amount * 1_000_000)


# --- rules -------------------------------------------------------------------------------------------------


def _letters(code: str) -> bool:
    return len(code) == 3 and code.isascii() and code.isalpha()


def _money(value: int, name: str) -> None:
    if not abs(value) <= 10**12:
        raise ValueError(f"{name} is {value} millionths, expected at most 10**12")
    _exact(value, name)


def _power(value: int, name: str) -> None:
    if not 0 <= value <= 10_000_000:
        raise ValueError(f"{name} is {value} W, expected 0..10000000")
    _exact(value, name)


def _exact(value: int, name: str) -> None:
    """It has no more digits than a RationalNumber holds."""
    digits = abs(value)
    while digits > 32_767 and digits % 10 == 0:
        digits //= 10
    if digits > 32_767:
        near = round(value, 4 - len(str(abs(value))))
        raise ValueError(f"{name} is {value}, which has too many digits for the EV; {near} can be sent")


def _steps(starts: list[int], what: str) -> None:
    if not 1 <= len(starts) <= 1024:
        raise ValueError(f"{len(starts)} {what}, expected 1..1024")
    _rising(starts, f"{what} start at", "s")
    if starts[-1] > _LATEST:
        raise ValueError(f"{what}: one starts at {starts[-1]} s, expected at most {_LATEST}")


def _rising(values: list[int], what: str, unit: str) -> None:
    if values[0] != 0 or any(a >= b for a, b in itertools.pairwise(values)):
        raise ValueError(f"{what} {values[:5]} {unit}, expected 0 and then rising")


def _at_most(items: Iterable[object], most: int, what: str) -> None:
    count = len(tuple(items))
    if count > most:
        raise ValueError(f"{count} {what}, expected at most {most}")
