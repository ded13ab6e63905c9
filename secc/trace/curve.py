"""The charging curve as SVG: voltage, current, power, energy and SOC over time, messages, states.

Written by hand: no library, no font, no script; it opens in every browser and stays readable in print.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from secc.connection import STREAMS
from secc.session.states import Stage
from secc.session.streams import Stream
from secc.trace.summary import CurvePoint, SessionSummary, name_of, remark_of

__all__ = ["nice", "svg"]

WIDTH, LEFT, RIGHT = 1100, 70, 20
PANEL, GAP, TOP = 130, 22, 72


@dataclasses.dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    unit: str
    curves: tuple[tuple[str, str, bool], ...]
    """Name of the curve, colour, dashed."""


PANELS = (
    _Panel("voltage", "V", (("voltage", "#1f6fb2", False), ("voltage set", "#1f6fb2", True))),
    _Panel(
        "current",
        "A",
        (
            ("current", "#b2431f", False),
            ("current set", "#b2431f", True),
            ("current offered", "#7a5c00", True),
        ),
    ),
    _Panel("power", "W", (("power", "#5b2a86", False), ("power set", "#5b2a86", True))),
    _Panel("energy", "Wh", (("energy", "#2a7d4f", False), ("energy back", "#7a2d5e", True))),
    _Panel("state of charge", "%", (("soc", "#00707a", False),)),
)


def svg(summary: SessionSummary, *, title: str = "") -> str:
    """One picture of one session; raises nothing for any session that could be summarized."""
    panels = [panel for panel in PANELS if any(name in summary.curves for name, _, _ in panel.curves)]
    below = TOP + len(panels) * (PANEL + GAP)
    streams = _streams(summary)
    marks = below + (34 if summary.bands else 6)  # a capture knows no states
    axis = marks + 36 + _LANE * (len(streams) - 1)
    listed = axis + 26
    height = listed + _ROW * math.ceil(len(summary.bands) / _COLUMNS) + 20
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
    parts += _states(summary, scale, below) if summary.bands else ()
    for number, stream in enumerate(streams):
        parts += _messages(summary, scale, marks + number * _LANE, stream)
    parts += _time_axis(scale, TOP, axis)
    parts += _stream_key(streams)
    parts += _state_list(summary, listed)
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
    thousands = panel.unit in ("W", "Wh") and max(most, -least) >= 1000
    factor, unit = (1000.0, f"k{panel.unit}") if thousands else (1.0, panel.unit)
    step = factor * nice((most - least if least < 0.0 < most else max(most, -least)) / factor / 4)
    high, low = math.ceil(most / step), math.floor(least / step)
    high += high == low

    def y(value: float) -> float:
        within = min(max(value, low * step), high * step)
        return round(top + PANEL * (high * step - within) / ((high - low) * step), 1)

    for tick in range(low, high + 1):
        height, value = y(tick * step), tick * step / factor
        stroke = "#999" if tick == 0 and low else "#e4e4e4"  # the zero line, where power flows both ways
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height}" y2="{height}" stroke="{stroke}"/>'
        yield f'<text x="{LEFT - 6}" y="{height + 4}" text-anchor="end" fill="#555">{value:g}</text>'
    if low and panel.title == "power":
        yield from _directions(y(0.0))
    yield f'<text x="{LEFT}" y="{top - 5}" fill="#555">{panel.title}, {unit}</text>'
    shown = 0
    for name, colour, dashed in panel.curves:
        points = summary.curves.get(name)
        if not points:
            continue
        line = " ".join(f"{scale.x(p.at)},{y(p.value)}" for p in _stairs(points))
        dash = ' stroke-dasharray="5 3"' if dashed else ""
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>'
        yield from _key(LEFT + 140 + 150 * shown, top - 9, name, f'stroke="{colour}"{dash}')
        shown += 1


def _key(x: int, y: int, name: str, stroke: str) -> Iterator[str]:
    """A short piece of the line beside its name, which a print in grey shows too."""
    yield f'<line x1="{x}" x2="{x + 24}" y1="{y}" y2="{y}" stroke-width="1.5" {stroke}/>'
    yield f'<text x="{x + 30}" y="{y + 4}">{escape(_NAMES.get(name, name))}</text>'


_NAMES = {
    "voltage": "measured",
    "current": "measured",
    "power": "measured",
    "energy": "to the EV",
    "energy back": "from the EV",
    "soc": "by the EV",
    "voltage set": "set",
    "current set": "set",
    "power set": "set",
    "current offered": "offered",
}


def _directions(zero: float) -> Iterator[str]:
    """What above and below zero mean, where power flows both ways."""
    yield f'<text x="{LEFT + 4}" y="{zero - 5}" fill="#555">▲ to the EV</text>'
    yield f'<text x="{LEFT + 4}" y="{zero + 14}" fill="#555">▼ from the EV</text>'


def nice(value: float) -> float:
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
_COLUMNS, _ROW = 3, 16


def _states(summary: SessionSummary, scale: _Scale, top: int) -> Iterator[str]:
    """A band for each state with its number in the list below, and its name where there is room."""
    colours = _colours(summary)
    for number, band in enumerate(summary.bands, 1):
        start, end = scale.x(band.start), scale.x(band.end)
        width = round(max(end - start, 0.5), 1)
        yield (
            f'<rect x="{start}" y="{top}" width="{width}" height="26" fill="{colours[band.state]}" '
            f'stroke="white"><title>{band.state.name} {band.start:.2f} to {band.end:.2f} s</title></rect>'
        )
        text = f"{number} {band.state.name}"
        if width > 7 * len(text):
            yield f'<text x="{start + 4}" y="{top + 17}">{text}</text>'
        elif width > 4 + 7 * len(str(number)):
            yield f'<text x="{start + 3}" y="{top + 17}">{number}</text>'
    yield f'<text x="{LEFT - 6}" y="{top + 17}" text-anchor="end" fill="#555">state</text>'


def _state_list(summary: SessionSummary, top: int) -> Iterator[str]:
    """Every state by name, with its times: most are too short for a name in the band."""
    colours = _colours(summary)
    rows = math.ceil(len(summary.bands) / _COLUMNS)
    for number, band in enumerate(summary.bands):
        x = LEFT + number // max(rows, 1) * ((WIDTH - LEFT - RIGHT) // _COLUMNS)
        y = top + number % max(rows, 1) * _ROW
        text = f"{number + 1} {band.state.name}, {band.start:.2f} to {band.end:.2f} s"
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colours[band.state]}"/>'
        yield f'<text x="{x + 16}" y="{y}">{text}</text>'


def _colours(summary: SessionSummary) -> dict[Stage, str]:
    states = dict.fromkeys(band.state for band in summary.bands)
    return {state: _COLOURS[number % len(_COLOURS)] for number, state in enumerate(states)}


_LANE = 26
_SIDE = {Stream.SCHEDULE: "#00707a", Stream.METERING: "#8a1f5c"}
_TYPES = {stream: kind for kind, stream in STREAMS.items()}


def _streams(summary: SessionSummary) -> list[Stream]:
    """The main stream, and the side streams that were used."""
    used = {message.stream for message in summary.messages}
    return [stream for stream in Stream if stream is Stream.MAIN or stream in used]


def _stream_key(streams: Sequence[Stream]) -> Iterator[str]:
    """What the lanes of side streams are, in their colours."""
    for number, stream in enumerate(streams[1:]):
        x, colour = LEFT + 620 + number * 200, _SIDE[stream]
        yield f'<rect x="{x}" y="33" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 15}" y="42">{_TYPES[stream]:#06x} {escape(stream)}</text>'


def _messages(summary: SessionSummary, scale: _Scale, top: int, stream: Stream) -> Iterator[str]:
    """A tick for each message of a stream: of the EV above, of the station below; refusals red. A side stream
    has a lane with its payload type and a colour, and thicker ticks: they are few."""
    if stream is not Stream.MAIN:
        yield (
            f'<rect x="{LEFT}" y="{top - 2}" width="{WIDTH - LEFT - RIGHT}" height="{_LANE - 1}" '
            f'fill="{_SIDE[stream]}" fill-opacity="0.07"/>'
        )
    usual, width = _SIDE.get(stream, "#777"), 1 if stream is Stream.MAIN else 3
    for message in summary.messages:
        if message.stream is not stream:
            continue
        x, at = scale.x(message.at - summary.began), message.at - summary.began
        remark = remark_of(message.message)
        colour = "#c00000" if remark.startswith("FAILED") or message.message is None else usual
        start = top if message.from_ev else top + 12
        told = escape(f"{at:.3f} s {name_of(message.message)} {remark}")
        yield (
            f'<line x1="{x}" x2="{x}" y1="{start}" y2="{start + 10}" stroke="{colour}" '
            f'stroke-width="{width}"><title>{told}</title></line>'
        )
    if stream is Stream.MAIN:
        yield f'<text x="{LEFT - 6}" y="{top + 9}" text-anchor="end" fill="#555">EV</text>'
        yield f'<text x="{LEFT - 6}" y="{top + 21}" text-anchor="end" fill="#555">station</text>'
    else:
        name = f"{_TYPES[stream]:#06x}"
        yield f'<text x="{LEFT - 6}" y="{top + 15}" text-anchor="end" fill="{usual}">{name}</text>'


def _time_axis(scale: _Scale, top: int, bottom: int) -> Iterator[str]:
    step = nice(scale.duration / 10)
    for number in range(int(scale.duration / step) + 1):
        x = scale.x(number * step)
        yield f'<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom - 12}" stroke="#000" stroke-opacity="0.06"/>'
        yield f'<text x="{x}" y="{bottom + 4}" text-anchor="middle" fill="#555">{number * step:g} s</text>'
