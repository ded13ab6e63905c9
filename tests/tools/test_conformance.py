"""Results of several stations become one, and one page."""

from __future__ import annotations

import dataclasses
import datetime
import re
import tomllib

from secc.bench import ALL, BenchReport, BenchVerdict, CaseOutcome, Facts, Need, Target
from secc.session.iso20.services import Service
from tools.conformance.__main__ import STATIONS, merge
from tools.docs.conformance import WORDS20, differences, reasons, short, table

FIRST, SECOND, THIRD, FOURTH = ALL[:4]


def report(name: str, *outcomes: CaseOutcome) -> BenchReport:
    began = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return BenchReport(
        target=Target(), facts=Facts(), outcomes=outcomes, began=began, duration=1.0, name=name
    )


def test_failed_anywhere_is_failed_and_passed_somewhere_is_passed() -> None:
    one = report(
        "one",
        CaseOutcome(case=FIRST, verdict=BenchVerdict.PASS),
        CaseOutcome(case=SECOND, verdict=BenchVerdict.NOT_APPLICABLE, reason=Need.DC.value),
        CaseOutcome(case=THIRD, verdict=BenchVerdict.NOT_APPLICABLE, reason=Need.AC.value),
        CaseOutcome(case=FOURTH, verdict=BenchVerdict.PASS),
    )
    other = report(
        "other",
        CaseOutcome(case=FIRST, verdict=BenchVerdict.FAIL, reason="expected 1; got 2"),
        CaseOutcome(case=SECOND, verdict=BenchVerdict.PASS),
        CaseOutcome(case=THIRD, verdict=BenchVerdict.NOT_APPLICABLE, reason=Need.WAKE.value),
        CaseOutcome(case=FOURTH, verdict=BenchVerdict.INCONCLUSIVE, reason="lost"),
    )
    merged = {entry.case.id: entry for entry in merge([one, other])}
    assert merged[FIRST.id].verdict is BenchVerdict.FAIL
    assert merged[FIRST.id].where == ("other",)
    assert merged[SECOND.id].verdict is BenchVerdict.PASS
    assert merged[THIRD.id].text == Need.WAKE.value
    assert merged[FOURTH.id].verdict is BenchVerdict.INCONCLUSIVE


def test_every_case_of_the_list_is_run_against_one_of_the_stations() -> None:
    run = {case.id for setup in STATIONS.values() for case in setup.cases()}
    assert run == {case.id for case in ALL}


def test_the_stations_are_by_the_letter_and_differ() -> None:
    configs = [setup.config() for setup in STATIONS.values()]
    assert all(
        not getattr(one.compat, field.name) for one in configs for field in dataclasses.fields(one.compat)
    )
    assert {one.tls.policy.value for one in configs} == {"off", "optional", "required"}


def test_the_page_counts_and_explains() -> None:
    found = {
        FIRST.id: {"verdict": "pass", "reason": "", "remarks": []},
        SECOND.id: {"verdict": "fail", "reason": "expected | 1", "remarks": []},
        THIRD.id: {"verdict": "not applicable", "reason": "no TLS", "remarks": []},
    }
    assert "| **all** | **1** | **2** | **1** | **0** | **1** |" in table(found)
    assert "| no TLS | CMN SDP 003 |" in reasons(found)
    explained = differences(found, [{"cases": ["*SDP_002"], "says": "expected", "text": "so\nit is\n"}])
    assert "| CMN SDP 002 | expected \\| 1 | so it is | a fault |" in explained
    assert explained.startswith("By cases: 1 a fault, 0 arguable, 0 not a fault.")


def test_numbers_of_a_group_stand_together() -> None:
    ids = ["TC_SECC_DC_VTB_PreCharge_001", "TC_SECC_DC_VTB_PreCharge_003", "BENCH_EXI_CUT"]
    assert short(ids) == ["DC PreCharge 001 003", "EXI\\_CUT"]
    assert short(["I20-AUT-009", "I20-AUT-010", "I20-HDR-003-LOOP"]) == [
        "-20 AUT 009 010",
        "-20 HDR\\_003-LOOP",
    ]


def test_an_id_without_a_case_has_one_reason_and_no_case() -> None:
    groups = tomllib.loads(WORDS20.read_text(encoding="utf-8"))["without"]
    ids = [id_ for group in groups for id_ in group["ids"].split()]
    cases = {case.id.removeprefix("I20-") for case in ALL}
    assert len(set(ids)) == len(ids) == LISTED - len(numbered(cases))
    assert not set(ids) & cases


def numbered(cases: set[str]) -> set[str]:
    """The ids of the list that are cases, or parts of one: those of its letters and number, but one more."""
    found = (re.match(r"(?!SESSION|SEQ-018)[A-Z]{3}-\d{3}", case) for case in cases)
    return {one.group() for one in found if one}


LISTED = 344
"""Ids of the list of cases for ISO 15118-20."""


def test_a_station_of_iso20_whose_service_is_not_found_has_passed_nothing() -> None:
    setup = STATIONS["-20 DC"]
    assert not setup.recognised(Facts())
    assert setup.recognised(Facts(iso20=frozenset({Service.DC})))
