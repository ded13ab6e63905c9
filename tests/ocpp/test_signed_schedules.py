"""Price schedules that a mobility operator has signed go through OCPP 2.1 to the EV unchanged."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from typing import Any

import msgspec
import pytest

from secc.messages import iso20_common as m
from secc.messages.xmldsig import Signature
from secc.ocpp.fake.services import Accounts
from secc.ocpp.model import Payload
from secc.ocpp.signed_schedules import signed_offer
from secc.pki.signed_prices import price_schedule, price_signature
from secc.session.prices import PriceNeed, PriceOffer
from secc.session.schedules import PowerSchedule, PowerStep
from secc.settings import SeccConfig
from secc.settings.iso20 import Pricing
from secc.settings.ocpp import OcppVersion
from tests.ocpp.negotiating import negotiating, schedule, tx_profile
from tests.ocpp.test_needs import CAR20, charged
from tests.ocpp.test_prices import absolute
from tests.support.prices import COMMON, fragment, message, signature, verify

ANCHOR = 1_700_000_000
ANCHOR_TEXT = "2023-11-14T22:13:20Z"


def number(value: m.RationalNumber) -> Payload:
    return {"exponent": value.exponent, "value": value.value}


def as_json(found: m.AbsolutePriceSchedule) -> Payload:
    """AbsolutePriceScheduleType of OCPP, value by value."""
    return {
        "timeAnchor": ANCHOR_TEXT,
        "priceScheduleID": found.price_schedule_id,
        "currency": found.currency,
        "language": "en",
        "priceAlgorithm": found.price_algorithm,
        "priceRuleStacks": [
            {
                "duration": stack.duration,
                "priceRule": [
                    {"energyFee": number(rule.energy_fee), "powerRangeStart": number(rule.power_range_start)}
                    for rule in stack.price_rule
                ],
            }
            for stack in found.price_rule_stacks.price_rule_stack
        ],
    }


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def signed(found: m.AbsolutePriceSchedule, id_: int, **power: Any) -> Payload:
    """A schedule of a profile with these prices."""
    return schedule(
        id_,
        (0, 9000),
        absolutePriceSchedule=as_json(found),
        digestValue=text(hashlib.sha512(fragment(found)).digest()),
        signatureId=id_,
        **power,
    )


def value_of(*schedules: m.AbsolutePriceSchedule) -> str:
    made = COMMON.decode_fragment(signature(*schedules))[1]
    assert isinstance(made, Signature)
    return text(made.signature_value.value)


ONE, TWO = message("id1", ANCHOR), msgspec.structs.replace(message("id2", ANCHOR), price_schedule_id=8)
PROFILE = tx_profile(signed(ONE, 1), signed(TWO, 2), priceScheduleSignature=value_of(ONE, TWO))


def need(*ids: int, pricing: Pricing = Pricing.ABSOLUTE) -> PriceNeed:
    schedules = tuple(PowerSchedule(one, (PowerStep(0, 1000.0),), 3600) for one in ids)
    return PriceNeed(pricing=pricing, schedules=schedules, end=3600, max_entries=10, discharge=0.0)


def offered(profile: Payload, *ids: int) -> PriceOffer:
    found = signed_offer(profile, need(*ids))
    assert found is not None
    return found


def test_the_fragments_and_the_signature_are_those_of_the_operator() -> None:
    found = offered(PROFILE, 1, 2)
    assert [one.exi for one in found.signed] == [fragment(ONE), fragment(TWO)]
    assert found.signature == signature_without_randomness(ONE, TWO)
    price_signature(found.signature or b"", tuple(one.exi for one in found.signed))


def signature_without_randomness(*schedules: m.AbsolutePriceSchedule) -> bytes:
    """The Signature with the value that is in the profile: ECDSA has another one each time."""
    made = COMMON.decode_fragment(signature(*schedules))[1]
    assert isinstance(made, Signature)
    value = base64.b64decode(PROFILE["priceScheduleSignature"])
    changed = msgspec.structs.replace(made.signature_value, value=value)
    return COMMON.encode_fragment("Signature", msgspec.structs.replace(made, signature_value=changed))


@pytest.mark.parametrize("id_", ["id1", "ID1", "_1"])
@pytest.mark.parametrize("anchor", [ANCHOR, ANCHOR * 1_000_000])
@pytest.mark.parametrize("language", ["eng", "en"])
def test_the_form_that_the_operator_has_chosen_is_found_by_the_digest(
    id_: str, anchor: int, language: str
) -> None:
    one = msgspec.structs.replace(message(id_, anchor), language=language)
    (found,) = offered(tx_profile(signed(one, 1), priceScheduleSignature=value_of(one)), 1).signed
    assert price_schedule(found.exi) == one


def test_levels_are_relayed_as_well() -> None:
    entries = (m.PriceLevelScheduleEntry(duration=600, price_level=1),)
    one = m.PriceLevelSchedule(
        id="id1",
        time_anchor=ANCHOR,
        price_schedule_id=3,
        number_of_price_levels=2,
        price_level_schedule_entries=m.PriceLevelScheduleEntryList(price_level_schedule_entry=entries),
    )
    body = {
        "timeAnchor": ANCHOR_TEXT,
        "priceScheduleId": 3,
        "numberOfPriceLevels": 2,
        "priceLevelScheduleEntries": [{"duration": 600, "priceLevel": 1}],
    }
    own = schedule(
        1,
        (0, 9000),
        priceLevelSchedule=body,
        digestValue=text(hashlib.sha512(fragment(one)).digest()),
        signatureId=1,
    )
    profile = tx_profile(own, priceScheduleSignature=value_of(ONE))
    found = signed_offer(profile, need(1, pricing=Pricing.LEVELS))
    assert found is not None
    assert [one.exi for one in found.signed] == [fragment(one)]
    assert signed_offer(profile, need(1)) is None


def changed(**more: Any) -> Payload:
    first = {**PROFILE["chargingSchedule"][0], **more}
    return {**PROFILE, "chargingSchedule": [first, PROFILE["chargingSchedule"][1]]}


@pytest.mark.parametrize(
    ("profile", "ids", "why"),
    [
        (changed(digestValue=text(bytes(64))), (1, 2), "digestValue is not that"),
        (changed(digestValue="?"), (1, 2), "not base64"),
        (changed(absolutePriceSchedule={**as_json(ONE), "currency": "CHF"}), (1, 2), "digestValue is not"),
        (changed(absolutePriceSchedule={**as_json(ONE), "timeAnchor": "now"}), (1, 2), "not a time"),
        ({**PROFILE, "priceScheduleSignature": text(bytes(64))}, (1, 2), "64 bytes"),
        (PROFILE, (1,), "covers 2"),
    ],
)
def test_what_cannot_be_relayed_as_it_was_signed_is_refused(
    profile: Payload, ids: tuple[int, ...], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        signed_offer(profile, need(*ids))


def test_a_schedule_without_its_digest_is_refused() -> None:
    bare = {name: one for name, one in PROFILE["chargingSchedule"][0].items() if name != "digestValue"}
    with pytest.raises(ValueError, match="without digestValue"):
        signed_offer({**PROFILE, "chargingSchedule": [bare]}, need(1))
    assert signed_offer(tx_profile(schedule(1, (0, 9000))), need(1)) is None


def with_prices(config: SeccConfig) -> SeccConfig:
    return dataclasses.replace(config, iso20=dataclasses.replace(config.iso20, prices=(Pricing.ABSOLUTE,)))


CAR = dataclasses.replace(CAR20, pricing=Pricing.ABSOLUTE)


async def test_the_ev_verifies_what_the_operator_has_signed() -> None:
    accounts = Accounts(needs=("Accepted", PROFILE))
    async with negotiating(OcppVersion.V21, accounts, dc=True, adapt=with_prices) as place:
        await charged(place, CAR)
    answers = [one for one in place.sent(m.ScheduleExchangeRes) if one.header.signature is not None]
    assert answers, place.told
    verify(answers[-1])


async def test_prices_whose_digest_does_not_match_go_out_unsigned_and_that_is_reported() -> None:
    own = schedule(1, (0, 9000), absolutePriceSchedule=absolute(), digestValue=text(bytes(64)), signatureId=1)
    profile = tx_profile(own, priceScheduleSignature=value_of(ONE))
    accounts = Accounts(needs=("Accepted", profile))
    async with negotiating(OcppVersion.V21, accounts, dc=True, adapt=with_prices) as place:
        await charged(place, CAR)
    assert any("the signature of the prices is not relayed" in one for one in place.told)
    answers = place.sent(m.ScheduleExchangeRes)
    assert all(one.header.signature is None for one in answers)
    (tuple_,) = answers[-1].scheduled_se_res_control_mode.schedule_tuple
    assert tuple_.charging_schedule.absolute_price_schedule is not None
