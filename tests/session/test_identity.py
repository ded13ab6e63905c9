"""The names that a session gives."""

import itertools

import pytest

from secc.session.identity import Names
from secc.session.paused import PausedSession
from secc.session.ticket import Ticket


def names(*ids: bytes, recent: tuple[bytes, ...] = (), paused: PausedSession | None = None) -> Names:
    given = itertools.chain(ids, itertools.repeat(b"\xff" * 8))
    return Names(lambda size: next(given)[:size], generation=7, recent=recent, paused=paused)


@pytest.mark.inv("INV-12")
@pytest.mark.req("V2G2-750", "V2G2-756")
def test_an_id_is_not_zero_not_recent_not_the_proposed_one_and_not_the_paused_one() -> None:
    one, two, three, good = (bytes([n]) * 8 for n in (1, 2, 3, 4))
    made = names(bytes(8), one, two, three, good, recent=(one,), paused=PausedSession(two, None))
    assert made.new_id(avoid=three) == good


@pytest.mark.inv("INV-20")
def test_each_question_has_another_name() -> None:
    made = names()
    assert [made.ticket(), made.ticket()] == [Ticket(7, 1), Ticket(7, 2)]
