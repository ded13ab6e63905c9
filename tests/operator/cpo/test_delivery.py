"""Cars' questions: a request as EXI over HTTP, a signed bundle back that the car can open, or a refusal."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509 import ReasonFlags

from secc import exi
from secc.messages import iso2
from secc.operator.cpo.delivery import ContractAnswer
from secc.operator.cpo.service import OperatorService
from secc.operator.opcp.port import EcosystemError, NotFoundThere, PoolRoot, PoolVehicle
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.delivery import DeliveredKey, decrypt_key
from secc.pki.identifiers import PCID
from secc.pki.issuing import Identity
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action, Refusal, verify_bundle
from secc.site.store import Status
from tests.operator.cpo.support import (
    EMAID,
    Clock,
    another_car,
    ask,
    client_of,
    installation,
    make_service,
    settings,
    with_car,
)
from tests.support.contracts import DAY, NOW, contract_leaf, encoded, hierarchy, identity, trusted, wallet
from tests.support.pnc import bundle as bundle_of


def body_of(payload: bytes, action: Action = Action.INSTALL) -> Any:
    return verify_bundle(payload, action, trusted(), NOW).message.body


def leaf_of(payload: bytes) -> Certificate:
    message: Any = exi.ISO2.decode(payload)
    return read_certificate(message.body.contract_signature_cert_chain.certificate)


def update(contract: Identity | None = None) -> bytes:
    """CertificateUpdateReq of the usual contract, or of another one."""
    owner = wallet(contract)
    body = owner.update()
    return encoded(body, owner.sign(body))


def installed(service: OperatorService) -> ContractAnswer:
    return service.delivery.answer(installation(), Action.INSTALL)


def updated(service: OperatorService, request: bytes | None = None) -> ContractAnswer:
    return service.delivery.answer(request or update(), Action.UPDATE)


# --- good ways ---


def test_a_known_car_gets_a_bundle_that_only_it_can_open(tmp_path: Path, changes: dict[str, Any]) -> None:
    with client_of(with_car(make_service(tmp_path, **changes))) as client:
        answer = ask(client, installation())
    assert (answer["status"], answer["code"]) == ("Accepted", "OK")
    body = body_of(base64.b64decode(answer["response"]))
    assert body.emaid.value == EMAID
    leaf = read_certificate(body.contract_signature_cert_chain.certificate)
    delivered = DeliveredKey(body.contract_signature_encrypted_private_key.value, body.dh_public_key.value)
    assert decrypt_key(delivered, identity(Kind.OEM_LEAF).key, leaf.public_key)


def test_the_same_question_gets_the_same_answer(tmp_path: Path, changes: dict[str, Any]) -> None:
    service = with_car(make_service(tmp_path, **changes))
    first = installed(service)
    second = installed(service)
    assert (first.source, second.source) == ("made", "stored")
    assert first.payload == second.payload
    service.close()


def test_a_restarted_service_gives_the_same_answer(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    first = installed(service)
    service.close()
    again = make_service(tmp_path)
    assert installed(again).payload == first.payload
    again.close()


def test_many_equal_questions_at_once_make_one_certificate(tmp_path: Path, changes: dict[str, Any]) -> None:
    service = with_car(make_service(tmp_path, **changes))
    begin = threading.Barrier(8)

    def question(_: int) -> bytes:
        begin.wait()
        return installed(service).payload

    with ThreadPoolExecutor(8) as threads:
        payloads = set(threads.map(question, range(8)))
    assert len(payloads) == 1
    assert len(service.register.of_owner("DEABC000000001")) == 1
    service.close()


def test_a_contract_that_is_due_gets_a_new_certificate_at_the_next_question(tmp_path: Path) -> None:
    clock = Clock()
    service = with_car(make_service(tmp_path, clock))
    first = leaf_of(installed(service).payload)
    clock.now += 340 * DAY
    second = installed(service)
    assert second.source == "made"
    assert leaf_of(second.payload).not_after == first.not_after + 340 * DAY
    old, new = sorted(service.register.of_owner("DEABC000000001"), key=lambda one: one.not_after)
    assert (old.replaced, new.replaced) == (True, False)
    service.close()


def test_an_update_is_encrypted_for_the_old_contract(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    answer = updated(service)
    body = body_of(answer.payload, Action.UPDATE)
    leaf = read_certificate(body.contract_signature_cert_chain.certificate)
    delivered = DeliveredKey(body.contract_signature_encrypted_private_key.value, body.dh_public_key.value)
    assert decrypt_key(delivered, identity(Kind.CONTRACT_LEAF).key, leaf.public_key)
    assert updated(service).payload == answer.payload
    service.close()


def test_an_installation_after_an_update_is_another_certificate(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    first = leaf_of(updated(service).payload)
    assert leaf_of(installed(service).payload) != first
    service.close()


# --- refusals ---


def refused(answer: ContractAnswer) -> tuple[Refusal | None, str, str]:
    assert answer.payload == b""
    return answer.refusal, answer.code, answer.rule


def test_an_unknown_car_is_refused(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    assert refused(installed(service)) == (
        Refusal.UNKNOWN,
        "FAILED_NoCertificateAvailable",
        "unknown_car",
    )
    service.close()


def test_a_second_certificate_for_a_known_car_is_refused(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    other = another_car("ZZZTESTCAR0000001", seed=b"another key")
    answer = service.delivery.answer(installation(other), Action.INSTALL)
    assert refused(answer)[2] == "other_certificate"
    service.close()


@pytest.mark.parametrize("status", [Status.BLOCKED, Status.CANCELED])
def test_a_contract_that_is_not_active_is_refused(tmp_path: Path, status: Status) -> None:
    service = with_car(make_service(tmp_path))
    installed(service)
    service.contracts.put(EMAID, status)
    assert refused(installed(service)) == (Refusal.CANCELED, "FAILED_ContractCanceled", status.value)
    assert refused(updated(service)) == (Refusal.CANCELED, "FAILED_ContractCanceled", status.value)
    service.close()


def test_a_request_that_the_car_did_not_sign_is_refused(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    owner = wallet()
    body = owner.installation()
    unsigned = service.delivery.answer(encoded(body, None), Action.INSTALL)
    assert unsigned.code == "FAILED_SignatureError"
    other = service.delivery.answer(encoded(body, owner.sign(body, owner.contract.key)), Action.INSTALL)
    assert other.code == "FAILED_SignatureError"
    service.close()


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (b"", "not_a_message"),
        (b"\x80\x98garbage", "not_a_message"),
        (bytes(20000), "too_large"),
        (bundle_of(), "another_message"),
    ],
    ids=["empty", "garbage", "large", "another message"],
)
def test_what_is_no_request_is_refused(tmp_path: Path, request_: bytes, rule: str) -> None:
    service = make_service(tmp_path)
    assert refused(service.delivery.answer(request_, Action.INSTALL))[2] == rule
    service.close()


def test_an_update_for_an_unknown_contract_is_refused(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    assert refused(updated(service))[2] == "unknown_contract"
    service.close()


def test_a_revoked_contract_certificate_is_neither_updated_nor_delivered_again(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    first = installed(service)
    made = leaf_of(first.payload)
    service.revocations.revoke(made.serial, ReasonFlags.key_compromise)
    again = installed(service)
    assert again.source == "made"
    assert leaf_of(again.payload).serial != made.serial
    service.close()


def test_an_update_with_a_revoked_certificate_is_refused(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    shown = contract_leaf(serial=4711)
    made = service.delivery.make(_contract(service), Action.INSTALL, identity(Kind.OEM_LEAF).certificate, NOW)
    service.contracts.store([_with_leaf(made, shown.certificate)], NOW)
    service.revocations.revoke(4711, ReasonFlags.key_compromise)
    assert refused(updated(service, update(shown))) == (
        Refusal.REVOKED,
        "FAILED_CertificateRevoked",
        "revoked",
    )
    service.close()


def _contract(service: OperatorService) -> Any:
    contract, _ = service.contracts.of_car(PCID.parse("ZZZTESTCAR0000001"))
    return contract


def _with_leaf(made: Any, leaf: Certificate) -> Any:
    import dataclasses

    return dataclasses.replace(made, leaf=leaf)


def test_without_keys_nothing_is_made(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path, mo=None, cps=None))
    assert refused(installed(service))[2] == "no_issuer"
    service.close()


def test_a_cps_whose_certificate_has_ended_makes_nothing(tmp_path: Path) -> None:
    clock = Clock()
    service = with_car(make_service(tmp_path, clock))
    clock.now = hierarchy()[Kind.CPS_LEAF].certificate.not_after + DAY
    made = _contract(service)
    with pytest.raises(Exception, match="CPS has expired"):
        service.delivery.make(made, Action.INSTALL, identity(Kind.OEM_LEAF).certificate, clock.now)
    service.close()


def test_a_clock_that_is_not_set_makes_nothing(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    service.clock.now = NOW.replace(year=1970)  # type: ignore[attr-defined]
    assert refused(installed(service))[2] == "clock"
    service.close()


def test_a_clock_that_is_a_little_off_still_serves_certificates_that_begin_now(tmp_path: Path) -> None:
    clock = Clock()
    service = with_car(make_service(tmp_path, clock))
    car = another_car()  # starts a day before NOW
    service.contracts.put("DEABC000000002")
    service.contracts.put_car(car.certificate, "DEABC000000002")
    clock.now = car.certificate.not_before - DAY / 1440 / 2
    assert service.delivery.answer(installation(car), Action.INSTALL).refusal is None
    clock.now = car.certificate.not_before - DAY / 24
    assert service.delivery.answer(installation(car), Action.INSTALL).code == "FAILED_CertificateExpired"
    service.close()


def test_what_exactly_was_unknown_is_reported_to_the_operator_and_not_to_who_asks(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    with client_of(service) as client:
        stranger = ask(client, installation(another_car()))
        double = ask(client, installation(another_car("ZZZTESTCAR0000001", seed=b"another key")))
        assert stranger == double
        rules = {one.rule for one in service.journal.refusals()}
    assert rules == {"unknown_car", "other_certificate"}


# --- the ecosystem behind ---


class Pool:
    """An ecosystem with a configured answer."""

    def __init__(self, answer: bytes | Exception, delay: float = 0.0) -> None:
        self.answer, self.delay, self.asked = answer, delay, 0

    def signed_contract_data(self, request: bytes) -> bytes:
        self.asked += 1
        time.sleep(self.delay)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def signed_contracts(self, request: bytes) -> tuple[bytes, ...]:
        return (self.signed_contract_data(request),)

    def roots(self) -> tuple[PoolRoot, ...]:
        return (PoolRoot(Kind.V2G_ROOT, hierarchy(b"another ecosystem")[Kind.V2G_ROOT].certificate),)

    def vehicle(self, pcid: PCID) -> PoolVehicle:
        raise NotFoundThere("none")

    def generate(self, *_: object) -> None:
        self.asked += 1


def test_a_car_of_the_ecosystem_gets_its_bundle_verified_and_kept(tmp_path: Path) -> None:
    pool = Pool(bundle_of())
    service = make_service(tmp_path, ecosystem=pool)
    assert [installed(service).source for _ in range(2)] == ["ecosystem", "stored"]
    assert pool.asked == 1
    service.close()


@pytest.mark.parametrize(
    ("answer", "refusal", "rule"),
    [
        (NotFoundThere("no"), Refusal.UNKNOWN, "unknown_car"),
        (EcosystemError("down"), Refusal.UNREACHABLE, "ecosystem"),
        (b"\x80\x98 nothing", Refusal.FAULTY, "not_a_message"),
        (bundle_of(Action.UPDATE), Refusal.FAULTY, "another_message"),
    ],
    ids=["unknown", "down", "garbage", "another message"],
)
def test_what_the_ecosystem_cannot_give_is_refused_with_its_reason(
    tmp_path: Path, answer: bytes | Exception, refusal: Refusal, rule: str
) -> None:
    service = make_service(tmp_path, ecosystem=Pool(answer))
    assert refused(installed(service)) == (refusal, "FAILED_NoCertificateAvailable", rule)
    service.close()


def test_an_answer_that_comes_too_late_is_there_at_the_next_try(tmp_path: Path) -> None:
    pool = Pool(bundle_of(), delay=0.4)
    service = make_service(tmp_path, ecosystem=pool, answer_within=0.05)
    assert refused(installed(service))[2] == "ecosystem_late"
    for _ in range(100):
        again = installed(service)
        if again.refusal is None:
            break
        time.sleep(0.05)
    assert again.source == "stored"
    service.close()


def test_the_root_pool_of_the_ecosystem_is_taken_over_once(tmp_path: Path) -> None:
    service = make_service(tmp_path, ecosystem=Pool(b""))
    assert [service.jobs.fetch_roots() for _ in range(2)] == [1, 0]
    assert "ecosystem" in {source for _, _, source in service.anchors.everything()}
    service.close()


def test_contracts_are_renewed_by_the_ecosystem_where_that_is_configured(tmp_path: Path) -> None:
    from secc.operator.opcp.settings import OpcpSettings

    opcp = OpcpSettings(
        url="http://pool.test", client_id="us", client_secret_file=tmp_path / "s", renews=True
    )
    pool, clock = Pool(b""), Clock()
    service = with_car(make_service(tmp_path, clock, pool, opcp=opcp))
    service.contracts.discard("DEABC000000001", NOW)
    (bucket,) = service.jobs.due_buckets()
    assert service.jobs.renew(bucket).renewed == 1
    assert pool.asked == 1
    assert service.jobs.due_buckets() == ()
    service.close()


def test_settings_without_a_database_file_begin_with_one(tmp_path: Path) -> None:
    service = OperatorService(settings(tmp_path), clock=Clock())
    assert service.database.ready()
    assert isinstance(body_of(installed(with_car(service)).payload), iso2.CertificateInstallationRes)
    service.close()
