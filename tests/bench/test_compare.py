"""Runs of the bench side by side."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path

import pytest

from secc.bench import BenchReport, BenchVerdict, Case, Need, Target, run
from secc.bench.case import CaseOutcome
from secc.bench.compare import compare
from secc.bench.reports import as_dict
from secc.bench.target import Facts
from secc.bench.timers import BenchTimers
from secc.bench.trial import Trial
from secc.cli import main


async def _unused(_: Trial) -> None:
    raise AssertionError("not run")


def case(id_: str) -> Case:
    return Case(id=id_, group="SDP", title=f"do {id_}", expect="an answer | in time", run=_unused)


def report(name: str, **verdicts: str) -> str:
    outcomes = tuple(
        CaseOutcome(case=case(id_), verdict=BenchVerdict(verdict), reason="late" if verdict == "fail" else "")
        for id_, verdict in verdicts.items()
    )
    made = BenchReport(
        target=Target(),
        facts=Facts(),
        outcomes=outcomes,
        began=datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        duration=1.0,
        name=name,
    )
    return json.dumps(as_dict(made))


FIRST = report("old", a="pass", b="fail", c="not applicable")
SECOND = report("new <1>", a="fail", b="pass", c="not applicable", d="pass")


def test_what_changed_is_reported_in_sentences() -> None:
    found = compare([("1.json", FIRST), ("2.json", SECOND)])
    assert list(found.changes(1)) == [
        "1: old to 2: new <1>: 1 of 2 passed, then 2 of 3 passed",
        "passes now (1): b",
        "fails now (1): a",
        "new case (1): d",
    ]
    assert [row.id for row in found.differences] == ["a", "b", "d"]


def test_the_markdown_has_each_case_once_in_each_table_and_escapes_bars() -> None:
    text = compare([("1.json", FIRST), ("2.json", SECOND)]).markdown()
    assert text.count("| `b` |") == 2
    assert text.count("| `c` |") == 1
    assert "| `a` | SDP | ✓ pass | ✗ fail: late |" in text
    assert "| 1: old | 2026-01-02 03:04:05 | 1 of 2 passed | 1 | 0 | 1 |" in text


def test_the_page_marks_rows_that_differ_and_escapes_names() -> None:
    page = compare([("1.json", FIRST), ("2.json", SECOND)]).html()
    assert page.count('<tr class="differs">') == 3
    assert "new &lt;1&gt;" in page
    assert "<script" not in page
    assert "3 of 4 cases differ" in page


def test_less_than_two_runs_and_other_files_are_refused() -> None:
    with pytest.raises(ValueError, match="two runs"):
        compare([("1.json", FIRST)])
    for text in ("[]", "no json", '{"cases": 1}'):
        with pytest.raises(ValueError, match=r"2.json: expected a report of `secc bench --json`"):
            compare([("1.json", FIRST), ("2.json", text)])


def test_the_command_prints_markdown_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "1.json", tmp_path / "2.json"]
    for file, text in zip(files, (FIRST, SECOND), strict=True):
        file.write_text(text, encoding="utf-8")
    page = tmp_path / "runs.html"
    assert main(["bench", "--compare", *map(str, files), "--html", str(page)]) == 0
    assert capsys.readouterr().out.startswith("# Runs side by side\n")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["bench", "--compare", str(files[0]), str(tmp_path / "none.json")]) == 2


async def test_without_a_station_nothing_is_tried() -> None:
    target = Target(sdp_port=15999, timers=BenchTimers(reach=0.1))
    silent = dataclasses.replace(case("b"), needs=frozenset({Need.PLAIN}))
    found = await run([case("a"), silent], target)
    assert [one.verdict for one in found.outcomes] == [BenchVerdict.INCONCLUSIVE, BenchVerdict.FAIL]
    assert found.outcomes[0].reason == "not tried: no station answered discovery on lo in 0.1 s"
    assert not found.good
