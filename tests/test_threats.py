"""Every row of the bad-input catalogue has a test that names it."""

from __future__ import annotations

import pytest

from tools.docs import ids, threats

EVERYTHING = threats.threats()


@pytest.mark.parametrize("threat", EVERYTHING, ids=lambda threat: threat.id)
def test_a_row_is_named_by_a_test(threat: threats.Threat) -> None:
    assert threat.tests


def test_the_rows_are_complete_and_tests_name_known_ones_only() -> None:
    sizes = {"SLAC": 13, "SDP": 12, "TPT": 19, "SEQ": 18, "MSG": 15, "T20": 20}
    known = {f"{kind}-{number:02}" for kind, size in sizes.items() for number in range(1, size + 1)}
    assert {threat.id for threat in EVERYTHING} == known
    assert set(ids.in_tests(threats.THREAT)) <= known
