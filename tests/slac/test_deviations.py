"""Deviations of EVs that the settings name, one by one."""

from __future__ import annotations

import pytest

from secc.settings import Deviation
from secc.settings.slac import Validation
from secc.slac import events as e
from secc.slac import messages as m
from secc.slac.frames import BROADCAST, Frame, encode
from tests.support.matching import EV, EVSE, RUN, Bench, unmoved

TEXT = b"EV-ID of a tool".ljust(17, b"\0")


def tolerant(*deviations: Deviation) -> Bench:
    bench = Bench(tolerate=deviations)
    bench.measure()
    bench.take()
    return bench


def test_identifiers_that_are_not_zero_are_tolerated_by_their_name_and_copied_into_the_answer() -> None:
    bench = tolerant(Deviation.IDENTIFIERS)
    bench.hear(EV, EVSE, m.AttenCharRsp(EV, RUN, TEXT))
    bench.hear(EV, EVSE, m.SlacMatchReq(EV, EVSE, RUN, pev_id=TEXT))
    (answer,) = bench.take()
    assert isinstance(answer, m.SlacMatchCnf)
    assert answer.pev_id == TEXT


def test_a_request_for_the_key_to_all_stations_is_tolerated_by_its_name_but_must_name_this_station() -> None:
    bench = tolerant(Deviation.GROUP)
    bench.acknowledge()
    other = bytes.fromhex("0200000000c2")
    assert unmoved(bench, encode(Frame(BROADCAST, EV, m.SlacMatchReq(EV, other, RUN))))
    bench.hear(EV, BROADCAST, m.SlacMatchReq(EV, EVSE, RUN))
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]


@pytest.mark.parametrize(
    ("named", "data"),
    [
        (Deviation.GROUP, encode(Frame(EVSE, EV, m.SlacMatchReq(EV, EVSE, RUN, pev_id=TEXT)))),
        (Deviation.IDENTIFIERS, encode(Frame(BROADCAST, EV, m.SlacMatchReq(EV, EVSE, RUN)))),
    ],
)
def test_one_deviation_does_not_excuse_another(named: Deviation, data: bytes) -> None:
    bench = tolerant(named)
    bench.acknowledge()
    assert unmoved(bench, data)


def test_no_deviation_excuses_what_is_for_one_station_alone() -> None:
    bench = tolerant(*Deviation)
    assert unmoved(bench, encode(Frame(BROADCAST, EV, m.AttenCharRsp(EV, RUN))))


def test_an_acknowledgement_of_what_was_not_sent_is_suspicious() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    bench.acknowledge()
    assert len(bench.all_told(e.Suspicious)) == 1
    bench.take()
    bench.choose()
    assert bench.take() == []


def test_an_ev_that_starts_again_in_the_middle_of_its_sounds_is_suspicious() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    bench.ask()
    assert len(bench.all_told(e.Suspicious)) == 1


def test_a_validation_lasts_no_longer_than_the_standard_lets_it() -> None:
    bench = Bench(validation=Validation.ON)
    bench.measure()
    bench.acknowledge()
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.hear(EV, EVSE, m.ValidateReq(0, 255, 1))
    bench.take()
    bench.wait(3.49)
    assert bench.take() == []
    bench.wait(0.02)
    assert bench.take() == [m.ValidateCnf(0, 0, 2)]
