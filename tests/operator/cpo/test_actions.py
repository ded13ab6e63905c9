"""Changes on the pages: confirmation, reason, effect, and the person in the audit log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from secc.operator.cpo.service import OperatorService
from secc.pki.chains import KINDS
from secc.pki.trust import Role
from secc.site.store import Status
from tests.operator.cpo.support import EMAID, PCID, client_of, make_service, with_car
from tests.operator.cpo.test_pages import furnished
from tests.support.contracts import hierarchy


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OperatorService, TestClient]]:
    """One service for all tests: each uses another certificate or contract, or sets its state first."""
    service = furnished(tmp_path_factory.mktemp("actions"))
    with client_of(service) as client:
        yield service, client


@pytest.fixture
def service(running: tuple[OperatorService, TestClient]) -> OperatorService:
    running[0].contracts.put(EMAID)
    return running[0]


@pytest.fixture
def client(running: tuple[OperatorService, TestClient]) -> TestClient:
    return running[1]


def submit(client: TestClient, path: str, **fields: str) -> Any:
    found = re.search(r'name="secret" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return client.post(path, data={"secret": found[1], **fields})


def last_note(service: OperatorService) -> tuple[str, str, str, str]:
    note = service.journal.notes(limit=1)[0]
    return note.who, note.what, note.subject, note.detail


@pytest.mark.parametrize(
    ("before", "action", "after", "what", "detail"),
    [
        (Status.ACTIVE, "block", Status.BLOCKED, "contract", "blocked: stolen car"),
        (Status.BLOCKED, "activate", Status.ACTIVE, "contract", "active: stolen car"),
        (Status.BLOCKED, "cancel", Status.CANCELED, "contract", "canceled: stolen car"),
        (Status.ACTIVE, "renew", Status.ACTIVE, "renewal", "stolen car"),
        (Status.ACTIVE, "prepare", Status.ACTIVE, "prepared", "stolen car"),
    ],
)
def test_a_change_is_confirmed_made_shown_and_noted_with_its_reason(
    client: TestClient,
    service: OperatorService,
    before: Status,
    action: str,
    after: Status,
    what: str,
    detail: str,
) -> None:
    service.contracts.put(EMAID, before)
    asked = client.get(f"/contracts/{EMAID}")
    assert f'href="/contracts/{EMAID}/{action}"' in asked.text
    answer = submit(client, f"/contracts/{EMAID}/{action}", reason="stolen car")
    assert (answer.status_code, answer.url.path) == (200, f"/contracts/{EMAID}")
    assert f"done for {EMAID}" in answer.text
    assert "done for" not in client.get(f"/contracts/{EMAID}").text
    (contract,) = service.contracts.page(search=EMAID)
    assert contract.status is after
    assert last_note(service) == ("anonymous", what, EMAID, detail)


def test_what_makes_no_sense_is_not_offered(client: TestClient, service: OperatorService) -> None:
    service.contracts.put(EMAID, Status.CANCELED)
    text = client.get(f"/contracts/{EMAID}").text
    assert [one for one in ("block", "cancel", "renew", "activate") if f"{EMAID}/{one}" in text] == [
        "activate"
    ]


@pytest.mark.parametrize("reason", ["", "  ", "ab", "x" * 201, "two\nlines"])
def test_without_a_reason_nothing_is_changed(
    client: TestClient, service: OperatorService, reason: str
) -> None:
    answer = submit(client, f"/contracts/{EMAID}/block", reason=reason)
    assert answer.status_code == 422
    assert "expected 3 to 200" in answer.text
    assert service.contracts.page(search=EMAID)[0].status is Status.ACTIVE


def test_a_renewed_contract_gets_a_new_bundle_at_the_next_job(
    client: TestClient, service: OperatorService
) -> None:
    submit(client, f"/contracts/{EMAID}/renew", reason="new key")
    (bucket,) = service.jobs.due_buckets()
    assert service.jobs.renew(bucket).renewed == 1


def test_a_bundle_is_prepared_before_the_car_asks(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    with client_of(service) as client:
        submit(client, f"/contracts/{EMAID}/prepare", reason="delivery tomorrow")
        assert service.contracts.page()[0].generation == 1
        service.contracts.put("DEABC000000002D")
        refused = submit(client, "/contracts/DEABC000000002D/prepare", reason="delivery tomorrow")
    assert refused.status_code == 422
    assert "no car is known" in refused.text


def test_a_contract_is_created_once_in_its_normal_form(client: TestClient, service: OperatorService) -> None:
    created = submit(client, "/new-contract", emaid="de-abc-000000003-f", reason="customer 3")
    assert created.url.path == "/contracts/DEABC000000003F"
    assert last_note(service) == ("anonymous", "contract", "DEABC000000003F", "active: customer 3")
    again = submit(client, "/new-contract", emaid="DEABC000000003", reason="customer 3")
    assert again.status_code == 422
    assert "already" in again.text
    assert submit(client, "/new-contract", emaid="DE", reason="customer 4").status_code == 422


def test_a_wrong_check_digit_needs_a_second_confirmation(
    client: TestClient, service: OperatorService
) -> None:
    first = submit(client, "/new-contract", emaid="DEABC000000004Q", reason="customer 4")
    assert first.status_code == 422
    assert "check digit Q, expected" in first.text
    assert service.contracts.page(search="DEABC000000004") == ()
    second = submit(client, "/new-contract", emaid="DEABC000000004Q", reason="customer 4", anyway="yes")
    assert "check digit Q, expected" in second.text
    assert service.contracts.page(search="DEABC000000004")[0].emaid == "DEABC000000004Q"


def test_a_contract_goes_to_the_car_whose_chain_is_verified(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    service.contracts.put(EMAID)
    chain = "".join(hierarchy()[kind].certificate.pem.decode() for kind in KINDS[Role.OEM])
    other = hierarchy(b"others")
    foreign = "".join(other[kind].certificate.pem.decode() for kind in KINDS[Role.OEM])
    with client_of(service) as client:
        for text in (foreign, "no certificate"):
            refused = submit(client, f"/contracts/{EMAID}/car", chain=text, reason="new car")
            assert refused.status_code == 422
        assert submit(client, f"/contracts/{EMAID}/car", chain=chain, reason="new car").status_code == 200
        assert service.contracts.page()[0].pcid == PCID
        assert last_note(service)[3] == f"PCID {PCID}: new car"


def test_a_certificate_is_revoked_with_a_public_and_an_internal_reason(
    client: TestClient, service: OperatorService
) -> None:
    (one,) = service.register.of_owner("DEPOT-1")
    path = f"/certificates/{one.serial:x}/revoke"
    assert submit(client, path, public="king", reason="lost key").status_code == 422
    answer = submit(client, path, public="key_compromise", reason="lost key")
    assert answer.url.path == "/stations/DEPOT-1"
    assert "revoked" in answer.text
    detail = f"serial {one.serial:x}, key_compromise: lost key"
    assert last_note(service) == ("anonymous", "revoked", "DEPOT-1", detail)
    assert client.get("/certificates/abc/revoke").status_code == 404


def test_the_revocation_of_a_contract_certificate_is_noted_about_the_contract(
    client: TestClient, service: OperatorService
) -> None:
    one = service.register.of_owner(EMAID[:14])[0]
    answer = submit(client, f"/certificates/{one.serial:x}/revoke", public="superseded", reason="lost car")
    assert answer.url.path == f"/contracts/{EMAID[:14]}"
    assert last_note(service)[2] == EMAID
    client.post(f"/v1/certificates/{one.serial:x}/revocation", json={})
    assert last_note(service)[:3] == ("anonymous", "revoked", EMAID)
