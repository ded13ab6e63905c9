"""The actuator trace as the oracle: it takes what is lawful, and sees each fault that a shell has had."""

from collections.abc import Callable, Sequence

import msgspec
import pytest

from secc.messages import iso2
from secc.records import Direction, MessageRecord
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot, IsolationLevel
from tests.support import requests as r
from tests.support.actuator_trace import Entry, replay
from tests.support.bench import AC, DC, Bench
from tests.support.outlet_rules import Broken

Line = tuple[object, ...]
C = EvseSnapshot(control_pilot=ControlPilot.C)
OPEN = msgspec.structs.replace(C, contactor_closed=False)
CLOSED = msgspec.structs.replace(C, contactor_closed=True)
STOPPED = msgspec.structs.replace(OPEN, fault=EvseFault.EMERGENCY_STOP)
LIVE = msgspec.structs.replace(C, present_voltage=380.0)


def answered(bench: Bench, body: iso2.BodyElement) -> list[Line]:
    """A request and the response that the core gives to it."""
    response = bench.request(body, b"\0" if isinstance(body, iso2.SessionSetupReq) else None)
    return [("heard", body), ("told", response)]


def beginning(bench: Bench, *more: iso2.BodyElement) -> list[Line]:
    """Up to the grant, and these."""
    lines: list[Line] = [("make_safe",), ("make_safe returned", None)]
    before: list[iso2.BodyElement] = [r.session_setup(), r.service_discovery()]
    for body in (*before, r.payment_selection(), r.authorization()):
        lines += answered(bench, body)
    bench.authorize()
    for body in (r.authorization(), *more):
        lines += answered(bench, body)
    return lines


def ac(contactor: Sequence[Line]) -> list[Line]:
    """An AC session whose start is answered after these lines."""
    bench = Bench(AC)
    lines = beginning(bench, r.ac_parameters())
    bench.outlet(control_pilot=ControlPilot.C)
    bench.request(r.start())
    done = bench.contactor()
    return [*lines, ("snapshot", OPEN), ("heard", r.start()), *contactor, ("told", done)]


def dc(test: Sequence[Line], *more: Line) -> list[Line]:
    """A DC session with this isolation test, and what follows it."""
    bench = Bench(DC)
    lines = beginning(bench, r.dc_parameters())
    bench.outlet(control_pilot=ControlPilot.C)
    lines += [("heard", r.cable_check()), *test]
    return [*lines, *more]


def judge(lines: Sequence[Line], config: object, step: float = 0.01) -> None:
    """The lines in order, each a moment after the one before; ("after", seconds) lets time pass."""
    entries: list[Entry] = []
    messages: list[MessageRecord] = []
    now = 1.0
    for name, *what in lines:
        now += step
        if name == "after":
            now += float(what[0])  # type: ignore[arg-type]
        elif name in ("heard", "told"):
            way = Direction.RECEIVED if name == "heard" else Direction.SENT
            messages.append(MessageRecord(now, way, r.message(bytes(8), what[0])))  # type: ignore[arg-type]
        else:
            entries.append(Entry(now, str(name), tuple(what)))
    replay(entries, messages, config)  # type: ignore[arg-type]


CLOSES: list[Line] = [("lease", 0.5), ("close_contactor",), ("close_contactor returned", True)]
SOUND: list[Line] = [("lease", 0.5), ("check_cable", 410.0), ("check_cable returned", IsolationLevel.VALID)]


@pytest.mark.inv("INV-01", "INV-02", "INV-31", "INV-32")
def test_a_lawful_ac_start_is_taken() -> None:
    judge(ac([*CLOSES, ("snapshot", CLOSED)]), AC)


@pytest.mark.inv("INV-04", "INV-05", "INV-06")
def test_a_lawful_dc_pre_charge_is_taken() -> None:
    pre_charge = [("heard", r.pre_charge()), ("lease", 0.5), ("set_output", 380.0, 2.0)]
    judge(dc([("snapshot", C), *SOUND], *pre_charge), DC)


