"""The back end of a station that is connected to a central system (CSMS) by OCPP."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from secc.ocpp.attached import ControlledStation
from secc.ocpp.background import cancel_and_wait
from secc.ocpp.model import (
    IdToken,
)
from secc.ocpp.parts import OcppHooks
from secc.ocpp.ports import StationServices
from secc.ocpp.profile_model import LimitSource, ProfilePurpose
from secc.ocpp.request_service import RequestService
from secc.ocpp.steering import ExternalValues
from secc.pki.contract import Evidence, ForwardedContract, PresentedContract, VerifiedContract
from secc.pki.installation import InstallationRequest
from secc.pki.provisioning import ProvisioningAnswer, ProvisioningRequest
from secc.pki.revocation import Question
from secc.pki.vehicle import VehicleIdentity, VehicleStatus
from secc.ports import (
    AuthorizesVehicles,
    Backend,
    CentralValidation,
    CertificateSigner,
    ContractBackend,
    EvseController,
    GridRules,
    InstallationBackend,
    OcspSource,
    PricesEnergy,
    ProvisioningBackend,
    ReadsBatteries,
    RevocationBackend,
    VehicleStatusBackend,
    WantsRenewal,
)
from secc.records import MessageRecord, OutputRecord, Record
from secc.session.battery_events import EvBattery
from secc.session.contract_events import ContractGranted, Verdict
from secc.session.grid import GridCode
from secc.session.identity import EvIdentity
from secc.session.outputs import EndSession
from secc.session.prices import PriceNeed, PriceOffer
from secc.session.schedules import DynamicOffer, EnergyNeed, ScheduleOffer
from secc.settings.config import SeccConfig
from secc.settings.ocpp import OcppVersion

__all__ = ["OcppBackend"]


class OcppBackend(
    Backend,
    AuthorizesVehicles,
    PricesEnergy,
    GridRules,
    ContractBackend,
    CentralValidation,
    ProvisioningBackend,
    InstallationBackend,
    RevocationBackend,
    VehicleStatusBackend,
    ReadsBatteries,
    OcspSource,
    CertificateSigner,
    WantsRenewal,
):
    """The back end of one outlet.

    Create it, pass it to the station, `attach` the station, and run `run` beside the station.
    """

    def __init__(
        self,
        config: SeccConfig,
        *,
        report: Callable[[str], None] = lambda _text: None,
        on_message: Callable[[bool, str], None] = lambda _sent, _text: None,
        clock: Callable[[], float] = time.time,
        version: str = "",
        on_reset: Callable[[], None] | None = None,
        services: StationServices | None = None,
    ) -> None:
        """Open the store and restore its state; a transaction that was open is recorded as ended.

        `report` receives texts for the log, `on_message` every OCPP message (sent or received, text).
        `on_reset` is called for a reset by the CSMS. `services` are optional abilities: firmware updates, a
        lock of the connector, DataTransfer. Raises ConfigError when the store cannot be opened.
        """
        hooks = OcppHooks(report=report, on_message=on_message, clock=clock, on_reset=on_reset)
        requests = RequestService(config, hooks, services or StationServices(), version or "0")
        parts = requests.parts
        self.report = parts.report
        self.store = parts.store
        self.settings = parts.settings
        self.conversation = parts.conversation
        self.transactions = parts.transactions
        self.tokens = parts.tokens
        self.authorizer = parts.authorizer
        self.certificates = parts.certificates
        self.limits = parts.limits
        self.outlet = parts.outlet
        self.needs = parts.needs
        self.der = parts.der_session
        self.drivers = parts.drivers
        self.commands = requests.commands
        self._attached = parts.attached
        self.outlet.recover()

    # --- life cycle ----------------------------------------------------------------------------------------

    def report_to(self, report: Callable[[str], None]) -> None:
        """Set the receiver of texts for the log, if it was not known before."""
        self.report.receiver = report

    def attach(self, station: ControlledStation, controller: EvseController) -> None:
        """Set the station of this back end."""
        self._attached.attach(station, controller)

    async def run(self) -> None:
        """Run until cancelled."""
        await self.commands.roots.count()
        tasks = [asyncio.create_task(self.conversation.run()), asyncio.create_task(self.outlet.watch())]
        try:
            await asyncio.gather(*tasks)
        finally:
            try:
                await self.commands.services.uploads.close()
                await self.commands.services.firmware.close()
                await cancel_and_wait(tasks)
                await self.commands.background.cancel()
            finally:
                self.store.close()

    def follow(self, record: Record) -> None:
        """Follow the records of the station; pass it to `Station(reporter=…)`."""
        if isinstance(record, MessageRecord):
            self.needs.seen(record)
            self.der.seen(record)
        if not isinstance(record, OutputRecord):
            return
        match record.output:
            case ContractGranted(contract, _):
                self.drivers.granted(self.authorizer.token_of(contract.emaid))
            case EndSession() as end:
                self.outlet.session_over(end)
                self.der.session_over()

    # --- Backend and ContractBackend -----------------------------------------------------------------------

    async def authorize_external(self, evse_id: str) -> bool:
        """Wait for a card or a remote start, unless a free token is configured.

        A paused session continues.
        """
        return await self.drivers.authorize(None)

    async def authorize_vehicle(self, evse_id: str, ev: EvIdentity) -> bool:
        """Likewise, after a question to the CSMS whether the EV itself may charge (`ocpp.autocharge`)."""
        return await self.drivers.authorize(ev)

    def present(self, token: IdToken) -> None:
        """Present a card at the outlet; it waits two minutes for an EV."""
        self.tokens.present(token)

    def limit_externally(
        self,
        watts: float | None,
        source: LimitSource = LimitSource.EMS,
        *,
        grid_critical: bool | None = None,
    ) -> None:
        """Set the limit of another system, of an energy manager for example, in W; None removes it.

        It caps all charging profiles, survives a restart, and is reported to the CSMS.
        """
        self.outlet.limit_externally(watts, source, grid_critical=grid_critical)

    def steer_externally(
        self,
        *,
        setpoint: float | None = None,
        limit: float | None = None,
        discharge: float | None = None,
        seconds: float = 60.0,
    ) -> None:
        """Set the values of another system, in W, for profiles with the operation mode ExternalSetpoint or
        ExternalLimits (2.1, Q05).

        `setpoint` is signed, above 0 to the EV; `limit` and `discharge` are the most in each direction. They
        hold for so many seconds; renew them before. Without them the next profile applies. Raises ValueError
        for values that are not finite or have the wrong sign.
        """
        numbers = [one for one in (setpoint, limit, discharge, seconds) if one is not None]
        if not all(math.isfinite(one) for one in numbers) or min(limit or 0.0, discharge or 0.0, seconds) < 0:
            raise ValueError(f"{numbers}, expected finite numbers, and limits of at least 0")
        until = self.conversation.now + seconds
        self.outlet.steer_externally(ExternalValues(setpoint, limit, discharge, until))

    def use_priority(self, *, active: bool) -> bool:
        """The driver wants priority, or no longer (2.1, K22); returns whether there is such a profile."""
        running = self.transactions.open
        known = any(one.purpose is ProfilePurpose.PRIORITY for one in self.limits.profiles)
        if running is None or not known:
            return False
        self.limits.use_priority(active=active)
        body = {"transactionId": running.id, "activated": active}
        self.conversation.notify("NotifyPriorityCharging", body, (OcppVersion.V21,))
        return True

    async def authorize_contract(self, evse_id: str, contract: VerifiedContract) -> Verdict:
        """Judge a contract, see `CsmsAuthorizer.judge_contract`."""
        if not self.settings.operative:
            return Verdict.BLOCKED
        return self.drivers.unless_reserved(contract.emaid, await self.authorizer.judge_contract(contract))

    async def validate_contract(self, evse_id: str, contract: ForwardedContract) -> Verdict:
        """Have a chain under an unknown root validated, see `CsmsAuthorizer.validate_contract`."""
        if not self.settings.operative:
            return Verdict.BLOCKED
        return self.drivers.unless_reserved(contract.emaid, await self.authorizer.validate_contract(contract))

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | DynamicOffer | None:
        """Return the schedules for an EV, negotiated with the CSMS; None without a profile."""
        return await self.needs.schedules(need)

    async def battery_read(self, evse_id: str, battery: EvBattery) -> None:
        """Keep the state of charge for the meter values, measurand SoC."""
        self.transactions.soc = battery.soc

    async def prices(self, evse_id: str, need: PriceNeed) -> PriceOffer | None:
        """Return the prices of the charging profile, or of the tariff (2.1); None without either."""
        return self.needs.prices(need)

    async def grid_code(self, evse_id: str) -> GridCode | None:
        """Return the rules that the CSMS has set for EVs that feed the grid (2.1, block R)."""
        return self.der.begin()

    async def grid_event(self, evse_id: str, condition: int) -> None:
        """NotifyDERAlarm."""
        self.der.event(condition)

    # --- ProvisioningBackend, RevocationBackend, OcspSource, CertificateSigner: see CertificatesBackend ----

    async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        """Get15118EVCertificate."""
        return await self.certificates.provision(request)

    async def install(self, request: InstallationRequest) -> ProvisioningAnswer:
        """Get15118EVCertificate for ISO 15118-20 (2.1)."""
        return await self.certificates.install(request)

    async def revocation(self, contract: PresentedContract) -> Evidence:
        """GetCertificateStatus for the chain of a contract."""
        return await self.certificates.revocation(contract)

    async def vehicle_status(self, vehicle: VehicleIdentity) -> VehicleStatus:
        """GetCertificateChainStatus for the certificate of a vehicle (2.1)."""
        return await self.certificates.vehicle_status(vehicle)

    async def ocsp_response(self, question: Question) -> bytes | None:
        """GetCertificateStatus for the certificate of the station."""
        return await self.certificates.ocsp_response(question)

    async def sign_certificate(self, request: bytes) -> list[bytes]:
        """SignCertificate for the certificate that EVs see."""
        return await self.certificates.sign_certificate(request)

    async def certificate_due(self) -> None:
        """Return when the CSMS requests the renewal of that certificate."""
        await self.certificates.certificate_due()
