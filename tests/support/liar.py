"""A station with one defect: a proxy in front of it changes its messages.

It works at the sockets and not in the station, so it does not depend on the code of the station.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from secc import bench, exi, payloads
from secc.bench import ALL, BenchReport, BenchTimers, Case, Target
from secc.messages import app_protocol, iso2
from secc.sdp import SdpRequest, SdpResponse, Security
from secc.session.outlet import ControlPilot
from secc.settings import SeccConfig
from secc.sim import SimulatedBackend, SimulatedCable, SimulatedDcEvse
from secc.station.station import Station
from secc.v2gtp import FrameAssembler, frame

Datagram = Callable[[bytes], bytes | None]
Change = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lie:
    """What is wrong; a field left out changes nothing."""

    title: str
    response: Change = lambda message: message
    """A response in transit; V2GMessage, or supportedAppProtocolRes."""
    request: Callable[[bytes], bytes] = lambda data: data
    """Bytes of the EV as the station gets them."""
    kind: int | None = None
    """Payload type of responses, the handshake excepted; None: as the station has it."""
    iso20: str = ""
    """The schema set of the energy, of a station of ISO 15118-20; empty: it speaks ISO 15118-2."""
    delay: float = 0.0
    """Seconds that each response is late, the handshake excepted."""
    keeps_open: bool = False
    """The connection stays when the station has closed it."""
    discovery: Callable[[bytes, bytes | None], bytes | None] = lambda asked, answer: answer
    """The datagram of the EV, and what is answered to it."""


@contextlib.asynccontextmanager
async def lying(lie: Lie, sdp_port: int) -> AsyncIterator[int]:
    """The go-between before the station whose discovery is at `sdp_port`; gives its own discovery port."""
    between = _Between(lie, sdp_port)
    server = await asyncio.start_server(between.connection, sock=_lawful_port())
    between.port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: between, ("::1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()
        server.close()
        for task in between.tasks:
            task.cancel()
        await asyncio.gather(*between.tasks, return_exceptions=True)


def _lawful_port() -> socket.socket:
    """In the range that a station may announce."""
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    while True:
        try:
            listener.bind(("::1", random.randrange(49152, 65536)))
        except OSError:
            continue
        return listener


class _Between(asyncio.DatagramProtocol):
    def __init__(self, lie: Lie, sdp_port: int) -> None:
        self.port = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._lie = lie
        self._sdp_port = sdp_port
        self._transport: Any = None

    # --- discovery ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._spawn(self._discover(data, addr))

    async def _discover(self, data: bytes, to: tuple[str | Any, int]) -> None:
        answer = await _ask(data, self._sdp_port)
        if answer is not None:
            answer = msgspec.structs.replace(SdpResponse.parse(answer), port=self.port).to_bytes()
        answer = self._lie.discovery(data, answer)
        if answer is not None:
            self._transport.sendto(answer, to)

    # --- sessions ---

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = await _ask(SdpRequest(Security.NONE).to_bytes(), self._sdp_port)
        if found is None:  # the station has just stopped
            writer.close()
            return
        station, to_station = await asyncio.open_connection("::1", SdpResponse.parse(found).port)
        tasks = [
            self._spawn(self._requests(reader, to_station)),
            self._spawn(self._responses(station, writer)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.ALL_COMPLETED)
        for stream in (writer, to_station):
            stream.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(self._lie.request(data))
            writer.write_eof()

    async def _responses(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sets = payloads.iso20(self._lie.iso20) if self._lie.iso20 else payloads.ISO2
        frames, first = FrameAssembler(max_payload=65536, more=sets.types), True
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                for taken in frames.feed(data):
                    kind = taken.payload_type
                    if first:
                        told = self._lie.response(exi.APP_PROTOCOL.decode(taken.payload))
                        writer.write(frame(exi.APP_PROTOCOL.encode(told), kind))
                        first = False
                        continue
                    told = self._lie.response(sets.decode(taken))
                    if told is None:
                        continue
                    await asyncio.sleep(self._lie.delay)
                    kind = kind if self._lie.kind is None else self._lie.kind
                    noise = isinstance(told, bytes)
                    writer.write(frame(told, kind) if noise else sets.encode(told, kind))
            if not self._lie.keeps_open:
                writer.close()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


async def _ask(data: bytes, port: int) -> bytes | None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.sendto(data, ("::1", port))
        try:
            async with asyncio.timeout(0.3):
                return await loop.sock_recv(client, 2048)
        except TimeoutError:
            return None


# --- ways to say something else ---


def body(change: Callable[[Any], Any]) -> Change:
    """Another body under the same header."""

    def told(message: Any) -> Any:
        if not isinstance(message, iso2.V2GMessage):
            return message
        return iso2.V2GMessage(header=message.header, body=change(message.body))

    return told


def header(change: Callable[[bytes], bytes]) -> Change:
    """Another SessionID in each response."""

    def told(message: Any) -> Any:
        if not isinstance(message, iso2.V2GMessage):
            return message
        changed = iso2.MessageHeader(session_id=change(message.header.session_id))
        return iso2.V2GMessage(header=changed, body=message.body)

    return told


def agreed(**changes: Any) -> Change:
    """Another supportedAppProtocolRes."""

    def told(message: Any) -> Any:
        if not isinstance(message, app_protocol.SupportedAppProtocolRes):
            return message
        return app_protocol.SupportedAppProtocolRes(
            **{"response_code": message.response_code, "schema_id": message.schema_id, **changes}
        )

    return told


async def examined(
    config: SeccConfig, lie: Lie, wanted: Callable[[Case], bool], timers: BenchTimers
) -> BenchReport:
    """A DC station, the go-between with this lie, and the bench with some of its cases."""
    cable = SimulatedCable()

    async def pilot(state: str) -> None:
        cable.set_pilot(ControlPilot(state))

    station = Station(config, SimulatedDcEvse(cable, isolation_time=0.05), SimulatedBackend(), sdp_port=0)
    async with station:
        assert station.sdp_port is not None
        async with lying(lie, station.sdp_port) as port:
            target = Target(
                sdp_port=port,
                timers=timers,
                declared=frozenset({"meter"}),
                pilot=pilot,
                interface="lo",
            )
            return await bench.run([one for one in ALL if wanted(one)], target)
