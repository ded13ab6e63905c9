"""Connection: bytes in, bytes out. V2GTP frames, EXI, the protocol handshake, and the session above them.

It has the same two members as the session: `handle(event, now)` and `deadline`.

Rules of this layer: the first message must be supportedAppProtocolReq, and it is allowed once [V2G2-536].
From then on every payload is a document of the selected protocol [V2G2-541], in the schema set that its
payload type names (`secc.payloads`). An undecodable message closes the connection, and so does a second
handshake: there is no response type to answer it with. On a side stream an undecodable message is ignored and
counted: the charge loop does not depend on it. Every decodable message goes to the session, also a
response or a message of another set: the session refuses it. A frame of a type that the selected protocol
does not have is ignored and counted. Bytes that arrive while an answer is due, or held back for the minimum
pace, wait in a short queue of their stream (`secc.lanes`) and are handled after it, in order: cutting or
merging TCP segments changes nothing. A started frame must be complete within 5 s; single bytes do not extend
this.

After the end no input has any effect, and `Close` contains the time to close the connection: after
`close_delay` when the EV still has a last response to read [V2G2-034], at once in all other cases.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, cast

import msgspec

from secc import payloads, sap
from secc.errors import DecodeError, EncodeError, FramingError
from secc.lanes import MAX_WAITING, Lane, Lanes
from secc.messages.app_protocol import SupportedAppProtocolReq
from secc.pki.transport import Transport
from secc.session.battery_events import SocReading, SocReadingBegun
from secc.session.context import SessionConfig
from secc.session.contract_events import ContractTerms
from secc.session.dialect import Dialect
from secc.session.facts import Message
from secc.session.inputs import (
    Input,
    LinkLost,
    PeerMisbehaved,
    Received,
    StationInput,
    Tick,
)
from secc.session.machine import Session
from secc.session.outlet import EvseSnapshot
from secc.session.outputs import (
    EndReason,
    EndSession,
    Notice,
    NoticeKind,
    OutletCommand,
    Output,
    Send,
)
from secc.session.paused import PausedSession
from secc.session.streams import Stream
from secc.settings.config import SeccConfig
from secc.settings.services import ValueAddedService
from secc.v2gtp import MAX_PAYLOAD, FrameAssembler, PayloadType, V2gtpFrame, frame

if TYPE_CHECKING:
    from secc.pki.vehicle import VehicleIdentity

__all__ = [
    "Beginning",
    "Close",
    "Connection",
    "ConnectionInput",
    "ConnectionOutput",
    "Data",
    "EndOfStream",
    "FRAME_TIME",
    "Heard",
    "MAX_WAITING",
    "STREAMS",
    "Write",
    "prepare",
]

FRAME_TIME = 5.0
"""Seconds from the first byte of a frame to its last (policy)."""


class Data(msgspec.Struct, frozen=True, gc=False):
    """Bytes of the EV, after decryption."""

    data: bytes
    snapshot: EvseSnapshot


class EndOfStream(msgspec.Struct, frozen=True):
    """The EV has closed its side, or the connection is broken."""

    reason: str = "closed by the EV"


class Heard(msgspec.Struct, frozen=True, gc=False):
    """For the record: a decoded message. No action is needed."""

    message: msgspec.Struct
    stream: Stream = Stream.MAIN


class Write(msgspec.Struct, frozen=True, gc=False):
    """Send these bytes; `message` is their content, for the record."""

    data: bytes
    message: msgspec.Struct
    stream: Stream = Stream.MAIN


class Close(msgspec.Struct, frozen=True, gc=False):
    """Close the connection after this many seconds, or when the EV does. Further inputs have no effect."""

    after: float = 0.0


ConnectionInput = Data | EndOfStream | StationInput

ConnectionOutput = Heard | Write | Close | OutletCommand | Notice | EndSession

RandomBytes = Callable[[int], bytes]
"""Returns this number of random bytes, cryptographically secure."""


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a connection and its session, see `Session`; a trace stores them."""

    snapshot: EvseSnapshot
    now: float
    generation: int = 0
    tls: bool = False
    tls13: bool = False
    vehicle: VehicleIdentity | None = None
    asks_vehicle: bool = False
    contracts: ContractTerms | None = None
    recent_ids: Collection[bytes] = ()
    blocked: bool = False
    paused: PausedSession | None = None
    services: tuple[ValueAddedService, ...] = ()
    soc_reading: SocReading = SocReading.OFF
    max_payload: int = MAX_PAYLOAD

    def session(self, config: SeccConfig, random_bytes: RandomBytes) -> Session:
        """Return a new session with these parameters."""
        return Session(
            config,
            random_bytes=random_bytes,
            snapshot=self.snapshot,
            now=self.now,
            generation=self.generation,
            tls=self.tls,
            tls13=self.tls13,
            vehicle=self.vehicle,
            asks_vehicle=self.asks_vehicle,
            contracts=self.contracts,
            recent_ids=self.recent_ids,
            blocked=self.blocked,
            paused=self.paused,
            services=self.services,
            soc_reading=self.soc_reading,
        )


