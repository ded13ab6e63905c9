"""Sales tariffs: they reach the EV as the operator signed them, or not at all."""

from __future__ import annotations

import dataclasses

import pytest

from secc import exi
from secc.config import EnergyConfig, TariffPolicy
from secc.messages import iso2
from secc.messages.xmldsig import Signature
from secc.pki.profiles import Kind
from secc.pki.xmldsig import Element, sign, verify
from secc.session.events import AskSchedules, PowerSchedule, PowerStep, ScheduleOffer, SchedulesOffered, Send
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
    bench.request(requests.ac_parameters())
    (message,) = [output.message for output in bench.last if isinstance(output, Send)]
    return message


def tariff_in(message: iso2.V2GMessage) -> iso2.SalesTariff | None:
    body = message.body
    assert isinstance(body, iso2.ChargeParameterDiscoveryRes)
    assert body.sa_schedules is not None
    return body.sa_schedules.sa_schedule_tuple[0].sales_tariff


@pytest.mark.req("V2G2-905")
def test_a_signed_tariff_reaches_the_ev_and_verifies_there() -> None:
    message = answered(TARIFF, sign((Element("SalesTariff", TARIFF),), KEY))
    received = exi.ISO2.decode(exi.ISO2.encode(message))
    tariff = tariff_in(received)
    assert tariff == TARIFF
    verify(received.header.signature, (Element("SalesTariff", tariff),), KEY.public_key())


@pytest.mark.parametrize(
    ("signature", "policy", "tls"),
    [
        (None, TariffPolicy.SIGNED, True),
        (sign((Element("SalesTariff", OTHER),), KEY), TariffPolicy.SIGNED, True),
        (sign((Element("SalesTariff", TARIFF),), KEY), TariffPolicy.NONE, True),
        (sign((Element("SalesTariff", TARIFF),), KEY), TariffPolicy.SIGNED, False),
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
