"""Metering confirmation: what the station asks for, and what it accepts as evidence."""

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from secc.messages import iso20_common as m
from secc.messages.iso20_common import EvseNotification
from secc.pki.receipts import verify_evidence
from secc.session.contract_events import ContractRefused, StoreReceipt
from secc.session.inputs import PauseRequested, StopRequested
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.states import SideState
from secc.session.outlet import EvseFault, MeterReading
from secc.session.outputs import Notice
from secc.session.streams import Stream
from secc.settings import CompatConfig, PncConfig, SeccConfig
from tests.support import iso20 as r
from tests.support.contracts import UTC, contract_leaf
from tests.support.iso20 import code
from tests.support.iso20_config import with_iso20
from tests.support.metering20 import METERED_AC, METERED_DC, READING, MeteredBench, signed

ASKED = EvseNotification.METERING_CONFIRMATION


def bench(**extra: Any) -> MeteredBench:
    return MeteredBench(**extra).in_loop()


def with_interval(config: SeccConfig, seconds: float | None) -> SeccConfig:
    return dataclasses.replace(config, pnc=PncConfig(receipt_interval=seconds))


def stream(found: MeteredBench) -> Any:
    return found.session.streams.get(Stream.METERING)


def receipts(found: MeteredBench) -> list[StoreReceipt]:
    return [output for output in found.outputs if isinstance(output, StoreReceipt)]


@pytest.mark.req("V2G20-1082", "V2G20-1083")
@pytest.mark.parametrize("config", [METERED_DC, METERED_AC], ids=["DC", "AC"])
def test_the_request_of_a_confirmation_comes_with_the_reading(config: Any) -> None:
    found = bench(config=config)
    assert found.for_seconds(4.5).evse_status is None
    response = found.for_seconds(0.5)
    assert response.evse_status.evse_notification is ASKED
    assert response.evse_status.notification_max_delay == 10
    assert response.meter_info.charged_energy_reading_wh == 1000
    assert response.meter_info.meter_id == READING.meter_id
    assert stream(found) is SideState.METERING_REQUESTED


def test_the_reading_that_was_sent_is_the_one_to_confirm_until_it_is_confirmed() -> None:
    found = bench()
    found.requested()
    found.outlet(meter=MeterReading("METER-1", 1004, utc=int(UTC)))
    response = found.for_seconds(2.0)
    assert response.evse_status.notification_max_delay == 8
    assert response.meter_info.charged_energy_reading_wh == 1000
    assert code(found.confirm()) == "OK"


@pytest.mark.req("V2G20-1083", "V2G20-1084")
def test_a_confirmation_is_kept_and_the_loop_goes_on() -> None:
    found = bench()
    found.requested()
    response = found.confirm()
    assert isinstance(response, m.MeteringConfirmationRes)
    assert code(response) == "OK"
    (kept,) = receipts(found)
    receipt = kept.receipt
    assert (receipt.energy, receipt.meter_id) == (1000, "METER-1")
    assert receipt.session_id == found.session.session_id
    proof, leaf = receipt.proof, receipt.contract.chain.leaf
    verify_evidence(proof.elements[0].fragment(), proof.signed_info, proof.value, leaf)
    assert found.session.state is S.WAIT_LOOP_DC
    assert found.loop().evse_status is None


def test_the_next_confirmation_is_requested_after_the_interval() -> None:
    found = bench()
    found.requested()
    found.confirm()
    found.outlet(meter=MeterReading("METER-1", 1500, utc=int(UTC)))
    assert found.for_seconds(4.5).evse_status is None
    assert found.for_seconds(0.5).meter_info.charged_energy_reading_wh == 1500
    assert code(found.confirm()) == "OK"
    assert [kept.receipt.energy for kept in receipts(found)] == [1000, 1500]


WRONG: dict[str, tuple[str, Any]] = {
    "another reading": ("meter_info", lambda d: _meter(d, charged_energy_reading_wh=1001)),
    "another meter": ("meter_info", lambda d: _meter(d, meter_id="METER-2")),
    "another time": ("meter_info", lambda d: _meter(d, meter_timestamp=int(UTC) + 1)),
    "no time": ("meter_info", lambda d: _meter(d, meter_timestamp=None)),
    "another session": ("session", lambda d: msgspec.structs.replace(d, session_id=bytes(8))),
    "another schedule": (
        "schedule",
        lambda d: msgspec.structs.replace(
            d, scheduled_smdt_control_mode=m.ScheduledSMDTControlMode(selected_schedule_tuple_id=2)
        ),
    ),
    "a receipt": ("receipt", lambda d: msgspec.structs.replace(d, receipt=m.Receipt(time_anchor=0))),
}


def _meter(data: m.SignedMeteringData, **changes: Any) -> m.SignedMeteringData:
    info = msgspec.structs.replace(data.meter_info, **changes)
    return msgspec.structs.replace(data, meter_info=info)


