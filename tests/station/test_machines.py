"""Matching and pilot sequence together: whatever happens, the next car is matched, and nothing is left on."""

from __future__ import annotations

import asyncio
import os

from hypothesis import given
from hypothesis import strategies as st

from secc import pilot
from secc.pilot import Drive, PilotState
from secc.records import Record
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason
from secc.settings import EnergyConfig, EnergyMode, SeccConfig
from secc.settings.slac import AuthorizedDuty, SlacConfig
from secc.slac import events as slac
from secc.slac import messages as m
from secc.slac.frames import BROADCAST, Frame, Message, decode, encode
from secc.station.machines import Machines
from secc.station.power_line import PowerLineLog
from tests.slac.test_table import FRAMES
from tests.support.fasttime import play_fast
from tests.support.matching import EV, EVSE, MODEM, RUN


class Surroundings:
    """What the machines command, with a modem that confirms each key."""

    def __init__(self, *, dc: bool, reset_after: int) -> None:
        mode = EnergyMode.DC_EXTENDED if dc else EnergyMode.AC_THREE_PHASE_CORE
        config = SeccConfig(
            interface="lo",
            slac=SlacConfig(
                enabled=True,
                reset_after=reset_after,
                key_check=5.0,
                fallback_within=10.0,
                authorized_duty=AuthorizedDuty.NOMINAL,
            ),
            energy=EnergyConfig(modes=(mode,)),
        )
        self.up = self.basic = False
        self.signal = pilot.STEADY
        self.answers: list[m.SlacMatchCnf] = []
        self.machines = Machines(config, self, PowerLineLog(None), os.urandom)

    def send(self, data: bytes) -> None:
        message = decode(data).message
        if isinstance(message, m.SlacMatchCnf):
            self.answers.append(message)
        if isinstance(message, m.SetKeyReq):
            self.hear(MODEM, EVSE, m.SetKeyCnf(1))

    def put_to_sleep(self, asleep: bool) -> None:
        """Nothing to do for this modem."""

    def drive(self, signal: pilot.PilotSignal) -> None:
        self.signal = signal

    def allow_basic_charging(self, allowed: bool) -> None:
        self.basic = allowed

    def link_up(self) -> None:
        self.up = True

    def link_down(self, reason: str = "") -> None:
        self.up = False

    def record(self, record: Record) -> None:
        """Nothing is recorded."""

    # --- what happens to them ---

    def hear(self, source: bytes, destination: bytes, message: Message) -> None:
        self.machines.to_matching(slac.FrameReceived(encode(Frame(destination, source, message))))

    async def wait(self, seconds: float) -> None:
        """Let the time pass, with a tick at every deadline."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (due := self.machines.deadline) is not None and due <= end:
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.machines.to_matching(slac.SlacTick())
            self.machines.to_sequence(pilot.PilotTick())
        await asyncio.sleep(max(0.0, end - loop.time()))

    async def match(self) -> None:
        """One attempt of a car."""
        self.hear(EV, BROADCAST, m.SlacParmReq(RUN))
        await self.wait(0.1)
        for _ in range(3):
            self.hear(EV, BROADCAST, m.StartAttenCharInd(RUN, EV))
            await self.wait(0.02)
        for remaining in range(9, -1, -1):
            self.hear(EV, BROADCAST, m.MnbcSoundInd(RUN, remaining))
            self.hear(MODEM, BROADCAST, m.AttenProfileInd(EV, bytes([20] * 58)))
            await self.wait(0.02)
        await self.wait(0.1)
        self.hear(EV, EVSE, m.AttenCharRsp(EV, RUN))
        self.hear(EV, EVSE, m.SlacMatchReq(EV, EVSE, RUN))


Step = pilot.Input | slac.Input | tuple[bytes, bytes, Message] | str
STEPS: tuple[Step, ...] = (
    *(pilot.PilotSeen(seen) for seen in (ControlPilot.A, ControlPilot.B, ControlPilot.C, ControlPilot.F)),
    *(pilot.SessionOver(reason) for reason in EndReason),
    pilot.SetupOver(),
    pilot.WakeUp(),
    pilot.Authorized(),
    pilot.ResponseFailed(),
    pilot.BasicWanted(),
    pilot.LimitChanged(0.0),
    pilot.LimitChanged(16.0),
    slac.LinkUsed(True),
    slac.LinkUsed(False),
    slac.ModemLost(),
    "modem opened",
    "a car is matched",
    *(frame for frame in FRAMES if not isinstance(frame[2], m.SetKeyCnf)),
)
WAITS = st.sampled_from([0.0, 0.02, 0.3, 1.0, 3.0, 5.0, 13.0])


async def history(world: Surroundings, steps: list[tuple[Step, float]]) -> None:
    for step, seconds in steps:
        match step:
            case "modem opened":
                world.machines.modem_opened(EVSE)
            case "a car is matched":
                await world.match()
            case tuple():
                world.hear(*step)
            case slac.LinkUsed() | slac.ModemLost():
                world.machines.to_matching(step)
            case _:
                assert not isinstance(step, str | slac.Input)
                world.machines.to_sequence(step)
        judge(world)
        await world.wait(seconds)
        judge(world)


def judge(world: Surroundings) -> None:
    """What holds at any time."""
    state = world.machines.sequence.state
    assert world.signal == world.machines.sequence.signal
    if state in (PilotState.UNPLUGGED, PilotState.FAULT, PilotState.FINISHED):
        assert (world.signal.drive, world.up, world.basic) == (Drive.STEADY, False, False)
    if state is PilotState.CONNECTED:
        assert not world.basic
    if world.basic:
        assert state is PilotState.BASIC


@given(st.lists(st.tuples(st.sampled_from(STEPS), WAITS), max_size=40), st.booleans(), st.integers(0, 2))
def test_after_any_history_the_next_car_reaches_the_station(
    steps: list[tuple[Step, float]], dc: bool, reset_after: int
) -> None:
    async def scenario() -> None:
        world = Surroundings(dc=dc, reset_after=reset_after)
        world.machines.modem_opened(EVSE)
        await history(world, steps)
        world.machines.to_matching(slac.LinkUsed(False))
        world.machines.to_sequence(pilot.PilotSeen(ControlPilot.A))
        judge(world)
        world.machines.modem_opened(EVSE)
        await world.wait(5.0)
        world.machines.to_sequence(pilot.PilotSeen(ControlPilot.B))
        await world.wait(0.1)
        assert world.signal == pilot.PilotSignal(Drive.PWM, pilot.DIGITAL)
        world.answers.clear()
        await world.match()
        assert len(world.answers) == 1
        await world.wait(1.0)
        assert world.up

    play_fast(scenario(), sockets=False, frozen=True)
