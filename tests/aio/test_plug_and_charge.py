"""Plug and Charge over real sockets and TLS: a station with a local back end, cars with their wallets."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from secc.aio.records import MessageRecord, OutputRecord, Record
from secc.aio.station import Station
from secc.cli import telling
from secc.config import (
    EnergyConfig,
    EnergyMode,
    Payment,
    PncConfig,
    RevocationCheck,
    SeccConfig,
    ServiceConfig,
    TimingConfig,
    TlsConfig,
    TrustConfig,
)
from secc.messages.iso2 import EnergyTransferMode, PaymentDetailsRes, V2GMessage
from secc.pki.chains import KINDS
from secc.pki.hierarchy import Hierarchy, make_hierarchy, write_hierarchy
from secc.pki.identifiers import EMAID
from secc.pki.profiles import Kind
from secc.pki.provisioning import ProvisioningAnswer, ProvisioningRequest
from secc.pki.trust import Role
from secc.pnc import ContractIssuer, ContractStore, LocalBackend, ProvisioningService, Status
from secc.sdp import TlsPolicy
from secc.session.contract_events import ContractGranted
from secc.sim import (
    EvResult,
    Misbehaviour,
    Plan,
    ScriptedEvcc,
    SimulatedAcEvse,
    SimulatedCable,
    SimulatedDcEvse,
    Wallet,
)

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

    def wallet(self, *, contract_days: float | None = None) -> Wallet:
        """A car with its provisioning certificate, and perhaps a contract."""
        car = Wallet(self.pki[Kind.OEM_LEAF], [self.pki[Kind.V2G_ROOT].certificate])
        if contract_days is not None:
            end = NOW + datetime.timedelta(days=contract_days)
            issued = self.issuer().issue(EMAID_TEXT, NOW - datetime.timedelta(days=2), not_after=end)
            car.chain, car.key = issued.chain, issued.key
        return car

    def issuer(self) -> ContractIssuer:
        return ContractIssuer(self.pki[Kind.MO_SUB_CA_2], (self.pki[Kind.MO_SUB_CA_1].certificate,))

    def config(self, mode: EnergyMode, **timing: float) -> SeccConfig:
        folder = self.folder
        return SeccConfig(
            interface="lo",
            energy=EnergyConfig(modes=(mode,)),
            service=ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL)),
            pnc=PncConfig(revocation=RevocationCheck.PREFER, receipt_interval=0.05),
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
        made = Station(
            self.config(mode, **timing), evse, self.backend, on_event=self.records.append, sdp_port=0
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
        return [(event.kind, event.rule) for event in self.backend.store.events()]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    pki = make_hierarchy(not_before=NOW - datetime.timedelta(days=3), seed=b"sockets")
    write_hierarchy(pki, tmp_path, NOW)
    store = ContractStore(tmp_path / "site.db")
    store.add_contract(EMAID_TEXT)
    store.add_car(pki[Kind.OEM_LEAF].certificate, EMAID.parse(EMAID_TEXT))
    issuer = ContractIssuer(pki[Kind.MO_SUB_CA_2], (pki[Kind.MO_SUB_CA_1].certificate,))
    service = ProvisioningService(pki[Kind.CPS_LEAF], [pki[kind].certificate for kind in KINDS[Role.CPS][1:]])
    return Site(pki, tmp_path, SlowBackend(store, issuer=issuer, service=service))


def play(site: Site, mode: EnergyMode, *wallets: Wallet, **timing: float) -> list[EvResult]:
    async def run() -> list[EvResult]:
        async with site.station(mode, **timing) as charge:
            return [await charge(wallet) for wallet in wallets]  # type: ignore[misc]

    return asyncio.run(run())


@pytest.mark.parametrize("mode", [EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.DC_EXTENDED])
def test_a_car_without_a_contract_gets_one_charges_and_signs_receipts(site: Site, mode: EnergyMode) -> None:
    wallet = site.wallet()
    first, second = play(site, mode, wallet, wallet)
    assert first.completed, first.error
    assert second.completed, second.error
    assert "CertificateInstallationReq" in first.requests
    assert "CertificateInstallationReq" not in second.requests
    assert "MeteringReceiptReq" in first.requests
    assert wallet.installed == 1
    assert wallet.emaid == EMAID_TEXT
    assert site.events().count(("granted", "back_end")) == 2
    assert len(site.backend.store.receipts()) >= 2
    granted = [r.output for r in site.records if isinstance(r, OutputRecord)]
    chains = [output.contract.chain for output in granted if isinstance(output, ContractGranted)]
    assert {chain.anchor.certificate.subject.common_name for chain in chains} == {"MORootCA Test"}


def test_a_car_whose_contract_ends_soon_is_renewed(site: Site) -> None:
    wallet = site.wallet(contract_days=10)
    before = wallet.chain[0]
    (result,) = play(site, EnergyMode.AC_THREE_PHASE_CORE, wallet)
    assert result.completed, result.error
    assert "CertificateUpdateReq" in result.requests
    assert wallet.chain[0].not_after > before.not_after


REFUSED = [
    (Misbehaviour.UNSIGNED, "AuthorizationRes: FAILED_SignatureError"),
    (Misbehaviour.WRONG_KEY, "AuthorizationRes: FAILED_SignatureError"),
    (Misbehaviour.WRONG_CHALLENGE, "AuthorizationRes: FAILED_ChallengeInvalid"),
    (Misbehaviour.CHANGED_BODY, "AuthorizationRes: FAILED_SignatureError"),
    (Misbehaviour.OTHER_ELEMENT, "AuthorizationRes: FAILED_SignatureError"),
    (Misbehaviour.DER_SIGNATURE, "AuthorizationRes: FAILED_SignatureError"),
    (Misbehaviour.OTHER_EMAID, "PaymentDetailsRes: FAILED_CertificateNotAllowedAtThisEVSE"),
    (Misbehaviour.NO_SUB_CAS, "PaymentDetailsRes: FAILED_CertChainError"),
    (Misbehaviour.WRONG_READING, "MeteringReceiptRes: FAILED_MeteringSignatureNotValid"),
]


def test_every_trick_is_refused_and_the_next_car_charges(site: Site) -> None:
    cars = []
    for misbehaviour, _ in REFUSED:
        car = site.wallet(contract_days=300)
        car.misbehaviour = misbehaviour
        cars.append(car)
    results = play(site, EnergyMode.AC_THREE_PHASE_CORE, *cars, site.wallet(contract_days=300))
    assert [result.error for result in results[:-1]] == [error for _, error in REFUSED]
    assert results[-1].completed, results[-1].error
    assert len([event for event in site.events() if event[0] == "refused"]) == len(REFUSED)


def test_a_blocked_contract_is_refused_and_recorded(site: Site) -> None:
    site.backend.store.set_status(EMAID.parse(EMAID_TEXT), Status.BLOCKED)
    (result,) = play(site, EnergyMode.AC_THREE_PHASE_CORE, site.wallet(contract_days=300))
    assert result.error == "AuthorizationRes: FAILED"
    assert ("refused", "contract blocked or canceled") in site.events()


def test_a_bundle_that_comes_too_late_is_there_at_the_next_try(site: Site) -> None:
    site.backend.delay = 0.6

    async def run() -> list[EvResult]:
        async with site.station(EnergyMode.AC_THREE_PHASE_CORE, provisioning=0.3, close_delay=0.0) as charge:
            wallet = site.wallet()
            first: EvResult = await charge(wallet)  # type: ignore[misc]
            await asyncio.sleep(0.6)
            second: EvResult = await charge(wallet)  # type: ignore[misc]
            return [first, second]

    first, second = asyncio.run(run())
    assert first.error == "CertificateInstallationRes: FAILED_NoCertificateAvailable"
    assert second.completed, second.error
    assert site.backend.asked == 1


def test_a_car_that_is_not_known_gets_nothing(site: Site) -> None:
    wallet = site.wallet()
    wallet.oem = make_hierarchy(not_before=NOW - datetime.timedelta(days=3), seed=b"foreign")[Kind.OEM_LEAF]
    (result,) = play(site, EnergyMode.AC_THREE_PHASE_CORE, wallet)
    assert result.error == "CertificateInstallationRes: FAILED_NoCertificateAvailable"
    assert ("suspicious", "other_certificate") in site.events()


def test_no_key_no_challenge_and_no_whole_certificate_of_a_person_is_told(site: Site) -> None:  # PNC-15
    wallet = site.wallet()
    play(site, EnergyMode.AC_THREE_PHASE_CORE, wallet)
    told = "\n".join(f"{telling.as_json(record)}\n{telling.as_text(record)}" for record in site.records)
    assert wallet.key is not None
    scalar = wallet.key.private_numbers().private_value
    assert f"{scalar:064x}" not in told.lower()
    assert wallet.chain[0].der.hex() not in told.lower()
    challenges = [
        record.message.body.gen_challenge.hex()
        for record in site.records
        if isinstance(record, MessageRecord)
        and isinstance(record.message, V2GMessage)
        and isinstance(record.message.body, PaymentDetailsRes)
    ]
    assert len(challenges) == 1
    assert challenges[0] not in told.lower()
