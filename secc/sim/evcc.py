"""A whole simulated EV: finds the station, connects, charges by its script, and reports the result.

For tests, demonstrations and the tutorial. It speaks our own codec, so it proves nothing about
interoperability: for that see the runs with an independent EV in the documentation.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from secc.errors import LinkError, SeccError
from secc.messages import din, iso2, iso20_ac, iso20_ac_der_iec, iso20_common, iso20_dc
from secc.sdp import SDP_PORT, Security
from secc.session.iso20.services import Service
from secc.session.outlet import ControlPilot
from secc.settings.protocols import ProtocolName
from secc.sim.cable import SimulatedCable
from secc.sim.din_script import DinScript
from secc.sim.documents import Documents, Iso20Documents, OlderDocuments
from secc.sim.iso20.plan import Iso20Plan
from secc.sim.iso20.script import Iso20Script
from secc.sim.moves import (
    Answer,
    Ask,
    Connect,
    Draw,
    EvGivesUp,
    Move,
    Script,
    SendRaw,
    ShowPilot,
    Vanish,
    Wait,
)
from secc.sim.script import EvScript, Plan
from secc.sim.sdp_client import discover
from secc.sim.vehicle import Vehicle
from secc.tls import PlainEngine, TlsContext, TlsEngine
from secc.tls.credentials import CredentialFiles
from secc.v2gtp import ISO20_TYPES, FrameAssembler, V2gtpFrame

__all__ = ["EvResult", "Exchange", "ScriptedEvcc", "message_timeout"]


@dataclasses.dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response."""

    at: float
    """Seconds since the EV began."""
    request: msgspec.Struct
    """SupportedAppProtocolReq or the body of a message."""
    response: msgspec.Struct
    response_time: float
    """Seconds from sending the request to the last byte of the response."""


@dataclasses.dataclass(slots=True)
class EvResult:
    """Result of a session, as seen by the EV."""

    exchanges: list[Exchange] = dataclasses.field(default_factory=list)
    error: str = ""
    """Why it gave up; empty when the session went to its planned end."""
    notes: list[str] = dataclasses.field(default_factory=list)
    """ISO 15118-20: what was odd, and each WARNING."""
    vanished: bool = False
    """It was gone on purpose."""
    tls: bool = False
    peer: str = ""
    """Address and port of the station."""
    session_id: bytes = b""
    energy: float = 0.0
    """Wh taken, by the measurement of the EV."""
    discharged: float = 0.0
    """Wh given back, as above."""
    duration: float = 0.0
    """Seconds from discovery to the end."""

    @property
    def completed(self) -> bool:
        """From the handshake to SessionStopRes, all of it positive."""
        return (
            not self.error
            and not self.vanished
            and bool(self.exchanges)
            and isinstance(self.exchanges[-1].response, _STOP)
        )

    @property
    def requests(self) -> list[str]:
        """The names of the requests, in order."""
        return [type(exchange.request).__name__ for exchange in self.exchanges]


