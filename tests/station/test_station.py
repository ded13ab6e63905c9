"""A whole station on the loopback interface: admission, security, ends of every kind."""

import asyncio
import dataclasses
import datetime
import errno
import os
import random
import socket
import time
from collections.abc import Callable, Coroutine
from ipaddress import IPv6Address
from pathlib import Path

import msgspec
import pytest

from certs.testpki import make
from secc.connection import Connection, ConnectionInput, ConnectionOutput, Data, Write
from secc.errors import ConfigError
from secc.messages.iso2 import ChargingSession, V2GMessage
from secc.ports import ReportsChanges
from secc.records import Direction, LinkEvent, NoticeRecord, OutputRecord, Record
from secc.sdp import SdpResponse, Security, Source
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot
from secc.session.outputs import EndReason, EndSession
from secc.settings import NetworkConfig, TlsConfig, TlsPolicy
from secc.settings.slac import SlacConfig
from secc.station import link as link_module
from secc.station import listener as listener_module
from secc.station import recording as recording_module
from secc.station import supervision
from secc.station.interface import LinkLocal
from secc.station.station import Station
from secc.tls import TlsContext
from secc.v2gtp import frame
from tests.support import requests
from tests.support.client_hello import client_hello
from tests.support.wire import (
    AC_SETUP,
    LOOPBACK,
    OFFER,
    PKI,
    Bed,
    Car,
    GrantingBackend,
    RecordingOutlet,
    ReportingOutlet,
    client_tls,
    config,
    discover,
    eventually,
    finish,
    running,
    to_charge_loop,
    to_session,
)

Scenario = Callable[[], Coroutine[None, None, None]]


def ends(bed: Bed) -> list[EndReason]:
    outputs = [record.output for record in bed.records if isinstance(record, OutputRecord)]
    return [output.reason for output in outputs if isinstance(output, EndSession)]


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


async def test_an_ev_that_was_told_the_port_just_before_the_session_ended_is_served() -> None:
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


async def test_messages_are_told_in_order_with_times() -> None:
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


async def test_each_session_gets_a_fresh_port_and_discovery_tells_it() -> None:
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


# --- how sessions end --------------------------------------------------------------------------------------


async def test_a_reset_in_the_charge_loop_switches_off_at_once() -> None:
    async with running() as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        began = time.monotonic()
        car.reset()
        await bed.until("close_contactor", "open_contactor", "make_safe")
        assert bed.outlet.times[2] - began < 0.05
        assert ends(bed) == [EndReason.LINK_LOST]


async def test_an_end_of_stream_in_the_charge_loop_switches_off() -> None:
    async with running() as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        car.socket.shutdown(socket.SHUT_WR)
        await bed.until("close_contactor", "open_contactor", "make_safe")
        assert await car.at_end()
        car.close()


async def test_a_close_notify_in_the_charge_loop_switches_off() -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        car = await Car.connect(bed.tls_port, client_tls())
        await to_charge_loop(car, bed.outlet)
        await car.raw(car.engine.close())
        await bed.until("close_contactor", "open_contactor", "make_safe")
        car.close()


async def test_an_end_of_stream_in_the_middle_of_a_message_ends_the_session() -> None:
    async with running() as bed:
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        await car.raw(frame(car.encode(requests.service_discovery()))[:12])
        car.close()
        await bed.until("make_safe", "open_contactor", "make_safe")
        assert ends(bed) == [EndReason.LINK_LOST]


async def test_an_end_of_stream_right_after_a_request_gets_at_most_its_answer() -> None:
    async with running() as bed:
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        await car.send(car.encode(requests.service_discovery()))
        car.socket.shutdown(socket.SHUT_WR)
        assert await car.answer() == "OK"
        assert await car.answer() == "closed"
        car.close()
        await bed.until_idle()


