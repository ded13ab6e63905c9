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


def test_each_requirement_of_iso_15118_20_that_binds_the_station_has_a_row() -> None:
    ours = [entry for entry in requirements.entries() if entry.id.startswith("V2G20-") and entry.status]
    assert len(ours) == 281


def test_a_place_that_does_not_exist_is_refused() -> None:
    assert ids.placed("secc/sap.py::choose") == ("secc/sap.py", "choose")
    for wrong in ("secc/sap.py::chose", "secc/no_such_module.py::choose", "tests/test_sap.py::test_nothing"):
        with pytest.raises(ValueError, match="no such definition"):
            ids.placed(wrong)


def test_what_is_not_yet_met_is_open_until_code_and_a_test_name_it() -> None:
    id_ = f"V2G20-{1}"  # none of the standard's
    data = {"meanings": {id_: ["SECC", "means"]}, "not_yet": {id_: "not built"}}
    place, test = [("secc/sap.py", "choose")], [("tests/test_sap.py", "test_a")]

    def status(code: requirements.Places, tests: requirements.Places) -> tuple[str, str]:
        entry = requirements.entry(id_, data, code, tests)
        return entry.status, entry.remark

    assert status([], []) == status(place, []) == status([], test) == ("open", "not built")
    assert status(place, test) == ("tested", "")
