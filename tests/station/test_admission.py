"""Which connection is closed when all places are taken."""

import dataclasses

from secc.station.admission import gives_way


@dataclasses.dataclass(frozen=True)
class Waiting:
    peer: str
    heard: bool
    number: int = 0


def talking(peer: str, number: int) -> Waiting:
    return Waiting(peer, heard=True, number=number)


CAR, OTHER = "fe80::1", "fe80::bad"


def test_the_oldest_silent_one_gives_way() -> None:
    waiting = [talking(OTHER, 0), Waiting(OTHER, False, 1), Waiting(CAR, False, 2)]
    assert gives_way(waiting, CAR) == waiting[1]


def test_an_address_with_most_of_the_places_gives_one_to_another_address() -> None:
    waiting = [talking(CAR, 0), *(talking(OTHER, number) for number in range(1, 8))]
    assert gives_way(waiting, CAR) == waiting[1]
    assert gives_way(waiting, "fe80::2") == waiting[1]


def test_nobody_can_push_out_others_or_himself() -> None:
    assert gives_way([talking(OTHER, number) for number in range(8)], OTHER) is None
    waiting = [talking(OTHER if number % 2 else CAR, number) for number in range(8)]
    assert gives_way(waiting, CAR) is None
    assert gives_way([], CAR) is None
