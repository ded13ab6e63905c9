"""The station of this library against the conformance bench, in all variants: `make conformance`.

One station cannot show everything: a case with a silent back end and a case that charges exclude each other.
So several are started in this process, each on a separate discovery port, and the bench runs against all of
them; a case counts as passed when it has passed where it applies and failed nowhere. Timers of a minute are
shortened to seconds, which the report states: their lengths are proved by the tests of the core, with a
simulated clock.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from certs.testpki.make import NOT_AFTER, NOT_BEFORE
from secc import bench
from secc.bench import (
    ALL,
    BenchReport,
    BenchTimers,
    BenchVerdict,
    Case,
    CaseOutcome,
    Need,
    Target,
    page,
    reports,
)
from secc.bench.pki import CarPki
from secc.messages import iso2
from secc.pki.contract import VerifiedContract
from secc.pki.hierarchy import make_hierarchy
from secc.pki.profiles import Kind
from secc.ports import Backend
from secc.records import Record
from secc.session.contract_events import Verdict as ContractVerdict
from secc.session.outlet import ControlPilot
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
from secc.sim import SimulatedAcEvse, SimulatedBackend, SimulatedCable, SimulatedDcEvse
from secc.site import ContractIssuer, ContractStore, LocalBackend, ProvisioningService
from secc.station.station import Station

ROOT = Path(__file__).resolve().parents[2]
PKI = ROOT / "certs/testpki"
SEQUENCE, SETUP = 1.5, 3.0
"""Instead of 60 s and 18 s."""


# --- stations ----------------------------------------------------------------------------------------------


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

    def cases(self) -> list[Case]:
        """Those that are run against it."""
        wanted = [case for case in ALL if not self.only or any(part in case.id for part in self.only)]
        return [case for case in wanted if not any(part in case.id for part in self.skip)]

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


def _timers() -> BenchTimers:
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
_BOTH = (Payment.CONTRACT, Payment.EXTERNAL)
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
            payment=_BOTH,
            backend=_site,
            declared=_PNC,
            skip=("AC_VTB_ChargeParameterDiscovery", "Certificate", "V2GTP", "BENCH_SDP"),
        ),
        Setup(
            name="AC, certificates",
            tls=TlsPolicy.REQUIRED,
            payment=_BOTH,
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
            payment=_BOTH,
            backend=_site,
            slac=True,
            only=("SDP_006",),
        ),
        Setup(
            name="a silent back end",
            tls=TlsPolicy.REQUIRED,
            payment=_BOTH,
            backend=_silent_site,
            declared=frozenset({"silent-back-end"}),
            only=("Authorization_015", "Authorization_016", "Authorization_017"),
        ),
        Setup(
            name="DC, Plug and Charge",
            dc=True,
            tls=TlsPolicy.REQUIRED,
            payment=_BOTH,
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


# --- running -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Merged:
    """One case over all stations it was run against."""

    case: Case
    verdict: BenchVerdict
    text: str
    where: tuple[str, ...]
    """Stations that gave this verdict."""


def merge(found: Sequence[BenchReport]) -> list[Merged]:
    """Failed anywhere is failed; else passed somewhere is passed; else what is left."""
    by_id: dict[str, list[tuple[str, CaseOutcome]]] = {}
    for report in found:
        for outcome in report.outcomes:
            by_id.setdefault(outcome.case.id, []).append((report.name, outcome))
    merged = []
    for case in ALL:
        outcomes = by_id.get(case.id, [])
        for verdict in (
            BenchVerdict.FAIL,
            BenchVerdict.INCONCLUSIVE,
            BenchVerdict.PASS,
            BenchVerdict.NOT_APPLICABLE,
        ):
            there = [(name, outcome) for name, outcome in outcomes if outcome.verdict is verdict]
            there.sort(key=lambda one: one[1].reason in _SHAPE)
            if there:
                names = tuple(name for name, _ in there)
                merged.append(Merged(case, verdict, there[0][1].reason, names))
                break
    return merged


def as_dict(one: Merged) -> dict[str, Any]:
    """For the page."""
    case = one.case
    return {
        "id": case.id,
        "group": case.group,
        "title": case.title,
        "expected": case.expect,
        "verdict": one.verdict.value,
        "reason": one.text,
        "stations": list(one.where),
    }


_SHAPE = (Need.AC.value, Need.DC.value, Need.TLS.value, Need.PLAIN.value, Need.CONTRACT.value)
"""Reasons that hold for one station, but not for the one next to it."""


async def run_setup(
    setup: Setup,
    *,
    cases: Sequence[Case] | None = None,
    make: Callable[..., Station] = Station,
    timers: BenchTimers | None = None,
) -> BenchReport:
    """The station up, the bench against it, the station down. `make` may make a broken station."""
    cable, linked = SimulatedCable(), False
    evse = SimulatedDcEvse(cable, isolation_time=0.15) if setup.dc else SimulatedAcEvse(cable)

    async def pilot(state: str) -> None:
        cable.set_pilot(ControlPilot(state))

    async def link(state: str) -> None:
        nonlocal linked
        if state == "down":
            station.link_down()
        elif not linked or station.endpoint is None:  # each session needs a separate match
            station.link_up()
        linked = state == "up"

    # The cases provoke failures on purpose: the log of the station would hide the result.
    station = make(setup.config(), evse, setup.backend(), sdp_port=0, reporter=_unreported)
    async with station:
        assert station.sdp_port is not None
        target = Target(
            interface="lo",
            sdp_port=station.sdp_port,
            tls=setup.over_tls,
            roots=PKI / "v2g_root.pem",
            timers=timers or _timers(),
            declared=setup.declared,
            pilot=pilot,
            link=link if setup.slac else None,
            pki=CarPki.read(PKI),
        )
        return await bench.run(setup.cases() if cases is None else cases, target, name=setup.name)


def _unreported(_record: Record) -> None:
    return None


async def run_all(names: Sequence[str]) -> list[BenchReport]:
    """At the same time: most of it is waiting."""
    return list(await asyncio.gather(*(run_setup(SETUPS[name]) for name in names)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, say what has not passed, write the reports."""
    parser = argparse.ArgumentParser(description="the station of this library against the conformance bench")
    parser.add_argument("--setup", action="append", choices=list(SETUPS), help="default: all")
    parser.add_argument("--html", type=Path, metavar="DIR", help="write a page per station")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the merged result")
    parser.add_argument("--verbose", "-v", action="store_true")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    found = asyncio.run(run_all(given.setup or list(SETUPS)))
    for report in found:
        print(f"{report.name:22} {reports.headline(report)}  ({report.duration:.0f} s)")
        for outcome in report.outcomes:
            if outcome.verdict in (BenchVerdict.FAIL, BenchVerdict.INCONCLUSIVE):
                _tell(outcome, verbose=given.verbose)
        if given.html is not None:
            given.html.mkdir(parents=True, exist_ok=True)
            name = "".join(char if char.isalnum() else "-" for char in report.name.casefold())
            (given.html / f"{name}.html").write_text(page.html(report), encoding="utf-8")
    merged = merge(found)
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps([as_dict(one) for one in merged], indent=1) + "\n", encoding="utf-8")
    passed = sum(one.verdict is BenchVerdict.PASS for one in merged)
    left = [one for one in merged if one.verdict is BenchVerdict.NOT_APPLICABLE]
    print(f"\n{passed} of {len(merged) - len(left)} passed, {len(left)} not applicable anywhere", end="")
    print(f"  ({time.monotonic() - began:.0f} s)")
    for one in left if given.verbose else ():
        print(f"  n/a  {one.case.id}  {one.text}")
    return 0 if passed == len(merged) - len(left) > 0 else 1


def _tell(outcome: CaseOutcome, *, verbose: bool) -> None:
    print(f"  {outcome.verdict.value:12} {outcome.case.id}  {outcome.reason}")
    for line in reports.log_lines(outcome) if verbose else ():
        print(f"      {line}")


if __name__ == "__main__":
    sys.exit(main())
