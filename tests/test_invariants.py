"""Every invariant has a test that names it, and every requirement of the station a place or a reason."""

from __future__ import annotations

import pytest

from tools.docs import ids, invariants, requirements

EVERYTHING = invariants.invariants()


@pytest.mark.parametrize("invariant", EVERYTHING, ids=lambda invariant: invariant.id)
def test_an_invariant_is_named_by_a_test(invariant: invariants.Invariant) -> None:
    assert invariant.tests


def test_code_and_tests_name_known_invariants_only() -> None:
    known = {invariant.id for invariant in EVERYTHING}
    assert known == {f"INV-{number:02}" for number in range(1, 37)}
    assert set(ids.in_code(ids.INVARIANT)) | set(ids.in_tests(ids.INVARIANT)) <= known


@pytest.mark.parametrize("entry", requirements.entries(), ids=lambda entry: entry.id)
def test_a_requirement_that_binds_the_station_has_a_place_or_a_reason(entry: requirements.Entry) -> None:
    assert entry.status != "open" or entry.remark
