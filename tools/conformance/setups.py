"""The stations that `make conformance` starts, and what each declares to the bench."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from certs.testpki.make import NOT_AFTER, NOT_BEFORE
from secc.bench import ALL, BenchTimers, Case, Facts
from secc.messages import iso2
from secc.pki.contract import VerifiedContract
from secc.pki.hierarchy import make_hierarchy
from secc.pki.profiles import Kind
from secc.ports import Backend
from secc.session.contract_events import Verdict as ContractVerdict
from secc.session.schedules import EnergyNeed, PowerSchedule, PowerStep, ScheduleOffer
from secc.settings import (
    CompatConfig,
    EnergyConfig,
    EnergyMode,
    NetworkConfig,
    Payment,
    PncConfig,
    RevocationCheck,
    SeccConfig,
    ServiceConfig,
    TariffPolicy,
    TimingConfig,
    TlsConfig,
    TlsPolicy,
    TrustConfig,
)
from secc.settings.slac import SlacConfig
from secc.sim import SimulatedBackend
from secc.site import ContractIssuer, ContractStore, LocalBackend, ProvisioningService

ROOT = Path(__file__).resolve().parents[2]
PKI = ROOT / "certs/testpki"
SEQUENCE, SETUP = 1.5, 3.0
"""Instead of 60 s and 18 s."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One station and its declarations for the bench."""

    name: str
    dc: bool = False
    tls: TlsPolicy = TlsPolicy.OPTIONAL
    payment: tuple[Payment, ...] = (Payment.EXTERNAL,)
    backend: Callable[[], Backend] = SimulatedBackend
    declared: frozenset[str] = frozenset({"meter"})
    only: tuple[str, ...] = ()
    """Parts of ids; empty: all."""
    skip: tuple[str, ...] = ()
    """The same, left out: another station here is run for them, at the same time."""
    slac: bool = False
    """The data link is set by the tester."""
    sales_tariffs: TariffPolicy = TariffPolicy.SIGNED
    over_tls: bool = False
    ask_schedules: bool = False
    stations: int = 1
    """How many stations alike share the cases."""

    def cases(self) -> list[Case]:
        """Those that are run against it."""
        wanted = [case for case in ALL if not case.id.startswith("I20-")]
        wanted = [case for case in wanted if not self.only or any(part in case.id for part in self.only)]
        return [case for case in wanted if not any(part in case.id for part in self.skip)]

    def recognised(self, facts: Facts) -> bool:
        """The bench has found what this station is there for."""
        return True

    def config(self) -> SeccConfig:
        """Of the station."""
        modes = (EnergyMode.DC_EXTENDED, EnergyMode.DC_CORE)
        if not self.dc:
            modes = (EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.AC_SINGLE_PHASE_CORE)
        return SeccConfig(
            evse_id="DE*AAA*E1",
            interface="lo",
            network=NetworkConfig(),
            tls=TlsConfig(
                policy=self.tls,
                certificate_chain=PKI / "secc_chain.pem",
                private_key=PKI / "secc_leaf_key.pem",
                handshake_timeout=2.0,
            ),
            trust=TrustConfig(v2g_roots=(PKI / "v2g_root.pem",), mo_roots=(PKI / "mo_root.pem",)),
            timing=_timing(),
            energy=EnergyConfig(modes=modes, ask_backend_for_schedules=self.ask_schedules),
            service=ServiceConfig(payment_options=self.payment),
            pnc=PncConfig(
                revocation=RevocationCheck.PREFER, receipt_interval=0.0, sales_tariffs=self.sales_tariffs
            ),
            compat=CompatConfig.strict(),
            slac=SlacConfig(enabled=self.slac),
        )


def _timing() -> TimingConfig:
    return TimingConfig(
        sequence=SEQUENCE,
        communication_setup=SETUP,
        authorization=SEQUENCE,
        contract_answer=60.0,
        close_delay=0.05,
        pilot=0.3,
    )


def shortened_timers() -> BenchTimers:
    """As the stations have them."""
    return BenchTimers(sequence=SEQUENCE, setup=SETUP, station_ongoing=SEQUENCE)


def _site() -> LocalBackend:
    """A site that knows the contract and the car of the test hierarchy, and lets others charge as well."""
    pki = make_hierarchy(not_before=NOT_BEFORE, not_after=NOT_AFTER, seed=b"certs/testpki")
    store = ContractStore()
    contract = store.add_contract(pki[Kind.CONTRACT_LEAF].certificate.subject.common_name)
    store.add_car(pki[Kind.OEM_LEAF].certificate, contract.emaid)
    issuer = ContractIssuer(pki[Kind.MO_SUB_CA_2], [pki[Kind.MO_SUB_CA_1].certificate])
    above = [pki[Kind.CPS_SUB_CA_2].certificate, pki[Kind.CPS_SUB_CA_1].certificate]
    service = ProvisioningService(pki[Kind.CPS_LEAF], above)
    return LocalBackend(store, issuer=issuer, service=service, allow_external=True)


