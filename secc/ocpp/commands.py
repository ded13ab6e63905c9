"""Requests of the CSMS in the form that all versions share; `handlers` translates the messages."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine

from secc.ocpp import customers, profiles
from secc.ocpp.authorising import MOST_LISTED
from secc.ocpp.authorizer import CsmsAuthorizer
from secc.ocpp.background import BackgroundTasks
from secc.ocpp.certificates import CertificatesBackend
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.diagnostics import StationDiagnostics
from secc.ocpp.dialect import to_iso
from secc.ocpp.firmware import FirmwareUpdates
from secc.ocpp.limits import ChargingLimits
from secc.ocpp.logs import LogUploads
from secc.ocpp.model import IdToken, ListEntry, Payload, StopReason, Trigger
from secc.ocpp.outlet import ReportedOutlet
from secc.ocpp.ports import StationServices, TransferAnswer
from secc.ocpp.profile_model import ChargingProfile, ProfileFilter, ProfilePurpose
from secc.ocpp.profiles import ProfileRefusal
from secc.ocpp.reservations import Reservation
from secc.ocpp.root_commands import RootCommands
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.tariff_store import TariffStore
from secc.ocpp.tokens import PresentedTokens
from secc.ocpp.variable_state import connector_type
from secc.ocpp.variables import Variables
from secc.settings.config import SeccConfig
from secc.settings.tls import TlsPolicy

__all__ = ["CommandHandler", "CommandParts", "CommandServices", "Commands"]


@dataclasses.dataclass(frozen=True, slots=True)
class CommandServices:
    """Firmware, logs, and what the integrator provides."""

    firmware: FirmwareUpdates
    uploads: LogUploads
    provided: StationServices


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CommandParts:
    """The parts of a back end that requests need."""

    authorizer: CsmsAuthorizer
    background: BackgroundTasks
    certificates: CertificatesBackend
    diagnostics: StationDiagnostics
    limits: ChargingLimits
    outlet: ReportedOutlet
    roots: RootCommands
    services: CommandServices
    tariffs: TariffStore
    tokens: PresentedTokens
    variables: Variables


class Commands:
    """The requests that one back end can serve, and the parts of the back end that they need."""

    def __init__(
        self,
        config: SeccConfig,
        settings: RuntimeSettings,
        conversation: CsmsConversation,
        parts: CommandParts,
        report: Callable[[str], None],
    ) -> None:
        self.conversation = conversation
        self.tokens = parts.tokens
        self.roots = parts.roots
        self.variables = parts.variables
        self.diagnostics = parts.diagnostics
        self.services = parts.services
        self.limits = parts.limits
        self.tariffs = parts.tariffs
        self.settings = settings
        self._config = config
        self._authorizer = parts.authorizer
        self._background = parts.background
        self._certificates = parts.certificates
        self._outlet = parts.outlet
        self._report = report

    # --- transactions --------------------------------------------------------------------------------------

    @property
    def transaction(self) -> str:
        """Id of the running transaction, or an empty text."""
        running = self._outlet.transactions.open
        return "" if running is None else running.id

    @property
    def may_start(self) -> bool:
        """The CSMS has accepted the station (OCPP B02.FR.05), it is in service, and no transaction runs."""
        return self.conversation.online and self.settings.operative and not self.transaction

    def admits(self, token: IdToken, group: str) -> bool:
        """Return whether no reservation excludes this token."""
        return self._outlet.reservations.admits(token, group, self.conversation.now)

    def stop_transaction(self, transaction: str) -> str:
        """Return Accepted when this transaction runs and the CSMS has accepted the station."""
        if not self.conversation.online or not transaction or self.transaction != transaction:
            return "Rejected"
        self._outlet.stop(Trigger.REMOTE_STOP, StopReason.REMOTE, "stopped by the CSMS")
        return "Accepted"

    async def messages_wait(self, transaction: str) -> bool:
        """Return whether messages wait, of this transaction or, for an empty text, of any kind."""
        return await self.conversation.queue.waits_for(transaction)

    def reset(self, *, at_once: bool) -> str:
        """Return Accepted, or Scheduled for the end of the transaction."""
        outlet = self._outlet
        if outlet.transactions.open is None:
            outlet.reset("RemoteReset")
            return "Accepted"
        outlet.reset_when_idle = True
        if at_once:
            outlet.stop(Trigger.RESET, StopReason.IMMEDIATE_RESET, "reset by the CSMS")
            return "Accepted"
        return "Scheduled"

    def change_availability(self, *, operative: bool) -> str:
        """Change the availability; a running transaction continues, the next one is refused."""
        self.settings.operative = operative
        self.conversation.queue.enqueue((), {"operative": operative})
        if not operative and self._outlet.transactions.open is not None:
            return "Scheduled"
        self._outlet.report_status()
        return "Accepted"

    async def unlock(self) -> bool | None:
        """Unlock the connector; returns whether it is unlocked, None without a lock."""
        connector = self.services.provided.connector
        if connector is None:
            return None
        try:
            return await connector.unlock()
        except Exception as error:
            self._report(f"unlock: {error}")
            return False

    # --- reservations --------------------------------------------------------------------------------------

    @property
    def connector_type(self) -> str:
        """Type of the connector in the words of OCPP."""
        return connector_type(self.variables.context)

    def reserve(self, wanted: Reservation) -> str:
        """Return Accepted, Occupied, Faulted, Unavailable or Rejected."""
        return self._outlet.reserve(wanted)

    def cancel_reservation(self, id_: int) -> str:
        """Return Accepted or Rejected."""
        return self._outlet.cancel_reservation(id_)

    # --- profiles ------------------------------------------------------------------------------------------

    def set_profile(self, profile: ChargingProfile) -> ProfileRefusal | None:
        """Add a profile; returns the reason of a refusal."""
        if profile.evse not in (0, 1):
            return ProfileRefusal(f"unknown EVSE {profile.evse}", "UnknownEvse")
        if profile.purpose is ProfilePurpose.EXTERNAL:
            return ProfileRefusal("the CSMS must not set external constraints")
        return self.limits.add(profile)

    def clear_profiles(self, which: ProfileFilter) -> bool:
        """Remove profiles; returns whether there were any."""
        return self.limits.clear(which)

    def selected_profiles(self, which: ProfileFilter) -> tuple[ChargingProfile, ...]:
        """Return stored profiles."""
        return profiles.selected(self.limits.profiles, which)

    def composite(self, duration: float, unit: str) -> tuple[str, list[Payload]]:
        """Return start and periods of the composite schedule; without a profile the limit of the outlet."""
        now, supply = self.conversation.now, self.limits.supply
        per_ampere = supply.voltage * supply.phases
        periods = []
        for step in self.limits.steps(duration):
            watts = supply.max_power if step.watts is None else min(step.watts, supply.max_power)
            limit = watts if unit == "W" else watts / per_ampere
            periods.append({"startPeriod": int(step.start - now), "limit": round(limit, 1)})
        return to_iso(now), periods

    def permit_transfer(self, *, discharge: bool) -> None:
        """Permit or forbid energy from the EV; a new permission lets the EV select a service again."""
        before, self.limits.discharge_permitted = self.limits.discharge_permitted, discharge
        self.limits.apply()
        if discharge and not before:
            self._outlet.renegotiate_service()

    def store_tariffs(self) -> None:
        """Store the tariffs for the next start."""
        self.conversation.queue.enqueue((), {"tariffs": self.tariffs.state})

    # --- lists and customers -------------------------------------------------------------------------------

    @property
    def list_version(self) -> int:
        """Version of the local list."""
        return self._authorizer.memory.list_version

    def send_list(self, version: int, entries: list[ListEntry], *, full: bool) -> str:
        """Return Accepted, Failed or VersionMismatch."""
        if not self.settings.ocpp.local_list or len(entries) > MOST_LISTED or version < 1:
            return "Failed"
        if not self._authorizer.memory.update_list(version, entries, full=full):
            return "VersionMismatch"
        self._authorizer.store_memory()
        return "Accepted"

    def clear_cache(self) -> str:
        """Return Accepted or Rejected."""
        self._authorizer.memory.cached = {}
        self._authorizer.store_memory()
        return "Accepted" if self.settings.ocpp.cache else "Rejected"

    def customer(self, token: IdToken | None, *, clear: bool) -> str:
        """Return what is stored about a customer as text, and delete it if wanted."""
        if token is None:
            return ""
        memory = self._authorizer.memory
        text = customers.about(memory, self._outlet.transactions.open, token)
        if clear:
            customers.forget(memory, token)
            self._authorizer.store_memory()
        return text

    # --- the station ---------------------------------------------------------------------------------------

    def set_monitoring(self, *, base: str | None = None, level: int | None = None) -> None:
        """Change which monitors are active and which events are reported."""
        if base is not None:
            self.settings.monitoring_base = base
        if level is not None:
            self.settings.monitoring_level = level
        state = [self.settings.monitoring_base, self.settings.monitoring_level]
        self.conversation.queue.enqueue((), {"monitoring": state})

    def set_network_profile(self, slot: int, body: Payload) -> str:
        """Store an address of the CSMS; returns the reason of a refusal, or an empty text."""
        if not self.settings.ocpp.network_profiles:
            return "ocpp.network_profiles is off"
        network = self.conversation.network
        problem = network.set(slot, body)
        if not problem:
            self.conversation.queue.enqueue((), {"network": dict(network.slots)})
        return problem

    async def transfer(self, vendor: str, message: str, data: object) -> TransferAnswer | None:
        """Pass DataTransfer to the integrator; None for a vendor that is not known."""
        handler = self.services.provided.transfers.get(vendor)
        if handler is None:
            return None
        try:
            return await handler.transfer(message, data)
        except Exception as error:
            self._report(f"DataTransfer of {vendor}: {error}")
            return TransferAnswer("Rejected")

    # --- triggers ------------------------------------------------------------------------------------------

    def trigger(self, wanted: str) -> str:
        """Return Accepted, Rejected or NotImplemented; the message is sent after the answer."""
        match wanted:
            case "BootNotification":
                if self.conversation.online:
                    return "Rejected"  # the station is accepted already (OCPP F06)
                self.conversation.announce()
            case "Heartbeat":
                self._later(self.conversation.beat)
            case "StatusNotification":
                self._call_later(self._outlet.report_status)
            case "TransactionEvent":
                if not self.transaction:
                    return "Rejected"
                self._call_later(self._outlet.report_transaction)
            case "MeterValues":
                self._call_later(self._outlet.report_meter)
            case "LogStatusNotification" | "DiagnosticsStatusNotification":
                self._call_later(self._report_log)
            case "FirmwareStatusNotification":
                self._call_later(self._report_firmware)
            case "SignV2GCertificate" | "SignV2G20Certificate":
                if self._config.tls.policy is TlsPolicy.OFF:
                    return "Rejected"
                self._call_later(self._certificates.renewal_requested.set)
            case "SignChargingStationCertificate" | "SignCombinedCertificate":
                if self.settings.ocpp.client_key is None:
                    return "Rejected"
                self._later(self._certificates.renew_client_certificate)
            case _:
                return "NotImplemented"
        return "Accepted"

    def after_answer(self, call: Coroutine[object, object, None]) -> None:
        """Run a call in the background."""
        self._background.spawn(call)

    def _report_log(self) -> None:
        uploads = self.services.uploads
        self.diagnostics.announce_log(uploads.status, uploads.request_id)

    def _report_firmware(self) -> None:
        firmware = self.services.firmware
        self.diagnostics.announce_firmware(firmware.status, firmware.order)

    def _call_later(self, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(_AFTER_ANSWER, call)

    def _later(self, call: Callable[[], Coroutine[object, object, None]]) -> None:
        self._call_later(lambda: self._background.spawn(call()))


CommandHandler = Callable[[Commands, Payload], Awaitable[Payload] | Payload]
"""Answers one message; its body has been checked against its schema."""
_AFTER_ANSWER = 0.01  # s
