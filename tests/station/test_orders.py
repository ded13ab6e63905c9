"""The order of commands to an outlet and the lease that goes with them, without a driver or a clock."""

from __future__ import annotations

import math

import pytest

from secc.session.outputs import CloseContactor, OpenContactor, SetOutput, StartCableCheck
from secc.session.ticket import Ticket
from secc.station.orders import Command, Orders, switches_off
from tests.support.wire import (
    Car,
    config,
    eventually,
    running,
    to_charge_loop,
    to_session,
)

OFF = SetOutput(0.0, 0.0)
OPEN = OpenContactor()
CLOSE = CloseContactor(Ticket(1, 1))
TEST = StartCableCheck(Ticket(1, 2), 500.0)
LOW, HIGH = SetOutput(400.0, 10.0), SetOutput(400.0, 50.0)


def orders(*commands: Command, now: float = 10.0, until: float = 10.5) -> Orders:
    """With a lease of 0.5 s, wanted until `until`, and these commands added at `now`."""
    made = Orders(0.5)
    for command in commands:
        made.add(command, now)
    made.want(until)
    return made


def delivering(point: SetOutput) -> Orders:
    """The set-point is in effect, the lease passed on until 10.5."""
    made = orders(point)
    made.begin(10.0)
    made.lease_until = 10.5
    made.finish()
    return made


def drained(made: Orders) -> list[Command]:
    """What comes, one after the other."""
    found = []
    while (command := made.begin(10.0)) is not None:
        found.append(command)
        made.finish()
    return found


@pytest.mark.parametrize(
    ("command", "expected"),
    [(OFF, True), (OPEN, True), (CLOSE, False), (TEST, False), (SetOutput(0.0, 1.0), False)],
)
def test_what_takes_energy_off(command: Command, expected: bool) -> None:
    assert switches_off(command) is expected


def test_new_orders_have_nothing_in_progress_and_no_lease() -> None:
    made = Orders(0.5)
    assert made.running is None
    assert made.lease_until == -math.inf
    assert [made.superseded, made.overdue, made.off_waits, made.withheld] == [False] * 4
    assert made.lease_due(0.0) is None
    assert made.begin(0.0) is None
    assert made.began == 0.0


# --- the order of commands ---


def test_an_off_goes_first_and_drops_what_would_energise() -> None:
    assert drained(orders(CLOSE, HIGH, OFF, OPEN)) == [OFF, OPEN]


def test_an_off_waits_once_however_often_it_is_ordered() -> None:
    assert drained(orders(OPEN, OFF, OPEN, OFF)) == [OPEN, OFF]


def test_an_off_that_is_in_progress_is_not_ordered_again() -> None:
    made = orders(OPEN)
    made.begin(10.0)
    made.add(OPEN, 10.1)
    assert not made.off_waits
    made.add(OFF, 10.1)
    assert made.off_waits


def test_the_newest_set_point_takes_the_place_of_one_that_waits_and_comes_after_the_rest() -> None:
    assert drained(orders(CLOSE, HIGH, TEST, LOW)) == [CLOSE, TEST, LOW]


def test_the_next_command_begins_now_and_is_the_one_in_progress() -> None:
    made = orders(HIGH)
    assert made.begin(12.5) == HIGH
    assert (made.running, made.began) == (HIGH, 12.5)
    made.finish()
    assert made.running is None


def test_an_off_supersedes_what_energises_and_is_in_progress() -> None:
    made = orders(HIGH)
    made.begin(10.0)
    made.add(OFF, 10.1)
    assert made.superseded
    made.overdue = True
    made.finish()
    assert not made.superseded
    assert not made.overdue
    made.superseded = made.overdue = True
    made.begin(10.2)
    assert not made.superseded
    assert not made.overdue


def test_an_off_does_not_supersede_an_off() -> None:
    made = orders(OPEN)
    made.begin(10.0)
    made.add(OFF, 10.1)
    assert not made.superseded