class _Silent(LocalBackend):
    """Takes contracts and says nothing about them."""

    async def authorize_contract(self, evse_id: str, contract: VerifiedContract) -> ContractVerdict:
        await asyncio.Event().wait()
        raise AssertionError


def _silent_site() -> LocalBackend:
    site = _site()
    site.__class__ = _Silent
    return site


def _priced(need: EnergyNeed) -> ScheduleOffer:
    """A schedule with a price, over all the time that is asked for."""
    end = need.departure or 86_400
    entry = iso2.SalesTariffEntry(time_interval=iso2.RelativeTimeInterval(start=0), e_price_level=1)
    tariff = iso2.SalesTariff(id="tariff1", sales_tariff_id=1, sales_tariff_entry=(entry,))
    number = need.continued or 1
    steps = (PowerStep(0, need.max_power or 0.0),)
    return ScheduleOffer((PowerSchedule(number, steps, end, tariff),))


_OWN_DC = ("BENCH_SESSION_DC", "BENCH_DC", "BENCH_DIN", "BENCH_EXI_NOISE_LOOP")
_DC = frozenset({"meter", "cable-check-ongoing"})
_TARIFFS: Any = {
    "backend": lambda: SimulatedBackend(offer=_priced, offer_delay=0.05),
    "declared": frozenset({"tariff", "schedules-ongoing"}),
    "sales_tariffs": TariffPolicy.ANY,
    "ask_schedules": True,
    "only": ("VTB_ChargeParameterDiscovery",),
    "skip": ("CMN",),
}
PAYMENTS = (Payment.CONTRACT, Payment.EXTERNAL)
_PNC = frozenset({"meter", "receipt"})
SETUPS: Mapping[str, Setup] = {
    setup.name: setup
    for setup in (
        Setup(name="AC"),
        Setup(
            name="DC",
            dc=True,
            declared=_DC,
            skip=("CMN", "ChargeParameterDiscovery", "PowerDelivery", "BENCH"),
        ),
        Setup(name="DC, whole sessions", dc=True, declared=_DC, only=_OWN_DC, skip=("_PNC",)),
        Setup(name="DC, power delivery", dc=True, declared=_DC, only=("DC_VTB_PowerDelivery",)),
        Setup(name="DC, parameters", dc=True, declared=_DC, only=("ChargeParameterDiscovery",)),
        Setup(
            name="AC, Plug and Charge",
            tls=TlsPolicy.REQUIRED,
            payment=PAYMENTS,
            backend=_site,
            declared=_PNC,
            skip=("AC_VTB_ChargeParameterDiscovery", "Certificate", "V2GTP", "BENCH_SDP"),
        ),
        Setup(
            name="AC, certificates",
            tls=TlsPolicy.REQUIRED,
            payment=PAYMENTS,
            backend=_site,
            declared=_PNC,
            only=("Certificate",),
        ),
        Setup(name="AC, tariffs", over_tls=True, **_TARIFFS),
        Setup(name="DC, tariffs", dc=True, over_tls=True, **_TARIFFS),
        Setup(
            name="after the setup time", slac=True, only=("_SDP_004", "_SDP_005", "SupportedAppProtocol_005")
        ),
        Setup(
            name="after the setup time, Plug and Charge",
            tls=TlsPolicy.REQUIRED,
            payment=PAYMENTS,
            backend=_site,
            slac=True,
            only=("SDP_006",),
        ),
        Setup(
            name="a silent back end",
            tls=TlsPolicy.REQUIRED,
            payment=PAYMENTS,
            backend=_silent_site,
            declared=frozenset({"silent-back-end"}),
            only=("Authorization_015", "Authorization_016", "Authorization_017"),
        ),
        Setup(
            name="DC, Plug and Charge",
            dc=True,
            tls=TlsPolicy.REQUIRED,
            payment=PAYMENTS,
            backend=_site,
            declared=_PNC,
            only=("DC_VTB_MeteringReceipt", "DC_VTB_CurrentDemand", "SESSION_DC_PNC"),
        ),
        Setup(
            name="contracts only",
            tls=TlsPolicy.REQUIRED,
            payment=(Payment.CONTRACT,),
            backend=_site,
            only=("PaymentServiceSelection",),
        ),
        Setup(name="without TLS", tls=TlsPolicy.OFF, only=("SDP",)),
        Setup(
            name="nobody authorises",
            backend=lambda: SimulatedBackend(grant=True, delay=60.0),
            declared=frozenset({"no-grant"}),
            only=("Authorization_014",),
        ),
    )
}
