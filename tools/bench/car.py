"""The EV of `tools.bench.station`, and the rows of the charge loops.

It starts a session with the script of the simulated EV. In the charge loop it repeats its last request every
100 ms, encoded once, so that it costs almost nothing; its cost is counted separately.
"""

from __future__ import annotations

import dataclasses
import socket
import tempfile
from pathlib import Path
from typing import Any

from secc.connection import Data
from secc.exi import APP_PROTOCOL, ISO2, Codec
from secc.messages import iso2
from secc.messages.app_protocol import SupportedAppProtocolReq
from secc.messages.iso2 import (
    ChargingStatusReq,
    CurrentDemandReq,
    EnergyTransferMode,
    MessageHeader,
    V2GMessage,
)
from secc.session.inputs import Received
from secc.settings import SeccConfig, TlsConfig, TlsPolicy
from secc.sim.certificates import make_throwaway_pki
from secc.sim.moves import Answer, Ask, Move, ShowPilot, Wait
from secc.sim.script import EvScript, Plan
from secc.sim.vehicle import Vehicle
from secc.tls import PlainEngine, TlsContext, TlsEngine
from secc.v2gtp import FrameAssembler, frame
from tools.bench.station import AC, DC, Backend, Loop, Mark, Outlet, ReportingOutlet, WatchedStation

WARM, COUNTED = 10, 20
"""Messages of the charge loop before those that are counted, and those."""


async def run(loop: Loop, mark: Mark) -> None:
    """Each row once."""
    _codec(mark)
    await _charge(loop, mark, "exchange, DC", DC)
    await _charge(loop, mark, "exchange, AC", AC)
    await _charge(loop, mark, "exchange, DC, polled", DC, outlet=Outlet())
    with tempfile.TemporaryDirectory() as folder:
        pki = make_throwaway_pki(Path(folder))
        tls = TlsConfig(policy=TlsPolicy.REQUIRED, certificate_chain=pki.chain, private_key=pki.key)
        await _charge(loop, mark, "exchange, DC, TLS", dataclasses.replace(DC, tls=tls), root=pki.root)


def _codec(mark: Mark) -> None:
    """One message, with objects that are made in memory and with objects that their classes make."""
    stream = bytes.fromhex(_DEMAND)
    for row, direct in (("", True), (", by classes", False)):
        codec = Codec("iso2", iso2, iso2.MESSAGES, direct=direct)
        message = codec.decode(stream)
        codec.encode(message)
        mark("")
        for _ in range(COUNTED):
            codec.decode(stream)
        mark(f"decode{row}")
        for _ in range(COUNTED):
            codec.encode(message)
        mark(f"encode{row}")


_DEMAND = "809802004080c1014181c210d10015010618a040188184060186190020414300f8000308240700610440701881200600"
"""CurrentDemandReq of `benches/messages.txt`."""


async def _charge(
    loop: Loop,
    mark: Mark,
    row: str,
    config: SeccConfig,
    *,
    outlet: Outlet | None = None,
    root: Path | None = None,
) -> None:
    """One session as far as the charge loop: the exchange, then its core alone."""
    outlet = outlet or ReportingOutlet()
    station = WatchedStation(config, outlet, Backend(), sdp_port=0)
    async with station:
        endpoint = station.endpoint
        assert endpoint is not None
        port = endpoint.tls_port if root is not None else endpoint.plain_port
        engine = PlainEngine() if root is None else TlsContext.for_client(root).engine()
        car = Car(engine, outlet, dc=config.energy.offers_dc)
        car.connect(port or 0)
        done = loop.create_future()

        def act(now: float) -> float:
            if now < car.at:
                return car.at
            if car.loops == WARM + COUNTED + 1:
                loop.when_idle(None)
                done.set_result(None)
            if car.loops > WARM:
                mark(row if car.loops > WARM + 1 else "")
            wanted = car.act(now)
            if car.loops > WARM:
                mark("")
            return wanted

        loop.when_idle(act)
        await done
        if row in ("exchange, AC", "exchange, DC"):
            _core(station, car, outlet, row[-2:], loop.time(), mark)
        car.close()


