"""What a run has found, in each form; and the list of cases itself."""

from __future__ import annotations

import datetime
import html.parser
import re
import xml.etree.ElementTree as ElementTree

import pytest

from secc.bench import (
    ALL,
    BenchReport,
    BenchTimers,
    BenchVerdict,
    Case,
    CaseOutcome,
    Facts,
    Need,
    Target,
    page,
    reports,
)
from secc.bench.cases.build import GROUPS
from secc.bench.selection import missing
from secc.bench.trial import Trial
from secc.bench.verdict import FrameRecord


async def nothing(_: Trial) -> None: ...


def case(name: str, group: str = "SDP") -> Case:
    return Case(id=name, group=group, title="a <b> & c", expect="something", run=nothing, ids="V2G2-144")


def report(*verdicts: BenchVerdict, timers: BenchTimers | None = None) -> BenchReport:
    reasons = {
        BenchVerdict.PASS: "",
        BenchVerdict.FAIL: "expected 1; got \x00<2>",
        BenchVerdict.NOT_APPLICABLE: "no",
    }
    log = (FrameRecord(0.25, "sent", "SDP request", b"\x01\xfe"), FrameRecord(0.5, "received", "nothing"))
    return BenchReport(
        target=Target(interface="eth7", timers=timers or BenchTimers(), declared=frozenset({"meter"})),
        facts=Facts(problem="it is silent"),
        outcomes=tuple(
            CaseOutcome(
                case=case(f"TC_{number}", "SDP" if number < 2 else "TLS"),
                verdict=verdict,
                reason=reasons.get(verdict, "lost"),
                remarks=("odd",) if verdict is BenchVerdict.PASS else (),
                duration=0.5,
                log=log,
            )
            for number, verdict in enumerate(verdicts)
        ),
        began=datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        duration=2.0,
        name="a station",
    )


MIXED = report(BenchVerdict.PASS, BenchVerdict.FAIL, BenchVerdict.INCONCLUSIVE, BenchVerdict.NOT_APPLICABLE)


def test_the_headline_counts_what_applies() -> None:
    assert reports.headline(MIXED) == "1 of 3 passed, 1 failed, 1 inconclusive, 1 not applicable"
    assert reports.headline(report(BenchVerdict.PASS)) == "1 of 1 passed"


@pytest.mark.parametrize(
    ("verdicts", "good"),
    [
        ((BenchVerdict.PASS, BenchVerdict.NOT_APPLICABLE), True),
        ((BenchVerdict.PASS, BenchVerdict.FAIL), False),
        ((BenchVerdict.PASS, BenchVerdict.INCONCLUSIVE), False),
        ((BenchVerdict.NOT_APPLICABLE,), False),
        ((), False),
    ],
)
def test_only_passes_are_good_and_nothing_is_not(verdicts: tuple[BenchVerdict, ...], good: bool) -> None:
    assert report(*verdicts).good is good


def test_a_timer_that_differs_from_the_standard_is_reported() -> None:
    lines = reports.station_lines(report(BenchVerdict.PASS, timers=BenchTimers(sequence=2.0)))
    assert (
        "timers      sequence 2 s (standard: 60 s): their standard values are not tested by this run" in lines
    )
    assert not any(line.startswith("timers") for line in reports.station_lines(MIXED))


def test_the_table_has_a_line_for_each_group() -> None:
    assert list(reports.table(MIXED)) == [
        "group  passed     of  n/a",
        "SDP       1      2    0",
        "TLS       0      1    1",
    ]


def test_junit_shows_failures_errors_and_skips() -> None:
    root = ElementTree.fromstring(reports.junit(MIXED))
    suites = {suite.get("name"): suite for suite in root}
    assert [suites["SDP"].get(name) for name in ("tests", "failures", "errors", "skipped")] == [
        "2",
        "1",
        "0",
        "0",
    ]
    assert [suites["TLS"].get(name) for name in ("tests", "failures", "errors", "skipped")] == [
        "2",
        "0",
        "1",
        "1",
    ]
    (failure,) = root.iter("failure")
    assert failure.get("message") == "expected 1; got \N{REPLACEMENT CHARACTER}<2>"
    assert "0.250 s  sent      SDP request  01fe" in "".join(root.itertext())


class _Page(html.parser.HTMLParser):
    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere() -> None:
    text = page.html(MIXED)
    found = _Page()
    found.feed(text)
    assert found.open == []
    assert {"h1", "h2", "caption", "main", "details"} <= found.seen
    assert not found.seen & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?://|url\(", text)
    assert ("lang", "en") in found.attributes
    assert ("scope", "col") in found.attributes
    assert "a &lt;b&gt; &amp; c" in text
    assert "1 of 3 passed" in text
    assert all(sign in text for sign in ("✓ pass", "✗ fail", "? inconclusive", "– not applicable"))


def test_json_has_every_case_with_its_log() -> None:
    found = reports.as_dict(MIXED)
    assert (found["passed"], found["failed"], found["problem"]) == (1, 1, "it is silent")
    assert found["cases"][0]["remarks"] == ["odd"]
    assert found["cases"][1]["log"][0] == {"at": 0.25, "what": "sent", "text": "SDP request", "bytes": "01fe"}


# --- the list ----------------------------------------------------------------------------------------------


def test_the_list_of_the_standard_is_complete() -> None:
    ids = [one.id for one in ALL]
    assert len(ids) == len(set(ids))
    assert sum(id_.startswith("TC_SECC_") for id_ in ids) == 299
    assert {one.group for one in ALL} <= set(GROUPS)


def test_every_case_says_what_is_done_and_what_must_come() -> None:
    for one in ALL:
        assert one.title
        assert one.expect
        assert all(re.fullmatch(r"V2G2-\d{3}|V2G20-\d{3,4}", id_) for id_ in one.ids.split()), one.id
        assert all(hasattr(BenchTimers(), name) for name in one.waits)


def test_every_need_has_a_reason_and_is_looked_at() -> None:
    for need in Need:
        wanted = Case(id="x", group="SDP", title="t", expect="e", run=nothing, needs=frozenset({need}))
        assert need.value
        assert missing(wanted, Target(), Facts()) in (need, None)


def test_long_timers_are_waited_for_when_asked_or_when_they_are_short() -> None:
    wanted = Case(
        id="x",
        group="SDP",
        title="t",
        expect="e",
        run=nothing,
        needs=frozenset({Need.LONG}),
        waits=("sequence",),
    )
    assert missing(wanted, Target(), Facts()) is Need.LONG
    assert missing(wanted, Target(long=True), Facts()) is None
    assert missing(wanted, Target(timers=BenchTimers(sequence=2.0)), Facts()) is None
