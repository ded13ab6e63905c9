"""A sequence chart in text: EV, station, outlet, with the time and the state of the station."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from secc.connection import STREAMS
from secc.sdp import SdpRequest, SdpResponse
from secc.session.streams import Stream
from secc.trace.reader import TracedMessage
from secc.trace.summary import SessionSummary, name_of, remark_of

__all__ = ["HEAD", "LEGEND", "chart", "discovery_line", "message_line"]

HEAD = f"{'seconds':>9}  EV {' ' * 32} station {' ' * 24} outlet, back end"
"""The line above a chart."""

LEGEND = "═══▶  on a side stream: " + ", ".join(f"{kind:#06x} {name}" for kind, name in STREAMS.items())
"""The line below it, where there are such messages."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Line:
    at: float
    text: str
    loop: str = ""
    """Lines with the same value may be folded into one."""


def chart(summary: SessionSummary, *, fold: bool = True) -> str:
    """Lines of text. `fold` makes one line of exchanges that repeat each other."""
    lines = sorted(_lines(summary), key=lambda line: line.at)
    shown = _folded(lines) if fold else (f"{line.at:9.3f}  {line.text}" for line in lines)
    beside = any(message.stream is not Stream.MAIN for message in summary.messages)
    return "\n".join([HEAD, *shown, *([f"{'':>9}  {LEGEND}"] if beside else [])])


def message_line(message: TracedMessage) -> str:
    """An arrow from the EV, or from the station, with what a reader wants to see of the message. One of a
    side stream has a double line, and its payload type."""
    name, remark = name_of(message.message), remark_of(message.message)
    line = "─"
    if message.stream is not Stream.MAIN:
        line, remark = "═", f"{message.frame.payload_type:#06x}  {remark}".rstrip()
    if message.from_ev:
        return f"{name} {line * max(1, 34 - len(name))}▶  {remark}".rstrip()
    return f"   ◀{line * max(1, 31 - len(name))} {name}  {remark}".rstrip()


def discovery_line(message: SdpRequest | SdpResponse) -> str:
    """What a message of discovery asks or answers."""
    security = message.security.name.replace("NONE", "no TLS")
    if isinstance(message, SdpResponse):
        return f"◀── [{message.address}]:{message.port}, {security}"
    return f"──▶ wants {security}"


def _lines(summary: SessionSummary) -> Iterator[_Line]:
    for message in summary.messages:
        name, remark = name_of(message.message), remark_of(message.message)
        code = f" {remark}" if remark.startswith("FAILED") else ""
        fold = f"{name}{code}" if message.stream is Stream.MAIN else ""  # what happens beside is never hidden
        yield _Line(message.at - summary.began, message_line(message), fold)
    for band in summary.bands[1:]:
        yield _Line(band.start, f"{_OUTLET}[{band.state.name}]")
    for at, output in summary.orders:
        if (text := _order(output)) is not None:
            yield _Line(at, text, "set-point" if "SetOutput" in output else "")


def _order(output: dict[str, object]) -> str | None:
    ((name, fields),) = output.items()
    assert isinstance(fields, dict | str)
    if name in ("Heard", "Write", "RenewLease") or isinstance(fields, str):
        return None
    if name == "SetOutput":
        return f"{_OUTLET}───── {fields['voltage']:g} V, {fields['current']:g} A ─────▶"
    if name == "SocReadingBegun":
        return f"{_OUTLET}reads the state of charge: no energy in this session"
    if name == "BatteryRead":
        battery = fields["battery"]
        assert isinstance(battery, dict)
        return f"{_OUTLET}───── state of charge {battery['soc']} % ─────▶"
    if name == "Notice":
        return f"{_OUTLET}note: {fields['text']}"
    if name == "EndSession":
        detail = f": {fields['detail']}" if fields.get("detail") else ""
        return f"{_OUTLET}END: {fields['reason']}{detail}"
    words = [name, *_values({key: value for key, value in fields.items() if key not in _PRIVATE})]
    return f"{_OUTLET}───── {' '.join(words)} ─────▶"


def _values(fields: dict[str, object]) -> Iterator[str]:
    """`name value` of what says something; what is nested, by its parts."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _values(value)
        elif isinstance(value, list):
            if value:
                yield f"{name} ({len(value)})"
        elif value not in (None, "", False):
            yield name if value is True else f"{name} {value}"


_OUTLET = " " * 38
_PRIVATE = ("ticket", "contract", "request", "bundle", "receipt")
"""Parts of an output that a chart leaves out: proofs and whole messages."""


def _folded(lines: list[_Line]) -> Iterator[str]:
    """Runs of exchanges with the same names: the first one, how often, the last one."""
    at = 0
    while at < len(lines):
        run = _run(lines, at)
        if run < _LEAST:
            yield f"{lines[at].at:9.3f}  {lines[at].text}"
            at += 1
            continue
        kinds = len({line.loop for line in lines[at : at + run]})
        yield from (f"{line.at:9.3f}  {line.text}" for line in lines[at : at + kinds])
        yield f"{'⋮':>9}  {run - 2 * kinds} lines of the same"
        yield from (f"{line.at:9.3f}  {line.text}" for line in lines[at + run - kinds : at + run])
        at += run


_LEAST = 8


def _run(lines: list[_Line], at: int) -> int:
    """How many lines from here on are of at most three kinds that may be folded."""
    kinds: set[str] = set()
    length = 0
    for line in lines[at:]:
        if not line.loop or len(kinds | {line.loop}) > 3:
            break
        kinds.add(line.loop)
        length += 1
    return length if length >= _LEAST and length >= 4 * len(kinds) else 0
