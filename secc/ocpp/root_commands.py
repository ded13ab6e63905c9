"""Requests of the CSMS about certificates: the roots that it installs, and chains for requests of the
station."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable

from secc.certificate_files import load_trust
from secc.errors import SeccError
from secc.ocpp.attached import AttachedStation
from secc.ocpp.certificates import CertificatesBackend
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.model import Payload, SecurityEvent
from secc.ocpp.roots import CHAIN, chain_data, hash_data
from secc.pki.certificates import Certificate, read_chain
from secc.settings.config import SeccConfig


class RootCommands:
    """Serves these requests for one back end."""

    def __init__(
        self,
        config: SeccConfig,
        conversation: CsmsConversation,
        certificates: CertificatesBackend,
        attached: AttachedStation,
        report: Callable[[str], None],
        *,
        secure: Callable[[SecurityEvent], None],
        counted: Callable[[int], None] = lambda _count: None,
    ) -> None:
        """`secure` reports a security event; `counted` receives the number of installed roots."""
        self._secure = secure
        self._counted = counted
        self._config = config
        self._conversation = conversation
        self._certificates = certificates
        self._attached = attached
        self._report = report

    def certificate_signed(self, pem: str, kind: str | None, request_id: int | None = None) -> str:
        """Return Accepted or Rejected; a rejection is a security event."""
        problem = self._certificates.signing.signed(pem, kind, request_id)
        if problem:
            event = SecurityEvent("InvalidChargingStationCertificate", self._conversation.now, problem)
            self._secure(event)
            self._report(f"CertificateSigned: {problem}")
        return "Rejected" if problem else "Accepted"

    async def install(self, purpose: str, pem: str) -> str:
        """Install a root, effective at once; returns Accepted, Rejected or Failed."""
        now = datetime.datetime.fromtimestamp(self._conversation.now, datetime.UTC)
        status = await asyncio.to_thread(self._certificates.roots.install, purpose, pem, now)
        if status == "Accepted":
            self._renew_trust()
        await self.count()
        return status

    async def count(self) -> None:
        """Count the installed roots."""
        self._counted(len(await asyncio.to_thread(self._certificates.roots.installed, [])))

    async def delete(self, data: Payload) -> str:
        """Delete a root, effective at once; returns Accepted, NotFound or Failed."""
        status = await asyncio.to_thread(self._certificates.roots.delete, data)
        if status == "Accepted":
            self._renew_trust()
        await self.count()
        return status

    async def installed(self, purposes: list[str]) -> list[Payload]:
        """Return the certificateHashDataChain of the installed roots and of the chain of the station."""
        found = await asyncio.to_thread(self._certificates.roots.installed, purposes)
        rows: list[Payload] = [
            {
                "certificateType": one.purpose,
                "certificateHashData": hash_data(one.certificate, one.certificate),
            }
            for one in found
        ]
        if not purposes or CHAIN in purposes:
            chain = await asyncio.to_thread(self._station_chain)
            rows += [chain] if chain is not None else []
        return rows

    def _station_chain(self) -> Payload | None:
        tls = self._config.tls
        if tls.certificate_chain is None:
            return None
        try:
            chain = read_chain(tls.certificate_chain.read_bytes())
            root = self._root_of(chain[-1])
        except (OSError, SeccError):
            return None
        return chain_data(chain, root)

    def _root_of(self, last: Certificate) -> Certificate | None:
        tls = self._config.tls
        known = list(read_chain(tls.root.read_bytes())) if tls.root is not None else []
        known += [anchor.certificate for anchor in load_trust(self._config.trust).anchors]
        return next((one for one in known if one.subject.same_as(last.issuer)), None)

    def _renew_trust(self) -> None:
        station = self._attached.station
        if station is None:
            return
        try:
            station.renew_tls()
        except SeccError as error:
            self._report(f"roots: {error}")