@pytest.mark.parametrize(("rule", "change"), WRONG.values(), ids=WRONG)
def test_other_values_than_those_that_were_sent_are_refused(rule: str, change: Any) -> None:
    found = bench()
    found.requested()
    assert code(found.confirm(change(found.data()))) == "FAILED_MeteringSignatureNotValid"
    assert found.ended
    assert receipts(found) == []
    (record,) = [output for output in found.outputs if isinstance(output, ContractRefused)]
    assert (record.step, record.rule) == ("MeteringConfirmationReq", rule)


def test_another_signature_is_refused() -> None:
    options: dict[str, Callable[[m.SignedMeteringData], dict[str, Any]]] = {
        "another key": lambda data: {"signature": signed(data, contract_leaf(serial=1).key)},
        "none": lambda _: {"unsigned": True},
        "of other data": lambda data: {"signature": signed(_meter(data, charged_energy_reading_wh=999))},
    }
    for how, option in options.items():
        found = bench()
        found.requested()
        assert code(found.confirm(**option(found.data()))) == "FAILED_MeteringSignatureNotValid", how
        assert found.ended
        assert receipts(found) == []


@pytest.mark.req("V2G20-1083")
def test_a_confirmation_that_nothing_requested_is_out_of_order() -> None:
    for on in (Stream.METERING, Stream.MAIN):
        found = bench()
        data = found.data(meter_info=m.MeterInfo(meter_id="METER-1", charged_energy_reading_wh=1000))
        assert code(found.confirm(data, stream=on)) == "FAILED_SequenceError"
        assert found.ended


def test_a_second_confirmation_is_out_of_order() -> None:
    found = bench()
    found.requested()
    data = found.data()
    assert code(found.confirm(data)) == "OK"
    assert code(found.confirm(data)) == "FAILED_SequenceError"
    assert len(receipts(found)) == 1


def test_an_ev_that_never_answers_is_not_asked_any_longer_and_the_session_lives() -> None:
    found = bench(config=with_interval(METERED_DC, 60.0))
    assert found.for_seconds(60.0).evse_status.evse_notification is ASKED
    assert found.for_seconds(9.5).evse_status.notification_max_delay == 1
    assert found.for_seconds(0.5).evse_status is None
    assert any(isinstance(one, Notice) and "in time" in one.text for one in found.outputs)
    assert stream(found) is SideState.METERING_LATE
    assert not found.ended


def test_a_late_confirmation_still_counts() -> None:
    found = bench(config=with_interval(METERED_DC, 60.0))
    found.for_seconds(72.0)
    assert code(found.confirm()) == "OK"
    assert len(receipts(found)) == 1


def test_an_ev_that_pays_at_the_outlet_is_not_asked() -> None:
    found = MeteredBench()
    found.to_first_loop_dc()
    assert found.for_seconds(12.0).evse_status is None


def test_without_a_reading_or_an_interval_nothing_is_asked() -> None:
    found = bench()
    found.outlet(meter=None)
    assert found.for_seconds(12.0).evse_status is None
    found = bench(config=with_interval(METERED_DC, None))
    assert found.for_seconds(12.0).evse_status is None


def test_what_is_more_urgent_goes_first() -> None:
    found = bench()
    found.requested()
    found.feed(PauseRequested())
    response = found.loop(meter_info_requested=True)
    assert response.evse_status.evse_notification is EvseNotification.PAUSE
    found = bench()
    found.feed(StopRequested())
    assert found.for_seconds(5.0).evse_status.evse_notification is EvseNotification.TERMINATE
    assert stream(found) is SideState.METERING_IDLE


def test_an_ev_may_confirm_on_the_main_stream_where_that_is_permitted() -> None:
    found = bench()
    found.requested()
    assert code(found.confirm(stream=Stream.MAIN)) == "OK"
    assert len(receipts(found)) == 1
    assert found.loop().evse_status is None
    strict = bench(config=dataclasses.replace(METERED_DC, compat=CompatConfig.strict()))
    strict.requested()
    assert code(strict.confirm(stream=Stream.MAIN)) == "FAILED_SequenceError"


def test_a_fault_refuses_a_confirmation() -> None:
    found = bench()
    found.requested()
    found.outlet(fault=EvseFault.RESIDUAL_CURRENT)
    assert code(found.confirm()) == "FAILED"
    assert found.ended


def test_a_confirmation_is_no_message_of_the_loop() -> None:
    found = bench()
    found.requested()
    found.tick(1.5)
    assert code(found.confirm()) == "OK"
    found.tick(1.0)
    assert found.end is not None
    assert found.end.reason.value == "sequence timeout"


@pytest.mark.parametrize("config", [METERED_DC, METERED_AC], ids=["DC", "AC"])
def test_in_standby_where_its_stream_is_closed_no_confirmation_is_requested(config: SeccConfig) -> None:
    found = bench(config=with_iso20(config, standby=True, insecure_lab=True))
    assert code(found.ask(r.standby())) == "OK"
    found.outlet(contactor_closed=False if config is METERED_AC else None)
    for _ in range(20):
        found.tick(0.5)
        assert found.loop().evse_status is None
    assert found.side.metering is None


