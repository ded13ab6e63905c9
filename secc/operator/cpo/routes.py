"""Routes for stations and the CSMS: bundles, authorization, certificates, reports, revocation."""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from typing import Annotated, Any

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from secc.errors import CertificateError
from secc.operator.cpo import forms
from secc.operator.cpo.access import Caller, needs
from secc.operator.cpo.delivery import ContractAnswer
from secc.operator.cpo.journal import RefusalRecord, SessionRecord
from secc.operator.cpo.leaves import LeafIssuer
from secc.operator.cpo.service import OperatorService
from secc.operator.cpo.settings import Access
from secc.pki.certificates import Certificate
from secc.pki.identifiers import EMAID
from secc.pki.issuing import read_request
from secc.pki.profiles import Generation
from secc.pki.provisioning import Action
from secc.site.store import Status


def service_of(request: Request) -> OperatorService:
    """Return the service of a request."""
    service: OperatorService = request.app.state.service
    return service


Injected = Annotated[OperatorService, Depends(service_of)]
Station = Annotated[Caller, needs(Access.STATION)]

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": forms.Problem, "description": "The body cannot be read"},
    401: {"model": forms.Problem, "description": "No token, or an unknown one"},
    403: {"model": forms.Problem, "description": "The token does not allow this"},
    429: {"model": forms.Problem, "description": "Wrong tokens too often: try again after Retry-After"},
    413: {"model": forms.Problem, "description": "The body is too large"},
    503: {"model": forms.Problem, "description": "The database is not available: try again"},
}
UNPROCESSABLE: dict[int | str, dict[str, Any]] = {
    422: {
        "model": forms.Problem,
        "description": "A certificate or identifier breaks a rule, or the form is wrong",
    }
}
router = APIRouter(responses=REFUSALS)


@router.post("/v1/provisioning", tags=["cars"], responses=UNPROCESSABLE)
def provision(form: forms.ProvisioningForm, service: Injected, caller: Station) -> forms.ProvisioningReply:
    """Answer a CertificateInstallationReq or CertificateUpdateReq of ISO 15118-2, or a
    CertificateInstallationReq of ISO 15118-20.

    A repeated request gets the same answer. In ISO 15118-20 a further request of the same car gets its next
    contract.
    """
    began = time.monotonic()
    station = form.station or caller.station or caller.name
    caller.must_speak_for(station)
    answer = _answer(form, service, caller)
    _record(service, station, form.action, answer)
    service.metrics.answered(form.action.value, answer, time.monotonic() - began)
    if answer.refusal is None:
        payload = base64.b64encode(answer.payload).decode()
        return forms.ProvisioningReply(status="Accepted", response=payload)
    # The exact reason is for the operator only: a caller must not be able to find out which cars exist.
    return forms.ProvisioningReply(
        status="Failed", code=answer.code, rule=answer.refusal.name.lower(), reason=answer.refusal.value
    )


@router.post("/v1/authorizations", tags=["cars"], responses=UNPROCESSABLE)
def authorize(form: forms.AuthorizationForm, service: Injected, caller: Station) -> forms.AuthorizationReply:
    """Return whether a contract may charge; the station has verified its owner."""
    emaid = EMAID.parse(form.emaid)
    contract = service.contracts.get(emaid)
    if contract is not None and contract.status is Status.ACTIVE:
        return forms.AuthorizationReply(status="accepted", warning=emaid.warning)
    rule = "unknown_contract" if contract is None else contract.status.value
    text = "no such contract" if contract is None else f"the contract is {contract.status.value}"
    place = caller.station or form.evse_id or caller.name
    service.journal.refuse("authorization", place, emaid.normal, rule, text, service.clock())
    status = "unknown" if contract is None else "blocked"
    return forms.AuthorizationReply(status=status, warning=emaid.warning)


@router.post("/v1/stations/{station}/certificate", tags=["stations"], responses=UNPROCESSABLE)
def sign_certificate(
    station: Annotated[forms.Name, Path()], form: forms.SigningForm, service: Injected, caller: Station
) -> forms.ChainReply:
    """Issue a certificate for the key of a station. The same key gets the same certificate again."""
    caller.must_speak_for(station)
    chain = _issue(service, caller, base64.b64decode(form.request), station)
    ders = [base64.b64encode(one.der).decode() for one in chain]
    return forms.ChainReply(chain=ders, not_after=chain[0].not_after)


@router.post("/v1/sessions", tags=["stations"], status_code=204, responses=UNPROCESSABLE)
def report_session(form: forms.SessionForm, service: Injected, caller: Station) -> None:
    """Record the start or end of a session; a repeated report has no effect."""
    caller.must_speak_for(form.station)
    service.journal.put_session(SessionRecord(**form.model_dump()))


@router.post("/v1/refusals", tags=["stations"], status_code=204, responses=UNPROCESSABLE)
def report_refusal(form: forms.RefusalForm, service: Injected, caller: Station) -> None:
    """Record a refusal of a station; a repeated report has no effect."""
    caller.must_speak_for(form.station)
    service.journal.put_refusal(RefusalRecord(**form.model_dump()))


# --- EST (RFC 7030) ---------------------------------------------------------------------------------------


