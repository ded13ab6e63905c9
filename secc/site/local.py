"""A back end in the process of the station: one site without a network.

It authorises contracts from the store, issues and renews them for the known cars, and records receipts and
the reason of every refusal. Its issuer and its provisioning service hold real keys, so this machine is a
certificate authority.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable

from secc.pki.contract import Evidence, PresentedContract, VerifiedContract
from secc.pki.installation import InstallationRequest
from secc.pki.profiles import generation_of
from secc.pki.provisioning import ProvisioningAnswer, ProvisioningRequest
from secc.ports import (
    Backend,
    ContractBackend,
    InstallationBackend,
    ProvisioningBackend,
    RecordsContracts,
    RevocationBackend,
)
from secc.session.contract_events import (
    ContractRecord,
    Verdict,
)
from secc.session.schedules import EnergyNeed, ScheduleOffer
from secc.site.delivery import SiteDelivery, SiteIssuers
from secc.site.issuing import ContractIssuer, InstallationService, ProvisioningService
from secc.site.site_events import SiteEvents
from secc.site.store import ContractStore, Status

__all__ = ["LocalBackend", "RELAY_WINDOW", "utc_now"]

RELAY_WINDOW = datetime.timedelta(minutes=10)
"""A contract that is accepted at two outlets within this time is reported as a possible relay attack."""


_MAX_SEEN = 10_000  # number of contracts that are remembered for this check


def utc_now() -> datetime.datetime:
    """The wall clock."""
    return datetime.datetime.now(datetime.UTC)


class LocalBackend(
    Backend, ContractBackend, ProvisioningBackend, InstallationBackend, RevocationBackend, RecordsContracts
):
    """Implements `Backend`, `ContractBackend`, `ProvisioningBackend`, `InstallationBackend`,
    `RevocationBackend` and `RecordsContracts`.

    Several stations of a site may share it.
    """

    def __init__(
        self,
        store: ContractStore,
        *,
        issuer: ContractIssuer | None = None,
        service: ProvisioningService | None = None,
        iso20_issuer: ContractIssuer | None = None,
        iso20_service: InstallationService | None = None,
        evidence: Callable[[], Evidence] = Evidence,
        allow_external: bool = False,
        clock: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        """Without `issuer` and `service` no car receives a contract in ISO 15118-2, without `iso20_issuer`
        and `iso20_service` none in ISO 15118-20.

        `evidence` returns OCSP responses and CRLs; `allow_external` allows charging without a contract.
        """
        self.store = store
        self._evidence = evidence
        self._allow_external = allow_external
        self._clock = clock
        self._events = SiteEvents(store, clock)
        self.issuers = SiteIssuers(
            issuer=issuer, service=service, iso20_issuer=iso20_issuer, iso20_service=iso20_service
        )
        self.delivery = SiteDelivery(store, self._events, self.issuers, clock)
        """What makes contracts for cars; its methods block."""
        self._seen: dict[str, tuple[str, datetime.datetime]] = {}

    async def authorize_external(self, evse_id: str) -> bool:
        """Return the configured decision."""
        return self._allow_external

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | None:
        """Return None: the limit of the outlet applies."""
        return None

    async def authorize_contract(self, evse_id: str, contract: VerifiedContract) -> Verdict:
        """Judge a contract by status and validity in the store."""
        found = await asyncio.to_thread(self.store.contract, contract.emaid)
        if found is None:
            return Verdict.UNKNOWN
        if found.status is not Status.ACTIVE or not found.begun(self._clock()):
            return Verdict.BLOCKED
        if found.ended(self._clock()):
            return Verdict.EXPIRED
        await self._watch_for_relay(evse_id, contract)
        if contract.expires_soon:
            await asyncio.to_thread(self.delivery.look_ahead, found, generation_of(contract.chain.leaf))
        return Verdict.ACCEPTED

    async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        """Issue, encrypt and sign for a known car, or return a bundle that was made in advance."""
        return await asyncio.to_thread(self.delivery.provision, request)

    async def install(self, request: InstallationRequest) -> ProvisioningAnswer:
        """Issue, encrypt and sign the next contract for a known vehicle of ISO 15118-20."""
        return await asyncio.to_thread(self.delivery.install, request)

    async def revocation(self, contract: PresentedContract) -> Evidence:
        """Return the available evidence; it may be read from a disk."""
        return await asyncio.to_thread(self._evidence)

    async def record_contract(self, evse_id: str, record: ContractRecord) -> None:
        """Record a decision in the store."""
        await asyncio.to_thread(self._events.record, evse_id, record)

    async def _watch_for_relay(self, evse_id: str, contract: VerifiedContract) -> None:
        """Report a possible relay attack: the signed challenge names no station, so a relay can only be made
        visible."""
        now = self._clock()
        before = self._seen.get(contract.fingerprint)
        self._seen[contract.fingerprint] = (evse_id, now)
        while len(self._seen) > _MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        if before is not None and before[0] != evse_id and now - before[1] < RELAY_WINDOW:
            text = f"accepted at {before[0]} and {evse_id} within {now - before[1]}"
            who = str(contract.emaid)
            await asyncio.to_thread(self._events.add, "suspicious", who, evse_id, "possible_relay", text)
