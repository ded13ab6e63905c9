"""The simulated ecosystem over HTTP: the calls of OPCP, EST, and a few paths to control it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime
import functools
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from secc import exi
from secc.errors import CertificateError, SeccError
from secc.messages import iso2
from secc.operator.opcp import wire
from secc.operator.opcp.faults import EcosystemFault, EcosystemFaults
from secc.operator.opcp.pools import Party, PooledContract, PoolError
from secc.operator.opcp.responder import OcspBehavior, answer
from secc.operator.opcp.simulated import EcosystemCall, SimulatedEcosystem
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chains import KINDS
from secc.pki.identifiers import EMAID, PCID
from secc.pki.issuing import Order, issue, key_pem, read_request, serial_from
from secc.pki.profiles import Generation, Kind, generation_of, profile_of
from secc.pki.trust import Role

__all__ = ["EcosystemServer", "Handler", "refusal"]

Handler = Callable[["EcosystemServer", Request, Party], Awaitable[Response]]
WEBHOOK_RETRIES = 3


class EcosystemServer:
    """The ASGI application around a simulated ecosystem."""

    def __init__(self, ecosystem: SimulatedEcosystem, *, webhook_pause: float = 1.0) -> None:
        """`webhook_pause`: seconds between attempts; the real ecosystem waits an hour."""
        self.ecosystem = ecosystem
        self.hooks: dict[str, str] = {}
        self._pause = webhook_pause
        self._sent = 0
        self._deliveries: set[asyncio.Task[None]] = set()
        self.app = Starlette(routes=self._routes())

    def _routes(self) -> list[Route]:
        rows: list[tuple[str, str, frozenset[str], Handler]] = [
            ("GET", "/v1/root/rootCerts", _ANY_ROLE, _roots),
            ("PUT", "/v1/oem/provCerts", _OEM, _add_vehicle),
            ("GET", "/v1/oem/provCerts/lookupVehicle/{pcid}", _ANY_ROLE - {"cpo"}, _vehicle),
            ("DELETE", "/v1/oem/provCerts/{pcid}", _OEM, _delete_vehicle),
            ("POST", "/v1/ccp/signedContractData", frozenset({"cpo", "oem"}), _signed_contract_data),
            ("GET", "/v1/ccp/lookupContract/{emaid}", _MO, _lookup_contract),
            ("DELETE", "/v1/ccp/signedContractData/{emaid}", _MO, _delete_contract),
            ("POST", "/v1/ccp/signedContractData/{pcid}/{emaid}/default", _MO, _make_default),
            ("PUT", "/v1/cps/generate/signedContractData", _MO, _generate),
            ("GET", "/cps/signer", _ANY_ROLE, _signer),
            ("POST", "/.well-known/est/{role}/simpleenroll/{version}", _ANY_ROLE, _enroll),
            ("GET", "/.well-known/est/{role}/cacerts/{version}", _ANY_ROLE, _cacerts),
            ("POST", "/v1/webhook/endpoints", _ANY_ROLE, _add_hook),
        ]
        routes = [
            Route(path, functools.partial(self._serve, roles, handler), methods=[method])
            for method, path, roles, handler in rows
        ]
        routes.append(Route("/oauth/token", self._token, methods=["POST"]))
        routes.append(Route("/_control/fault", self._set_fault, methods=["POST"]))
        routes.append(Route("/_control/time", self._set_time, methods=["POST"]))
        routes.append(Route("/_control/cars/{pcid}", self._make_car, methods=["POST"]))
        routes.append(Route("/ocsp", self._ocsp, methods=["POST"]))
        routes.append(Route("/_control/ocsp", self._set_behavior, methods=["POST"]))
        routes.append(Route("/_control/calls", self._list_calls, methods=["GET"]))
        return routes

    # --- every call ----------------------------------------------------------------------------------------

    async def _serve(self, roles: frozenset[str], handler: Handler, request: Request) -> Response:
        party = self.ecosystem.party_of(request.headers.get("authorization", "").removeprefix("Bearer "))
        fault = self.ecosystem.faults.take(request.url.path)
        request.state.fault = fault
        response = await self._fault_response(fault)
        if response is None:
            response = await self._answer(roles, handler, request, party)
        self._log(request, party, response.status_code)
        self._send_webhooks()
        return response

    async def _answer(
        self, roles: frozenset[str], handler: Handler, request: Request, party: Party | None
    ) -> Response:
        if party is None:
            return _error(401, "no token, or an expired one")
        if not roles & party.roles:
            return _error(403, f"this needs one of the roles {', '.join(sorted(roles))}")
        try:
            return await handler(self, request, party)
        except PoolError as error:
            return _error(error.status, str(error))
        except (SeccError, msgspec.MsgspecError, KeyError, ValueError) as error:
            return _error(400, f"{type(error).__name__}: {error}")

    async def _fault_response(self, fault: EcosystemFault) -> Response | None:
        match fault:
            case EcosystemFault.SLOW:
                await asyncio.sleep(self.ecosystem.faults.delay)
            case EcosystemFault.UNAUTHORIZED:
                return _error(401, "the token has expired")
            case EcosystemFault.NOT_FOUND:
                return _error(404, "not found")
            case EcosystemFault.NOT_FOUND_EXI:
                return Response(refusal(), status_code=404, media_type="application/octet-stream")
            case EcosystemFault.TOO_MANY:
                return _error(429, "too many requests")
            case EcosystemFault.BROKEN:
                return _error(500, "internal error")
            case EcosystemFault.GARBAGE:
                return Response(b"\x00<html>", media_type="application/json")
            case EcosystemFault.OVERSIZE:
                return Response(b'{"x":"' + b"A" * 1_000_000 + b'"}', media_type="application/json")
            case _:
                pass
        return None

    def _log(self, request: Request, party: Party | None, status: int) -> None:
        client = "" if party is None else party.client_id
        self.ecosystem.calls.append(
            EcosystemCall(self.ecosystem.now, client, request.method, request.url.path, status)
        )

    async def _token(self, request: Request) -> Response:
        fault = self.ecosystem.faults.take(request.url.path)
        if (response := await self._fault_response(fault)) is not None:
            return response
        try:
            asked: dict[str, str] = msgspec.json.decode(await request.body(), type=dict[str, str])
            token, life = self.ecosystem.new_token(asked["client_id"], asked["client_secret"])
        except PoolError as error:
            return _error(error.status, str(error))
        except (msgspec.MsgspecError, KeyError):
            return _error(400, "client_id and client_secret are needed")
        return JSONResponse({"access_token": token, "expires_in": life, "token_type": "Bearer"})

    # --- control -------------------------------------------------------------------------------------------

    async def _set_fault(self, request: Request) -> Response:
        try:
            self.ecosystem.faults = msgspec.json.decode(await request.body(), type=EcosystemFaults)
        except msgspec.MsgspecError as error:
            return _error(400, str(error))
        return Response(status_code=204)

    async def _set_time(self, request: Request) -> Response:
        asked: dict[str, float] = msgspec.json.decode(await request.body(), type=dict[str, float])
        self.ecosystem.offset = datetime.timedelta(**asked)
        return JSONResponse({"now": self.ecosystem.now.isoformat()})

    async def _make_car(self, request: Request) -> Response:
        newer = request.query_params.get("generation") == Generation.ISO20.value
        chain, key = self.ecosystem.new_car(
            PCID.parse(request.path_params["pcid"]),
            Generation.ISO20 if newer else Generation.ISO2,
            pool=request.query_params.get("pool") == "true",
        )
        return JSONResponse({"key": key_pem(key).decode(), "chain": [one.pem.decode() for one in chain]})

    async def _ocsp(self, request: Request) -> Response:
        made = answer(
            await request.body(), self.ecosystem.pki, self.ecosystem.ocsp_behavior, self.ecosystem.now
        )
        return Response(made, media_type="application/ocsp-response")

    async def _set_behavior(self, request: Request) -> Response:
        try:
            asked = msgspec.json.decode(await request.body(), type=dict[str, OcspBehavior])
        except msgspec.MsgspecError as error:
            return _error(400, str(error))
        self.ecosystem.ocsp_behavior = asked.get("behavior", OcspBehavior.GOOD)
        return Response(status_code=204)

    async def _list_calls(self, _request: Request) -> Response:
        rows = [f"{one.client} {one.method} {one.path} {one.status}" for one in self.ecosystem.calls]
        return JSONResponse(rows)

    # --- webhooks ------------------------------------------------------------------------------------------

    def _send_webhooks(self) -> None:
        events, self._sent = self.ecosystem.events[self._sent :], len(self.ecosystem.events)
        for kind, data in events:
            for url, secret in self.hooks.items():
                task = asyncio.create_task(self._send_webhook(url, secret, kind, data))
                self._deliveries.add(task)
                task.add_done_callback(self._deliveries.discard)

    async def _send_webhook(self, url: str, secret: str, kind: str, data: dict[str, str]) -> None:
        """Signed with HMAC-SHA256; tried again when the receiver fails."""
        body = msgspec.json.encode({"eventType": kind, "data": data})
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Hubject-Signature": f"sha256={signature}"}
        async with httpx2.AsyncClient(timeout=5.0) as client:
            for _ in range(1 + WEBHOOK_RETRIES):
                try:
                    answer = await client.post(url, content=body, headers=headers)
                except httpx2.HTTPError:
                    pass
                else:
                    if answer.status_code < 500:
                        return
                await asyncio.sleep(self._pause)


# --- the calls --------------------------------------------------------------------------------------------

_ANY_ROLE = frozenset({"cpo", "mo", "oem", "cps"})
_MO, _OEM = frozenset({"mo"}), frozenset({"oem"})


async def _roots(server: EcosystemServer, request: Request, _party: Party) -> Response:
    wanted = request.query_params.get("rootType", "").lower()
    rows = [
        _root(kind.upper(), pki[of].certificate)
        for pki in (server.ecosystem.pki, server.ecosystem.iso20.pki)
        for kind, of in wire.ROOT_KINDS.items()
        if wanted in ("", kind)
    ]
    return JSONResponse({"rootCertificateCollection": {"rootCertificates": rows}})


async def _add_vehicle(server: EcosystemServer, request: Request, party: Party) -> Response:
    asked = msgspec.json.decode(await request.body(), type=dict[str, Any])
    ders = [asked["provisioningCertificate"], *asked.get("subCertificates", [])]
    chain = [read_certificate(_bytes(one)) for one in ders]
    newer = generation_of(chain[0]) is Generation.ISO20
    pcid = (server.ecosystem.iso20 if newer else server.ecosystem).add_vehicle(party, chain)
    return JSONResponse({"pcid": pcid.normal}, status_code=201)


async def _vehicle(server: EcosystemServer, request: Request, _party: Party) -> Response:
    found = server.ecosystem.vehicle(request.path_params["pcid"])
    leaf, *above = (base64.b64encode(one.der).decode() for one in found.chain)
    names = ("vehicleSubCA2Certificate", "vehicleSubCA1Certificate")
    root = server.ecosystem.pki[Kind.OEM_ROOT].certificate
    return JSONResponse(
        {
            "vehicleCertificate": leaf,
            **dict(zip(names, above, strict=False)),
            "rootIssuer": str(root.issuer),
            "rootSerialNumber": str(root.serial),
        }
    )


async def _delete_vehicle(server: EcosystemServer, request: Request, party: Party) -> Response:
    server.ecosystem.delete_vehicle(party, request.path_params["pcid"])
    return Response(status_code=204)


async def _signed_contract_data(server: EcosystemServer, request: Request, _party: Party) -> Response:
    asked = msgspec.json.decode(await request.body(), type=dict[str, Any])
    fault: EcosystemFault = request.state.fault
    payload, newer = _bytes(asked["certificateInstallationReq"]), _is_newer(asked["xsdMsgDefNamespace"])
    try:
        if newer:
            found = server.ecosystem.iso20.signed_contracts(payload, fault)
        else:
            found = (server.ecosystem.signed_contract_data(payload, fault),)
    except PoolError as error:
        always = request.headers.get("alwaysReturnEXI", "true") == "true"
        if error.status == 404 and always and not newer:
            content = _contract_data(refusal(), "", "")
            return JSONResponse({"ccpResponse": {"emaidContent": [content]}})
        raise
    half = fault is EcosystemFault.TRUNCATED
    contents = [
        _contract_data(
            one.payload[: len(one.payload) // 2] if half else one.payload,
            one.emaid.normal,
            _v2g_fingerprint(server, newer=newer),
        )
        for one in found
    ]
    return JSONResponse({"ccpResponse": {"emaidContent": contents}})


async def _lookup_contract(server: EcosystemServer, request: Request, _party: Party) -> Response:
    found = server.ecosystem.contracts.get(EMAID.parse(request.path_params["emaid"]).normal[:14])
    if found is None:
        raise PoolError(404, "no such contract")
    return JSONResponse(_summary(found))


async def _delete_contract(server: EcosystemServer, request: Request, party: Party) -> Response:
    server.ecosystem.delete_contract(party, EMAID.parse(request.path_params["emaid"]))
    return Response(status_code=204)


async def _make_default(server: EcosystemServer, request: Request, party: Party) -> Response:
    emaid = EMAID.parse(request.path_params["emaid"])
    server.ecosystem.make_default(party, request.path_params["pcid"], emaid)
    return Response(status_code=204)


async def _generate(server: EcosystemServer, request: Request, party: Party) -> Response:
    asked = msgspec.json.decode(await request.body(), type=dict[str, Any])
    ends = datetime.datetime.fromisoformat(asked["contractEnds"])
    pools = server.ecosystem.iso20 if _is_newer(asked["xsdMsgDefNamespace"]) else server.ecosystem
    made = pools.generate(party, EMAID.parse(asked["emaid"]), PCID.parse(asked["pcid"]), ends)
    return JSONResponse(_summary(made), status_code=201)


async def _signer(server: EcosystemServer, _request: Request, _party: Party) -> Response:
    chain = [server.ecosystem.pki[kind].certificate for kind in KINDS[Role.CPS]]
    return JSONResponse({"certificates": [base64.b64encode(one.der).decode() for one in chain]})


async def _enroll(server: EcosystemServer, request: Request, party: Party) -> Response:
    role = request.path_params["role"]
    if role not in party.roles or role not in _ENROLLED:
        raise PoolError(403, f"no certificates are issued for the role {role}")
    kind, issuer = _ENROLLED[role]
    asked, now = read_request(base64.b64decode(await request.body())), server.ecosystem.now
    begin = (now - datetime.timedelta(hours=1)).replace(microsecond=0)
    order = Order(
        kind=kind,
        common_name=asked.common_name,
        organization=asked.organization or party.client_id,
        country="DE",
        serial=serial_from(hashlib.sha256(asked.der).digest()),
        not_before=begin,
        not_after=begin + profile_of(kind).validity,
        ocsp_url="http://ocsp.test.invalid:8080/",
    )
    leaf = issue(order, asked.public_key, server.ecosystem.pki[issuer])
    return _pkcs7([leaf, *_above(server, role)])


async def _cacerts(server: EcosystemServer, request: Request, _party: Party) -> Response:
    if request.path_params["role"] not in _ENROLLED:
        raise PoolError(404, "no such role")
    return _pkcs7(_above(server, request.path_params["role"]))


async def _add_hook(server: EcosystemServer, request: Request, _party: Party) -> Response:
    asked = msgspec.json.decode(await request.body(), type=dict[str, str])
    server.hooks[asked["url"]] = asked["secret"]
    return JSONResponse({"url": asked["url"]}, status_code=201)


# --- parts ------------------------------------------------------------------------------------------------

_ENROLLED = {"cpo": (Kind.SECC_LEAF, Kind.CPO_SUB_CA_2), "cps": (Kind.CPS_LEAF, Kind.CPS_SUB_CA_2)}


def refusal() -> bytes:
    """Return the answer of a pool without a contract for the car: a complete, valid message that refuses."""
    chain = iso2.CertificateChain(certificate=b"\0")
    body = iso2.CertificateInstallationRes(
        response_code=iso2.ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
        sa_provisioning_certificate_chain=chain,
        contract_signature_cert_chain=iso2.CertificateChain(id="id1", certificate=b"\0"),
        contract_signature_encrypted_private_key=iso2.ContractSignatureEncryptedPrivateKey(
            id="id2", value=b"\0"
        ),
        dh_public_key=iso2.DiffieHellmanPublickey(id="id3", value=b"\0"),
        emaid=iso2.EMAID(id="id4", value="00000000000000"),
    )
    return exi.ISO2.encode(iso2.V2GMessage(header=iso2.MessageHeader(session_id=b"\0"), body=body))


def _contract_data(payload: bytes, emaid: str, fingerprint: str) -> dict[str, object]:
    message = {
        "certificateInstallationRes": base64.b64encode(payload).decode(),
        "emaid": emaid,
        "cpsV2GRootCertificateFingerprint": fingerprint,
    }
    return {"messageDef": message}


def _is_newer(namespace: str) -> bool:
    """Return whether messages are of ISO 15118-20; raises PoolError for an unknown namespace."""
    if namespace not in (wire.NAMESPACE, wire.ISO20_NAMESPACE):
        expected = f"{wire.NAMESPACE} or {wire.ISO20_NAMESPACE}"
        raise PoolError(400, f"unsupported namespace, expected {expected}")
    return namespace == wire.ISO20_NAMESPACE


def _v2g_fingerprint(server: EcosystemServer, *, newer: bool = False) -> str:
    pki = server.ecosystem.iso20.pki if newer else server.ecosystem.pki
    return pki[Kind.V2G_ROOT].certificate.fingerprint


def _root(kind: str, root: Certificate) -> dict[str, str]:
    return {
        "rootCertificateId": root.fingerprint[:32],
        "rootType": kind,
        "caCertificate": base64.b64encode(root.der).decode(),
        "commonName": root.subject.common_name,
        "distinguishedName": str(root.subject),
        "rootIssuerSerialNumber": str(root.serial),
        "validFrom": root.not_before.isoformat(),
        "validTo": root.not_after.isoformat(),
        "fingerprint": root.fingerprint,
    }


def _summary(contract: PooledContract) -> dict[str, str]:
    return {
        "emaid": contract.emaid.normal,
        "pcid": contract.pcid,
        "contractEnds": contract.leaf.not_after.isoformat(),
    }


def _above(server: EcosystemServer, role: str) -> list[Certificate]:
    kinds = {"cpo": KINDS[Role.SECC], "cps": KINDS[Role.CPS]}[role]
    return [server.ecosystem.pki[kind].certificate for kind in kinds[1:]]


def _pkcs7(certificates: list[Certificate]) -> Response:
    message = pkcs7.serialize_certificates([one.to_cryptography() for one in certificates], Encoding.DER)
    return Response(base64.encodebytes(message), media_type="application/pkcs7-mime")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise CertificateError(f"not base64: {error}", rule="base64") from error


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"errorMessages": [text], "traceId": "server"}, status_code=status)
