"""Which connection is closed when all places are taken."""

import dataclasses
import os

import pytest

from secc.records import LinkEvent
from secc.session.outputs import EndReason
from secc.settings import NetworkConfig
from secc.station.admission import gives_way
from tests.support import requests
from tests.support.wire import (
    Car,
    config,
    ends,
    eventually,
    finish,
    running,
    to_charge_loop,
    to_session,
)


@dataclasses.dataclass(frozen=True)
class Waiting:
    peer: str
    heard: bool
    number: int = 0


def talking(peer: str, number: int) -> Waiting:
    return Waiting(peer, heard=True, number=number)


CAR, OTHER = "fe80::1", "fe80::bad"


def test_the_oldest_silent_one_gives_way() -> None:
    waiting = [talking(OTHER, 0), Waiting(OTHER, False, 1), Waiting(CAR, False, 2)]
    assert gives_way(waiting, CAR) == waiting[1]


def test_an_address_with_most_of_the_places_gives_one_to_another_address() -> None:
    waiting = [talking(CAR, 0), *(talking(OTHER, number) for number in range(1, 8))]
    assert gives_way(waiting, CAR) == waiting[1]
    assert gives_way(waiting, "fe80::2") == waiting[1]


def test_no_peer_can_push_out_others_or_itself() -> None:
    assert gives_way([talking(OTHER, number) for number in range(8)], OTHER) is None
    waiting = [talking(OTHER if number % 2 else CAR, number) for number in range(8)]
    assert gives_way(waiting, CAR) is None
    assert gives_way([], CAR) is None


@pytest.mark.inv("INV-19")
async def test_a_second_connection_is_refused_and_the_session_goes_on() -> None:
    async with running() as bed:
        first = await Car.connect(bed.plain_port)
        await to_session(first)
        second = await Car.connect(bed.plain_port)
        assert await second.at_end()
        second.close()
        assert await first.ask(requests.service_discovery()) == "OK"
        first.close()


async def test_a_new_connection_of_the_same_ev_replaces_one_before_session_setup() -> None:
    async with running() as bed:
        first = await Car.connect(bed.plain_port)
        assert (await first.handshake()).value == "OK_SuccessfulNegotiation"
        second = await Car.connect(bed.plain_port)
        await to_charge_loop(second, bed.outlet)
        assert await first.at_end()
        assert ends(bed) == [EndReason.LINK_LOST]
        assert bed.outlet.calls[:3] == ["make_safe", "open_contactor", "make_safe"]
        await finish(second, bed.outlet)
        first.close()


async def test_the_first_to_speak_gets_the_outlet_and_the_others_are_dropped() -> None:
    async with running() as bed:
        silent = await Car.connect(bed.plain_port)
        speaking = await Car.connect(bed.plain_port)
        await to_session(speaking)
        assert await silent.at_end()
        assert await speaking.ask(requests.service_discovery()) == "OK"
        silent.close()
        speaking.close()


async def test_when_too_many_wait_the_oldest_silent_one_gives_way() -> None:
    made = dataclasses.replace(config(), network=NetworkConfig(max_pending=2))
    async with running(made) as bed:
        cars = [await Car.connect(bed.plain_port) for _ in range(3)]
        assert await cars[0].at_end()
        await to_session(cars[2])
        assert await cars[1].at_end()
        for car in cars:
            car.close()


async def test_a_connection_that_says_nothing_is_closed_and_delays_nothing_else() -> None:
    async with running(config(communication_setup=0.3)) as bed:
        car = await Car.connect(bed.plain_port)
        assert await car.at_end()
        texts = [record.text for record in bed.events(LinkEvent.FAILED)]
        assert texts == ["no message in the setup time"]
        assert bed.outlet.calls == ["make_safe"]
        car.close()


@pytest.mark.inv("INV-26")
async def test_a_flood_of_connections_leaves_nothing_behind() -> None:
    async with running() as bed:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(300):
            (await Car.connect(bed.plain_port)).close()
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        car.close()
        await bed.until_idle()
        await eventually(lambda: len(os.listdir("/proc/self/fd")) == before)
        assert len(bed.events()) < 60
