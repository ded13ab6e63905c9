"""The key of the network: which EV receives it, and the validation before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secc.settings.slac import Validation
from secc.slac import events as e
from secc.slac import messages as m
from tests.support.matching import EV, EV_2, EVSE, MODEM, RUN, Bench

# --- the good case -----------------------------------------------------------------------------------------


def test_the_same_request_for_the_key_gets_the_same_answer_again() -> None:
    bench = Bench()
    first = bench.match()
    bench.choose()
    assert bench.take() == [first]


def test_the_key_is_not_given_ten_seconds_later() -> None:
    bench = Bench()
    bench.measure()
    bench.acknowledge()
    bench.take()
    bench.wait(10.01)
    bench.choose()
    assert bench.take() == []


# --- requests that must not be answered --------------------------------------------------------------------


@pytest.mark.parametrize(
    "prepare",
    [lambda b: None, lambda b: b.ask(), lambda b: (b.ask(), b.start()), lambda b: b.measure()],
    ids=["nothing", "asked", "started", "measured, not acknowledged"],
)
def test_no_key_before_the_measurement_is_acknowledged(prepare: Callable[[Bench], object]) -> None:
    bench = Bench()
    prepare(bench)
    bench.take()
    bench.choose()
    assert bench.take() == []


@pytest.mark.threat("SLAC-07")
def test_the_key_goes_to_no_other_ev() -> None:
    bench = Bench()
    bench.measure()
    bench.acknowledge()
    bench.take()
    bench.choose(ev=EV_2)
    bench.hear(EV_2, EVSE, m.SlacMatchReq(EV, EVSE, RUN))
    assert bench.take() == []


# --- the key -----------------------------------------------------------------------------------------------


@pytest.mark.threat("SLAC-08")
@pytest.mark.req("V2G3-A09-121")
def test_each_match_has_another_key() -> None:
    bench = Bench()
    first = bench.match()
    bench.put(e.VehicleGone())
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.put(e.VehicleConnected())
    second = bench.match()
    assert first.nmk != second.nmk
    assert first.nid != second.nid


# --- validation --------------------------------------------------------------------------------------------


def ready_to_validate(mode: Validation) -> Bench:
    bench = Bench(validation=mode)
    bench.measure()
    bench.acknowledge()
    bench.take()
    return bench


@pytest.mark.req("V2G3-A09-51", "V2G3-A09-72")
@pytest.mark.parametrize(("mode", "result"), [(Validation.OFF, 3), (Validation.NOT_REQUIRED, 4)])
def test_without_validation_the_ev_learns_that_and_may_match(mode: Validation, result: int) -> None:
    bench = ready_to_validate(mode)
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    assert bench.take() == [m.ValidateCnf(0, 0, result)]
    bench.choose()
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]


@pytest.mark.parametrize("toggles", [1, 2, 3])
def test_toggles_of_the_pilot_are_counted(toggles: int) -> None:
    bench = ready_to_validate(Validation.ON)
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.hear(EV, EVSE, m.ValidateReq(0, 19, 1))
    for _ in range(toggles):
        bench.wait(0.2)
        bench.put(e.PilotMoved(True))
        bench.wait(0.2)
        bench.put(e.PilotMoved(False))
    bench.take()
    bench.wait(2.0 - 0.4 * toggles)
    assert bench.take() == [m.ValidateCnf(0, toggles, 2)]
    bench.choose()
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]


def test_a_bouncing_pilot_is_no_toggle() -> None:
    bench = ready_to_validate(Validation.ON)
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.hear(EV, EVSE, m.ValidateReq(0, 9, 1))
    bench.wait(0.2)
    bench.put(e.PilotMoved(True))
    bench.wait(0.02)
    bench.put(e.PilotMoved(False))
    bench.take()
    bench.wait(0.78)
    assert bench.take() == [m.ValidateCnf(0, 0, 2)]


def test_the_first_answer_is_repeated_when_step_two_does_not_come() -> None:
    bench = ready_to_validate(Validation.ON)
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.wait(5.0)
    assert bench.take() == [m.ValidateCnf(0, 0, 1)] * 3
    assert bench.matching.runs == {}


@pytest.mark.req("V2G3-A09-85")
def test_a_result_other_than_ready_ends_the_validation_without_an_answer() -> None:
    bench = ready_to_validate(Validation.ON)
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.take()
    bench.hear(EV, EVSE, m.ValidateReq(0, 9, 3))
    bench.choose()
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]


@pytest.mark.req("V2G3-A09-77", "V2G3-A09-56")
def test_another_signal_type_is_ignored() -> None:
    bench = ready_to_validate(Validation.ON)
    bench.hear(EV, EVSE, m.ValidateReq(0xFF, 0, 1))
    assert bench.take() == []


@pytest.mark.req("V2G3-M09-13")
def test_a_second_validation_must_wait() -> None:
    bench = Bench(validation=Validation.ON)
    for ev in (EV, EV_2):
        bench.measure(ev)
        bench.acknowledge(ev)
    bench.take()
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.hear(EV_2, EVSE, m.ValidateReq(0, 0, 1))
    assert bench.take() == [m.ValidateCnf(0, 0, 1), m.ValidateCnf(0, 0, 0)]