class ScriptedEvcc:
    """One EV; `charge` runs one session and never raises for what a station does."""

    def __init__(
        self,
        plan: Plan | Iso20Plan | None = None,
        *,
        vehicle: Vehicle | None = None,
        cable: SimulatedCable | None = None,
        interface: str = "lo",
        tls: bool = False,
        roots: Path | None = None,
        certificate: CredentialFiles | None = None,
        host: str | None = None,
        port: int | None = None,
        sdp_port: int = SDP_PORT,
        patience: float = 1.0,
        on_exchange: Callable[[Exchange], None] | None = None,
    ) -> None:
        """`cable`: shared with a simulated outlet; without it no outlet sees the pilot.

        `tls`: ask for TLS and take nothing less; a station that answers with TLS gets it either way. `roots`:
        PEM file of V2G roots; None accepts any certificate. `certificate`: of the vehicle, shown in TLS 1.3,
        where the station asks for one. `host` and `port` skip discovery. `patience`
        multiplies the message timeouts of the standard, for busy machines.
        """
        self.plan = plan if plan is not None else Plan()
        self.vehicle = vehicle if vehicle is not None else Vehicle()
        self._cable = cable
        self._interface = interface
        self._tls = tls
        self._roots = roots
        self._certificate = certificate
        self._host = host
        self._port = port
        self._sdp_port = sdp_port
        self._patience = patience
        self._on_exchange = on_exchange
        self._result = EvResult()
        self._begun = 0.0
        self._session_id = self.plan.session_id
        self._documents: Documents = OlderDocuments()

    async def charge(self) -> EvResult:
        """Find the station, run the script, hang up."""
        self._result = result = EvResult()
        self._session_id = self.plan.session_id
        self._begun = asyncio.get_running_loop().time()
        try:
            await self._try_until_heard()
        except (SeccError, EvGivesUp, OSError, TimeoutError) as error:
            result.error = str(error) or type(error).__name__
        finally:
            if self._cable is not None and not result.vanished:
                self._cable.connect(None)
                if self._cable.pilot is not ControlPilot.A:
                    self._cable.set_pilot(ControlPilot.B)
        result.session_id = self._session_id
        result.energy = self.vehicle.received
        result.discharged = self.vehicle.given
        result.duration = asyncio.get_running_loop().time() - self._begun
        return result

    async def _try_until_heard(self) -> None:
        """Run the script; a station that was found and hung up before its first word is looked for again.

        It may just have been getting rid of the session before, and then has another port.
        """
        for left in reversed(range(_TRIES)):
            try:
                wire = await self._connect()
                try:
                    await self._run(wire)
                finally:
                    await wire.close(reset=self._result.vanished)
            except _HungUp:
                if self._result.exchanges or self._host is not None or not left:
                    raise
                await asyncio.sleep(_RETRY_PAUSE)
            else:
                return

    async def _connect(self) -> _Wire:
        host, port, tls = self._host, self._port, self._tls
        if host is not None and port is not None:
            host, scope = _split_scope(host, self._interface)
        else:
            security = Security.TLS if tls else Security.NONE
            found, link = await discover(self._interface, security, port=self._sdp_port)
            if tls and found.security is Security.NONE:
                raise LinkError("the station has no TLS, and this EV does not charge without")
            tls = found.security is Security.TLS
            host, port, scope = str(found.address), found.port, link.scope_id
        engine = self._engine() if tls else PlainEngine()
        wire = _Wire(engine)
        await wire.open(host, port, scope)
        self._result.tls = tls
        self._result.peer = f"[{host}]:{port}"
        return wire

    def _engine(self) -> TlsEngine:
        """TLS of the protocol that the plan wants: 1.3 for ISO 15118-20, 1.2 for ISO 15118-2."""
        iso20 = isinstance(self.plan, Iso20Plan)
        certificate = self._certificate if iso20 else None
        return TlsContext.for_client(
            self._roots, certificate=certificate, iso2=not iso20, iso20=iso20
        ).engine()

    async def _run(self, wire: _Wire) -> None:
        script = self._script()
        loop = asyncio.get_running_loop()
        answer = Answer(loop.time())
        try:
            move = next(script)
            while not isinstance(move, Vanish):
                message = await self._do(move, wire)
                answer = Answer(loop.time(), message)
                move = script.send(answer)
        except StopIteration:
            return
        self._result.vanished = True

    def _script(self) -> Script:
        """What the EV does, and the form of its messages, by the plan."""
        plan = self.plan
        if isinstance(plan, Iso20Plan):
            self._documents = Iso20Documents(_ENERGY_SETS.get(plan.service, "iso20-dc"))
            return Iso20Script(plan, self.vehicle, self._result.notes).run()
        self._documents = OlderDocuments()
        din_only = plan.protocol is ProtocolName.DIN70121
        return (DinScript if din_only else EvScript)(plan, self.vehicle).run()

    async def _do(self, move: Move, wire: _Wire) -> msgspec.Struct | None:
        match move:
            case Ask():
                return await self._ask(move, wire)
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case SendRaw(data):
                await wire.send(data)
            case ShowPilot(pilot) if self._cable is not None:
                self._cable.set_pilot(pilot)
            case Connect(load) if self._cable is not None:
                self._cable.connect(load)
            case Draw(current, phases, lines) if self._cable is not None:
                self._cable.take(current, phases, lines)
        return None

    async def _ask(self, move: Ask, wire: _Wire) -> msgspec.Struct:
        loop = asyncio.get_running_loop()
        data = self._documents.encode(move, self._session_id, loop.time())
        sent = loop.time()
        limit = message_timeout(type(move.request)) * self._patience
        try:
            async with asyncio.timeout(limit):
                await wire.send(data)
                message: Any = self._documents.decode(await wire.receive(), loop.time())
        except TimeoutError:
            raise EvGivesUp(f"{type(move.request).__name__}: no response in {limit:g} s") from None
        body = getattr(message, "body", message)
        if isinstance(body, _SETUP):
            self._session_id = message.header.session_id
        exchange = Exchange(sent - self._begun, move.request, body, loop.time() - sent)
        self._result.exchanges.append(exchange)
        if self._on_exchange is not None:
            self._on_exchange(exchange)
        return message if isinstance(message, msgspec.Struct) else body


