"""An exhaustive search of the session and the lease of its output.

Breadth first over the pure core, together with the oracle of `tests.support.safety`, which has an independent
model of the world: each new pair of both states gets every input of its world (`tests.support.worlds`). An
input is a request of each class, valid and invalid, with the session's id and another one; a control pilot
state, a fault, a voltage, a contactor's feedback, a limit; an answer of the back end or the outlet, true,
false or stale; an order; a timer. In some worlds the search continues after the end of a session: the cable
is unplugged, the outlet is reset by hand, the next car arrives.

Time is symbolic: any running timer may be the next to expire, with the lease renewed meanwhile, and at any
point the lease may have expired unused. So the search covers more orders than can occur, and every order that
can occur. Two pairs are equal when everything that either of them uses for decisions is equal, except exact
times and ids.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import enum
import functools
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec

from secc.session.inputs import Input, Received, StopRequested, Tick
from secc.session.latch import FaultLatch, IdleOutlet
from secc.session.machine import Session
from secc.session.outlet import EvseSnapshot
from secc.session.outputs import EndSession, Notice, Output, Send, SetOutput
from secc.session.pause import PauseMemory
from secc.session.schedules import PowerSchedule
from secc.session.states import Timer
from secc.session.ticket import Ticket
from tests.support.safety import Broken, SafetyOracle
from tests.support.values import frozen, has_fields, names
from tests.support.worlds import Move, World

BEGINNING = 1000.0
Key = tuple[object, ...]


@dataclasses.dataclass(slots=True)
class Node:
    """A session, what outlives it, and the oracle beside it."""

    world: World
    session: Session
    oracle: SafetyOracle
    latch: FaultLatch
    pauses: PauseMemory
    idle: IdleOutlet
    now: float
    began: bool = False
    """The way to the beginning of the search is behind us."""
    stranger: bool = False
    """The car is another one than the first."""

    @classmethod
    def beginning(cls, world: World) -> Node:
        """A new outlet and its first car."""
        latch, pauses = FaultLatch(), PauseMemory(world.config.timing.pause)
        session = world.session(world.plugged(), BEGINNING, latch, pauses)
        oracle = world.oracle(world.config, world.plugged(), session.session_id)
        idle = IdleOutlet(world.config, latch.trip)
        node = cls(world, session, oracle, latch, pauses, idle, BEGINNING)
        for name in filter(None, world.first.split("|")):
            moves = {move.name: move for move in world.moves(node)}
            _make(moves[name], node)
        node.began = True
        return node

    def next_car(self, *, stranger: bool) -> None:
        """The same outlet, another session."""
        self.now += 1.0
        self.stranger = stranger
        evse, world = self.session.evse, self.world
        self.session = world.session(evse, self.now, self.latch, self.pauses, stranger=stranger)
        who = {"stranger": True} if stranger else {}
        self.oracle = world.oracle(world.config, evse, self.session.session_id, self.oracle.lasting, **who)

    def fork(self) -> Node:
        """A copy that can be changed; what is frozen is shared."""
        session = _twin(self.session)
        for name, value in vars(self.session).items():
            kind = type(value)
            if kind in _CONTAINERS:
                setattr(session, name, value.copy())
            elif _changes(kind):  # type: ignore[arg-type]
                setattr(session, name, _copied(value))
        latch, pauses, idle = _twin(self.latch), _twin(self.pauses), _twin(self.idle)
        idle._trip = latch.trip
        kept = (self.world, session, self.oracle.fork(), latch, pauses, idle, self.now)
        return Node(*kept, self.began, self.stranger)

    def key(self) -> Key:
        """Everything that any of them decides by, without exact times and ids."""
        session, oracle = self.session, self.oracle
        outlives = self._outlives() if self.world.sessions else ()
        outlives += self.world.pending(session)
        if session.state.ended:
            return (session.state, oracle.ended, oracle.output_on, session.deadline, *outlives)
        due = None if session.stop is None else session.stop.due <= self.now
        aged = session.rises_until is not None and self.now > session.rises_until
        parts = _named(session, _NOT_DECIDING)
        seen = (due, aged, self.stranger, _outlet(session.evse))
        return (*seen, *parts, *_named(oracle, _NOT_SEEING), *outlives)

    def _outlives(self) -> Key:
        latch = tuple(abstract(value) for value in vars(self.latch).values())
        lasting = tuple(abstract(value) for value in vars(self.oracle.lasting).values())
        idle = (self.idle._open_by is None, self.idle._live_since is None) if self.session.state.ended else ()
        return (latch, lasting, abstract(self.pauses._paused), _outlet(self.session.evse), idle)

    def feed(self, event: Input) -> tuple[Output, ...]:
        """One input; raises Broken when an invariant does not hold afterwards."""
        if isinstance(event, (Received, Tick)):
            self.latch.observe(event.snapshot)
            self.pauses.observe(event.snapshot)
        outputs = self.session.handle(event, self.now)
        self.oracle.step(self.now, event, outputs)
        for output in outputs:
            if isinstance(output, EndSession):
                self.latch.session_ended(output)
                self.pauses.session_ended(output, self.now)
                self.idle.switched_off(self.now)
        return outputs

    def between(self, snapshot: EvseSnapshot, *, reset: bool) -> tuple[Output, ...]:
        """Between two sessions the outlet is looked at, and perhaps reset."""
        if reset:
            self.latch.reset()
            self.oracle.lasting.reset_by_hand()
        self.session.evse = snapshot
        self.latch.observe(snapshot)
        self.pauses.observe(snapshot)
        self.idle.observe(snapshot, self.now)
        self.oracle.lasting.observe(snapshot)
        return ()

    def let_pass(self, timer: Timer) -> None:
        """This timer is the next to run out; the lease was renewed up to a moment ago."""
        session = self.session
        due = session.timers.due[timer]
        for other, at in session.timers.due.items():
            if other is not timer and at <= due:
                self._postpone(other, due + (0.2 if other is Timer.LEASE_RENEWAL else 10.0))
        if session.energised is not None and timer is not Timer.LEASE_RENEWAL:
            session.lease_until = due + 0.3
            self.oracle.leased_until = due + 0.3
        if timer is not Timer.STOP_DELAY and self.oracle.stopped_at is not None:
            self.oracle.stopped_at = max(self.oracle.stopped_at, due - session.config.timing.stop_delay)
        if timer is not Timer.CONTACTOR_LOST and self.oracle.fallen_at is not None:
            judged = Timer.CONTACTOR_LOST in session.timers.due
            self.oracle.fallen_at = due if judged else due - 10.0
        self.now = due

    def put_off(self) -> None:
        """No timer expires when an input arrives: an expiry is a separate move."""
        timers = self.session.timers.due
        for timer, at in timers.items():
            if at <= self.now and timer is not Timer.LEASE_RENEWAL:
                self._postpone(timer, self.now + 10.0)

    def _postpone(self, timer: Timer, until: float) -> None:
        """What the timer stands for is postponed with it."""
        session = self.session
        session.timers.due[timer] = until
        if timer is Timer.STOP_DELAY and session.stop is not None:
            session.stop = msgspec.structs.replace(session.stop, due=until)


_CONTAINERS = (dict, set, list)


def _twin(one: Any) -> Any:
    """A shallow copy of a plain object, without the ceremony."""
    twin = object.__new__(type(one))
    twin.__dict__.update(one.__dict__)
    return twin


def _copied(part: Any) -> Any:
    """A part of the session that is changed in place, with its containers."""
    twin = copy.copy(part)
    for name in names(type(part)):
        value = getattr(twin, name)
        if type(value) in _CONTAINERS:
            setattr(twin, name, value.copy())
    return twin


def _named(one: object, without: frozenset[str]) -> list[tuple[str, object]]:
    """Its values by name; None and False as if they were not there."""
    return [
        (name, abstract(value))
        for name, value in vars(one).items()
        if value is not None and value is not False and name not in without
    ]


@functools.cache
def _changes(kind: Any) -> bool:
    """Objects of this type are changed in place."""
    return has_fields(kind) and not frozen(kind)


_NOT_DECIDING = frozenset(
    {
        *("config", "dialect", "now", "evse", "contracts", "vehicle", "services", "session_id", "tls"),
        *("received_id", "received_signature", "received_payload", "reading", "first_reading"),
        *("names", "_outputs", "ramped_at", "dc_limits"),
    }
)
_NOT_SEEING = frozenset(
    {
        *("config", "evse", "session_id", "now", "arrived", "lasting", "signed", "offered_ids", "challenges"),
    }
)


def _outlet(evse: EvseSnapshot) -> Key:
    return (
        *(evse.control_pilot, evse.fault, evse.present_voltage, evse.contactor_closed, evse.ready),
        *(evse.max_voltage, evse.max_current, evse.max_power),
    )


def abstract(value: object) -> object:
    """What of a value can make a difference: times, ids and texts only by being there."""
    return _abstraction(type(value))(value)  # type: ignore[arg-type]


@functools.cache
def _abstraction(kind: Any) -> Callable[[Any], object]:
    if issubclass(kind, (bool, int, enum.Enum, Fraction, type, type(None))):
        return lambda value: value
    if issubclass(kind, (float, bytes, str, Ticket)):
        return lambda _: True
    if issubclass(kind, (tuple, list)):
        return lambda value: tuple([abstract(one) for one in value])
    if issubclass(kind, (set, frozenset)):
        return lambda value: frozenset([abstract(one) for one in value])
    if issubclass(kind, dict):
        return lambda value: frozenset([(abstract(name), abstract(one)) for name, one in value.items()])
    if kind is SetOutput:
        return lambda value: (value.voltage, value.current)
    if kind is PowerSchedule:
        return lambda value: (value.schedule_id, *[step.max_power for step in value.steps])
    judged = kind.__module__.startswith("secc.pki")
    if judged or not has_fields(kind):
        return lambda _: kind
    fields = names(kind)
    return lambda value: (kind, *[abstract(getattr(value, name)) for name in fields])


# --- the search --------------------------------------------------------------------------------------------


@dataclasses.dataclass(slots=True)
class Found:
    """What a search has seen."""

    nodes: int = 0
    edges: int = 0
    states: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """The number of nodes in each state of the session."""
    energised: int = 0
    ends: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """How many edges lead to an end, by its reason."""


Origin = dict[Key, tuple[Key | None, str]]


def search(world: World) -> Found:
    """Every node that can be reached; raises Broken with the way to it when an invariant does not hold."""
    start = Node.beginning(world)
    found = Found()
    origin: Origin = {start.key(): (None, "")}
    queue = collections.deque([start])
    while queue:
        node = queue.popleft()
        key = node.key()
        _count(found, node)
        try:
            _fall_silent(node)
        except (Broken, RuntimeError) as error:
            raise Broken(f"{error}\n" + "\n".join(_way(origin, key, "silence"))) from error
        for edge in _edges(node, origin, key):
            found.edges += 1
            found.ends.update(o.reason.name for o in edge.outputs if isinstance(o, EndSession))
            if edge.key not in origin:
                origin[edge.key] = (key, edge.name)
                queue.append(edge.node)
    return found


class _Edge(NamedTuple):
    """One input, and where it leads to."""

    name: str
    node: Node
    key: Key
    outputs: tuple[Output, ...]


def _edges(node: Node, origin: Origin, key: Key) -> Iterator[_Edge]:
    for move in node.world.moves(node):
        following = node.fork()
        try:
            outputs = _make(move, following)
            reached = following.key()
            _check(node, following, outputs)
            if move.stale and (reached != key or _acts(outputs)):
                raise Broken(f"INV-20: {outputs}")
            _check_stop(node, move, outputs)
        except (Broken, RuntimeError) as error:
            raise Broken(f"{error}\n" + "\n".join(_way(origin, key, move.name))) from error
        yield _Edge(move.name, following, reached, outputs)


def _make(move: Move, node: Node) -> tuple[Output, ...]:
    if move.next_car:
        node.next_car(stranger=move.stranger)
        return ()
    evse = msgspec.structs.replace(node.session.evse, **move.outlet)
    if move.between:
        node.now += 10.0 if move.late else 0.001
        return node.between(evse, reset=move.reset)
    if move.timer is not None:
        node.let_pass(move.timer)
    elif move.late:
        node.now = node.session.lease_until + 0.1
    else:
        node.now += 0.001
        node.put_off()
    return node.feed(Tick(evse) if move.event is None else move.event)


def _check(before: Node, after: Node, outputs: tuple[Output, ...]) -> None:
    """What the oracle cannot see from outside."""
    session = after.session
    if before.session.state.ended and outputs:
        raise Broken(f"INV-16: {outputs} after the end")
    if (session.deadline is None) is not session.state.ended:
        raise Broken(f"INV-17: deadline {session.deadline} in {session.state.name}")
    if session.energised is not None and Timer.LEASE_RENEWAL not in session.timers.due:
        raise Broken("INV-31: energised and nobody renews")
    if session.energised is not None and session.timers.due[Timer.LEASE_RENEWAL] <= session.now:
        raise Broken("INV-31: energised and the renewal that is due does not come")
    if (session.energised is not None) is not after.oracle.output_on and not session.state.ended:
        raise Broken(f"INV-31: the session says {session.energised}, the outlet {after.oracle.output_on}")
    answers = sum(isinstance(output, Send) for output in outputs)
    if answers > 2 or (answers == 2 and session.state.waits_for_ev):
        raise Broken(f"INV-15: {answers} responses at once")


def _check_stop(before: Node, move: Move, outputs: tuple[Output, ...]) -> None:
    """A stop by station or operator turns no OK into FAILED: the EV ends in order [INV-29]."""
    request = isinstance(move.event, Received) and before.session.state.waits_for_ev
    if not request or before.session.stop is not None or "OK" not in _codes(outputs) or not move.lawful:
        return
    stopped = before.fork()
    stopped.feed(StopRequested())
    refused = [code for code in _codes(_make(move, stopped)) if code.startswith("FAILED")]
    if refused:
        raise Broken(f"INV-29: after a stop {move.name} is answered {refused[0]}")


def _codes(outputs: tuple[Output, ...]) -> list[str]:
    messages = [output.message for output in outputs if isinstance(output, Send)]
    answers = [getattr(message, "body", message) for message in messages]
    return [str(getattr(body, "response_code", "")).partition("_New")[0] for body in answers]


def _fall_silent(node: Node) -> None:
    """INV-18: silence from here on leads to the end, by the timers alone."""
    alone = node.fork()
    for _ in range(60):
        timers = {
            timer: at for timer, at in alone.session.timers.due.items() if timer is not Timer.LEASE_RENEWAL
        }
        if not timers:
            return
        alone.let_pass(min(timers, key=lambda timer: timers[timer]))
        alone.feed(Tick(alone.session.evse))
    raise Broken(f"INV-18: silence in {node.session.state.name} leads to no end")


def _acts(outputs: tuple[Output, ...]) -> bool:
    return any(not isinstance(output, Notice) for output in outputs)


def _way(origin: Origin, key: Key | None, last: str) -> list[str]:
    names = [last]
    while key is not None:
        key, name = origin[key]
        names.append(name)
    return names[::-1]


def _count(found: Found, node: Node) -> None:
    found.nodes += 1
    found.states[node.session.state.name] += 1
    found.energised += node.session.energised is not None