def _without(line: int) -> list[Line]:
    return [*CLOSES[:line], *CLOSES[line + 1 :], ("snapshot", CLOSED)]


OFF: list[Line] = [("open_contactor",), ("open_contactor returned", True)]
FAULTS: dict[str, tuple[str, Callable[[], list[Line]]]] = {
    "INV-32: something before the first make_safe": ("ac", lambda: ac(CLOSES)[2:]),
    "INV-31: a close without a lease": ("ac", lambda: ac(_without(0))),
    "INV-31: item 7, a close after the lease has lapsed": (
        "ac",
        lambda: ac([CLOSES[0], ("after", 1.0), *CLOSES[1:], ("snapshot", CLOSED)]),
    ),
    "INV-03: item 5, a close while an open is in progress": (
        "ac",
        lambda: ac([("lease", 0.5), ("open_contactor",), *CLOSES[1:], ("open_contactor returned", True)]),
    ),
    "INV-31: a lease while an off is in progress": ("ac", lambda: ac([("open_contactor",), *CLOSES])),
    "INV-02: item 3, a welded contactor is closed": ("ac", lambda: ac([("snapshot", CLOSED), *CLOSES])),
    "INV-02: item 3, OK with the feedback open": ("ac", lambda: ac([*CLOSES, ("snapshot", OPEN)])),
    "INV-30: item 4, a close after an off that has failed": (
        "ac",
        lambda: ac([("open_contactor",), ("open_contactor raised", RuntimeError("stuck")), *CLOSES]),
    ),
    "INV-30: a close with a latched fault that is gone": (
        "ac",
        lambda: ac(
            [
                ("snapshot", STOPPED),
                ("snapshot", OPEN),
                *CLOSES,
            ]
        ),
    ),
    "INV-06: item 2, an isolation test on a live output": (
        "dc",
        lambda: dc([("snapshot", LIVE), *SOUND]),
    ),
    "INV-03: item 2, an isolation test beside an off": (
        "dc",
        lambda: dc([("snapshot", C), ("lease", 0.5), ("set_output", 0.0, 0.0), *SOUND[1:]]),
    ),
    "INV-06: a set-point without a test": (
        "dc",
        lambda: dc([], ("heard", r.pre_charge()), ("lease", 0.5), ("set_output", 380.0, 2.0)),
    ),
    "INV-07: item 1, a set-point below the outlet's lowest voltage": (
        "dc",
        lambda: dc(SOUND, ("heard", r.pre_charge(r.volts(30))), ("lease", 0.5), ("set_output", 30.0, 2.0)),
    ),
    "INV-05: current before the start": (
        "dc",
        lambda: dc(
            SOUND,
            ("heard", r.pre_charge(current=r.amperes(50))),
            ("lease", 0.5),
            ("set_output", 380.0, 50.0),
        ),
    ),
    "INV-07: a set-point above a limit of load management": (
        "dc",
        lambda: dc(
            SOUND,
            ("limit", 500.0),
            ("heard", r.pre_charge()),
            ("lease", 0.5),
            ("set_output", 380.0, 2.0),
        ),
    ),
    "INV-04: item 6, the contactor of AC in a session of DC": (
        "dc",
        lambda: dc(SOUND, ("heard", r.start()), *CLOSES),
    ),
    "INV-03: item 8, a set-point beside make_safe": (
        "dc",
        lambda: dc(
            SOUND, ("heard", r.pre_charge()), ("lease", 0.5), ("make_safe",), ("set_output", 380.0, 2.0)
        ),
    ),
}


@pytest.mark.parametrize(("kind", "lines"), FAULTS.values(), ids=FAULTS)
def test_the_trace_shows_a_fault(
    kind: str, lines: Callable[[], list[Line]], request: pytest.FixtureRequest
) -> None:
    invariant = request.node.callspec.id.partition(":")[0]
    with pytest.raises(Broken, match=invariant):
        judge(lines(), AC if kind == "ac" else DC)
