"""Contracts for the cars of a site: issued, encrypted for one car, and signed by the provisioning service."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence

from secc.errors import CertificateError
from secc.pki.certificates import Certificate
from secc.pki.identifiers import EMAID
from secc.pki.installation import InstallationRequest, with_remaining
from secc.pki.profiles import Generation, generation_of
from secc.pki.provisioning import Action, ProvisioningAnswer, ProvisioningRequest, Refusal
from secc.site.issuing import Bundle, ContractIssuer, InstallationService, ProvisioningService
from secc.site.site_events import SiteEvents
from secc.site.store import ContractStore, SiteContract, Status


@dataclasses.dataclass(slots=True, kw_only=True)
class SiteIssuers:
    """What makes contracts; without issuer and service of a generation its cars receive none."""

    issuer: ContractIssuer | None = None
    service: ProvisioningService | None = None
    iso20_issuer: ContractIssuer | None = None
    iso20_service: InstallationService | None = None


class SiteDelivery:
    """Makes contracts for the known cars of one site; its methods block."""

    def __init__(
        self,
        store: ContractStore,
        events: SiteEvents,
        issuers: SiteIssuers,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._store = store
        self._events = events
        self._issuers = issuers
        self._clock = clock

    def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        """Issue, encrypt and sign for a known car, or return a bundle that was made in advance."""
        now = self._clock()
        emaid = request.emaid if request.action is Action.UPDATE else self._emaid_of(request)
        if emaid is None or self._issuers.issuer is None or self._issuers.service is None:
            return ProvisioningAnswer(refusal=Refusal.UNKNOWN)
        contract = self._store.contract(emaid)
        if contract is None or not contract.begun(now):
            return ProvisioningAnswer(refusal=Refusal.UNKNOWN)
        if contract.status is not Status.ACTIVE or contract.ended(now):
            return ProvisioningAnswer(refusal=Refusal.CANCELED, retry_counter=0)
        bundle = None if request.pcid is None else self._store.bundles.take(contract.emaid, request.leaf, now)
        if bundle is None:
            issued = self._issuers.issuer.issue(contract.emaid.text, now, latest=contract.ends)
            bundle = self._issuers.service.bundle(request.action, issued, request.leaf.public_key)
        self._store.add_certificate(bundle.leaf)
        kind = "renewed" if request.action is Action.UPDATE else "installed"
        self._events.add(kind, str(contract.emaid), text=f"until {bundle.not_after:%Y-%m-%d}")
        return ProvisioningAnswer(bundle.payload)

    def install(self, request: InstallationRequest) -> ProvisioningAnswer:
        """Issue, encrypt and sign the next contract for a known vehicle of ISO 15118-20."""
        now = self._clock()
        issuer, service = self._issuers.iso20_issuer, self._issuers.iso20_service
        if issuer is None or service is None or not self._is_known(request):
            return ProvisioningAnswer(refusal=Refusal.UNKNOWN)
        found = self._store.contracts_of(request.pcid)
        usable = [one for one in found if _is_usable(one, now)]
        if not usable:
            return ProvisioningAnswer(refusal=Refusal.CANCELED if found else Refusal.UNKNOWN)
        room = max(1, request.most) - len(request.delivered)
        queue = _in_order(usable, request)[:room]
        if not queue:
            return ProvisioningAnswer(refusal=Refusal.NOT_OFFERED)
        contract = queue[0]
        bundle = self._store.bundles.take(contract.emaid, request.leaf, now)
        if bundle is None:
            issued = issuer.issue(contract.emaid.text, now, latest=contract.ends)
            bundle = service.bundle(issued, request.leaf)
        payload = with_remaining(bundle.payload, len(queue) - 1)
        self._store.add_certificate(bundle.leaf)
        text = f"until {bundle.not_after:%Y-%m-%d}, {Generation.ISO20}"
        self._events.add("installed", str(contract.emaid), text=text)
        return ProvisioningAnswer(payload)

    def prepare(self, emaid: EMAID, generation: Generation = Generation.ISO2) -> None:
        """Make the next bundle of one generation for the car of a contract in advance.

        Raises CertificateError with the reason if it cannot be made; nothing has changed then.
        """
        contract, now = self._store.contract(emaid), self._clock()
        if contract is None or contract.status is not Status.ACTIVE or contract.ended(now):
            raise CertificateError("the contract is unknown or not active", rule="not_active")
        car = None if contract.pcid is None else self._store.car(contract.pcid, generation)
        if car is None:
            raise CertificateError(f"no car of {generation} is known", rule="no_car")
        bundle = self._new_bundle(contract, car, now)
        if bundle.usable_until <= now:
            raise CertificateError(
                f"a certificate of the issuer or the CPS of {generation} has expired", rule="issuer_expired"
            )
        self._store.bundles.keep(bundle, car)

    def look_ahead(self, contract: SiteContract, generation: Generation) -> None:
        """Make the next bundle for a car that has been informed that its contract ends soon."""
        if contract.pcid is None or self._store.bundles.waits(contract.emaid, generation, now=self._clock()):
            return
        try:
            self.prepare(contract.emaid, generation)
        except CertificateError as error:
            self._events.add("renewal failed", str(contract.emaid), rule=error.rule, text=str(error))
        else:
            text = "waits for the next installation by the car"
            self._events.add("renewed", str(contract.emaid), rule="prepared", text=text)

    def _new_bundle(self, contract: SiteContract, car: Certificate, now: datetime.datetime) -> Bundle:
        """Issue and encrypt for the generation of a car; raises CertificateError."""
        found = self._issuers
        if generation_of(car) is Generation.ISO2 and found.issuer is not None and found.service is not None:
            issued = found.issuer.issue(contract.emaid.text, now, latest=contract.ends)
            return found.service.bundle(Action.INSTALL, issued, car.public_key)
        newer = generation_of(car) is Generation.ISO20
        if newer and found.iso20_issuer is not None and found.iso20_service is not None:
            issued = found.iso20_issuer.issue(contract.emaid.text, now, latest=contract.ends)
            return found.iso20_service.bundle(issued, car)
        raise CertificateError(f"no issuer of {generation_of(car)} is configured", rule="no_issuer")

    def _emaid_of(self, request: ProvisioningRequest) -> EMAID | None:
        """Return the contract of a car if its certificate is the known one: the name alone proves nothing."""
        if request.pcid is None:
            return None
        contract = self._store.contract_of(request.pcid)
        return contract.emaid if self._is_known(request) and contract is not None else None

    def _is_known(self, request: ProvisioningRequest | InstallationRequest) -> bool:
        """Return whether the car is known with this provisioning certificate; another one is recorded."""
        if request.pcid is None:
            return False
        known = self._store.car(request.pcid, generation_of(request.leaf))
        if known is not None and known != request.leaf:
            who, text = str(request.pcid), "differs from the known provisioning certificate"
            self._events.add("suspicious", who, rule="other_certificate", text=text)
        return known == request.leaf


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
