"""The figures of `tools.bench.cpo_scale` as a table and a chart in docs/explanation/scale.md, as ratios."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tools.docs.charts import lines

PAGE = Path("docs/explanation/scale.md")
CHART = Path("docs/assets/scale.svg")
BEGIN, END = "<!-- figures: python -m tools.bench.cpo_scale --write -->", "<!-- end of figures -->"

ROWS = (
    ("look-up of a car and its bundle, median", "lookup_p50", "ms"),
    ("look-up of a car and its bundle, 99th percentile", "lookup_p99", "ms"),
    ("answers to cars from four threads, bundle kept", "kept_per_second", "/s"),
    ("answers to cars from four threads, bundle made", "made_per_second", "/s"),
    ("finding what is due", "due_scan", "ms"),
    ("processor time of one renewal, workers and database", "cpu_milliseconds", "ms"),
    ("database", "megabytes", "MB"),
)


def write(raw: Path) -> None:
    """Replace what stands between the marks."""
    found = json.loads(raw.read_text())
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + "\n\n" + table(found) + "\n" + END + after, encoding="utf-8")
    CHART.write_text(chart(found), encoding="utf-8")


def table(found: list[dict[str, float]]) -> str:
    """One column for each size; the first in units, the others as multiples of it."""
    first, *others = found
    head = ["", *(f"{int(one['contracts']):,}" for one in found)]
    out = [" | ".join(["contracts", *head[1:]]), " | ".join(["---"] + ["--:"] * len(found))]
    out.append(" | ".join(["stations", *(f"{int(one['stations']):,}" for one in found)]))
    for title, name, unit in ROWS:
        cells = [f"{first[name]:,.3g} {unit}" if first[name] < 1000 else f"{first[name]:,.0f} {unit}"]
        cells += [f"× {one[name] / first[name]:.2g}" if one.get(name) else "–" for one in others]
        out.append(" | ".join([title, *cells]))
    out.append(
        " | ".join(["renewed when a worker was killed", *(f"{int(one['killed_after']):,}" for one in found)])
    )
    out.append(" | ".join(["contracts lost", *(str(int(one["lost"])) for one in found)]))
    out.append(" | ".join(["certificates issued twice", *(str(int(one["double"])) for one in found)]))
    return "\n".join(f"| {line} |" for line in out) + "\n"


def chart(found: list[dict[str, float]]) -> str:
    """Processor time of a full renewal over contracts: a straight line is what one hopes for."""
    measured = [one for one in found if one.get("cpu_milliseconds")]
    points = [(one["contracts"] / 1000, one["cpu_milliseconds"] * one["contracts"] / 6e4) for one in measured]
    ideal = [(x, x * points[-1][1] / points[-1][0]) for x, _ in points]
    title = "All contracts renewed by two workers, one of which is killed on the way: processor time"
    return lines(
        title,
        "thousand contracts",
        "minutes",
        {"measured": [(0, 0), *points], "in proportion": [(0, 0), *ideal]},
    )


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "build/cpo-scale.json"))
