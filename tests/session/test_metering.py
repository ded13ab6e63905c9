"""Meter readings: only fresh ones of one meter that never falls."""

import dataclasses

import pytest

from secc.messages.iso2 import ChargingStatusRes
from secc.session.outlet import MeterReading
from secc.session.outputs import Notice, NoticeKind
from tests.support import requests as r
from tests.support.bench import AC, Bench

NOW = 1_700_000_000
FIRST = MeterReading("M1", 1000)


def charging() -> Bench:
    bench = Bench(AC).to_status()
    bench.outlet(meter=FIRST)
    return bench


def told(bench: Bench) -> int | None:
    """The reading in the next ChargingStatusRes."""
    response = bench.request(r.charging_status())
    assert isinstance(response, ChargingStatusRes)
    return None if response.meter_info is None else response.meter_info.meter_reading


def notices(bench: Bench) -> list[str]:
    return [o.text for o in bench.outputs if isinstance(o, Notice) and o.kind is NoticeKind.IGNORED]


@pytest.mark.inv("INV-33")
def test_a_rising_reading_is_reported() -> None:
    bench = charging()
    bench.outlet(meter=MeterReading("M1", 1234))
    assert told(bench) == 1234


@pytest.mark.inv("INV-33")
def test_a_reading_that_falls_is_not_reported_until_it_has_caught_up() -> None:
    bench = charging()
    bench.outlet(meter=MeterReading("M1", 999))
    assert told(bench) is None
    bench.outlet(meter=MeterReading("M1", 1000))
    assert told(bench) == 1000
    assert notices(bench) == ["meter: its reading has fallen below 1000 Wh"]


@pytest.mark.inv("INV-33")
@pytest.mark.parametrize(("age", "reading"), [(60, 1000), (61, None)])
def test_a_reading_that_says_it_is_old_is_not_reported(age: int, reading: int | None) -> None:
    bench = charging()
    bench.outlet(meter=MeterReading("M1", 1000, utc=NOW - age))
    assert told(bench) == reading


@pytest.mark.inv("INV-33")
def test_the_age_that_counts_is_configured() -> None:
    energy = dataclasses.replace(AC.energy, meter_age=600.0)
    bench = Bench(dataclasses.replace(AC, energy=energy)).to_status()
    bench.outlet(meter=MeterReading("M1", 1000, utc=NOW - 599))
    assert told(bench) == 1000


@pytest.mark.inv("INV-33")
def test_another_meter_does_not_count_in_the_middle_of_a_session() -> None:
    bench = charging()
    bench.outlet(meter=MeterReading("M2", 5000))
    assert told(bench) is None


@pytest.mark.inv("INV-33", "INV-36")
def test_the_end_has_the_last_good_reading() -> None:
    bench = charging()
    bench.outlet(meter=MeterReading("M1", 1500))
    bench.outlet(meter=MeterReading("M1", 3))
    bench.outlet(meter=None)
    bench.request(r.stop())
    bench.request(r.session_stop())
    assert bench.end is not None
    assert bench.end.meter == MeterReading("M1", 1500)


@pytest.mark.inv("INV-33", "INV-36")
def test_the_end_counts_the_energy_of_each_direction() -> None:
    bench = charging()
    bench.outlet(meter=MeterReading("M1", 1200, exported=40))
    bench.outlet(meter=MeterReading("M1", 1500, exported=90))
    bench.request(r.stop())
    bench.request(r.session_stop())
    assert bench.end is not None
    assert (bench.end.energy, bench.end.exported) == (500, None)  # the first reading had no such register


def test_a_meter_of_both_directions_is_counted_in_both() -> None:
    bench = Bench(AC)
    bench.outlet(meter=MeterReading("M1", 1000, exported=40))
    bench.to_status()
    bench.outlet(meter=MeterReading("M1", 1500, exported=90))
    bench.request(r.stop())
    bench.request(r.session_stop())
    assert bench.end is not None
    assert (bench.end.energy, bench.end.exported) == (500, 50)


@pytest.mark.inv("INV-33")
@pytest.mark.parametrize("exported", [89, None])
def test_a_register_of_exported_energy_that_falls_or_vanishes_is_not_believed(exported: int | None) -> None:
    bench = charging()
    bench.outlet(meter=MeterReading("M1", 1500, exported=90))
    bench.outlet(meter=MeterReading("M1", 1600, exported=exported))
    assert told(bench) is None
