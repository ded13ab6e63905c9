"""The HTTP side: who may do what, administration, reports, the audit log, metrics, limits."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from secc.operator.cpo.access import new_token
from secc.operator.cpo.database import audit
from secc.operator.cpo.seals import Checkpoint
from secc.operator.cpo.settings import Access, Token
from secc.pki.chains import KINDS
from secc.pki.profiles import Kind
from secc.pki.trust import Role
from tests.operator.cpo.support import (
    EMAID,
    PCID,
    Clock,
    another_car,
    ask,
    client_of,
    installation,
    make_service,
    with_car,
)
from tests.support.contracts import NOW, hierarchy, identity


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def car_form(emaid: str = EMAID) -> dict[str, Any]:
    return {"emaid": emaid, "chain": [b64(identity(kind).certificate.der) for kind in KINDS[Role.OEM]]}


def test_a_contract_and_its_car_are_put_and_looked_up(tmp_path: Path, changes: dict[str, Any]) -> None:
    with client_of(make_service(tmp_path, **changes)) as client:
        for _ in range(2):
            assert client.put(f"/v1/contracts/{EMAID}", json={}).json()["status"] == "active"
            assert client.post("/v1/cars", json=car_form()).json()["pcid"] == PCID
        assert ask(client, installation())["status"] == "Accepted"
        found = client.get("/v1/contracts/de-abc-000000001").json()
        assert (found["emaid"], found["generation"]) == (EMAID, 1)
        assert client.get("/v1/contracts").json() == [found]
        assert client.get("/v1/contracts", params={"ending_within_days": 30}).json() == []
        assert client.get("/v1/contracts", params={"ending_within_days": 400}).json() == [found]
        assert client.get("/v1/contracts/DEABC999999999").status_code == 404


def test_a_contract_goes_with_the_last_car_it_was_given_to(tmp_path: Path, changes: dict[str, Any]) -> None:
    service = with_car(make_service(tmp_path, **changes))
    service.contracts.put("DEABC000000002")
    service.contracts.put_car(identity(Kind.OEM_LEAF).certificate, "DEABC000000002")
    pcids = [one.pcid for one in service.contracts.page()]
    assert pcids == [None, PCID]
    service.close()


def test_a_car_needs_a_contract_and_a_chain_to_a_root_that_is_trusted(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path)) as client:
        assert client.post("/v1/cars", json=car_form()).json()["rule"] == "no_contract"
        client.put(f"/v1/contracts/{EMAID}", json={})
        alone = {**car_form(), "chain": car_form()["chain"][:1]}
        assert client.post("/v1/cars", json=alone).json()["rule"] == "no_anchor"
        stranger = hierarchy(b"another ecosystem")
        other = {**car_form(), "chain": [b64(stranger[kind].certificate.der) for kind in KINDS[Role.OEM]]}
        assert client.post("/v1/cars", json=other).status_code == 422


@pytest.mark.parametrize(
    ("status", "said"), [("active", "accepted"), ("blocked", "blocked"), ("canceled", "blocked")]
)
def test_authorization_follows_the_contract(tmp_path: Path, status: str, said: str) -> None:
    with client_of(make_service(tmp_path)) as client:
        asked = {"emaid": "DE-ABC-000000001"}
        assert client.post("/v1/authorizations", json=asked).json()["status"] == "unknown"
        client.put(f"/v1/contracts/{EMAID}", json={"status": status})
        assert client.post("/v1/authorizations", json=asked).json() == {"status": said, "warning": ""}


def test_what_is_not_authorized_is_recorded_with_its_reason(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    with client_of(service) as client:
        client.put(f"/v1/contracts/{EMAID}", json={"status": "blocked"})
        for emaid in ("DE-ABC-000000001", "DEABC000000009"):
            client.post("/v1/authorizations", json={"emaid": emaid, "evse_id": "DE*ABC*E1"})
        found = {(one.what, one.station, one.identity, one.rule) for one in service.journal.refusals()}
    assert found == {
        ("authorization", "DE*ABC*E1", "DEABC000000001", "blocked"),
        ("authorization", "DE*ABC*E1", "DEABC000000009", "unknown_contract"),
    }


def test_a_wrong_check_digit_is_warned_of_and_never_refused(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path)) as client:
        assert client.put(f"/v1/contracts/{EMAID}", json={}).json()["warning"] == ""
        wrong = client.put("/v1/contracts/de-abc-000000002-q", json={}).json()
        assert wrong["emaid"] == "DEABC000000002Q"
        assert wrong["warning"] == "DEABC000000002Q: check digit Q, expected D"
        asked = client.post("/v1/authorizations", json={"emaid": "DEABC000000002Q"}).json()
        assert asked == {"status": "accepted", "warning": wrong["warning"]}


def test_one_contract_is_renewed_and_prepared_on_request(tmp_path: Path, changes: dict[str, Any]) -> None:
    service = with_car(make_service(tmp_path, **changes))
    with client_of(service) as client:
        path = f"/v1/contracts/{EMAID}"
        assert [client.post(f"{path}/preparation").json()["generation"] for _ in range(2)] == [1, 1]
        assert client.post(f"{path}/renewal").json()["renew_at"] is not None
        assert len(service.jobs.due_buckets()) == 1
        assert client.post(f"{path}/preparation").json()["generation"] == 2
        client.put(path, json={"status": "blocked"})
        assert client.post(f"{path}/preparation").status_code == 422
        assert client.post("/v1/contracts/DEABC000000009/renewal").status_code == 404
        assert [one.what for one in service.journal.notes() if one.what in ("renewal", "bundle made")][
            1:
        ] == ["renewal", "bundle made"]


def test_a_contract_without_a_car_cannot_be_prepared(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path)) as client:
        client.put(f"/v1/contracts/{EMAID}", json={})
        assert client.post(f"/v1/contracts/{EMAID}/preparation").json()["rule"] == "no_car"


def test_roots_are_added_once_and_removed(tmp_path: Path) -> None:
    root = hierarchy(b"another ecosystem")[Kind.V2G_ROOT].certificate
    form = {"kind": "v2g_root", "certificate": b64(root.der)}
    with client_of(make_service(tmp_path)) as client:
        assert [client.post("/v1/roots", json=form).json()["count"] for _ in range(2)] == [1, 0]
        assert root.fingerprint in {one["fingerprint"] for one in client.get("/v1/roots").json()}
        assert client.delete(f"/v1/roots/{root.fingerprint}").json() == {"count": 1}
        assert client.delete(f"/v1/roots/{root.fingerprint}").status_code == 404
        leaf = {"kind": "v2g_root", "certificate": b64(identity(Kind.SECC_LEAF).certificate.der)}
        assert client.post("/v1/roots", json=leaf).status_code == 422
        assert client.post("/v1/ecosystem/roots").json() == {"count": 0}


def test_the_same_report_twice_is_one(tmp_path: Path, changes: dict[str, Any]) -> None:
    begun = {
        "id": "t1",
        "station": "DEPOT-1",
        "evse_id": "E1",
        "emaid": EMAID,
        "started_at": NOW.isoformat(),
    }
    ended = {**begun, "ended_at": NOW.isoformat(), "energy_wh": 5000, "reason": "done"}
    refused = {"id": "r1", "at": NOW.isoformat(), "station": "DEPOT-1", "what": "authorization"}
    service = make_service(tmp_path, **changes)
    with client_of(service) as client:
        for report in (begun, ended, begun, ended):
            assert client.post("/v1/sessions", json=report).status_code == 204
        assert client.post("/v1/sessions", json={**ended, "energy_wh": True}).status_code == 422
        for _ in range(2):
            assert client.post("/v1/refusals", json=refused).status_code == 204
        (session,), (refusal,) = service.journal.sessions(), service.journal.refusals()
    assert (session.energy_wh, session.reason, refusal.id) == (5000, "done", "r1")


def test_every_contract_can_be_renewed_at_once(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    with client_of(service) as client:
        ask(client, installation())
        assert client.post("/v1/renewal").json() == {"count": 1}
        assert len(service.jobs.due_buckets()) == 1


# --- who ---


@pytest.mark.parametrize(
    ("access", "method", "path", "status"),
    [
        (Access.STATION, "GET", "/v1/contracts", 403),
        (Access.STATION, "POST", "/v1/renewal", 403),
        (Access.OPERATOR, "GET", "/v1/contracts", 200),
        (Access.OPERATOR, "POST", "/v1/renewal", 403),
        (Access.OPERATOR, "POST", "/v1/authorizations", 403),
        (Access.ADMIN, "POST", "/v1/renewal", 200),
        (Access.ADMIN, "POST", "/v1/authorizations", 200),
        (None, "GET", "/v1/contracts", 401),
    ],
)
def test_a_token_allows_what_it_was_made_for(
    tmp_path: Path, access: Access | None, method: str, path: str, status: int
) -> None:
    token, digest = new_token()
    tokens = (Token(name="somebody", sha256=digest, access=(access or Access.ADMIN,)),)
    given = token if access else "another"
    with client_of(make_service(tmp_path, tokens=tokens)) as client:
        body = {"emaid": EMAID} if path == "/v1/authorizations" else None
        headers = {"Authorization": f"Bearer {given}"}
        assert client.request(method, path, headers=headers, json=body).status_code == status


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://elsewhere.example"}, {"Host": "rebound.example"}], ids=["page", "rebound"]
)
def test_without_tokens_pages_of_other_sites_get_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    with client_of(make_service(tmp_path)) as client:
        assert client.post("/v1/renewal", headers=headers).status_code == 403
        assert client.get("/contracts", headers=headers).status_code == 403
        assert client.post("/v1/renewal", headers={"Origin": "http://127.0.0.1"}).status_code == 200


def test_two_stations_may_use_the_same_id_for_a_session(tmp_path: Path) -> None:
    form = {"id": "1", "evse_id": "DE*ABC*E1", "started_at": "2026-01-01T00:00:00Z"}
    end = {"ended_at": "2026-01-01T01:00:00Z", "energy_wh": 7000, "reason": "EVDisconnected"}
    service = make_service(tmp_path)
    with client_of(service) as client:
        for station in ("DEPOT-1", "DEPOT-2"):
            assert client.post("/v1/sessions", json={**form, "station": station}).status_code == 204
        assert client.post("/v1/sessions", json={**form, "station": "DEPOT-2", **end}).status_code == 204
    assert {one.station: one.energy_wh for one in service.journal.sessions()} == {
        "DEPOT-1": None,
        "DEPOT-2": 7000,
    }


# --- the audit log ---


def test_the_audit_log_shows_who_and_its_seals_show_changes(tmp_path: Path, changes: dict[str, Any]) -> None:
    clock = Clock()
    service = make_service(tmp_path, clock, **changes)
    with client_of(service) as client:
        for number in range(3):
            client.put(f"/v1/contracts/DEABC00000000{number}", json={})
        rows = client.get("/v1/audit").json()
        assert [(row["who"], row["what"], row["sealed"]) for row in rows] == [
            ("anonymous", "contract", False)
        ] * 3
        assert client.get("/v1/audit", params={"before": rows[1]["id"]}).json() == rows[2:]
        assert service.jobs.seal() == 0  # a neighbour may still be being written
        clock.move(minutes=1)
        assert service.jobs.seal() == 3
        assert service.journal.check(clock()).problem == ""
        with service.database.write() as connection:
            connection.execute(
                update(audit).where(audit.c.id == rows[1]["id"]).values(subject="DEABC000000009")
            )
        assert service.journal.check(clock()).row == rows[1]["id"]
        told = client.get("/v1/audit/checkpoint").json()["checkpoint"]
        assert Checkpoint.parse(told).count == 3


# --- around it ---


def test_metrics_count_without_naming_anybody(tmp_path: Path) -> None:
    with client_of(with_car(make_service(tmp_path))) as client:
        ask(client, installation())
        ask(client, installation(another_car()))
        text = client.get("/metrics").text
    assert 'secc_provision_seconds_count{action="Install",outcome="made"} 1.0' in text
    assert 'secc_provision_seconds_count{action="Install",outcome="unknown_car"} 1.0' in text
    assert 'secc_expiring{role="contract",within="30"} 0.0' in text
    assert EMAID not in text
    assert PCID not in text


def test_large_bodies_are_refused_for_any_declared_length(tmp_path: Path) -> None:
    def parts() -> Any:
        for _ in range(100):
            yield b"A" * 1024

    with client_of(make_service(tmp_path)) as client:
        assert client.post("/ocsp", content=b"A" * 70_000).status_code == 413
        assert client.post("/ocsp", content=parts()).status_code == 413
        assert client.post("/ocsp", content=b"", headers={"Content-Length": "-1"}).status_code == 413


def test_another_schema_and_unknown_members_are_refused(tmp_path: Path) -> None:
    form = {"action": "Install", "request": b64(installation())}
    with client_of(make_service(tmp_path)) as client:
        for more in ({"schema": "urn:iso:std:iso:15118:-20:DC"}, {"stations": "misspelt"}):
            assert client.post("/v1/provisioning", json={**form, **more}).status_code == 422


def test_health_shows_whether_the_database_answers(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    with client_of(service) as client:
        assert client.get("/health/live").json() == {"status": "live"}
        assert client.get("/health/ready").json() == {"status": "ready"}


def test_a_path_lists_every_method_that_it_takes(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path)) as client:
        for method in ("OPTIONS", "DELETE"):
            refused = client.request(method, "/v1/roots")
            assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, POST")


def test_the_openapi_document_describes_every_call(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path)) as client:
        paths = client.get("/openapi.json").json()["paths"]
    assert len(paths) >= 20
    assert all("summary" in call for calls in paths.values() for call in calls.values())
    assert "/contracts" not in paths


def test_the_reference_lists_every_call(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "cpo.md").read_text()
    with client_of(make_service(tmp_path)) as client:
        paths = client.get("/openapi.json").json()["paths"]
    calls = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    listed = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert listed == calls
