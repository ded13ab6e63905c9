"""The certificate side of the back end: contracts for cars, revocation, the station's own certificates."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from secc.errors import CertificateError, LinkError
from secc.ocpp.certificates import RootFolder
from secc.ocpp.client_chain import read_authorities, verify_client_chain
from secc.ocpp.conversation import Conversation
from secc.ocpp.rpc import CallFailed, NoAnswer
from secc.ocpp.signing import STATION, V2G, Signing
from secc.ocpp.words import Payload
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chains import verify_chain
from secc.pki.contract import Evidence, OcspRequestData, PresentedContract
from secc.pki.issuing import key_pem, make_request, new_key
from secc.pki.names import COUNTRY, ORGANIZATION
from secc.pki.profiles import Kind
from secc.pki.provisioning import ProvisioningAnswer, ProvisioningRequest, Refusal
from secc.pki.revocation import Question, identifier_hashes
from secc.pki.trust import Role
from secc.ports import CertificateSigner, ProvisioningBackend, RevocationBackend, WantsRenewal
from secc.settings.config import SeccConfig
from secc.station.renewal import CertificateFiles, station_trust

NAMESPACE = "urn:iso:15118:2:2013:MsgDef"
_PATIENCE = 8.0
"""s that the first question after a start waits for the line."""


class CertificatePorts(ProvisioningBackend, RevocationBackend, CertificateSigner, WantsRenewal):
    """`ProvisioningBackend`, `RevocationBackend`, `OcspSource` and `CertificateSigner` over OCPP."""

    def __init__(self, talk: Conversation, config: SeccConfig, roots: RootFolder) -> None:
        self.talk = talk
        self.config = config
        self.settings = settings = config.ocpp
        self.roots = roots
        self.signing = Signing(self._ask_signature, wait=settings.csr_wait, repeats=settings.csr_repeats)
        self.certificate_wanted = asyncio.Event()

    def tell(self, text: str) -> None:
        """For the log."""
        raise NotImplementedError

    async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        """Get15118EVCertificate: the car's message goes through untouched, and so does the answer."""
        dialect = self.talk.dialect
        told = await self.ask_or_none(*dialect.provision(request.action.value, NAMESPACE, request.payload))
        if told is None:
            return ProvisioningAnswer(refusal=Refusal.UNREACHABLE)
        exi = _tolerant(dialect.read_provision, told)
        return ProvisioningAnswer(refusal=Refusal.UNKNOWN) if exi is None else ProvisioningAnswer(exi)

    async def revocation(self, contract: PresentedContract) -> Evidence:
        """GetCertificateStatus for each certificate of the chain that names a responder."""
        found = [await self._certificate_status(data) for data in contract.ocsp_request_data]
        return Evidence(ocsp=tuple(one for one in found if one is not None))

    async def ocsp_response(self, question: Question) -> bytes | None:
        """GetCertificateStatus for the station's own certificate."""
        if not question.ocsp_urls:
            return None
        await self.talk.until_online(_PATIENCE)
        name, key = identifier_hashes(question.issuer, hashes.SHA256())
        serial = f"{question.certificate.serial:x}"
        return await self._certificate_status(
            OcspRequestData(name.hex(), key.hex(), serial, question.ocsp_urls[0])
        )

    async def sign_certificate(self, request: bytes) -> list[bytes]:
        """SignCertificate for the certificate that EVs see."""
        trust = await asyncio.to_thread(station_trust, self.config)

        def check(chain: tuple[Certificate, ...]) -> None:
            verify_chain(chain, Role.SECC, trust, self._utc())

        return await self.signing.sign(request, V2G, check)

    async def certificate_due(self) -> None:
        """Returns when the CSMS wants that certificate renewed."""
        await self.certificate_wanted.wait()
        self.certificate_wanted.clear()

    async def renew_client_certificate(self) -> None:
        """A new certificate for profile 3: new key, SignCertificate, new files, new connection.

        Raises LinkError; the old files stay then.
        """
        chain, key = self.settings.client_certificate, self.settings.client_key
        if chain is None or key is None:
            raise LinkError("there is no client certificate to renew")
        files = CertificateFiles(chain, key)
        made = new_key()
        try:
            request, authorities = await asyncio.to_thread(self._client_request, files, made)
            csr = x509.load_der_x509_csr(request)

            def check(offered: tuple[Certificate, ...]) -> None:
                verify_client_chain(offered, authorities, csr, self._utc())

            signed = await self.signing.sign(request, STATION, check)
            pem = b"".join(read_certificate(one).pem for one in signed)
            await asyncio.to_thread(files.replace, pem, key_pem(made))
        except (CertificateError, OSError) as error:
            raise LinkError(f"the client certificate is not renewed: {error}") from error
        await self.talk.link.drop("a new client certificate")

    def _client_request(
        self, files: CertificateFiles, key: ec.EllipticCurvePrivateKey
    ) -> tuple[bytes, tuple[x509.Certificate, ...]]:
        """A request with the subject of the certificate in use, and the authorities that may answer it."""
        subject = files.leaf().subject
        request = make_request(
            key,
            Kind.SECC_LEAF,
            common_name=subject.common_name,
            organization="".join(subject.all_of(ORGANIZATION)[:1]) or self.settings.vendor,
            country="".join(subject.all_of(COUNTRY)[:1]),
        )
        sources = [files.chain.read_bytes()]
        sources += [self.settings.ca.read_bytes()] if self.settings.ca is not None else []
        sources += [one.certificate.pem for one in self.roots.installed(["CSMSRootCertificate"])]
        return request, read_authorities(*sources)

    def _utc(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.talk.now, datetime.UTC)

    async def ask_or_none(self, action: str, payload: Payload) -> Payload | None:
        """The answer, or None, which is told."""
        try:
            return await self.talk.ask((action, payload))
        except (NoAnswer, CallFailed) as error:
            self.tell(f"{action}: {error}")
            return None

    async def _certificate_status(self, data: OcspRequestData) -> bytes | None:
        dialect = self.talk.dialect
        told = await self.ask_or_none(*dialect.certificate_status(data))
        return None if told is None else _tolerant(dialect.read_certificate_status, told)

    async def _ask_signature(self, csr: str, kind: str) -> bool:
        dialect = self.talk.dialect
        return dialect.read_sign_certificate(await self.talk.ask(dialect.sign_certificate(csr, kind)))


def _tolerant(read: Callable[[Payload], bytes | None], answer: Payload) -> bytes | None:
    """What 1.6 wraps has no schema: whatever is wrong in it is no answer."""
    try:
        return read(answer)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
