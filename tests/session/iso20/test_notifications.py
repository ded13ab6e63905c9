"""EVSEStatus: one wish at a time, by urgency, with a delay that counts down."""

from typing import Any

import pytest

from secc.messages.iso20_common import EvseNotification, EVSEStatus
from secc.session.inputs import (
    PauseRequested,
    RenegotiationRequested,
    ServiceRenegotiationRequested,
    StopRequested,
)
from secc.session.outputs import EndReason, OpenContactor
from tests.support import iso20 as r
from tests.support.iso20 import DC, DYNAMIC, Bench20, code
from tests.support.iso20_config import with_iso20


def looping(parameter_set: int = 1, **iso20: Any) -> Bench20:
    bench = Bench20(with_iso20(DC, **iso20)).to_first_loop_dc(2, parameter_set)
    bench.ask(request(parameter_set))
    return bench


def request(parameter_set: int = 1) -> Any:
    return r.dc_loop() if parameter_set == 1 else r.dc_dynamic_loop()


def status(bench: Bench20, parameter_set: int = 1) -> EVSEStatus | None:
    found: EVSEStatus | None = bench.ask(request(parameter_set)).evse_status
    return found


def test_without_a_wish_there_is_no_status() -> None:
    assert status(looping()) is None


@pytest.mark.req("V2G20-1850", "V2G20-3308", "V2G20-3317", "V2G20-3318")
def test_a_wished_pause_counts_down_until_the_ev_follows() -> None:
    bench = looping(DYNAMIC)
    bench.feed(PauseRequested())
    first = status(bench, DYNAMIC)
    assert first == EVSEStatus(notification_max_delay=60, evse_notification=EvseNotification.PAUSE)
    bench.tick(1.5)
    bench.feed(PauseRequested())  # a second wish does not begin again
    later = status(bench, DYNAMIC)
    assert later is not None
    assert later.notification_max_delay == 59


def test_a_pause_that_is_not_followed_ends_the_charge() -> None:
    bench = looping(DYNAMIC, pause_delay=5.0)
    bench.feed(PauseRequested())
    for _ in range(5):
        bench.tick(1.0)
        bench.ask(request(DYNAMIC))
    found = status(bench, DYNAMIC)
    assert found is not None
    assert found.evse_notification is EvseNotification.TERMINATE


@pytest.mark.req("V2G20-1414", "V2G20-1416")
def test_a_stop_is_terminate_and_is_enforced() -> None:
    bench = looping()
    bench.feed(StopRequested())
    found = status(bench)
    assert found == EVSEStatus(notification_max_delay=10, evse_notification=EvseNotification.TERMINATE)
    for _ in range(9):
        bench.tick(1.0)
        assert code(bench.ask(request())) == "OK"
    bench.tick(1.1)
    assert bench.session.energised is None
    assert code(bench.ask(request())) == "FAILED"
    assert OpenContactor() in bench.last


@pytest.mark.req("V2G20-1845")
def test_a_wished_schedule_is_asked_for_until_the_ev_renegotiates() -> None:
    bench = looping()
    bench.feed(RenegotiationRequested())
    found = status(bench)
    assert found is not None
    assert found.evse_notification is EvseNotification.SCHEDULE_RENEGOTIATION
    bench.ask(r.renegotiate())
    bench.ask(r.scheduled())
    bench.ask(r.renegotiate(r.profile()))
    assert status(bench) is None


@pytest.mark.req("V2G20-1964")
def test_a_wished_service_is_asked_for_only_where_it_is_supported() -> None:
    bench = looping()
    bench.feed(ServiceRenegotiationRequested())
    found = status(bench)
    assert found is not None
    assert found.evse_notification is EvseNotification.SERVICE_RENEGOTIATION
    bench = looping(service_renegotiation=False)
    bench.feed(ServiceRenegotiationRequested())
    assert status(bench) is None


def test_the_most_urgent_wish_is_said_first() -> None:
    bench = looping()
    expected = [
        EvseNotification.SCHEDULE_RENEGOTIATION,
        EvseNotification.SERVICE_RENEGOTIATION,
        EvseNotification.PAUSE,
        EvseNotification.TERMINATE,
    ]
    wishes = [RenegotiationRequested(), ServiceRenegotiationRequested(), PauseRequested(), StopRequested()]
    for wish, notification in zip(wishes, expected, strict=True):
        bench.feed(wish)  # type: ignore[arg-type]
        found = status(bench)
        assert found is not None
        assert found.evse_notification is notification


def test_an_ev_may_ignore_a_renegotiation() -> None:
    bench = looping(notification_delay=5.0)
    bench.feed(RenegotiationRequested())
    for _ in range(30):
        bench.tick(1.0)
        assert code(bench.ask(request())) == "OK"
    assert not bench.ended
    assert bench.end is None or bench.end.reason is not EndReason.REFUSED
