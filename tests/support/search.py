"""An exhaustive search of the session and the lease of its output.

Breadth first over the pure core itself, beside the oracle of `tests.support.safety`, which keeps its own
idea of the world: each pair of both that is new gets every input there is. An input is a request of each
class, good and bad, with the session's id and another one; a control pilot state, a fault, a voltage; an
answer of the back end or the outlet, true, false or stale; an order; a timer.

Time is symbolic: any timer that runs may be the next to run out, with the lease renewed meanwhile, and at
any moment nobody may have been there for longer than the lease. So more orders are looked at than can
happen, and none that can happen is left out. Two pairs count as the same when everything that either of
them decides by is the same, exact times and ids left aside.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
from collections.abc import Iterator

from secc.config import SeccConfig
from secc.messages import iso2
from secc.session.events import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    ControllerFault,
    ControlPilot,
    EndSession,
    EvseFault,
    EvseSnapshot,
    Input,
    IsolationLevel,
    LinkLost,
    Notice,
    Output,
    PeerMisbehaved,
    Received,
    RenegotiationRequested,
    SchedulesOffered,
    Send,
    StopRequested,
    Tick,
    Ticket,
)
from secc.session.machine import Session
from secc.session.states import Timer
from tests.support import requests as r
from tests.support.bench import counting_bytes
from tests.support.safety import Broken, SafetyOracle

BEGINNING = 1000.0
STALE = Ticket(7, 7)

GOOD: tuple[iso2.BodyElement, ...] = (
    r.session_setup(),
    r.service_discovery(),
    r.service_detail(),
    r.payment_selection(),
    r.payment_details(),
    r.authorization(),
    r.ac_parameters(),
    r.dc_parameters(),
    r.start(),
    r.stop(),
    r.power_delivery(iso2.ChargeProgress.RENEGOTIATE),
    r.charging_status(),
    r.cable_check(),
    r.pre_charge(),
    r.current_demand(),
    r.welding_detection(),
    r.session_stop(),
    r.session_stop(iso2.ChargingSession.PAUSE),
)
BAD: tuple[iso2.BodyElement, ...] = (
    r.payment_selection(services=(2,)),
    r.power_delivery(schedule_id=9),
    r.pre_charge(voltage=r.volts(-1)),
    r.current_demand(current=r.amperes(-1)),
    r.current_demand(status=r.dc_ev_status(error=iso2.DCEVErrorCode.FAILED_RESS_TEMPERATURE_INHIBIT)),
)


@dataclasses.dataclass(slots=True)
class Node:
    """A session and the oracle beside it."""

    session: Session
    oracle: SafetyOracle
    now: float

    def fork(self) -> Node:
        """A copy that can be changed; what is frozen is shared."""
        session, oracle = copy.copy(self.session), copy.copy(self.oracle)
        session._timers, session._expired = dict(session._timers), set(session._expired)
        session._outputs, session.pnc = [], copy.copy(session.pnc)
        oracle.offered_ids, oracle.offers = set(oracle.offered_ids), dict(oracle.offers)
        return Node(session, oracle, self.now)

    def key(self) -> tuple[object, ...]:
        """Everything either of them decides by, without exact times and ids; after the end nothing counts."""
        s, o = self.session, self.oracle
        if s.state.ended:
            return (s.state, o.ended, o.output_on, s.deadline)
        return (
            s.state,
            type(s.owed),
            frozenset(s._timers),
            frozenset(s._expired),
            s.evcc_id is not None,
            s.payment,
            s.grant is not None and (s.grant.granted, s.grant.refused),
            s.parameters and s.parameters.mode,
            s.latest_offer is not None,
            s.offer is not None,
            s.cable_test and (s.cable_test.level,),
            s.contactor_ticket is not None,
            s.pre_charge is not None,
            s.energised and (s.energised.purpose, s.energised.demand),
            s.stop and s.stop.due <= self.now,
            s.fault,
            s.interrupted,
            s.renegotiation_wanted,
            s.evse.control_pilot,
            s.evse.fault,
            s.evse.present_voltage,
            (o.granted, o.withdrawn, o.stopped, o.close_ticket is not None, o.close_confirmed),
            (o.test_level, o.output_on, o.started, o.ended, o.ev is not None, type(o.owed)),
        )

    def feed(self, event: Input) -> tuple[Output, ...]:
        """One input; raises Broken when an invariant does not hold afterwards."""
        outputs = self.session.handle(event, self.now)
        self.oracle.step(self.now, event, outputs)
        return outputs

    def let_pass(self, timer: Timer) -> None:
        """This timer is the next to run out; the lease was renewed up to a moment ago."""
        session = self.session
        due = session._timers[timer]
        for other, at in session._timers.items():
            if other is not timer and at <= due:
                session._timers[other] = due + (0.2 if other is Timer.LEASE_RENEWAL else 10.0)
        if session.energised is not None and timer is not Timer.LEASE_RENEWAL:
            session._lease_until = due + 0.3
            self.oracle.leased_until = due + 0.3
        self.now = due


@dataclasses.dataclass(slots=True)
class Found:
    """What a search has seen."""

    nodes: int = 0
    edges: int = 0
    states: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """How many of the nodes stand in each state of the session."""
    energised: int = 0
    ends: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """How many edges lead to an end, by its reason."""


def search(config: SeccConfig) -> Found:
    """Every node that can be reached; raises Broken with the way to it when an invariant does not hold."""
    start = _beginning(config)
    found = Found()
    origin: dict[tuple[object, ...], tuple[tuple[object, ...] | None, str]] = {start.key(): (None, "")}
    queue = collections.deque([start])
    while queue:
        node = queue.popleft()
        key = node.key()
        _count(found, node)
        _fall_silent(node)
        for name, following, outputs in _edges(node, origin, key):
            found.edges += 1
            found.ends.update(o.reason.name for o in outputs if isinstance(o, EndSession))
            reached = following.key()
            if reached not in origin:
                origin[reached] = (key, name)
                queue.append(following)
    return found


def _edges(
    node: Node,
    origin: dict[tuple[object, ...], tuple[tuple[object, ...] | None, str]],
    key: tuple[object, ...],
) -> Iterator[tuple[str, Node, tuple[Output, ...]]]:
    for name, act in _moves(node):
        following = node.fork()
        try:
            outputs = act(following)
            _check(node, following, name, outputs)
        except (Broken, RuntimeError) as error:
            raise Broken(f"{error}\n" + "\n".join(_way(origin, key, name))) from error
        yield name, following, outputs


def _check(before: Node, after: Node, name: str, outputs: tuple[Output, ...]) -> None:
    """What the oracle cannot see from outside."""
    session = after.session
    if before.session.state.ended and outputs:
        raise Broken(f"INV-16: {outputs} after the end")
    if (session.deadline is None) is not session.state.ended:
        raise Broken(f"INV-17: deadline {session.deadline} in {session.state.name}")
    if session.energised is not None and Timer.LEASE_RENEWAL not in session._timers:
        raise Broken("INV-31: energised and nobody renews")
    if (session.energised is not None) is not after.oracle.output_on and not session.state.ended:
        raise Broken(f"INV-31: the session says {session.energised}, the outlet {after.oracle.output_on}")
    answers = sum(isinstance(output, Send) for output in outputs)
    if answers > 2 or (answers == 2 and session.state.waits_for_ev):
        raise Broken(f"INV-15: {answers} responses at once")
    if name.startswith("stale") and (after.key() != before.key() or _acts(outputs)):
        raise Broken(f"INV-20: {outputs}")


def _fall_silent(node: Node) -> None:
    """INV-18: whoever is silent from here on comes to the end, by the timers alone."""
    alone = node.fork()
    for _ in range(60):
        timers = {
            timer: at for timer, at in alone.session._timers.items() if timer is not Timer.LEASE_RENEWAL
        }
        if not timers:
            return
        alone.let_pass(min(timers, key=lambda timer: timers[timer]))
        alone.feed(Tick(alone.session.evse))
    raise Broken(f"INV-18: silence in {node.session.state.name} leads to no end")


def _acts(outputs: tuple[Output, ...]) -> bool:
    return any(not isinstance(output, Notice) for output in outputs)


def _way(
    origin: dict[tuple[object, ...], tuple[tuple[object, ...] | None, str]],
    key: tuple[object, ...] | None,
    last: str,
) -> list[str]:
    names = [last]
    while key is not None:
        key, name = origin[key]
        names.append(name)
    return names[::-1]


# --- what can happen --------------------------------------------------------------------------------------


class _Move:
    """An input, with what has to change before it."""

    def __init__(
        self,
        event: Input | None = None,
        *,
        outlet: dict[str, object] | None = None,
        timer: Timer | None = None,
        late: bool = False,
    ) -> None:
        self.event, self.outlet, self.timer, self.late = event, outlet, timer, late

    def __call__(self, node: Node) -> tuple[Output, ...]:
        if self.timer is not None:
            node.let_pass(self.timer)
        elif self.late:
            node.now = node.session._lease_until + 0.1
        else:
            node.now += 0.001
        evse = dataclasses.replace(node.session.evse, **(self.outlet or {}))  # type: ignore[arg-type]
        return node.feed(Tick(evse) if self.event is None else self.event)


def _moves(node: Node) -> Iterator[tuple[str, _Move]]:
    session, evse = node.session, node.session.evse
    for body in (*GOOD, *BAD):
        message = r.message(session.session_id, body)
        yield f"{type(body).__name__} {(body in BAD and 'bad') or ''}", _Move(Received(message, evse))
    foreign = r.message(bytes(8), r.charging_status())
    yield "another session id", _Move(Received(foreign, evse))
    yield "a response", _Move(Received(r.message(session.session_id, _RESPONSE), evse))
    for pilot in (ControlPilot.A, ControlPilot.B, ControlPilot.C, ControlPilot.F):
        if pilot is not evse.control_pilot:
            yield f"pilot {pilot.value}", _Move(outlet={"control_pilot": pilot})
    if session.is_dc:
        volts = 380.0 if evse.present_voltage == 0 else 0.0
        yield f"{volts:g} V", _Move(outlet={"present_voltage": volts})
    for fault in (None, EvseFault.EMERGENCY_STOP):
        if fault is not evse.fault:
            yield f"fault {fault}", _Move(outlet={"fault": fault})
    for name, event in _answers(session):
        yield name, _Move(event)
    for event in _ORDERS:
        yield type(event).__name__, _Move(event)
    for timer in session._timers:
        yield f"timer {timer.value}", _Move(timer=timer)
    if session.energised is not None:
        yield "nobody was there", _Move(late=True)


def _answers(session: Session) -> Iterator[tuple[str, Input]]:
    asked = session.grant.ticket if session.grant is not None else STALE
    closing = session.contactor_ticket or STALE
    testing = session.cable_test.ticket if session.cable_test is not None else STALE
    for granted in (True, False):
        yield f"{_stale(asked)}authorized {granted}", AuthorizationDecided(asked, granted)
        yield f"stale authorization {granted}", AuthorizationDecided(STALE, granted)
    for closed in (True, False):
        yield f"{_stale(closing)}contactor {closed}", ContactorReported(closing, closed)
    for level in (IsolationLevel.VALID, IsolationLevel.FAULT, IsolationLevel.NO_IMD):
        yield f"{_stale(testing)}isolation {level.value}", CableCheckReported(testing, level)
    yield "stale schedules", SchedulesOffered(STALE, None)
    yield "stale isolation", CableCheckReported(STALE, IsolationLevel.VALID)
    yield "stale contactor", ContactorReported(STALE, True)


def _stale(ticket: Ticket) -> str:
    return "stale " if ticket is STALE else ""


_RESPONSE = iso2.SessionStopRes(response_code=iso2.ResponseCode.OK)
_ORDERS: tuple[Input, ...] = (
    StopRequested(),
    RenegotiationRequested(),
    LinkLost(),
    PeerMisbehaved("garbage"),
    ControllerFault("driver"),
)


def _beginning(config: SeccConfig) -> Node:
    evse = EvseSnapshot(control_pilot=ControlPilot.B, utc=1_700_000_000)
    session = Session(config, random_bytes=counting_bytes(), snapshot=evse, now=BEGINNING)
    return Node(session, SafetyOracle(config, evse, session.session_id), BEGINNING)


def _count(found: Found, node: Node) -> None:
    found.nodes += 1
    found.states[node.session.state.name] += 1
    found.energised += node.session.energised is not None
