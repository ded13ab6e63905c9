"""Two sides of a connection, back to back, without a socket."""

from __future__ import annotations

import asyncio
import collections
import json
from collections.abc import Awaitable, Callable

import pytest

from secc.ocpp.link import pause
from secc.ocpp.model import Payload
from secc.ocpp.rpc import CallFailed, NoAnswer, Rpc
from secc.settings.ocpp import OcppVersion

pytestmark = pytest.mark.loop("virtual")

V201 = OcppVersion.V201
TIME = {"currentTime": "2026-01-01T00:00:00Z"}


async def refuse(action: str, payload: Payload) -> Payload:
    raise CallFailed("NotSupported", "not here")


def pair(handle: Callable[[str, Payload], Awaitable[Payload]]) -> tuple[Rpc, Rpc, list[str]]:
    """A caller, a peer that answers with `handle`, and the exchanged messages."""
    said: list[str] = []
    sides: list[Rpc] = []

    async def to_called(text: str) -> None:
        said.append(text)
        sides[1].receive(text)

    async def to_caller(text: str) -> None:
        said.append(text)
        sides[0].receive(text)

    sides.append(Rpc(to_called, V201, refuse))
    sides.append(Rpc(to_caller, V201, handle))
    return sides[0], sides[1], said


async def test_a_call_is_answered() -> None:
    async def handle(action: str, payload: Payload) -> Payload:
        return TIME

    caller, _, said = pair(handle)
    answer = await caller.call("Heartbeat", {}, patience=1.0, message_id="m1")
    assert [json.loads(one)[:2] for one in said] == [[2, "m1"], [3, "m1"]]
    assert answer == TIME


async def test_calls_go_one_after_the_other() -> None:
    running: list[int] = []

    async def handle(action: str, payload: Payload) -> Payload:
        running.append(1)
        assert len(running) == 1
        await asyncio.sleep(0)
        running.pop()
        return TIME

    caller, _, _ = pair(handle)
    await asyncio.gather(*(caller.call("Heartbeat", {}, patience=1.0) for _ in range(5)))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (CallFailed("NotSupported", "no"), "NotSupported"),
        (ValueError("a defect"), "InternalError"),
        ({"currentTime": 3}, "TypeConstraintViolation"),
        ({}, "OccurrenceConstraintViolation"),
    ],
)
async def test_a_call_that_fails_says_why(answer: object, code: str) -> None:
    async def handle(action: str, payload: Payload) -> Payload:
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, dict)
        return answer

    caller, _, _ = pair(handle)
    with pytest.raises(CallFailed) as caught:
        await caller.call("Heartbeat", {}, patience=1.0)
    assert caught.value.code == code


async def test_a_call_of_the_station_that_breaks_its_schema_is_never_sent() -> None:
    caller, _, said = pair(refuse)
    with pytest.raises(CallFailed):
        await caller.call("Reset", {"type": "Sideways"}, patience=1.0)
    assert said == []


async def test_no_answer_in_time_and_a_late_one_changes_nothing() -> None:
    async def handle(action: str, payload: Payload) -> Payload:
        await asyncio.sleep(0.05)
        return TIME

    caller, _, said = pair(handle)
    with pytest.raises(NoAnswer, match="no answer within"):
        await caller.call("Heartbeat", {}, patience=0.01)
    await asyncio.sleep(0.06)
    assert len(said) == 2
    assert await caller.call("Heartbeat", {}, patience=1.0) == TIME


async def test_a_waiting_call_fails_when_the_connection_is_lost() -> None:
    async def handle(action: str, payload: Payload) -> Payload:
        await asyncio.Event().wait()
        return {}

    caller, called, _ = pair(handle)
    calls = [asyncio.create_task(caller.call("Heartbeat", {}, patience=5.0)) for _ in range(2)]
    await asyncio.sleep(0.01)
    caller.close("gone")
    called.close("gone")
    for result in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(result, NoAnswer)
    with pytest.raises(NoAnswer, match="gone"):
        await caller.call("Heartbeat", {}, patience=1.0)


async def test_the_same_call_twice_is_done_once_and_answered_alike() -> None:
    done: list[str] = []
    said: list[str] = []

    async def handle(action: str, payload: Payload) -> Payload:
        done.append(action)
        await asyncio.sleep(0.01)
        return TIME

    async def send(text: str) -> None:
        said.append(text)

    answered: collections.OrderedDict[str, str] = collections.OrderedDict()
    first = Rpc(send, V201, handle, answered=answered)
    first.receive('[2,"m1","Heartbeat",{}]')
    first.receive('[2,"m1","Heartbeat",{}]')
    await asyncio.sleep(0.03)
    assert len(said) == 1
    second = Rpc(send, V201, handle, answered=answered)
    second.receive('[2,"m1","Heartbeat",{}]')
    await asyncio.sleep(0.03)
    assert done == ["Heartbeat"]
    assert said[0] == said[1]


async def test_answers_are_remembered_within_limits() -> None:
    async def handle(action: str, payload: Payload) -> Payload:
        return TIME

    answered: collections.OrderedDict[str, str] = collections.OrderedDict()
    _, called, _ = pair(handle)
    called = Rpc(lambda _text: asyncio.sleep(0), V201, handle, answered=answered)
    for number in range(100):
        called.receive(f'[2,"{number}","Heartbeat",{{}}]')
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)
    assert len(answered) == 64


def test_pauses_double_up_to_the_longest_with_half_of_it_by_chance() -> None:
    assert [pause(failures, 1.0, 60.0, 1.0) for failures in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pause(3, 1.0, 60.0, 0.0) == 4.0
    assert pause(10_000, 1.0, 60.0, 0.5) == 45.0
