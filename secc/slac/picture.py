"""Pictures of a measurement: 58 carrier groups from 1.8 to 28 MHz; longer bars mean more attenuation."""

import dataclasses
from collections.abc import Iterable
from html import escape

from secc.errors import FramingError
from secc.slac import messages as m
from secc.slac.attenuation import average, mean
from secc.slac.frames import decode


@dataclasses.dataclass(slots=True)
class Measured:
    """Measurements of one EV."""

    ev_mac: bytes
    profiles: list[bytes] = dataclasses.field(default_factory=list)
    """Profiles from the local modem, one per sound."""
    told: dict[bytes, bytes] = dataclasses.field(default_factory=dict)
    """Average that each station sent to the EV, by address of the station."""

    @property
    def profile(self) -> bytes:
        """The average of the measurements; empty without any."""
        equal = [p for p in self.profiles if len(p) == len(self.profiles[0])]
        return average(equal) if equal else b""


def collect(frames: Iterable[bytes]) -> dict[bytes, Measured]:
    """Return the measurements in the frames of a capture or a live interface, by address of the EV."""
    found: dict[bytes, Measured] = {}
    for data in frames:
        add(found, data)
    return found


def add(found: dict[bytes, Measured], data: bytes) -> bool:
    """Add a frame; return whether it holds a measurement."""
    try:
        frame = decode(data)
    except FramingError:
        return False
    match frame.message:
        case m.AttenProfileInd(pev_mac=ev, profile=profile) if profile:
            found.setdefault(ev, Measured(ev)).profiles.append(profile)
        case m.AttenCharInd(source_address=ev, groups=groups, profile=profile):
            found.setdefault(ev, Measured(ev)).told[frame.source] = profile[: min(groups, m.GROUPS)]
        case _:
            return False
    return True


def bars(profile: bytes, *, height: int = 10, at_most: int = 60) -> list[str]:
    """Return lines of text with one column per group; attenuation grows downwards from the top."""
    lines = []
    for row in range(height):
        low, step = at_most * row / height, at_most / height
        cells = "".join(_cell((level - low) / step) for level in profile)
        lines.append(f"{low:3.0f} dB |{cells}|")
    lines.append(f"        1.8 MHz{' ' * max(1, len(profile) - 14)}28 MHz")
    return lines


def _cell(part: float) -> str:
    return "█" if part >= 1.0 else "▀" if part >= 0.5 else "'" if part > 0.0 else " "


def svg(measured: Iterable[tuple[str, bytes]]) -> str:
    """Return an SVG drawing with one named curve per profile."""
    curves, names = [], []
    for i, (name, profile) in enumerate(measured):
        colour = _COLOURS[i % len(_COLOURS)]
        points = " ".join(f"{60 + 12 * x},{20 + 5 * level}" for x, level in enumerate(profile))
        curves.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        text = escape(f"{name}: mean {mean(profile):.1f} dB")
        names.append(f'<text x="70" y="{360 + 18 * i}" fill="{colour}">{text}</text>')
    grid = "".join(
        f'<line x1="60" x2="750" y1="{20 + 5 * db}" y2="{20 + 5 * db}" stroke="#ddd"/>'
        f'<text x="52" y="{24 + 5 * db}" text-anchor="end">{db} dB</text>'
        for db in range(0, 61, 10)
    )
    axis = '<text x="60" y="338">1.8 MHz</text><text x="750" y="338" text-anchor="end">28 MHz</text>'
    height = 360 + 18 * max(1, len(names))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="780" height="{height}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/>{grid}{axis}{"".join(curves + names)}</svg>\n'
    )


_COLOURS = ("#00796b", "#c62828", "#1565c0", "#ef6c00", "#6a1b9a", "#2e7d32")
