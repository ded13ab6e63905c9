"""A revoked vehicle certificate costs the session, whenever it is known."""

from __future__ import annotations

import dataclasses

import pytest

from secc.messages.iso20_common import ChargingSession, Processing
from secc.pki.revocation import RevocationStatus
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import Authorize, EndSession
from secc.session.ticket import Ticket
from secc.session.vehicle_events import AskVehicleStatus, VehicleStatusReported
from secc.settings import Iso20Config, RevocationCheck, SeccConfig
from tests.support import iso20 as r
from tests.support.installation import InstallationBench, bundle
from tests.support.iso20 import DC, Bench20, code

GOOD, REVOKED, UNKNOWN = RevocationStatus.GOOD, RevocationStatus.REVOKED, RevocationStatus.UNKNOWN
REQUIRE = dataclasses.replace(DC, iso20=Iso20Config(vehicle_revocation=RevocationCheck.REQUIRE))
OFF = dataclasses.replace(DC, iso20=Iso20Config(vehicle_revocation=RevocationCheck.OFF))


@pytest.fixture
def bench() -> Bench20:
    return Bench20(asks_vehicle=True).to_authorization()


def all_of(bench: Bench20, kind: type[object]) -> list[object]:
    return [output for _, _, outputs in bench.trace for output in outputs if isinstance(output, kind)]


def report(bench: Bench20, status: RevocationStatus, ticket: Ticket | None = None) -> None:
    (asked,) = all_of(bench, AskVehicleStatus)
    assert isinstance(asked, AskVehicleStatus)
    bench.feed(VehicleStatusReported(ticket or asked.ticket, status, "leaf"))


@pytest.mark.req("V2G20-2440")
def test_the_status_is_asked_with_the_first_message_and_authorization_waits_for_it(bench: Bench20) -> None:
    assert len(all_of(bench, AskVehicleStatus)) == 1
    assert bench.ask(r.authorization()).evse_processing is Processing.ONGOING
    assert all_of(bench, Authorize) == []
    report(bench, GOOD)
    bench.ask(r.authorization())
    assert len(all_of(bench, Authorize)) == 1
    bench.authorize()
    assert bench.ask(r.authorization()).evse_processing is Processing.FINISHED


@pytest.mark.req("V2G20-2440")
def test_a_revoked_vehicle_is_refused(bench: Bench20) -> None:
    report(bench, REVOKED)
    assert code(bench.ask(r.authorization())) == "FAILED"
    assert bench.session.state is S.ENDED


def test_an_unknown_status_is_what_the_operator_makes_of_it() -> None:
    tolerant = Bench20(asks_vehicle=True).to_authorization()
    report(tolerant, UNKNOWN)
    assert code(tolerant.ask(r.authorization())) == "OK"
    strict = Bench20(REQUIRE, asks_vehicle=True).to_authorization()
    report(strict, UNKNOWN)
    assert code(strict.ask(r.authorization())) == "FAILED"


def test_an_answer_that_is_late_counts_as_unknown() -> None:
    bench = Bench20(REQUIRE, asks_vehicle=True).to_authorization()
    bench.tick(3.1)
    assert code(bench.ask(r.authorization())) == "FAILED"


def test_a_revocation_that_is_known_after_the_grant_ends_the_charge() -> None:
    bench = Bench20(asks_vehicle=True).to_authorization()
    bench.tick(3.1)
    bench.ask(r.authorization())
    bench.authorize()
    bench.ask(r.authorization())
    report(bench, REVOKED)
    assert bench.session.stop is not None
    assert "revoked" in bench.session.stop.reason


def test_nothing_takes_a_revocation_back(bench: Bench20) -> None:
    report(bench, REVOKED)
    report(bench, GOOD)
    assert code(bench.ask(r.authorization())) == "FAILED"


def test_an_answer_to_another_question_is_ignored(bench: Bench20) -> None:
    report(bench, REVOKED, Ticket(99, 1))
    assert code(bench.ask(r.authorization())) == "OK"
    assert bench.session.state is S.WAIT_AUTHORIZATION
    assert not all_of(bench, EndSession)


def test_nothing_is_asked_without_a_responder_or_a_wish() -> None:
    for bench in (Bench20(), Bench20(OFF, asks_vehicle=True), Bench20(asks_vehicle=True, vehicle=None)):
        bench.to_authorization()
        assert all_of(bench, AskVehicleStatus) == []


@pytest.mark.parametrize("before", [True, False], ids=["before the request", "while it is ongoing"])
def test_a_revoked_vehicle_gets_no_contract(before: bool) -> None:
    bench = InstallationBench(asks_vehicle=True)
    bench.to_authorization()
    if before:
        report(bench, REVOKED)
    else:
        assert code(bench.install()) == "OK"
        report(bench, REVOKED)
        bench.provide(bundle())
    assert code(bench.install()) == "FAILED"
    assert bench.session.state is S.ENDED
    assert bench.deliveries == []


def resumed(config: SeccConfig) -> Bench20:
    """A session that was paused, after its charge parameters; it has no AuthorizationReq."""
    first = Bench20(config).to_schedule()
    first.ask(r.session_stop(ChargingSession.PAUSE))
    assert first.end is not None
    assert first.end.paused is not None
    bench = Bench20(config, paused=first.end.paused, asks_vehicle=True)
    assert code(bench.ask(r.session_setup(), first.end.paused.session_id)) == "OK_OldSessionJoined"
    assert code(bench.ask(r.dc_parameters())) == "OK"
    return bench


@pytest.mark.req("V2G20-2440")
def test_after_a_pause_the_schedules_wait_for_the_status() -> None:
    bench = resumed(REQUIRE)
    assert bench.ask(r.scheduled()).evse_processing is Processing.ONGOING
    report(bench, GOOD)
    assert bench.ask(r.scheduled()).evse_processing is Processing.FINISHED


@pytest.mark.req("V2G20-2440")
def test_after_a_pause_an_unknown_status_is_what_the_operator_makes_of_it() -> None:
    for config, expected in ((DC, "OK"), (REQUIRE, "FAILED")):
        late, unknown = resumed(config), resumed(config)
        late.tick(3.1)
        report(unknown, UNKNOWN)
        for bench in (late, unknown):
            assert code(bench.ask(r.scheduled())) == expected


def test_a_good_status_is_not_taken_back_by_one_that_knows_nothing() -> None:
    bench = Bench20(REQUIRE, asks_vehicle=True).to_authorization()
    report(bench, GOOD)
    report(bench, UNKNOWN)
    assert code(bench.ask(r.authorization())) == "OK"
