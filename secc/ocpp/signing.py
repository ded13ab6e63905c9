"""Certificates signed by the CSMS: SignCertificate is sent, CertificateSigned arrives minutes later.

*Accepted* only means that a certificate will follow. If it does not, the request is repeated, each time after
twice the wait. A certificate is matched to its request by the public key, not by the order of messages, and
is verified before the CSMS receives the answer.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secc.errors import CertificateError, LinkError
from secc.ocpp.rpc import CallFailed, NoAnswer
from secc.pki.certificates import Certificate, in_order, read_chain

Check = Callable[[tuple[Certificate, ...]], None]
"""Verifies a chain, leaf first; raises CertificateError."""
V2G = "V2GCertificate"
V2G20 = "V2G20Certificate"
STATION = "ChargingStationCertificate"


@dataclasses.dataclass(slots=True)
class _Asked:
    key: bytes
    number: int
    check: Check
    chain: asyncio.Future[tuple[Certificate, ...]]


class Signing:
    """Requests without a certificate so far; at most one of each kind."""

    def __init__(self, ask: Callable[[str, str, int], Awaitable[bool]], *, wait: float, repeats: int) -> None:
        """`ask` sends a request (PEM, kind, number) and returns whether the CSMS has accepted it."""
        self._ask = ask
        self.wait = wait
        self.repeats = repeats
        self._asked: dict[str, _Asked] = {}
        self._number = 0

    async def sign(self, request: bytes, kind: str, check: Check) -> list[bytes]:
        """Have a PKCS#10 request (DER) signed; returns the chain in DER, leaf first, without a root. Raises
        LinkError.

        A chain that `check` refuses is answered with Rejected, and the request stays open.
        """
        csr = x509.load_der_x509_csr(request)
        key = csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if kind in self._asked:
            raise LinkError(f"another request for a {kind} is under way")
        future: asyncio.Future[tuple[Certificate, ...]] = asyncio.get_running_loop().create_future()
        self._number += 1
        self._asked[kind] = asked = _Asked(key, self._number, check, future)
        try:
            chain = await self._until_signed(csr.public_bytes(Encoding.PEM).decode(), kind, asked)
        finally:
            del self._asked[kind]
        return [certificate.der for certificate in chain]

    async def _until_signed(self, pem: str, kind: str, asked: _Asked) -> tuple[Certificate, ...]:
        reason = ""
        for attempt in range(self.repeats + 1):
            try:
                if not await self._ask(pem, kind, asked.number):
                    raise LinkError("the CSMS refuses the request")
                reason = "nothing came"
            except (NoAnswer, CallFailed) as error:
                reason = str(error)
            try:
                async with asyncio.timeout(self.wait * 2**attempt):
                    return await asyncio.shield(asked.chain)
            except TimeoutError:
                continue
        raise LinkError(f"no signed certificate after {self.repeats + 1} requests: {reason}")

    def signed(self, pem: str, kind: str | None, number: int | None = None) -> str:
        """Use a chain from CertificateSigned; returns the reason of a refusal, or an empty text.

        `number` is the requestId of 2.1, which must be that of the request.
        """
        try:
            found = read_chain(pem.encode())
        except CertificateError as error:
            return str(error)
        for name, asked in self._asked.items():
            if kind not in (None, name) or number not in (None, asked.number):
                continue
            leaf = next((one for one in found if _key(one) == asked.key), None)
            if leaf is not None:
                return _take(asked, in_order(found, leaf))
        return "no request is open for this key"


def _take(asked: _Asked, chain: tuple[Certificate, ...]) -> str:
    try:
        asked.check(chain)
    except CertificateError as error:
        return str(error)
    if not asked.chain.done():
        asked.chain.set_result(chain)
    return ""


def _key(certificate: Certificate) -> bytes:
    return certificate.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
