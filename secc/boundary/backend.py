"""The adapter around a back end: its results are checked here, once.

For the caller a refused result is the same as a call that raises, with the same consequences: an
authorization is not given, a contract is not accepted.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

from secc.boundary.abilities import BACKEND, adapted, examine
from secc.boundary.calls import awaited, returned
from secc.ports import (
    AuthorizesVehicles,
    Backend,
    CentralValidation,
    CertificateSigner,
    ContractBackend,
    FollowsNeeds,
    GridRules,
    InstallationBackend,
    OffersServices,
    PricesEnergy,
    ProvisioningBackend,
    ReadsBatteries,
    RecordsContracts,
    ReportsExpiry,
    RevocationBackend,
    VehicleStatusBackend,
    WantsRenewal,
)
from secc.session.battery_events import EvBattery
from secc.session.contract_events import ContractRecord, Verdict
from secc.session.grid import GridCode
from secc.session.identity import EvIdentity
from secc.session.needs import VehicleNeeds
from secc.session.prices import PriceNeed, PriceOffer
from secc.session.schedules import DynamicOffer, EnergyNeed, ScheduleOffer
from secc.session.service_events import ChosenService
from secc.settings.services import ValueAddedService

if TYPE_CHECKING:
    from secc.pki.contract import Evidence, ForwardedContract, PresentedContract, VerifiedContract
    from secc.pki.expiry import Expiry
    from secc.pki.installation import InstallationRequest
    from secc.pki.provisioning import ProvisioningAnswer, ProvisioningRequest
    from secc.pki.vehicle import VehicleIdentity, VehicleStatus


class CheckedBackend:
    """A `Backend` whose results the station relies on, and the abilities that it declares."""

    def __init__(self, backend: Backend) -> None:
        """Raises ConfigError when a method is missing, misspelt, not declared, or of another shape."""
        examine(BACKEND, backend)
        self.inner = backend
        """The integrator's object."""
        self.prices = adapted(backend, PricesEnergy, _Prices)
        self.grid = adapted(backend, GridRules, _Grid)
        self.vehicles = adapted(backend, AuthorizesVehicles, _Vehicles)
        self.contracts = adapted(backend, ContractBackend, _Contracts)
        self.central_validation = adapted(backend, CentralValidation, _CentralValidation)
        self.provisioning = adapted(backend, ProvisioningBackend, _Provisioning)
        self.installation = adapted(backend, InstallationBackend, _Installation)
        self.revocation = adapted(backend, RevocationBackend, _Revocation)
        self.vehicle_status = adapted(backend, VehicleStatusBackend, _VehicleStatus)
        self.contract_records = adapted(backend, RecordsContracts, _ContractRecords)
        self.expiry = adapted(backend, ReportsExpiry, _Expiry)
        self.services = adapted(backend, OffersServices, _Services)
        self.needs = adapted(backend, FollowsNeeds, _Needs)
        self.batteries = adapted(backend, ReadsBatteries, _Batteries)
        self.signer = adapted(backend, CertificateSigner, _Signer)
        self.renewal = adapted(backend, WantsRenewal, _Renewal)

    async def authorize_external(self, evse_id: str) -> bool:
        granted: bool = await awaited("authorize_external", self.inner.authorize_external(evse_id))
        return granted

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | DynamicOffer | None:
        offer: ScheduleOffer | DynamicOffer | None = await awaited(
            "schedules", self.inner.schedules(evse_id, need)
        )
        return offer


class _Prices:
    """A checked `PricesEnergy`."""

    def __init__(self, inner: PricesEnergy) -> None:
        self._inner = inner

    async def prices(self, evse_id: str, need: PriceNeed) -> PriceOffer | None:
        offer: PriceOffer | None = await awaited("prices", self._inner.prices(evse_id, need))
        return offer


class _Grid:
    """A checked `GridRules`."""

    def __init__(self, inner: GridRules) -> None:
        self._inner = inner

    async def grid_code(self, evse_id: str) -> GridCode | None:
        code: GridCode | None = await awaited("grid_code", self._inner.grid_code(evse_id))
        return code

    async def grid_event(self, evse_id: str, condition: int) -> None:
        await awaited("grid_event", self._inner.grid_event(evse_id, condition))


class _Vehicles:
    """A checked `AuthorizesVehicles`."""

    def __init__(self, inner: AuthorizesVehicles) -> None:
        self._inner = inner

    async def authorize_vehicle(self, evse_id: str, ev: EvIdentity) -> bool:
        granted: bool = await awaited("authorize_vehicle", self._inner.authorize_vehicle(evse_id, ev))
        return granted


