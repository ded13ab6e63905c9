"""The provisioning service in ISO 15118-20: one store of contracts, several for a car, one answer each."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update

from secc.errors import ConfigError
from secc.messages import iso20_common as m
from secc.operator.cpo.database import certificate, iso20_bundle, iso20_renewal
from secc.operator.cpo.installation import Iso20Roles
from secc.operator.cpo.service import OperatorService
from secc.operator.cpo.settings import Roots, check
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.identifiers import PCID
from secc.pki.installation import verify_installation
from secc.pki.issuing import make_request, request_pem
from secc.pki.keys import KeyType, new_private_key
from secc.pki.kinds import Kind
from secc.pki.trust import Role
from secc.site.store import Status
from tests.operator.cpo.support import (
    Clock,
    ask,
    client_of,
    installation,
    make_service,
    place,
    settings,
    with_car,
    written,
)
from tests.support.contracts import DAY, NOW
from tests.support.installation import (
    EMAID_TEXT,
    OTHER_EMAID,
    POLICY,
    chain,
    encoded,
    hierarchy,
    provisioning_leaf,
    request,
    signed,
    trusted,
    unsigned,
)

CAR = PCID.parse("ZZZTESTCAR0000001")
SCHEMA = "urn:iso:std:iso:15118:-20:CommonMessages"


def newer_keys(folder: Path) -> dict[str, Any]:
    """Settings of the service for ISO 15118-20."""
    pki = written(hierarchy(), folder.parent / "cpo-pki-iso20")  # one for all tests of a run
    older = settings(folder).roots
    return {
        "iso20_mo": place(pki, "mo", Kind.MO_SUB_CA_2),
        "iso20_cps": place(pki, "cps", Kind.CPS_LEAF),
        "iso20_cpo": place(pki, "cpo", Kind.CPO_SUB_CA_2),
        "roots": Roots(
            v2g=(*older.v2g, pki / "v2g_root.pem"),
            mo=(*older.mo, pki / "mo_root.pem"),
            oem=(*older.oem, pki / "oem_root.pem"),
        ),
    }


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Iterator[OperatorService]:
    made = with_contracts(tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def everywhere(tmp_path: Path, clock: Clock, changes: dict[str, Any]) -> Iterator[OperatorService]:
    """The same on each kind of database."""
    made = with_contracts(tmp_path, clock, **changes)
    yield made
    made.close()


def with_contracts(folder: Path, clock: Clock, **changes: Any) -> OperatorService:
    """A service with the keys of both generations, and a car with two contracts."""
    made = make_service(folder, clock, **newer_keys(folder), **changes)
    for emaid in (EMAID_TEXT, OTHER_EMAID):
        made.contracts.put(emaid)
        made.installation.store.put_car(hierarchy()[Kind.OEM_LEAF].certificate, emaid)
    return made


@pytest.fixture
def client(service: OperatorService) -> TestClient:
    return client_of(service)


def wanted(number: int = 1, **changes: Any) -> bytes:
    """A request of the usual car; `number` makes another one of the same content."""
    message = request(**changes)
    header = msgspec.structs.replace(message.header, time_stamp=number)
    return encoded(msgspec.structs.replace(message, header=header))


def installed(client: TestClient, payload: bytes) -> tuple[str, int]:
    """The eMAID in an accepted answer, and how many follow."""
    answer = ask(client, payload, schema=SCHEMA)
    assert answer["status"] == "Accepted", answer
    found = verify_installation(base64.b64decode(answer["response"]), trusted(), NOW, POLICY)
    return str(found.emaid), found.remaining


def test_a_car_gets_its_contracts_one_after_the_other(client: TestClient) -> None:
    two = {"maximum_contract_certificate_chains": 2}
    assert installed(client, wanted(1, **two)) == (EMAID_TEXT, 1)
    assert installed(client, wanted(2, **two)) == (OTHER_EMAID, 0)
    answer = ask(client, wanted(3, **two), schema=SCHEMA)
    assert (answer["status"], answer["code"]) == ("Failed", "WARNING_NoCertificateAvailable")


def test_the_preferred_contract_comes_first(client: TestClient) -> None:
    preferred = m.EMAIDList(emaid=("DE-ABC-000000002-E",))
    assert installed(client, wanted(prioritized_emai_ds=preferred))[0] == OTHER_EMAID


def test_a_repeated_request_gets_the_same_answer(client: TestClient) -> None:
    first = ask(client, wanted(), schema=SCHEMA)
    assert ask(client, wanted(), schema=SCHEMA) == first


def test_a_later_session_gets_new_certificates(
    service: OperatorService, client: TestClient, clock: Clock
) -> None:
    first = ask(client, wanted(), schema=SCHEMA)
    clock.move(minutes=11)
    assert ask(client, wanted(), schema=SCHEMA)["response"] != first["response"]
    with service.database.read() as connection:
        rows = connection.execute(
            select(certificate.c.replaced).where(certificate.c.owner.like("% iso15118-20"))
        ).all()
    assert sorted(row.replaced for row in rows) == [False, True]


def test_one_contract_serves_both_generations(service: OperatorService, client: TestClient) -> None:
    with_car(service, EMAID_TEXT)
    assert ask(client, installation())["status"] == "Accepted"
    assert installed(client, wanted())[0] == EMAID_TEXT
    assert ask(client, installation())["status"] == "Accepted"
    with service.database.read() as connection:
        rows = connection.execute(select(certificate.c.der, certificate.c.replaced)).all()
    kinds = [read_certificate(row.der).key_type for row in rows if not row.replaced]
    assert {KeyType.SECP256R1, KeyType.SECP521R1} <= set(kinds)


# --- renewal in advance ---


def leaf_in(client: TestClient, payload: bytes) -> Certificate:
    """The contract certificate in an accepted answer."""
    answer = ask(client, payload, schema=SCHEMA)
    assert answer["status"] == "Accepted", answer
    return verify_installation(base64.b64decode(answer["response"]), trusted(), NOW, POLICY).contract.leaf


def renew_everything_due(service: OperatorService) -> tuple[int, int]:
    """How many certificates were renewed, and how many failed."""
    done = [service.jobs.renew(bucket) for bucket in service.jobs.due_buckets()]
    return sum(one.renewed for one in done), sum(one.failed for one in done)


def before_the_end(service: OperatorService, clock: Clock, days: int = 10) -> None:
    """Move the clock so that the first certificate of ISO 15118-20 has so many days left."""
    with service.database.read() as connection:
        clock.now = connection.execute(select(func.min(iso20_renewal.c.not_after))).scalar_one() - days * DAY


def test_a_contract_of_both_generations_is_renewed_in_both_before_its_end(
    everywhere: OperatorService, clock: Clock
) -> None:
    service = with_car(everywhere, EMAID_TEXT)
    client = client_of(service)
    assert ask(client, installation())["status"] == "Accepted"
    first = leaf_in(client, wanted(1))
    before_the_end(service, clock)
    assert renew_everything_due(service) == (2, 0)
    assert renew_everything_due(service) == (0, 0)
    two = {"maximum_contract_certificate_chains": 2}
    issued = service.register.in_use(Kind.CONTRACT_LEAF)
    second = ask(client, wanted(2, **two), schema=SCHEMA)
    assert service.register.in_use(Kind.CONTRACT_LEAF) == issued  # the bundle that was waiting
    answer = verify_installation(base64.b64decode(second["response"]), trusted(), clock.now, POLICY)
    assert answer.contract.leaf.not_after > first.not_after + 300 * DAY
    assert answer.remaining == 1


def test_a_bundle_made_in_advance_is_delivered_once(service: OperatorService, client: TestClient) -> None:
    (contract,) = [one for one in service.contracts.page() if one.emaid == EMAID_TEXT]
    for _ in range(2):
        service.prepare(contract, who="test")
    assert [note.what for note in service.journal.notes(subject=EMAID_TEXT)] == ["bundle made"]
    first = leaf_in(client, wanted(1, prioritized_emai_ds=m.EMAIDList(emaid=(EMAID_TEXT,))))
    (found,) = service.register.of_owner(f"{EMAID_TEXT[:14]} iso15118-20")
    assert found.serial == first.serial


def test_a_bundle_is_of_no_use_for_another_provisioning_certificate(
    service: OperatorService, client: TestClient
) -> None:
    (twin,) = [one for one in service.installation.store.contracts_of(CAR) if one.emaid == EMAID_TEXT]
    service.installation.prepare(twin, who="test")
    (prepared,) = service.register.of_owner(f"{EMAID_TEXT[:14]} iso15118-20")
    with service.database.write() as connection:
        connection.execute(update(iso20_bundle).values(receiver="another"))
    assert leaf_in(client, wanted()).serial != prepared.serial


def test_a_bundle_whose_cps_has_ended_is_not_delivered(service: OperatorService, client: TestClient) -> None:
    (twin,) = [one for one in service.installation.store.contracts_of(CAR) if one.emaid == EMAID_TEXT]
    service.installation.prepare(twin, who="test")
    (prepared,) = service.register.of_owner(f"{EMAID_TEXT[:14]} iso15118-20")
    with service.database.write() as connection:
        connection.execute(update(iso20_bundle).values(until=NOW))
    assert leaf_in(client, wanted()).serial != prepared.serial


def test_a_revoked_certificate_is_not_delivered_and_its_page_is_shown(
    service: OperatorService, client: TestClient
) -> None:
    (twin,) = [one for one in service.installation.store.contracts_of(CAR) if one.emaid == EMAID_TEXT]
    service.installation.prepare(twin, who="test")
    (prepared,) = service.register.of_owner(f"{EMAID_TEXT[:14]} iso15118-20")
    answer = client.post(f"/v1/certificates/{prepared.serial:x}/revocation", json={"reason": "superseded"})
    assert answer.status_code == 200, answer.text
    assert leaf_in(client, wanted()).serial != prepared.serial
    (note,) = service.journal.notes(subject=EMAID_TEXT, limit=10)[1:2]
    assert (note.what, note.subject) == ("revoked", EMAID_TEXT)


def test_two_workers_renew_a_certificate_once(everywhere: OperatorService, clock: Clock) -> None:
    service = everywhere
    leaf_in(client_of(service), wanted())
    before_the_end(service, clock)
    store = service.installation.store
    (due,) = [one for bucket in store.due_buckets(clock.now) for one in store.due(bucket, clock.now, limit=9)]
    assert due.car is not None
    made = [service.installation.make(due.contract, due.car, clock.now) for _ in range(2)]
    assert [len(store.store([one], clock.now)) for one in made] == [1, 0]
    assert len(service.register.of_owner(f"{EMAID_TEXT[:14]} iso15118-20")) == 2


def test_a_renewal_that_cannot_be_made_is_reported_and_tried_again(
    service: OperatorService, client: TestClient, clock: Clock
) -> None:
    leaf_in(client, wanted())
    before_the_end(service, clock)
    service.installation._roles = Iso20Roles()
    assert renew_everything_due(service) == (0, 1)
    (note,) = [one for one in service.journal.notes() if one.what == "renewal failed"]
    assert (note.subject, note.detail) == (EMAID_TEXT, "this service has no issuer of ISO 15118-20")
    assert service.jobs.due_buckets() == ()
    clock.move(hours=7)
    assert len(service.jobs.due_buckets()) == 1


def test_a_replaced_key_makes_every_certificate_due(service: OperatorService, client: TestClient) -> None:
    first = leaf_in(client, wanted())
    assert client.post("/v1/renewal").json() == {"count": 1}
    assert renew_everything_due(service) == (1, 0)
    (newest,) = [
        one for one in service.register.of_owner(f"{EMAID_TEXT[:14]} iso15118-20") if not one.replaced
    ]
    assert newest.serial != first.serial


def test_renewals_are_planned_for_certificates_of_earlier_versions(
    everywhere: OperatorService, clock: Clock
) -> None:
    service = everywhere
    leaf = leaf_in(client_of(service), wanted())
    planned = service.installation.store.contracts_of(CAR)[0]
    with service.database.write() as connection:
        for table in ("iso20_renewal", "iso20_bundle"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("UPDATE meta SET value = '3'")
    service.database.make_tables()
    again = service.installation.store.contracts_of(CAR)[0]
    assert (again.renew_at, again.not_after) == (planned.renew_at, leaf.not_after)


def test_a_blocked_contract_is_left_out(service: OperatorService, client: TestClient) -> None:
    service.contracts.put(EMAID_TEXT, Status.BLOCKED)
    assert installed(client, wanted()) == (OTHER_EMAID, 0)
    service.contracts.put(OTHER_EMAID, Status.BLOCKED)
    answer = ask(client, wanted(2), schema=SCHEMA)
    assert (answer["rule"], answer["code"]) == ("canceled", "WARNING_NoCertificateAvailable")


def test_unknown_cars_and_wrong_requests_are_refused(client: TestClient) -> None:
    stranger = provisioning_leaf()
    unknown = encoded(signed(unsigned(car=stranger), stranger.key))
    answer = ask(client, unknown, schema=SCHEMA)
    assert (answer["rule"], answer["code"]) == ("unknown", "WARNING_NoContractMatchingPCIDFound")
    assert ask(client, encoded(unsigned()), schema=SCHEMA)["status"] == "Failed"
    assert ask(client, b"\x80\x98", schema=SCHEMA)["rule"] == "faulty"


def test_a_schema_or_an_action_that_there_is_not(client: TestClient) -> None:
    for more in ({"schema": "urn:other"}, {"schema": SCHEMA, "action": "Update"}):
        form = {"action": "Install", "request": base64.b64encode(wanted()).decode(), **more}
        assert client.post("/v1/provisioning", json=form).status_code == 422


def test_a_car_is_added_by_its_chain(service: OperatorService, client: TestClient) -> None:
    ders = [base64.b64encode(one.der).decode() for one in chain(Role.OEM)]
    service.contracts.put("DEABC000000003C")
    answer = client.post("/v1/cars", json={"emaid": "DEABC000000003C", "chain": ders})
    assert answer.status_code == 200, answer.text
    pcid = read_certificate(chain(Role.OEM)[0].der).subject.common_name
    keys = [one.key for one in service.installation.store.contracts_of(PCID.parse(pcid))]
    assert keys == [EMAID_TEXT[:14], OTHER_EMAID[:14], "DEABC000000003"]


def test_the_sub_ca_of_the_generation_signs_for_a_station(client: TestClient) -> None:
    for keys, issuer in ((KeyType.SECP521R1, hierarchy()[Kind.CPO_SUB_CA_2].certificate),):
        key = new_private_key(keys, b"a station")
        pkcs10 = make_request(
            key, Kind.SECC_LEAF, common_name="DEABCS1", organization="Test only", country="DE"
        )
        form = {"request": base64.b64encode(request_pem(pkcs10)).decode()}
        answer = client.post("/v1/stations/DEPOT-1/certificate", json=form)
        assert answer.status_code == 200, answer.text
        leaf, above = (read_certificate(base64.b64decode(one)) for one in answer.json()["chain"][:2])
        assert leaf.key == key.public_key()
        assert above == issuer


def test_keys_of_the_other_generation_are_a_wrong_configuration(tmp_path: Path) -> None:
    keys = newer_keys(tmp_path)
    older = settings(tmp_path)
    with pytest.raises(ConfigError, match="expected iso15118-20"):
        make_service(tmp_path, **{**keys, "iso20_mo": older.mo})
    with pytest.raises(ConfigError, match="iso20_mo and iso20_cps together"):
        check(settings(tmp_path, iso20_mo=keys["iso20_mo"]))
