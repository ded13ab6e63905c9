"""The streams of ISO 15118-20 over real sockets: beside the loop, and what a car does wrong there."""

from __future__ import annotations

from typing import Any

import pytest

from secc import payloads
from secc.messages.app_protocol import AppProtocol, SupportedAppProtocolReq
from secc.messages.iso20_common import Processing
from secc.session.iso20.services import Service
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason
from secc.sim.evcc import ScriptedEvcc, _Wire
from secc.v2gtp import PayloadType, frame
from tests.station.test_iso20 import PLAN, Bench, on_bench
from tests.support import iso20 as r
from tests.support.iso20 import DYNAMIC, addressed, code

SCHEDULE, METERING = PayloadType.ISO20_SCHEDULE, PayloadType.ISO20_METERING


class Talker:
    """A car that sends what it wants, when it wants, and sorts the answers by their stream."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.codec = payloads.iso20("iso20-dc")
        self.session_id = bytes(8)
        self.beside: list[Any] = []
        """What was answered on side streams."""
        self._ev: ScriptedEvcc = bench.ev(PLAN)
        self._wire: _Wire

    def framed(self, request: Any, payload_type: int | None = None) -> bytes:
        return self.codec.encode(addressed(request, self.session_id), payload_type)

    async def send(self, data: bytes) -> None:
        await self._wire.send(data)

    async def answer(self) -> Any:
        """The next response of the main stream."""
        while True:
            found = await self._wire.receive()
            message = self.codec.decode(found)
            if found.payload_type in (SCHEDULE, METERING):
                self.beside.append(message)
            else:
                return message

    async def ask(self, request: Any) -> Any:
        await self.send(self.framed(request))
        return await self.answer()

    async def finished(self, request: Any) -> None:
        while (await self.ask(request)).evse_processing is not Processing.FINISHED:
            pass

    async def into_the_loop(self) -> Talker:
        """A session of DC, Dynamic mode, after the first message of its loop."""
        self._wire = await self._ev._connect()
        entry = AppProtocol(
            protocol_namespace="urn:iso:std:iso:15118:-20:DC",
            version_number_major=1,
            version_number_minor=0,
            schema_id=1,
            priority=1,
        )
        await self.send(payloads.HANDSHAKE.encode(SupportedAppProtocolReq(app_protocol=(entry,))))
        await self._wire.receive()
        self.session_id = (await self.ask(r.session_setup())).header.session_id
        await self.ask(r.authorization_setup())
        await self.finished(r.authorization())
        for request in (r.service_discovery(), r.service_detail(2), r.selection(2, DYNAMIC)):
            await self.ask(request)
        await self.ask(r.dc_parameters())
        await self.finished(r.dynamic())
        self.bench.cable.set_pilot(ControlPilot.C)
        await self.finished(r.cable_check())
        while (await self.ask(r.pre_charge(processing=Processing.ONGOING))).evse_present_voltage.value == 0:
            pass
        await self.ask(r.pre_charge())
        assert code(await self.ask(r.dynamic_start())) == "OK"
        assert code(await self.ask(r.dc_dynamic_loop())) == "OK"
        return self

    async def end(self) -> None:
        """In order."""
        for request in (r.stop(), r.welding(), r.session_stop()):
            assert code(await self.ask(request)) == "OK"

    async def close(self) -> None:
        await self._wire.close(reset=True)


@pytest.mark.req("V2G20-1045", "V2G20-1046", "V2G20-1048", "V2G20-1050")
async def test_a_car_sends_on_both_streams_without_waiting_and_gets_every_answer() -> None:
    async with on_bench(Service.DC) as bench:
        car = await Talker(bench).into_the_loop()
        for request in (r.dc_parameters(), r.dynamic(), r.renegotiate()):
            await car.send(car.framed(request, SCHEDULE) + car.framed(r.dc_dynamic_loop()))
            assert code(await car.answer()) == "OK"
            assert code(await car.ask(r.dc_dynamic_loop())) == "OK"
        await car.end()
        names = [type(message).__name__ for message in car.beside]
        assert names == ["DCChargeParameterDiscoveryRes", "ScheduleExchangeRes", "PowerDeliveryRes"]
        assert {code(message) for message in car.beside} == {"OK"}
        assert bench.ends == [EndReason.TERMINATED]
        await car.close()


async def test_noise_and_a_flood_beside_the_loop_do_not_disturb_it() -> None:
    async with on_bench(Service.DC) as bench:
        car = await Talker(bench).into_the_loop()
        await car.send(car.framed(r.dc_parameters(), SCHEDULE))
        flood = car.framed(r.dynamic(), SCHEDULE)
        for number in range(8):
            noise = frame(bytes([0xFF] * 50), METERING if number % 2 else SCHEDULE)
            await car.send(noise + flood[: len(flood) * (number == 3)] + car.framed(r.dc_dynamic_loop()))
            assert code(await car.answer()) == "OK"
        assert bench.ends == []
        await car.end()
        assert bench.ends == [EndReason.TERMINATED]
        await car.close()


@pytest.mark.inv("INV-03")
async def test_too_much_noise_beside_the_loop_ends_the_session_with_the_output_off() -> None:
    async with on_bench(Service.DC) as bench:
        car = await Talker(bench).into_the_loop()
        await car.send(frame(b"\xff" * 50, SCHEDULE) * 17)
        await bench.off()
        assert bench.ends == [EndReason.PROTOCOL_ERROR]
        await car.close()


@pytest.mark.inv("INV-03", "INV-16")
@pytest.mark.req("V2G20-459")
async def test_a_request_out_of_order_beside_the_loop_is_refused_and_ends_everything() -> None:
    async with on_bench(Service.DC) as bench:
        car = await Talker(bench).into_the_loop()
        await car.send(car.framed(r.renegotiate(), SCHEDULE))
        found = await car._wire.receive()
        assert found.payload_type == SCHEDULE
        assert code(car.codec.decode(found)) == "FAILED_SequenceError"
        await bench.off()
        assert bench.ends == [EndReason.REFUSED]
        await car.close()
