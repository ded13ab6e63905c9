"""Every change that the service makes, as functions for tests of faults in the middle of one."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Callable

from sqlalchemy import select

from secc.operator.cpo import admin, forms, routes
from secc.operator.cpo.access import ANYONE
from secc.operator.cpo.database import tables
from secc.operator.cpo.planning import bucket_of
from secc.operator.cpo.service import OperatorService
from secc.pki.issuing import make_request, new_key
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action
from secc.site.store import Status
from tests.operator.cpo.support import EMAID, installation, with_car
from tests.support.contracts import DAY, NOW, hierarchy

OTHER = "DEABC000000002D"


@dataclasses.dataclass(frozen=True)
class Step:
    """One change; `prepare` makes the state before it."""

    name: str
    run: Callable[[OperatorService], object]
    prepare: Callable[[OperatorService], object] = lambda _service: None


def put_contract(service: OperatorService) -> object:
    return admin.put_contract(OTHER, forms.ContractForm(), service, ANYONE)


def block(service: OperatorService) -> object:
    return admin.put_contract(EMAID, forms.ContractForm(status=Status.BLOCKED), service, ANYONE)


def put_car(service: OperatorService) -> object:
    kinds = (Kind.OEM_LEAF, Kind.OEM_SUB_CA_2, Kind.OEM_SUB_CA_1)
    chain = [base64.b64encode(hierarchy()[kind].certificate.der).decode() for kind in kinds]
    return admin.put_car(forms.CarForm(emaid=OTHER, chain=chain), service, ANYONE)


def install(service: OperatorService) -> object:
    answer = service.delivery.answer(installation(), Action.INSTALL, who="test")
    if answer.refusal is not None:
        raise AssertionError(answer.text)
    return answer.payload


def due(service: OperatorService) -> None:
    install(service)
    service.contracts.renew(EMAID[:14], NOW)


def renew(service: OperatorService) -> object:
    return service.jobs.renew(bucket_of(EMAID[:14]))


def sign(service: OperatorService) -> object:
    key = new_key(b"steps")
    asked = make_request(key, Kind.SECC_LEAF, common_name="DEABCS1", organization="Us", country="DE")
    form = forms.SigningForm(request=base64.b64encode(asked).decode())
    return routes.sign_certificate("DEPOT-1", form, service, ANYONE)


def revoke(service: OperatorService) -> object:
    (one, *_) = service.register.of_owner(EMAID[:14])
    form = forms.RevocationForm(reason="key_compromise")
    return admin.revoke(f"{one.serial:x}", form, service, ANYONE)


def report(service: OperatorService) -> object:
    form = forms.SessionForm(
        id="t1",
        station="DEPOT-1",
        evse_id="1",
        started_at=NOW,
        ended_at=NOW + DAY / 24,
        energy_wh=1000,
    )
    return routes.report_session(form, service, ANYONE)


def root_of_others(service: OperatorService) -> forms.RootForm:
    root = hierarchy(b"others")[Kind.V2G_ROOT].certificate
    return forms.RootForm(kind="v2g_root", certificate=base64.b64encode(root.der).decode())


def add_root(service: OperatorService) -> object:
    return admin.add_root(root_of_others(service), service, ANYONE)


def remove_root(service: OperatorService) -> object:
    fingerprint = hierarchy(b"others")[Kind.V2G_ROOT].certificate.fingerprint
    return admin.remove_root(fingerprint, service, ANYONE)


def seal(service: OperatorService) -> object:
    return service.journal.seal(NOW + DAY)


STEPS = (
    Step("put contract", put_contract),
    Step("block contract", block),
    Step("put car", put_car, put_contract),
    Step("install", install),
    Step("renew", renew, due),
    Step("sign", sign),
    Step("revoke", revoke, install),
    Step("report session", report),
    Step("add root", add_root),
    Step("remove root", remove_root, add_root),
    Step("seal", seal, put_contract),
)


def beginning(service: OperatorService, step: Step) -> None:
    """The state before a step."""
    with_car(service)
    step.prepare(service)


def state(service: OperatorService) -> dict[str, str]:
    """A digest of every table."""
    with service.database.read() as connection:
        rows = {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in tables.sorted_tables
        }
    return {name: hashlib.sha256("\n".join(found).encode()).hexdigest() for name, found in rows.items()}


def sizes(service: OperatorService) -> dict[str, int]:
    """The number of rows of every table."""
    with service.database.read() as connection:
        return {table.name: len(connection.execute(select(table)).all()) for table in tables.sorted_tables}
