"""The client of the ecosystem, and the simulated ecosystem: success, roles, faults."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import hmac
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

import secc.cli
from secc.errors import CertificateError, ChainError, ConfigError
from secc.operator.opcp import wire
from secc.operator.opcp.client import OpcpClient, read_enrolled
from secc.operator.opcp.faults import EcosystemFault, EcosystemFaults
from secc.operator.opcp.port import EcosystemError, Forbidden, NotFoundThere
from secc.operator.opcp.responder import OcspBehavior
from secc.operator.opcp.server import EcosystemServer
from secc.operator.opcp.settings import OpcpSettings
from secc.operator.opcp.simulated import SimulatedEcosystem
from secc.pki.certificates import read_certificate
from secc.pki.chains import VerifiedChain, verify_chain
from secc.pki.identifiers import EMAID, PCID
from secc.pki.issuing import Identity, make_request, new_key
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action, verify_bundle
from secc.pki.revocation import (
    RevocationMode,
    RevocationPolicy,
    RevocationStatus,
    check_revocation,
    questions,
)
from secc.pki.trust import Role
from tests.operator.opcp.support import ALL, CAR, Clock, E, ecosystem
from tests.support.contracts import DAY, NOW, encoded, hierarchy, trusted, wallet
from tests.support.contracts import chain as chain_of


def installation(car: Identity) -> bytes:
    owner = wallet(oem=car)
    body = owner.installation()
    return encoded(body, owner.sign(body))


def test_the_root_pool_is_read(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    assert {(one.kind, one.certificate) for one in pool.client.roots()} == {
        (kind, pki[kind].certificate)
        for pki in (hierarchy(), pool.ecosystem.iso20.pki)
        for kind in (Kind.V2G_ROOT, Kind.MO_ROOT, Kind.OEM_ROOT)
    }


def test_a_car_in_the_pool_is_found_with_the_chain_above_it(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    car = pool.car()
    found = pool.client.vehicle(CAR)
    assert (found.leaf, *found.above) == pool.ecosystem.car_chain(car)


def test_a_contract_is_made_put_into_the_pool_and_delivered(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    car = pool.car()
    pool.contract()
    payload = pool.client.signed_contract_data(installation(car))
    assert verify_bundle(payload, Action.INSTALL, trusted(), NOW).emaid.matches(E)


def test_renewal_is_another_bundle_for_the_same_car_and_contract(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    car = pool.car()
    pool.contract()
    first = pool.client.signed_contract_data(installation(car))
    pool.contract()
    second = pool.client.signed_contract_data(installation(car))
    assert first != second
    assert [kind for kind, _ in pool.ecosystem.events] == [
        "oem.prov.cert.added",
        "oem.contract.added",
        "oem.contract.updated",
    ]


def test_a_contract_of_another_car_is_refused(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    pool.car()
    pool.contract()
    other = PCID.parse("ZZZTESTCAR0000008")
    pool.car(other)
    with pytest.raises(EcosystemError, match="EMAID already used by another PCID"):
        pool.contract(E, other)


def test_a_deleted_default_leaves_the_car_without_a_contract(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    car = pool.car()
    pool.contract()
    pool.client.delete_contract(E)
    with pytest.raises(NotFoundThere):
        pool.client.signed_contract_data(installation(car))


def test_of_several_contracts_the_first_is_delivered_and_a_new_default_changes_that(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    car = pool.car()
    second = EMAID.parse("DEABC000000008")
    pool.contract()
    pool.contract(second)
    first = pool.client.signed_contract_data(installation(car))
    assert verify_bundle(first, Action.INSTALL, trusted(), NOW).emaid.matches(E)
    pool.ecosystem.make_default(ALL, CAR.text, second)
    now = pool.client.signed_contract_data(installation(car))
    assert verify_bundle(now, Action.INSTALL, trusted(), NOW).emaid.matches(second)


def test_a_certificate_for_a_station_is_enrolled(tmp_path: Path) -> None:
    pool, key = ecosystem(tmp_path), new_key()
    request = make_request(key, Kind.SECC_LEAF, common_name="DEABCS1", organization="Us", country="DE")
    leaf, *above = (read_certificate(der) for der in pool.client.enroll(request))
    assert leaf.public_key == key.public_key()
    assert above == [hierarchy()[kind].certificate for kind in (Kind.CPO_SUB_CA_2, Kind.CPO_SUB_CA_1)]


@pytest.mark.parametrize("answer", [b"???", b"AAAA"])
def test_an_enrolment_answer_without_a_chain_is_refused(answer: bytes) -> None:
    with pytest.raises(CertificateError):
        read_enrolled(answer)


# --- who may do what ---


def test_a_wrong_secret_gets_no_token(tmp_path: Path) -> None:
    with pytest.raises(Forbidden):
        ecosystem(tmp_path, secret="another").client.roots()


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"roles": frozenset({"cpo"})}, "car"),
        ({"manufacturers": frozenset({"YYY"})}, "car"),
        ({"roles": frozenset({"oem", "cpo"})}, "contract"),
        ({"providers": frozenset({"DEXYZ"})}, "contract"),
    ],
)
def test_each_role_sees_its_slice_only(tmp_path: Path, changes: dict[str, frozenset[str]], step: str) -> None:
    pool = ecosystem(tmp_path, dataclasses.replace(ALL, **changes))  # type: ignore[arg-type]
    if step == "contract":
        pool.car()
    with pytest.raises(Forbidden):
        pool.car() if step == "car" else pool.contract()


def test_a_car_whose_chain_is_not_good_does_not_get_into_the_pool(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    car = pool.ecosystem.make_car(CAR.text)
    with pytest.raises(EcosystemError, match="chain"):
        pool.client.add_vehicle((car.certificate,))


def test_a_token_is_used_until_it_ends_and_then_renewed(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    for _ in range(3):
        pool.client.roots()
    assert len(pool.ecosystem.tokens) == 1
    pool.clock.now += 2 * DAY
    pool.client.roots()
    assert len(pool.ecosystem.tokens) == 2


def test_a_token_that_ends_early_is_renewed_once(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    pool.spoil(EcosystemFault.UNAUTHORIZED, path="rootCerts", calls=1)
    assert len(pool.client.roots()) == 6
    pool.spoil(EcosystemFault.UNAUTHORIZED, path="rootCerts")
    with pytest.raises(Forbidden):
        pool.client.roots()


# --- faults ---


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (EcosystemFault.NOT_FOUND, NotFoundThere),
        (EcosystemFault.NOT_FOUND_EXI, NotFoundThere),
        (EcosystemFault.TOO_MANY, EcosystemError),
        (EcosystemFault.BROKEN, EcosystemError),
        (EcosystemFault.GARBAGE, EcosystemError),
        (EcosystemFault.OVERSIZE, EcosystemError),
    ],
)
def test_what_the_ecosystem_does_wrong_is_reported_by_kind(
    tmp_path: Path, fault: EcosystemFault, error: type[EcosystemError]
) -> None:
    pool = ecosystem(tmp_path)
    car = pool.car()
    pool.contract()
    pool.spoil(fault, path="signedContractData")
    with pytest.raises(EcosystemError) as raised:
        pool.client.signed_contract_data(installation(car))
    assert raised.type is error


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (EcosystemFault.TRUNCATED, "not_a_message"),
        (EcosystemFault.EXPIRED_CPS, "leaf_expired"),
    ],
)
def test_a_faulty_bundle_is_recognised(tmp_path: Path, fault: EcosystemFault, rule: str) -> None:
    pool = ecosystem(tmp_path)
    car = pool.car()
    pool.contract()
    pool.spoil(fault, path="signedContractData")
    payload = pool.client.signed_contract_data(installation(car))
    with pytest.raises(CertificateError) as raised:
        verify_bundle(payload, Action.INSTALL, trusted(), NOW)
    assert raised.value.rule == rule


def test_another_cars_bundle_is_for_another_contract(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    car = pool.car()
    pool.contract()
    pool.spoil(EcosystemFault.OTHER_CAR, path="signedContractData")
    payload = pool.client.signed_contract_data(installation(car))
    assert not verify_bundle(payload, Action.INSTALL, trusted(), NOW).emaid.matches(E)


def test_the_widespread_digest_of_the_emaid_is_tolerated_and_reported(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    car = pool.car()
    pool.contract()
    pool.spoil(EcosystemFault.PLAIN_EMAID, path="signedContractData")
    payload = pool.client.signed_contract_data(installation(car))
    assert verify_bundle(payload, Action.INSTALL, trusted(), NOW).proof.tolerated


def test_what_does_not_answer_is_an_error_in_time(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    settings = OpcpSettings(
        url="http://127.0.0.1:9", client_id="us", client_secret_file=tmp_path / "secret", timeout=1.0
    )
    with pytest.raises(EcosystemError, match="not reachable"):
        OpcpClient(settings).roots()


def test_a_secret_that_cannot_be_read_is_a_setting_to_change(tmp_path: Path) -> None:
    settings = OpcpSettings(url="http://pool.test", client_id="us", client_secret_file=tmp_path / "none")
    with pytest.raises(ConfigError):
        OpcpClient(settings)


# --- the tolerant reader ---


def test_both_spellings_and_envelopes_are_read() -> None:
    nothing = ()
    assert wire.read_roots(b'{"rootCertificateCollection": {"rootCertificates": []}}') == nothing
    assert wire.read_roots(b'{"RootCertificateCollection": {"RootCertificates": []}, "new": 1}') == nothing
    assert wire.read_roots(b'{"rootCertificates": []}') == nothing
    message = b'{"messageDef": {"certificateInstallationRes": "gJg=", "emaid": null, "x": 1}}'
    with pytest.raises(EcosystemError):
        wire.read_contract_data(b'{"ccpResponse": {"emaidContent": [' + message + b"]}}")
    message = message.replace(b'"emaid": null, ', b"")
    assert wire.read_contract_data(b'{"CCPResponse": {"emaidContent": [' + message + b"]}}") == (b"\x80\x98",)
    assert wire.read_contract_data(b'{"emaidContent": [' + message + b"]}") == (b"\x80\x98",)


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"ccpResponse": {"emaidContent": []}}', b"[" * 5000])
def test_answers_without_content_are_errors(answer: bytes) -> None:
    with pytest.raises(EcosystemError):
        wire.read_contract_data(answer)


def test_a_root_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    answer = b'{"rootCertificates": [{"rootType": "MO", "caCertificate": "AAAA"}]}'
    assert wire.read_roots(answer) == ()


# --- webhooks and control ---


async def test_webhooks_are_signed_and_tried_again() -> None:
    received: list[tuple[bytes, str]] = []

    twice = asyncio.Event()
    ecosystem = SimulatedEcosystem(clock=Clock(), parties=[ALL], pki=hierarchy())
    server = EcosystemServer(ecosystem, webhook_pause=0.01)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        body = await reader.readexactly(length)
        received.append((body, head.split("x-hubject-signature: ")[1].split("\r\n")[0]))
        status = b"500 No" if len(received) == 1 else b"204 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        if len(received) == 2:
            twice.set()

    receiver = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with receiver:
        port = receiver.sockets[0].getsockname()[1]
        server.hooks[f"http://127.0.0.1:{port}/"] = "key"
        ecosystem.events.append(("root.cert.added", {"id": "1"}))
        transport = httpx2.ASGITransport(server.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://pool.test") as client:
            await client.get("/v1/root/rootCerts")
            await twice.wait()
    (first, signature), again = received
    assert again == (first, signature)
    assert signature == "sha256=" + hmac.new(b"key", first, hashlib.sha256).hexdigest()


def test_the_simulated_ecosystem_is_controlled_over_http(tmp_path: Path) -> None:
    pool = ecosystem(tmp_path)
    http = pool.client._http
    assert http.post("/_control/fault", json={"fault": "broken", "calls": 1}).status_code == 204
    assert pool.ecosystem.faults == EcosystemFaults(EcosystemFault.BROKEN, calls=1)
    assert http.post("/_control/fault", json={"fault": "unheard of"}).status_code == 400
    http.post("/_control/fault", json={"fault": "none"})
    http.post("/_control/time", json={"days": 400})
    assert pool.ecosystem.now == NOW + 400 * DAY
    made = http.post(f"/_control/cars/{CAR.text}").json()
    assert len(made["chain"]) == 3
    with pytest.raises(EcosystemError):
        pool.client.vehicle(CAR)
    assert http.get("/_control/calls").json()[-1].endswith(f"GET /v1/oem/provCerts/lookupVehicle/{CAR} 404")


@pytest.mark.parametrize(
    ("behavior", "status"),
    [
        (OcspBehavior.GOOD, RevocationStatus.GOOD),
        (OcspBehavior.REVOKED, RevocationStatus.REVOKED),
        (OcspBehavior.UNKNOWN, RevocationStatus.UNKNOWN),
        (OcspBehavior.STALE, RevocationStatus.UNKNOWN),
        (OcspBehavior.WRONG_SIGNER, RevocationStatus.UNKNOWN),
        (OcspBehavior.TRY_LATER, RevocationStatus.UNKNOWN),
    ],
)
def test_the_responder_of_the_simulated_ecosystem_answers_as_it_is_configured(
    tmp_path: Path, behavior: OcspBehavior, status: RevocationStatus
) -> None:
    pool = ecosystem(tmp_path)
    http = pool.client._http
    assert http.post("/_control/ocsp", json={"behavior": behavior.value}).status_code == 204
    chain = verify_chain(chain_of(Role.CPS), Role.CPS, trusted(), NOW)
    responses = [http.post("/ocsp", content=one.ocsp_request()).content for one in questions(chain)]
    policy = RevocationPolicy(mode=RevocationMode.PREFER)
    assert _status(chain, responses, policy) is status


def _status(chain: VerifiedChain, responses: list[bytes], policy: RevocationPolicy) -> RevocationStatus:
    try:
        return check_revocation(chain, NOW, ocsp_responses=responses, policy=policy).status
    except ChainError:
        return RevocationStatus.REVOKED


def test_the_simulated_ecosystem_runs_as_a_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "secc", "opcp-sim", "--folder", str(tmp_path / "pool"), "--port", "0"]
    with subprocess.Popen([*command, "--days", "30"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = "http://" + process.stdout.readline().split()[-1]
        with httpx2.Client(base_url=url) as client:
            for _ in range(200):
                try:
                    made = client.post(f"/_control/cars/{CAR.text}")
                    break
                except httpx2.ConnectError:
                    time.sleep(0.05)
        process.terminate()
        assert process.wait(20) == 0
    assert len(made.json()["chain"]) == 3
    assert (tmp_path / "pool" / "v2g_root.pem").exists()
    assert secc.cli.main([*command[3:], "--fault", "unheard-of"]) == 2
