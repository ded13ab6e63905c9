"""A station with a local back end of both generations on loopback, and a vehicle that is given contracts."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Callable
from pathlib import Path

from secc.messages.iso2 import EnergyTransferMode
from secc.pki.certificates import Certificate
from secc.pki.chains import KINDS
from secc.pki.hierarchy import Hierarchy, make_hierarchy, make_iso20_hierarchy, write_hierarchy
from secc.pki.identifiers import EMAID
from secc.pki.installation import InstallationRequest
from secc.pki.issuing import Holder
from secc.pki.keys import KeyType
from secc.pki.kinds import Kind
from secc.pki.provisioning import ProvisioningAnswer
from secc.pki.trust import Role
from secc.records import NoticeRecord, OutputRecord, Record
from secc.session.contract_events import ContractDelivered, ContractRefused
from secc.session.iso20.services import Service
from secc.session.outputs import EndSession
from secc.settings import (
    EnergyConfig,
    EnergyMode,
    Iso20Config,
    Iso20TlsConfig,
    Payment,
    PncConfig,
    ProtocolName,
    RevocationCheck,
    SeccConfig,
    ServiceConfig,
    TimingConfig,
    TlsConfig,
    TlsPolicy,
    TrustConfig,
)
from secc.sim import EvResult, Plan, ScriptedEvcc, SimulatedAcEvse, SimulatedCable
from secc.sim.iso20 import InstallationMisbehaviour, Iso20Plan, Iso20Wallet
from secc.sim.wallet import Wallet
from secc.site import ContractStore, LocalBackend
from secc.site.issuing import ContractIssuer, InstallationService, ProvisioningService
from secc.station.station import Station
from secc.tls.credentials import CredentialFiles
from secc.trace.recorder import Recorder

NOW = datetime.datetime.now(datetime.UTC)
EMAIDS = ("DEABC000000001G", "DEABC000000002E", "DEABC000000003C")

Spoil = Callable[[ProvisioningAnswer], ProvisioningAnswer]


class SpoiledBackend(LocalBackend):
    """Answers late, or with something else than it should."""

    delay = 0.0
    asked = 0
    spoil: Spoil | None = None
    receiver: Certificate | None = None
    """Encrypt for this vehicle instead."""
    remaining: int | None = None
    """Announce so many further contracts."""

    async def install(self, request: InstallationRequest) -> ProvisioningAnswer:
        self.asked += 1
        await asyncio.sleep(self.delay)
        if self.receiver is not None or self.remaining is not None:
            return self._other(request)
        answer = await super().install(request)
        return answer if self.spoil is None else self.spoil(answer)

    def _other(self, request: InstallationRequest) -> ProvisioningAnswer:
        assert self.issuers.iso20_issuer is not None
        assert self.issuers.iso20_service is not None
        issued = self.issuers.iso20_issuer.issue(EMAIDS[0], NOW)
        receiver = self.receiver or request.leaf
        made = self.issuers.iso20_service.bundle(issued, receiver, remaining=self.remaining or 0)
        return ProvisioningAnswer(made.payload)


@dataclasses.dataclass
class InstallingSite:
    """Everything of one test."""

    folder: Path
    pki: dict[Kind, Holder]
    backend: SpoiledBackend
    older: Hierarchy
    """The PKI of ISO 15118-2."""
    iso20: dict[str, object] = dataclasses.field(default_factory=dict)
    pnc: dict[str, object] = dataclasses.field(default_factory=dict)
    timing: dict[str, float] = dataclasses.field(default_factory=dict)
    records: list[Record] = dataclasses.field(default_factory=list)
    oem_roots: list[Path] = dataclasses.field(default_factory=list)
    """Further roots of vehicle makers."""

    @property
    def config(self) -> SeccConfig:
        old, new = self.folder, self.folder / "iso20"
        both = {
            name: (old / f"{name[:-1]}.pem", new / f"{name[:-1]}.pem")
            for name in ("v2g_roots", "mo_roots", "oem_roots")
        }
        iso20: dict[str, object] = {
            "tls": Iso20TlsConfig(
                certificate_chain=new / "secc_chain.pem", private_key=new / "secc_leaf_key.pem"
            ),
            **self.iso20,
        }
        return SeccConfig(
            interface="lo",
            protocols=(ProtocolName.ISO15118_2, ProtocolName.ISO15118_20),
            energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE,)),
            service=ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL)),
            pnc=PncConfig(**{"revocation": RevocationCheck.PREFER, **self.pnc}),  # type: ignore[arg-type]
            timing=TimingConfig(**self.timing),
            trust=TrustConfig(**both | {"oem_roots": (*both["oem_roots"], *self.oem_roots)}),
            tls=TlsConfig(
                policy=TlsPolicy.REQUIRED,
                certificate_chain=old / "secc_chain.pem",
                private_key=old / "secc_leaf_key.pem",
            ),
            iso20=Iso20Config(**iso20),  # type: ignore[arg-type]
        )

    def wallet(self, misbehaviour: InstallationMisbehaviour | None = None, **more: object) -> Iso20Wallet:
        """A car with its provisioning certificate and no contract."""
        above = [self.pki[kind].certificate for kind in KINDS[Role.OEM][1:]]
        roots = [self.pki[Kind.V2G_ROOT].certificate]
        wallet = Iso20Wallet(self.pki[Kind.OEM_LEAF], above, roots, **more)  # type: ignore[arg-type]
        wallet.misbehaviour = misbehaviour
        return wallet

    @property
    def ends(self) -> list[str]:
        outputs = [record.output for record in self.records if isinstance(record, OutputRecord)]
        return [output.detail for output in outputs if isinstance(output, EndSession)]

    @property
    def notices(self) -> list[str]:
        return [record.notice.text for record in self.records if isinstance(record, NoticeRecord)]

    def outputs(self, kind: type[ContractRefused] | type[ContractDelivered]) -> list[object]:
        outputs = [record.output for record in self.records if isinstance(record, OutputRecord)]
        return [output for output in outputs if isinstance(output, kind)]

    @property
    def rules(self) -> list[str]:
        """The rules of what was refused about contracts."""
        return [str(getattr(one, "rule", "")) for one in self.outputs(ContractRefused)]


def make_site(folder: Path, seed: bytes = b"both", keys: KeyType = KeyType.SECP521R1) -> InstallingSite:
    """A site whose store knows one car with three contracts, in both generations."""
    begin = NOW - datetime.timedelta(days=3)
    older = make_hierarchy(not_before=begin, seed=seed)
    newer = make_iso20_hierarchy(keys, not_before=begin, seed=seed)
    write_hierarchy(older, folder, NOW)
    write_hierarchy(newer, folder / "iso20", NOW)
    store = ContractStore(folder / "site.db")
    for emaid in EMAIDS:
        store.add_contract(emaid)
        store.add_car(newer[Kind.OEM_LEAF].certificate, EMAID.parse(emaid), also=True)
    store.know_car(older[Kind.OEM_LEAF].certificate)
    backend = SpoiledBackend(
        store,
        issuer=ContractIssuer(older[Kind.MO_SUB_CA_2], (older[Kind.MO_SUB_CA_1].certificate,)),
        service=ProvisioningService(
            older[Kind.CPS_LEAF], [older[kind].certificate for kind in KINDS[Role.CPS][1:]]
        ),
        iso20_issuer=ContractIssuer(newer[Kind.MO_SUB_CA_2], (newer[Kind.MO_SUB_CA_1].certificate,)),
        iso20_service=InstallationService(
            newer[Kind.CPS_LEAF], [newer[kind].certificate for kind in KINDS[Role.CPS][1:]]
        ),
        allow_external=True,
    )
    return InstallingSite(folder, dict(newer), backend, older)


async def play(
    site: InstallingSite,
    *wallets: Iso20Wallet | Wallet,
    pace: float = 0.02,
    trace: list[str] | None = None,
) -> list[EvResult]:
    """The sessions of these cars, one after the other, each in the generation of its wallet; `trace` gets
    the lines of a trace."""

    cable = SimulatedCable()
    evse = SimulatedAcEvse(cable)
    now = asyncio.get_running_loop().time()
    vehicle = CredentialFiles(
        chain=site.folder / "iso20" / "vehicle_chain.pem",
        key=site.folder / "iso20" / "vehicle_leaf_key.pem",
    )
    async with Station(
        site.config,
        evse,
        site.backend,
        reporter=site.records.append,
        sdp_port=0,
        recorder=None if trace is None else Recorder(trace.append, site.config, now=now, wall=0.0),
    ) as station:
        results = []
        for wallet in wallets:
            newer = isinstance(wallet, Iso20Wallet)
            ev = ScriptedEvcc(
                Iso20Plan(service=Service.AC, loops=3, pace=pace, wallet=wallet)
                if isinstance(wallet, Iso20Wallet)
                else Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=3, pace=pace, wallet=wallet),
                cable=cable,
                tls=True,
                roots=(site.folder / "iso20" if newer else site.folder) / "v2g_root.pem",
                certificate=vehicle if newer else None,
                sdp_port=station.sdp_port or 0,
                patience=8.0,
            )
            results.append(await ev.charge())
        return results
