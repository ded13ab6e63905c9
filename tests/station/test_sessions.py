"""How sessions of a whole station end, and what a fault of ours does to them."""

import asyncio
import socket
import time

import pytest

from secc.connection import Connection, ConnectionInput, ConnectionOutput, Data, Write
from secc.ports import ReportsChanges
from secc.records import LinkEvent, Record
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason
from secc.settings import TlsPolicy
from secc.station import link as link_module
from secc.station import recording as recording_module
from secc.station.station import Station
from secc.v2gtp import frame
from tests.support import requests
from tests.support.wire import (
    AC_SETUP,
    OFFER,
    Car,
    GrantingBackend,
    RecordingOutlet,
    ReportingOutlet,
    client_tls,
    config,
    ends,
    eventually,
    finish,
    running,
    to_charge_loop,
    to_session,
)

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
