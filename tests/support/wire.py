"""For tests of the shell: an outlet and a back end that record their calls, and a car of one socket."""

import asyncio
import contextlib
import dataclasses
import ipaddress
import pathlib
import socket
import time
from collections.abc import AsyncIterator, Callable

from certs.testpki import make
from secc import exi
from secc.messages import app_protocol
from secc.messages.iso2 import BodyElement, V2GMessage
from secc.ports import EvseController, ReportsChanges
from secc.records import LinkEvent, LinkRecord, MessageRecord, OutputRecord, Record
from secc.sdp import SdpRequest, SdpResponse, Security
from secc.session.outlet import ControlPilot, EvseSnapshot, IsolationLevel
from secc.session.outputs import EndReason, EndSession
from secc.session.schedules import EnergyNeed, ScheduleOffer
from secc.settings import SeccConfig, TimingConfig, TlsConfig, TlsPolicy
from secc.station.journal import Journal
from secc.station.station import Station
from secc.tls import PlainEngine, TlsContext, TlsEngine
from secc.v2gtp import FrameAssembler, frame
from tests.support import requests

PKI = pathlib.Path(make.__file__).parent
PATIENCE = 5.0  # s: nothing in these tests takes longer, unless it is broken


class RecordingOutlet:
    """A controller that obeys, and records its calls with their times."""

    def __init__(self, pilot: ControlPilot = ControlPilot.B) -> None:
        self.pilot = pilot
        self.closed = False
        self.calls: list[str] = []
        self.times: list[float] = []
        self.leases = 0
        self.hang: set[str] = set()
        self.fail: set[str] = set()
        self.weld: set[str] = set()
        """`open_contactor` returns False."""
        self.gates: dict[str, asyncio.Event] = {}
        """What a call waits for."""

    def snapshot(self) -> EvseSnapshot:
        if "snapshot" in self.fail:
            raise RuntimeError("snapshot failed")
        return EvseSnapshot(control_pilot=self.pilot, utc=time.time(), contactor_closed=self.closed)

    def lease(self, seconds: float) -> None:
        self.leases += 1

    async def close_contactor(self) -> bool:
        await self._called("close_contactor")
        self.closed = True
        return True

    async def open_contactor(self) -> bool:
        await self._called("open_contactor")
        self.closed = "open_contactor" in self.weld
        return not self.closed

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        await self._called("check_cable")
        return IsolationLevel.VALID

    async def set_output(self, voltage: float, current: float) -> None:
        await self._called(f"set_output {voltage:g} {current:g}")

    async def make_safe(self) -> None:
        await self._called("make_safe")
        self.closed = False

    async def _called(self, name: str) -> None:
        self.calls.append(name)
        self.times.append(time.monotonic())
        if name in self.fail:
            raise RuntimeError(f"{name} failed")
        if name in self.hang:
            await asyncio.Event().wait()
        if name in self.gates:
            await self.gates[name].wait()


class ReportingOutlet(RecordingOutlet, ReportsChanges):
    """A controller with the optional ability to report changes at once."""

    def __init__(self, pilot: ControlPilot = ControlPilot.B) -> None:
        super().__init__(pilot)
        self.event = asyncio.Event()

    def plug(self, pilot: ControlPilot) -> None:
        self.pilot = pilot
        self.event.set()

    async def changed(self) -> None:
        await self.event.wait()
        self.event.clear()


class GrantingBackend:
    """Every EV may charge."""

    def __init__(self, *, granted: bool = True) -> None:
        self.granted = granted
        self.asked: list[str] = []

    async def authorize_external(self, evse_id: str) -> bool:
        self.asked.append(evse_id)
        return self.granted

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | None:
        return None


