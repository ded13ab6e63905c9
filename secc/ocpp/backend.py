"""The back end of a station that is connected to a central system (CSMS) by OCPP."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
import time
from collections.abc import Callable

import msgspec

from secc.errors import ConfigError
from secc.ocpp import authorising
from secc.ocpp.attached import AttachedStation, ControlledStation
from secc.ocpp.authorizer import CsmsAuthorizer
from secc.ocpp.background import BackgroundTasks, cancel_and_wait
from secc.ocpp.blocks.dynamic import apply_update
from secc.ocpp.certificates import CertificatesBackend
from secc.ocpp.commands import CommandParts, Commands, CommandServices
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.diagnostics import StationDiagnostics
from secc.ocpp.dialect import EventAnswer, StationLabel
from secc.ocpp.drivers import DriverAuthorization
from secc.ocpp.firmware import FirmwareParts, FirmwareUpdates, InstallingFirmware
from secc.ocpp.handlers import handle
from secc.ocpp.limits import ChargingLimits
from secc.ocpp.logs import HttpUploader, LogBook, LogUploads
from secc.ocpp.model import (
    IdToken,
    Payload,
    StopReason,
    TokenKind,
    TransactionEvent,
    Trigger,
)
from secc.ocpp.monitoring import VariableMonitor
from secc.ocpp.needs import ChargingNeeds
from secc.ocpp.network import NetworkProfile, NetworkProfiles
from secc.ocpp.outlet import ReportedOutlet
from secc.ocpp.ports import StationServices
from secc.ocpp.profile_model import ChargingProfile, LimitSource, ProfilePurpose
from secc.ocpp.pulls import DynamicPulls
from secc.ocpp.reservations import Reservation
from secc.ocpp.root_commands import RootCommands
from secc.ocpp.roots import RootFolder
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.store import Store
from secc.ocpp.tariff_store import TariffState
from secc.ocpp.tokens import PresentedTokens
from secc.ocpp.transactions import OpenTransaction, Transactions
from secc.ocpp.variable_table import VARIABLES
from secc.ocpp.variables import VariableContext, Variables
from secc.pki.contract import Evidence, ForwardedContract, PresentedContract, VerifiedContract
from secc.pki.identifiers import EMAID
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
    InstallationBackend,
    OcspSource,
    PricesEnergy,
    ProvisioningBackend,
    RevocationBackend,
    VehicleStatusBackend,
    WantsRenewal,
)
from secc.records import MessageRecord, OutputRecord, Record
from secc.session.contract_events import ContractGranted, Verdict
from secc.session.identity import EvIdentity
from secc.session.outlet import EvseSnapshot
from secc.session.outputs import EndSession
from secc.session.prices import PriceNeed, PriceOffer
from secc.session.schedules import DynamicOffer, EnergyNeed, ScheduleOffer
from secc.settings.config import SeccConfig
from secc.settings.ocpp import OcppConfig, OcppVersion

__all__ = ["OcppBackend"]


class OcppBackend(
    Backend,
    AuthorizesVehicles,
    PricesEnergy,
    ContractBackend,
    CentralValidation,
    ProvisioningBackend,
    InstallationBackend,
    RevocationBackend,
    VehicleStatusBackend,
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
        ocpp = config.ocpp
        self._report_to = report
        self.store = _opened(ocpp)
        self.book = LogBook()
        self.settings = RuntimeSettings(ocpp, config.pnc.central_validation)
        self.network = NetworkProfiles(self.settings)
        self.conversation = CsmsConversation(
            self.settings,
            self.network,
            ocpp.identity or config.evse_id.replace("*", "-"),
            StationLabel(ocpp.vendor, ocpp.model, ocpp.serial, version or "0"),
            self.store,
            handle=self._handle,
            accepted=self._accepted,
            answered=self._event_answered,
            report=self.report,
            on_message=on_message,
            clock=clock,
        )
        self.transactions = Transactions(interval=ocpp.meter_interval)
        self.tokens = PresentedTokens(lambda: self.settings.ocpp.connection_timeout)
        self._background = BackgroundTasks(self.report)
        self._attached = AttachedStation(self.report)
        self.authorizer = CsmsAuthorizer(config, self.settings, self.conversation, self.report)
        self.certificates = CertificatesBackend(
            config, self.conversation, RootFolder(ocpp.store), self.report
        )
        self.limits = ChargingLimits(config, self.transactions, self._attached, self.conversation)
        self.outlet = ReportedOutlet(
            self.settings,
            self.transactions,
            self.conversation,
            self._attached,
            self.limits,
            self.tokens,
            self._background,
            self.report,
            on_reset=on_reset,
            observed=self._observed,
            ended=self.authorizer.tariffs.end_transaction,
        )
        self.needs = ChargingNeeds(
            self.settings,
            self.conversation,
            self.limits,
            self._background,
            tariffs=self.authorizer.tariffs,
            report=self.report,
            rejected=self._transfer_rejected,
        )
        self.drivers = DriverAuthorization(
            self.settings,
            self.conversation,
            self.authorizer,
            self.outlet,
            self.tokens,
            self.needs,
            self.report,
        )
        self._build_commands(config, services or StationServices(), version or "0")
        self._restore()  # before the first authorization, which must not overwrite an open transaction
        self.outlet.recover()

    def _build_commands(self, config: SeccConfig, services: StationServices, version: str) -> None:
        context = VariableContext(
            config,
            self.settings,
            self.conversation,
            self.transactions,
            self.certificates.signing,
            self._background,
            self.limits,
            self._attached,
            self.network,
            frozenset(("firmware",) if services.firmware is not None else ()),
            services.connector_type,
        )
        variables = Variables(VARIABLES, context, self.report)
        self.diagnostics = StationDiagnostics(
            self.conversation, self.settings, variables, self.book, lambda: self.commands.transaction
        )
        firmware = FirmwareParts(
            self.conversation,
            self.transactions,
            services.firmware,
            self.certificates.firmware_authorities,
            self.diagnostics.announce_firmware,
            self.diagnostics.secure,
            self.report,
            version,
            config.ocpp.firmware_signed,
        )
        self.services = CommandServices(
            FirmwareUpdates(firmware),
            LogUploads(
                self.conversation,
                self.book,
                services.uploader or HttpUploader(self.settings),
                report=self.report,
                announce=self.diagnostics.announce_log,
            ),
            services,
        )
        self._roots = RootCommands(
            config,
            self.conversation,
            self.certificates,
            self._attached,
            self.report,
            secure=self.diagnostics.secure,
            counted=self._count_roots,
        )
        parts = CommandParts(
            authorizer=self.authorizer,
            background=self._background,
            certificates=self.certificates,
            diagnostics=self.diagnostics,
            limits=self.limits,
            outlet=self.outlet,
            roots=self._roots,
            services=self.services,
            tariffs=self.authorizer.tariffs,
            tokens=self.tokens,
            variables=variables,
        )
        self.commands = Commands(config, self.settings, self.conversation, parts, self.report)
        self._pulls = DynamicPulls(
            self.conversation,
            self.limits,
            self._background,
            apply=functools.partial(apply_update, self.commands),
            report=self.report,
        )

    # --- life cycle ----------------------------------------------------------------------------------------

    def report_to(self, report: Callable[[str], None]) -> None:
        """Set the receiver of texts for the log, if it was not known before."""
        self._report_to = report

    def report(self, text: str) -> None:
        """Report a text for the log."""
        self.book.note(time.time(), text)
        self._report_to(text)

    def attach(self, station: ControlledStation, controller: EvseController) -> None:
        """Set the station of this back end."""
        self._attached.attach(station, controller)

    async def run(self) -> None:
        """Run until cancelled."""
        await self._roots.count()
        tasks = [asyncio.create_task(self.conversation.run()), asyncio.create_task(self.outlet.watch())]
        try:
            await asyncio.gather(*tasks)
        finally:
            try:
                await self.services.uploads.close()
                await self.services.firmware.close()
                await cancel_and_wait(tasks)
                await self._background.cancel()
            finally:
                self.store.close()

    def follow(self, record: Record) -> None:
        """Follow the records of the station; pass it to `Station(reporter=…)`."""
        if isinstance(record, MessageRecord):
            self.needs.seen(record)
        if not isinstance(record, OutputRecord):
            return
        match record.output:
            case ContractGranted(contract, _):
                self.drivers.granted(self.authorizer.token_of(contract.emaid))
            case EndSession() as end:
                self.outlet.session_over(end)

    def _restore(self) -> None:
        store = self.store
        with contextlib.suppress(msgspec.ValidationError):
            self.transactions.open = msgspec.convert(store.get("transaction"), OpenTransaction | None)
        with contextlib.suppress(msgspec.ValidationError):
            self.limits.profiles = msgspec.convert(store.get("profiles") or (), tuple[ChargingProfile, ...])
        with contextlib.suppress(msgspec.ValidationError):
            self.authorizer.memory = msgspec.convert(store.get("memory") or {}, authorising.Memory)
        with contextlib.suppress(msgspec.ValidationError):
            self.settings.overrides = msgspec.convert(store.get("variables") or {}, dict[str, str])
        with contextlib.suppress(msgspec.ValidationError):
            self.outlet.reservations.present = msgspec.convert(store.get("reservation"), Reservation | None)
        with contextlib.suppress(msgspec.ValidationError):
            self.authorizer.tariffs.state = msgspec.convert(store.get("tariffs") or {}, TariffState)
        with contextlib.suppress(msgspec.ValidationError):
            monitors = msgspec.convert(store.get("monitors") or [], list[VariableMonitor])
            self.diagnostics.monitors.installed = {one.id: one for one in monitors}
        with contextlib.suppress(msgspec.ValidationError):
            slots = msgspec.convert(store.get("network") or {}, dict[str, NetworkProfile])
            self.network.slots = {int(slot): one for slot, one in slots.items()}
        with contextlib.suppress(msgspec.ValidationError):
            monitoring = msgspec.convert(store.get("monitoring") or ("All", 9), tuple[str, int])
            self.settings.monitoring_base, self.settings.monitoring_level = monitoring
        with contextlib.suppress(msgspec.ValidationError):
            installing = msgspec.convert(store.get("firmware"), InstallingFirmware | None)
            self.conversation.boot_with(self.services.firmware.recover(installing))
        self.settings.reserved = self.outlet.reservations.present is not None
        self.settings.listed = len(self.authorizer.memory.listed)
        self.settings.operative = store.get("operative") is not False
        self.commands.variables.restore()

    def _transfer_rejected(self) -> None:
        self.outlet.stop(
            Trigger.ABNORMAL, StopReason.TRANSFER_REJECTED, "the CSMS rejects the energy transfer"
        )

    def _count_roots(self, count: int) -> None:
        self.settings.root_count = count

    def _observed(self, snapshot: EvseSnapshot) -> None:
        self.diagnostics.observe(snapshot)
        self._pulls.observe()

    # --- calls of the conversation -------------------------------------------------------------------------

    async def _handle(self, action: str, payload: Payload) -> Payload:
        return await handle(self.commands, action, payload)

    def _accepted(self) -> None:
        self.outlet.report_status()

    def _event_answered(self, event: TransactionEvent, answer: EventAnswer) -> None:
        self.needs.recorded(event.transaction)
        if answer.info is None or event.token is None:
            return
        if event.token.kind is not TokenKind.NO_AUTHORIZATION:
            self.authorizer.learn(event.token, answer.info)
        self.outlet.event_answered(event, answer)

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
        return self._unless_reserved(contract.emaid, await self.authorizer.judge_contract(contract))

    async def validate_contract(self, evse_id: str, contract: ForwardedContract) -> Verdict:
        """Have a chain under an unknown root validated, see `CsmsAuthorizer.validate_contract`."""
        if not self.settings.operative:
            return Verdict.BLOCKED
        return self._unless_reserved(contract.emaid, await self.authorizer.validate_contract(contract))

    def _unless_reserved(self, emaid: EMAID, verdict: Verdict) -> Verdict:
        """A reservation for another token excludes a contract too (OCPP H03)."""
        token = self.authorizer.token_of(emaid)
        group = self.authorizer.group_of(token)
        if self.outlet.reservations.admits(token, group, self.conversation.now):
            return verdict
        self.report(f"{token.text} may not charge: the outlet is reserved")
        return Verdict.BLOCKED

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | DynamicOffer | None:
        """Return the schedules for an EV, negotiated with the CSMS; None without a profile."""
        return await self.needs.schedules(need)

    async def prices(self, evse_id: str, need: PriceNeed) -> PriceOffer | None:
        """Return the prices of the charging profile, or of the tariff (2.1); None without either."""
        return self.needs.prices(need)

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


def _opened(settings: OcppConfig) -> Store:
    path = None if settings.store is None else settings.store / "station.db"
    try:
        return Store(path)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"ocpp.store: {path}: {error}") from error
