"""What a session costs by absolute prices: counted from readings of the meter, ISO 15118-20.

Theory of operation. `counted` takes the usage so far and one more reading, and returns the usage with it;
`costs` makes amounts of it. Both are pure, and all amounts are whole millionths of the currency, so that the
same readings give the same costs everywhere.

How the text is read where it leaves room:

* Energy between two readings belongs to the step and to the band of the second one. With POWER that is the
  band of the power of then. With STACKED_ENERGY each band gets its part of the power. With PEAK_POWER the
  band of the highest power in the step decides for all energy of the step.
* A parking fee is due for each period that has begun. The first one starts with the prices; each takes the
  fee of the band and step in which it starts.
* An EV overstays once it has been below the power of the rule for its time, after energy has flowed. Each
  overstay fee holds from its start to that of the next one, for each period that has begun.
* A tax that is included in the fees is stated and not added. Minimum and maximum cost bound the total; taxes
  that apply to them and are not included are added to them first.
"""

from __future__ import annotations

import bisect
import itertools

import msgspec

from secc.session.prices import AbsolutePrices, Overstay, PriceAlgorithm, PriceBand, PriceStep

__all__ = ["NOTHING_USED", "Costs", "MeterSample", "TaxCost", "Usage", "costs", "counted"]

_PER_KWH = 1_000_000  # mWh in a kWh


class MeterSample(msgspec.Struct, frozen=True):
    """A reading of the meter, of one direction."""

    at: float
    """Seconds since the prices count."""
    energy: int
    """mWh, the register: it never falls."""
    power: int | None = None
    """mW now, 0 or more; None: the mean since the register has changed."""


class Usage(msgspec.Struct, frozen=True):
    """What has been used and counted up to a reading."""

    first: MeterSample | None = None
    """The reading at the beginning."""
    last: MeterSample | None = None
    """The last one in which the register had changed."""
    step: int = 0
    """Number of the step that `last` is in."""
    step_energy: int = 0
    """mWh in this step, PEAK_POWER."""
    step_peak: int = 0
    """mW, the highest in this step, PEAK_POWER."""
    energy_cost: int = 0
    """Millionths of the currency times mWh per kWh: exact."""
    parking_cost: int = 0
    """Millionths."""
    parked_until: float = 0.0
    """Seconds since the prices count: the end of the parking period that is paid."""
    idle_since: float | None = None
    """Since when the power is below that of the overstay rule."""
    overstay_cost: int = 0
    """Millionths, for earlier times of overstaying."""

    @property
    def energy(self) -> int:
        """mWh in total."""
        return 0 if self.first is None or self.last is None else self.last.energy - self.first.energy


NOTHING_USED = Usage()


