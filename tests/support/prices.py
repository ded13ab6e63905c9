"""Prices for tests: a day in three steps, levels, and a signed schedule with the key that has signed it."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from secc import exi
from secc.messages import iso20_common as m
from secc.messages import xmldsig
from secc.session.prices import (
    AbsolutePrices,
    AddedService,
    LevelStep,
    Overstay,
    OverstayFee,
    PriceAlgorithm,
    PriceBand,
    PriceLevels,
    PriceOffer,
    PriceStep,
    SignedPrices,
    Tax,
    TuplePrices,
)

COMMON = exi.codec("iso20-common")
KEY = ec.derive_private_key(20_15118, ec.SECP521R1())
_HALF = 66

DAY = AbsolutePrices(
    currency="EUR",
    language="eng",
    description="day tariff",
    algorithm=PriceAlgorithm.POWER,
    minimum_cost=1_000_000,
    maximum_cost=50_000_000,
    steps=(
        PriceStep(0, (PriceBand(0, 390_000, 500_000, 900), PriceBand(11_000, 450_000))),
        PriceStep(3600, (PriceBand(0, 290_000, carbon_dioxide=120, renewable=80),)),
    ),
    taxes=(Tax(1, 19_000, "VAT"),),
    overstay=Overstay((OverstayFee(0, 100_000, 60, "per minute"),), after=600, below_power=500),
    services=(AddedService("reservation", 2_500_000),),
)
BACK = AbsolutePrices(currency="EUR", language="eng", steps=(PriceStep(0, (PriceBand(0, -250_000),)),))
LEVELS = PriceLevels((LevelStep(0, 2), LevelStep(1800, 0)), 3)


def for_all(charging: AbsolutePrices | PriceLevels | SignedPrices | None = DAY) -> PriceOffer:
    """One price for every schedule, and for discharging."""
    return PriceOffer((TuplePrices(charging, BACK if charging is DAY else None),))


def message(identifier: str = "id1", anchor: int = 1_700_000_000) -> m.AbsolutePriceSchedule:
    """A price schedule as a mobility operator makes it."""
    rule = m.PriceRule(
        energy_fee=m.RationalNumber(exponent=-3, value=395),
        power_range_start=m.RationalNumber(exponent=3, value=0),
    )
    stack = m.PriceRuleStack(duration=86_400, price_rule=(rule,))
    return m.AbsolutePriceSchedule(
        id=identifier,
        time_anchor=anchor,
        price_schedule_id=7,
        currency="EUR",
        language="eng",
        price_algorithm=PriceAlgorithm.STACKED_ENERGY.value,
        price_rule_stacks=m.PriceRuleStackList(price_rule_stack=(stack,)),
    )


def fragment(schedule: m.AbsolutePriceSchedule | m.PriceLevelSchedule) -> bytes:
    """The octets of its digest."""
    return COMMON.encode_fragment(type(schedule).__name__, schedule)


def signature(*schedules: m.AbsolutePriceSchedule | m.PriceLevelSchedule) -> bytes:
    """A Signature over these schedules with ECDSA on secp521r1, as EXI fragment."""
    canonical = "http://www.w3.org/TR/canonical-exi/"
    references = tuple(
        xmldsig.Reference(
            uri=f"#{one.id}",
            transforms=xmldsig.Transforms(transform=(xmldsig.Transform(algorithm=canonical),)),
            digest_method=xmldsig.DigestMethod(algorithm="http://www.w3.org/2001/04/xmlenc#sha512"),
            digest_value=hashlib.sha512(fragment(one)).digest(),
        )
        for one in schedules
    )
    info = xmldsig.SignedInfo(
        canonicalization_method=xmldsig.CanonicalizationMethod(algorithm=canonical),
        signature_method=xmldsig.SignatureMethod(
            algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"
        ),
        reference=references,
    )
    r, s = decode_dss_signature(KEY.sign(_octets(info), ec.ECDSA(hashes.SHA512())))
    value = xmldsig.SignatureValue(value=r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big"))
    made = xmldsig.Signature(signed_info=info, signature_value=value)
    return COMMON.encode_fragment("Signature", made)


def verify(response: m.ScheduleExchangeRes) -> None:
    """As an EV does it: digests of the received price schedules, then the signature; raises or asserts."""
    signature_found = response.header.signature
    assert signature_found is not None
    scheduled = response.scheduled_se_res_control_mode
    assert scheduled is not None
    found = {}
    for one in scheduled.schedule_tuple:
        for direction in (one.charging_schedule, one.discharging_schedule):
            schedule = None if direction is None else direction.absolute_price_schedule
            if schedule is not None:
                found[f"#{schedule.id}"] = hashlib.sha512(fragment(schedule)).digest()
    info = signature_found.signed_info
    assert {reference.uri: reference.digest_value for reference in info.reference} == found
    value = signature_found.signature_value.value
    r, s = int.from_bytes(value[:_HALF], "big"), int.from_bytes(value[_HALF:], "big")
    KEY.public_key().verify(encode_dss_signature(r, s), _octets(info), ec.ECDSA(hashes.SHA512()))


def _octets(info: xmldsig.SignedInfo) -> bytes:
    return exi.XMLDSIG.encode_fragment("SignedInfo", info)
