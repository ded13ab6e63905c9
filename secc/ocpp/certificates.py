"""Certificates over OCPP: contracts for cars, revocation, certificates of the station."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from secc.certificate_files import CertificateFiles, station_trust
from secc.errors import CertificateError, LinkError
from secc.ocpp.client_chain import read_authorities, verify_client_chain
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.model import Payload
from secc.ocpp.roots import RootFolder
from secc.ocpp.signing import STATION, V2G, V2G20, Signing
from secc.ocpp.v21 import chain_status_body, install_body, read_chain_status
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chains import verify_chain
from secc.pki.contract import Evidence, OcspRequestData, PresentedContract
from secc.pki.installation import InstallationRequest
from secc.pki.issuing import key_pem, make_request, new_key, read_request
from secc.pki.names import COUNTRY, ORGANIZATION
from secc.pki.profiles import Generation, Kind
from secc.pki.provisioning import ProvisioningAnswer, ProvisioningRequest, Refusal
from secc.pki.revocation import Question, RevocationStatus, identifier_hashes, questions
from secc.pki.trust import Role
from secc.pki.vehicle import VehicleIdentity, VehicleStatus
from secc.ports import (
    CertificateSigner,
    InstallationBackend,
    OcspSource,
    ProvisioningBackend,
    RevocationBackend,
    VehicleStatusBackend,
    WantsRenewal,
)
from secc.settings.config import SeccConfig
from secc.settings.ocpp import OcppVersion

__all__ = ["CertificatesBackend"]

NAMESPACE = "urn:iso:15118:2:2013:MsgDef"
ISO20_NAMESPACE = "urn:iso:std:iso:15118:-20:CommonMessages"
_PATIENCE = 8.0
"""Seconds that the first request after a start waits for the connection."""


class CertificatesBackend(
    ProvisioningBackend,
    InstallationBackend,
    RevocationBackend,
    VehicleStatusBackend,
    OcspSource,
    CertificateSigner,
    WantsRenewal,
):
    """Contracts for cars, revocation and the certificates of one station, over OCPP."""

    def __init__(
        self,
        config: SeccConfig,
        conversation: CsmsConversation,
        roots: RootFolder,
        report: Callable[[str], None],
    ) -> None:
        self._config = config
        self._settings = settings = config.ocpp
        self._conversation = conversation
        self._report = report
        self.roots = roots
        """The roots that the CSMS has installed."""
        self.signing = Signing(self._ask_signature, wait=settings.csr_wait, repeats=settings.csr_repeats)
        """Open requests for certificates of the station."""
        self.renewal_requested = asyncio.Event()
        """The CSMS has requested the renewal of the certificate that EVs see."""

    async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        """Get15118EVCertificate: request and answer are forwarded unchanged."""
        dialect = self._conversation.dialect
        question = dialect.provision(request.action.value, NAMESPACE, request.payload)
        body = await self._conversation.ask_or_report(question)
        if body is None:
            return ProvisioningAnswer(refusal=Refusal.UNREACHABLE)
        exi = _tolerant(dialect.read_provision, body)
        return ProvisioningAnswer(refusal=Refusal.UNKNOWN) if exi is None else ProvisioningAnswer(exi)

    async def install(self, request: InstallationRequest) -> ProvisioningAnswer:
        """Get15118EVCertificate for ISO 15118-20, which only 2.1 can carry."""
        if self._conversation.dialect.version is not OcppVersion.V21:
            self._report("a contract of ISO 15118-20 needs OCPP 2.1")
            return ProvisioningAnswer(refusal=Refusal.UNREACHABLE)
        body = install_body(ISO20_NAMESPACE, request.payload, request.most, request.wanted)
        answer = await self._conversation.ask_or_report(("Get15118EVCertificate", body))
        if answer is None:
            return ProvisioningAnswer(refusal=Refusal.UNREACHABLE)
        exi = _tolerant(self._conversation.dialect.read_provision, answer)
        return ProvisioningAnswer(refusal=Refusal.UNKNOWN) if exi is None else ProvisioningAnswer(exi)

    async def revocation(self, contract: PresentedContract) -> Evidence:
        """GetCertificateStatus for each certificate of the chain that names a responder."""
        found = [await self._certificate_status(data) for data in contract.ocsp_request_data]
        return Evidence(ocsp=tuple(one for one in found if one is not None))

    async def vehicle_status(self, vehicle: VehicleIdentity) -> VehicleStatus:
        """GetCertificateChainStatus for the certificate of a vehicle, which only 2.1 has.

        Good needs an answer for every certificate below the root.
        """
        if vehicle.chain is None or self._conversation.dialect.version is not OcppVersion.V21:
            return VehicleStatus(RevocationStatus.UNKNOWN, detail="OCPP 2.1 is needed to ask the CSMS")
        chain = questions(vehicle.chain)
        asked = [_hash_data(one) for one in chain if one.ocsp_urls]
        if not asked:
            return VehicleStatus(RevocationStatus.UNKNOWN, detail="the chain names no OCSP responder")
        request = ("GetCertificateChainStatus", chain_status_body(asked))
        answer = await self._conversation.ask_or_report(request)
        if answer is None:
            return VehicleStatus(RevocationStatus.UNKNOWN, detail="the CSMS does not answer")
        status, until = read_chain_status(answer, asked)
        if status == "Revoked":
            return VehicleStatus(RevocationStatus.REVOKED, detail="by the CSMS")
        if status != "Good" or len(asked) < len(chain):
            return VehicleStatus(RevocationStatus.UNKNOWN, detail="the CSMS does not know each certificate")
        end = None if until is None else datetime.datetime.fromtimestamp(until, datetime.UTC)
        return VehicleStatus(RevocationStatus.GOOD, until=end)

    async def ocsp_response(self, question: Question) -> bytes | None:
        """GetCertificateStatus for the station's own certificate."""
        if not question.ocsp_urls:
            return None
        await self._conversation.until_online(_PATIENCE)
        return await self._certificate_status(_hash_data(question))

    async def sign_certificate(self, request: bytes) -> list[bytes]:
        """SignCertificate for the certificate that EVs see.

        Raises LinkError for one of ISO 15118-20 where OCPP is older than 2.1, which has a type for it.
        """
        kind = V2G
        if read_request(request).generation is not Generation.ISO2:
            await self._conversation.until_online(_PATIENCE)
            if self._conversation.dialect.version is not OcppVersion.V21:
                raise LinkError(
                    "this version of OCPP has no type for a certificate of ISO 15118-20: replace its files"
                )
            kind = V2G20
        trust = await asyncio.to_thread(station_trust, self._config)

        def check(chain: tuple[Certificate, ...]) -> None:
            verify_chain(chain, Role.SECC, trust, self._utc())

        return await self.signing.sign(request, kind, check)

    def firmware_authorities(self) -> list[bytes]:
        """Return the installed manufacturer roots in PEM, for signatures of firmware; reads files."""
        return [one.certificate.pem for one in self.roots.installed(["ManufacturerRootCertificate"])]

    async def certificate_due(self) -> None:
        """Return when the CSMS requests the renewal of that certificate."""
        await self.renewal_requested.wait()
        self.renewal_requested.clear()

    async def renew_client_certificate(self) -> None:
        """Renew the client certificate of profile 3: new key, SignCertificate, new files, new connection.

        Raises LinkError; the old files then stay in use.
        """
        chain, key = self._settings.client_certificate, self._settings.client_key
        if chain is None or key is None:
            raise LinkError("no client certificate to renew: set ocpp.client_certificate and ocpp.client_key")
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
        await self._conversation.link.drop("a new client certificate")

    def _client_request(
        self, files: CertificateFiles, key: ec.EllipticCurvePrivateKey
    ) -> tuple[bytes, tuple[x509.Certificate, ...]]:
        """Return a request with the subject of the certificate in use, and the authorities that may issue
        it."""
        subject = files.leaf().subject
        request = make_request(
            key,
            Kind.SECC_LEAF,
            common_name=subject.common_name,
            organization="".join(subject.all_of(ORGANIZATION)[:1]) or self._settings.vendor,
            country="".join(subject.all_of(COUNTRY)[:1]),
        )
        sources = [files.chain.read_bytes()]
        sources += [self._settings.ca.read_bytes()] if self._settings.ca is not None else []
        sources += [one.certificate.pem for one in self.roots.installed(["CSMSRootCertificate"])]
        return request, read_authorities(*sources)

    def _utc(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self._conversation.now, datetime.UTC)

    async def _certificate_status(self, data: OcspRequestData) -> bytes | None:
        dialect = self._conversation.dialect
        body = await self._conversation.ask_or_report(dialect.certificate_status(data))
        return None if body is None else _tolerant(dialect.read_certificate_status, body)

    async def _ask_signature(self, csr: str, kind: str, number: int) -> bool:
        dialect = self._conversation.dialect
        return dialect.read_sign_certificate(
            await self._conversation.ask(dialect.sign_certificate(csr, kind, number))
        )


def _hash_data(question: Question) -> OcspRequestData:
    name, key = identifier_hashes(question.issuer, hashes.SHA256())
    serial = f"{question.certificate.serial:x}"
    return OcspRequestData(name.hex(), key.hex(), serial, question.ocsp_urls[0])


def _tolerant(read: Callable[[Payload], bytes | None], answer: Payload) -> bytes | None:
    """Read a body that has no schema in 1.6; an invalid body counts as no answer."""
    try:
        return read(answer)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
