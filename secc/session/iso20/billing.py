"""Receipts of the charge loop: what the session has cost so far, by the absolute prices in force.

Each request of the loop brings a reading of the meter, which is counted. Prices that come with a new schedule
count from the next reading on; fees for services, minimum and maximum cost are those of the prices in force.
A receipt goes with MeterInfo [V2G20-1919]. It is no bill: what is billed the back end decides.
"""

from __future__ import annotations

import msgspec

from secc.messages import iso20_common as m
from secc.pki.signed_prices import price_schedule
from secc.session.context import Context
from secc.session.costs import Costs, MeterSample, Usage, costs, counted
from secc.session.iso20.price_schedules import read_back, rounded
from secc.session.iso20.side import Account, Bill, Tariff, side
from secc.session.outputs import NoticeKind
from secc.session.prices import AbsolutePrices, Prices, SignedPrices
from secc.settings.iso20 import TimestampUnit

_MILLIONTHS = -6


def update(session: Context) -> None:
    """Count the reading of now."""
    room = side(session)
    if room.bill.tariff is not room.prices.tariff:
        room.bill = _begun(session, room.bill, room.prices.tariff)
    bill, reading = room.bill, session.evse.meter
    if bill.tariff is None or (bill.charging is None and bill.discharging is None) or reading is None:
        return
    at, power = session.now - bill.tariff.at, _power(session)
    room.bill = bill = msgspec.structs.replace(
        bill,
        charging=_counted(bill.charging, at, reading.energy, power),
        discharging=_counted(bill.discharging, at, reading.exported, None if power is None else -power),
    )
    session.costs = _total(bill, at)


def receipt(session: Context, status: m.EVSEStatus | None, *, asked: bool) -> m.Receipt | None:
    """The Receipt that goes with MeterInfo, if the EV asks for that; None without absolute prices. With the
    request of a confirmation it is the one to confirm."""
    question = side(session).metering
    if status is not None and status.evse_notification is m.EvseNotification.METERING_CONFIRMATION:
        return None if question is None else question.receipt
    return receipt_of(session) if asked else None


def receipt_of(session: Context) -> m.Receipt | None:
    """The Receipt of now; None without absolute prices, or where the settings leave it out."""
    found, tariff = session.costs, side(session).bill.tariff
    if found is None or tariff is None or not session.config.iso20.receipts:
        return None
    per_kwh = found.energy * 1_000_000 // found.used if found.used else 0
    return m.Receipt(
        time_anchor=tariff.anchor,
        energy_costs=_detail(found.energy, per_kwh),
        occupancy_costs=_detail(found.occupancy) if found.occupancy else None,
        additional_services_costs=_detail(found.services) if found.services else None,
        overstay_costs=_detail(found.overstay) if found.overstay else None,
        tax_costs=tuple(
            m.DetailedTax(tax_rule_id=tax.number, amount=rounded(tax.amount, _MILLIONTHS))
            for tax in found.taxes[:10]
        ),
    )


def _detail(amount: int, per_unit: int | None = None) -> m.DetailedCost:
    """An amount, and what a unit of it costs: a kWh, or for other items the whole."""
    return m.DetailedCost(
        amount=rounded(amount, _MILLIONTHS),
        cost_per_unit=rounded(amount if per_unit is None else per_unit, _MILLIONTHS),
    )


# --- counting ----------------------------------------------------------------------------------------------


def _begun(session: Context, before: Bill, tariff: Tariff | None) -> Bill:
    """A new count by other prices; what was counted before is kept."""
    earlier = before.earlier
    if before.tariff is not None:
        earlier = _total(before, session.now - before.tariff.at, whole=False)
    if tariff is None:
        return Bill(earlier=earlier)
    charging = _account(session, tariff, tariff.prices.charging)
    discharging = _account(session, tariff, tariff.prices.discharging)
    currencies = {one.prices.currency for one in (charging, discharging) if one is not None}
    if earlier is not None and currencies not in (set(), {earlier.currency}):
        earlier = None
    if len(currencies) > 1:  # amounts of two currencies have no sum
        discharging = None
    return Bill(tariff, charging, discharging, earlier)


def _account(session: Context, tariff: Tariff, prices: Prices | None) -> Account | None:
    """The account of one direction; None for what is not priced in a currency."""
    if isinstance(prices, AbsolutePrices):
        return Account(prices)
    if not isinstance(prices, SignedPrices):
        return None
    found = price_schedule(prices.exi)
    if not isinstance(found, m.AbsolutePriceSchedule):
        return None
    unit = 1_000_000 if session.config.iso20.timestamp_unit is TimestampUnit.MICROSECONDS else 1
    shift = (tariff.anchor - found.time_anchor) / unit
    try:
        if not 0 <= shift <= _YEAR:
            raise ValueError(f"they begin {-shift:g} s from now")
        return Account(read_back(found), shift, Usage(parked_until=shift))
    except ValueError as error:
        session.notice(NoticeKind.IGNORED, f"no receipts by the signed prices: {error}")
        return None


_YEAR = 366 * 86_400


def _counted(account: Account | None, at: float, energy: int | None, power: int | None) -> Account | None:
    if account is None or energy is None:
        return account
    sample = MeterSample(at + account.shift, energy * 1000, None if power is None else max(0, power))
    return msgspec.structs.replace(account, usage=counted(account.prices, account.usage, sample))


def _total(bill: Bill, at: float, *, whole: bool = True) -> Costs | None:
    """All amounts; not `whole`: without what is due once in a session."""
    parts = [] if bill.earlier is None else [bill.earlier]
    for account in (bill.charging, bill.discharging):
        if account is not None:
            prices = account.prices if whole else _running(account.prices)
            parts.append(costs(prices, account.usage, at + account.shift))
    if not parts:
        return None
    found = parts[0]
    for part in parts[1:]:
        found = found.plus(part)
    return found


def _running(prices: AbsolutePrices) -> AbsolutePrices:
    return msgspec.structs.replace(prices, services=(), minimum_cost=None, maximum_cost=None)


def _power(session: Context) -> int | None:
    """mW measured now, positive to the EV."""
    evse = session.evse
    if side(session).dc:
        return int(evse.present_voltage * evse.present_current * 1000)
    return None if evse.present_power is None else int(evse.present_power * 1000)
