"""Reads a trace: its header and its sessions, each with its beginning and its steps."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from secc import payloads
from secc.connection import STREAMS, Beginning, Connection, ConnectionInput, Data
from secc.errors import FramingError
from secc.messages.app_protocol import SupportedAppProtocolReq, SupportedAppProtocolRes
from secc.session.inputs import Tick
from secc.session.outlet import EvseSnapshot
from secc.session.streams import Stream
from secc.settings.config import SeccConfig
from secc.trace.form import TraceError, built, input_of
from secc.trace.power_line import TracedFrame
from secc.trace.recorder import FORMAT
from secc.v2gtp import ISO20_TYPES, FrameAssembler, V2gtpFrame, split_datagram

__all__ = [
    "HandshakePhase",
    "LARGEST",
    "Step",
    "Trace",
    "TracedMessage",
    "TracedSession",
    "connection_of",
    "messages",
    "read",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One input of a core, and what it gave."""

    line: int
    """In the file, from 1."""
    at: float
    """Monotonic seconds."""
    event: ConnectionInput
    outputs: tuple[dict[str, Any], ...]
    """In the form of `form.plain_output`."""
    random: tuple[bytes, ...] = ()
    """What was drawn."""
    raised: str = ""
    """A defect of the core, as it was recorded."""

    @property
    def snapshot(self) -> EvseSnapshot | None:
        """The outlet at this moment, if the input contains it."""
        return self.event.snapshot if isinstance(self.event, Data | Tick) else None


@dataclasses.dataclass(slots=True)
class TracedSession:
    """One session of a trace."""

    number: int
    """The station's count."""
    peer: str
    beginning: Beginning
    random: tuple[bytes, ...]
    """What was drawn at the beginning."""
    steps: list[Step] = dataclasses.field(default_factory=list)

    @property
    def end(self) -> dict[str, Any] | None:
        """The fields of EndSession; None when the recording ends before it."""
        ends = [
            output["EndSession"] for step in self.steps for output in step.outputs if "EndSession" in output
        ]
        return ends[-1] if ends else None


@dataclasses.dataclass(frozen=True, slots=True)
class Trace:
    """A whole file."""

    written_by: str
    """Version of this library."""
    wall: float
    """Unix seconds of `now`."""
    now: float
    """Monotonic seconds when the trace began."""
    note: str
    config: SeccConfig
    sessions: tuple[TracedSession, ...]
    torn: bool
    """The last line is not complete: the writer was killed. What stands before it is good."""
    power_line: tuple[TracedFrame, ...] = ()
    """Inputs and outputs of the matching, in order."""


def read(path: pathlib.Path) -> Trace:
    """A trace file; raises TraceError with the line, OSError."""
    text = path.read_text("utf-8", errors="replace")
    lines = text.splitlines()
    torn = bool(lines) and not text.endswith("\n")
    if torn:
        lines.pop()
    if not lines:
        raise TraceError(f"{path}: no complete line")
    header = _object(lines[0], 1)
    if header.get("trace") != FORMAT:
        raise TraceError(f'{path}: line 1 has no "trace": {FORMAT}; is it a trace of secc serve --trace?')
    objects = [(number, _object(line, number)) for number, line in enumerate(lines[1:], 2)]
    sessions = _sessions((number, line) for number, line in objects if "power_line" not in line)
    return Trace(
        written_by=str(header["secc"]),
        wall=float(header["wall"]),
        now=float(header["now"]),
        note=str(header.get("note", "")),
        config=built(SeccConfig, {"protocols": ["iso15118-2"], **header["config"]}),  # all there was once
        sessions=tuple(sessions),
        torn=torn,
        power_line=tuple(_frame(number, line) for number, line in objects if "power_line" in line),
    )


def _frame(number: int, line: dict[str, Any]) -> TracedFrame:
    try:
        data = bytes.fromhex(line.get("sent", line.get("heard", "")))
        return TracedFrame(float(line["power_line"]), "sent" in line, data, str(line.get("done", "")))
    except (TypeError, ValueError) as error:
        raise TraceError(f"line {number}: {type(error).__name__}: {error}") from error


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise TraceError(f"line {number}: {error}") from error
    if not isinstance(value, dict):
        raise TraceError(f"line {number}: expected an object")
    return value


def _sessions(lines: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[TracedSession]:
    sessions: dict[int, TracedSession] = {}
    for number, line in lines:
        try:
            key = int(line["session"])
            random = tuple(bytes.fromhex(data) for data in line.get("random", ()))
            if "begin" in line:
                beginning = built(Beginning, line["begin"])
                sessions[key] = TracedSession(key, str(line["peer"]), beginning, random)
            else:
                step = Step(
                    number,
                    float(line["at"]),
                    input_of(line["in"]),
                    tuple(line["out"]),
                    random,
                    str(line.get("raised", "")),
                )
                sessions[key].steps.append(step)
        except (KeyError, TypeError, ValueError) as error:
            raise TraceError(f"line {number}: {type(error).__name__}: {error}") from error
        except TraceError as error:
            raise TraceError(f"line {number}: {error}") from error
    yield from sessions.values()


# --- messages -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class TracedMessage:
    """A message on the wire."""

    at: float
    from_ev: bool
    message: msgspec.Struct | None
    """None: it cannot be decoded."""
    frame: V2gtpFrame
    """Payload type and bytes."""

    @property
    def stream(self) -> Stream:
        """On which it travels."""
        return STREAMS.get(self.frame.payload_type, Stream.MAIN)


def messages(session: TracedSession) -> Iterator[TracedMessage]:
    """All messages of a session, in their order."""
    begun = session.beginning
    frames = FrameAssembler(max_payload=begun.max_payload, more=ISO20_TYPES, max_more=LARGEST)
    phase = HandshakePhase()
    for step in session.steps:
        found: list[tuple[bool, V2gtpFrame]] = []
        if isinstance(step.event, Data):
            with contextlib.suppress(FramingError):  # the core hung up for it, and says so
                found += [(True, taken) for taken in frames.feed(step.event.data)]
        written = [bytes.fromhex(output["Write"]) for output in step.outputs if "Write" in output]
        found += [(False, V2gtpFrame(*split_datagram(data))) for data in written]
        for from_ev, taken in found:
            yield TracedMessage(step.at, from_ev, phase.decoded(taken), taken)


class HandshakePhase:
    """Reads the frames of both sides of one connection in their order: the handshake comes first."""

    def __init__(self) -> None:
        self._left = 2  # the request and its answer

    def decoded(self, taken: V2gtpFrame) -> msgspec.Struct | None:
        """The next message; None when it cannot be decoded."""
        message = payloads.decoded(taken, handshake=self._left > 0)
        self._left -= isinstance(message, SupportedAppProtocolReq | SupportedAppProtocolRes)
        return message


LARGEST = 131_072
"""Bytes of a payload that is read from a recording; the limit of `iso20.max_payload`."""


def connection_of(session: TracedSession, config: SeccConfig, drawn: Iterator[bytes]) -> Connection:
    """The core as it was at the beginning; it draws from `drawn` and raises TraceError when it cannot."""

    def random_bytes(size: int) -> bytes:
        data = next(drawn, b"")
        if len(data) != size:
            raise TraceError(f"{size} random bytes wanted, {len(data)} were drawn then")
        return data

    begun = session.beginning
    return Connection(begun.session(config, random_bytes), max_payload=begun.max_payload)
