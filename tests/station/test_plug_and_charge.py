"""Plug and Charge over real sockets and TLS: a station with a local back end, cars with their wallets."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

import pytest

from secc.messages.iso2 import PaymentDetailsRes, V2GMessage
from secc.pki.contract import VerifiedContract
from secc.pki.hierarchy import make_hierarchy
from secc.pki.identifiers import EMAID
from secc.pki.profiles import Kind
from secc.records import MessageRecord, OutputRecord
from secc.records.text import as_json, as_text
from secc.session.contract_events import ContractGranted
from secc.settings import EnergyMode
from secc.sim import EvResult, Misbehaviour
from secc.site import Status
from tests.support.site import EMAID_TEXT, NOW, Site, make_site, play


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


@pytest.mark.parametrize("mode", [EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.DC_EXTENDED])
async def test_a_car_without_a_contract_gets_one_charges_and_signs_receipts(
    site: Site, mode: EnergyMode
) -> None:
    wallet = site.wallet()
    first, second = await play(site, mode, wallet, wallet)
    assert first.completed, first.error
    assert second.completed, second.error
    assert "CertificateInstallationReq" in first.requests
    assert "CertificateInstallationReq" not in second.requests
    assert "MeteringReceiptReq" in first.requests
    assert wallet.installed == 1
    assert wallet.emaid == EMAID_TEXT
    assert site.events().count(("granted", "back_end")) == 2
    assert len(site.backend.store.log.receipts()) >= 2
    granted = [r.output for r in site.records if isinstance(r, OutputRecord)]
    proved = [output.contract for output in granted if isinstance(output, ContractGranted)]
    chains = [one.chain for one in proved if isinstance(one, VerifiedContract)]
    assert {chain.anchor.certificate.subject.common_name for chain in chains} == {"MORootCA Test"}


async def test_a_car_whose_contract_ends_soon_is_renewed(site: Site) -> None:
    wallet = site.wallet(contract_days=10)
    before = wallet.chain[0]
    (result,) = await play(site, EnergyMode.AC_THREE_PHASE_CORE, wallet)
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
    (Misbehaviour.WRONG_ID, "AuthorizationRes: FAILED_SignatureError"),
    (Misbehaviour.EXTRA_REFERENCE, "AuthorizationRes: FAILED_SignatureError"),
    (Misbehaviour.SWAPPED_SUB_CAS, "PaymentDetailsRes: FAILED_CertChainError"),
    (Misbehaviour.OTHER_EMAID, "PaymentDetailsRes: FAILED_CertificateNotAllowedAtThisEVSE"),
    (Misbehaviour.NO_SUB_CAS, "PaymentDetailsRes: FAILED_CertChainError"),
    (Misbehaviour.WRONG_READING, "MeteringReceiptRes: FAILED_MeteringSignatureNotValid"),
]


async def test_every_trick_is_refused_and_the_next_car_charges(site: Site) -> None:
    cars = []
    for misbehaviour, _ in REFUSED:
        car = site.wallet(contract_days=300)
        car.misbehaviour = misbehaviour
        cars.append(car)
    results = await play(site, EnergyMode.AC_THREE_PHASE_CORE, *cars, site.wallet(contract_days=300))
    assert [result.error for result in results[:-1]] == [error for _, error in REFUSED]
    assert results[-1].completed, results[-1].error
    assert len([event for event in site.events() if event[0] == "refused"]) == len(REFUSED)


async def test_an_installation_that_another_car_has_signed_is_refused(site: Site) -> None:
    wallet = site.wallet()
    wallet.misbehaviour = Misbehaviour.OTHER_CAR
    (result,) = await play(site, EnergyMode.AC_THREE_PHASE_CORE, wallet)
    assert result.error == "CertificateInstallationRes: FAILED_SignatureError"
    assert site.backend.asked == 0


def test_every_trick_is_tried() -> None:
    assert {trick for trick, _ in REFUSED} | {Misbehaviour.OTHER_CAR} == set(Misbehaviour)


async def test_a_blocked_contract_is_refused_and_recorded(site: Site) -> None:
    site.backend.store.set_status(EMAID.parse(EMAID_TEXT), Status.BLOCKED)
    (result,) = await play(site, EnergyMode.AC_THREE_PHASE_CORE, site.wallet(contract_days=300))
    assert result.error == "AuthorizationRes: FAILED"
    assert ("refused", "contract blocked or canceled") in site.events()


async def test_a_bundle_that_comes_too_late_is_there_at_the_next_try(site: Site) -> None:
    site.backend.delay = 0.6

    async def run() -> list[EvResult]:
        async with site.station(EnergyMode.AC_THREE_PHASE_CORE, provisioning=0.3, close_delay=0.0) as charge:
            wallet = site.wallet()
            first: EvResult = await charge(wallet)  # type: ignore[misc]
            await asyncio.sleep(0.6)
            second: EvResult = await charge(wallet)  # type: ignore[misc]
            return [first, second]

    first, second = await run()
    assert first.error == "CertificateInstallationRes: FAILED_NoCertificateAvailable"
    assert second.completed, second.error
    assert site.backend.asked == 1


async def test_a_car_that_is_not_known_gets_nothing(site: Site) -> None:
    wallet = site.wallet()
    wallet.oem = make_hierarchy(not_before=NOW - datetime.timedelta(days=3), seed=b"foreign")[Kind.OEM_LEAF]
    (result,) = await play(site, EnergyMode.AC_THREE_PHASE_CORE, wallet)
    assert result.error == "CertificateInstallationRes: FAILED_NoCertificateAvailable"
    assert ("suspicious", "other_certificate") in site.events()


async def test_no_key_no_challenge_and_no_whole_certificate_of_a_person_is_reported(
    site: Site,
) -> None:  # PNC-15
    wallet = site.wallet()
    await play(site, EnergyMode.AC_THREE_PHASE_CORE, wallet)
    told = "\n".join(f"{as_json(record)}\n{as_text(record)}" for record in site.records)
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