def test_withdrawing_drops_what_waits_and_the_lease() -> None:
    made = delivering(HIGH)
    made.add(LOW, 10.1)
    made.withdraw()
    assert made.lease_until == -math.inf
    assert not made.superseded
    assert not made.withheld
    assert made.begin(10.1) is None
    assert made.lease_due(10.1) is None


# --- whether a command may be called ---


@pytest.mark.inv("INV-31")
def test_what_energises_needs_a_lease_that_runs_and_an_off_does_not() -> None:
    made = orders(HIGH)
    made.lease_until = 10.5
    assert not made.may_begin(9.0)
    made.begin(10.0)
    assert made.may_begin(10.4)
    assert not made.may_begin(10.5)
    made.finish()
    made.add(OFF, 11.0)
    made.begin(11.0)
    assert made.may_begin(11.0)


# --- the lease ---


@pytest.mark.inv("INV-31")
def test_a_lease_is_due_for_as_long_as_the_session_wants() -> None:
    made = delivering(HIGH)
    made.want(10.7)
    assert made.lease_due(10.2) == 10.7
    made.lease_until = 10.7
    assert made.lease_due(10.2) is None
    assert made.lease_due(10.8) is None


def test_a_lease_that_would_be_over_is_not_passed_on() -> None:
    made = delivering(HIGH)
    made.want(10.7)
    assert made.lease_due(10.7) is None
    assert made.lease_due(10.69) == 10.7


@pytest.mark.inv("INV-31")
@pytest.mark.parametrize("off", [OFF, OPEN])
def test_no_lease_while_an_off_waits_or_is_in_progress(off: Command) -> None:
    made = delivering(HIGH)
    made.add(off, 10.1)
    made.want(10.7)
    assert made.lease_due(10.1) is None
    assert not made.withheld
    made.begin(10.1)
    assert made.lease_due(10.1) is None
    assert not made.withheld
    made.finish()
    assert made.lease_due(10.1) == 10.7
    assert made.withheld


def test_no_lease_while_a_call_is_past_its_limit() -> None:
    made = orders(CLOSE)
    made.begin(10.0)
    assert made.lease_due(10.0) == 10.5
    made.overdue = True
    assert made.lease_due(10.0) is None
    assert not made.withheld


@pytest.mark.inv("INV-32")
@pytest.mark.parametrize("off", [OFF, OPEN])
def test_after_a_bar_nothing_is_leased_before_an_off_has_returned(off: Command) -> None:
    made = delivering(HIGH)
    made.add(CLOSE, 10.1)
    made.bar()
    assert made.lease_until == -math.inf
    assert made.begin(10.1) is None
    made.want(10.7)
    assert made.lease_due(10.1) is None
    made.add(HIGH, 10.1)
    made.begin(10.1)
    made.finish()
    assert made.lease_due(10.1) is None
    made.add(off, 10.2)
    made.begin(10.2)
    made.finish()
    made.want(10.7)
    assert made.lease_due(10.2) == 10.7


@pytest.mark.inv("INV-08")
@pytest.mark.parametrize("lower", [SetOutput(400.0, 49.0), SetOutput(399.0, 50.0), SetOutput(300.0, 90.0)])
def test_no_lease_while_a_lower_set_point_waits(lower: SetOutput) -> None:
    made = delivering(HIGH)
    made.add(lower, 10.1)
    made.want(10.7)
    assert made.lease_due(10.1) is None


@pytest.mark.inv("INV-08")
@pytest.mark.parametrize("other", [HIGH, SetOutput(400.0, 51.0), SetOutput(401.0, 50.0)])
def test_a_set_point_that_lowers_nothing_does_not_hold_the_lease(other: SetOutput) -> None:
    made = delivering(HIGH)
    made.add(other, 10.1)
    made.want(10.7)
    assert made.lease_due(10.1) == 10.7
    made.begin(10.2)
    assert made.lease_due(10.2) == 10.7


@pytest.mark.inv("INV-08")
def test_the_lease_ends_half_a_second_after_the_lower_set_point_was_ordered() -> None:
    made = delivering(HIGH)
    made.add(LOW, 10.1)
    made.add(SetOutput(400.0, 5.0), 10.3)  # the first one counts: it lowers already
    made.want(11.0)
    made.begin(10.4)
    assert made.lease_due(10.4) == pytest.approx(10.6)
    made.want(10.55)
    assert made.lease_due(10.4) == 10.55
    made.want(11.0)
    made.finish()
    assert made.lease_due(10.4) == 11.0


