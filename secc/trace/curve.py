"""The charging curve as SVG: voltage, current, power, energy and SOC over time, messages, states.

Written by hand: no library, no font, no script; it opens in every browser and stays readable in print.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from secc.session.din.states import DinState
from secc.session.iso2.states import State
from secc.session.states import Stage
from secc.trace.summary import CurvePoint, SessionSummary, name_of, remark_of

__all__ = ["svg"]

WIDTH, LEFT, RIGHT = 1100, 70, 20
PANEL, GAP, TOP = 130, 22, 72


@dataclasses.dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    curves: tuple[tuple[str, str, bool], ...]
    """Name of the curve, colour, dashed."""


PANELS = (
    _Panel("voltage, V", (("voltage", "#1f6fb2", False), ("voltage set", "#1f6fb2", True))),
    _Panel(
        "current, A",
        (
            ("current", "#b2431f", False),
            ("current set", "#b2431f", True),
            ("current offered", "#7a5c00", True),
        ),
    ),
    _Panel("power, W", (("power", "#5b2a86", False), ("power set", "#5b2a86", True))),
    _Panel("energy, Wh", (("energy", "#2a7d4f", False),)),
    _Panel("state of charge, %", (("soc", "#00707a", False),)),
)


def svg(summary: SessionSummary, *, title: str = "") -> str:
    """One picture of one session."""
    panels = [panel for panel in PANELS if any(name in summary.curves for name, _, _ in panel.curves)]
    height = TOP + len(panels) * (PANEL + GAP) + 110
    scale = _Scale(max(summary.duration, 0.001))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="11">',
        f"<title>{escape(title or 'A charging session')}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>',
        f'<text x="{LEFT}" y="42" fill="#555">{escape(_headline(summary))}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, summary, scale, TOP + number * (PANEL + GAP))
    below = TOP + len(panels) * (PANEL + GAP)
    parts += _states(summary, scale, below)
    parts += _messages(summary, scale, below + 34)
    parts += _time_axis(scale, TOP, below + 70)
    return "\n".join([*parts, "</svg>"]) + "\n"


@dataclasses.dataclass(frozen=True, slots=True)
class _Scale:
    duration: float

    def x(self, at: float) -> float:
        share = min(max(at / self.duration, 0.0), 1.0)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _headline(summary: SessionSummary) -> str:
    requests = sum(message.from_ev for message in summary.messages)
    end = summary.end or "no end recorded"
    return f"{summary.title}: {requests} requests in {summary.duration:.1f} s; {end}"


def _panel(panel: _Panel, summary: SessionSummary, scale: _Scale, top: int) -> Iterator[str]:
    values = [point.value for name, _, _ in panel.curves for point in summary.curves.get(name, ())]
    most, least = max(0.0, *values), min(0.0, *values)
    step = _nice(max(most, -least) / 4 if least == 0.0 or most == 0.0 else (most - least) / 4)
    high, low = math.ceil(most / step), math.floor(least / step)
    high += high == low

    def y(value: float) -> float:
        within = min(max(value, low * step), high * step)
        return round(top + PANEL * (high * step - within) / ((high - low) * step), 1)

    for tick in range(low, high + 1):
        height = y(tick * step)
        stroke = "#999" if tick == 0 and low else "#e4e4e4"  # the zero line, where power flows both ways
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height}" y2="{height}" stroke="{stroke}"/>'
        yield f'<text x="{LEFT - 6}" y="{height + 4}" text-anchor="end" fill="#555">{tick * step:g}</text>'
    labels = 0
    for name, colour, dashed in panel.curves:
        points = summary.curves.get(name)
        if not points:
            continue
        line = " ".join(f"{scale.x(p.at)},{y(p.value)}" for p in _stairs(points))
        dash = ' stroke-dasharray="5 3"' if dashed else ""
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>'
        text = panel.title if labels == 0 else name
        yield f'<text x="{LEFT + 6 + 130 * labels}" y="{top - 5}" fill="{colour}">{escape(text)}</text>'
        labels += 1


def _nice(value: float) -> float:
    """1, 2 or 5 times a power of ten, at least `value`."""
    size = 10.0 ** math.floor(math.log10(max(value, 0.001)))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= value * 0.999)


def _stairs(points: Sequence[CurvePoint]) -> Iterator[CurvePoint]:
    """A value holds until the next one is known; what repeats in between is left out."""
    yield points[0]
    for before, point in itertools.pairwise(points):
        if point.value != before.value or point is points[-1]:
            yield CurvePoint(point.at, before.value)
            yield point


_COLOURS = ("#cfe3f5", "#f7dfc9", "#dcd3ec", "#d5ead9", "#f6d5d5", "#e6e6c8")


def _states(summary: SessionSummary, scale: _Scale, top: int) -> Iterator[str]:
    colours: dict[Stage, str] = {
        state: _COLOURS[i % len(_COLOURS)] for i, state in enumerate([*State, *DinState])
    }
    for band in summary.bands:
        start, end = scale.x(band.start), scale.x(band.end)
        width = round(max(end - start, 0.5), 1)
        yield (
            f'<rect x="{start}" y="{top}" width="{width}" height="26" fill="{colours[band.state]}" '
            f'stroke="white"><title>{band.state.name} {band.start:.2f} to {band.end:.2f} s</title></rect>'
        )
        if width > 7 * len(band.state.name):
            yield f'<text x="{start + 4}" y="{top + 17}">{band.state.name}</text>'


def _messages(summary: SessionSummary, scale: _Scale, top: int) -> Iterator[str]:
    """A tick for each message: of the EV above, of the station below; refusals red."""
    for message in summary.messages:
        x, at = scale.x(message.at - summary.began), message.at - summary.began
        remark = remark_of(message.message)
        colour = "#c00000" if remark.startswith("FAILED") or message.message is None else "#777"
        start = top if message.from_ev else top + 12
        told = escape(f"{at:.3f} s {name_of(message.message)} {remark}")
        yield (
            f'<line x1="{x}" x2="{x}" y1="{start}" y2="{start + 10}" stroke="{colour}">'
            f"<title>{told}</title></line>"
        )
    yield f'<text x="{LEFT - 6}" y="{top + 9}" text-anchor="end" fill="#555">EV</text>'
    yield f'<text x="{LEFT - 6}" y="{top + 21}" text-anchor="end" fill="#555">station</text>'


def _time_axis(scale: _Scale, top: int, bottom: int) -> Iterator[str]:
    step = _nice(scale.duration / 10)
    for number in range(int(scale.duration / step) + 1):
        x = scale.x(number * step)
        yield f'<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom - 12}" stroke="#000" stroke-opacity="0.06"/>'
        yield f'<text x="{x}" y="{bottom + 4}" text-anchor="middle" fill="#555">{number * step:g} s</text>'