class _Phase(enum.Enum):
    HANDSHAKE = "handshake"
    SESSION = "session"
    CLOSED = "closed"


class Connection:
    """One TCP connection of an EV and its session; without I/O, like the session."""

    def __init__(self, session: Session, *, max_payload: int = MAX_PAYLOAD) -> None:
        """`session` starts with the connection; `max_payload` is the largest accepted V2GTP payload."""
        self.session = session
        self._phase = _Phase.HANDSHAKE
        self._payloads = payloads.HANDSHAKE
        self._max_payload = max_payload
        more = _more_types(session)
        large = max(max_payload, session.config.iso20.max_payload)
        self._frames = FrameAssembler(max_payload=max_payload, more=more, max_more=large)
        self._lanes: Lanes[Write] = Lanes(tuple(STREAMS))
        self._frame_due: float | None = None
        self._outputs: list[ConnectionOutput] = []

    @property
    def closed(self) -> bool:
        """`Close` has been returned."""
        return self._phase is _Phase.CLOSED

    @property
    def deadline(self) -> float | None:
        """When to pass a `Tick` at the latest; None once closed."""
        if self.closed:
            return None
        due = self.session.deadline
        for other in (self._frame_due, self._lanes.deadline):
            if other is not None and (due is None or other < due):
                due = other
        return due

    def handle(self, event: ConnectionInput, now: float) -> tuple[ConnectionOutput, ...]:
        """Process one input and return the actions in order. Never raises because of data from the EV."""
        if self.closed:
            return ()
        match event:
            case Data():
                self._tick(event.snapshot, now)  # time first: a late input is late
                self._read(event.data, now)
            case EndOfStream():
                self._session(LinkLost(event.reason), now)
            case Tick():
                self._tick(event.snapshot, now)
            case _:
                self._session(event, now)
        self._work(now)
        outputs, self._outputs = tuple(self._outputs), []
        return outputs

    def _tick(self, snapshot: EvseSnapshot, now: float) -> None:
        for lane in self._lanes.all:
            if (write := lane.due(now)) is not None:
                self._outputs.append(write)
                if lane is self._lanes.main:
                    self.session.answer_left(now)
        self._session(Tick(snapshot), now)
        if self._frame_due is not None and now >= self._frame_due:
            self._session(PeerMisbehaved(f"a frame was not complete after {FRAME_TIME:g} s"), now)

    def _read(self, data: bytes, now: float) -> None:
        if self.closed:
            return
        try:
            frames = self._frames.feed(data)
        except FramingError as error:
            self._session(PeerMisbehaved(str(error)), now)
            return
        self._lanes.add(frames)
        if self._frames.pending == 0:
            self._frame_due = None
        elif frames or self._frame_due is None:
            self._frame_due = now + FRAME_TIME

    def _work(self, now: float) -> None:
        """Handle waiting frames while the session accepts one; then report a defect of the stream."""
        lanes = self._lanes
        while not self.closed and self.session.state.waits_for_ev and (taken := lanes.next()) is not None:
            self._take(taken, now)
        while not self.closed and (surplus := lanes.surplus()) is not None:
            self._ignore(surplus, "while the one before is not answered", now)
        if self.closed:
            return
        if (waiting := len(lanes.main.waiting)) > MAX_WAITING:
            self._session(PeerMisbehaved(f"{waiting} messages while an answer is due"), now)
        elif self._frames.error is not None and lanes.empty:
            self._session(PeerMisbehaved(str(self._frames.error)), now)

    def _take(self, taken: V2gtpFrame, now: float) -> None:
        if taken.payload_type not in self._payloads.types:
            self._ignore(taken, "in this phase", now)
            return
        stream = STREAMS.get(taken.payload_type, Stream.MAIN)
        try:
            self._check_size(taken, stream)
            message = self._payloads.decode(taken)
        except (DecodeError, FramingError) as error:
            if stream is Stream.MAIN:
                self._session(PeerMisbehaved(f"cannot be decoded: {error}"), now)
            else:  # the charge loop does not depend on it
                self._ignore(taken, f"cannot be decoded: {error}", now)
            return
        self._outputs.append(Heard(message, stream))
        if self._phase is _Phase.SESSION:
            # The session refuses everything that is not a request, also messages of another schema set.
            self._session(Received(cast(Message, message), self.session.evse, taken.payload, stream), now)
        elif isinstance(message, SupportedAppProtocolReq):
            self._handshake(message, now)
        else:
            self._session(PeerMisbehaved(f"{type(message).__name__} is not a request"), now)

    def _ignore(self, taken: V2gtpFrame, why: str, now: float) -> None:
        """Ignore a frame that the selected protocol does not have [V2G2-800], or that a side stream cannot
        use; each counts, and one too many ends the session."""
        what = f"type {taken.payload_type:#06x}, length {len(taken.payload)}, {why}"
        if taken.payload_type in STREAMS:
            self._outputs.append(Notice(NoticeKind.IGNORED, f"V2GTP {what}"))
        try:
            self._frames.ignore(what)
        except FramingError as error:
            self._session(PeerMisbehaved(str(error)), now)

    def _check_size(self, taken: V2gtpFrame, stream: Stream) -> None:
        """Accept large requests only where one may occur; the framing allows the largest of all states."""
        session = self.session
        stage = session.state if stream is Stream.MAIN else session.streams.get(stream)
        if len(taken.payload) > self._max_payload and stage not in session.dialect.large:
            where = session.state if stage is None else stage
            found = f"{len(taken.payload)} bytes while the session {where.value}"
            raise FramingError(f"{found}, expected at most {self._max_payload}")

    def _handshake(self, offer: SupportedAppProtocolReq, now: float) -> None:
        """[V2G2-540]"""
        session = self.session
        reading = _reading(session)
        supported = tuple(one for one in _supported(session) if one in _SPOKEN)
        response, protocol = sap.choose(offer, (*supported, *reading))
        self._outputs.append(Write(payloads.HANDSHAKE.encode(response), response))
        if protocol is None:
            names = ", ".join(repr(entry.protocol_namespace) for entry in offer.app_protocol)
            self._session(PeerMisbehaved(f"offered: {names}", no_protocol=True), now)
        else:
            self._phase = _Phase.SESSION
            if protocol in reading:
                dialect, self._payloads = _READING[protocol]()
                session.only_read(dialect)
                self._outputs.append(SocReadingBegun())
            else:
                dialect, self._payloads = _SPOKEN[protocol](session.config)
                session.speak(dialect)

    def _session(self, event: Input, now: float) -> None:
        """Pass an input to the session and turn messages into bytes."""
        outputs = self.session.handle(event, now)
        ended = self.session.state.ended
        if ended:
            held = (lane.release() for lane in self._lanes.all)
            self._outputs += [write for write in held if write is not None]
        for output in outputs:
            if isinstance(output, Send):
                self._send(output, now, at_once=ended)
            else:
                self._outputs.append(output)
        if ended and not self.closed:
            self._phase = _Phase.CLOSED
            self._lanes.clear()
            self._outputs.append(Close(self._close_delay(outputs)))

    def _close_delay(self, outputs: tuple[Output, ...]) -> float:
        """Time to read a last response, if there is one [V2G2-034] [V2G-DC-116]."""
        answered = any(isinstance(output, Send) for output in outputs)
        no_protocol = any(isinstance(o, EndSession) and o.reason is EndReason.NO_PROTOCOL for o in outputs)
        return self.session.config.timing.close_delay if answered or no_protocol else 0.0

    def _send(self, output: Send, now: float, *, at_once: bool) -> None:
        message = output.message
        payload_type = _SIDE_TYPES.get(output.stream)
        try:
            if output.payload is None:
                data = self._payloads.encode(message, payload_type)
            else:
                data = frame(output.payload, payload_type or self._payloads.type_of(message))
            write = Write(data, message, output.stream)
        except EncodeError as error:  # a value of the controller or the configuration
            self._outputs.append(Notice(NoticeKind.REFUSED, f"cannot be encoded: {error}"))
            self._session(PeerMisbehaved(f"the response of the station cannot be encoded: {error}"), now)
            return
        lane = self._lanes.of(payload_type)
        apart = lane is not self._lanes.main or self._is_of_loop(message)
        leaves = now if at_once else self._leaves(lane, now, apart=apart)
        if leaves > now:
            lane.held = (leaves, write)
        else:
            self._outputs.append(write)
        if apart:
            lane.sent = leaves

    def _is_of_loop(self, message: msgspec.Struct) -> bool:
        return type(getattr(message, "body", message)) in self.session.dialect.unpaced

    def _leaves(self, lane: Lane[Write], now: float, *, apart: bool) -> float:
        """When a response leaves at the earliest. One of the charge loop, or of a side stream, is only kept
        `apart` from the one before it there; the others follow their request after the minimum pace."""
        config = self.session.config
        if not apart:
            return now + config.timing.minimum_pace
        return now if lane.sent is None else max(now, lane.sent + self.session.dialect.interval(config))


