"""Sales tariffs: they reach the EV as the operator signed them, or not at all."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from secc import exi
from secc.messages import iso2
from secc.messages.xmldsig import Signature
from secc.pki.profiles import Kind
from secc.pki.xmldsig import SignedPart, sign, verify
from secc.session.inputs import SchedulesOffered
from secc.session.outputs import AskSchedules, Send
from secc.session.paused import PausedSession
from secc.session.schedules import Offer, PowerSchedule, PowerStep, ScheduleOffer
from secc.settings import EnergyConfig, TariffPolicy
from tests.support import requests
from tests.support.contracts import identity
from tests.support.pnc import PNC_AC, PncBench, with_pnc

TARIFF = iso2.SalesTariff(
    id="tariff1",
    sales_tariff_id=1,
    sales_tariff_entry=(
        iso2.SalesTariffEntry(time_interval=iso2.RelativeTimeInterval(start=0), e_price_level=1),
    ),
)
OTHER = iso2.SalesTariff(id="tariff2", sales_tariff_id=2, sales_tariff_entry=TARIFF.sales_tariff_entry)
KEY = identity(Kind.MO_SUB_CA_2).key


def answered(
    tariff: iso2.SalesTariff | None,
    signature: Signature | None,
    *,
    policy: TariffPolicy = TariffPolicy.SIGNED,
    tls: bool = True,
    most: int | None = None,
) -> iso2.V2GMessage:
    """ChargeParameterDiscoveryRes for an offer with this tariff."""
    config = with_pnc(PNC_AC, sales_tariffs=policy)
    config = dataclasses.replace(config, energy=EnergyConfig(ask_backend_for_schedules=True))
    bench = PncBench(config)
    bench.to_granted()
    bench.session.tls = tls
    bench.request(requests.ac_parameters())
    steps = (PowerStep(0, 11_000.0),)
    offer = ScheduleOffer((PowerSchedule(1, steps, 3600, tariff),), signature)
    bench.feed(SchedulesOffered(bench.ticket(AskSchedules), offer))
    bench.request(
        msgspec.structs.replace(requests.ac_parameters(), max_entries_sa_schedule_tuple=most)
        if most
        else requests.ac_parameters()
    )
    (message,) = [output.message for output in bench.last if isinstance(output, Send)]
    assert isinstance(message, iso2.V2GMessage)
    return message


def tariff_in(message: iso2.V2GMessage) -> iso2.SalesTariff | None:
    body = message.body
    assert isinstance(body, iso2.ChargeParameterDiscoveryRes)
    assert body.sa_schedules is not None
    return body.sa_schedules.sa_schedule_tuple[0].sales_tariff


@pytest.mark.req("V2G2-905")
def test_a_signed_tariff_reaches_the_ev_and_verifies_there() -> None:
    message = answered(TARIFF, sign((SignedPart("SalesTariff", TARIFF),), KEY))
    received = exi.ISO2.decode(exi.ISO2.encode(message))
    tariff = tariff_in(received)
    assert tariff == TARIFF
    verify(received.header.signature, (SignedPart("SalesTariff", tariff),), KEY.public_key())


@pytest.mark.parametrize(
    ("signature", "policy", "tls"),
    [
        (None, TariffPolicy.SIGNED, True),
        (sign((SignedPart("SalesTariff", OTHER),), KEY), TariffPolicy.SIGNED, True),
        (sign((SignedPart("SalesTariff", TARIFF),), KEY), TariffPolicy.NONE, True),
        (sign((SignedPart("SalesTariff", TARIFF),), KEY), TariffPolicy.SIGNED, False),
        (None, TariffPolicy.ANY, False),
    ],
    ids=["unsigned", "another is signed", "policy none", "no TLS", "unsigned, no TLS"],
)
def test_a_tariff_is_left_out_with_its_signature(
    signature: Signature | None, policy: TariffPolicy, tls: bool
) -> None:
    message = answered(TARIFF, signature, policy=policy, tls=tls)
    assert tariff_in(message) is None
    assert message.header.signature is None


def test_an_unsigned_tariff_passes_where_the_policy_says_so() -> None:
    message = answered(TARIFF, None, policy=TariffPolicy.ANY)
    assert tariff_in(message) == TARIFF
    assert message.header.signature is None


def test_an_offer_without_tariffs_has_no_signature() -> None:
    assert answered(None, None).header.signature is None


def test_a_tariff_with_more_entries_than_the_ev_stores_is_left_out() -> None:
    message = answered(long := tariff_of((0, None), (60, None)), signed(long), most=1)
    assert tariff_in(message) is None
    assert message.header.signature is None


# --- after a pause ----------------------------------------------------------------------------------------

ID = b"12345678"
STEPS = (PowerStep(0, 11_000.0),)
START = 1000.0  # when sessions on the bench begin


def tariff_of(*intervals: tuple[int, int | None]) -> iso2.SalesTariff:
    """Price levels 1, 2, … in these intervals: start, duration."""
    return iso2.SalesTariff(
        id="tariff1",
        sales_tariff_id=1,
        sales_tariff_entry=tuple(
            iso2.SalesTariffEntry(
                time_interval=iso2.RelativeTimeInterval(start=start, duration=duration), e_price_level=level
            )
            for level, (start, duration) in enumerate(intervals, 1)
        ),
    )


def signed(*tariffs: iso2.SalesTariff) -> Signature:
    return sign([SignedPart("SalesTariff", tariff) for tariff in tariffs], KEY)


def resumed(
    tariff: iso2.SalesTariff,
    signature: Signature | None,
    answer: ScheduleOffer | None = None,
    *,
    policy: TariffPolicy = TariffPolicy.SIGNED,
    asks: bool = True,
) -> tuple[PncBench, iso2.V2GMessage]:
    """ChargeParameterDiscoveryRes of a session that goes on 600 s after this tariff was offered."""
    config = with_pnc(PNC_AC, sales_tariffs=policy)
    config = dataclasses.replace(config, energy=EnergyConfig(ask_backend_for_schedules=asks))
    before = ScheduleOffer((PowerSchedule(1, STEPS, 3600, tariff),), signature)
    paused = PausedSession(ID, Offer(before, START - 600.0, 1), "DEABC000000001G")
    bench = PncBench(config, paused=paused)
    bench.request(requests.session_setup(), ID)
    bench.request(requests.service_discovery())
    bench.request(requests.payment_selection(iso2.PaymentOption.CONTRACT))
    bench.show()
    bench.prove()
    bench.decide()
    bench.request(requests.authorization())
    bench.request(requests.ac_parameters())
    if any(isinstance(output, AskSchedules) for output in bench.outputs):
        bench.feed(SchedulesOffered(bench.ticket(AskSchedules), answer))
        bench.request(requests.ac_parameters())
    (message,) = [output.message for output in bench.last if isinstance(output, Send)]
    assert isinstance(message, iso2.V2GMessage)
    return bench, message


def asked(bench: PncBench) -> list[AskSchedules]:
    return [output for output in bench.outputs if isinstance(output, AskSchedules)]


def intervals(tariff: iso2.SalesTariff | None) -> list[tuple[int, int | None, int | None]]:
    assert tariff is not None
    return [
        (entry.time_interval.start, entry.time_interval.duration, entry.e_price_level)
        for entry in tariff.sales_tariff_entry
    ]


@pytest.mark.req("V2G2-741")
def test_an_unsigned_tariff_is_shortened_like_its_schedule() -> None:
    tariff = tariff_of((0, None), (300, None), (1800, 1800))
    bench, message = resumed(tariff, None, policy=TariffPolicy.ANY)
    assert intervals(tariff_in(message)) == [(0, None, 2), (1200, 1800, 3)]
    assert asked(bench) == []


def test_the_end_of_a_tariff_that_is_under_way_comes_nearer() -> None:
    _, message = resumed(tariff_of((0, 1000)), None, policy=TariffPolicy.ANY)
    assert intervals(tariff_in(message)) == [(0, 400, 1)]


@pytest.mark.req("V2G2-741", "V2G2-905")
def test_a_signed_tariff_that_does_not_change_over_time_keeps_its_signature() -> None:
    tariff = tariff_of((0, None))
    bench, message = resumed(tariff, signed(tariff))
    assert tariff_in(message) == tariff
    verify(message.header.signature, (SignedPart("SalesTariff", tariff),), KEY.public_key())
    assert asked(bench) == []


@pytest.mark.req("V2G2-741", "V2G2-905")
def test_the_back_end_signs_what_is_left_of_a_tariff() -> None:
    before, rest = tariff_of((0, None), (1800, 1800)), tariff_of((0, None), (1200, 1800))
    answer = ScheduleOffer((PowerSchedule(1, (PowerStep(0, 22_000.0),), 60, rest),), signed(rest))
    bench, message = resumed(before, signed(before), answer)
    assert tariff_in(message) == rest
    verify(message.header.signature, (SignedPart("SalesTariff", rest),), KEY.public_key())
    (question,) = asked(bench)
    assert (question.need.continued, question.need.gone) == (1, 600)
    body = message.body
    assert isinstance(body, iso2.ChargeParameterDiscoveryRes)
    assert body.sa_schedules is not None
    (entry,) = body.sa_schedules.sa_schedule_tuple[0].p_max_schedule.p_max_schedule_entry
    assert entry.time_interval == iso2.RelativeTimeInterval(start=0, duration=3000)  # that of the pause
    assert entry.p_max.value * 10**entry.p_max.multiplier == 11_000


@pytest.mark.parametrize("asks", [True, False])
def test_a_signed_tariff_that_is_not_renewed_is_left_out_and_the_schedule_stays(asks: bool) -> None:
    tariff = tariff_of((0, None), (1800, 1800))
    _, message = resumed(tariff, signed(tariff), asks=asks)
    assert tariff_in(message) is None
    assert message.header.signature is None


def test_an_answer_about_another_schedule_changes_nothing() -> None:
    tariff, other = tariff_of((0, None), (1800, 1800)), tariff_of((0, None))
    answer = ScheduleOffer((PowerSchedule(2, STEPS, 60, other),), signed(other))
    _, message = resumed(tariff, signed(tariff), answer)
    assert tariff_in(message) is None


def test_a_tariff_that_is_over_is_gone() -> None:
    _, message = resumed(tariff_of((0, 300)), None, policy=TariffPolicy.ANY)
    assert tariff_in(message) is None
