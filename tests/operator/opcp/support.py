"""A simulated ecosystem behind a client, without a network between them, and a clock that is a number."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from pathlib import Path
from typing import Any

import httpx2

from secc.operator.opcp.client import OpcpClient
from secc.operator.opcp.faults import EcosystemFault, EcosystemFaults
from secc.operator.opcp.pools import Party
from secc.operator.opcp.server import EcosystemServer
from secc.operator.opcp.settings import OpcpSettings
from secc.operator.opcp.simulated import SimulatedEcosystem
from secc.pki.identifiers import EMAID, PCID
from secc.pki.issuing import Identity
from tests.support.contracts import DAY, NOW, hierarchy

E = EMAID.parse("DEABC000000007")
CAR = PCID.parse("ZZZTESTCAR0000007")
ALL = Party(
    client_id="us",
    secret="secret",
    roles=frozenset({"cpo", "mo", "oem", "cps"}),
    manufacturers=frozenset({"ZZZ"}),
    providers=frozenset({"DEABC"}),
)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime.datetime:
        return self.now


class InProcess(httpx2.BaseTransport):
    """Calls the application; each call in a separate loop."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx2.ASGITransport(app)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        content = request.read()

        async def call() -> tuple[int, Any, bytes]:
            asked = httpx2.Request(request.method, request.url, headers=request.headers, content=content)
            answer = await self._inner.handle_async_request(asked)
            body = b"".join([part async for part in answer.stream])  # type: ignore[union-attr]
            return answer.status_code, answer.headers, body

        status, headers, body = asyncio.run(call())
        return httpx2.Response(status, headers=headers, content=body)


@dataclasses.dataclass
class Ecosystem:
    ecosystem: SimulatedEcosystem
    client: OpcpClient
    server: EcosystemServer
    clock: Clock

    def car(self, pcid: PCID = CAR) -> Identity:
        """A new car, in the pool."""
        car = self.ecosystem.make_car(pcid.text)
        self.client.add_vehicle(self.ecosystem.car_chain(car))
        return car

    def contract(self, emaid: EMAID = E, pcid: PCID = CAR) -> None:
        now = self.ecosystem.now
        self.client.generate(emaid, pcid, now, now + 365 * DAY)

    def spoil(self, fault: EcosystemFault, **more: Any) -> None:
        self.ecosystem.faults = EcosystemFaults(fault, **more)


def ecosystem(folder: Path, party: Party = ALL, *, secret: str = "secret", timeout: float = 4.0) -> Ecosystem:
    clock = Clock()
    ecosystem = SimulatedEcosystem(clock=clock, parties=[party], pki=hierarchy())
    server = EcosystemServer(ecosystem, webhook_pause=0.0)
    (folder / "secret").write_text(secret)
    settings = OpcpSettings(
        url="http://pool.test",
        client_id=party.client_id,
        client_secret_file=folder / "secret",
        timeout=timeout,
    )
    client = OpcpClient(settings, transport=InProcess(server.app))
    return Ecosystem(ecosystem, client, server, clock)
