"""Plug-in after plug-in on a bad line: every car is served, and nothing is left behind.

`SOAK=500` in the environment makes it long (`make soak`), `SOAK_SEED` makes another one; what it has shown is
in docs/explanation/slac.md.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import gc
import os
import random
import resource
import tracemalloc

import pytest

from secc.errors import LinkError
from secc.messages.iso2 import ChargingSession
from secc.pilot import Drive, PilotState
from secc.sim import Noise, SlacEv
from secc.slac import events as slac
from secc.slac.states import SlacState
from tests.support.fasttime import virtual_loop
from tests.support.plc import World

PLUG_INS = int(os.environ.get("SOAK", "8"))
SEED = int(os.environ.get("SOAK_SEED", "7"))


@dataclasses.dataclass
class Tally:
    """Results of the plug-ins."""

    charged: int = 0
    paused: int = 0
    pulled: int = 0
    unmatched: int = 0
    unheard: int = 0
    """Sessions that the EV began again, as its own connection failed before its first message."""
    keys: set[bytes] = dataclasses.field(default_factory=set)
    tasks: set[int] = dataclasses.field(default_factory=set)


async def _plug_ins(world: World, count: int, dice: random.Random, tally: Tally) -> None:
    for number in range(count):
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        try:
            matched = await SlacEv(world.ev_plc, run_id=dice.randbytes(8)).match(patience=20.0)
        except LinkError:
            tally.unmatched += 1
        else:
            tally.keys.add(matched.nid)
            await world.until(lambda: world.plc.matching_state is SlacState.MATCHED, 15.0)
            await _use(world, number, tally)
        world.cable.unplug()
        await world.until(lambda: world.plc.pilot_state is PilotState.UNPLUGGED)
        await world.until(lambda: world.plc.matching_state is SlacState.UNMATCHED)
        await asyncio.sleep(3.0)
        tally.tasks.add(len(asyncio.all_tasks()))


async def _use(world: World, number: int, tally: Tally) -> None:
    match number % 4:
        case 3:
            tally.pulled += 1
        case 0 | 1:
            result = await world.talk()
            if not result.exchanges:
                tally.unheard += 1
                result = await world.talk()
            assert result.completed, result.error
            tally.charged += 1
        case _:
            first = await world.talk(end=ChargingSession.PAUSE)
            assert first.completed, first.error
            await world.until(lambda: world.plc.matching_state is SlacState.PAUSED)
            world.plc.wake_up()
            await world.until(lambda: world.plc.station.endpoint is not None)
            second = await world.talk(session_id=first.session_id)
            assert second.completed, second.error
            tally.paused += 1


def _forget(world: World) -> None:
    """What the simulation, not the station, has written down."""
    for log in (world.records, world.station_plc.sent, world.ev_plc.sent, world.evse.commands):
        log.clear()
    gc.collect()


async def _soak(count: int) -> tuple[Tally, int]:
    dice = random.Random(SEED)
    world = World(noise=Noise(loss=0.08, duplicates=0.08, late=0.1, seed=SEED))
    tally = Tally()
    async with world.plc:
        await _plug_ins(world, count // 3, dice, tally)
        _forget(world)
        tracemalloc.start()
        try:
            await _plug_ins(world, count - count // 3, dice, tally)
            _forget(world)
            kept = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
    assert not any(isinstance(one, slac.ModemSilent) for one in world.told(slac.ModemSilent))
    return tally, kept


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Real sockets, and a clock that a busy machine does not move: a pause of the process ends no session."""
    return "asyncio", {"loop_factory": functools.partial(virtual_loop, sockets=True, busy=True)}


async def test_every_plug_in_on_a_bad_line_is_served_and_leaves_nothing_behind() -> None:
    tally, kept = await _soak(PLUG_INS)
    print(f"{PLUG_INS} plug-ins: {tally.charged} charged, {tally.paused} paused and charged, ", end="")
    print(f"{tally.pulled} pulled out, {tally.unmatched} not matched, {tally.unheard} begun again, ", end="")
    print(f"{kept} bytes kept, ", end="")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} KiB at most in memory")
    assert tally.unmatched <= PLUG_INS // 20
    assert tally.unheard <= PLUG_INS // 100
    assert len(tally.keys) == PLUG_INS - tally.unmatched
    assert len(tally.tasks) == 1
    # Keys in the tally, a thousand session ids (`recent_ids`), and tuples that CPython keeps for reuse, up to
    # 2,000 of each length.
    assert kept < 250_000 + 300 * PLUG_INS
