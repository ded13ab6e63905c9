"""The report as one HTML page: without scripts and external resources, readable without colours or by a
screen reader."""

from __future__ import annotations

from html import escape

from secc.bench import reports
from secc.bench.case import CaseOutcome
from secc.bench.runner import BenchReport
from secc.bench.verdict import BenchVerdict

__all__ = ["SIGNS", "STYLE", "html"]

STYLE = """
:root {
  color-scheme: light dark; --line: #8886;
  --pass: #1a7f37; --fail: #cf222e; --open: #9a6700; --none: #59636e;
}
@media (prefers-color-scheme: dark) {
  :root { --pass: #3fb950; --fail: #f85149; --open: #d29922; --none: #9198a1; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.verdict { font-weight: 600; white-space: nowrap; }
.pass { color: var(--pass); } .fail { color: var(--fail); }
.inconclusive { color: var(--open); } .not-applicable { color: var(--none); }
code, pre { font: .85rem/1.45 ui-monospace, monospace; }
pre {
  border: 1px solid var(--line); padding: .6rem; overflow-x: auto;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1rem; }
summary { cursor: pointer; } :focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
@media print { details > * { display: block; } }
"""

SIGNS = {
    BenchVerdict.PASS: "✓ pass",
    BenchVerdict.FAIL: "✗ fail",
    BenchVerdict.INCONCLUSIVE: "? inconclusive",
    BenchVerdict.NOT_APPLICABLE: "– not applicable",
}


def html(report: BenchReport) -> str:
    """Return the whole page."""
    title = f"Conformance of {report.name or 'a station'}"
    count = reports.headline(report)
    state = "pass" if report.good else "fail"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}: {escape(count)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        f'<main>\n<h1>{escape(title)}</h1>\n<p class="verdict {state}">{escape(count)}</p>',
        _conditions(report),
        _summary(report),
    ]
    for number, (group, found) in enumerate(reports.by_group(report.outcomes)):
        parts.append(_group(number, group, found))
    parts.append("</main>\n</body>\n</html>\n")
    return "\n".join(parts)


def _conditions(report: BenchReport) -> str:
    rows = [line.split(None, 1) for line in reports.station_lines(report)]
    rows.append(["began", f"{report.began:%Y-%m-%d %H:%M:%S} UTC, {report.duration:.0f} s"])
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows)
    return f"<dl>{items}</dl>"


def _summary(report: BenchReport) -> str:
    rows = []
    for number, (group, found) in enumerate(reports.by_group(report.outcomes)):
        cells = "".join(
            f'<td class="number">{sum(outcome.verdict is verdict for outcome in found) or ""}</td>'
            for verdict in BenchVerdict
        )
        rows.append(f'<tr><th scope="row"><a href="#g{number}">{escape(group)}</a></th>{cells}</tr>')
    heads = "".join(
        f'<th scope="col" class="number">{escape(SIGNS[verdict])}</th>' for verdict in BenchVerdict
    )
    return (
        "<table>\n<caption>Cases by group</caption>\n"
        f'<thead><tr><th scope="col">group</th>{heads}</tr></thead>\n'
        f"<tbody>{''.join(rows)}</tbody>\n</table>"
    )


def _group(number: int, group: str, outcomes: list[CaseOutcome]) -> str:
    rows = "\n".join(_row(outcome) for outcome in outcomes)
    return (
        f'<h2 id="g{number}">{escape(group)}</h2>\n<table>\n<thead><tr><th scope="col">case</th>'
        '<th scope="col">verdict</th><th scope="col">action and reaction</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>"
    )


def _row(outcome: CaseOutcome) -> str:
    case = outcome.case
    state = outcome.verdict.value.replace(" ", "-")
    lines = [f"<dl><dt>done</dt><dd>{escape(case.title)}</dd><dt>expected</dt><dd>{escape(case.expect)}</dd>"]
    if outcome.reason:
        name = "reason" if outcome.verdict is BenchVerdict.NOT_APPLICABLE else "seen"
        lines.append(f"<dt>{name}</dt><dd>{escape(outcome.reason)}</dd>")
    lines += [f"<dt>remark</dt><dd>{escape(remark)}</dd>" for remark in outcome.remarks]
    lines.append("</dl>")
    if outcome.log:
        text = escape("\n".join(reports.log_lines(outcome)))
        lines.append(f"<details><summary>messages of {escape(case.id)}</summary><pre>{text}</pre></details>")
    ids = f"<br><small>{escape(case.ids)}</small>" if case.ids else ""
    return (
        f'<tr><th scope="row"><code>{escape(case.id)}</code>{ids}</th>'
        f'<td class="verdict {state}">{SIGNS[outcome.verdict]}</td><td>{"".join(lines)}</td></tr>'
    )
