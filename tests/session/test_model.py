"""Every reachable state of the session and of what outlives it, searched world by world."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from secc.session import (
    contactor,
    ending,
    feedback,
    limits,
    loop,
    offering,
    output,
    parameters,
    pre_charge,
)
from secc.session.context import Context
from secc.session.din.states import DinState
from secc.session.iso2.soc import ISO2_SOC
from secc.session.iso2.states import State
from secc.session.iso2.table import ISO2
from secc.session.latch import FaultLatch
from secc.session.machine import Session
from secc.session.outlet import EvseFault
from secc.session.pause import PauseMemory
from secc.session.quantities import milli
from tests.support import worlds
from tests.support.proofs import judged_once
from tests.support.safety import Broken
from tests.support.search import search
from tests.support.worlds import WORLDS
from tests.support.worlds20 import WORLDS20
from tools.docs import model

Patch = Callable[[pytest.MonkeyPatch], None]
SEARCHED = (
    *("INV-01", "INV-02", "INV-03", "INV-04", "INV-05", "INV-06", "INV-07", "INV-08", "INV-09", "INV-10"),
    *("INV-11", "INV-12", "INV-13", "INV-15", "INV-16", "INV-17", "INV-18", "INV-20", "INV-23", "INV-24"),
    *("INV-29", "INV-30", "INV-31", "INV-36"),
)


@pytest.mark.timeout(600)
@pytest.mark.inv(*SEARCHED)
@pytest.mark.parametrize("name", WORLDS)
def test_no_reachable_state_breaks_an_invariant(name: str) -> None:
    with judged_once():
        found = search(WORLDS[name])
    assert (found.energised > 0) is not WORLDS[name].reads_soc
    known = model.known()[name]
    assert model.numbers({name: found})[name] == known, (
        "python -m tools.docs.count_states writes the new numbers"
    )


def test_every_state_of_the_session_is_reached_in_one_of_the_worlds() -> None:
    known = model.known()
    assert set(known) == {*WORLDS, *(f"{model.NEWER}{name}" for name in WORLDS20)}
    known = {name: world for name, world in known.items() if name in WORLDS}
    reached = {state for name, world in known.items() if not WORLDS[name].din for state in world["by_state"]}
    reached_din = {state for name, world in known.items() if WORLDS[name].din for state in world["by_state"]}
    assert {state.name for state in State} - reached == set()
    assert {state.name for state in DinState} - reached_din == set()


# --- planted defects: what was wrong once, or could be; each is found in the world made for it -------------


def _method(owner: Any, name: str, replacement: Any = lambda *_, **__: None) -> Patch:
    return lambda patch: patch.setattr(owner, name, replacement)


def _both(*patches: Patch) -> Patch:
    def all_of(patch: pytest.MonkeyPatch) -> None:
        for one in patches:
            one(patch)

    return all_of


_ANY_VOLTAGE = _both(
    _method(pre_charge, "_check_battery"), _method(limits, "lowest_voltage", lambda _: milli(1))
)
_WITH_ENERGY = dataclasses.replace(ISO2_SOC, rules=ISO2.rules)
_OLD_LATCH = property(lambda fault: fault in (EvseFault.EMERGENCY_STOP, EvseFault.ISOLATION))
_ALL_MODES = property(lambda session: session.config.energy.modes)
_ALL_PAYMENTS = property(lambda session: session.config.service.payment_options)

DEFECTS: dict[str, tuple[str, Patch]] = {
    "a pilot that is not looked at": ("AC", _method(ending, "watch_outlet")),
    "a lease that is not looked at": ("AC", _method(output, "watch_lease")),
    "a lease that is not renewed": ("AC", _method(output, "renew")),
    "item 1: pre-charge to 0 V": ("DC voltages", _ANY_VOLTAGE),
    "item 1: pre-charge to 0 V in DIN": ("DIN voltages", _ANY_VOLTAGE),
    "item 1: a demand far from the matched voltage": (
        "DC voltages",
        _method(limits, "matched", lambda _: None),
    ),
    "item 1: a start at any voltage": ("DC voltages", _method(pre_charge, "reached", lambda _: True)),
    "item 2: an isolation test on a live output": (
        "DC voltages",
        _method(feedback, "without_voltage", lambda _: True),
    ),
    "item 3: a welded contactor": ("AC feedback", _method(feedback, "opens_still", lambda _: False)),
    "item 3: a contactor that falls open": ("AC feedback", _method(feedback, "watch")),
    "item 4: an off that fails latches nothing": ("AC latches", _method(EvseFault, "latched", _OLD_LATCH)),
    "item 4: the latch forgets what a session has seen": (
        "AC latches",
        _method(FaultLatch, "session_ended"),
    ),
    "item 4: a reset without an unplugged cable is enough": (
        "AC latches",
        _method(FaultLatch, "reset", lambda latch: latch.__init__()),
    ),
    "item 5: OK by the word of a driver whose feedback is open": (
        "AC feedback",
        _method(contactor, "seen_closed", lambda session: _confirmed(session)),
    ),
    "item 6: a renegotiation that changes the mode": (
        "resumed, both modes",
        _method(parameters, "check_mode"),
    ),
    "item 10: an offer above the limit in force": (
        "AC limits",
        _method(offering, "_within_limits", lambda _, offer, dc: (offer, None)),
    ),
    "item 10: a later limit is not told": ("AC limits", _method(offering, "watch")),
    "EVErrorCode: the output comes back": ("DC", _method(loop, "_wants_nothing", lambda *_, **__: False)),
    "resume: another mode": (
        "resumed, both modes",
        _both(_method(Session, "modes", _ALL_MODES), _method(parameters, "check_mode")),
    ),
    "resume: another payment": ("resumed, contract", _method(Session, "payment_options", _ALL_PAYMENTS)),
    "resume: after an unplugged cable": ("resumed, unplugged", _method(PauseMemory, "observe")),
    "a stop before energy flows is refused": ("AC", _method(ending, "overtaken", lambda _: False)),
    "state of charge: the rules of an ordinary session": (
        "state of charge",
        _method(worlds, "ISO2_SOC", _WITH_ENERGY),
    ),
}


def _confirmed(session: Context) -> bool:
    session.contactor_ordered = True
    return True


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "plant"), DEFECTS.values(), ids=DEFECTS)
def test_the_search_finds_a_planted_defect(name: str, plant: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with judged_once(), pytest.raises(Broken):
        search(WORLDS[name])
