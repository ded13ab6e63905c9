"""A station on any IPv6 link, Ethernet or wireless: there is no matching, everything else is the same."""

from __future__ import annotations

import asyncio

import pytest

from secc.session.outlet import ControlPilot
from secc.settings import SeccConfig
from secc.station.station import Station
from tests.support import requests
from tests.support.wire import (
    Car,
    ReportingOutlet,
    discover,
    finish,
    running,
    to_charge_loop,
    to_session,
)


def test_without_a_word_about_slac_there_is_none() -> None:
    assert not SeccConfig().slac.enabled


async def test_a_car_is_discovered_and_charges_without_any_match() -> None:
    async with running() as bed:
        assert isinstance(bed.station, Station)
        assert bed.station.sdp_port is not None
        answer = await discover(bed.station.sdp_port)
        car = await Car.connect(answer.port)
        await to_charge_loop(car, bed.outlet)
        await finish(car, bed.outlet)


@pytest.mark.threat("SDP-10")
async def test_of_two_cars_on_one_link_the_first_is_served_undisturbed_and_then_the_second() -> None:
    async with running() as bed:
        assert bed.station.sdp_port is not None
        first_told, second_told = [await discover(bed.station.sdp_port) for _ in range(2)]
        assert first_told == second_told
        first = await Car.connect(first_told.port)
        await to_session(first)
        assert await discover(bed.station.sdp_port) == first_told
        second = await Car.connect(second_told.port)
        assert await second.at_end()
        second.close()
        assert await first.ask(requests.service_discovery()) == "OK"
        first.close()
        await bed.until_idle()
        third = await Car.connect((await discover(bed.station.sdp_port)).port)
        await to_session(third)
        third.close()


@pytest.mark.threat("SDP-10")
async def test_right_after_unplugging_the_next_request_is_answered() -> None:
    outlet = ReportingOutlet()
    async with running(outlet=outlet) as bed:
        assert bed.station.sdp_port is not None
        car = await Car.connect((await discover(bed.station.sdp_port)).port)
        await to_charge_loop(car, outlet)
        outlet.plug(ControlPilot.A)
        await bed.until_idle()
        outlet.plug(ControlPilot.B)
        async with asyncio.timeout(1.0):
            again = await discover(bed.station.sdp_port)
        following = await Car.connect(again.port)
        await to_session(following)
        following.close()
        car.close()
