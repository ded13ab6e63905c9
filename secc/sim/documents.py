"""How a simulated EV writes its requests and reads the responses, in the protocol of its plan."""

from __future__ import annotations

from typing import Any, Protocol, cast

import msgspec

from secc import exi, payloads
from secc.messages import din, iso2
from secc.messages.app_protocol import SupportedAppProtocolReq
from secc.messages.iso20_common import MessageHeader, SessionSetupRes
from secc.sim.moves import Ask, EvGivesUp
from secc.v2gtp import PayloadType, V2gtpFrame, frame, split_datagram

__all__ = ["Documents", "Iso20Documents", "OlderDocuments", "StationClock"]


class Documents(Protocol):
    """The messages of one session on the wire."""

    def encode(self, move: Ask, session_id: bytes, now: float) -> bytes:
        """The V2GTP frame of a request; `session_id` is the assigned one, `now` is monotonic."""
        ...

    def decode(self, taken: V2gtpFrame, now: float) -> msgspec.Struct:
        """The response to the last request, with its envelope where it has one."""
        ...


class OlderDocuments:
    """ISO 15118-2 and DIN SPEC 70121: the class of a request says which of them it is."""

    def __init__(self) -> None:
        self._codec = exi.APP_PROTOCOL

    def encode(self, move: Ask, session_id: bytes, now: float) -> bytes:
        request = move.request
        session_id = session_id if move.session_id is None else move.session_id
        document: msgspec.Struct
        if isinstance(request, SupportedAppProtocolReq):
            self._codec, document = exi.APP_PROTOCOL, request
        elif type(request) in din.PAIRS:
            self._codec = exi.codec("din")
            head = din.MessageHeader(session_id=session_id, signature=move.signature)
            document = din.V2GMessage(header=head, body=cast("din.BodyElement", request))
        else:
            self._codec = exi.ISO2
            header = iso2.MessageHeader(session_id=session_id, signature=move.signature)
            document = iso2.V2GMessage(header=header, body=cast("iso2.BodyElement", request))
        return frame(self._codec.encode(document), move.payload_type or PayloadType.EXI)

    def decode(self, taken: V2gtpFrame, now: float) -> msgspec.Struct:
        return cast(msgspec.Struct, self._codec.decode(taken.payload))


class Iso20Documents:
    """ISO 15118-20: a header in each message, a payload type by its schema set."""

    def __init__(self, energy: str) -> None:
        """`energy`: `iso20-ac`, `iso20-dc` or `iso20-ac-der-iec`."""
        self._session = payloads.iso20(energy)
        self._payloads = payloads.HANDSHAKE
        self._payload_type: int = PayloadType.EXI
        self._clock = StationClock()

    def encode(self, move: Ask, session_id: bytes, now: float) -> bytes:
        request: Any = move.request
        self._payloads = self._session
        if isinstance(request, SupportedAppProtocolReq):
            self._payloads = payloads.HANDSHAKE
        else:
            header = MessageHeader(
                session_id=session_id if move.session_id is None else move.session_id,
                time_stamp=self._clock.stamp(now) if move.stamp is None else move.stamp,
                signature=move.signature,
            )
            request = msgspec.structs.replace(request, header=header)
        data = self._payloads.encode(request, move.payload_type)
        self._payload_type = split_datagram(data)[0]
        return data

    def decode(self, taken: V2gtpFrame, now: float) -> msgspec.Struct:
        """Raises EvGivesUp when the response is in another payload type than its request."""
        if taken.payload_type != self._payload_type:
            raise EvGivesUp(
                f"a response in payload type {taken.payload_type:#06x}, not {self._payload_type:#06x}"
            )
        message = self._payloads.decode(taken)
        if isinstance(message, SessionSetupRes):
            self._clock.adopt(message.header.time_stamp, now)
        return message


class StationClock:
    """The time of the station, which the EV adopts with SessionSetupRes [V2G20-1535] [V2G20-1536]."""

    def __init__(self) -> None:
        self._unit = 1.0  # stamps in a second
        self._origin: float | None = None  # monotonic seconds of stamp 0
        self._last = 0

    def adopt(self, stamp: int, now: float) -> None:
        """Take over a time stamp; its size says its unit: seconds, milliseconds or microseconds."""
        self._unit = next((unit for unit, least in _UNITS if stamp >= least), 1.0)
        self._origin = now - stamp / self._unit

    def stamp(self, now: float) -> int:
        """The present time, never falling; 0 before there is a time of the station."""
        if self._origin is not None:
            self._last = max(self._last, int((now - self._origin) * self._unit))
        return self._last


_UNITS = ((1e6, 10**14), (1e3, 10**11))
