"""A whole site on loopback: a station over TLS with a local back end, and cars with their wallets."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from secc.messages.iso2 import EnergyTransferMode
from secc.pki.chains import KINDS
from secc.pki.hierarchy import Hierarchy, make_hierarchy, write_hierarchy
from secc.pki.identifiers import EMAID
from secc.pki.profiles import Kind
from secc.pki.provisioning import ProvisioningAnswer, ProvisioningRequest
from secc.pki.trust import Role
from secc.ports import Backend
from secc.records import Record
from secc.settings import (
    EnergyConfig,
    EnergyMode,
    Payment,
    PncConfig,
    RevocationCheck,
    SeccConfig,
    ServiceConfig,
    TimingConfig,
    TlsConfig,
    TlsPolicy,
    TrustConfig,
)
from secc.sim import EvResult, Plan, ScriptedEvcc, SimulatedAcEvse, SimulatedCable, SimulatedDcEvse, Wallet
from secc.site import ContractIssuer, ContractStore, LocalBackend, ProvisioningService
from secc.station.journal import Journal
from secc.station.station import Station
from secc.trace.recorder import Recorder

NOW = datetime.datetime.now(datetime.UTC)
EMAID_TEXT = "DEABC000000001G"


class SlowBackend(LocalBackend):
    """Provisions after a while."""

    delay = 0.0
    asked = 0

    async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        self.asked += 1
        await asyncio.sleep(self.delay)
        return await super().provision(request)


@dataclasses.dataclass
class Site:
    """Everything of one test."""

    pki: Hierarchy
    folder: Path
    backend: SlowBackend
    records: list[Record] = dataclasses.field(default_factory=list)
    pnc: dict[str, object] = dataclasses.field(default_factory=dict)
    """Settings of `[pnc]` beside the usual ones."""
    other_backend: Backend | None = None
    journal: Journal | None = None
    trace: list[str] | None = None
    """Where a trace is written to."""

    def wallet(self, *, contract_days: float | None = None) -> Wallet:
        """A car with its provisioning certificate, and perhaps a contract."""
        car = Wallet(self.pki[Kind.OEM_LEAF], [self.pki[Kind.V2G_ROOT].certificate])
        if contract_days is not None:
            end = NOW + datetime.timedelta(days=contract_days)
            issued = self.issuer().issue(EMAID_TEXT, NOW - datetime.timedelta(days=2), not_after=end)
            car.chain, car.key = issued.chain, issued.p256_key
        return car

    def issuer(self) -> ContractIssuer:
        return ContractIssuer(self.pki[Kind.MO_SUB_CA_2], (self.pki[Kind.MO_SUB_CA_1].certificate,))

    def config(self, mode: EnergyMode, **timing: float) -> SeccConfig:
        folder = self.folder
        return SeccConfig(
            interface="lo",
            energy=EnergyConfig(modes=(mode,)),
            service=ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL)),
            pnc=PncConfig(**{"revocation": RevocationCheck.PREFER, "receipt_interval": 0.05, **self.pnc}),  # type: ignore[arg-type]
            timing=TimingConfig(**timing),
            trust=TrustConfig(
                v2g_roots=(folder / "v2g_root.pem",),
                mo_roots=(folder / "mo_root.pem",),
                oem_roots=(folder / "oem_root.pem",),
            ),
            tls=TlsConfig(
                policy=TlsPolicy.REQUIRED,
                certificate_chain=folder / "secc_chain.pem",
                private_key=folder / "secc_leaf_key.pem",
            ),
        )

    @contextlib.asynccontextmanager
    async def station(self, mode: EnergyMode, **timing: float) -> AsyncIterator[Callable[..., object]]:
        cable = SimulatedCable()
        evse = SimulatedDcEvse(cable) if mode.is_dc else SimulatedAcEvse(cable)
        config = self.config(mode, **timing)
        now = asyncio.get_running_loop().time()
        recorder = None if self.trace is None else Recorder(self.trace.append, config, now=now, wall=0.0)
        made = Station(
            config,
            evse,
            self.other_backend or self.backend,
            reporter=self.records.append,
            sdp_port=0,
            journal=self.journal,
            recorder=recorder,
        )

        async def charge(wallet: Wallet) -> EvResult:
            ev = ScriptedEvcc(
                Plan(mode=EnergyTransferMode(mode.value), loops=6, pace=0.02, wallet=wallet),
                cable=cable,
                tls=True,
                roots=self.folder / "v2g_root.pem",
                sdp_port=made.sdp_port or 0,
                patience=4.0,
            )
            return await ev.charge()

        async with made:
            yield charge

    def events(self) -> list[tuple[str, str]]:
        return [(event.kind, event.rule) for event in self.backend.store.log.events()]


def make_site(tmp_path: Path, pki: Hierarchy | None = None) -> Site:
    """A site whose store knows one contract and its car; with a hierarchy that is in the folder already."""
    if pki is None:
        pki = make_hierarchy(not_before=NOW - datetime.timedelta(days=3), seed=b"sockets")
        write_hierarchy(pki, tmp_path, NOW)
    store = ContractStore(tmp_path / "site.db")
    store.add_contract(EMAID_TEXT)
    store.add_car(pki[Kind.OEM_LEAF].certificate, EMAID.parse(EMAID_TEXT))
    issuer = ContractIssuer(pki[Kind.MO_SUB_CA_2], (pki[Kind.MO_SUB_CA_1].certificate,))
    service = ProvisioningService(pki[Kind.CPS_LEAF], [pki[kind].certificate for kind in KINDS[Role.CPS][1:]])
    return Site(pki, tmp_path, SlowBackend(store, issuer=issuer, service=service))


async def play(site: Site, mode: EnergyMode, *wallets: Wallet, **timing: float) -> list[EvResult]:
    """The sessions of these cars, one after the other."""
    async with site.station(mode, **timing) as charge:
        return [await charge(wallet) for wallet in wallets]  # type: ignore[misc]
