"""The stations of ISO 15118-20 that `make conformance` starts: one for each family of services.

Each has TLS 1.3 with a vehicle certificate, and TLS 1.2 for ISO 15118-2 at the same port.
"""

from __future__ import annotations

import dataclasses

from secc.bench import ALL, Case, Facts, Need
from secc.bench.cases.build20 import need
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
from tools.conformance.setups import PKI, Setup

PKI20 = PKI / "iso20"
_BIDIRECTIONAL = DcConfig(max_discharge_power=20_000.0, max_discharge_current=60.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setup20(Setup):
    """One station of ISO 15118-20."""

    service: Service
    tls: TlsPolicy = TlsPolicy.REQUIRED

    def cases(self) -> list[Case]:
        """Those that are run against it."""
        found = [case for case in ALL if case.id.startswith("I20-")]
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
                mo_roots=(PKI / "mo_root.pem",),
            ),
            iso20=Iso20Config(
                tls=Iso20TlsConfig(
                    certificate_chain=PKI20 / "secc_chain.pem", private_key=PKI20 / "secc_leaf_key.pem"
                ),
                discharge=self.service.bidirectional,
                mcs=self.service in (Service.MCS, Service.MCS_BPT),
            ),
        )


_BOTH = (ProtocolName.ISO15118_2, ProtocolName.ISO15118_20)
_PLAIN = (Service.DC, Service.AC)
_BEYOND = frozenset({Need.ISO20_DC_BPT, Need.ISO20_AC_BPT, Need.ISO20_MCS})
"""What the stations of the other services are there for."""
SETUPS20 = {
    setup.name: setup
    for setup in (
        Setup20(name="-20 DC", service=Service.DC, dc=True, stations=6),
        Setup20(name="-20 AC", service=Service.AC, stations=2),
        Setup20(name="-20 DC, both directions", service=Service.DC_BPT, dc=True),
        Setup20(name="-20 AC, both directions", service=Service.AC_BPT),
        Setup20(name="-20 MCS", service=Service.MCS, dc=True),
    )
}
