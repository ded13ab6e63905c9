"""Recorded cars over real TCP, at a whole station, several times faster than they were."""

import asyncio
import os

import msgspec
import pytest

from secc.records import OutputRecord
from secc.session.outlet import ControlPilot, EvseSnapshot, IsolationLevel
from secc.session.outputs import EndReason, EndSession
from secc.settings import SeccConfig
from secc.sim.playback import code_of
from secc.sim.player import Cue, Ids, Recording, config_for, cues, decoded, load
from secc.station.station import Station
from tests.support.recordings import ac_session, dc_session, din_session
from tests.support.vectors import shared
from tests.support.wire import Car, GrantingBackend, RecordingOutlet, eventually

SPEED = 8.0


class FollowingOutlet(RecordingOutlet):
    """Does what the recorded outlet did, when it did."""

    def __init__(self) -> None:
        super().__init__()
        self.voltage = self.current = 0.0
        self.tested = asyncio.Event()

    def snapshot(self) -> EvseSnapshot:
        return msgspec.structs.replace(
            super().snapshot(), present_voltage=self.voltage, present_current=self.current
        )

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        await self.tested.wait()
        return await super().check_cable(max_voltage)

    def follow(self, cue: Cue) -> None:
        self.voltage = self.voltage if cue.voltage is None else cue.voltage
        self.current = self.current if cue.current is None else cue.current
        self.pilot = cue.pilot or self.pilot
        if cue.isolation_tested:
            self.tested.set()


class FollowingBackend(GrantingBackend):
    def __init__(self) -> None:
        super().__init__()
        self.decided = asyncio.Event()

    async def authorize_external(self, evse_id: str) -> bool:
        await self.decided.wait()
        return await super().authorize_external(evse_id)


async def drive(recording: Recording) -> tuple[list[str | None], list[EndSession]]:
    """All messages of the car over TCP; the response codes, and how the station saw the end."""
    outlet, backend, ends = FollowingOutlet(), FollowingBackend(), []
    config = config_for(recording, SeccConfig(interface="lo"))

    def note(record: object) -> None:
        if isinstance(record, OutputRecord) and isinstance(record.output, EndSession):
            ends.append(record.output)

    station = Station(config, outlet, backend, reporter=note, sdp_port=0, random_bytes=os.urandom)
    codes: list[str | None] = []
    async with station:
        assert station.endpoint is not None
        assert station.endpoint.plain_port is not None
        car, ids, before = await Car.connect(station.endpoint.plain_port), Ids(), recording.exchanges[0].at
        for exchange, cue in zip(recording.exchanges, cues(recording), strict=True):
            await asyncio.sleep((exchange.at - before) / SPEED)
            before = exchange.at
            outlet.follow(cue)
            if cue.authorised:
                backend.decided.set()
            if cue.stop_ordered:
                station.stop_charging()
            await asyncio.sleep(0.03 if cue.authorised or cue.isolation_tested else 0)
            await car.send(ids.rewritten(exchange.payload))
            payload = await car.next_payload()
            answer = None if payload is None else decoded(payload)
            codes.append(code_of(answer))
            if answer is not None:
                ids.learn(exchange.answer, answer)
        car.close()
        await eventually(lambda: len(ends) == 1)
        await eventually(lambda: outlet.calls[-1] == "make_safe")
    assert outlet.pilot is not ControlPilot.A
    return codes, ends


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("citroen_ec4", "iso2_dc"),
        ("audi_q4", "ac_iso2-1.dump#2"),
        ("vw_id_3", "iso_15118-2_AC/2023-04-14T12:45:39.624Z-3_config-ac-iso2/ethernet-traffic.dump#0"),
        ("opel_mokka_e", "2_config-dc-iso2"),
        ("citroen_ec4", "1_din_spec"),
    ],
)
async def test_a_recorded_car_ends_as_it_chose(file: str, name: str) -> None:
    (recording,) = [one for one in load(shared(f"cars/{file}.jsonl")) if name in one.name]
    codes, ends = await drive(recording)
    assert [code for code in codes if code is None or not code.startswith("OK")] == []
    assert len(codes) == len(recording.exchanges)
    paused = name.startswith("ac_iso2")
    assert ends[0].reason is (EndReason.PAUSED if paused else EndReason.TERMINATED)


@pytest.mark.parametrize("recording", [ac_session(), dc_session(), din_session()], ids=["ac", "dc", "din"])
async def test_a_simulated_recording_ends_as_its_car_chose(recording: Recording) -> None:
    codes, ends = await drive(recording)
    assert [code for code in codes if code is None or not code.startswith("OK")] == []
    assert ends[0].reason is EndReason.TERMINATED