async def test_an_unexpected_request_is_refused_and_the_station_hangs_up() -> None:
    async with running(config(close_delay=0.1)) as bed:
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        assert await car.ask(requests.charging_status()) == "FAILED_SequenceError"
        assert "open_contactor" in bed.outlet.calls
        await bed.until("open_contactor", "make_safe")
        assert await car.answer() == "closed"
        car.close()
        assert ends(bed) == [EndReason.REFUSED]


@pytest.mark.inv("INV-16")
async def test_after_a_refusal_nothing_has_effect_and_the_next_car_need_not_wait() -> None:
    async with running(config(close_delay=5.0)) as bed:
        refused = await Car.connect(bed.plain_port)
        await to_session(refused)
        assert await refused.ask(requests.charging_status()) == "FAILED_SequenceError"
        await refused.send(refused.encode(requests.session_setup()))
        await eventually(lambda: not bed.station.health.in_session)
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        await finish(car, bed.outlet)
        refused.close()


@pytest.mark.parametrize("outlet", [RecordingOutlet, ReportingOutlet])
async def test_an_unplugged_cable_switches_off_within_50_ms(outlet: type[RecordingOutlet]) -> None:
    made = outlet()
    async with running(outlet=made) as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, made)
        began = time.monotonic()
        made.pilot = ControlPilot.A
        if isinstance(made, ReportingOutlet):
            made.plug(ControlPilot.A)
        await bed.until("open_contactor", "make_safe")
        assert made.times[made.calls.index("open_contactor")] - began < 0.05
        car.close()


async def test_a_controller_whose_change_report_fails_is_polled() -> None:
    class Broken(RecordingOutlet, ReportsChanges):
        async def changed(self) -> None:
            raise RuntimeError("no interrupts")

    made = Broken()
    async with running(outlet=made) as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, made)
        made.pilot = ControlPilot.A
        await bed.until("open_contactor", "make_safe")
        texts = [record.text for record in bed.events(LinkEvent.COMPLAINT)]
        assert set(texts) == {"changed: RuntimeError: no interrupts; polling instead"}
        car.close()


async def test_stopping_the_station_switches_off_first_and_then_hangs_up() -> None:
    async with running() as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        stopping = asyncio.create_task(bed.station.stop())
        assert await car.answer() == "closed"
        assert bed.outlet.calls[2:4] == ["open_contactor", "make_safe"]
        car.close()
        await stopping
        assert bed.station.health.serving is False


async def test_a_cancelled_serve_makes_safe() -> None:
    outlet = RecordingOutlet()
    station = Station(config(), outlet, GrantingBackend(), sdp_port=0)
    task = asyncio.create_task(station.serve())
    await eventually(lambda: station.endpoint is not None)
    assert station.endpoint is not None
    car = await Car.connect(station.endpoint.plain_port or 0)
    await to_charge_loop(car, outlet)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outlet.calls[:4] == ["make_safe", "close_contactor", "open_contactor", "make_safe"]
    car.close()


async def test_a_silent_car_in_a_session_runs_into_the_sequence_timer() -> None:
    async with running(config(sequence=0.2)) as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        assert await car.answer() == "closed"
        assert ends(bed) == [EndReason.SEQUENCE_TIMEOUT]
        assert bed.outlet.calls[-2:] == ["open_contactor", "make_safe"]
        car.close()


# --- orders of the owner -----------------------------------------------------------------------------------


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


# --- admission ---------------------------------------------------------------------------------------------


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


async def test_a_connection_that_says_nothing_is_closed_and_nobody_was_made_to_wait() -> None:
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


# --- TLS and the lack of it --------------------------------------------------------------------------------


async def test_garbage_on_the_tls_port_gets_an_alert() -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        car = await Car.connect(bed.tls_port, handshake=False)
        await car.raw(client_hello(suites=(0xC02B,)))
        assert (await car.receive())[-2:] == b"\x02\x28"
        assert await car.at_end()
        car.close()
        assert bed.outlet.calls == ["make_safe"]


