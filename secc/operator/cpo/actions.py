"""Changes by a person on a page: each has a page that asks for confirmation and for the reason.

The reason and the name of the person are in the audit log, in one transaction with the change.
"""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Callable
from typing import Annotated

from cryptography.x509 import ReasonFlags
from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import Response

from secc.errors import CertificateError
from secc.operator.cpo import forms
from secc.operator.cpo.contracts import ContractRecord
from secc.operator.cpo.logins import Changer, PageFields, PageVisitor
from secc.operator.cpo.register import Issued, contract_key
from secc.operator.cpo.rendering import done, page
from secc.operator.cpo.routes import Injected
from secc.operator.cpo.service import OperatorService
from secc.pki.certificates import read_chain
from secc.pki.chains import verify_chain
from secc.pki.identifiers import EMAID
from secc.pki.profiles import Kind
from secc.pki.trust import Role
from secc.site.store import Status

router = APIRouter(include_in_schema=False)
_Contract = Annotated[forms.Emaid, Path()]
SHORTEST_REASON, LONGEST_REASON = 3, 200
"""Characters of the reason for a change."""


@dataclasses.dataclass(frozen=True, slots=True)
class PageChange:
    """A change that an administrator can make to a contract."""

    name: str
    """In the path of its page."""
    title: str
    """The label of its button."""
    effect: str
    """What happens, for the page that asks for confirmation."""
    noted: str
    """The change as the audit log names it, with the status where it sets one."""
    offered: frozenset[Status]
    """The states of a contract in which the change makes sense."""
    apply: Callable[[OperatorService, ContractRecord, str], None]
    """From the service, the contract and the person."""
    danger: bool = False


def _prepare(service: OperatorService, contract: ContractRecord, who: str) -> None:
    service.prepare(contract, who=who)


def _renew(service: OperatorService, contract: ContractRecord, _who: str) -> None:
    service.renew(contract)


def _sets(status: Status) -> Callable[[OperatorService, ContractRecord, str], None]:
    def put(service: OperatorService, contract: ContractRecord, _who: str) -> None:
        service.contracts.put(contract.emaid, status)

    return put


CONTRACT_ACTIONS = {
    one.name: one
    for one in (
        PageChange(
            "prepare",
            "Prepare bundle",
            "The bundle for the car of this contract is made now, before the car asks for it.",
            "prepared",
            frozenset({Status.ACTIVE}),
            _prepare,
        ),
        PageChange(
            "renew",
            "Renew",
            "The contract becomes due: the next job or request of its car makes a new certificate.",
            "renewal",
            frozenset({Status.ACTIVE}),
            _renew,
        ),
        PageChange(
            "block",
            "Block",
            "From now on no station accepts this contract, and its car receives no certificate. "
            "Blocking can be undone.",
            "contract blocked",
            frozenset({Status.ACTIVE}),
            _sets(Status.BLOCKED),
            danger=True,
        ),
        PageChange(
            "activate",
            "Activate",
            "Stations accept this contract again.",
            "contract active",
            frozenset({Status.BLOCKED, Status.CANCELED}),
            _sets(Status.ACTIVE),
        ),
        PageChange(
            "cancel",
            "Cancel contract",
            "The contract ends: no station accepts it, and its car receives no certificate.",
            "contract canceled",
            frozenset({Status.ACTIVE, Status.BLOCKED}),
            _sets(Status.CANCELED),
            danger=True,
        ),
    )
}


def contract_of(service: OperatorService, emaid: str) -> ContractRecord:
    """Return a contract by its eMAID in any spelling; raises HTTPException 404."""
    found = service.contracts.get(EMAID.parse(emaid))
    if found is None:
        raise HTTPException(404, "no such contract")
    return found


# --- a new contract, and its car --------------------------------------------------------------------------


@router.get("/new-contract")
def new_contract(request: Request, visitor: Changer) -> Response:
    """Ask for the eMAID of a new contract."""
    return page(request, visitor, "new_contract.html", emaid="", reason="", error="", warning="")


@router.post("/new-contract")
def create_contract(request: Request, service: Injected, visitor: Changer, fields: PageFields) -> Response:
    """Create a contract; a wrong check digit needs a second confirmation."""
    text, reason = fields.get("emaid", "").strip(), fields.get("reason", "").strip()
    values = {"emaid": text, "reason": reason}
    try:
        emaid = EMAID.parse(text)
        _must_be_reason(reason)
        if service.contracts.get(emaid) is not None:
            raise ValueError(f"there is a contract {emaid.normal} already")
    except (CertificateError, ValueError) as error:
        return page(request, visitor, "new_contract.html", status=422, error=str(error), warning="", **values)
    if emaid.warning and fields.get("anyway") != "yes":
        warning = emaid.warning
        return page(request, visitor, "new_contract.html", status=422, error="", warning=warning, **values)
    with service.database.write():
        made = service.contracts.put(emaid.normal)
        _note(service, visitor, "contract", made.emaid, "active", reason)
    return done(request, f"Contract {made.emaid} created.", f"/contracts/{made.emaid}")


@router.get("/contracts/{emaid}/car")
def car_form(request: Request, service: Injected, visitor: Changer, emaid: _Contract) -> Response:
    """Ask for the certificates of a car."""
    found = contract_of(service, emaid)
    return page(request, visitor, "car.html", contract=found, chain="", reason="", error="")


