"""A new car receives its contract through the CSMS and pays with it; the CSMS receives the transaction."""

from __future__ import annotations

import dataclasses
import functools
import json
from types import SimpleNamespace
from typing import Any

import pytest

from secc import exi
from secc.messages.iso2 import V2GMessage
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.fake.records import ReceivedMessage
from secc.ocpp.model import CertificateStatus, IdToken, TokenStatus
from secc.ocpp.reservations import Reservation
from secc.pki.contract import OcspRequestData
from secc.pki.identifiers import EMAID
from secc.records import MessageRecord
from secc.session.contract_events import Verdict
from secc.settings import OfflinePolicy, SeccConfig
from secc.settings.ocpp import EmaidForm, OcppVersion
from secc.sim import EvResult
from tests.ocpp.support import ALL, BOTH, EMAID_TEXT, Certificates, accounts, line, pnc_config


async def play(
    certificates: Certificates, csms: FakeCsms, *, new: bool = False, **ocpp: object
) -> tuple[EvResult, list[str]]:
    """Charge one car at one station; returns the result of the car and the reports of the station."""
    config = functools.partial(pnc_config, certificates)

    async with line(csms, config, **ocpp) as running:
        result = await running.charge(certificates.wallet(contract_days=None if new else 90))
        await running.delivered()
        return result, running.told


def body_of(heard: ReceivedMessage) -> dict[str, object]:
    """The message, also where 1.6 wraps it."""
    body: dict[str, object] = heard.payload
    if heard.action == "DataTransfer":
        body = json.loads(heard.payload["data"])
    return body


def named(csms: FakeCsms, name: str) -> list[dict[str, object]]:
    return [
        body_of(one) for one in csms.records.messages if name in (one.action, one.payload.get("messageId"))
    ]


@pytest.mark.parametrize("version", ALL)
async def test_a_car_from_the_factory_gets_a_contract_and_charges(
    certificates: Certificates, version: OcppVersion
) -> None:
    csms = FakeCsms(accounts(certificates), versions=(version,))
    result, told = await play(certificates, csms, new=True, meter_interval=0.05, versions=ALL)
    assert result.completed, (result.error, told)
    assert "CertificateInstallationReq" in result.requests
    (provisioning,) = named(csms, "Get15118EVCertificate")
    assert provisioning["action"] == "Install"
    assert provisioning["iso15118SchemaVersion"] == "urn:iso:15118:2:2013:MsgDef"
    (booked,) = csms.records.transactions.values()
    assert booked.ended
    assert booked.token == EMAID_TEXT
    assert booked.meter_stop is not None
    assert booked.seqs == sorted(booked.seqs)


@pytest.mark.parametrize("version", BOTH)
async def test_authorize_carries_the_emaid_and_the_hash_data_of_the_chain(
    certificates: Certificates, version: OcppVersion
) -> None:
    csms = FakeCsms(accounts(certificates), versions=(version,))
    result, told = await play(certificates, csms)
    assert result.completed, (result.error, told)
    (asked,) = named(csms, "Authorize")
    assert asked["idToken"] == {"idToken": EMAID_TEXT, "type": "eMAID"}
    hashes = asked["iso15118CertificateHashData"]
    assert isinstance(hashes, list)
    assert len(hashes) == 3
    assert hashes[0]["hashAlgorithm"] == "SHA256"
    assert hashes[0]["serialNumber"] == f"{int(hashes[0]['serialNumber'], 16):x}"
    assert hashes[0]["responderURL"].startswith("http")
    assert "certificate" not in asked


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    "status",
    [CertificateStatus.REVOKED, CertificateStatus.EXPIRED, CertificateStatus.CHAIN_ERROR],
)
async def test_a_certificate_that_the_csms_refuses_is_refused(
    certificates: Certificates, version: OcppVersion, status: CertificateStatus
) -> None:
    known = accounts(certificates)
    known.certificates = status
    csms = FakeCsms(known, versions=(version,))
    result, _ = await play(certificates, csms)
    assert not result.completed
    assert csms.records.transactions == {}


