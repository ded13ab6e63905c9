"""A whole station on the loopback interface: admission, security, ends of every kind."""

import asyncio
import dataclasses
import errno
import random
import socket
from collections.abc import Callable, Coroutine

import pytest

from secc.messages.iso2 import ChargingSession, V2GMessage
from secc.records import Direction, LinkEvent
from secc.sdp import Security
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason
from secc.settings import NetworkConfig, TlsPolicy
from secc.station import listener as listener_module
from secc.v2gtp import frame
from tests.support import requests
from tests.support.wire import (
    AC_SETUP,
    LOOPBACK,
    OFFER,
    Car,
    client_tls,
    config,
    discover,
    ends,
    finish,
    running,
    to_charge_loop,
    to_session,
)

Scenario = Callable[[], Coroutine[None, None, None]]

# --- good sessions -----------------------------------------------------------------------------------------


async def test_a_car_charges_without_tls() -> None:
    async with running() as bed:
        assert bed.station.sdp_port is not None
        found = await discover(bed.station.sdp_port)
        car = await Car.connect(found.port)
        await to_charge_loop(car, bed.outlet)
        await finish(car, bed.outlet)
        await bed.until_idle()
        assert bed.outlet.calls == ["make_safe", "close_contactor", *["open_contactor"] * 2, "make_safe"]
        assert bed.outlet.leases >= 1
        assert bed.backend.asked == ["ZZ*000*E0"]
        assert ends(bed) == [EndReason.TERMINATED]


async def test_an_ev_that_received_the_port_just_before_the_session_ended_is_served() -> None:
    async with running() as bed:
        assert bed.station.sdp_port is not None
        first = await Car.connect(bed.plain_port)
        await to_charge_loop(first, bed.outlet)
        told = await discover(bed.station.sdp_port)
        await finish(first, bed.outlet)
        await bed.until_idle()
        assert bed.plain_port != told.port
        second = await Car.connect(told.port)
        await to_session(second)
        second.close()
        await bed.until_idle()


async def test_the_old_port_closes_soon_after_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "_RETIREMENT", 0.05)

    async with running() as bed:
        old = bed.plain_port
        car = await Car.connect(old)
        await to_charge_loop(car, bed.outlet)
        await finish(car, bed.outlet)
        await bed.until_idle()
        await asyncio.sleep(0.1)
        with socket.socket(socket.AF_INET6) as probe:
            assert probe.connect_ex(("::1", old)) == errno.ECONNREFUSED


async def test_ports_that_are_configured_stay_open_between_sessions() -> None:
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        port = probe.getsockname()[1]

    async with running(dataclasses.replace(config(), network=NetworkConfig(tcp_port=port))) as bed:
        for _ in range(2):
            car = await Car.connect(port)
            await to_charge_loop(car, bed.outlet)
            await finish(car, bed.outlet)
            await bed.until_idle()
        assert ends(bed) == [EndReason.TERMINATED] * 2


async def test_a_car_charges_with_tls() -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        assert bed.station.sdp_port is not None
        found = await discover(bed.station.sdp_port, Security.TLS)
        assert found.security is Security.TLS
        car = await Car.connect(found.port, client_tls())
        await to_charge_loop(car, bed.outlet)
        await finish(car, bed.outlet)
        await bed.until_idle()
        assert ends(bed) == [EndReason.TERMINATED]
        assert len(bed.events(LinkEvent.SECURED)) == 1


