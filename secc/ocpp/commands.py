"""Requests of the CSMS in the form that all versions share; `handlers` translates the messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from secc.ocpp.attached import AttachedStation
from secc.ocpp.authorizer import CsmsAuthorizer
from secc.ocpp.background import BackgroundTasks
from secc.ocpp.certificates import CertificatesBackend
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.dialect import to_iso
from secc.ocpp.limits import ChargingLimits
from secc.ocpp.model import (
    ChargingProfile,
    ListEntry,
    Payload,
    ProfileFilter,
    ProfilePurpose,
    StopReason,
    Trigger,
)
from secc.ocpp.outlet import ReportedOutlet
from secc.ocpp.root_commands import RootCommands
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.tokens import PresentedTokens
from secc.ocpp.variables import Variables
from secc.settings.config import SeccConfig
from secc.settings.tls import TlsPolicy

__all__ = ["Commands"]


class Commands:
    """The requests that one back end can serve, and the parts of the back end that they need."""

    def __init__(
        self,
        config: SeccConfig,
        settings: RuntimeSettings,
        conversation: CsmsConversation,
        *,
        attached: AttachedStation,
        authorizer: CsmsAuthorizer,
        background: BackgroundTasks,
        certificates: CertificatesBackend,
        limits: ChargingLimits,
        outlet: ReportedOutlet,
        tokens: PresentedTokens,
        report: Callable[[str], None],
    ) -> None:
        self.conversation = conversation
        self.tokens = tokens
        self.roots = RootCommands(config, conversation, certificates, attached, report)
        self.variables = Variables(
            config,
            settings,
            conversation,
            outlet.transactions,
            certificates.signing,
            background,
            report,
        )
        self._config = config
        self._settings = settings
        self._authorizer = authorizer
        self._background = background
        self._certificates = certificates
        self._limits = limits
        self._outlet = outlet

    # --- transactions --------------------------------------------------------------------------------------

    @property
    def may_start(self) -> bool:
        """The CSMS has accepted the station (OCPP B02.FR.05), it is in service, and no transaction runs."""
        free = self._outlet.transactions.open is None
        return self.conversation.online and self._settings.operative and free

    def stop_transaction(self, transaction: str) -> str:
        """Return Accepted when this transaction runs and the CSMS has accepted the station."""
        running = self._outlet.transactions.open
        if not self.conversation.online:
            return "Rejected"
        if not transaction or running is None or running.id != transaction:
            return "Rejected"
        self._outlet.stop(Trigger.REMOTE_STOP, StopReason.REMOTE, "stopped by the CSMS")
        return "Accepted"

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
        self._settings.operative = operative
        self.conversation.queue.enqueue((), {"operative": operative})
        if not operative and self._outlet.transactions.open is not None:
            return "Scheduled"
        self._outlet.report_status()
        return "Accepted"

    # --- profiles ------------------------------------------------------------------------------------------

    def set_profile(self, profile: ChargingProfile) -> str:
        """Return the reason of a refusal, or an empty text."""
        if profile.evse not in (0, 1):
            return f"unknown EVSE {profile.evse}"
        if profile.purpose is ProfilePurpose.EXTERNAL:
            return "the CSMS must not set external constraints"
        return self._limits.add(profile)

    def clear_profiles(self, which: ProfileFilter) -> bool:
        """Remove profiles; returns whether there were any."""
        return self._limits.clear(which)

    def composite(self, duration: float, unit: str) -> tuple[str, list[Payload]]:
        """Return start and periods of the composite schedule; without a profile the limit of the outlet."""
        now, supply = self.conversation.now, self._limits.supply
        per_ampere = supply.voltage * supply.phases
        periods = []
        for step in self._limits.steps(duration):
            watts = supply.max_power if step.watts is None else min(step.watts, supply.max_power)
            limit = watts if unit == "W" else watts / per_ampere
            periods.append({"startPeriod": int(step.start - now), "limit": round(limit, 1)})
        return to_iso(now), periods

    # --- lists ---------------------------------------------------------------------------------------------

    @property
    def list_version(self) -> int:
        """Version of the local list."""
        return self._authorizer.memory.list_version

    def send_list(self, version: int, entries: list[ListEntry], *, full: bool) -> str:
        """Return Accepted, Failed or VersionMismatch."""
        if not self._settings.ocpp.local_list or len(entries) > _MOST_LISTED:
            return "Failed"
        if not self._authorizer.memory.update_list(version, entries, full=full):
            return "VersionMismatch"
        self._authorizer.store_memory()
        return "Accepted"

    def clear_cache(self) -> str:
        """Return Accepted or Rejected."""
        self._authorizer.memory.cached = {}
        self._authorizer.store_memory()
        return "Accepted" if self._settings.ocpp.cache else "Rejected"

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
            case "MeterValues" | "TransactionEvent":
                self._call_later(self._outlet.report_transaction)
            case "SignV2GCertificate":
                if self._config.tls.policy is TlsPolicy.OFF:
                    return "Rejected"
                self._call_later(self._certificates.renewal_requested.set)
            case "SignChargingStationCertificate" | "SignCombinedCertificate":
                if self._settings.ocpp.client_key is None:
                    return "Rejected"
                self._later(self._certificates.renew_client_certificate)
            case _:
                return "NotImplemented"
        return "Accepted"

    def after_answer(self, call: Coroutine[object, object, None]) -> None:
        """Run a call in the background."""
        self._background.spawn(call)

    def _call_later(self, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(_AFTER_ANSWER, call)

    def _later(self, call: Callable[[], Coroutine[object, object, None]]) -> None:
        self._call_later(lambda: self._background.spawn(call()))


_MOST_LISTED = 10_000
_AFTER_ANSWER = 0.01  # s
