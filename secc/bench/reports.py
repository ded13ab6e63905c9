"""Results of a run as text, JSON and JUnit. `page` makes the HTML page."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from secc.bench.case import Case, CaseOutcome
from secc.bench.runner import BenchReport
from secc.bench.target import Facts
from secc.bench.verdict import BenchVerdict

__all__ = [
    "as_dict",
    "by_group",
    "case_dict",
    "headline",
    "junit",
    "listing",
    "log_lines",
    "offers",
    "station_lines",
    "table",
    "timers",
]


def headline(report: BenchReport) -> str:
    """Return "n of m passed"."""
    counted = [f"{report.count(BenchVerdict.PASS)} of {report.applicable} passed"]
    for verdict in (BenchVerdict.FAIL, BenchVerdict.INCONCLUSIVE, BenchVerdict.NOT_APPLICABLE):
        number = report.count(verdict)
        word = "failed" if verdict is BenchVerdict.FAIL else verdict.value
        if number:
            counted.append(f"{number} {word}")
    return ", ".join(counted)


def station_lines(report: BenchReport) -> list[str]:
    """Return what was tested, and the conditions."""
    target, facts = report.target, report.facts
    where = (
        f"[{target.host}]:{target.port}" if target.host is not None else f"discovery on {target.interface}"
    )
    lines = [f"station     {report.name or where}" + (f" ({where})" if report.name else "")]
    lines.append(f"offers      {facts.problem or offers(facts)}")
    if target.declared:
        lines.append(f"declared    {', '.join(sorted(target.declared))}")
    changed = [f"{name} {new:g} s (standard: {usual:g} s)" for name, (usual, new) in timers(report).items()]
    if changed:
        lines.append(f"timers      {', '.join(changed)}: their standard values are not tested by this run")
    return lines


def timers(report: BenchReport) -> dict[str, tuple[float, float]]:
    """Return timers that differ from the standard, by name: standard and used value."""
    return report.target.timers.changed()


def offers(facts: Facts) -> str:
    """Return what was found out about the station, in one line."""
    parts = []
    for name, offer in (("plain", facts.plain), ("TLS", facts.tls)):
        if offer is not None and (offer.modes or not facts.iso20):
            modes = ", ".join(mode.value for mode in offer.modes)
            payment = ", ".join(option.value for option in offer.payment)
            parts.append(f"{name}: {modes}; {payment}")
    if facts.din:
        parts.append("DIN SPEC 70121")
    if facts.iso20:
        services = ", ".join(service.name for service in sorted(facts.iso20))
        parts.append(f"ISO 15118-20 ({'TLS 1.3' if facts.iso20_tls else 'plain'}): {services}")
    return " | ".join(parts) or "nothing"


def table(report: BenchReport) -> Iterator[str]:
    """Return passed, applicable and not applicable cases of each group."""
    width = max((len(outcome.case.group) for outcome in report.outcomes), default=5)
    yield f"{'group':{width}}  passed     of  n/a"
    for group, found in by_group(report.outcomes):
        applicable = [outcome for outcome in found if outcome.verdict is not BenchVerdict.NOT_APPLICABLE]
        passed = sum(outcome.verdict is BenchVerdict.PASS for outcome in applicable)
        yield f"{group:{width}}  {passed:6}  {len(applicable):5}  {len(found) - len(applicable):3}"


def by_group(outcomes: Sequence[CaseOutcome]) -> list[tuple[str, list[CaseOutcome]]]:
    """Return one line for each case, in order."""
    return [
        (group, list(found)) for group, found in groupby(outcomes, key=lambda outcome: outcome.case.group)
    ]


def listing(cases: Sequence[Case]) -> Iterator[str]:
    """Return all cases: id, action, expectation."""
    for group, found in groupby(cases, key=lambda case: case.group):
        yield f"\n{group}"
        for case in found:
            yield f"  {case.id}"
            yield f"      {case.title} → {case.expect}"


def as_dict(report: BenchReport) -> dict[str, Any]:
    """Return the report for `--json`."""
    return {
        "station": report.name,
        "offers": offers(report.facts),
        "problem": report.facts.problem or None,
        "began": report.began.isoformat(timespec="seconds"),
        "duration": round(report.duration, 3),
        "declared": sorted(report.target.declared),
        "timers": {name: {"standard": a, "used": b} for name, (a, b) in timers(report).items()},
        "passed": report.count(BenchVerdict.PASS),
        "failed": report.count(BenchVerdict.FAIL),
        "inconclusive": report.count(BenchVerdict.INCONCLUSIVE),
        "not_applicable": report.count(BenchVerdict.NOT_APPLICABLE),
        "cases": [case_dict(outcome) for outcome in report.outcomes],
    }


def case_dict(outcome: CaseOutcome) -> dict[str, Any]:
    """Return one case."""
    case = outcome.case
    return {
        "id": case.id,
        "group": case.group,
        "title": case.title,
        "expected": case.expect,
        "requirements": case.ids.split(),
        "verdict": outcome.verdict.value,
        "reason": outcome.reason or None,
        "remarks": list(outcome.remarks),
        "duration": round(outcome.duration, 3),
        "log": [
            {"at": round(entry.at, 4), "what": entry.what, "text": entry.text, "bytes": entry.data.hex()}
            for entry in outcome.log
        ],
    }


def junit(report: BenchReport) -> bytes:
    """Return the report for build servers: fail is a failure, inconclusive an error, not applicable
    skipped."""
    root = ElementTree.Element("testsuites", name="secc bench")
    for group, found in by_group(report.outcomes):
        suite = ElementTree.SubElement(root, "testsuite", name=group, tests=str(len(found)))
        for verdict, name in _JUNIT.items():
            suite.set(f"{name}s" if name != "skipped" else name, str(_count(found, verdict)))
        suite.set("time", f"{sum(outcome.duration for outcome in found):.3f}")
        suite.set("timestamp", report.began.isoformat(timespec="seconds"))
        for outcome in found:
            _junit_case(suite, outcome)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def log_lines(outcome: CaseOutcome) -> list[str]:
    """Return the log of a case."""
    return [
        f"{entry.at:8.3f} s  {entry.what:8}  {entry.text}" + (f"  {entry.data.hex()}" if entry.data else "")
        for entry in outcome.log
    ]


_JUNIT = {
    BenchVerdict.FAIL: "failure",
    BenchVerdict.INCONCLUSIVE: "error",
    BenchVerdict.NOT_APPLICABLE: "skipped",
}


def _count(outcomes: Sequence[CaseOutcome], verdict: BenchVerdict) -> int:
    return sum(outcome.verdict is verdict for outcome in outcomes)


def _junit_case(suite: ElementTree.Element, outcome: CaseOutcome) -> None:
    case = outcome.case
    element = ElementTree.SubElement(
        suite, "testcase", name=case.id, classname=case.group, time=f"{outcome.duration:.3f}"
    )
    if (name := _JUNIT.get(outcome.verdict)) is not None:
        ElementTree.SubElement(element, name, message=_printable(outcome.reason))
    lines = [f"done: {case.title}", f"expected: {case.expect}", *outcome.remarks, *log_lines(outcome)]
    ElementTree.SubElement(element, "system-out").text = _printable("\n".join(lines))


def _printable(text: str) -> str:
    """Remove control characters that XML does not allow."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