async def test_v2gtp_on_the_tls_port_is_never_processed() -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        car = await Car.connect(bed.tls_port, handshake=False)
        await car.raw(frame(OFFER))
        assert await car.at_end()
        assert bed.messages() == []
        car.close()


async def test_a_client_hello_on_the_plain_port_is_closed() -> None:
    async with running() as bed:
        car = await Car.connect(bed.plain_port, handshake=False)
        await car.raw(client_hello())
        assert await car.at_end()
        car.close()
        await bed.until_idle()
        assert ends(bed) == [EndReason.PROTOCOL_ERROR]


@pytest.mark.parametrize("said", [b"", client_hello()[:20], client_hello()])
async def test_a_stalled_handshake_has_one_deadline(said: bytes) -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        car = await Car.connect(bed.tls_port, handshake=False)
        await car.raw(said)
        assert await car.at_end()
        texts = [record.text for record in bed.events(LinkEvent.TLS_FAILED)]
        assert texts == ["not finished in time"]
        car.close()


@pytest.mark.inv("INV-22")
async def test_failing_the_handshake_does_not_lead_to_less_security() -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        car = await Car.connect(bed.tls_port, handshake=False)
        await car.raw(b"\xff" * 100)
        assert await car.at_end()
        car.close()
        assert bed.station.sdp_port is not None
        assert (await discover(bed.station.sdp_port, Security.NONE)).security is Security.TLS
        assert bed.station.endpoint is not None
        assert bed.station.endpoint.plain_port is None


async def test_optional_tls_offers_both() -> None:
    async with running(config(TlsPolicy.OPTIONAL)) as bed:
        assert bed.station.sdp_port is not None
        plain = await discover(bed.station.sdp_port, Security.NONE)
        secure = await discover(bed.station.sdp_port, Security.TLS)
        assert (plain.security, plain.port) == (Security.NONE, bed.plain_port)
        assert (secure.security, secure.port) == (Security.TLS, bed.tls_port)


def test_a_station_that_cannot_have_its_tls_refuses_to_start() -> None:
    absent = TlsConfig(
        policy=TlsPolicy.OPTIONAL, certificate_chain=PKI / "absent.pem", private_key=PKI / "secc_leaf_key.pem"
    )
    made = dataclasses.replace(config(), tls=absent)
    with pytest.raises(ConfigError, match=r"absent\.pem: cannot be read"):
        Station(made, RecordingOutlet(), GrantingBackend())


# --- when something of ours fails --------------------------------------------------------------------------


@pytest.mark.inv("INV-28")
async def test_a_defect_in_the_core_ends_that_session_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Defective(Connection):
        def handle(self, event: ConnectionInput, now: float) -> tuple[ConnectionOutput, ...]:
            raise RuntimeError("injected")

    async with running() as bed:
        with monkeypatch.context() as patch:
            patch.setattr(recording_module, "Connection", Defective)
            car = await Car.connect(bed.plain_port)
            await car.send(OFFER)
            assert await car.at_end()
            car.close()
            await bed.until_idle()
        assert bed.outlet.calls == ["make_safe", "make_safe"]
        assert [r.text for r in bed.events(LinkEvent.FAILED)] == ["RuntimeError: injected"]
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        car.close()


@pytest.mark.inv("INV-32")
async def test_the_first_command_after_the_start_is_off() -> None:
    async with running() as bed:
        assert bed.outlet.calls == ["make_safe"]


@pytest.mark.parametrize("trouble", ["fail", "hang"])
async def test_an_outlet_that_cannot_be_made_safe_has_no_next_session_until_it_is(trouble: str) -> None:
    async with running(config(controller_call=0.1)) as bed:
        getattr(bed.outlet, trouble).add("make_safe")
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        waiting = await Car.connect(bed.plain_port)
        car.close()
        await eventually(lambda: bed.station.health.reason.startswith("make_safe: "))
        assert await waiting.at_end()
        await eventually(lambda: bed.station.endpoint is None)
        await eventually(lambda: bed.outlet.calls.count("make_safe") >= 3)
        assert len(bed.events(LinkEvent.COMPLAINT)) == 1
        getattr(bed.outlet, trouble).clear()
        await eventually(lambda: bed.station.health.serving)
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        car.close()
        waiting.close()


