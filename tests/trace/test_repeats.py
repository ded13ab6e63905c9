"""Messages of a loop are shown a few times and then counted."""

from __future__ import annotations

from secc.trace.repeats import Repeats


def test_the_first_ones_of_a_kind_are_no_repetition() -> None:
    repeats = Repeats(shown=2, kinds=3)
    assert [repeats.take("loop") for _ in range(4)] == [False, False, True, True]


def test_two_kinds_that_alternate_repeat_each_other() -> None:
    repeats = Repeats(shown=1, kinds=3)
    assert [repeats.take(kind) for kind in ("a", "b", "a", "b")] == [False, False, True, True]


def test_a_new_kind_after_a_repetition_starts_a_new_count() -> None:
    repeats = Repeats(shown=1, kinds=3)
    taken = [repeats.take(kind) for kind in ("loop", "loop", "stop", "loop", "loop")]
    assert taken == [False, True, False, False, True]


def test_a_kind_that_was_seen_too_long_ago_is_forgotten() -> None:
    repeats = Repeats(shown=1, kinds=2)
    assert [repeats.take(kind) for kind in ("a", "b", "c", "a")] == [False, False, False, False]


def test_nothing_is_remembered_after_a_clear() -> None:
    repeats = Repeats(shown=1, kinds=2)
    repeats.take("a")
    repeats.clear()
    assert not repeats.take("a")
