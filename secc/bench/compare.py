"""Several runs side by side, from their `--json` reports: cases by runs, and what changed between them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from secc.bench.page import SIGNS, STYLE
from secc.bench.verdict import BenchVerdict

__all__ = ["CaseRow", "Comparison", "ComparedRun", "compare"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """One run."""

    name: str
    """Unique in a comparison: the name of the station, or of the file."""
    station: str
    offers: str
    began: str
    verdicts: Mapping[str, tuple[BenchVerdict, str]]
    """By case: verdict and reason."""

    def count(self, verdict: BenchVerdict) -> int:
        """Number of cases with this verdict."""
        return sum(found is verdict for found, _ in self.verdicts.values())

    @property
    def headline(self) -> str:
        """`n of m passed`, of the applicable cases."""
        applicable = len(self.verdicts) - self.count(BenchVerdict.NOT_APPLICABLE)
        return f"{self.count(BenchVerdict.PASS)} of {applicable} passed"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One case in all runs."""

    id: str
    group: str
    title: str
    expect: str
    verdicts: tuple[tuple[BenchVerdict, str] | None, ...]
    """One for each run; None: the run does not have the case."""

    @property
    def differs(self) -> bool:
        """Not the same verdict in all runs."""
        return len({None if one is None else one[0] for one in self.verdicts}) > 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All runs and all cases."""

    runs: tuple[ComparedRun, ...]
    rows: tuple[CaseRow, ...]

    @property
    def differences(self) -> tuple[CaseRow, ...]:
        """The cases with another verdict in one of the runs."""
        return tuple(row for row in self.rows if row.differs)

    def changes(self, at: int) -> Iterator[str]:
        """What is different in run `at`, compared with the run before, in sentences."""
        before, after = self.runs[at - 1], self.runs[at]
        yield f"{before.name} to {after.name}: {before.headline}, then {after.headline}"
        for text, test in _CHANGES:
            names = [row.id for row in self.rows if test(_verdict(row, at - 1), _verdict(row, at))]
            if names:
                yield f"{text} ({len(names)}): {', '.join(names)}"

    # --- Markdown ------------------------------------------------------------------------------------------

    def markdown(self) -> str:
        """The page as Markdown."""
        parts = ["# Runs side by side", "\n".join(_markdown_table(_RUN_HEADS, map(_run_cells, self.runs)))]
        parts += ["## What changed"]
        parts += ["\n".join(f"- {line}" for line in self.changes(at)) for at in range(1, len(self.runs))]
        heads = ("case", "group", *(run.name for run in self.runs))
        for title, rows in (("Cases that differ", self.differences), ("All cases", self.rows)):
            cells = ([f"`{row.id}`", row.group, *map(_text, row.verdicts)] for row in rows)
            body = "\n".join(_markdown_table(heads, cells)) if rows else "None."
            parts += [f"## {title}", body]
        return "\n\n".join(parts) + "\n"

    # --- HTML ----------------------------------------------------------------------------------------------

    def html(self) -> str:
        """The page as one HTML file, without scripts; rows that differ are marked by text as well."""
        changes = "".join(
            f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in self.changes(at))}</ul>"
            for at in range(1, len(self.runs))
        )
        heads = ("", "case", "expected", *(run.name for run in self.runs))
        return "\n".join(
            (
                '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                f"<title>Runs side by side</title>\n<style>{STYLE}{_MORE}</style>\n</head>\n<body>\n<main>",
                "<h1>Runs side by side</h1>",
                _html_table(_RUN_HEADS, [(False, [escape(one) for one in _run_cells(r)]) for r in self.runs]),
                f"<h2>What changed</h2>\n{changes}",
                f"<h2>Cases</h2>\n<p>{len(self.differences)} of {len(self.rows)} cases differ; they are "
                "marked <b>≠</b>.</p>",
                _html_table(heads, [(row.differs, _html_cells(row)) for row in self.rows]),
                "</main>\n</body>\n</html>\n",
            )
        )


def compare(reports: Sequence[tuple[str, str]]) -> Comparison:
    """Compare runs; each is the name of a file and its text, the output of `secc bench --json`.

    Raises ValueError for a text that is no report, and for less than two of them.
    """
    if len(reports) < 2:
        raise ValueError("expected the reports of two runs or more")
    read = [(name, _read(name, text)) for name, text in reports]
    cases: dict[str, dict[str, Any]] = {}
    for _, report in read:
        for case in report["cases"]:
            cases.setdefault(case["id"], case)
    runs = tuple(_run(name, report, at) for at, (name, report) in enumerate(read, 1))
    rows = tuple(
        CaseRow(
            id=id_,
            group=case["group"],
            title=case["title"],
            expect=case["expected"],
            verdicts=tuple(run.verdicts.get(id_) for run in runs),
        )
        for id_, case in cases.items()
    )
    return Comparison(runs=runs, rows=rows)


def _read(name: str, text: str) -> dict[str, Any]:
    try:
        report = json.loads(text)
        if isinstance(report["cases"], list):
            return dict(report)
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"{name}: expected a report of `secc bench --json`")


def _run(name: str, report: dict[str, Any], at: int) -> ComparedRun:
    station = str(report.get("station") or "")
    return ComparedRun(
        name=f"{at}: {station or name}",
        station=station or name,
        offers=str(report.get("problem") or report.get("offers", "")),
        began=str(report.get("began", ""))[:19].replace("T", " "),
        verdicts={
            case["id"]: (BenchVerdict(case["verdict"]), case.get("reason") or "") for case in report["cases"]
        },
    )


def _verdict(row: CaseRow, run: int) -> BenchVerdict | None:
    found = row.verdicts[run]
    return None if found is None else found[0]


_PASS, _FAIL, _NONE = BenchVerdict.PASS, BenchVerdict.FAIL, BenchVerdict.NOT_APPLICABLE
_Change = Callable[[BenchVerdict | None, BenchVerdict | None], bool]
_CHANGES: tuple[tuple[str, _Change], ...] = (
    ("passes now", lambda a, b: b is _PASS and a not in (_PASS, None)),
    ("fails now", lambda a, b: b is _FAIL and a not in (_FAIL, None)),
    ("without a result now", lambda a, b: b is BenchVerdict.INCONCLUSIVE and a not in (b, None)),
    ("no longer applicable", lambda a, b: b is _NONE and a not in (_NONE, None)),
    ("new case", lambda a, b: a is None and b is not None),
    ("missing case", lambda a, b: b is None and a is not None),
)
_RUN_HEADS = ("run", "began (UTC)", "result", "failed", "inconclusive", "not applicable", "offers")


def _run_cells(run: ComparedRun) -> list[str]:
    counts = (run.count(one) for one in (_FAIL, BenchVerdict.INCONCLUSIVE, _NONE))
    return [run.name, run.began, run.headline, *map(str, counts), run.offers]


def _text(found: tuple[BenchVerdict, str] | None) -> str:
    if found is None:
        return ""
    verdict, reason = found
    said = "" if verdict in (_PASS, _NONE) or not reason else f": {reason}"
    return SIGNS[verdict] + said


def _markdown_table(heads: Sequence[str], rows: Iterable[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "| --- " * len(heads) + "|"
    for cells in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _html_cells(row: CaseRow) -> list[str]:
    cells = ["<b>≠</b>" if row.differs else "", f"<code>{escape(row.id)}</code><br>{escape(row.title)}"]
    cells.append(escape(row.expect))
    for found in row.verdicts:
        state = "" if found is None else found[0].value.replace(" ", "-")
        sign, _, reason = _text(found).partition(": ")
        said = f"<br>{escape(reason)}" if reason else ""
        cells.append(f'<span class="verdict {state}">{escape(sign)}</span>{said}')
    return cells


def _html_table(heads: Sequence[str], rows: Sequence[tuple[bool, list[str]]]) -> str:
    lines = ["<table>", f"<tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>"]
    for differs, cells in rows:
        mark = ' class="differs"' if differs else ""
        lines.append(f"<tr{mark}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return "\n".join((*lines, "</table>"))


_MORE = """
tr.differs { background: color-mix(in srgb, var(--open) 14%, transparent); }
th { position: sticky; top: 0; background: Canvas; }
@media print { tr.differs td { border-bottom: 2px solid; } th { position: static; } }
"""
