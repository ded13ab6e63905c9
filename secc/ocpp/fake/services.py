"""Services behind the fake CSMS: who may charge, contracts for cars, certificates.

`Accounts` answers from a list and, for certificates, from functions in the same process; `CpoService` asks
the provisioning service of the operator over HTTP (`secc cpo serve`).
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from secc.errors import LinkError
from secc.ocpp.authorising import same
from secc.ocpp.model import AuthorizeAnswer, CertificateStatus, IdToken, Payload, TokenInfo, TokenStatus
from secc.pki.certificates import read_certificate

__all__ = ["Accounts", "CpoService", "CsmsServices", "ocsp_request"]


class CsmsServices(Protocol):
    """What the fake CSMS asks; None: no answer."""

    async def authorize(self, token: IdToken, body: Payload) -> AuthorizeAnswer:
        """Judge a token; `body` is the whole message, with certificate and hash data."""
        ...

    async def provision(self, station: str, action: str, exi: bytes) -> bytes | None:
        """Return the answer for a car in EXI."""
        ...

    async def certificate_status(self, data: Payload) -> bytes | None:
        """Return an OCSP response for OCSPRequestData."""
        ...

    async def sign(self, station: str, csr: str, kind: str) -> str | None:
        """Return the chain in PEM, leaf first."""
        ...

    async def chain_status(self, station: str) -> str:
        """Return Good, Revoked, Unknown or Failed for every certificate of a vehicle."""
        ...

    async def charging_needs(self, station: str, body: Payload) -> tuple[str, Payload | None]:
        """Return the status for NotifyEVChargingNeeds, and the profile that follows."""
        ...

    async def dynamic_update(self, station: str, profile: int) -> Payload | None:
        """Return new values of a dynamic profile."""
        ...


@dataclasses.dataclass(slots=True)
class Accounts:
    """A list of tokens, and optional functions for the other questions."""

    tokens: dict[str, TokenStatus] = dataclasses.field(default_factory=dict)
    certificates: CertificateStatus = CertificateStatus.ACCEPTED
    """Status of every contract certificate."""
    provide: Callable[[str, bytes], bytes | None] | None = None
    """From (action, request) to the answer."""
    ocsp: Callable[[bytes], bytes | None] | None = None
    """From OCSP request to response, in DER."""
    signer: Callable[[str, str], str | None] | None = None
    """From (request in PEM, kind) to the chain in PEM."""
    needs: tuple[str, Payload | None] = "Rejected", None
    """Status for the needs of every EV, and the profile that follows without a transaction."""
    update: Payload | None = None
    """New values of every dynamic profile."""
    vehicles: str = "Unknown"
    """Status of every certificate of a vehicle."""
    transfer: tuple[str, ...] = ()
    """allowedEnergyTransfer of 2.1, for every token."""

    async def authorize(self, token: IdToken, body: Payload) -> AuthorizeAnswer:
        found = next((status for text, status in self.tokens.items() if same(text, token.text)), None)
        status = TokenStatus.UNKNOWN if found is None else found
        shown = "iso15118CertificateHashData" in body or "certificate" in body
        if not shown:
            return AuthorizeAnswer(TokenInfo(status), transfer=self.transfer)
        certificate = self.certificates
        if certificate is CertificateStatus.ACCEPTED and status is not TokenStatus.ACCEPTED:
            certificate = (
                CertificateStatus.CANCELLED
            )  # by the errata: the certificate is good, its owner is not
        return AuthorizeAnswer(TokenInfo(status), certificate, self.transfer)

    async def provision(self, station: str, action: str, exi: bytes) -> bytes | None:
        return None if self.provide is None else await asyncio.to_thread(self.provide, action, exi)

    async def certificate_status(self, data: Payload) -> bytes | None:
        if self.ocsp is None:
            return None
        return await asyncio.to_thread(self.ocsp, ocsp_request(data))

    async def chain_status(self, station: str) -> str:
        return self.vehicles

    async def charging_needs(self, station: str, body: Payload) -> tuple[str, Payload | None]:
        return self.needs

    async def dynamic_update(self, station: str, profile: int) -> Payload | None:
        return self.update

    async def sign(self, station: str, csr: str, kind: str) -> str | None:
        return None if self.signer is None else await asyncio.to_thread(self.signer, csr, kind)


class CpoService:
    """The provisioning service of `secc cpo serve`, over HTTP. Raises LinkError while it is not reachable.

    The station then receives an error, not a refusal, and follows its offline policy.
    """

    def __init__(
        self, url: str, *, token: str = "", limit: float = 4.0, others: CsmsServices | None = None
    ) -> None:
        """`others` decides about tokens that are not contracts; without it they are unknown."""
        self._url = url.rstrip("/")
        self._token = token
        self._limit = limit
        self._others = others

    async def authorize(self, token: IdToken, body: Payload) -> AuthorizeAnswer:
        reply = await self._ask("/v1/authorizations", {"emaid": token.text})
        status = {"accepted": TokenStatus.ACCEPTED, "blocked": TokenStatus.BLOCKED}.get(
            str((reply or {}).get("status")), TokenStatus.UNKNOWN
        )
        if status is TokenStatus.UNKNOWN and self._others is not None:
            return await self._others.authorize(token, body)
        good = status is TokenStatus.ACCEPTED
        shown = "iso15118CertificateHashData" in body or "certificate" in body
        certificate = CertificateStatus.ACCEPTED if good else CertificateStatus.CANCELLED
        return AuthorizeAnswer(TokenInfo(status), certificate if shown else None)

    async def provision(self, station: str, action: str, exi: bytes) -> bytes | None:
        reply = await self._ask(
            "/v1/provisioning",
            {"action": action, "request": base64.b64encode(exi).decode(), "station": station},
        )
        if reply is None or reply.get("status") != "Accepted":
            return None
        return base64.b64decode(reply["response"])

    async def certificate_status(self, data: Payload) -> bytes | None:
        return await asyncio.to_thread(self._post, "/ocsp", ocsp_request(data), "application/ocsp-request")

    async def chain_status(self, station: str) -> str:
        return "Unknown"

    async def charging_needs(self, station: str, body: Payload) -> tuple[str, Payload | None]:
        return "Rejected", None

    async def dynamic_update(self, station: str, profile: int) -> Payload | None:
        return None

    async def sign(self, station: str, csr: str, kind: str) -> str | None:
        path = f"/v1/stations/{urllib.parse.quote(station, safe='')}/certificate"
        reply = await self._ask(path, {"request": base64.b64encode(csr.encode()).decode()})
        if reply is None:
            return None
        return "".join(read_certificate(base64.b64decode(one)).pem.decode() for one in reply["chain"])

    async def report(self, session: Payload) -> bool:
        """Report a session; returns False if the service refuses the report."""
        data = json.dumps(session).encode()
        return await asyncio.to_thread(self._post, "/v1/sessions", data, "application/json") is not None

    async def _ask(self, path: str, body: Payload) -> dict[str, Any] | None:
        data = json.dumps(body).encode()
        answer = await asyncio.to_thread(self._post, path, data, "application/json")
        reply = None if answer is None else json.loads(answer)
        return reply if isinstance(reply, dict) else None

    def _post(self, path: str, data: bytes, kind: str) -> bytes | None:
        headers = {"Content-Type": kind}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=self._limit) as answer:
                body: bytes = answer.read(1_000_000)
                return body
        except urllib.error.HTTPError as error:
            if error.code >= 500:
                raise LinkError(f"the provisioning service: {error}") from error
            return None
        except OSError as error:
            raise LinkError(f"the provisioning service does not answer: {error}") from error


def ocsp_request(data: Payload) -> bytes:
    """Return OCSPRequestData as an OCSP request in DER."""
    algorithm = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}[
        data["hashAlgorithm"]
    ]
    return (
        ocsp.OCSPRequestBuilder()
        .add_certificate_by_hash(
            bytes.fromhex(data["issuerNameHash"]),
            bytes.fromhex(data["issuerKeyHash"]),
            int(data["serialNumber"], 16),
            algorithm,
        )
        .build()
        .public_bytes(Encoding.DER)
    )
