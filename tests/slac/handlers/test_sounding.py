"""Sounds and averages: what is counted, when, and how often the EV receives the result."""

from __future__ import annotations

import pytest

from secc.slac import events as e
from secc.slac import messages as m
from secc.slac.frames import BROADCAST
from tests.support.matching import EV, EV_2, MODEM, RUN, RUN_2, Bench

# --- the good case -----------------------------------------------------------------------------------------


@pytest.mark.req("V2G3-A09-43", "V2G3-A09-20")
@pytest.mark.parametrize("count", [9, 1])
def test_fewer_sounds_are_averaged_when_the_time_is_over(count: int) -> None:
    bench = Bench()
    bench.measure(count=count)
    assert bench.take()[1:] == []
    bench.wait(0.6)
    assert bench.sent[0] == m.AttenCharInd(EV, RUN, count, bytes([20] * 58))


def test_no_measurement_no_answer() -> None:
    bench = Bench()
    bench.measure(count=0)
    bench.take()
    bench.wait(5.0)
    assert bench.take() == []
    (report,) = bench.all_told(e.RunReport)
    assert isinstance(report, e.RunReport)
    assert report.outcome is e.Outcome.NO_PROFILE


def test_twenty_sounds_count_as_ten() -> None:
    bench = Bench()
    bench.measure(count=20)
    told = [message for message in bench.take() if isinstance(message, m.AttenCharInd)]
    assert told[0] == m.AttenCharInd(EV, RUN, 10, bytes([20] * 58))


@pytest.mark.req("V2G3-A09-46")
def test_the_average_is_sent_three_times_and_then_no_key_is_given() -> None:
    bench = Bench()
    bench.measure()
    bench.take()
    bench.wait(0.19)
    bench.take()
    bench.wait(0.2)
    bench.wait(0.2)
    assert bench.take() == [m.AttenCharInd(EV, RUN, 10, bytes([20] * 58))]
    bench.acknowledge()
    bench.choose()
    assert bench.take() == []


# --- requests that must not be answered --------------------------------------------------------------------


def test_a_start_more_than_400_ms_after_the_answer_is_ignored() -> None:
    bench = Bench()
    bench.ask()
    bench.wait(0.35)
    bench.start()
    assert bench.matching.runs == {}


def test_a_start_without_a_request_is_ignored() -> None:
    bench = Bench()
    bench.start()
    assert bench.matching.runs == {}


def test_sounds_of_others_are_not_counted() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    bench.hear(EV_2, BROADCAST, m.MnbcSoundInd(RUN, 9))
    bench.hear(EV, BROADCAST, m.MnbcSoundInd(RUN_2, 9))
    assert bench.matching.runs[EV].sounds == 0


def test_measurements_that_are_not_of_the_stations_modem_are_not_counted() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    bench.hear(EV_2, BROADCAST, m.AttenProfileInd(EV, bytes(58)))
    bench.hear(MODEM, BROADCAST, m.AttenProfileInd(EV, b""))
    assert bench.matching.runs[EV].profiles == []


def test_measurements_without_sounds_are_suspicious() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    bench.hear(EV, BROADCAST, m.MnbcSoundInd(RUN, 9))
    for _ in range(9):
        bench.hear(MODEM, BROADCAST, m.AttenProfileInd(EV, bytes(58)))
    assert len(bench.matching.runs[EV].profiles) == 3
    assert len(bench.all_told(e.Suspicious)) == 1


# --- the key -----------------------------------------------------------------------------------------------


def test_groups_that_the_modem_does_not_measure_get_the_mean_of_the_others() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    for i in range(10):
        bench.hear(EV, BROADCAST, m.MnbcSoundInd(RUN, 9 - i))
        bench.hear(MODEM, BROADCAST, m.AttenProfileInd(EV, bytes([40] * 30 + [20] * 20)))
    (told,) = [message for message in bench.take() if isinstance(message, m.AttenCharInd)]
    assert told.profile == bytes([40] * 30 + [20] * 20 + [32] * 8)
    assert told.groups == 50