STREAMS: dict[int, Stream] = {
    PayloadType.ISO20_SCHEDULE: Stream.SCHEDULE,
    PayloadType.ISO20_METERING: Stream.METERING,
}
"""The side streams by their payload type; every other type is of the main stream."""

_SIDE_TYPES = {stream: payload_type for payload_type, stream in STREAMS.items()}

_Spoken = tuple[Dialect, payloads.Payloads]


def _iso2(_: SessionConfig) -> _Spoken:
    """Imported at the first use, as the others: a protocol that is off is not loaded."""
    from secc.session.iso2.table import ISO2

    return ISO2, payloads.ISO2


def _din(_: SessionConfig) -> _Spoken:
    from secc.session.din.table import DIN

    return DIN, payloads.DIN


def _iso20_ac(config: SessionConfig) -> _Spoken:
    from secc.session.iso20.table import ISO20_AC

    return ISO20_AC, payloads.iso20("iso20-ac", common_in_8001=config.iso20.common_in_8001)


def _iso20_dc(config: SessionConfig) -> _Spoken:
    from secc.session.iso20.table import ISO20_DC

    return ISO20_DC, payloads.iso20("iso20-dc", common_in_8001=config.iso20.common_in_8001)


def _iso20_der(config: SessionConfig) -> _Spoken:
    """Likewise."""
    from secc.session.iso20.table_der import ISO20_DER

    return ISO20_DER, payloads.iso20("iso20-ac-der-iec", common_in_8001=config.iso20.common_in_8001)