def _core(station: WatchedStation, car: Car, outlet: Outlet, row: str, now: float, mark: Mark) -> None:
    """The same message through `Connection`, and through the session alone."""
    core, snapshot = station.core, outlet.snapshot()
    assert core is not None
    assert isinstance(car.sent, V2GMessage)
    mark("")
    for _ in range(COUNTED):
        now += PACE
        core.handle(Data(car.data, snapshot), now)
    mark(f"connection, {row}")
    for _ in range(COUNTED):
        now += PACE
        core.session.handle(Received(car.sent, snapshot, car.data[8:]), now)
    mark(f"session, {row}")
    if core.session.state.ended:
        raise RuntimeError(f"the session has ended: {core.session.state}")


class Car:
    """Acts when it is asked to, and never waits."""

    def __init__(self, engine: TlsEngine, outlet: Outlet, *, dc: bool) -> None:
        mode = EnergyTransferMode.DC_EXTENDED if dc else EnergyTransferMode.AC_SINGLE_PHASE_CORE
        self.loops = 0
        """Messages of the charge loop that have been sent."""
        self.sent: Any = None
        """The last message."""
        self.data = b""
        """The last message on the wire, before TLS."""
        self.at = 0.0
        """The time before which it does nothing."""
        self._engine = engine
        self._outlet = outlet
        self._frames = FrameAssembler()
        self._socket = socket.socket(socket.AF_INET6)
        # So large a battery has the same wish in each message.
        self._script = EvScript(Plan(mode=mode, loops=None, pace=PACE), Vehicle(capacity=3e7)).run()
        self._move: Move | None = None
        self._answer: Any = None
        self._session_id = b"\0"
        self._codec: Codec | None = None  # of the answer that is waited for

    def connect(self, port: int) -> None:
        """To a station on the loopback interface."""
        self._socket.connect(("::1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._send_raw(self._engine.start())

    def close(self) -> None:
        """Be gone."""
        self._socket.close()

    def act(self, now: float) -> float:
        """Do what can be done now, which is not before `at`; the time at which there is more to do."""
        if (not self._engine.handshake_done or self._codec is not None) and not self._receive():
            return _WHEN_ANSWERED
        if not self._engine.handshake_done or self._codec is not None:
            return now
        if self.loops < 2:
            return self._next(now)
        return self.repeat(now)

    def begin(self, now: float) -> None:
        """Act, at any time, until the charge loop has begun."""
        if now >= self.at and self.loops < 2:
            self.act(now)

    def repeat(self, now: float) -> float:
        """Send the last message of the charge loop again; the time of the next one."""
        self._send_raw(self._engine.send(self.data))
        self.loops, self._codec, self.at = self.loops + 1, ISO2, now + PACE
        return self.at

    def answered(self) -> bool:
        """Take what has come: it is the answer, and complete."""
        return self._codec is None or (self._receive() and self._codec is None)

    def fileno(self) -> int:
        """Of the socket."""
        return self._socket.fileno()

    def _next(self, now: float) -> float:
        """One move of the script."""
        started = self._move is not None
        self._move = self._script.send(Answer(now, self._answer)) if started else next(self._script)
        match self._move:
            case Wait(seconds):
                self.at = now + seconds
            case ShowPilot(pilot):
                self._outlet.show(pilot)
            case Ask(request):
                self._ask(request)
        return max(now, self.at)

    def _ask(self, request: Any) -> None:
        self.sent, self._codec = request, APP_PROTOCOL
        if not isinstance(request, SupportedAppProtocolReq):
            header = MessageHeader(session_id=self._session_id)
            self.sent, self._codec = V2GMessage(header=header, body=request), ISO2
        self.data = frame(self._codec.encode(self.sent))
        self.loops += isinstance(request, CurrentDemandReq | ChargingStatusReq)
        self._send_raw(self._engine.send(self.data))

    def _receive(self) -> bool:
        """Whether something has come."""
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return False
        if not data:
            raise RuntimeError(f"the station has closed the connection after {type(self.sent).__name__}")
        progress = self._engine.feed(data)
        self._send_raw(progress.to_send)
        for taken in self._frames.feed(progress.plaintext):
            self._take(taken.payload)
        return True

    def _take(self, payload: bytes) -> None:
        codec, self._codec = self._codec, None
        if self.loops > 1 or codec is None:
            return
        self._answer = codec.decode(payload)
        if isinstance(self._answer, V2GMessage):
            self._session_id = self._answer.header.session_id

    def _send_raw(self, data: bytes) -> None:
        if data:
            self._socket.sendall(data)


PACE = 0.1  # s
_WHEN_ANSWERED = float("inf")
