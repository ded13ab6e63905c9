"""The stations of ISO 15118-20 that `make conformance` starts: one for each family of services.

Each has TLS 1.3 with a vehicle certificate, and TLS 1.2 for ISO 15118-2 at the same port.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TypeVar

from secc.bench import ALL, Case, Facts, Need
from secc.bench.cases.build20 import need
from secc.bench.pki20 import Iso20CarPki
from secc.pki.chains import KINDS
from secc.pki.contract import VerifiedContract
from secc.pki.installation import InstallationRequest
from secc.pki.kinds import Kind
from secc.pki.provisioning import ProvisioningAnswer
from secc.pki.trust import Role
from secc.session.contract_events import Verdict as ContractVerdict
from secc.session.iso20.services import Service
from secc.settings import (
    AcConfig,
    DcConfig,
    EnergyConfig,
    EnergyMode,
    Iso20Config,
    Iso20TlsConfig,
    ProtocolName,
    SeccConfig,
    TlsPolicy,
    TrustConfig,
)
from secc.sim import SimulatedBackend
from secc.site import ContractStore, LocalBackend
from secc.site.issuing import ContractIssuer, InstallationService
from tests.support.grid import GridBackend
from tools.conformance.setups import PAYMENTS, PKI, SEQUENCE, Setup

PKI20 = PKI / "iso20"
_BIDIRECTIONAL = DcConfig(max_discharge_power=20_000.0, max_discharge_current=60.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setup20(Setup):
    """One station of ISO 15118-20."""

    service: Service
    tls: TlsPolicy = TlsPolicy.REQUIRED
    quick: bool = False
    """What waits for a back end is bounded by seconds."""

    def cases(self) -> list[Case]:
        """Those that are run against it."""
        found = [case for case in ALL if case.id.startswith("I20-")]
        found = [case for case in found if not any(part in case.id for part in self.skip)]
        if self.only:
            return [case for case in found if any(part in case.id for part in self.only)]
        if self.service in _PLAIN:
            return [case for case in found if not case.needs & _BEYOND]
        return [case for case in found if need(self.service) in case.needs]

    def recognised(self, facts: Facts) -> bool:
        """Its service was found: otherwise each case would count as not applicable."""
        return self.service in facts.iso20

    def config(self) -> SeccConfig:
        """Of the station."""
        mode = EnergyMode.DC_EXTENDED if self.service.is_dc else EnergyMode.AC_THREE_PHASE_CORE
        older = Setup.config(self)
        energy = EnergyConfig(
            modes=(mode,),
            dc=_BIDIRECTIONAL,
            ac=AcConfig(max_discharge_current=16.0),
            ask_backend_for_schedules=self.ask_schedules,
        )
        return dataclasses.replace(
            older,
            protocols=_BOTH,
            energy=energy,
            trust=TrustConfig(
                v2g_roots=(PKI / "v2g_root.pem", PKI20 / "v2g_root.pem"),
                oem_roots=(PKI20 / "oem_root.pem",),
                mo_roots=(PKI / "mo_root.pem", PKI20 / "mo_root.pem"),
            ),
            iso20=Iso20Config(
                tls=Iso20TlsConfig(
                    certificate_chain=PKI20 / "secc_chain.pem", private_key=PKI20 / "secc_leaf_key.pem"
                ),
                discharge=self.service.bidirectional,
                mcs=self.service in (Service.MCS, Service.MCS_BPT),
                der=self.service is Service.AC_DER_IEC,
                der_reactive_power=5_000.0 if self.service is Service.AC_DER_IEC else 0.0,
                authorization=SEQUENCE if self.quick else _USUAL.authorization,
                installation=SEQUENCE if self.quick else _USUAL.installation,
            ),
        )


Site = TypeVar("Site", bound=LocalBackend)


def site20() -> LocalBackend:
    """A site that knows the contract of the test hierarchy of ISO 15118-20, and two contracts of its car."""
    return filled(LocalBackend)


def silent_site20() -> LocalBackend:
    return filled(SilentSite)


class SilentSite(LocalBackend):
    """Takes contracts and requests for them, and never answers."""

    async def authorize_contract(self, evse_id: str, contract: VerifiedContract) -> ContractVerdict:
        await asyncio.Event().wait()
        raise AssertionError

    async def install(self, request: InstallationRequest) -> ProvisioningAnswer:
        await asyncio.Event().wait()
        raise AssertionError


def filled(kind: type[Site]) -> Site:
    """A site of this kind that issues contracts by the test hierarchy."""
    found = Iso20CarPki.read(PKI20)
    assert found is not None
    pki, store = found.holders, ContractStore()
    store.add_contract(pki[Kind.CONTRACT_LEAF].certificate.subject.common_name)
    for emaid in _INSTALLED:
        store.add_car(pki[Kind.OEM_LEAF].certificate, store.add_contract(emaid).emaid, also=True)
    return kind(
        store,
        iso20_issuer=ContractIssuer(pki[Kind.MO_SUB_CA_2], (pki[Kind.MO_SUB_CA_1].certificate,)),
        iso20_service=InstallationService(
            pki[Kind.CPS_LEAF], [pki[one].certificate for one in KINDS[Role.CPS][1:]]
        ),
        allow_external=True,
    )


_USUAL = Iso20Config()
_INSTALLED = ("DEABC000000011B", "DEABC0000000121")
_BOTH = (ProtocolName.ISO15118_2, ProtocolName.ISO15118_20)
_PLAIN = (Service.DC, Service.AC)
_BEYOND = frozenset(
    {
        *(Need.ISO20_DC_BPT, Need.ISO20_AC_BPT, Need.ISO20_MCS, Need.ISO20_AC_DER),
        *(Need.ISO20_PNC, Need.ISO20_INSTALLATION, Need.REFUSES, Need.NO_GRANT, Need.RECEIPT),
    }
)
"""What the stations of the other services are there for."""
SETUPS20 = {
    setup.name: setup
    for setup in (
        Setup20(name="-20 DC", service=Service.DC, dc=True, stations=6),
        Setup20(name="-20 AC", service=Service.AC, stations=2, skip=("I20-TLS-",)),
        Setup20(name="-20 DC, both directions", service=Service.DC_BPT, dc=True),
        Setup20(name="-20 AC, both directions", service=Service.AC_BPT),
        Setup20(name="-20 MCS", service=Service.MCS, dc=True),
        Setup20(name="-20 AC_DER_IEC", service=Service.AC_DER_IEC, backend=GridBackend),
    )
}
BACK_ENDS20 = {
    setup.name: setup
    for setup in (
        Setup20(
            name="-20 Plug and Charge",
            service=Service.AC,
            backend=site20,
            payment=PAYMENTS,
            declared=frozenset({"meter", "receipt"}),
            only=("I20-ASU-", "I20-AUT-", "I20-CIN-", "I20-MET-"),
            stations=2,
        ),
        Setup20(
            name="-20, a silent back end",
            service=Service.AC,
            backend=silent_site20,
            payment=PAYMENTS,
            declared=frozenset({"silent-back-end"}),
            quick=True,
            only=("I20-AUT-035", "I20-AUT-036", "I20-AUT-037", "I20-CIN-009", "I20-CIN-016"),
        ),
        Setup20(
            name="-20, a back end that refuses",
            service=Service.AC,
            backend=lambda: SimulatedBackend(grant=False),
            declared=frozenset({"refuses"}),
            only=("I20-AUT-003", "I20-AUT-005"),
        ),
        Setup20(
            name="-20, nobody authorises",
            service=Service.AC,
            backend=lambda: SimulatedBackend(delay=60.0),
            declared=frozenset({"no-grant"}),
            quick=True,
            only=("I20-AUT-006",),
        ),
        Setup20(
            name="-20 beside plain TCP", service=Service.AC, tls=TlsPolicy.OPTIONAL, only=("I20-SAP-01",)
        ),
    )
}