_SPOKEN: dict[sap.Protocol, Callable[[SessionConfig], _Spoken]] = {
    sap.ISO2: _iso2,
    sap.DIN: _din,
    sap.ISO20_AC: _iso20_ac,
    sap.ISO20_DC: _iso20_dc,
    sap.ISO20_AC_DER_IEC: _iso20_der,
}
"""The protocols with a session: table and payload types."""


def _iso2_soc() -> _Spoken:
    from secc.session.iso2.soc import ISO2_SOC

    return ISO2_SOC, payloads.ISO2


def _din_soc() -> _Spoken:
    from secc.session.din.soc import DIN_SOC

    return DIN_SOC, payloads.DIN


_READING: dict[sap.Protocol, Callable[[], _Spoken]] = {sap.ISO2: _iso2_soc, sap.DIN: _din_soc}
"""The protocols with a session that only reads the state of charge."""


def _supported(session: Session) -> tuple[sap.Protocol, ...]:
    """The protocols of an ordinary session. Where the state of charge is to be read first, or the EV is not
    to be read, only ISO 15118-20 stays: an EV reports its state of charge there while it charges."""
    supported = sap.supported(session.config, session.transport)
    if session.soc_reading is SocReading.OFF:
        return supported
    return tuple(one for one in supported if one not in _READING)


def _reading(session: Session) -> tuple[sap.Protocol, ...]:
    """The protocols of a session that only reads the state of charge."""
    if session.soc_reading is not SocReading.ASK:
        return ()
    return tuple(one for one in sap.supported(session.config.for_soc, session.transport) if one in _READING)


def prepare(config: SessionConfig) -> None:
    """Load the protocols of the configuration, so that no connection waits for it."""
    if config.soc.read:
        for load in _READING.values():
            load()
    for transport in (Transport(), Transport(laboratory=True)):
        for protocol in sap.supported(config, transport):
            _SPOKEN[protocol](config)


def _more_types(session: Session) -> tuple[int, ...]:
    """Payload types beside 0x8001 that a connection may need."""
    config = session.config
    supported = sap.supported(config, session.transport)
    types = (
        one for protocol in supported if protocol in _SPOKEN for one in _SPOKEN[protocol](config)[1].types
    )
    return tuple(dict.fromkeys(types))
