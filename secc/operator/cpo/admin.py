"""Routes for administrators: contracts, cars, roots, revocation, the audit log."""

from __future__ import annotations

import base64
import datetime
from typing import Annotated, Any

from cryptography.x509 import ReasonFlags
from fastapi import APIRouter, HTTPException, Path, Query

from secc.operator.cpo import forms
from secc.operator.cpo.access import Caller, needs
from secc.operator.cpo.contracts import ContractRecord
from secc.operator.cpo.register import Issued
from secc.operator.cpo.routes import REFUSALS, UNPROCESSABLE, Injected
from secc.operator.cpo.service import OperatorService
from secc.operator.cpo.settings import Access
from secc.operator.opcp.port import EcosystemError
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chains import ChainPolicy, verify_chain
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import Generation, Kind, generation_of
from secc.pki.trust import Role

Operator = Annotated[Caller, needs(Access.OPERATOR)]
Admin = Annotated[Caller, needs(Access.ADMIN)]
_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": forms.Problem, "description": "Not known here"}}
_NO_ECOSYSTEM: dict[int | str, dict[str, Any]] = {
    409: {"model": forms.Problem, "description": "No ecosystem in the settings"},
    502: {"model": forms.Problem, "description": "The ecosystem refuses or does not answer"},
}
_Limit = Annotated[int, Query(ge=1, le=500)]
router = APIRouter(responses={**REFUSALS, **UNPROCESSABLE})


# --- contracts and cars -----------------------------------------------------------------------------------


@router.put("/v1/contracts/{emaid}", tags=["contracts"])
def put_contract(
    emaid: Annotated[forms.Emaid, Path()], form: forms.ContractForm, service: Injected, caller: Admin
) -> forms.ContractReply:
    """Set the state of a contract, and create it if it is missing; may be repeated."""
    with service.database.write():
        contract = service.contracts.put(emaid, form.status)
        _note(service, caller, "contract", contract.emaid, form.status.value)
    return _contract(contract, warning=EMAID.parse(emaid).warning)


@router.get("/v1/contracts/{emaid}", tags=["contracts"], responses=_MISSING)
def one_contract(
    emaid: Annotated[forms.Emaid, Path()], service: Injected, caller: Operator
) -> forms.ContractReply:
    """Return one contract; any spelling of the eMAID is accepted."""
    return _contract(_existing(service, emaid))


@router.get("/v1/contracts", tags=["contracts"])
def contracts(
    service: Injected,
    caller: Operator,
    after: Annotated[str, Query(max_length=18, pattern="^[A-Za-z0-9-]*$")] = "",
    ending_within_days: Annotated[int | None, Query(ge=0, le=3650)] = None,
    limit: _Limit = 50,
) -> list[forms.ContractReply]:
    """Return contracts in order from `after`, or those that end first."""
    until = None
    if ending_within_days is not None:
        until = service.clock() + datetime.timedelta(days=ending_within_days)
    key = after.replace("-", "").upper()[:14]
    return [_contract(one) for one in service.contracts.page(after=key, ending_by=until, limit=limit)]


@router.post("/v1/cars", tags=["contracts"])
def put_car(form: forms.CarForm, service: Injected, caller: Admin) -> forms.ContractReply:
    """Deliver a contract to a car after verifying the chain of the car; may be repeated. With a chain of ISO
    15118-20 the car keeps its other contracts."""
    now = service.clock()
    chain = [base64.b64decode(one) for one in form.chain]
    policy = ChainPolicy(generation=generation_of(read_certificate(chain[0])))
    verified = verify_chain(chain, Role.OEM, service.anchors.trust(), now, policy)
    newer = policy.generation is Generation.ISO20
    with service.database.write():
        put = service.installation.store.put_car if newer else service.contracts.put_car
        contract = put(verified.leaf, form.emaid)
        _note(service, caller, "car", contract.emaid, f"PCID {verified.pcid}, {policy.generation}")
    return _contract(contract)