def config(policy: TlsPolicy = TlsPolicy.OFF, **timing: float) -> SeccConfig:
    """A station on the loopback interface, with the test certificates where TLS is wanted."""
    tls = TlsConfig(
        policy=policy,
        certificate_chain=PKI / "secc_chain.pem",
        private_key=PKI / "secc_leaf_key.pem",
        handshake_timeout=0.3,
    )
    return SeccConfig(interface="lo", tls=tls, timing=TimingConfig(**timing))


@dataclasses.dataclass
class Bed:
    """A running station with everything around it."""

    station: Station
    outlet: RecordingOutlet
    backend: GrantingBackend
    records: list[Record]

    @property
    def plain_port(self) -> int:
        endpoint = self.station.endpoint
        assert endpoint is not None
        assert endpoint.plain_port is not None
        return endpoint.plain_port

    @property
    def tls_port(self) -> int:
        endpoint = self.station.endpoint
        assert endpoint is not None
        assert endpoint.tls_port is not None
        return endpoint.tls_port

    def events(self, *kinds: LinkEvent) -> list[LinkRecord]:
        return [r for r in self.records if isinstance(r, LinkRecord) and (not kinds or r.event in kinds)]

    def messages(self) -> list[MessageRecord]:
        return [record for record in self.records if isinstance(record, MessageRecord)]

    async def until(self, *calls: str) -> None:
        """Wait until these were the last calls of the outlet."""
        await eventually(lambda: self.outlet.calls[-len(calls) :] == list(calls))

    async def until_secured(self) -> None:
        await eventually(lambda: bool(self.events(LinkEvent.SECURED)))

    async def until_idle(self) -> None:
        await eventually(lambda: not self.station.health.in_session and not self.station._sessions.links)


@contextlib.asynccontextmanager
async def running(
    made: SeccConfig | None = None,
    *,
    outlet: RecordingOutlet | None = None,
    backend: GrantingBackend | None = None,
    journal: Journal | None = None,
    controller: EvseController | None = None,
) -> AsyncIterator[Bed]:
    """A station on the loopback interface; no task may be left behind at the end. `controller` stands before
    the outlet, where there is one."""
    before = asyncio.all_tasks()
    outlet, backend = outlet or RecordingOutlet(), backend or GrantingBackend()
    records: list[Record] = []
    station = Station(
        made or config(),
        controller or outlet,
        backend,
        reporter=records.append,
        sdp_port=0,
        journal=journal,
    )
    async with station:
        yield Bed(station, outlet, backend, records)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that must come soon."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event for everything tests wait for
            await asyncio.sleep(0.002)


class Car:
    """The EV's end of a TCP connection."""

    def __init__(self, connected: socket.socket, engine: TlsEngine) -> None:
        self.socket = connected
        self.engine = engine
        self.session_id = b"\x00"
        self._frames = FrameAssembler(max_payload=65536)
        self._waiting: list[bytes] = []

    @classmethod
    async def connect(cls, port: int, tls: TlsContext | None = None, *, handshake: bool = True) -> "Car":
        connected = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connected, ("::1", port))
        car = cls(connected, PlainEngine() if tls is None else tls.engine())
        if handshake:
            await car.shake()
        return car

    async def shake(self) -> None:
        await self.raw(self.engine.start())
        while not self.engine.handshake_done:
            progress = self.engine.feed(await self.receive())
            assert progress.failure is None, progress.failure
            await self.raw(progress.to_send)

    async def raw(self, data: bytes) -> None:
        if data:
            await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def receive(self) -> bytes:
        """The next bytes on the wire; empty at the end of the stream."""
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().sock_recv(self.socket, 65536)

    async def send(self, payload: bytes) -> None:
        await self.raw(self.engine.send(frame(payload)))

    async def next_payload(self) -> bytes | None:
        """The next payload of the station, or None when it has hung up."""
        while not self._waiting:
            data = await self.receive()
            progress = self.engine.feed(data) if data else None
            if progress is None or (progress.closed and not progress.plaintext):
                return None
            self._waiting += [taken.payload for taken in self._frames.feed(progress.plaintext)]
        return self._waiting.pop(0)

    async def handshake(self) -> app_protocol.ResponseCode:
        """SupportedAppProtocol."""
        await self.send(OFFER)
        payload = await self.next_payload()
        assert payload is not None
        answer = exi.APP_PROTOCOL.decode(payload)
        assert isinstance(answer, app_protocol.SupportedAppProtocolRes)
        return answer.response_code

    def encode(self, body: BodyElement) -> bytes:
        return exi.ISO2.encode(requests.message(self.session_id, body))

    async def ask(self, body: BodyElement) -> str:
        """Send a request; the literal of the response code."""
        await self.send(self.encode(body))
        return await self.answer()

    async def answer(self) -> str:
        payload = await self.next_payload()
        if payload is None:
            return "closed"
        message = exi.ISO2.decode(payload)
        assert isinstance(message, V2GMessage)
        self.session_id = message.header.session_id
        return str(message.body.response_code.value)  # type: ignore[union-attr]

    async def at_end(self) -> bool:
        """Nothing more comes: end of stream or reset."""
        try:
            while data := await self.receive():
                if not isinstance(self.engine, PlainEngine):
                    self.engine.feed(data)
        except ConnectionError:
            return True
        return True

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.close()


