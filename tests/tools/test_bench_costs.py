"""The rows of the station are all counted, each message as often as it is meant to be."""

from __future__ import annotations

import collections

from tools.bench import costs, station
from tools.bench.car import COUNTED


def test_every_row_is_marked_and_each_message_once() -> None:
    marks: collections.Counter[str] = collections.Counter()
    station.run(lambda row: marks.update([row]))
    once = {"import secc"}  # marked before the station is imported
    assert set(marks) - {""} == set(costs.TEXTS) - once
    assert {marks[row] for row in marks if row.startswith("exchange")} == {COUNTED}
