"""A station, its cars and a central system on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from secc import exi
from secc.messages.iso2 import EnergyTransferMode
from secc.ocpp.backend import OcppBackend
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.fake.services import Accounts
from secc.ocpp.model import Payload, TokenStatus
from secc.ocpp.ports import StationServices
from secc.pki.chains import KINDS
from secc.pki.hierarchy import Hierarchy, make_hierarchy, write_hierarchy
from secc.pki.identifiers import EMAID
from secc.pki.profiles import Kind
from secc.pki.provisioning import verify_request
from secc.pki.trust import Role, TrustStore, trust
from secc.records import Record
from secc.settings import (
    EnergyConfig,
    EnergyMode,
    OfflinePolicy,
    Payment,
    PncConfig,
    RevocationCheck,
    SeccConfig,
    ServiceConfig,
    TlsConfig,
    TlsPolicy,
    TrustConfig,
)
from secc.settings.ocpp import OcppConfig, OcppVersion
from secc.sim import EvResult, Plan, ScriptedEvcc, SimulatedAcEvse, SimulatedCable, Wallet
from secc.site import ContractIssuer, ContractStore, LocalBackend, ProvisioningService
from secc.station.station import Station

STATION = "ZZ-000-E0"
"""The station's identity, made from its EVSEID."""
NOW = datetime.datetime.now(datetime.UTC)
EMAID_TEXT = "DEABC000000001G"


@dataclasses.dataclass
class Certificates:
    """The certificates of all parties, and the contracts of the operator."""

    pki: Hierarchy
    folder: Path
    _roles: LocalBackend | None = None

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        pki = make_hierarchy(not_before=NOW - datetime.timedelta(days=3), seed=b"ocpp")
        write_hierarchy(pki, folder, NOW)
        return cls(pki, folder)

    @property
    def trust(self) -> TrustStore:
        kinds = (Kind.V2G_ROOT, Kind.MO_ROOT, Kind.OEM_ROOT)
        return trust([(kind, self.pki[kind].certificate) for kind in kinds])

    def wallet(self, *, contract_days: float | None = None) -> Wallet:
        """A car with its provisioning certificate, and perhaps a contract."""
        car = Wallet(self.pki[Kind.OEM_LEAF], [self.pki[Kind.V2G_ROOT].certificate])
        if contract_days is not None:
            end = NOW + datetime.timedelta(days=contract_days)
            begin = NOW - datetime.timedelta(days=2)
            issued = self.issuer().issue(EMAID_TEXT, begin, not_after=end)
            car.chain, car.key = issued.chain, issued.p256_key
        return car

    def issuer(self) -> ContractIssuer:
        return ContractIssuer(self.pki[Kind.MO_SUB_CA_2], (self.pki[Kind.MO_SUB_CA_1].certificate,))

    def roles(self) -> LocalBackend:
        """Mobility operator and CPS, for the CSMS."""
        if self._roles is not None:
            return self._roles
        store = ContractStore(self.folder / "contracts.db")
        store.add_contract(EMAID_TEXT)
        store.add_car(self.pki[Kind.OEM_LEAF].certificate, EMAID.parse(EMAID_TEXT))
        above = [self.pki[kind].certificate for kind in KINDS[Role.CPS][1:]]
        service = ProvisioningService(self.pki[Kind.CPS_LEAF], above)
        self._roles = LocalBackend(store, issuer=self.issuer(), service=service)
        return self._roles

    def provide(self, action: str, request: bytes) -> bytes | None:
        """What a CPS does with a request that came through OCPP."""
        message: Any = exi.ISO2.decode(request)
        proved = verify_request(message.body, message.header.signature, request, self.trust, NOW)
        assert proved.action.value == action
        answer = self.roles().delivery.provision(proved)
        return answer.payload if answer.refusal is None else None


def accounts(certificates: Certificates | None = None) -> Accounts:
    """A CSMS that knows the usual contract."""
    known = {EMAID_TEXT: TokenStatus.ACCEPTED}
    return Accounts(known, provide=None if certificates is None else certificates.provide)


def knowing(*tokens: str, version: OcppVersion | None = None) -> FakeCsms:
    """A CSMS that knows these cards as well; of one version, or of both."""
    known = accounts()
    known.tokens.update(dict.fromkeys(tokens, TokenStatus.ACCEPTED))
    return FakeCsms(known, versions=tuple(OcppVersion) if version is None else (version,))


def eim_config(url: str, **ocpp: Any) -> SeccConfig:
    """Cards and remote starts."""
    return SeccConfig(interface="lo", ocpp=ocpp_config(url, **ocpp))


