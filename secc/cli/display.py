"""What commands print: response times as a table, and a little colour on a terminal."""

from __future__ import annotations

import dataclasses
import math
import re
import shutil
import sys
from collections.abc import Iterable
from typing import TextIO

from secc.cli import output
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
    lines = [style.dim(f"{'response':28}{'n':>5}{'p50':>11}{'p99':>11}{'max':>11}{'limit':>11}")]
    for row in rows:
        times = "".join(f"{milliseconds(value):>11}" for value in (row.p50, row.p99, row.longest))
        verdict = style.good("kept") if row.kept else style.bad("MISSED")
        lines.append(f"{row.name:28}{row.count:>5}{times}{milliseconds(row.limit):>11}  {verdict}")
    return lines


# --- terminal ----------------------------------------------------------------------------------------------


class Style:
    """A little colour where there is a terminal, none elsewhere."""

    def __init__(self, stream: TextIO | None = None, *, colour: bool | None = None) -> None:
        """`colour` None: as the stream is a terminal or not."""
        self._stream = stream if stream is not None else sys.stdout
        self.live = self._stream.isatty() if colour is None else colour
        self._open_line = False

    def good(self, text: str) -> str:
        """Green."""
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        """Red."""
        return self._paint("31;1", text)

    def bold(self, text: str) -> str:
        """Headings."""
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        """Side matters."""
        return self._paint("2", text)

    def line(self, text: str = "") -> None:
        """A line that stays."""
        start = "\n" if self._open_line else ""
        self._open_line = False
        self._write(f"{start}{text}\n")

    def replace(self, text: str) -> None:
        """On a terminal: a line in place of the last one if that was such a line too; else a line."""
        if not self.live:
            self.line(text)
            return
        self._open_line = True
        self._write(f"\r\x1b[K{_fitting(text)}")

    def _write(self, text: str) -> None:
        output.of(self._stream).write(text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.live else text


def _fitting(text: str) -> str:
    """A line that is longer than the terminal is wide cannot be replaced: cut it, colours and all."""
    columns = shutil.get_terminal_size().columns
    bare = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return text if len(bare) < columns else bare[: columns - 1]