class _Contracts:
    """A checked `ContractBackend`."""

    def __init__(self, inner: ContractBackend) -> None:
        self._inner = inner

    async def authorize_contract(self, evse_id: str, contract: VerifiedContract) -> Verdict:
        call = self._inner.authorize_contract(evse_id, contract)
        verdict: Verdict = await awaited("authorize_contract", call)
        return verdict


class _CentralValidation:
    """A checked `CentralValidation`."""

    def __init__(self, inner: CentralValidation) -> None:
        self._inner = inner

    async def validate_contract(self, evse_id: str, contract: ForwardedContract) -> Verdict:
        verdict: Verdict = await awaited(
            "validate_contract", self._inner.validate_contract(evse_id, contract)
        )
        return verdict


class _Provisioning:
    """A checked `ProvisioningBackend`."""

    def __init__(self, inner: ProvisioningBackend) -> None:
        self._inner = inner

    async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        answer: ProvisioningAnswer = await awaited("provision", self._inner.provision(request))
        return answer


class _Installation:
    """A checked `InstallationBackend`."""

    def __init__(self, inner: InstallationBackend) -> None:
        self._inner = inner

    async def install(self, request: InstallationRequest) -> ProvisioningAnswer:
        answer: ProvisioningAnswer = await awaited("install", self._inner.install(request))
        return answer


class _Revocation:
    """A checked `RevocationBackend`."""

    def __init__(self, inner: RevocationBackend) -> None:
        self._inner = inner

    async def revocation(self, contract: PresentedContract) -> Evidence:
        evidence: Evidence = await awaited("revocation", self._inner.revocation(contract))
        return evidence


class _VehicleStatus:
    """A checked `VehicleStatusBackend`."""

    def __init__(self, inner: VehicleStatusBackend) -> None:
        self._inner = inner

    async def vehicle_status(self, vehicle: VehicleIdentity) -> VehicleStatus:
        status: VehicleStatus = await awaited("vehicle_status", self._inner.vehicle_status(vehicle))
        return status


class _ContractRecords:
    """A checked `RecordsContracts`."""

    def __init__(self, inner: RecordsContracts) -> None:
        self._inner = inner

    async def record_contract(self, evse_id: str, record: ContractRecord) -> None:
        await awaited("record_contract", self._inner.record_contract(evse_id, record))


class _Expiry:
    """A checked `ReportsExpiry`."""

    def __init__(self, inner: ReportsExpiry) -> None:
        self._inner = inner

    async def expiring(self, now: datetime.datetime) -> Sequence[Expiry]:
        found: Sequence[Expiry] = await awaited("expiring", self._inner.expiring(now))
        return found


class _Services:
    """A checked `OffersServices`."""

    def __init__(self, inner: OffersServices) -> None:
        self._inner = inner

    def value_added_services(self, evse_id: str) -> Sequence[ValueAddedService]:
        offered: Sequence[ValueAddedService] = returned(
            "value_added_services", self._inner.value_added_services(evse_id)
        )
        return offered

    async def services_chosen(self, evse_id: str, chosen: Sequence[ChosenService]) -> None:
        await awaited("services_chosen", self._inner.services_chosen(evse_id, chosen))


class _Batteries:
    """A checked `ReadsBatteries`."""

    def __init__(self, inner: ReadsBatteries) -> None:
        self._inner = inner

    async def battery_read(self, evse_id: str, battery: EvBattery) -> None:
        await awaited("battery_read", self._inner.battery_read(evse_id, battery))


class _Needs:
    """A checked `FollowsNeeds`."""

    def __init__(self, inner: FollowsNeeds) -> None:
        self._inner = inner

    async def vehicle_needs(self, evse_id: str, needs: VehicleNeeds) -> None:
        await awaited("vehicle_needs", self._inner.vehicle_needs(evse_id, needs))


class _Signer:
    """A checked `CertificateSigner`."""

    def __init__(self, inner: CertificateSigner) -> None:
        self._inner = inner

    async def sign_certificate(self, request: bytes) -> list[bytes]:
        chain: list[bytes] = await awaited("sign_certificate", self._inner.sign_certificate(request))
        return chain


class _Renewal:
    """A checked `WantsRenewal`."""

    def __init__(self, inner: WantsRenewal) -> None:
        self._inner = inner

    async def certificate_due(self) -> None:
        await awaited("certificate_due", self._inner.certificate_due())


def checked_backend(backend: Backend | CheckedBackend) -> CheckedBackend:
    """Its adapter, or itself when it is one; raises ConfigError."""
    return backend if isinstance(backend, CheckedBackend) else CheckedBackend(backend)