def offer(*namespaces: str) -> bytes:
    """A handshake that offers these, the first one with the best rank and schema id 1."""
    return exi.APP_PROTOCOL.encode(
        app_protocol.SupportedAppProtocolReq(
            app_protocol=tuple(
                app_protocol.AppProtocol(
                    protocol_namespace=namespace,
                    version_number_major=2,
                    version_number_minor=0,
                    schema_id=rank,
                    priority=rank,
                )
                for rank, namespace in enumerate(namespaces, 1)
            )
        )
    )


OFFER = offer("urn:iso:15118:2:2013:MsgDef")
DIN_OFFER = offer("urn:din:70121:2012:MsgDef")

AC_SETUP: tuple[BodyElement, ...] = (
    requests.service_discovery(),
    requests.payment_selection(),
    requests.authorization(),
    requests.authorization(),
    requests.ac_parameters(),
)


async def to_charge_loop(car: Car, outlet: RecordingOutlet) -> None:
    """SupportedAppProtocol up to the first ChargingStatusRes of an AC session."""
    await to_session(car)
    for body in AC_SETUP:
        assert await car.ask(body) == "OK"
    outlet.pilot = ControlPilot.C
    assert await car.ask(requests.start()) == "OK"
    assert await car.ask(requests.charging_status()) == "OK"


async def to_session(car: Car) -> None:
    """SupportedAppProtocol and SessionSetup."""
    assert (await car.handshake()).value == "OK_SuccessfulNegotiation"
    assert await car.ask(requests.session_setup()) == "OK_NewSessionEstablished"


async def finish(car: Car, outlet: RecordingOutlet) -> None:
    """PowerDelivery(Stop), SessionStop, and the car hangs up."""
    assert await car.ask(requests.stop()) == "OK"
    outlet.pilot = ControlPilot.B
    assert await car.ask(requests.session_stop()) == "OK"
    car.close()


async def discover(port: int, security: Security = Security.NONE) -> SdpResponse:
    """Ask the station by unicast on the loopback interface."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.sendto(SdpRequest(security).to_bytes(), ("::1", port))
        async with asyncio.timeout(PATIENCE):
            return SdpResponse.parse(await loop.sock_recv(client, 2048))


def client_tls() -> TlsContext:
    return TlsContext.for_client(PKI / "v2g_root.pem")


LOOPBACK = ipaddress.IPv6Address("::1")


def ends(bed: Bed) -> list[EndReason]:
    outputs = [record.output for record in bed.records if isinstance(record, OutputRecord)]
    return [output.reason for output in outputs if isinstance(output, EndSession)]