@pytest.mark.inv("INV-08")
def test_a_lower_set_point_after_a_higher_one_counts_from_its_order() -> None:
    made = delivering(LOW)
    made.add(HIGH, 10.1)
    made.add(SetOutput(400.0, 5.0), 10.3)
    made.want(11.0)
    made.begin(10.4)
    assert made.lease_due(10.4) == pytest.approx(10.8)


@pytest.mark.inv("INV-08")
def test_a_set_point_is_compared_with_the_one_in_progress_too() -> None:
    made = delivering(LOW)
    made.add(HIGH, 10.1)
    made.begin(10.1)
    made.add(LOW, 10.2)  # lower than what may be in effect by now
    made.want(10.7)
    assert made.lease_due(10.2) is None


@pytest.mark.inv("INV-08")
def test_after_a_failed_set_point_the_higher_of_both_is_what_may_be_in_effect() -> None:
    made = delivering(LOW)
    made.add(SetOutput(300.0, 90.0), 10.1)
    made.begin(10.1)
    made.finish(good=False)
    made.want(10.7)
    made.add(SetOutput(399.0, 90.0), 10.2)
    assert made.lease_due(10.2) is None
    made.add(SetOutput(400.0, 89.0), 10.2)
    assert made.lease_due(10.2) is None
    made.add(SetOutput(400.0, 90.0), 10.2)
    assert made.lease_due(10.2) == 10.7


@pytest.mark.inv("INV-08")
def test_a_higher_set_point_that_failed_may_be_in_effect_all_the_same() -> None:
    made = delivering(LOW)
    made.add(SetOutput(450.0, 20.0), 10.1)
    made.begin(10.1)
    made.finish(good=False)
    made.want(10.7)
    for lower in (SetOutput(449.0, 20.0), SetOutput(450.0, 19.0)):
        made.add(lower, 10.2)
        assert made.lease_due(10.2) is None
    made.add(SetOutput(450.0, 20.0), 10.2)
    assert made.lease_due(10.2) == 10.7


@pytest.mark.inv("INV-08")
@pytest.mark.parametrize("command", [OFF, OPEN, TEST])
def test_after_an_off_or_a_test_nothing_is_in_effect(command: Command) -> None:
    made = delivering(HIGH)
    made.add(command, 10.1)
    made.begin(10.1)
    made.finish()
    made.add(LOW, 10.2)
    made.want(10.7)
    assert made.lease_due(10.2) == 10.7


@pytest.mark.inv("INV-08")
@pytest.mark.parametrize(("command", "good"), [(OPEN, False), (TEST, False), (CLOSE, True)])
def test_an_off_that_fails_or_a_contactor_that_closes_leaves_in_effect_what_was(
    command: Command, good: bool
) -> None:
    made = delivering(HIGH)
    made.add(command, 10.1)
    made.begin(10.1)
    made.finish(good=good)
    made.add(LOW, 10.2)
    made.want(10.7)
    assert made.lease_due(10.2) is None


# --- a driver that is starved of its lease ---


@pytest.mark.inv("INV-08")
def test_the_driver_starves_when_the_lower_set_point_is_still_out_after_the_lease() -> None:
    made = delivering(HIGH)
    made.add(LOW, 10.1)
    made.want(10.9)
    assert not made.starved(10.4)
    assert made.starved(10.5)
    made.begin(10.5)
    assert made.starved(10.6)
    assert not made.starved(10.9)
    made.finish()
    assert not made.starved(10.6)


@pytest.mark.inv("INV-08")
def test_the_driver_does_not_starve_when_an_off_is_on_its_way() -> None:
    made = delivering(HIGH)
    made.add(OFF, 10.1)
    made.add(LOW, 10.2)
    made.want(10.9)
    assert not made.starved(10.6)


