"""One EV of the tester at a point that a case tests: requests, and what must come back. For all protocols."""

from __future__ import annotations

import abc
import asyncio
import dataclasses
from typing import Any

import msgspec

from secc.bench.trial import Trial
from secc.bench.verdict import Failed, Inconclusive
from secc.bench.wire import BenchWire, Closed, Silence, WireFrame
from secc.errors import DecodeError
from secc.messages import app_protocol, din, iso2, iso20_common
from secc.messages.xmldsig import Signature

__all__ = ["Code", "LATE", "PACE", "CarAnswer", "Talk"]

Code = iso2.ResponseCode | din.ResponseCode | iso20_common.ResponseCode


@dataclasses.dataclass(frozen=True, slots=True)
class CarAnswer:
    """A response that could be decoded."""

    message: msgspec.Struct
    body: Any
    """iso2.V2GMessage: its body; otherwise the message."""
    seconds: float

    @property
    def session_id(self) -> bytes:
        """SessionID of the header."""
        header = getattr(self.message, "header", None)
        return b"" if header is None else bytes(header.session_id)

    @property
    def code(self) -> str:
        """ResponseCode as its literal."""
        code = getattr(self.body, "response_code", None)
        return str(code.value) if code is not None else "no code"

    def __str__(self) -> str:
        return f"{type(self.body).__name__} {self.code}"


class Talk(abc.ABC):
    """A connection and the judgement of what comes back."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.session_id = b"\x00"
        self.last: CarAnswer | None = None
        """The last response that was expected."""
        self._wire: BenchWire | None = None

    @abc.abstractmethod
    async def connect(self) -> None:
        """Open a new connection; the station waits for the handshake there."""

    @abc.abstractmethod
    def encode(self, body: msgspec.Struct, session_id: bytes | None, signature: Signature | None) -> bytes:
        """Return the V2GTP frame of a request."""

    @abc.abstractmethod
    def decode(self, reply: WireFrame) -> Any:
        """Return the message in a frame; raises DecodeError."""

    @abc.abstractmethod
    def limit(self, body: msgspec.Struct) -> float:
        """Return how long the tester waits for the response to this request."""

    @property
    @abc.abstractmethod
    def has_id(self) -> bool:
        """The station has assigned a SessionID."""

    @property
    def wire(self) -> BenchWire:
        """The connection; raises Inconclusive before `connect`."""
        if self._wire is None:
            raise Inconclusive("not connected")
        return self._wire

    async def send_raw(self, data: bytes, text: str) -> None:
        """Send any bytes."""
        self.trial.note("sent", text, data)
        await self.wire.send(data)

    async def receive(self, limit: float) -> CarAnswer | Silence | Closed:
        """Receive a message; raises Failed for anything else."""
        reply = await self.wire.receive(limit)
        if not isinstance(reply, WireFrame):
            self.trial.note("received", str(reply))
            return reply
        return self._read(reply)

    async def ask(
        self,
        body: msgspec.Struct,
        *,
        session_id: bytes | None = None,
        signature: Signature | None = None,
        limit: float | None = None,
    ) -> CarAnswer | Silence | Closed:
        """Send a request and return the reply."""
        name = type(body).__name__
        await self.send_raw(self.encode(body, session_id, signature), name)
        return await self.receive(self.limit(body) if limit is None else limit)

    def _read(self, reply: WireFrame) -> CarAnswer:
        try:
            if (reply.version, reply.inverse) != (1, 0xFE):
                raise DecodeError(f"V2GTP version {reply.version:#04x} {reply.inverse:#04x}")
            message = self.decode(reply)
        except DecodeError as error:
            self.trial.note("received", str(error), reply.data)
            raise Failed(f"expected a well-formed response; got one with {error}") from None
        body = getattr(message, "body", message)
        answer = CarAnswer(message, body, reply.seconds)
        self.trial.note("received", f"{answer} after {1000 * reply.seconds:.0f} ms", reply.data)
        return answer

    async def expect(
        self,
        body: msgspec.Struct,
        *codes: Code,
        session_id: bytes | None = None,
        signature: Signature | None = None,
    ) -> Any:
        """Expect the paired response with one of the codes in time; returns its body. Raises Failed."""
        answer = await self.ask(body, session_id=session_id, signature=signature)
        wanted = codes or (iso2.ResponseCode.OK,)
        expected = f"{_pair(body)} {' or '.join(code.value for code in wanted)} in {self.limit(body):g} s"
        self.trial.check(isinstance(answer, CarAnswer), expected, answer)
        assert isinstance(answer, CarAnswer)
        self.trial.check(type(answer.body).__name__ == _pair(body), expected, answer)
        self.trial.check(answer.code in [code.value for code in wanted], expected, answer)
        self._check_id(answer)
        self.last = answer
        return answer.body

    async def refused(
        self,
        body: msgspec.Struct,
        *codes: Code,
        session_id: bytes | None = None,
        signature: Signature | None = None,
    ) -> None:
        """Expect the paired response with one of the codes, then the end of TCP."""
        await self.expect(body, *codes, session_id=session_id, signature=signature)
        await self.closed()

    async def closed(self) -> None:
        """Expect the station to close the connection in time."""
        limit = self.trial.timers.close
        reply = await self.wire.wait_closed(limit * LATE)
        self.trial.note("received", str(reply) if not isinstance(reply, WireFrame) else "a message", b"")
        self.trial.check(isinstance(reply, Closed), f"TCP closed by the station within {limit:g} s", reply)
        if reply.seconds > limit:
            self.trial.remark(f"TCP closed after {reply.seconds:.2f} s by the clock of the tester: tolerated")

    async def ignored(self, limit: float) -> None:
        """Expect no answer for this time and an open connection."""
        reply = await self.wire.receive(limit)
        text = f"no answer for {limit:g} s, TCP left open"
        data = reply.data if isinstance(reply, WireFrame) else b""
        self.trial.note("received", "a message" if data else str(reply), data)
        self.trial.check(isinstance(reply, Silence), text, "a message" if data else reply)

    def _check_id(self, answer: CarAnswer) -> None:
        """Check that the response has the assigned SessionID [V2G2-388]."""
        if not self.has_id:
            return
        self.trial.check(
            answer.session_id == self.session_id,
            f"SessionID {self.session_id.hex().upper()} in the response",
            answer.session_id.hex().upper(),
        )

    async def first_word(self, offer: app_protocol.SupportedAppProtocolReq) -> CarAnswer | Silence | Closed:
        """Send the offer; repeat it once, as a station that still has the previous EV may close the
        connection."""
        end = self.trial.now + self.trial.timers.reach
        answer = await self.ask(offer)
        while isinstance(answer, Closed) and self.trial.now < end:
            await asyncio.sleep(PACE)
            await self.connect()
            answer = await self.ask(offer)
        return answer


def _pair(body: msgspec.Struct) -> str:
    return type(body).__name__.removesuffix("Req") + "Res"


PACE = 0.1
"""Seconds between a response and the next request of a loop."""

LATE = 1.1
"""Tolerance: the tester sees a station that closes exactly at its limit a little later."""
