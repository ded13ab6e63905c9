"""A service on SQLite with the reproducible hierarchy, a car that it knows, and a clock that is a number."""

from __future__ import annotations

import base64
import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from secc.operator.cpo.app import make_app
from secc.operator.cpo.keys import KeyPlace
from secc.operator.cpo.service import OperatorService
from secc.operator.cpo.settings import CpoSettings, Roots, StationNames
from secc.operator.opcp.port import Ecosystem
from secc.pki.chains import KINDS
from secc.pki.hierarchy import write_hierarchy
from secc.pki.issuing import Holder, Identity, Order, issue, new_key
from secc.pki.profiles import Kind
from secc.pki.trust import Role
from tests.support.contracts import DAY, NOW, encoded, hierarchy, identity, wallet

EMAID = "DEABC000000001G"
PCID = "ZZZTESTCAR0000001"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime.datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += datetime.timedelta(**by)


def written(hierarchy: Mapping[Kind, Holder], pki: Path) -> Path:
    """A hierarchy as files, with the chains of the roles of an operator."""
    if not pki.exists():
        write_hierarchy(hierarchy, pki, NOW)
        for name, role, leaf in (
            ("cps", Role.CPS, True),
            ("mo", Role.CONTRACT, False),
            ("cpo", Role.SECC, False),
        ):
            kinds = KINDS[role] if leaf else KINDS[role][1:]
            chain = b"".join(hierarchy[kind].certificate.pem for kind in kinds)
            (pki / f"{name}.pem").write_bytes(chain)
    return pki


def place(pki: Path, name: str, kind: Kind) -> KeyPlace:
    """Where chain and key of a role are."""
    return KeyPlace(chain=pki / f"{name}.pem", key=pki / f"{kind.value}_key.pem")


def settings(folder: Path, **changes: Any) -> CpoSettings:
    """The reproducible hierarchy as files, and a database beside it."""
    pki = written(hierarchy(), folder.parent / "cpo-pki")  # one for all tests of a run
    made = CpoSettings(
        database=f"sqlite:///{folder}/cpo.db",
        roots=Roots(v2g=(pki / "v2g_root.pem",), mo=(pki / "mo_root.pem",), oem=(pki / "oem_root.pem",)),
        mo=place(pki, "mo", Kind.MO_SUB_CA_2),
        cps=place(pki, "cps", Kind.CPS_LEAF),
        cpo=place(pki, "cpo", Kind.CPO_SUB_CA_2),
        stations=(
            StationNames(station="DEPOT-1", names=("DEABCS1",)),
            StationNames(station="DEPOT-2", names=("DEABCS2",)),
        ),
    )
    return dataclasses.replace(made, **changes)


def make_service(
    folder: Path, clock: Clock | None = None, ecosystem: Ecosystem | None = None, **changes: Any
) -> OperatorService:
    return OperatorService(settings(folder, **changes), clock=clock or Clock(), ecosystem=ecosystem)


def with_car(service: OperatorService, emaid: str = EMAID) -> OperatorService:
    """The usual car gets the usual contract."""
    service.contracts.put(emaid)
    service.contracts.put_car(identity(Kind.OEM_LEAF).certificate, emaid)
    return service


def client_of(service: OperatorService) -> TestClient:
    return TestClient(make_app(service), base_url="http://127.0.0.1")


def installation(car: Identity | None = None) -> bytes:
    """CertificateInstallationReq of the usual car, or of another one, as EXI."""
    owner = wallet(oem=car)
    body = owner.installation()
    return encoded(body, owner.sign(body))


def another_car(pcid: str = "ZZZTESTCAR0000002", *, seed: bytes | None = None) -> Identity:
    """A car of the same manufacturer."""
    key = new_key(seed or pcid.encode())
    order = Order(
        kind=Kind.OEM_LEAF,
        common_name=pcid,
        organization="Test only",
        country="",
        serial=int.from_bytes(pcid.encode()[-8:], "big"),
        not_before=NOW - DAY,
    )
    return Identity(issue(order, key.public_key(), identity(Kind.OEM_SUB_CA_2), reproducible=True), key)


def ask(client: TestClient, request: bytes, action: str = "Install", **more: Any) -> dict[str, Any]:
    form = {"action": action, "request": base64.b64encode(request).decode(), **more}
    answer = client.post("/v1/provisioning", json=form)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
