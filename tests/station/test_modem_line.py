"""The modem of a station: frames in, reopened after a failure, asleep where it can."""

from __future__ import annotations

import asyncio

from secc.boundary.modem import checked_modem
from secc.errors import LinkError
from secc.ports import PlcModem, SleepsModem
from secc.settings import SeccConfig, SlacConfig
from secc.slac.states import SlacState
from secc.station.machines import Machines
from secc.station.modem_line import ModemLine
from secc.station.power_line import PowerLineLog
from tests.support.fasttime import play_fast


class Modem(PlcModem):
    """Opens when it is there; has no frames."""

    def __init__(self) -> None:
        self.there = False
        self.opened: list[float] = []
        self.lost = asyncio.Event()

    def open(self) -> bytes:
        self.opened.append(asyncio.get_running_loop().time())
        if not self.there:
            raise LinkError("the interface is gone")
        return bytes(6)

    def close(self) -> None:
        """Nothing is held."""

    def send(self, frame: bytes) -> None:
        raise LinkError("the interface is gone")

    async def receive(self) -> bytes:
        await self.lost.wait()
        raise LinkError("the interface is gone")


class SleepyModem(Modem, SleepsModem):
    """Cannot sleep."""

    def sleep(self) -> None:
        raise OSError("busy")

    def wake(self) -> None:
        """Awake."""


class Surroundings:
    """Takes every command of the machines and does nothing."""

    def __getattr__(self, name: str) -> object:
        return lambda *arguments: None


def machines() -> Machines:
    config = SeccConfig(interface="lo", slac=SlacConfig(enabled=True))
    return Machines(config, Surroundings(), PowerLineLog(None), bytes)  # type: ignore[arg-type]


def state(both: Machines) -> SlacState:
    assert both.matching is not None
    return both.matching.state


def test_a_modem_that_is_gone_is_opened_again_less_and_less_often() -> None:
    async def scenario() -> None:
        modem = Modem()
        running = asyncio.create_task(ModemLine(checked_modem(modem)).run(machines()))
        await asyncio.sleep(30.0)
        running.cancel()
        waits = [round(b - a, 1) for a, b in zip(modem.opened, modem.opened[1:], strict=False)]
        assert waits[:5] == [0.5, 1.0, 2.0, 4.0, 5.0]
        assert {*waits[4:]} == {5.0}

    play_fast(scenario())


def test_the_matching_begins_when_the_modem_opens_and_ends_when_it_is_lost() -> None:
    async def scenario() -> None:
        modem, both = Modem(), machines()
        modem.there = True
        running = asyncio.create_task(ModemLine(checked_modem(modem)).run(both))
        await asyncio.sleep(0.1)
        assert state(both) is not SlacState.DOWN
        modem.there = False
        modem.lost.set()
        await asyncio.sleep(0.1)
        running.cancel()
        assert state(both) is SlacState.DOWN

    play_fast(scenario())


def test_a_frame_that_cannot_be_sent_is_lost_and_raises_nothing() -> None:
    async def scenario() -> None:
        ModemLine(checked_modem(Modem())).send(bytes(60))

    play_fast(scenario())


def test_a_modem_that_cannot_sleep_is_reported_and_one_without_the_ability_is_left_alone() -> None:
    async def scenario() -> None:
        assert ModemLine(checked_modem(SleepyModem())).put_to_sleep(True) == "modem: OSError: busy"
        assert ModemLine(checked_modem(Modem())).put_to_sleep(True) == ""

    play_fast(scenario())
