"""Receipts that the EV signs while it charges."""

from __future__ import annotations

import pytest

from secc.messages import iso2
from secc.messages.iso2 import PaymentOption
from secc.pki.issuing import new_key
from secc.session.contract_events import (
    StoreReceipt,
)
from secc.session.outlet import ControlPilot, MeterReading
from secc.session.outputs import OpenContactor
from tests.support import requests
from tests.support.bench import code
from tests.support.pnc import (
    PNC_AC,
    PNC_DC,
    PncBench,
    outputs_of,
    with_pnc,
)


def receipts(*, dc: bool = False, interval: float = 0.0) -> PncBench:
    bench = PncBench(with_pnc(PNC_DC if dc else PNC_AC, receipt_interval=interval))
    return bench.to_loop_dc() if dc else bench.to_loop_ac()


@pytest.mark.req("V2G2-577", "V2G2-580", "V2G2-795", "V2G2-796", "V2G2-797")
@pytest.mark.parametrize("dc", [False, True])
def test_a_signed_receipt_is_kept_and_the_loop_goes_on(dc: bool) -> None:
    bench = receipts(dc=dc)
    loop = requests.current_demand() if dc else requests.charging_status()
    found = bench.request(loop)
    assert getattr(found, "receipt_required", None) is True
    assert code(bench.signed(bench.receipt())) == "OK"
    (kept,) = outputs_of(bench, StoreReceipt)
    assert isinstance(kept, StoreReceipt)
    assert kept.receipt.energy == 1000
    assert code(bench.request(loop)) == "OK"


def test_after_a_receipt_dc_may_stop_or_negotiate_again() -> None:
    for request in (requests.stop(), requests.dc_parameters()):
        bench = receipts(dc=True)
        bench.request(requests.current_demand())
        bench.signed(bench.receipt())
        assert code(bench.request(request)) == "OK"


def asked_at(readings: list[int]) -> list[int]:
    """The seconds at which a receipt is asked for, and signed, with these readings second by second."""
    bench = receipts(interval=10.0)
    asked = []
    for second, energy in enumerate(readings):
        bench.outlet(meter=MeterReading("METER-1", energy))
        found = bench.request(requests.charging_status())
        assert isinstance(found, iso2.ChargingStatusRes)
        if found.receipt_required:
            asked.append(second)
            bench.signed(bench.receipt())
        bench.tick(1.0)
    return asked


def test_receipts_come_at_their_interval() -> None:
    assert asked_at([1000 + second for second in range(25)]) == [10, 20]


def test_a_reading_that_has_not_changed_is_signed_once() -> None:
    assert asked_at([1000] * 25 + [1001] * 5) == [10, 25]


@pytest.mark.req("V2G2-577")
def test_nothing_but_the_receipt_may_follow() -> None:
    bench = receipts()
    bench.request(requests.charging_status())
    assert code(bench.request(requests.charging_status())) == "FAILED_SequenceError"


@pytest.mark.req("V2G2-481")
@pytest.mark.parametrize(
    "changes",
    [
        {"meter_info": iso2.MeterInfo(meter_id="METER-1", meter_reading=999)},
        {"session_id": bytes(8)},
        {"sa_schedule_tuple_id": 7},
    ],
    ids=["reading", "session", "schedule"],
)
def test_a_receipt_with_other_values(changes: dict[str, object]) -> None:  # PNC-14
    bench = receipts()
    bench.request(requests.charging_status())
    assert code(bench.signed(bench.receipt(**changes))) == "FAILED_MeteringSignatureNotValid"
    assert outputs_of(bench, StoreReceipt) == []
    assert OpenContactor() in bench.last


@pytest.mark.req("V2G2-481", "V2G2-904")
@pytest.mark.parametrize("key", [None, "thief"])
def test_a_receipt_unsigned_or_by_another_key(key: str | None) -> None:  # PNC-14
    bench = receipts()
    bench.request(requests.charging_status())
    receipt = bench.receipt()
    signature = None if key is None else bench.car.sign(receipt, new_key(key.encode()))
    found = bench.request(receipt, signature=signature)
    assert code(found) == "FAILED_MeteringSignatureNotValid"


@pytest.mark.req("V2G2-691")
def test_no_receipts_without_a_reading_or_with_external_payment() -> None:
    bench = receipts()
    bench.outlet(meter=None)
    found = bench.request(requests.charging_status())
    assert isinstance(found, iso2.ChargingStatusRes)
    assert found.receipt_required is False
    external = PncBench(with_pnc(PNC_AC, receipt_interval=0.0)).select(PaymentOption.EXTERNAL_PAYMENT)
    external.request(requests.authorization())
    external.authorize()
    external.request(requests.authorization())
    external.request(requests.ac_parameters())
    external.outlet(control_pilot=ControlPilot.C)
    external.request(requests.start())
    external.contactor()
    found = external.request(requests.charging_status())
    assert isinstance(found, iso2.ChargingStatusRes)
    assert found.receipt_required is False