@pytest.mark.parametrize("version", BOTH)
async def test_a_blocked_contract_is_refused(certificates: Certificates, version: OcppVersion) -> None:
    blocked = accounts()
    blocked.tokens[EMAID_TEXT] = TokenStatus.BLOCKED
    csms = FakeCsms(blocked, versions=(version,))
    result, _ = await play(certificates, csms)
    assert not result.completed
    assert csms.records.transactions == {}


async def test_a_1_6_system_without_the_extension_gets_the_emaid_as_a_tag(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secc.ocpp.fake.answers.PNC", {})
    csms = FakeCsms(accounts(), versions=(OcppVersion.V16,))
    result, told = await play(certificates, csms)
    assert result.completed, (result.error, told)
    assert [one.payload for one in csms.records.messages if one.action == "Authorize"] == [
        {"idTag": EMAID_TEXT}
    ]


async def test_without_a_contract_in_the_pool_the_car_learns_that(certificates: Certificates) -> None:
    csms = FakeCsms(accounts())
    result, _ = await play(certificates, csms, new=True)
    assert "CertificateInstallationRes: FAILED_NoCertificateAvailable" in result.error


@pytest.mark.parametrize(("policy", "charges"), [(OfflinePolicy.DENY, False), (OfflinePolicy.CHAIN, True)])
async def test_while_the_csms_is_away_the_offline_policy_decides(
    certificates: Certificates, policy: OfflinePolicy, *, charges: bool
) -> None:
    csms = FakeCsms(accounts())
    config = functools.partial(pnc_config, certificates, offline=policy)

    async with line(csms, config) as running:
        await csms.stop()
        await running.until(lambda: not running.backend.conversation.online)
        result = await running.charge(certificates.wallet(contract_days=90))
        await csms.start()
        await running.delivered()
    assert result.completed is charges, result.error
    booked = list(csms.records.transactions.values())
    assert [one.ended for one in booked] == [True] * charges
    for one in booked:
        assert one.seqs == list(range(len(one.seqs)))


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("vouches", [True, False])
async def test_a_contract_under_an_unknown_root_is_judged_by_the_csms(
    certificates: Certificates, version: OcppVersion, *, vouches: bool
) -> None:
    known = accounts()
    known.certificates = CertificateStatus.ACCEPTED if vouches else CertificateStatus.CHAIN_ERROR
    csms = FakeCsms(known, versions=(version,))

    def config(url: str) -> SeccConfig:
        made = pnc_config(certificates, url)
        pnc = dataclasses.replace(made.pnc, central_validation=True)
        trust = dataclasses.replace(made.trust, mo_roots=())
        return dataclasses.replace(made, pnc=pnc, trust=trust)

    async with line(csms, config) as running:
        result = await running.charge(certificates.wallet(contract_days=90))
    assert result.completed is vouches, result.error
    (asked,) = named(csms, "Authorize")
    chain = str(asked["certificate"])
    assert chain.count("BEGIN CERTIFICATE") == 3
    assert "iso15118CertificateHashData" not in asked


@pytest.mark.parametrize(
    ("serials", "sent"),
    [((), False), (("5a",), False), (("1f",), True)],
    ids=["none", "the Sub-CA only", "the contract only"],
)
async def test_a_certificate_that_names_no_responder_is_sent_whole(
    certificates: Certificates, serials: tuple[str, ...], sent: bool
) -> None:
    """The CSMS takes the first hash data for those of the contract, so they never begin with a Sub-CA."""
    csms = FakeCsms(accounts())
    contract: Any = SimpleNamespace(
        emaid=EMAID.parse(EMAID_TEXT),
        chain=SimpleNamespace(certificates=(SimpleNamespace(serial=0x1F), SimpleNamespace(serial=0x5A))),
        ocsp_request_data=[OcspRequestData("aa", "bb", one, "http://ocsp.test.invalid/") for one in serials],
        pem=b"the chain",
    )

    async with line(csms, functools.partial(pnc_config, certificates)) as running:
        result = await running.backend.authorize_contract("ZZ*000*E0", contract)
    assert result is Verdict.ACCEPTED
    (asked,) = named(csms, "Authorize")
    assert asked["certificate"] == "the chain"
    assert ("iso15118CertificateHashData" in asked) is sent


@pytest.mark.parametrize(
    ("form", "text"),
    [("certificate", EMAID_TEXT), ("plain", "DEABC000000001G"), ("hyphens", "DE-ABC-000000001-G")],
)
async def test_the_emaid_has_the_spelling_that_the_csms_wants(
    certificates: Certificates, form: str, text: str
) -> None:
    csms = FakeCsms(accounts(certificates))
    config = functools.partial(pnc_config, certificates)

    async with line(csms, config, emaid_form=EmaidForm(form)) as running:
        result = await running.charge(certificates.wallet(contract_days=100))
        await running.delivered()
    assert result.completed, result.error
    (asked,) = named(csms, "Authorize")
    assert asked["idToken"] == {"idToken": text, "type": "eMAID"}
    (booked,) = csms.records.transactions.values()
    assert booked.token == text


async def test_a_contract_may_not_use_an_outlet_that_is_reserved_for_another(
    certificates: Certificates,
) -> None:
    csms = FakeCsms(accounts(certificates))
    config = functools.partial(pnc_config, certificates)

    async with line(csms, config) as running:
        until = running.backend.conversation.now + 60
        reservations = running.backend.outlet.reservations
        reservations.present = Reservation(1, IdToken("CARD"), until)
        refused = await running.charge(certificates.wallet(contract_days=100))
        reservations.present = Reservation(2, IdToken("de-abc-000000001"), until)
        refused, granted = refused, await running.charge(certificates.wallet(contract_days=100))
    assert not refused.completed
    assert granted.completed, granted.error


@pytest.mark.parametrize("version", ALL)
async def test_a_contract_that_ends_soon_is_renewed_through_the_csms(
    certificates: Certificates, version: OcppVersion
) -> None:
    csms = FakeCsms(accounts(certificates), versions=(version,))
    config = functools.partial(pnc_config, certificates)
    wallet = certificates.wallet(contract_days=10)
    before = wallet.chain[0]

    async with line(csms, config, versions=ALL) as running:
        result = await running.charge(wallet)
    assert result.completed, result.error
    assert "CertificateUpdateReq" in result.requests
    (provisioning,) = named(csms, "Get15118EVCertificate")
    assert provisioning["action"] == "Update"
    assert wallet.chain[0].not_after > before.not_after


async def test_the_request_of_the_car_reaches_the_operator_bit_by_bit(certificates: Certificates) -> None:
    seen: list[bytes] = []
    given: list[bytes] = []

    def provide(action: str, request: bytes) -> bytes | None:
        seen.append(request)
        answer = certificates.provide(action, request)
        assert answer is not None
        given.append(answer)
        return answer

    known = accounts()
    known.provide = provide
    csms = FakeCsms(known)
    config = functools.partial(pnc_config, certificates)

    async with line(csms, config) as running:
        result = await running.charge(certificates.wallet())
        records = [one.message for one in running.records if isinstance(one, MessageRecord)]
    assert result.completed, result.error
    bodies: dict[str, Any] = {type(one.body).__name__: one for one in records if isinstance(one, V2GMessage)}
    assert exi.ISO2.decode(seen[0]) == bodies["CertificateInstallationReq"]
    answered: Any = exi.ISO2.decode(given[0])
    delivered = bodies["CertificateInstallationRes"]
    assert delivered.body == answered.body
    assert delivered.header.signature == answered.header.signature
    assert delivered.header.session_id == result.session_id