async def test_an_outlet_that_is_not_safe_at_the_start_is_asked_until_it_is() -> None:
    outlet = RecordingOutlet()
    outlet.fail.add("make_safe")
    async with running(outlet=outlet) as bed:
        assert bed.station.endpoint is None
        assert bed.station.health.reason == "make_safe: RuntimeError: make_safe failed"
        outlet.fail.clear()
        await eventually(lambda: bed.station.health.serving)


async def test_a_contactor_that_does_not_answer_is_a_refusal() -> None:
    async with running(config(contactor=0.6, controller_call=1.0)) as bed:
        bed.outlet.hang.add("close_contactor")
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        for body in AC_SETUP:
            await car.ask(body)
        bed.outlet.pilot = ControlPilot.C
        assert await car.ask(requests.start()) == "FAILED_ContactorError"
        assert bed.outlet.calls[1:3] == ["close_contactor", "make_safe"]
        car.close()
        await bed.until_idle()
        health = bed.station.health
        assert health.reason == "close_contactor has not returned"
        assert health.blocked
        assert [record.text for record in bed.events(LinkEvent.BLOCKED)] == [
            "output did not switch off: close_contactor: no answer in time"
        ]


async def test_an_outlet_that_cannot_be_read_ends_the_charge() -> None:
    async with running(config(stop_delay=0.1)) as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        bed.outlet.fail.add("snapshot")
        await eventually(lambda: "open_contactor" in bed.outlet.calls)
        car.close()


async def test_an_outlet_that_cannot_be_read_at_the_start_gets_no_session() -> None:
    async with running() as bed:
        bed.outlet.fail.add("snapshot")
        car = await Car.connect(bed.plain_port)
        await car.send(OFFER)
        assert await car.at_end()
        car.close()
        bed.outlet.fail.clear()
        await bed.until_idle()
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        car.close()


async def test_a_callback_that_raises_does_no_harm() -> None:
    def angry(record: Record) -> None:
        raise RuntimeError("not interested")

    outlet = RecordingOutlet()
    async with Station(config(), outlet, GrantingBackend(), reporter=angry, sdp_port=0) as station:
        assert station.endpoint is not None
        car = await Car.connect(station.endpoint.plain_port or 0)
        await to_charge_loop(car, outlet)
        car.close()


@pytest.mark.threat("TPT-13")
async def test_a_car_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    class Talkative(Connection):
        def handle(self, event: ConnectionInput, now: float) -> tuple[ConnectionOutput, ...]:
            outputs = super().handle(event, now)
            return (*outputs, endless) if isinstance(event, Data) else outputs

    endless = Write(bytes(8_000_000), requests.message(b"", None))
    monkeypatch.setattr(recording_module, "Connection", Talkative)
    monkeypatch.setattr(link_module, "_LINGER", 0.05)

    async with running() as bed:
        car = await Car.connect(bed.plain_port)
        await car.send(OFFER)
        await eventually(lambda: ends(bed) == [EndReason.LINK_LOST])
        await bed.until("open_contactor", "make_safe")
        car.close()


# --- the interface and the data link -----------------------------------------------------------------------


@pytest.mark.threat("SDP-11")
async def test_a_station_waits_for_its_address_and_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[LinkLocal | None] = [None]
    monkeypatch.setattr(supervision, "find_link_local", lambda _name: found[0])
    monkeypatch.setattr(supervision, "_INTERVAL", 0.01)

    async with running() as bed:
        assert bed.station.health.reason == "lo has no link-local address"
        assert bed.station.sdp_port is None
        found[0] = LinkLocal("lo", LOOPBACK, 0)
        await eventually(lambda: bed.station.health.serving)
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        found[0] = None
        await bed.until("open_contactor", "make_safe")
        assert bed.station.health.serving is False
        found[0] = LinkLocal("lo", LOOPBACK, 0)
        await eventually(lambda: bed.station.health.serving)
        car.close()