@router.post("/v1/contracts/{emaid}/renewal", tags=["contracts"], responses=_MISSING)
def renew_contract(
    emaid: Annotated[forms.Emaid, Path()], service: Injected, caller: Admin
) -> forms.ContractReply:
    """Make a contract due for renewal now: the next job, or the next request of its car, makes a new
    certificate."""
    contract = _existing(service, emaid)
    with service.database.write():
        service.renew(contract)
        _note(service, caller, "renewal", contract.emaid, "")
    return one_contract(emaid, service, caller)


@router.post("/v1/contracts/{emaid}/preparation", tags=["contracts"], responses=_MISSING)
def prepare_contract(
    emaid: Annotated[forms.Emaid, Path()], service: Injected, caller: Admin
) -> forms.ContractReply:
    """Make the bundle for the car of a contract now, before the car asks for it; may be repeated."""
    contract = _existing(service, emaid)
    service.prepare(contract, who=caller.name)
    return one_contract(emaid, service, caller)


@router.post("/v1/ecosystem/contracts", tags=["contracts"], responses=_NO_ECOSYSTEM)
def put_in_pool(form: forms.PoolForm, service: Injected, caller: Admin) -> forms.ContractReply:
    """Have the ecosystem make a contract for a car of its pool, or renew it; the contract is created here
    too."""
    emaid, pcid, now = EMAID.parse(form.emaid), PCID.parse(form.pcid), service.clock()
    if service.ecosystem is None:
        raise HTTPException(409, "this service has no ecosystem: set [opcp]")
    try:
        end = now + datetime.timedelta(days=form.days)
        service.ecosystem.generate(emaid, pcid, now, end, forms.generation_of_schema(form.schema_))
    except EcosystemError as error:
        service.journal.refuse("pool", "ecosystem", emaid.normal, "ecosystem", str(error), now)
        raise HTTPException(502, f"the ecosystem: {error}") from error
    with service.database.write():
        contract = service.contracts.put(form.emaid)
        service.contracts.forget_foreign(pcid)
        _note(service, caller, "contract in the pool", contract.emaid, f"PCID {pcid.normal}")
    return _contract(contract)


# --- roots ------------------------------------------------------------------------------------------------


@router.get("/v1/roots", tags=["roots"])
def roots(service: Injected, caller: Operator) -> list[forms.RootReply]:
    """Return the root pool."""
    return [_root(*one) for one in service.anchors.everything()]


@router.post("/v1/roots", tags=["roots"])
def add_root(form: forms.RootForm, service: Injected, caller: Admin) -> forms.Done:
    """Trust a root; no effect if it is trusted already."""
    root = read_certificate(base64.b64decode(form.certificate))
    with service.database.write():
        added = service.anchors.add([(Kind(form.kind), root)], caller.name, service.clock())
        if added:
            _note(service, caller, "root added", str(root.subject), root.fingerprint)
    return forms.Done(count=added)


@router.post("/v1/ecosystem/roots", tags=["roots"], responses={502: {"model": forms.Problem}})
def fetch_roots(service: Injected, caller: Admin) -> forms.Done:
    """Import the root pool of the ecosystem."""
    try:
        return forms.Done(count=service.jobs.fetch_roots())
    except EcosystemError as error:
        service.journal.refuse("roots", "ecosystem", "", "ecosystem", str(error), service.clock())
        raise HTTPException(502, f"the ecosystem: {error}") from error


@router.delete("/v1/roots/{fingerprint}", tags=["roots"], responses=_MISSING)
def remove_root(
    fingerprint: Annotated[forms.Fingerprint, Path()], service: Injected, caller: Admin
) -> forms.Done:
    """Stop trusting a root."""
    with service.database.write():
        if not service.anchors.remove(fingerprint):
            raise HTTPException(404, "no such root")
        _note(service, caller, "root removed", fingerprint, "")
    return forms.Done(count=1)


# --- certificates -----------------------------------------------------------------------------------------


@router.get("/v1/stations/{station}/certificates", tags=["certificates"])
def certificates(
    station: Annotated[forms.Name, Path()], service: Injected, caller: Operator
) -> list[forms.CertificateReply]:
    """Return the certificates of a station, newest first."""
    return [_certificate(one) for one in service.register.of_owner(station)]