_SETUP = (iso2.SessionSetupRes, din.SessionSetupRes, iso20_common.SessionSetupRes)
_STOP = (iso2.SessionStopRes, din.SessionStopRes, iso20_common.SessionStopRes)


def _split_scope(host: str, interface: str) -> tuple[str, int]:
    """`fe80::1%eth1` as address and index; without a % a link-local address is on the EV's interface."""
    address, _, name = host.partition("%")
    if not name and not address.casefold().startswith("fe80:"):
        return address, 0
    try:
        return address, socket.if_nametoindex(name or interface)
    except OSError as error:
        raise LinkError(f"{host}: no interface {name or interface}") from error


def message_timeout(request: type) -> float:
    """How long an EV waits for the response, in seconds: V2G_EVCC_Msg_Timeout. DIN SPEC 70121 has no message
    that takes longer than the others."""
    if request in _LOOPS:
        return 0.5
    if request in (iso2.CurrentDemandReq, din.CurrentDemandReq):
        return 0.25
    return 5.0 if request in _SLOW else 2.0


_ENERGY_SETS = {
    Service.AC: "iso20-ac",
    Service.AC_BPT: "iso20-ac",
    Service.AC_DER_IEC: "iso20-ac-der-iec",
}
"""The schema set of the energy messages; of all other services it is that of DC."""
_LOOPS = (
    iso20_ac.ACChargeLoopReq,
    iso20_dc.DCChargeLoopReq,
    iso20_ac_der_iec.ACChargeLoopReq,
)  # [V2G20-1499] [V2G20-1501]
_SLOW = (
    iso2.ServiceDetailReq,
    iso2.PaymentDetailsReq,
    iso2.CertificateInstallationReq,
    iso2.CertificateUpdateReq,
    iso2.PowerDeliveryReq,
    iso20_common.ServiceDetailReq,
    iso20_common.CertificateInstallationReq,
)


_TRIES = 5
_RETRY_PAUSE = 0.25  # s


class _HungUp(LinkError):
    """The station no longer listens there."""


class _Wire:
    """Frames over TCP, through an engine."""

    def __init__(self, engine: TlsEngine) -> None:
        self._engine = engine
        self._frames = FrameAssembler(more=ISO20_TYPES, max_more=_LARGEST)
        self._received: list[V2gtpFrame] = []
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, host: str, port: int, scope: int) -> None:
        """Connect, and shake hands where there is TLS."""
        connected = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        try:
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(_CONNECT_TIME):
                await asyncio.get_running_loop().sock_connect(connected, (host, port, 0, scope))
        except (OSError, TimeoutError) as error:
            connected.close()
            raise _HungUp(f"[{host}]:{port}: {error or 'no answer'}") from error
        self._reader, self._writer = await asyncio.open_connection(sock=connected)
        self._write(self._engine.start())
        try:
            async with asyncio.timeout(_CONNECT_TIME):
                while not self._engine.handshake_done:
                    await self._read()
        except BaseException:
            await self.close(reset=True)
            raise

    async def send(self, data: bytes) -> None:
        """These bytes, through the engine."""
        self._write(self._engine.send(data))
        if self._writer is not None:
            await self._writer.drain()

    async def receive(self) -> V2gtpFrame:
        """The next frame."""
        while not self._received:
            await self._read()
        return self._received.pop(0)

    async def close(self, *, reset: bool) -> None:
        """Say good-bye, or just be gone."""
        writer = self._writer
        if writer is None:
            return
        if reset:
            connected = writer.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            with contextlib.suppress(OSError):
                self._write(self._engine.close())
            writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _read(self) -> None:
        if self._reader is None:
            raise LinkError("not connected")
        try:
            data = await self._reader.read(8192)
        except ConnectionError as error:
            raise _HungUp(f"the station closed the connection: {error.strerror}") from error
        if not data:
            raise _HungUp("the station closed the connection")
        progress = self._engine.feed(data)
        self._write(progress.to_send)
        self._received.extend(self._frames.feed(progress.plaintext))
        if progress.failure is not None:
            raise progress.failure
        if progress.closed and not self._received:
            raise _HungUp("the station closed the connection")

    def _write(self, data: bytes) -> None:
        if data and self._writer is not None:
            self._writer.write(data)


_CONNECT_TIME = 5.0  # s
_LARGEST = 131_072  # bytes of a payload in ISO 15118-20