@pytest.mark.req("V2G2-723")
async def test_with_slac_the_station_serves_only_between_link_up_and_the_setup_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "_INTERVAL", 0.01)

    made = dataclasses.replace(config(communication_setup=0.3), slac=SlacConfig(enabled=True))
    async with running(made) as bed:
        assert bed.station.endpoint is None
        assert bed.station.health.reason == "no data link"
        bed.station.link_up()
        assert bed.station.health.serving
        silent = await Car.connect(bed.plain_port)
        await eventually(lambda: len(bed.events(LinkEvent.SETUP_EXPIRED)) == 1)
        assert bed.station.endpoint is None
        assert await silent.at_end()
        silent.close()
        bed.station.link_up()
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        bed.station.link_down()
        await bed.until("open_contactor", "make_safe")
        assert bed.station.endpoint is None
        car.close()


async def test_with_slac_a_session_needs_a_new_match_after_the_last_one() -> None:
    made = dataclasses.replace(config(), slac=SlacConfig(enabled=True))
    async with running(made) as bed:
        bed.station.link_up()
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        await finish(car, bed.outlet)
        await bed.until_idle()
        assert bed.station.health.reason == "no data link"


async def test_a_port_that_is_taken_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_INTERVAL", 0.01)

    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as taken:
        taken.bind(("::1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        made = dataclasses.replace(config(), network=NetworkConfig(tcp_port=port))
        async with running(made) as bed:
            assert bed.station.health.reason == "TCP on [::1] of lo: Address already in use"
            taken.close()
            await eventually(lambda: bed.station.health.serving)
            assert bed.plain_port == port


async def test_notices_of_the_session_are_passed_on() -> None:
    async with running(config(close_delay=0.0)) as bed:
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        await car.ask(requests.charging_status())
        assert any(isinstance(record, NoticeRecord) for record in bed.records)
        car.close()


async def test_a_rival_that_answers_discovery_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_INTERVAL", 0.01)
    rival = SdpResponse(LOOPBACK, 50000, Security.NONE).to_bytes()

    async with running() as bed:
        bed.station._discovery._responder.handle(rival, Source(IPv6Address("fe80::bad"), 15118, 3), 0.0)
        await eventually(lambda: len(bed.events(LinkEvent.SUSPICIOUS)) == 1)


# --- the certificate while the station runs ----------------------------------------------------------------


async def test_a_renewed_certificate_serves_the_next_connection(tmp_path: Path) -> None:
    make.write(make.build(), tmp_path)
    tls = TlsConfig(
        policy=TlsPolicy.REQUIRED,
        certificate_chain=tmp_path / "secc_chain.pem",
        private_key=tmp_path / "secc_leaf_key.pem",
    )

    async with running(dataclasses.replace(config(), tls=tls)) as bed:
        make.write(make.build(), tmp_path)
        bed.station.renew_tls()
        car = await Car.connect(bed.tls_port, TlsContext.for_client(tmp_path / "v2g_root.pem"))
        await to_session(car)
        car.close()


async def test_a_renewal_that_fails_keeps_the_old_certificate(tmp_path: Path) -> None:
    make.write(make.build(), tmp_path)
    tls = TlsConfig(
        policy=TlsPolicy.REQUIRED,
        certificate_chain=tmp_path / "secc_chain.pem",
        private_key=tmp_path / "secc_leaf_key.pem",
    )

    async with running(dataclasses.replace(config(), tls=tls)) as bed:
        (tmp_path / "secc_chain.pem").write_bytes(b"junk")
        with pytest.raises(ConfigError, match="not a PEM file"):
            bed.station.renew_tls()
        car = await Car.connect(bed.tls_port, TlsContext.for_client(tmp_path / "v2g_root.pem"))
        await to_session(car)
        car.close()


async def test_a_certificate_that_has_expired_meanwhile_shows_in_the_health(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        assert bed.station.health.serving
        later = datetime.datetime(2124, 6, 1, tzinfo=datetime.UTC)
        monkeypatch.setattr(bed.station._tls, "_clock", lambda: later)
        assert not bed.station.health.serving
        assert bed.station.health.reason == "the TLS certificate expired on 2124-01-01"


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


@pytest.mark.parametrize("reporting", [True, False])
async def test_an_unplug_of_120_ms_between_two_sessions_is_seen(reporting: bool) -> None:
    outlet = ReportingOutlet() if reporting else RecordingOutlet()
    async with running(outlet=outlet) as bed:
        outlet.weld.add("open_contactor")
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        car.close()
        await bed.until_idle()
        assert bed.station.health.reason.startswith("fault not reset: contactor does not follow")
        outlet.weld.clear()
        bed.station.reset_fault()
        assert bed.station.health.blocked
        for pilot in (ControlPilot.A, ControlPilot.B):
            if isinstance(outlet, ReportingOutlet):
                outlet.plug(pilot)
            outlet.pilot = pilot
            await asyncio.sleep(0.12)
        assert not bed.station.health.blocked
        assert bed.station.health.serving


@pytest.mark.inv("INV-30")
@pytest.mark.parametrize("trouble", ["fail", "hang", "weld"])
async def test_an_off_that_fails_at_the_end_blocks_the_outlet_and_is_reported_once(trouble: str) -> None:
    async with running(config(controller_call=0.2)) as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        getattr(bed.outlet, trouble).add("open_contactor")
        assert await car.ask(requests.stop()) == "OK"
        bed.outlet.pilot = ControlPilot.B
        car.close()
        await bed.until_idle()
        assert bed.station.health.blocked
        assert not bed.station.health.serving
        assert len(bed.events(LinkEvent.BLOCKED)) == 1
        assert "open_contactor" in bed.events(LinkEvent.BLOCKED)[0].text
        getattr(bed.outlet, trouble).clear()
        bed.station.reset_fault()
        bed.outlet.pilot = ControlPilot.A
        await eventually(lambda: bed.station.health.serving)


async def test_a_short_unplug_while_the_outlet_is_made_safe_is_seen() -> None:
    outlet = ReportingOutlet()
    async with running(outlet=outlet) as bed:
        outlet.weld.add("open_contactor")
        for _ in range(2):
            car = await Car.connect(bed.plain_port)
            await to_session(car)
            car.close()
            if outlet.weld:
                await bed.until_idle()
                outlet.weld.clear()
                bed.station.reset_fault()
                gate = outlet.gates["make_safe"] = asyncio.Event()
                made_safe = outlet.calls.count("make_safe")
        await eventually(lambda: outlet.calls.count("make_safe") > made_safe)
        assert bed.station.health.blocked
        outlet.plug(ControlPilot.A)
        await asyncio.sleep(0.1)
        outlet.plug(ControlPilot.B)
        gate.set()
        await bed.until_idle()
        assert not bed.station.health.blocked


@pytest.mark.inv("INV-30")
async def test_a_fault_of_a_snapshot_that_latches_is_reported_once() -> None:
    async with running(outlet=_Stopped()) as bed:
        await eventually(lambda: bed.station.health.blocked)
        await asyncio.sleep(0.2)
        assert [record.text for record in bed.events(LinkEvent.BLOCKED)] == ["emergency stop"]


class _Stopped(RecordingOutlet):
    """The emergency stop button has been pressed."""

    def snapshot(self) -> EvseSnapshot:
        return msgspec.structs.replace(super().snapshot(), fault=EvseFault.EMERGENCY_STOP)