def pnc_config(
    certificates: Certificates, url: str, *, offline: OfflinePolicy = OfflinePolicy.DENY, **ocpp: Any
) -> SeccConfig:
    """Contracts, over TLS."""
    folder = certificates.folder
    return SeccConfig(
        interface="lo",
        energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE,), ask_backend_for_schedules=True),
        service=ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL)),
        pnc=PncConfig(revocation=RevocationCheck.OFF, offline=offline),
        trust=TrustConfig(v2g_roots=(folder / "v2g_root.pem",), mo_roots=(folder / "mo_root.pem",)),
        tls=TlsConfig(
            policy=TlsPolicy.REQUIRED,
            certificate_chain=folder / "secc_chain.pem",
            private_key=folder / "secc_leaf_key.pem",
        ),
        ocpp=ocpp_config(url, **ocpp),
    )


def ocpp_config(url: str, **changes: Any) -> OcppConfig:
    """Quick, without a password."""
    fields: dict[str, Any] = {
        "url": url,
        "security_profile": 0,
        "call_timeout": 20.0,
        "authorize_timeout": 10.0,
        "reconnect_first": 0.02,
        "reconnect_longest": 0.1,
        "look_interval": 0.02,
        **changes,
    }
    return OcppConfig(**fields)


@dataclasses.dataclass
class Running:
    """A station that serves."""

    config: SeccConfig
    backend: OcppBackend
    station: Station
    evse: SimulatedAcEvse
    cable: SimulatedCable
    told: list[str]
    records: list[Record]
    limits: list[float | None]
    """What the outlet was limited to, in W."""

    async def charge(self, wallet: Wallet | None = None, *, loops: int = 6, pace: float = 0.02) -> EvResult:
        roots = None if wallet is None else self.config.trust.v2g_roots[0]
        ev = ScriptedEvcc(
            Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=loops, pace=pace, wallet=wallet),
            cable=self.cable,
            tls=wallet is not None,
            roots=roots,
            sdp_port=self.station.sdp_port or 0,
            patience=20.0,
        )
        return await ev.charge()

    async def until(self, condition: Any, *, seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - nothing tells of these changes
                await asyncio.sleep(0.01)

    async def online(self) -> None:
        await self.until(lambda: self.backend.conversation.online)

    async def delivered(self) -> None:
        """The transaction is over, and everything that was written down has reached the CSMS."""
        await self.until(lambda: self.backend.transactions.open is None)
        async with asyncio.timeout(30):
            while not self.backend.conversation.queue.idle or await self.queued():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def queued(self) -> int:
        """How many messages wait on the disk."""
        return await self.backend.conversation.queue.stored(self.backend.store.__len__)


@contextlib.asynccontextmanager
async def station(config: SeccConfig, **named: Any) -> AsyncIterator[Running]:
    told: list[str] = []
    records: list[Record] = []
    backend = OcppBackend(config, report=told.append, **named)
    cable = SimulatedCable()
    evse = SimulatedAcEvse(cable)

    def report(record: Record) -> None:
        records.append(record)
        backend.follow(record)

    made = Station(config, evse, backend, reporter=report, sdp_port=0, ocsp=backend)
    limits: list[float | None] = [None]
    limit_power = made.limit_power

    def limit(max_power: float | None) -> None:
        limits.append(max_power)
        limit_power(max_power)

    made.limit_power = limit  # type: ignore[method-assign]
    backend.attach(made, evse)
    line = asyncio.create_task(backend.run())
    try:
        async with made:
            yield Running(config, backend, made, evse, cable, told, records, limits)
    finally:
        line.cancel()
        await asyncio.wait([line])


@contextlib.asynccontextmanager
async def line(csms: FakeCsms, config: Any = eim_config, **ocpp: Any) -> AsyncIterator[Running]:
    """CSMS and station together."""
    async with csms.serving() as url, station(config(url, **ocpp)) as running:
        await running.online()
        yield running


V201, V16 = OcppVersion.V201, OcppVersion.V16
BOTH = (V201, V16)
ALL = tuple(OcppVersion)


@contextlib.asynccontextmanager
async def served(
    csms: FakeCsms, services: StationServices | None = None, **ocpp: Any
) -> AsyncIterator[Running]:
    """A station with services of an integrator."""
    async with csms.serving() as url, station(eim_config(url, **ocpp), services=services) as running:
        await running.online()
        yield running


async def ask(csms: FakeCsms, action: str, body: Payload) -> Payload:
    return await csms.command(STATION, action, body)


def bodies(csms: FakeCsms, action: str) -> list[Payload]:
    return [one.payload for one in csms.records.messages if one.action == action]


def later(seconds: float = 0.0) -> str:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