async def test_a_car_that_paused_joins_its_session_again_until_it_is_unplugged() -> None:
    async with running() as bed:
        first = await Car.connect(bed.plain_port)
        await to_charge_loop(first, bed.outlet)
        await first.ask(requests.stop())
        assert await first.ask(requests.session_stop(ChargingSession.PAUSE)) == "OK"
        first.close()
        await bed.until_idle()

        second = await Car.connect(bed.plain_port)
        second.session_id = first.session_id
        await second.handshake()
        assert await second.ask(requests.session_setup()) == "OK_OldSessionJoined"
        assert await second.ask(requests.session_stop(ChargingSession.PAUSE)) == "OK"
        second.close()
        await bed.until_idle()

        bed.outlet.pilot = ControlPilot.A
        bed.station._sessions.observe(bed.outlet.snapshot())
        third = await Car.connect(bed.plain_port)
        third.session_id = first.session_id
        await third.handshake()
        assert await third.ask(requests.session_setup()) == "OK_NewSessionEstablished"
        third.close()


async def test_messages_are_reported_in_order_with_times() -> None:
    async with running() as bed:
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        told = bed.messages()
        assert [record.direction for record in told] == [Direction.RECEIVED, Direction.SENT] * 2
        assert told[0].response_time is None
        assert 0.0 <= (told[3].response_time or -1.0) < 1.0
        assert isinstance(told[3].message, V2GMessage)
        car.close()


async def test_one_byte_per_segment_makes_no_difference() -> None:
    async with running() as bed:
        car = await Car.connect(bed.plain_port)
        for byte in frame(OFFER):
            await car.raw(bytes([byte]))
            await asyncio.sleep(0)
        assert await car.next_payload() is not None
        for byte in frame(car.encode(requests.session_setup())):
            await car.raw(bytes([byte]))
            await asyncio.sleep(0)
        assert await car.answer() == "OK_NewSessionEstablished"
        car.close()


async def test_two_requests_in_one_segment_are_answered_in_order() -> None:
    async with running() as bed:
        car = await Car.connect(bed.plain_port)
        await car.raw(frame(OFFER) + frame(car.encode(requests.session_setup())))
        assert await car.next_payload() is not None
        assert await car.answer() == "OK_NewSessionEstablished"
        car.close()


async def test_each_session_gets_a_fresh_port_and_discovery_announces_it() -> None:
    async with running() as bed:
        ports = []
        for _ in range(3):
            assert bed.station.sdp_port is not None
            ports.append((await discover(bed.station.sdp_port)).port)
            car = await Car.connect(ports[-1])
            await to_session(car)
            car.close()
            await bed.until_idle()
        assert len(set(ports)) == 3
        assert all(49152 <= port <= 65535 for port in ports)


async def test_a_port_of_the_configuration_serves_session_after_session() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::1", 0))
        port = probe.getsockname()[1]
    async with running(dataclasses.replace(config(), network=NetworkConfig(tcp_port=port))) as bed:
        for _ in range(3):
            car = await Car.connect(port)
            await to_session(car)
            await car.ask(requests.session_stop())
            car.close()
            await bed.until_idle()
            assert bed.plain_port == port


async def test_repeated_discovery_gets_the_same_answer() -> None:
    async with running() as bed:
        assert bed.station.sdp_port is not None
        answers = [await discover(bed.station.sdp_port) for _ in range(5)]
        assert answers == [answers[0]] * 5
        assert answers[0].address == LOOPBACK


# --- at random ---------------------------------------------------------------------------------------------


async def test_malformed_messages_in_any_state_leave_a_station_that_serves_the_next_car() -> None:
    chance = random.Random(15118)
    async with running(config(close_delay=0.0)) as bed:
        for round_ in range(60):
            bed.outlet.pilot = ControlPilot.B
            car = await Car.connect(bed.plain_port)
            steps = [frame(OFFER), *(frame(car.encode(body)) for body in AC_SETUP)]
            good = chance.randrange(len(steps))
            bad = bytearray(steps[good])
            for _ in range(1 + round_ % 3):
                bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
            for step in steps[:good]:
                await car.raw(step)
            await car.raw(bytes(bad) + chance.randbytes(chance.randrange(50)))
            car.close()
            await bed.until_idle()
        assert bed.outlet.calls.count("close_contactor") == 0
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        await finish(car, bed.outlet)
        await bed.until_idle()
