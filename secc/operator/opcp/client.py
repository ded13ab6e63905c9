"""OPCP client for the back end of a charging point operator; the station itself does not speak OPCP.

Calls block; their duration and the size of an answer are limited. The client may be used from many threads.
"""

from __future__ import annotations

import base64
import datetime
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx2

from secc import exi
from secc.errors import CertificateError, ConfigError, DecodeError
from secc.messages import iso2, iso20_common
from secc.operator.opcp import wire
from secc.operator.opcp.port import EcosystemError, Forbidden, NotFoundThere, PoolRoot, PoolVehicle
from secc.operator.opcp.settings import OpcpSettings
from secc.pki.certificates import Certificate, in_order, read_chain
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import Generation

__all__ = ["MAX_ANSWER", "MAX_BUNDLES_ANSWER", "MAX_BUNDLE_ANSWER", "OpcpClient", "read_enrolled"]

MAX_ANSWER = 2 * 1024 * 1024
"""Bytes; the root pool is the largest answer."""
MAX_BUNDLE_ANSWER = 128 * 1024
"""Bytes; a bundle in base64 with its envelope is below 10 kB."""
MAX_BUNDLES_ANSWER = 512 * 1024
"""Bytes; the bundles of ISO 15118-20 for one car."""


class OpcpClient:
    """`Ecosystem` over OPCP."""

    def __init__(
        self,
        settings: OpcpSettings,
        *,
        transport: httpx2.BaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        on_call: Callable[[str, str, int, float], None] = lambda *_: None,
    ) -> None:
        """`on_call` receives method, path, status (0: no answer) and duration in seconds of each call, but no
        bodies and no names.

        Raises ConfigError when the secret cannot be read.
        """
        try:
            self._secret = settings.client_secret_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"{settings.client_secret_file}: {error.strerror}") from error
        self._settings = settings
        self._monotonic = monotonic
        self._on_call = on_call
        self._lock = threading.Lock()
        self._token: tuple[str, float] | None = None
        verify: Any = True if settings.ca_file is None else str(settings.ca_file)
        self._http = httpx2.Client(
            base_url=settings.url, timeout=settings.timeout, transport=transport, verify=verify
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- the port ------------------------------------------------------------------------------------------

    def roots(self) -> tuple[PoolRoot, ...]:
        """Return every root of the pool that can be read and has a known kind."""
        return wire.read_roots(self._call("GET", self._settings.paths.roots))

    def vehicle(self, pcid: PCID) -> PoolVehicle:
        """Return the provisioning certificate of a car."""
        return wire.read_vehicle(self._call("GET", self._settings.paths.vehicle.format(pcid=pcid.normal)))

    def signed_contract_data(self, request: bytes) -> bytes:
        """Return the signed answer to a CertificateInstallationReq."""
        path, question = self._settings.paths.signed_contract_data, wire.contract_question(request)
        payload, *_ = wire.read_contract_data(
            self._call("POST", path, json=question, limit=MAX_BUNDLE_ANSWER)
        )
        if _is_refusal(payload):
            raise NotFoundThere("the pool has no contract for this car")
        return payload

    def signed_contracts(self, request: bytes) -> tuple[bytes, ...]:
        """Return the signed answers to a CertificateInstallationReq of ISO 15118-20, without refusals."""
        path = self._settings.paths.signed_contract_data
        question = wire.contract_question(request, self._settings.iso20_namespace)
        found = wire.read_contract_data(self._call("POST", path, json=question, limit=MAX_BUNDLES_ANSWER))
        if not (bundles := tuple(one for one in found if not _is_iso20_refusal(one))):
            raise NotFoundThere("the pool has no contract for this car")
        return bundles

    def generate(
        self,
        emaid: EMAID,
        pcid: PCID,
        begins: datetime.datetime,
        ends: datetime.datetime,
        generation: Generation = Generation.ISO2,
    ) -> None:
        """Order a bundle for the pool; a second order for the same car and contract is a renewal."""
        newer = generation is Generation.ISO20
        body = {
            "emaid": emaid.normal,
            "pcid": pcid.normal,
            "contractBegins": _instant(begins),
            "contractEnds": _instant(ends),
            "xsdMsgDefNamespace": self._settings.iso20_namespace if newer else wire.NAMESPACE,
        }
        self._call("PUT", self._settings.paths.generate, json=body)

    # --- other calls to the same ecosystem -----------------------------------------------------------------

    def add_vehicle(self, chain: tuple[Certificate, ...]) -> None:
        """Put a car into the pool of provisioning certificates (role OEM); leaf first."""
        leaf, *above = (base64.b64encode(one.der).decode() for one in chain)
        body = {"provisioningCertificate": leaf, "subCertificates": above}
        path = self._settings.paths.provisioning_certificate
        self._call("PUT", path.format(pcid="").rstrip("/"), json=body)

    def delete_contract(self, emaid: EMAID) -> None:
        """Remove a contract from the pool (role MO)."""
        self._call("DELETE", self._settings.paths.contract.format(emaid=emaid.normal))

    def enroll(self, request: bytes, *, role: str = "cpo", version: str = "ISO15118-2") -> tuple[bytes, ...]:
        """Request a certificate chain over EST for a PKCS#10 request (DER).

        Returns DER certificates, leaf first, without the root. Raises CertificateError for an answer without
        a chain.
        """
        path = self._settings.paths.enroll.format(role=role, version=version)
        body = base64.encodebytes(request)
        headers = {"Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64"}
        answer = self._call("POST", path, content=body, headers=headers)
        return tuple(one.der for one in read_enrolled(answer))

    # --- one call ------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, *, limit: int = MAX_ANSWER, **body: Any) -> bytes:
        status, answer = self._send(method, path, limit, body)
        if status == 401:  # a token may expire before the announced time
            self._forget_token()
            status, answer = self._send(method, path, limit, body)
        if 200 <= status < 300:
            return answer
        message = wire.error_text(answer)
        text = f"{method} {path.split('?')[0]}: status {status}" + (f", {message}" if message else "")
        if status == 404:
            raise NotFoundThere(text)
        if status in (401, 403):
            raise Forbidden(text)
        raise EcosystemError(text)

    def _send(self, method: str, path: str, limit: int, body: dict[str, Any]) -> tuple[int, bytes]:
        headers = {**body.get("headers", {}), "Authorization": f"Bearer {self._valid_token()}"}
        return self._exchange(method, path, limit, {**body, "headers": headers})

    def _exchange(self, method: str, path: str, limit: int, body: dict[str, Any]) -> tuple[int, bytes]:
        began, status = self._monotonic(), 0
        try:
            with self._http.stream(method, path, **body) as response:
                status, content = response.status_code, bytearray()
                for part in response.iter_bytes():
                    content += part
                    if len(content) > limit:
                        raise EcosystemError(f"answer exceeds {limit} bytes")
                    if self._monotonic() - began > self._settings.timeout:
                        raise EcosystemError(f"answer takes longer than {self._settings.timeout:g} s")
                return status, bytes(content)
        except httpx2.HTTPError as error:
            raise EcosystemError(f"not reachable: {type(error).__name__} {error}") from error
        finally:
            self._on_call(method, path, status, self._monotonic() - began)

    def _valid_token(self) -> str:
        with self._lock:
            if self._token is None or self._token[1] <= self._monotonic():
                self._token = self._new_token()
            return self._token[0]

    def _new_token(self) -> tuple[str, float]:
        asked = self._monotonic()
        body = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id,
            "client_secret": self._secret,
            "audience": self._settings.audience or self._settings.url,
        }
        status, answer = self._exchange("POST", self._settings.paths.token, MAX_BUNDLE_ANSWER, {"json": body})
        if status in (401, 403):
            raise Forbidden(f"the ecosystem refuses a token: status {status}")
        if status != 200:
            raise EcosystemError(f"no token from the ecosystem: status {status}")
        token, seconds = wire.read_token(answer)
        return token, asked + 0.9 * seconds

    def _forget_token(self) -> None:
        with self._lock:
            self._token = None


