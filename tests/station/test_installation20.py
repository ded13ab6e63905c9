"""Installation of contracts in ISO 15118-20 over real sockets, with a local back end of both generations.

Misbehaviour of the vehicle and of the back end: nothing that is not good reaches the other side, and the
session ends, or goes on without a contract, as the cause demands.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from secc import exi
from secc.messages import iso20_common as m
from secc.pki.identifiers import EMAID
from secc.pki.installation import signed_installation
from secc.pki.keys import KeyType, key_type, new_private_key
from secc.pki.kinds import Generation, Kind
from secc.pki.provisioning import ProvisioningAnswer, Refusal
from secc.pki.xmldsig import sign
from secc.session.contract_events import ContractDelivered
from secc.sim.iso20 import InstallationMisbehaviour as Wrong
from secc.sim.iso20 import InstalledContract, Iso20Wallet
from secc.sim.wallet import Wallet
from secc.site import RenewalMonitor
from secc.trace import read, replay
from tests.support.installing_site import EMAIDS, NOW, InstallingSite, Spoil, make_site, play


@pytest.fixture
def site(tmp_path: Path) -> InstallingSite:
    return make_site(tmp_path)


def codes(result: object) -> list[str]:
    """The response codes of the installation, in order, without repetitions of Ongoing."""
    found = []
    for exchange in result.exchanges:  # type: ignore[attr-defined]
        if isinstance(exchange.response, m.CertificateInstallationRes):
            finished = exchange.response.evse_processing is m.Processing.FINISHED
            if finished or exchange.response.response_code is not m.ResponseCode.OK:
                found.append(exchange.response.response_code.value)
    return found


# --- what goes well ---------------------------------------------------------------------------------------


async def test_a_car_without_a_contract_gets_one_and_charges(site: InstallingSite) -> None:
    wallet = site.wallet()
    (result,) = await play(site, wallet)
    assert (result.error, result.completed) == ("", True)
    assert [str(one.emaid) for one in wallet.contracts] == [EMAIDS[0]]
    assert len(site.outputs(ContractDelivered)) == 1
    (leaf,) = site.backend.store.certificates()
    assert (str(leaf.emaid), leaf.generation) == (EMAIDS[0], Generation.ISO20)


async def test_a_car_with_keys_on_ed448_agrees_by_x448(tmp_path: Path) -> None:
    site = make_site(tmp_path, keys=KeyType.ED448)
    wallet = site.wallet()
    (result,) = await play(site, wallet)
    assert (result.error, result.completed) == ("", True)
    assert [key_type(one.key) for one in wallet.contracts] == [KeyType.ED448]


async def test_a_car_gets_as_many_contracts_as_it_has_room_for_the_preferred_one_first(
    site: InstallingSite,
) -> None:
    wallet = site.wallet(most=2, wanted=(EMAIDS[2],))
    (result,) = await play(site, wallet)
    assert result.error == ""
    assert [str(one.emaid) for one in wallet.contracts] == [EMAIDS[2], EMAIDS[0]]


async def test_a_slow_back_end_keeps_the_car_waiting_and_not_the_loop(site: InstallingSite) -> None:
    site.backend.delay = 0.4
    wallet = site.wallet()
    (result,) = await play(site, wallet, pace=0.1)
    assert result.error == ""
    assert len(wallet.contracts) == 1
    assert site.backend.asked == 1
    assert result.requests.count("CertificateInstallationReq") > 2


async def test_an_answer_that_was_too_late_is_there_at_the_next_session(site: InstallingSite) -> None:
    site.iso20 = {"installation": 0.1}
    site.backend.delay = 0.6
    late, again = site.wallet(), site.wallet()
    first, second = await play(site, late, again, pace=0.15)
    assert codes(first) == ["WARNING_NoCertificateAvailable"]
    assert (first.error, first.completed) == ("", True)  # by external identification
    assert codes(second) == ["OK"]
    assert site.backend.asked == 1
    assert Refusal.LATE.value in site.rules


# --- the vehicle misbehaves -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (Wrong.UNSIGNED, "FAILED_SignatureError"),
        (Wrong.WRONG_KEY, "FAILED_SignatureError"),
        (Wrong.CHANGED_CHAIN, "FAILED_SignatureError"),
        (Wrong.OTHER_REQUEST, "FAILED_SequenceError"),
        (Wrong.AGAIN, "FAILED_SequenceError"),
    ],
)
async def test_a_vehicle_that_breaks_the_rules_is_refused(
    site: InstallingSite, wrong: Wrong, code: str
) -> None:
    site.backend.delay = 0.05
    wallet = site.wallet(wrong)
    (result,) = await play(site, wallet)
    assert code in result.error
    assert not result.completed
    asked = wrong in (Wrong.OTHER_REQUEST, Wrong.AGAIN)
    assert site.backend.asked == int(asked)
    assert len(wallet.contracts) == int(wrong is Wrong.AGAIN)


async def test_a_vehicle_that_authorizes_while_it_waits_is_refused(site: InstallingSite) -> None:
    site.backend.delay = 0.2
    (result,) = await play(site, site.wallet(Wrong.AUTHORIZES_EARLY))
    assert "AuthorizationRes: FAILED_SequenceError" in result.error


async def test_a_chain_without_sub_cas_costs_the_contract_and_not_the_session(site: InstallingSite) -> None:
    (result,) = await play(site, site.wallet(Wrong.NO_SUB_CAS))
    assert codes(result) == ["WARNING_CertificateValidationError"]
    assert (result.completed, site.backend.asked) == (True, 0)


@pytest.mark.threat("T20-20")
async def test_a_flood_costs_three_questions_and_ends(site: InstallingSite) -> None:
    """Threat 20: each installation costs a request to the back end."""
    site.backend.spoil = lambda _: ProvisioningAnswer(refusal=Refusal.UNREACHABLE)
    (result,) = await play(site, site.wallet(Wrong.FLOOD))
    assert site.backend.asked == 3
    assert codes(result) == ["WARNING_NoCertificateAvailable"] * 4 + ["FAILED"]
    assert not result.completed


async def test_a_vehicle_with_another_certificate_of_the_same_name_gets_nothing(site: InstallingSite) -> None:
    """Threat 7: the name alone proves nothing."""
    thief = make_site(site.folder / "thief", seed=b"thief")
    wallet = thief.wallet()
    wallet.roots = site.wallet().roots
    site.oem_roots = [thief.folder / "iso20" / "oem_root.pem"]
    (result,) = await play(site, wallet)
    assert codes(result) == ["WARNING_NoContractMatchingPCIDFound"]
    assert [event.rule for event in site.backend.store.log.events("suspicious")] == ["other_certificate"]


# --- the back end misbehaves ------------------------------------------------------------------------------


def changed(change: Callable[[m.SignedInstallationData], m.SignedInstallationData]) -> Spoil:
    """Another SignedInstallationData under the old signature."""

    def spoil(answer: ProvisioningAnswer) -> ProvisioningAnswer:
        codec = exi.codec("iso20-common")
        message: m.CertificateInstallationRes = codec.decode(answer.payload)
        data = change(message.signed_installation_data)
        return ProvisioningAnswer(
            codec.encode(msgspec.structs.replace(message, signed_installation_data=data))
        )

    return spoil


def flipped(data: m.SignedInstallationData) -> m.SignedInstallationData:
    key = data.secp521_encrypted_private_key or b""
    return msgspec.structs.replace(data, secp521_encrypted_private_key=key[:-1] + bytes([key[-1] ^ 1]))


def longer(data: m.SignedInstallationData) -> m.SignedInstallationData:
    chain = data.contract_certificate_chain
    subs = chain.sub_certificates.certificate
    more = m.SubCertificates(certificate=(*subs, subs[-1]))
    longest = msgspec.structs.replace(chain, sub_certificates=more)
    return msgspec.structs.replace(data, contract_certificate_chain=longest)


def signed_by_a_thief(answer: ProvisioningAnswer) -> ProvisioningAnswer:
    codec = exi.codec("iso20-common")
    message: m.CertificateInstallationRes = codec.decode(answer.payload)
    key = new_private_key(KeyType.SECP521R1, b"thief")
    signature = sign((signed_installation(message),), key, generation=Generation.ISO20)
    header = msgspec.structs.replace(message.header, signature=signature)
    return ProvisioningAnswer(codec.encode(msgspec.structs.replace(message, header=header)))


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (signed_by_a_thief, "signature"),
        (changed(flipped), "digest"),
        (changed(longer), "digest"),
        (lambda answer: ProvisioningAnswer(answer.payload[:-50]), "not_a_message"),
        (lambda _: ProvisioningAnswer(bytes(33_000)), "too_large"),
        (lambda _: ProvisioningAnswer(b"\x80\x98\x02"), "not_a_message"),
    ],
    ids=["wrong signature", "altered ciphertext", "too many authorities", "cut off", "too big", "of -2"],
)
async def test_an_answer_that_is_not_good_never_reaches_the_car(
    site: InstallingSite, spoil: Spoil, rule: str
) -> None:
    site.backend.spoil = spoil
    wallet = site.wallet()
    (result,) = await play(site, wallet)
    assert codes(result) == ["WARNING_NoCertificateAvailable"]
    assert (result.completed, wallet.contracts) == (True, [])
    assert site.rules == [rule]


async def test_a_key_for_another_vehicle_is_noticed_by_the_car_alone(site: InstallingSite) -> None:
    """The station cannot see for which key a contract key was encrypted."""
    other = make_site(site.folder / "other", seed=b"other")
    site.backend.receiver = other.pki[Kind.OEM_LEAF].certificate
    wallet = site.wallet()
    (result,) = await play(site, wallet)
    assert codes(result) == ["OK"]
    assert wallet.contracts == []
    assert any("another vehicle" in note for note in result.notes)


async def test_more_contracts_than_the_car_asked_for_are_not_taken(site: InstallingSite) -> None:
    site.backend.remaining = 9
    wallet = site.wallet()
    (result,) = await play(site, wallet)
    assert (codes(result), len(wallet.contracts), result.completed) == (["OK"], 1, True)
    assert any("the EV has room for 0" in text for text in site.notices)


async def test_without_issuers_of_the_generation_there_is_no_contract(site: InstallingSite) -> None:
    site.backend.issuers.iso20_issuer = None
    (result,) = await play(site, site.wallet())
    assert codes(result) == ["WARNING_NoContractMatchingPCIDFound"]


# --- both generations -------------------------------------------------------------------------------------


def of_both_generations(site: InstallingSite, days: float) -> tuple[Wallet, Iso20Wallet]:
    """A car whose contract has a certificate of each generation, which end in `days`."""
    end, begin = NOW + datetime.timedelta(days=days), NOW - datetime.timedelta(days=2)
    backend, wallet = site.backend, Wallet(site.older[Kind.OEM_LEAF], [site.older[Kind.V2G_ROOT].certificate])
    assert backend.issuers.issuer is not None
    assert backend.issuers.iso20_issuer is not None
    older = backend.issuers.issuer.issue(EMAIDS[0], begin, not_after=end)
    newer = backend.issuers.iso20_issuer.issue(EMAIDS[0], begin, not_after=end)
    wallet.chain, wallet.key = older.chain, older.p256_key
    for one in (older, newer):
        backend.store.add_certificate(one.leaf)
    return wallet, site.wallet(contracts=[InstalledContract(newer.chain, newer.key)])


def certificates(site: InstallingSite) -> dict[Generation, datetime.datetime]:
    """The ends of the certificates in use."""
    return {one.generation: one.not_after for one in site.backend.store.certificates()}


@pytest.mark.req("V2G20-1973")
async def test_a_contract_that_ends_soon_is_renewed_in_both_generations(site: InstallingSite) -> None:
    """The monitor makes the certificate of ISO 15118-20 in advance, and the car gets this one; its twin of
    ISO 15118-2 comes with an update."""
    older, newer = of_both_generations(site, 10)
    store, before = site.backend.store, certificates(site)
    found = RenewalMonitor(site.backend).look(NOW)
    assert [(one.prepared, one.failure) for one in found] == [(True, ""), (True, "")]
    assert [event.rule for event in store.log.events("renewed")] == ["prepared", "prepared"]
    prepared = store._database.rows("SELECT leaf FROM bundle WHERE generation = ?", Generation.ISO20.value)[
        0
    ][0]
    first, second = await play(site, newer, older)
    assert (first.completed, second.completed) == (True, True), (first.error, second.error)
    assert newer.contracts[0].chain[0].der == prepared
    assert "CertificateUpdateReq" in second.requests
    after = certificates(site)
    assert after[Generation.ISO20] == newer.contracts[0].chain[0].not_after > before[Generation.ISO20]
    assert after[Generation.ISO2] == older.chain[0].not_after > before[Generation.ISO2]
    assert RenewalMonitor(site.backend).look(NOW) == ()


async def test_a_prepared_contract_is_delivered_with_the_number_of_those_that_follow(
    site: InstallingSite,
) -> None:
    """The number is not signed, and only the request determines it."""
    site.backend.delivery.prepare(EMAID.parse(EMAIDS[0]), Generation.ISO20)
    wallet = site.wallet(most=3)
    (result,) = await play(site, wallet)
    assert codes(result) == ["OK", "OK", "OK"]
    assert [str(one.emaid) for one in wallet.contracts] == list(EMAIDS)


def test_what_prevents_a_renewal_is_reported_in_advance(site: InstallingSite) -> None:
    of_both_generations(site, 10)
    site.backend.issuers.iso20_service = None
    failures = {one.failure for one in RenewalMonitor(site.backend).look(NOW)}
    assert failures == {"", "no issuer of iso15118-20 is configured"}


def test_a_car_with_a_new_provisioning_certificate_gets_no_bundle_for_the_old_one(
    site: InstallingSite,
) -> None:
    site.backend.delivery.prepare(EMAID.parse(EMAIDS[0]), Generation.ISO20)
    other = make_site(site.folder / "other", seed=b"other").pki[Kind.OEM_LEAF].certificate
    site.backend.store.know_car(other)
    assert not site.backend.store.bundles.waits(EMAID.parse(EMAIDS[0]), Generation.ISO20)


async def test_the_record_of_a_delivery_is_kept(site: InstallingSite) -> None:
    await play(site, site.wallet())
    kinds = [(event.kind, event.rule) for event in site.backend.store.log.events()]
    assert ("installed", "") in kinds
    assert ("delivered", "install") in kinds
    assert len(site.outputs(ContractDelivered)) == 1


async def test_a_trace_of_an_installation_is_replayed_with_the_same_outputs(site: InstallingSite) -> None:
    """The proof of the thread is not in the trace: the replay verifies the answer again."""
    lines: list[str] = []
    await play(site, site.wallet(most=2), trace=lines)
    path = site.folder / "session.trace"
    path.write_text("".join(lines), "utf-8")
    assert "VerifiedInstallation" not in "".join(line for line in lines if '"ContractProvisioned"' in line)
    assert replay(read(path)) is None
