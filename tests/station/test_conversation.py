"""A session on its link: when inputs are handled, what waits for the outlet, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import msgspec
import pytest

from secc.connection import Close, Connection, ConnectionInput, ConnectionOutput, Data, EndOfStream, Write
from secc.messages.app_protocol import SupportedAppProtocolReq
from secc.records import OutputRecord, Record
from secc.session.inputs import ContactorReported, LinkLost, StopRequested, Tick
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.session.outputs import RenewLease
from secc.session.ticket import Ticket
from secc.station.conversation import Chunk, Conversation, HangUp, LinkInput, Plaintext, StreamEnd
from secc.station.outlet import Outlet

pytestmark = pytest.mark.loop("virtual")

SNAPSHOT = EvseSnapshot(control_pilot=ControlPilot.B)
MESSAGE = SupportedAppProtocolReq(app_protocol=())
ANSWER = Write(b"answer", MESSAGE)


class Core:
    """Records all calls and answers as configured."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.came: list[tuple[float, str]] = []
        self.answers: dict[type, Sequence[ConnectionOutput]] = {}
        self.session = self
        self.session_id = b"\x01"
        self.answer_by = 0.0

    def handle(self, event: ConnectionInput, now: float) -> tuple[ConnectionOutput, ...]:
        self.came.append((round(now, 3), type(event).__name__))
        return tuple(self.answers.get(type(event), ()))


class Hardware:
    """An outlet whose driver receives a scheduled off."""

    def __init__(self) -> None:
        self.did: list[object] = []
        self.heard = asyncio.Event()
        self.heard.set()
        self.controller = self
        self.performing: Callable[[], None] = lambda: None

    @property
    def off_pending(self) -> bool:
        return not self.heard.is_set()

    async def off_heard(self, by: float) -> None:
        await self.heard.wait()

    def perform(self, command: object, decided: float | None = None) -> None:
        self.did.append(command)
        self.performing()

    async def release(self) -> None:
        self.did.append("release")

    def snapshot(self) -> EvseSnapshot:
        return SNAPSHOT

    async def changed(self) -> None:
        await asyncio.Event().wait()


class Wire:
    """Remembers what was sent, and whether it reads."""

    finished = False

    def __init__(self) -> None:
        self.did: list[str] = []
        self.records: list[Record] = []

    def decrypt(self, chunk: Chunk) -> Plaintext:
        return Plaintext(chunk.data, chunk.at)

    def send(self, plaintext: bytes) -> None:
        self.did.append(plaintext.decode())

    def record(self, record: Record) -> None:
        self.records.append(record)

    def complaint(self, text: str) -> None:
        raise AssertionError(text)

    def pause(self) -> None:
        self.did.append("pause")

    def resume(self) -> None:
        self.did.append("resume")


