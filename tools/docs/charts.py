"""Charts as SVG, without a library: grouped bars and lines."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log10

Series = dict[str, list[float | None]]
COLOURS = ("#00796b", "#f57c00", "#5c6bc0", "#8d6e63", "#c2185b")
_WIDTH, _LEFT, _BAR = 760, 210, 13


def bars(title: str, unit: str, rows: Sequence[str], series: Series) -> str:
    """Horizontal bars on a logarithmic axis, one group for each of `rows`; None leaves a bar out."""
    values = [v for column in series.values() for v in column if v]
    low = 10 ** int(log10(min(values)))
    scale = (_WIDTH - _LEFT - 90) / (log10(max(values)) - log10(low))
    group = _BAR * len(series) + 12
    top = 34 + 16 * len(series)
    out = [_text(10, 20, title, bold=True)]
    for index, name in enumerate(series):
        y = 40 + 16 * index
        out += [_box(10, y - 9, 10, 10, index), _text(26, y, name)]
    for row, name in enumerate(rows):
        y = top + row * group + 10
        out.append(_text(_LEFT - 8, y + group / 2 - 4, name, end=True))
        for index, column in enumerate(series.values()):
            value = column[row]
            if value is None:
                continue
            length = max(1.0, scale * (log10(value) - log10(low)))
            out.append(_box(_LEFT, y + index * _BAR, length, _BAR - 2, index))
            out.append(_text(_LEFT + length + 4, y + index * _BAR + 10, f"{value:,.0f} {unit}", small=True))
    return _svg(top + len(rows) * group + 20, out)


def lines(title: str, x_unit: str, y_unit: str, points: dict[str, list[tuple[float, float]]]) -> str:
    """Lines through measured points, on linear axes from 0."""
    height, bottom, right = 330, 290, _WIDTH - 40
    far = max(x for line in points.values() for x, _ in line)
    high = max(y for line in points.values() for _, y in line)
    out = [_text(10, 20, title, bold=True), _line([(70, 50), (70, bottom), (right, bottom)], "#888")]
    out += [_text(64, bottom, "0", end=True), _text(64, 60, f"{high:,.0f}", end=True), _text(10, 40, y_unit)]
    out += [_text(right, bottom + 18, f"{far:,.0f} {x_unit}", end=True)]
    for index, (name, line) in enumerate(points.items()):
        place = [(70 + (right - 70) * x / far, bottom - (bottom - 60) * y / high) for x, y in line]
        out.append(_line(place, COLOURS[index]))
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[index]}"/>' for x, y in place]
        out += [_box(100, 56 + 16 * index, 10, 10, index), _text(116, 65 + 16 * index, name)]
    return _svg(height, out)


def _svg(height: float, parts: list[str]) -> str:
    box = f'viewBox="0 0 {_WIDTH} {height:.0f}" font-family="sans-serif"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>"]) + "\n"


def _box(x: float, y: float, width: float, height: float, colour: int) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{COLOURS[colour]}"/>'
    )


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _text(
    x: float, y: float, text: str, *, bold: bool = False, end: bool = False, small: bool = False
) -> str:
    style = f' fill="#222" font-size="{10 if small else 12}"' + (' font-weight="bold"' if bold else "")
    style += ' text-anchor="end"' if end else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{style}>{escape(text)}</text>'