@router.get("/v1/certificates", tags=["certificates"])
def ending(
    service: Injected,
    caller: Operator,
    ending_within_days: Annotated[int, Query(ge=0, le=3650)] = 30,
    limit: _Limit = 50,
) -> list[forms.CertificateReply]:
    """Return certificates of stations that end soon."""
    until = service.clock() + datetime.timedelta(days=ending_within_days)
    return [_certificate(one) for one in service.register.ending(Kind.SECC_LEAF, until, limit=limit)]


@router.post("/v1/certificates/{serial}/revocation", tags=["certificates"])
def revoke(
    serial: Annotated[forms.Serial, Path()], form: forms.RevocationForm, service: Injected, caller: Admin
) -> forms.CertificateReply:
    """Revoke a certificate; effective at once over OCSP and in the next CRL. May be repeated."""
    with service.database.write():
        found = service.revocations.revoke(int(serial, 16), ReasonFlags[form.reason])
        _note(service, caller, "revoked", service.name_of_owner(found), f"serial {serial}, {form.reason}")
    return _certificate(found)


# --- jobs and the audit log -------------------------------------------------------------------------------


@router.post("/v1/renewal", tags=["jobs"])
def renew_everything(service: Injected, caller: Admin) -> forms.Done:
    """Schedule a new bundle for every contract; for the replacement of a key."""
    _note(service, caller, "renewal of all contracts", "all contracts", "")
    return forms.Done(count=service.renew_everything())


@router.get("/v1/audit/checkpoint", tags=["audit"])
def audit_checkpoint(service: Injected, caller: Operator) -> forms.CheckpointReply:
    """Return the state of the audit log, to be stored elsewhere; `secc cpo audit --checkpoint` checks against
    it."""
    return forms.CheckpointReply(checkpoint=str(service.journal.checkpoint(service.clock())))


@router.get("/v1/audit", tags=["audit"])
def audit_log(
    service: Injected,
    caller: Operator,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    limit: _Limit = 50,
) -> list[forms.AuditReply]:
    """Return the audit log, newest first."""
    rows = service.journal.notes(before=before, limit=limit)
    return [
        forms.AuditReply(
            id=row.id,
            at=row.at,
            who=row.who,
            what=row.what,
            subject=row.subject,
            detail=row.detail,
            sealed=row.seal is not None,
        )
        for row in rows
    ]


# --- parts ------------------------------------------------------------------------------------------------


def _existing(service: OperatorService, emaid: str) -> ContractRecord:
    found = service.contracts.get(EMAID.parse(emaid))
    if found is None:
        raise HTTPException(404, "no such contract")
    return found


def _note(service: OperatorService, caller: Caller, what: str, subject: str, detail: str) -> None:
    service.journal.note(caller.name, what, subject, detail, service.clock())


def _contract(one: ContractRecord, *, warning: str = "") -> forms.ContractReply:
    return forms.ContractReply(
        emaid=one.emaid,
        status=one.status,
        pcid=one.pcid,
        generation=one.generation,
        not_after=one.not_after,
        renew_at=one.renew_at,
        warning=warning or EMAID.parse(one.emaid).warning,
    )


def _root(kind: Kind, root: Certificate, source: str) -> forms.RootReply:
    return forms.RootReply(
        kind=kind.value,
        subject=str(root.subject),
        fingerprint=root.fingerprint,
        not_after=root.not_after,
        source=source,
        certificate=base64.b64encode(root.der).decode(),
    )


def _certificate(one: Issued) -> forms.CertificateReply:
    revocation = one.revocation
    return forms.CertificateReply(
        serial=f"{one.serial:x}",
        kind=one.kind.value,
        owner=one.owner,
        not_before=one.not_before,
        not_after=one.not_after,
        replaced=one.replaced,
        revoked_at=None if revocation is None else revocation.at,
        reason=None if revocation is None else revocation.reason.name,
    )
