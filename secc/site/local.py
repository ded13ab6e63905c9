"""A back end in the process of the station: one site without a network.

It authorises contracts from the store, issues and renews them for the known cars, and records receipts and
the reason of every refusal. Its issuer and its provisioning service hold real keys, so this machine is a
certificate authority.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Sequence

from secc.errors import CertificateError
from secc.pki.certificates import Certificate
from secc.pki.contract import Evidence, PresentedContract, VerifiedContract
from secc.pki.identifiers import EMAID
from secc.pki.installation import InstallationRequest, with_remaining
from secc.pki.profiles import Generation, generation_of
from secc.pki.provisioning import Action, ProvisioningAnswer, ProvisioningRequest, Refusal
from secc.ports import (
    Backend,
    ContractBackend,
    InstallationBackend,
    ProvisioningBackend,
    RecordsContracts,
    RevocationBackend,
)
from secc.session.contract_events import (
    ContractDelivered,
    ContractGranted,
    ContractRecord,
    ContractRefused,
    StoreReceipt,
    Verdict,
)
from secc.session.schedules import EnergyNeed, ScheduleOffer
from secc.site.issuing import Bundle, ContractIssuer, InstallationService, ProvisioningService
from secc.site.store import ContractStore, Event, SiteContract, Status, StoredReceipt

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
        self._issuer = issuer
        self._service = service
        self._iso20_issuer = iso20_issuer
        self._iso20_service = iso20_service
        self._evidence = evidence
        self._allow_external = allow_external
        self._clock = clock
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
            await asyncio.to_thread(self._look_ahead, found, generation_of(contract.chain.leaf))
        return Verdict.ACCEPTED

    async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        """Issue, encrypt and sign for a known car, or return a bundle that was made in advance."""
        return await asyncio.to_thread(self.provision_now, request)

    async def install(self, request: InstallationRequest) -> ProvisioningAnswer:
        """Issue, encrypt and sign the next contract for a known vehicle of ISO 15118-20."""
        return await asyncio.to_thread(self.install_now, request)

    async def revocation(self, contract: PresentedContract) -> Evidence:
        """Return the available evidence; it may be read from a disk."""
        return await asyncio.to_thread(self._evidence)

    async def record_contract(self, evse_id: str, record: ContractRecord) -> None:
        """Record a decision in the store."""
        await asyncio.to_thread(self._record, evse_id, record)

    # --- blocking parts ------------------------------------------------------------------------------------

    def provision_now(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        """Blocking part of `provision`."""
        now = self._clock()
        emaid = request.emaid if request.action is Action.UPDATE else self._emaid_of(request)
        if emaid is None or self._issuer is None or self._service is None:
            return ProvisioningAnswer(refusal=Refusal.UNKNOWN)
        contract = self.store.contract(emaid)
        if contract is None or not contract.begun(now):
            return ProvisioningAnswer(refusal=Refusal.UNKNOWN)
        if contract.status is not Status.ACTIVE or contract.ended(now):
            return ProvisioningAnswer(refusal=Refusal.CANCELED, retry_counter=0)
        bundle = None if request.pcid is None else self.store.take_bundle(contract.emaid, request.leaf, now)
        if bundle is None:
            issued = self._issuer.issue(contract.emaid.text, now, latest=contract.ends)
            bundle = self._service.bundle(request.action, issued, request.leaf.public_key)
        self.store.add_certificate(bundle.leaf)
        kind = "renewed" if request.action is Action.UPDATE else "installed"
        self._event(kind, str(contract.emaid), text=f"until {bundle.not_after:%Y-%m-%d}")
        return ProvisioningAnswer(bundle.payload)

    def install_now(self, request: InstallationRequest) -> ProvisioningAnswer:
        """Blocking part of `install`."""
        now = self._clock()
        issuer, service = self._iso20_issuer, self._iso20_service
        if issuer is None or service is None or not self._is_known(request):
            return ProvisioningAnswer(refusal=Refusal.UNKNOWN)
        found = self.store.contracts_of(request.pcid)
        usable = [one for one in found if _is_usable(one, now)]
        if not usable:
            return ProvisioningAnswer(refusal=Refusal.CANCELED if found else Refusal.UNKNOWN)
        room = max(1, request.most) - len(request.delivered)
        queue = _in_order(usable, request)[:room]
        if not queue:
            return ProvisioningAnswer(refusal=Refusal.NOT_OFFERED)
        contract = queue[0]
        bundle = self.store.take_bundle(contract.emaid, request.leaf, now)
        if bundle is None:
            issued = issuer.issue(contract.emaid.text, now, latest=contract.ends)
            bundle = service.bundle(issued, request.leaf)
        payload = with_remaining(bundle.payload, len(queue) - 1)
        self.store.add_certificate(bundle.leaf)
        text = f"until {bundle.not_after:%Y-%m-%d}, {Generation.ISO20}"
        self._event("installed", str(contract.emaid), text=text)
        return ProvisioningAnswer(payload)

    def prepare(self, emaid: EMAID, generation: Generation = Generation.ISO2) -> None:
        """Make the next bundle of one generation for the car of a contract in advance.

        Raises CertificateError with the reason if it cannot be made; nothing has changed then.
        """
        contract, now = self.store.contract(emaid), self._clock()
        if contract is None or contract.status is not Status.ACTIVE or contract.ended(now):
            raise CertificateError("the contract is unknown or not active", rule="not_active")
        car = None if contract.pcid is None else self.store.car(contract.pcid, generation)
        if car is None:
            raise CertificateError(f"no car of {generation} is known", rule="no_car")
        bundle = self._new_bundle(contract, car, now)
        if bundle.usable_until <= now:
            raise CertificateError(
                f"a certificate of the issuer or the CPS of {generation} has expired", rule="issuer_expired"
            )
        self.store.keep_bundle(bundle, car)

    def _new_bundle(self, contract: SiteContract, car: Certificate, now: datetime.datetime) -> Bundle:
        """Issue and encrypt for the generation of a car; raises CertificateError."""
        if generation_of(car) is Generation.ISO2 and self._issuer is not None and self._service is not None:
            issued = self._issuer.issue(contract.emaid.text, now, latest=contract.ends)
            return self._service.bundle(Action.INSTALL, issued, car.public_key)
        newer = generation_of(car) is Generation.ISO20
        if newer and self._iso20_issuer is not None and self._iso20_service is not None:
            issued = self._iso20_issuer.issue(contract.emaid.text, now, latest=contract.ends)
            return self._iso20_service.bundle(issued, car)
        raise CertificateError(f"no issuer of {generation_of(car)} is configured", rule="no_issuer")

    def _look_ahead(self, contract: SiteContract, generation: Generation) -> None:
        """Make the next bundle for a car that has been informed that its contract ends soon."""
        if contract.pcid is None or self.store.has_bundle(contract.emaid, generation, now=self._clock()):
            return
        try:
            self.prepare(contract.emaid, generation)
        except CertificateError as error:
            self._event("renewal failed", str(contract.emaid), rule=error.rule, text=str(error))
        else:
            text = "waits for the next installation by the car"
            self._event("renewed", str(contract.emaid), rule="prepared", text=text)

    def _emaid_of(self, request: ProvisioningRequest) -> EMAID | None:
        """Return the contract of a car if its certificate is the known one: the name alone proves nothing."""
        if request.pcid is None:
            return None
        contract = self.store.contract_of(request.pcid)
        return contract.emaid if self._is_known(request) and contract is not None else None

    def _is_known(self, request: ProvisioningRequest | InstallationRequest) -> bool:
        """Return whether the car is known with this provisioning certificate; another one is recorded."""
        if request.pcid is None:
            return False
        known = self.store.car(request.pcid, generation_of(request.leaf))
        if known is not None and known != request.leaf:
            who, text = str(request.pcid), "differs from the known provisioning certificate"
            self._event("suspicious", who, rule="other_certificate", text=text)
        return known == request.leaf

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
            await asyncio.to_thread(self._event, "suspicious", who, evse_id, "possible_relay", text)

    def _record(self, evse_id: str, record: ContractRecord) -> None:
        match record:
            case ContractGranted(contract, source):
                self._event("granted", str(contract.emaid), evse_id, source.name.lower(), source.value)
            case ContractDelivered(asked, bundle):
                text = "unverified"
                if bundle is not None:
                    text = f"{bundle.emaid} until {bundle.contract.leaf.not_after:%Y-%m-%d}"
                who = str(asked.pcid or asked.emaid)
                self._event("delivered", who, evse_id, asked.action.value.lower(), text)
            case ContractRefused():
                text = f"{record.step}: {record.code.value}, {record.text}"
                self._event("refused", record.identity, evse_id, record.rule, text)
            case StoreReceipt(receipt):
                self.store.add_receipt(
                    StoredReceipt(
                        at=self._clock(),
                        emaid=str(receipt.contract.emaid),
                        evse_id=evse_id,
                        session_id=receipt.session_id,
                        energy=receipt.energy,
                        fragment=receipt.proof.elements[0].fragment(),
                        signed_info=receipt.proof.signed_info,
                        signature=receipt.proof.value,
                        certificate=receipt.contract.chain.leaf.der,
                    )
                )

    def _event(self, kind: str, identity: str, evse_id: str = "", rule: str = "", text: str = "") -> None:
        self.store.add_event(Event(self._clock(), kind, identity, evse_id, rule, text))


def _is_usable(contract: SiteContract, now: datetime.datetime) -> bool:
    return contract.status is Status.ACTIVE and contract.begun(now) and not contract.ended(now)


def _in_order(contracts: Sequence[SiteContract], request: InstallationRequest) -> list[SiteContract]:
    """Return the contracts that have not been delivered, those that the car prefers first."""
    wanted = [one.replace("-", "").upper()[:14] for one in request.wanted]
    delivered = {one.normal[:14] for one in request.delivered}

    def rank(contract: SiteContract) -> int:
        key = contract.emaid.normal[:14]
        return wanted.index(key) if key in wanted else len(wanted)

    return sorted((one for one in contracts if one.emaid.normal[:14] not in delivered), key=rank)