def test_a_lease_is_withheld_while_the_session_wants_more_than_the_driver_has() -> None:
    made = delivering(HIGH)
    assert not made.withheld
    made.want(10.7)
    assert made.withheld
    made.lease_until = 10.7
    assert not made.withheld


# --- both directions ---------------------------------------------------------------------------------------

BACK = SetOutput(350.0, -50.0)
"""Take 50 A while the battery has at least 350 V."""


@pytest.mark.inv("INV-08")
@pytest.mark.parametrize(
    "lower", [SetOutput(350.0, -49.0), SetOutput(351.0, -50.0), SetOutput(400.0, 0.0), SetOutput(400.0, 50.0)]
)
def test_no_lease_while_less_discharge_waits(lower: SetOutput) -> None:
    made = delivering(BACK)
    made.add(lower, 10.1)
    made.want(10.7)
    assert made.lease_due(10.1) is None


@pytest.mark.parametrize("other", [BACK, SetOutput(350.0, -51.0), SetOutput(349.0, -50.0)])
def test_more_discharge_does_not_hold_the_lease(other: SetOutput) -> None:
    made = delivering(BACK)
    made.add(other, 10.1)
    made.want(10.7)
    assert made.lease_due(10.1) == 10.7


@pytest.mark.inv("INV-08")
def test_a_change_of_direction_takes_the_charge_away_first() -> None:
    made = delivering(HIGH)
    made.add(BACK, 10.1)
    made.want(10.7)
    assert made.lease_due(10.1) is None


def test_after_a_failed_change_of_direction_either_may_be_in_effect() -> None:
    made = delivering(HIGH)
    made.add(BACK, 10.1)
    made.begin(10.1)
    made.finish(good=False)
    for less in (SetOutput(400.0, 0.0), SetOutput(350.0, -40.0)):
        made.add(less, 10.2)
        made.want(10.8)
        assert made.lease_due(10.2) is None


@pytest.mark.inv("INV-08")
@pytest.mark.parametrize(
    ("failed", "less"),
    [
        (SetOutput(340.0, -60.0), SetOutput(340.0, -55.0)),
        (SetOutput(340.0, -60.0), SetOutput(345.0, -60.0)),
        (SetOutput(360.0, -40.0), SetOutput(350.0, -45.0)),
        (SetOutput(360.0, -40.0), SetOutput(355.0, -50.0)),
    ],
)
def test_after_a_failed_change_of_the_discharge_the_larger_one_may_be_in_effect(
    failed: SetOutput, less: SetOutput
) -> None:
    made = delivering(BACK)
    made.add(failed, 10.1)
    made.begin(10.1)
    made.finish(good=False)
    made.add(less, 10.2)
    made.want(10.8)
    assert made.lease_due(10.2) is None


async def test_the_owner_can_stop_a_charge() -> None:
    async with running(config(stop_delay=0.2)) as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        bed.station.stop_charging("operator")
        await bed.until("close_contactor", "open_contactor")
        car.close()


async def test_the_owner_can_withdraw_the_authorization() -> None:
    async with running(config(stop_delay=0.2)) as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        bed.station.withdraw_authorization()
        await eventually(lambda: "open_contactor" in bed.outlet.calls)
        car.close()


async def test_a_power_limit_holds_for_later_sessions() -> None:
    async with running() as bed:
        bed.station.limit_power(3000.0)
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        core = next(iter(bed.station._sessions.links)).connection
        assert core is not None
        assert core.session.external_limit == 3000.0
        bed.station.permit_discharge(2000.0)
        await eventually(lambda: core.session.discharge_permitted == 2000.0)
        bed.station.limit_power(None)
        bed.station.renegotiate()
        await eventually(lambda: core.session.external_limit is None)
        car.close()


async def test_orders_without_a_session_do_nothing() -> None:
    async with running() as bed:
        bed.station.stop_charging()
        bed.station.renegotiate()
        bed.station.renegotiate_service()
        bed.station.request_pause()
        bed.station.set_power(-1000.0)
        bed.station.permit_discharge(None)
        bed.station.withdraw_authorization()
        bed.station.reset_fault()
        assert bed.station.health.serving