OTHER_SERVICE = r.session_stop(m.ChargingSession.SERVICE_RENEGOTIATION)
LEAVES: dict[str, tuple[SeccConfig, tuple[Any, ...]]] = {
    "standby, AC": (METERED_AC, (r.standby(),)),
    "standby, DC": (METERED_DC, (r.standby(),)),
    "the end, AC": (METERED_AC, (r.stop(),)),
    "the end, DC": (METERED_DC, (r.stop(),)),
    "the end after welding detection": (METERED_DC, (r.stop(), r.welding())),
    "a new schedule on the main stream": (METERED_DC, (r.renegotiate(),)),
    "another service": (METERED_DC, (r.stop(), r.welding(), OTHER_SERVICE)),
}


def left(leave: str) -> MeteredBench:
    """A confirmation is requested, and then the EV leaves the loop."""
    config, requests = LEAVES[leave]
    found = bench(config=with_iso20(config, standby=True, service_renegotiation=True, insecure_lab=True))
    found.requested()
    for request in requests:
        assert code(found.ask(request)) == "OK"
    found.outlet(contactor_closed=None if config.energy.offers_dc else False)
    return found


@pytest.mark.req("V2G20-1083", "V2G20-1084")
@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("seconds", [0.0, 11.0], ids=["in time", "late"])
def test_a_confirmation_after_the_ev_has_left_the_loop_is_evidence(leave: str, seconds: float) -> None:
    found = left(leave)
    state = found.session.state
    found.tick(seconds)
    assert code(found.confirm()) == "OK"
    assert len(receipts(found)) == 1
    assert (found.session.state, stream(found), found.ended) == (state, None, False)


@pytest.mark.parametrize("leave", ["standby, AC", "standby, DC", "the end, AC", "the end, DC"])
def test_an_ev_that_confirms_on_the_main_stream_may_be_late_as_well(leave: str) -> None:
    found = left(leave)
    assert code(found.confirm(stream=Stream.MAIN)) == "OK"
    assert (len(receipts(found)), stream(found), found.ended) == (1, None, False)


def test_after_the_loop_a_second_confirmation_is_out_of_order() -> None:
    found = left("the end, DC")
    data = found.data()
    assert code(found.confirm(data)) == "OK"
    assert code(found.confirm(data)) == "FAILED_SequenceError"


def test_a_confirmation_that_crosses_the_next_request_is_evidence_and_the_next_is_awaited() -> None:
    found = bench(config=with_interval(METERED_DC, 4.0))
    found.for_seconds(4.0)
    first = found.data()
    found.outlet(meter=MeterReading("METER-1", 1004, utc=int(UTC)))
    found.for_seconds(4.0)
    second = found.data()
    assert code(found.confirm(first)) == "OK"
    assert stream(found) is SideState.METERING_REQUESTED
    assert code(found.confirm(second)) == "OK"
    assert [kept.receipt.energy for kept in receipts(found)] == [1000, 1004]
    assert stream(found) is SideState.METERING_IDLE


def test_an_older_reading_than_the_last_two_is_refused() -> None:
    found = bench(config=with_interval(METERED_DC, 4.0))
    found.for_seconds(4.0)
    first = found.data()
    for energy in (1004, 1008):
        found.outlet(meter=MeterReading("METER-1", energy, utc=int(UTC)))
        found.for_seconds(4.0)
    assert code(found.confirm(first)) == "FAILED_MeteringSignatureNotValid"


def test_a_reading_that_has_not_changed_is_confirmed_once() -> None:
    found = bench()
    found.requested()
    found.confirm()
    found.outlet(meter=MeterReading("METER-1", 1000, utc=int(UTC) + 60))
    assert found.for_seconds(30.0).evse_status is None
    found.outlet(meter=MeterReading("METER-1", 1001, utc=int(UTC) + 61))
    assert found.loop().evse_status.evse_notification is ASKED
    assert code(found.confirm()) == "OK"
    assert [kept.receipt.energy for kept in receipts(found)] == [1000, 1001]


@pytest.mark.req("V2G20-1083")
def test_power_delivery_has_no_reading_and_requests_no_confirmation() -> None:
    found = bench()
    found.requested()
    assert found.ask(r.stop()).evse_status is None


@pytest.mark.inv("INV-15")
def test_a_confirmation_while_a_start_is_owed_ends_the_session_with_the_output_off() -> None:
    found = left("standby, AC")
    data = found.data()
    found.ask(r.start())
    assert found.session.state is S.CLOSING_CONTACTOR
    assert code(found.confirm(data)) == "FAILED_SequenceError"
    assert (found.ended, found.session.energised) == (True, None)


def test_a_reading_that_is_requested_again_is_confirmed_once() -> None:
    found = bench(config=with_interval(METERED_DC, 4.0))
    found.for_seconds(4.0)
    first = found.data()
    found.outlet(meter=MeterReading("METER-1", 1000, utc=int(UTC) + 4))
    assert found.for_seconds(4.0).evse_status.notification_max_delay == 10
    assert found.data() == first
    assert code(found.confirm()) == "OK"
    assert code(found.confirm(first)) == "FAILED_SequenceError"
    assert len(receipts(found)) == 1
