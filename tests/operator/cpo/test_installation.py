"""The provisioning service in ISO 15118-20: one store of contracts, several for a car, one answer each."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from secc.errors import ConfigError
from secc.messages import iso20_common as m
from secc.operator.cpo.database import certificate
from secc.operator.cpo.service import OperatorService
from secc.operator.cpo.settings import Roots, check
from secc.pki.certificates import read_certificate
from secc.pki.installation import verify_installation
from secc.pki.issuing import make_request, request_pem
from secc.pki.keys import KeyType, new_private_key
from secc.pki.kinds import Kind
from secc.pki.trust import Role
from secc.site.store import Status
from tests.operator.cpo.support import Clock, ask, client_of, make_service, place, settings, with_car, written
from tests.support.contracts import NOW
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
def service(tmp_path: Path, clock: Clock) -> OperatorService:
    made = make_service(tmp_path, clock, **newer_keys(tmp_path))
    for emaid in (EMAID_TEXT, OTHER_EMAID):
        made.contracts.put(emaid)
        made.installation.put_car(hierarchy()[Kind.OEM_LEAF].certificate, emaid)
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
    from tests.operator.cpo.support import installation

    assert ask(client, installation())["status"] == "Accepted"
    assert installed(client, wanted())[0] == EMAID_TEXT
    assert ask(client, installation())["status"] == "Accepted"
    with service.database.read() as connection:
        rows = connection.execute(select(certificate.c.der, certificate.c.replaced)).all()
    kinds = [read_certificate(row.der).key_type for row in rows if not row.replaced]
    assert {KeyType.SECP256R1, KeyType.SECP521R1} <= set(kinds)


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
    from secc.pki.identifiers import PCID

    keys = [one.key for one in service.installation.contracts_of(PCID.parse(pcid))]
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
