"""Rules for prices of a back end: types and ranges of each field, and their number.

The number is looked at first, before anything else in the offer: the fields of thousands of bands would take
long to check, and the event loop stands still meanwhile.
"""

from __future__ import annotations

from secc import pki
from secc.boundary.values import (
    Unfit,
    flag,
    integer,
    member,
    octets,
    optional,
    record,
    sequence,
    text,
)
from secc.errors import SignatureError
from secc.session.prices import (
    MOST_BANDS,
    AbsolutePrices,
    AddedService,
    LevelStep,
    Overstay,
    OverstayFee,
    PriceAlgorithm,
    PriceBand,
    PriceLevels,
    PriceOffer,
    Prices,
    PriceStep,
    SignedPrices,
    Tax,
    TuplePrices,
)

__all__ = ["PRICES"]

_NUMBER = integer("", 1, 2**32 - 1)
_SECONDS = integer("s", 0, 2**32 - 1)
_PERIOD = integer("s", 1, 2**32 - 1)
_MONEY = integer("millionths", -(10**12), 10**12)
_POWER = integer("W", 0, 10_000_000)
_NAME = text(1, 80)
_DESCRIPTION = text(1, 160)
_LONGEST_SIGNED = 32_768

BAND = record(
    PriceBand,
    from_power=_POWER,
    energy_fee=_MONEY,
    parking_fee=optional(_MONEY),
    parking_period=optional(_PERIOD),
    carbon_dioxide=optional(integer("g/kWh", 0, 65_535)),
    renewable=optional(integer("%", 0, 100)),
)

TAX = record(
    Tax,
    number=_NUMBER,
    rate=integer("thousandths of a percent", 0, 1_000_000),
    name=optional(_NAME),
    included=flag,
    on_energy=flag,
    on_parking=flag,
    on_overstay=flag,
    on_limits=flag,
)

OVERSTAY = record(
    Overstay,
    fees=sequence(
        record(OverstayFee, start=_SECONDS, fee=_MONEY, period=_PERIOD, description=optional(_DESCRIPTION)),
        5,
    ),
    after=_SECONDS,
    below_power=optional(_POWER),
)

ABSOLUTE = record(
    AbsolutePrices,
    currency=text(3, 3),
    language=text(3, 3),
    steps=sequence(record(PriceStep, start=_SECONDS, bands=sequence(BAND, 8)), 1024),
    algorithm=member(PriceAlgorithm),
    number=_NUMBER,
    description=optional(_DESCRIPTION),
    minimum_cost=optional(_MONEY),
    maximum_cost=optional(_MONEY),
    taxes=sequence(TAX, 10),
    overstay=optional(OVERSTAY),
    services=sequence(record(AddedService, name=_NAME, fee=_MONEY), 5),
)

LEVELS = record(
    PriceLevels,
    levels=sequence(record(LevelStep, start=_SECONDS, level=integer("", 0, 254)), 1024),
    count=integer("", 1, 255),
    number=_NUMBER,
    description=optional(_DESCRIPTION),
)


def _signed(value: SignedPrices) -> SignedPrices:
    exi = octets(1, _LONGEST_SIGNED)(value.exi)
    try:
        pki.signed_prices.price_schedule(exi)
    except SignatureError as error:
        raise Unfit(value, f"a signed price schedule: {error}") from error
    return SignedPrices(exi)


def _prices(value: object) -> Prices:
    """Prices in one of the three forms."""
    match value:
        case SignedPrices():
            return _signed(value)
        case PriceLevels():
            return LEVELS(value)
        case AbsolutePrices():
            return ABSOLUTE(value)
        case _:
            raise Unfit(value, "an object of AbsolutePrices, PriceLevels or SignedPrices")


OFFER = record(
    PriceOffer,
    prices=sequence(
        record(
            TuplePrices,
            charging=optional(_prices),
            discharging=optional(_prices),
            schedule_id=optional(integer("", 1, 255)),
        ),
        4,
    ),
    signature=optional(octets(0, _LONGEST_SIGNED)),
)


def PRICES(value: object) -> PriceOffer:
    """An offer of prices whose signature, if there is one, covers what is signed in it."""
    count = _count(value)
    if count > MOST_BANDS:
        raise Unfit(value, f"at most {MOST_BANDS} price bands and levels in total, there are {count}")
    offer = OFFER(value)
    if offer.signed:
        try:
            pki.signed_prices.price_signature(offer.signature or b"", tuple(one.exi for one in offer.signed))
        except SignatureError as error:
            raise Unfit(value, f"a signature over the signed prices: {error}") from error
    return offer


def _count(value: object) -> int:
    """Bands and levels in an offer, as far as its parts have the declared types; stops above the limit."""
    count = 0
    if not isinstance(value, PriceOffer) or not isinstance(value.prices, list | tuple):
        return 0
    for one in value.prices[:5]:
        if not isinstance(one, TuplePrices):
            continue
        for prices in (one.charging, one.discharging):
            if isinstance(prices, PriceLevels) and isinstance(prices.levels, list | tuple):
                count += len(prices.levels)
            elif isinstance(prices, AbsolutePrices) and isinstance(prices.steps, list | tuple):
                count += len(prices.steps)
                if count <= MOST_BANDS:
                    count += sum(len(s.bands) - 1 for s in prices.steps if isinstance(s, PriceStep))
    return count
