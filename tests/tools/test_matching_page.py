"""The picture of the matching shows the ways that it goes, and no others."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from functools import partial
from xml.etree import ElementTree

from secc.slac import events as e
from secc.slac.frames import Frame, encode
from secc.slac.messages import AmpMapCnf, SetKeyCnf
from secc.slac.states import SlacState
from secc.slac.table import TABLE
from secc.slac.vendor import LinkStatusCnf
from tests.slac.test_table import EVENTS, FRAMES
from tests.support.matching import EV, EVSE, MODEM, Bench
from tools.docs import matching

DRAWN = {(edge.source, edge.target) for edge in matching.EDGES}
BESIDE = {SlacState.KEYING, SlacState.DOWN}


def test_every_arrow_is_in_the_table() -> None:
    for edge in matching.EDGES:
        assert edge.target in TABLE[edge.source, edge.key].next or edge.words == "no run is left"


def whole_way(bench: Bench) -> list[Callable[[], None]]:
    """From an EV's first request to the link after a pause, and the reset of the modem after an error."""
    link = partial(bench.hear, MODEM, EVSE, LinkStatusCnf(0, 1))
    return [
        bench.give_vendor,
        bench.ask,
        bench.start,
        bench.sound,
        bench.acknowledge,
        bench.choose,
        link,
        partial(bench.wait, 0.01),
        partial(bench.hear, EV, EVSE, AmpMapCnf(0)),
        partial(bench.put, e.PauseLink()),
        partial(bench.put, e.ResumeLink()),
        partial(bench.hear, MODEM, EVSE, SetKeyCnf(1)),
        link,
        partial(bench.put, e.LeaveLink("D-LINK_ERROR", failed=True)),
        partial(bench.wait, 0.0),
    ]


def walked(walks: int) -> set[tuple[SlacState, SlacState]]:
    """Every change of state in walks along the whole way, with odd inputs in between."""
    dice = random.Random(3)
    seen: set[tuple[SlacState, SlacState]] = set()
    for walk in range(walks):
        bench = Bench(
            amplitude_map=walk % 2 == 0, sleep_on_pause=walk % 3 == 0, armed=walk % 5 > 0, reset_after=1
        )
        for act in whole_way(bench):
            before = bench.matching.state
            bench.told.clear()
            if dice.random() < 0.08:
                bench.put(dice.choice(EVENTS))
            elif dice.random() < 0.1:
                source, destination, message = dice.choice(FRAMES)
                bench.put(e.FrameReceived(encode(Frame(destination, source, message))))
            elif dice.random() < 0.05:
                bench.wait(dice.choice([0.1, 0.3, 1.0, 11.0]))
            elif dice.random() < 0.05:
                bench.ask()
            act()
            states = [before, *[one.state for one in bench.told if isinstance(one, e.StateChanged)]]
            seen |= set(itertools.pairwise(states))
    return seen


def test_a_long_walk_goes_along_the_arrows_and_along_each_of_them() -> None:
    ways = walked(600)
    assert {(a, b) for a, b in ways if b not in BESIDE} <= DRAWN | matching.UNDRAWN
    assert {(a, b) for a, b in DRAWN if b not in BESIDE} <= ways


def test_the_picture_is_xml_with_every_state_and_arrow() -> None:
    root = ElementTree.fromstring(matching.picture())
    name = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{name}rect")) == len(SlacState)
    assert len(root.findall(f"{name}line")) == len(matching.EDGES)
