"""What the outlet says of its contactor: by ticket, in time, and beside the feedback."""

from __future__ import annotations

import pytest

from secc.session.inputs import ContactorReported
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot, EvseFault
from secc.session.outputs import CloseContactor, Notice, NoticeKind
from secc.session.ticket import Ticket
from tests.support import requests as r
from tests.support.bench import AC, Bench


def at_start(**outlet: object) -> Bench:
    bench = Bench(AC).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C, **outlet)
    return bench


def contactor_says(bench: Bench, closed: bool, *, old: bool = False) -> None:
    ticket = bench.ticket(CloseContactor)
    told = Ticket(ticket.generation, ticket.number - 1) if old else ticket
    bench.feed(ContactorReported(told, closed))


def stale(bench: Bench) -> list[str]:
    return [o.text for o in bench.outputs if isinstance(o, Notice) and o.kind is NoticeKind.STALE]


@pytest.mark.inv("INV-20")
def test_an_old_report_of_the_contactor_neither_starts_nor_ends_a_charge() -> None:
    bench = at_start()
    bench.request(r.start())
    contactor_says(bench, True, old=True)
    contactor_says(bench, False, old=True)
    assert len(stale(bench)) == 2
    assert bench.stands_in(State.CLOSING_CONTACTOR)
    contactor_says(bench, True)
    assert bench.stands_in(State.WAIT_FIRST_STATUS)
    contactor_says(bench, False, old=True)
    assert len(stale(bench)) == 3
    assert bench.session.energised is not None


@pytest.mark.inv("INV-30")
def test_a_contactor_that_reports_itself_open_in_the_loop_ends_the_charge() -> None:
    bench = Bench(AC).to_status()
    contactor_says(bench, True)
    assert bench.session.energised is not None
    contactor_says(bench, False)
    assert bench.session.energised is None
    assert (bench.session.fault, bench.session.fault_detail) == (EvseFault.CONTACTOR, "it opened by itself")


def test_a_report_after_the_stop_is_stale() -> None:
    bench = Bench(AC).to_status()
    bench.request(r.stop())
    contactor_says(bench, False)
    assert len(stale(bench)) == 1
    assert bench.session.fault is None


@pytest.mark.inv("INV-02")
def test_the_feedback_is_looked_at_ten_times_a_second_while_a_start_waits_for_it() -> None:
    bench = at_start(contactor_closed=True)
    bench.request(r.start())
    assert bench.session.deadline == bench.clock.now + 0.1
    bench.outlet(contactor_closed=False)
    contactor_says(bench, True)
    assert bench.stands_in(State.CLOSING_CONTACTOR)
    assert bench.session.deadline == bench.clock.now + 0.1


def test_a_contactor_that_says_nothing_is_late_after_its_time() -> None:
    bench = at_start()
    bench.request(r.start())
    bench.tick(2.8)
    assert not bench.ended
    bench.tick(0.3)
    assert bench.end is not None
    assert bench.end.fault is EvseFault.CONTACTOR
    assert bench.end.fault_detail == "it did not close in time"
    assert str(bench.end.code) == "FAILED_ContactorError"


@pytest.mark.inv("INV-10")
def test_a_start_without_a_grant_is_refused_after_any_history() -> None:
    bench = at_start()
    bench.session.grant = None
    response = bench.request(r.start())
    assert str(getattr(response, "response_code", "")) == "FAILED_PowerDeliveryNotApplied"
    assert not any(isinstance(output, CloseContactor) for output in bench.outputs)


@pytest.mark.inv("INV-02")
def test_the_report_of_the_first_start_does_not_confirm_the_second() -> None:
    bench = Bench(AC).to_status()
    bench.outlet(control_pilot=ControlPilot.B)
    bench.request(r.renegotiate())
    bench.request(r.ac_parameters())
    bench.outlet(control_pilot=ControlPilot.C, contactor_closed=False)
    assert bench.request(r.start()) is None
    bench.outlet(contactor_closed=True)
    assert bench.stands_in(State.CLOSING_CONTACTOR)
    contactor_says(bench, True)
    assert bench.stands_in(State.WAIT_FIRST_STATUS)
