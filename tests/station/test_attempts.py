"""So many tries in a window, in bounded memory."""

from secc.station.attempts import Attempts


def test_the_limit_holds_in_the_window_and_ends_with_it() -> None:
    tries = Attempts(2, 10.0)
    assert not tries.used_up("a", 0.0)
    tries.add("a", 0.0)
    tries.add("a", 4.0)
    assert tries.used_up("a", 9.9)
    assert not tries.used_up("a", 10.0)
    tries.add("a", 10.0)
    assert tries.used_up("a", 13.9)
    assert not tries.used_up("b", 13.9)


def test_who_succeeds_starts_again() -> None:
    tries = Attempts(1, 10.0)
    tries.add("a", 0.0)
    tries.forget("a")
    tries.forget("nobody")
    assert not tries.used_up("a", 1.0)


def test_a_million_names_take_the_room_of_a_few() -> None:
    tries = Attempts(1, 1e9, capacity=10)
    for number in range(1000):
        tries.add(f"name {number}", float(number))
    assert len(tries) == 10
    assert not tries.used_up("name 0", 1000.0)
    assert tries.used_up("name 999", 1000.0)
