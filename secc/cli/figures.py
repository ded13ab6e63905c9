"""Response times as a table, against the limits of their protocol."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from secc.cli.display import Style
from secc.cli.protocols import DIALECTS
from secc.records.text import milliseconds
from secc.settings.protocols import ProtocolName


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """Response times of one kind of message, in seconds."""

    name: str
    count: int
    p50: float
    p99: float
    longest: float
    limit: float

    @property
    def kept(self) -> bool:
        """All of them were within the performance time."""
        return self.longest <= self.limit


def figures(
    times: Iterable[tuple[str, float]], protocol: ProtocolName = ProtocolName.ISO15118_2
) -> list[Figures]:
    """Sum up (response, seconds) by response, in the order of the first of each, against the performance
    times of the protocol."""
    dialect = DIALECTS[protocol]
    by_name: dict[str, list[float]] = {}
    for name, seconds in times:
        by_name.setdefault(name, []).append(seconds)
    out = []
    for name, values in by_name.items():
        values.sort()
        out.append(
            Figures(
                name,
                len(values),
                percentile(values, 50),
                percentile(values, 99),
                values[-1],
                dialect.due(name),
            )
        )
    return out


def percentile(ordered: list[float], percent: float) -> float:
    """Nearest rank."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def table(rows: list[Figures], style: Style) -> list[str]:
    """Lines of text."""
    lines = [style.dim(f"{'response':30}{'n':>5}{'p50':>11}{'p99':>11}{'max':>11}{'limit':>11}")]
    for row in rows:
        times = "".join(f"{milliseconds(value):>11}" for value in (row.p50, row.p99, row.longest))
        verdict = style.good("kept") if row.kept else style.bad("MISSED")
        lines.append(f"{row.name:30}{row.count:>5}{times}{milliseconds(row.limit):>11}  {verdict}")
    return lines