def read_enrolled(answer: bytes) -> tuple[Certificate, ...]:
    """Read the chain in an EST answer: PKCS#7 in base64, in any order. Raises CertificateError."""
    try:
        found = read_chain(base64.b64decode(answer))
    except ValueError as error:
        raise CertificateError(f"answer is not base64: {error}", rule="est") from error
    issuers = [one for one in found for other in found if one != other and one.has_signed(other)]
    leaves = [one for one in found if one not in issuers]
    if len(leaves) != 1:
        raise CertificateError(
            f"{len(leaves)} certificates have issued no other, expected exactly one leaf", rule="est"
        )
    return in_order(found, leaves[0])


def _is_refusal(payload: bytes) -> bool:
    """Return True for an EXI answer that is a refusal; an unreadable answer is judged when it is verified."""
    try:
        message: Any = exi.ISO2.decode(payload)
    except DecodeError:
        return False
    body = message.body if isinstance(message, iso2.V2GMessage) else None
    return isinstance(body, iso2.CertificateInstallationRes) and body.response_code.value.startswith("FAILED")


def _is_iso20_refusal(payload: bytes) -> bool:
    """The same for ISO 15118-20, where a refusal may also be a warning."""
    try:
        message: Any = exi.codec("iso20-common").decode(payload)
    except DecodeError:
        return False
    answer = message if isinstance(message, iso20_common.CertificateInstallationRes) else None
    return answer is not None and not answer.response_code.value.startswith("OK")


def _instant(value: datetime.datetime) -> str:
    return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