def _body(media_type: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {"requestBody": {"required": True, "content": content}}


def _answer_of(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}


_PKCS7 = "application/pkcs7-mime"
_EST = {**UNPROCESSABLE, **_answer_of(_PKCS7)}


@router.post(
    "/.well-known/est/cpo/simpleenroll",
    tags=["EST"],
    response_class=Response,
    responses=_EST,
    openapi_extra=_body("application/pkcs10"),
)
async def simple_enroll(request: Request, service: Injected, caller: Station) -> Response:
    """Enroll: PKCS#10 in base64 in, the chain as PKCS#7 in base64 out."""
    return await _enroll(request, service, caller)


@router.post(
    "/.well-known/est/cpo/simplereenroll",
    tags=["EST"],
    response_class=Response,
    responses=_EST,
    openapi_extra=_body("application/pkcs10"),
)
async def simple_reenroll(request: Request, service: Injected, caller: Station) -> Response:
    """Re-enroll: a new key gets a new certificate."""
    return await _enroll(request, service, caller)


@router.get("/.well-known/est/cpo/cacerts", tags=["EST"], response_class=Response, responses=_EST)
def ca_certificates(service: Injected) -> Response:
    """Return the authorities above the certificates of stations, as PKCS#7 in base64."""
    return _pkcs7(_leaf_issuer(service).chain)


async def _enroll(request: Request, service: OperatorService, caller: Caller) -> Response:
    body = await request.body()

    def work() -> Response:
        try:
            data = body if body.startswith(b"-----BEGIN") else base64.b64decode(body, validate=False)
        except binascii.Error as error:
            raise HTTPException(400, f"the body is not base64: {error}") from None
        return _pkcs7(_issue(service, caller, data, caller.station))

    return await run_in_threadpool(work)


# --- revocation, without a token --------------------------------------------------------------------------


@router.post(
    "/ocsp",
    tags=["revocation"],
    response_class=Response,
    responses=_answer_of("application/ocsp-response"),
    openapi_extra=_body("application/ocsp-request"),
)
async def ocsp(request: Request, service: Injected) -> Response:
    """Answer an OCSP request; an invalid request gets an OCSP error."""
    body = await request.body()
    if not body:
        raise HTTPException(400, "the body is empty, expected an OCSP request")
    answer = await run_in_threadpool(service.revocations.ocsp, body)
    return Response(answer, media_type="application/ocsp-response")


@router.get(
    "/crl/{fingerprint}",
    tags=["revocation"],
    response_class=Response,
    responses={**_answer_of("application/pkix-crl"), **UNPROCESSABLE, 404: {"model": forms.Problem}},
)
def crl(fingerprint: Annotated[forms.Fingerprint, Path()], service: Injected) -> Response:
    """Return the CRL of one authority, by the SHA-256 of its certificate."""
    made = service.revocations.crl(fingerprint)
    if made is None:
        raise HTTPException(404, "no such authority in this service")
    return Response(made, media_type="application/pkix-crl")


# --- parts ------------------------------------------------------------------------------------------------


def _answer(form: forms.ProvisioningForm, service: OperatorService, caller: Caller) -> ContractAnswer:
    """By the schema of the message."""
    request = base64.b64decode(form.request)
    if forms.generation_of_schema(form.schema_) is Generation.ISO2:
        return service.delivery.answer(request, form.action, who=caller.name)
    if form.action is not Action.INSTALL:
        raise HTTPException(422, "ISO 15118-20 has no update, expected the action Install")
    return service.installation.answer(request, who=caller.name)


def _issue(service: OperatorService, caller: Caller, request: bytes, station: str) -> tuple[Certificate, ...]:
    owner, name = station or caller.name, ""
    try:
        asked = read_request(request)
        issuer = _leaf_issuer(service, asked.generation)
        owner, name = station or issuer.station_of(asked), asked.common_name
        with service.database.write():
            chain = issuer.issue(asked, owner)
            detail = f"serial {chain[0].serial:x}, until {chain[0].not_after:%Y-%m-%d}"
            service.journal.note(caller.name, "certificate given", owner, detail, service.clock())
    except CertificateError as error:
        rule = str(error.rule or "request")
        service.journal.refuse("certificate", owner, name[:64], rule, str(error), service.clock())
        raise
    service.metrics.leaf_issued()
    return chain


def _leaf_issuer(service: OperatorService, generation: Generation = Generation.ISO2) -> LeafIssuer:
    issuer = service.leaves_for(generation)
    if issuer is None:
        text = f"this service has no authority for stations of {generation}"
        raise CertificateError(text, rule="no_authority")
    return issuer


def _pkcs7(chain: tuple[Certificate, ...]) -> Response:
    message = pkcs7.serialize_certificates([one.to_cryptography() for one in chain], Encoding.DER)
    return Response(
        base64.encodebytes(message),
        media_type=f"{_PKCS7}; smime-type=certs-only",
        headers={"Content-Transfer-Encoding": "base64"},
    )


def _record(service: OperatorService, station: str, action: Action, answer: ContractAnswer) -> None:
    now = service.clock()
    if answer.refusal is not None:
        record = RefusalRecord(
            id=uuid.uuid4().hex,
            at=now,
            station=station,
            what="installation" if action is Action.INSTALL else "update",
            identity=answer.identity,
            rule=answer.rule,
            code=answer.code,
            text=answer.text,
        )
        service.journal.put_refusal(record)