@router.post("/contracts/{emaid}/car")
def put_car(
    request: Request, service: Injected, visitor: Changer, fields: PageFields, emaid: _Contract
) -> Response:
    """Deliver a contract to the car with this provisioning certificate, after verifying its chain."""
    found, reason = contract_of(service, emaid), fields.get("reason", "").strip()
    text = fields.get("chain", "")
    try:
        _must_be_reason(reason)
        chain = [one.der for one in read_chain(text.encode("ascii", "replace"))]
        verified = verify_chain(chain, Role.OEM, service.anchors.trust(), service.clock())
        with service.database.write():
            service.contracts.put_car(verified.leaf, found.emaid)
            _note(service, visitor, "car", found.emaid, f"PCID {verified.pcid}", reason)
    except (CertificateError, ValueError) as error:
        values = {"contract": found, "chain": text, "reason": reason, "error": str(error)}
        return page(request, visitor, "car.html", status=422, **values)
    return done(request, f"The contract goes to the car {verified.pcid}.", f"/contracts/{found.emaid}")


# --- changes of a contract --------------------------------------------------------------------------------


@router.get("/contracts/{emaid}/{action}")
def confirm(request: Request, service: Injected, visitor: Changer, emaid: _Contract, action: str) -> Response:
    """Ask for confirmation and for the reason."""
    change, found = _change(action), contract_of(service, emaid)
    return page(request, visitor, "confirm.html", change=change, contract=found, reason="", error="")


@router.post("/contracts/{emaid}/{action}")
def act(
    request: Request,
    service: Injected,
    visitor: Changer,
    fields: PageFields,
    emaid: _Contract,
    action: str,
) -> Response:
    """Make the change."""
    change, found = _change(action), contract_of(service, emaid)
    reason = fields.get("reason", "").strip()
    try:
        _must_be_reason(reason)
        with service.database.write():
            change.apply(service, found, visitor.name)
            what, _, detail = change.noted.partition(" ")
            _note(service, visitor, what, found.emaid, detail, reason)
    except (CertificateError, ValueError) as error:
        values = {"change": change, "contract": found, "reason": reason, "error": str(error)}
        return page(request, visitor, "confirm.html", status=422, **values)
    return done(request, f"{change.title}: done for {found.emaid}.", f"/contracts/{found.emaid}")


# --- revocation -------------------------------------------------------------------------------------------

REASONS = {
    "unspecified": "not specified",
    "key_compromise": "the key may be known to others",
    "superseded": "replaced by another certificate",
    "affiliation_changed": "the owner has changed",
    "cessation_of_operation": "no longer in operation",
}
"""Reasons in CRLs and OCSP responses, which are public."""


@router.get("/certificates/{serial}/revoke")
def confirm_revocation(
    request: Request, service: Injected, visitor: Changer, serial: Annotated[forms.Serial, Path()]
) -> Response:
    """Ask for confirmation and for the reasons."""
    return _revocation_page(request, service, visitor, serial, 200, "unspecified", "", "")


@router.post("/certificates/{serial}/revoke")
def revoke(
    request: Request,
    service: Injected,
    visitor: Changer,
    fields: PageFields,
    serial: Annotated[forms.Serial, Path()],
) -> Response:
    """Revoke a certificate; effective at once over OCSP."""
    public, reason = fields.get("public", ""), fields.get("reason", "").strip()
    try:
        _must_be_reason(reason)
        if public not in REASONS:
            raise ValueError("select one of the public reasons")
        with service.database.write():
            found = service.revocations.revoke(int(serial, 16), ReasonFlags[public])
            _note(
                service,
                visitor,
                "revoked",
                service.name_of_owner(found),
                f"serial {serial}, {public}",
                reason,
            )
    except (CertificateError, ValueError) as error:
        return _revocation_page(request, service, visitor, serial, 422, public, reason, str(error))
    return done(request, f"Certificate {serial} revoked.", _owner_page(found))


def _revocation_page(
    request: Request,
    service: OperatorService,
    visitor: PageVisitor,
    serial: str,
    status: int,
    public: str,
    reason: str,
    error: str,
) -> Response:
    issuers = {one.fingerprint for one in service.revocations.issuers}
    found = [one for one in service.register.by_serial(int(serial, 16)) if one.issuer in issuers]
    if not found:
        raise HTTPException(404, "no such certificate of an authority of this service")
    return page(
        request,
        visitor,
        "revoke.html",
        status=status,
        one=found[0],
        back=_owner_page(found[0]),
        reasons=REASONS,
        public=public,
        reason=reason,
        error=error,
    )


def _owner_page(one: Issued) -> str:
    if one.kind is Kind.SECC_LEAF:
        return f"/stations/{urllib.parse.quote(one.owner, safe='')}"
    return f"/contracts/{contract_key(one.owner)}" if one.kind is Kind.CONTRACT_LEAF else "/expiring"


# --- parts ------------------------------------------------------------------------------------------------


def _change(action: str) -> PageChange:
    found = CONTRACT_ACTIONS.get(action)
    if found is None:
        raise HTTPException(404, "no such change")
    return found


def _must_be_reason(text: str) -> None:
    if not SHORTEST_REASON <= len(text) <= LONGEST_REASON or not text.isprintable():
        raise ValueError(
            f"the reason has {len(text)} characters, "
            f"expected {SHORTEST_REASON} to {LONGEST_REASON} on one line"
        )


def _note(
    service: OperatorService, visitor: PageVisitor, what: str, subject: str, detail: str, reason: str
) -> None:
    text = f"{detail}: {reason}" if detail else reason
    service.journal.note(visitor.name, what, subject, text, service.clock())
