"""The offers of a session as SVG: power limits and prices over time, for charging and discharging.

Each schedule has a panel for power and, where it is priced, one for prices; the schedule that the EV has
chosen is marked. Written by hand, like the charging curve.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from xml.sax.saxutils import escape

from secc.trace.curve import nice
from secc.trace.offers import DrawnOffer, DrawnSchedule
from secc.trace.summary import CurvePoint

__all__ = ["offer_svg"]

WIDTH, LEFT, RIGHT, TOP, PANEL, GAP = 900, 70, 20, 56, 96, 34
_CHARGE, _DISCHARGE = "#1f6fb2", "#b2431f"
_PRICES = ("#2a7d4f", "#7a5c00", "#5b2a86", "#00707a", "#8a1f5c", "#4f6b00", "#444444", "#a03a00")


def offer_svg(offers: Sequence[DrawnOffer], *, title: str = "") -> str:
    """One picture of the offers of a session."""
    parts: list[str] = []
    top = TOP
    for number, offer in enumerate(offers, 1):
        choice = "" if offer.chosen is None else f"; the EV has chosen schedule {offer.chosen}"
        heading = f"offer {number}, {offer.at:.1f} s after the beginning{choice}"
        parts.append(_text(LEFT, top, heading, size=13))
        top += 24
        end = max(point.at for schedule in offer.schedules for point in _points(schedule))
        for schedule in offer.schedules:
            chosen = schedule.name.startswith(f"schedule {offer.chosen},")
            drawn, top = _schedule(schedule, end, top, chosen=chosen)
            parts += drawn
    if not offers:
        parts.append(_text(LEFT, top, "no schedules were offered"))
        top += 24
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 10}" '
            'font-family="sans-serif" font-size="11">',
            f"<title>{escape(title or 'Offers to an EV')}</title>",
            f'<rect width="{WIDTH}" height="{top + 10}" fill="white"/>',
            _text(LEFT, 24, title, size=15),
            *parts,
            "</svg>\n",
        ]
    )


def _points(schedule: DrawnSchedule) -> Iterator[CurvePoint]:
    yield CurvePoint(1.0, 0.0)
    yield from schedule.power
    for curve in schedule.prices:
        yield from curve.points


def _schedule(schedule: DrawnSchedule, end: float, top: int, *, chosen: bool) -> tuple[list[str], int]:
    """The panels of one schedule, and where the next one begins."""
    parts: list[str] = []
    mark = " ✓" if chosen else ""
    if schedule.power:
        back = any(point.value < 0 for point in schedule.power)
        curves = [(f"{schedule.name}{mark}: power, W", _DISCHARGE if back else _CHARGE, schedule.power)]
        parts += _panel(curves, end, top, filled=True)
        top += PANEL + GAP
    if schedule.prices:
        names = [f"{schedule.name}{mark}: price, {schedule.unit} {curve.label}" for curve in schedule.prices]
        curves = [
            (names[0] if at == 0 else curve.label, _PRICES[at % len(_PRICES)], curve.points)
            for at, curve in enumerate(schedule.prices)
        ]
        parts += _panel(curves, end, top, filled=False)
        top += PANEL + GAP
        if schedule.note:
            parts.append(_text(LEFT, top - 8, schedule.note, colour="#555"))
            top += 16
    return parts, top


def _panel(
    curves: Sequence[tuple[str, str, tuple[CurvePoint, ...]]], end: float, top: int, *, filled: bool
) -> Iterator[str]:
    values = [point.value for _, _, points in curves for point in points]
    most, least = max(0.0, *values), min(0.0, *values)
    step = nice((most - least) / 4)
    high, low = math.ceil(most / step), math.floor(least / step)
    high += high == low

    def x(at: float) -> float:
        return round(LEFT + min(at / end, 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(top + PANEL * (high * step - value) / ((high - low) * step), 1)

    for tick in range(low, high + 1):
        height = y(tick * step)
        stroke = "#999" if tick == 0 else "#e4e4e4"
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height}" y2="{height}" stroke="{stroke}"/>'
        yield _text(LEFT - 6, height + 4, f"{tick * step:g}", anchor="end", colour="#555")
    yield from _hours(end, x, top)
    offset = 0
    for name, colour, points in curves:
        line = [f"{x(points[0].at)},{y(points[0].value)}"]
        for before, point in itertools.pairwise(points):
            line += [f"{x(point.at)},{y(before.value)}", f"{x(point.at)},{y(point.value)}"]
        if filled:
            area = " ".join([f"{x(points[0].at)},{y(0.0)}", *line, f"{x(points[-1].at)},{y(0.0)}"])
            yield f'<polygon points="{area}" fill="{colour}" fill-opacity="0.15"/>'
        yield f'<polyline points="{" ".join(line)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        yield _text(LEFT + 4 + offset, top - 4, name, colour=colour)
        offset += 7 * len(name) + 16


def _hours(end: float, x: Callable[[float], float], top: int) -> Iterator[str]:
    step = nice(end / 3600 / 8)
    for number in range(int(end / 3600 / step + 1e-9) + 1):
        at = x(number * step * 3600)
        yield f'<line x1="{at}" x2="{at}" y1="{top}" y2="{top + PANEL}" stroke="#000" stroke-opacity="0.06"/>'
        yield _text(at, top + PANEL + 12, f"{number * step:g} h", anchor="middle", colour="#777")


def _text(
    x: float, y: float, text: str, *, size: int = 11, anchor: str = "start", colour: str = "#000"
) -> str:
    words = escape("".join(one if one.isprintable() else "�" for one in text))
    return f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{words}</text>'