class TaxCost(msgspec.Struct, frozen=True):
    """The amount of one tax."""

    number: int
    """Of the `Tax`."""
    amount: int
    """Millionths of the currency."""


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts in millionths of the currency."""

    currency: str
    energy: int = 0
    occupancy: int = 0
    services: int = 0
    overstay: int = 0
    taxes: tuple[TaxCost, ...] = ()
    total: int = 0
    """With taxes, within minimum and maximum cost."""
    used: int = 0
    """mWh that `energy` is for."""

    def plus(self, other: Costs) -> Costs:
        """Both together; raises ValueError for another currency."""
        if other.currency != self.currency:
            raise ValueError(f"costs in {self.currency} and in {other.currency}")
        taxes = {one.number: one.amount for one in self.taxes}
        for one in other.taxes:
            taxes[one.number] = taxes.get(one.number, 0) + one.amount
        return Costs(
            currency=self.currency,
            energy=self.energy + other.energy,
            occupancy=self.occupancy + other.occupancy,
            services=self.services + other.services,
            overstay=self.overstay + other.overstay,
            taxes=tuple(TaxCost(number, amount) for number, amount in taxes.items()),
            total=self.total + other.total,
            used=self.used + other.used,
        )


def counted(prices: AbsolutePrices, before: Usage, sample: MeterSample) -> Usage:
    """The usage with one more reading, which is not earlier than the last one."""
    usage = before if before.first is not None else msgspec.structs.replace(before, first=sample, last=sample)
    last = usage.last
    assert last is not None  # set together with `first`
    step = _step_at(prices, sample.at)
    power = _power(last, sample)
    usage = _parked(usage, prices.steps[step], sample.at, power)
    usage = _idle(usage, prices.overstay, sample.at, power)
    if sample.energy <= last.energy:
        return usage
    return _with_energy(usage, prices, sample, step, power)


def costs(prices: AbsolutePrices, usage: Usage, at: float) -> Costs:
    """The amounts up to a moment, `at` seconds since the prices count."""
    scaled = usage.energy_cost + _peak_cost(prices, usage)
    energy, occupancy = _rounded(scaled, _PER_KWH), usage.parking_cost
    services = sum(one.fee for one in prices.services)
    overstay = usage.overstay_cost + _overstayed(prices.overstay, usage.idle_since, at)
    taxes, added = [], 0
    for tax in prices.taxes:
        base = energy * tax.on_energy + occupancy * tax.on_parking + overstay * tax.on_overstay
        amount = _rounded(base * tax.rate, _WHOLE + tax.rate * tax.included)
        taxes.append(TaxCost(tax.number, amount))
        added += 0 if tax.included else amount
    total = energy + occupancy + services + overstay + added
    return Costs(
        currency=prices.currency,
        energy=energy,
        occupancy=occupancy,
        services=services,
        overstay=overstay,
        taxes=tuple(taxes),
        total=_bounded(prices, total),
        used=usage.energy,
    )


_WHOLE = 100_000  # 100 % in thousandths of a percent

# --- energy ------------------------------------------------------------------------------------------------


def _step_at(prices: AbsolutePrices, at: float) -> int:
    """Number of the step that holds then; the last one holds on."""
    return max(0, bisect.bisect_right(prices.steps, at, key=lambda step: step.start) - 1)


def _power(last: MeterSample, sample: MeterSample) -> int:
    if sample.power is not None:
        return sample.power
    seconds = sample.at - last.at
    return int((sample.energy - last.energy) * 3600 / seconds) if seconds > 0 else 0


def _with_energy(usage: Usage, prices: AbsolutePrices, sample: MeterSample, step: int, power: int) -> Usage:
    assert usage.last is not None
    energy, bands = sample.energy - usage.last.energy, prices.steps[step].bands
    if prices.algorithm is PriceAlgorithm.PEAK_POWER:
        same = step == usage.step
        return msgspec.structs.replace(
            usage,
            last=sample,
            step=step,
            energy_cost=usage.energy_cost + (0 if same else _peak_cost(prices, usage)),
            step_energy=energy + (usage.step_energy if same else 0),
            step_peak=max(power, usage.step_peak) if same else power,
        )
    if prices.algorithm is PriceAlgorithm.STACKED_ENERGY:
        cost = _stacked(bands, energy, power)
    else:
        cost = _band(bands, power).energy_fee * energy
    return msgspec.structs.replace(usage, last=sample, step=step, energy_cost=usage.energy_cost + cost)


def _peak_cost(prices: AbsolutePrices, usage: Usage) -> int:
    """Of the step in progress, PEAK_POWER; times mWh per kWh."""
    return _band(prices.steps[usage.step].bands, usage.step_peak).energy_fee * usage.step_energy


def _band(bands: tuple[PriceBand, ...], power: int) -> PriceBand:
    """The band that a power, mW, is in."""
    return [band for band in bands if band.from_power * 1000 <= power][-1]


def _stacked(bands: tuple[PriceBand, ...], energy: int, power: int) -> int:
    """Each band gets the part of the energy that its part of the power has; the highest gets what is left."""
    within = [band for band in bands if band.from_power * 1000 < power] or [bands[0]]
    cost, left = 0, energy
    for band, above in itertools.pairwise(within):
        part = energy * (above.from_power - band.from_power) * 1000 // power
        cost, left = cost + part * band.energy_fee, left - part
    return cost + left * within[-1].energy_fee


# --- time --------------------------------------------------------------------------------------------------


def _parked(usage: Usage, step: PriceStep, at: float, power: int) -> Usage:
    """With the parking periods that have begun since the last one ended."""
    band = _band(step.bands, max(0, power))
    fee, period = band.parking_fee, band.parking_period
    if fee is None or period is None:  # free: a period with a fee begins when there is one again
        return msgspec.structs.replace(usage, parked_until=max(usage.parked_until, at))
    if at < usage.parked_until:
        return usage
    periods = int(at - usage.parked_until) // period + 1
    return msgspec.structs.replace(
        usage,
        parking_cost=usage.parking_cost + periods * fee,
        parked_until=usage.parked_until + periods * period,
    )


def _idle(usage: Usage, overstay: Overstay | None, at: float, power: int) -> Usage:
    """Below the power of the overstay rule, after energy has flowed, or above it again."""
    if overstay is None or not usage.energy:
        return usage
    idle = power < (overstay.below_power or 1) * 1000
    if idle is (usage.idle_since is not None):
        return usage
    if idle:
        return msgspec.structs.replace(usage, idle_since=at)
    cost = usage.overstay_cost + _overstayed(overstay, usage.idle_since, at)
    return msgspec.structs.replace(usage, idle_since=None, overstay_cost=cost)


def _overstayed(overstay: Overstay | None, since: float | None, at: float) -> int:
    """Millionths for a time below the power, from `since` on."""
    if overstay is None or since is None:
        return 0
    lasted = at - since - overstay.after
    ends = [*(fee.start for fee in overstay.fees[1:]), None]
    total = 0
    for fee, end in zip(overstay.fees, ends, strict=True):
        if lasted < fee.start:
            break
        seconds = (lasted if end is None else min(lasted, end - 0.001)) - fee.start
        total += fee.fee * (int(seconds) // fee.period + 1)
    return total


# --- amounts -----------------------------------------------------------------------------------------------


def _bounded(prices: AbsolutePrices, total: int) -> int:
    least, most = _with_tax(prices, prices.minimum_cost), _with_tax(prices, prices.maximum_cost)
    if least is not None:
        total = max(total, least)
    return total if most is None else min(total, most)


def _with_tax(prices: AbsolutePrices, limit: int | None) -> int | None:
    if limit is None:
        return None
    rates = [tax.rate for tax in prices.taxes if tax.on_limits and not tax.included]
    return limit + sum(_rounded(limit * rate, _WHOLE) for rate in rates)


def _rounded(numerator: int, denominator: int) -> int:
    """A quotient rounded to the nearest whole number, halves away from zero."""
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size