class Scene:
    """A conversation that runs, and everything around it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.core, self.hardware, self.wire = Core(), Hardware(), Wire()
        self.seen: list[EvseSnapshot] = []
        self.made = Conversation(
            self.wire,
            cast(Connection, self.core),
            cast(Outlet, self.hardware),
            SNAPSHOT,
            self.seen.append,
        )

    @property
    def came(self) -> list[str]:
        return [name for _, name in self.core.came if name != "Tick"]

    def bytes(self, data: bytes = b"x") -> None:
        self.made.take(Chunk(data, self.loop.time()))


@contextlib.asynccontextmanager
async def open_scene(*first: LinkInput) -> AsyncIterator[Scene]:
    scene = Scene()
    running = scene.loop.create_task(scene.made.run(first))
    await asyncio.sleep(0.001)  # with the first look of the watch
    yield scene
    scene.core.answers[LinkLost] = [Close(0.0)]
    if not scene.made.over:
        scene.hardware.heard.set()
        scene.made.post(HangUp("the test is over"))
    await running
    assert scene.hardware.did[-1] == "release"


async def test_bytes_are_handled_where_they_come_without_another_turn_of_the_loop() -> None:
    async with open_scene() as scene:
        scene.core.answers[Data] = [ANSWER]
        scene.bytes()
        assert scene.wire.did == ["answer"]


async def test_what_is_posted_is_handled_in_the_next_turn_and_in_order() -> None:
    async with open_scene() as scene:
        scene.made.post(StopRequested())
        scene.made.post(StreamEnd.CLOSED)
        assert scene.came == []
        await asyncio.sleep(0)
        assert scene.came == ["StopRequested", "EndOfStream"]


async def test_what_was_posted_before_bytes_came_is_handled_before_them() -> None:
    async with open_scene() as scene:
        scene.made.post(StopRequested())
        scene.bytes()
        assert scene.came == ["StopRequested", "Data"]


async def test_an_answer_of_the_outlet_that_comes_within_a_command_does_not_interrupt_it() -> None:
    async with open_scene() as scene:
        scene.core.answers[Data] = [RenewLease(0.5), ANSWER]
        scene.core.answers[ContactorReported] = [Write(b"second", MESSAGE)]
        report = ContactorReported(Ticket(1, 1), closed=True)
        scene.hardware.performing = lambda: scene.made.post(report)
        scene.bytes()
        assert scene.wire.did == ["answer", "second"]
        assert scene.came == ["Data", "ContactorReported"]


async def test_the_hardware_is_commanded_before_anything_is_sent_or_recorded() -> None:
    async with open_scene() as scene:
        scene.core.answers[Data] = [ANSWER, RenewLease(0.5)]
        scene.hardware.performing = lambda: scene.wire.did.append("commanded")
        scene.bytes()
        assert scene.wire.did == ["commanded", "answer"]
        assert isinstance(scene.wire.records[-1], OutputRecord)


@pytest.mark.inv("INV-02")
async def test_an_answer_waits_for_the_driver_to_hear_of_an_off_and_nothing_else_is_handled_or_read() -> None:
    async with open_scene() as scene:
        scene.core.answers[Data] = [RenewLease(0.5), ANSWER]
        scene.hardware.heard.clear()
        scene.bytes()
        scene.bytes()
        scene.made.post(StopRequested())
        await asyncio.sleep(0.01)
        assert scene.wire.did == ["pause"]
        assert scene.came == ["Data"]
        scene.hardware.heard.set()
        await asyncio.sleep(0.01)
        assert scene.wire.did == ["pause", "answer", "resume", "answer"]
        assert scene.came == ["Data", "Data", "StopRequested"]


async def test_reading_goes_on_while_messages_are_handled() -> None:
    async with open_scene() as scene:
        scene.core.answers[Data] = [ANSWER]
        for _ in range(3):
            scene.bytes()
        assert scene.wire.did == ["answer"] * 3


async def test_a_deadline_that_moves_later_does_not_wake_the_core_early() -> None:
    async with open_scene() as scene:
        began = scene.loop.time()
        scene.core.deadline = began + 0.1
        scene.bytes()
        await asyncio.sleep(0.05)
        scene.core.deadline = began + 0.3
        scene.bytes()
        scene.core.came.clear()
        await asyncio.sleep(0.2)
        assert scene.core.came == []
        await asyncio.sleep(0.1)
        assert [round(at - began, 2) for at, _ in scene.core.came][:1] == [0.3]
        scene.core.deadline = None


async def test_a_deadline_that_moves_earlier_is_kept() -> None:
    async with open_scene() as scene:
        began = scene.loop.time()
        scene.core.deadline = began + 5.0
        scene.bytes()
        scene.core.deadline = began + 0.1
        scene.bytes()
        scene.core.came.clear()
        await asyncio.sleep(0.11)
        assert [(round(at - began, 2), name) for at, name in scene.core.came][:1] == [(0.1, "Tick")]
        scene.core.deadline = None


async def test_each_look_reaches_the_one_who_observes_the_outlet() -> None:
    async with open_scene() as scene:
        scene.seen.clear()
        scene.bytes()
        scene.made.queue_look()
        await asyncio.sleep(0)
        assert scene.seen == [SNAPSHOT, SNAPSHOT]
        assert scene.core.came[-1][1] == Tick.__name__


async def test_the_first_inputs_are_handled_before_those_that_came_meanwhile() -> None:
    async with open_scene(StopRequested(), Plaintext(b"x", 0.0)) as scene:
        assert scene.came == ["StopRequested", "Data"]


async def test_what_comes_with_or_after_the_end_is_left_for_the_link() -> None:
    async with open_scene() as scene:
        scene.core.answers[EndOfStream] = [Close(2.0)]
        scene.made.post(StreamEnd.CLOSED)
        scene.made.post(HangUp("enough"))
        await asyncio.sleep(0)
        assert scene.made.over
        assert scene.made.close_at == pytest.approx(scene.loop.time() + 2.0)
        assert scene.made.left() == [HangUp("enough")]
        assert scene.came == ["EndOfStream"]


@pytest.mark.inv("INV-28")
@pytest.mark.parametrize("waits", [False, True])
async def test_a_defect_ends_the_session_with_the_outlet_released(waits: bool) -> None:
    scene = Scene()
    running = scene.loop.create_task(scene.made.run([]))
    await asyncio.sleep(0)
    scene.core.answers[Data] = [msgspec.structs.replace(ANSWER, data=cast(Any, None))]
    if waits:
        scene.hardware.heard.clear()
    scene.bytes()
    await asyncio.sleep(0.01)
    scene.hardware.heard.set()
    with pytest.raises(AttributeError):
        await running
    assert scene.hardware.did == ["release"]
    scene.bytes()
    assert scene.came == ["Data"]
