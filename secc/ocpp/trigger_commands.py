"""Messages that the CSMS triggers; each is sent after the answer to its request."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine

from secc.ocpp.background import BackgroundTasks
from secc.ocpp.certificates import CertificatesBackend
from secc.ocpp.command_services import CommandServices
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.diagnostics import StationDiagnostics
from secc.ocpp.outlet import ReportedOutlet
from secc.ocpp.runtime import RuntimeSettings
from secc.settings.tls import TlsPolicy


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCommands:
    """Serves TriggerMessage for one back end."""

    tls: TlsPolicy
    settings: RuntimeSettings
    conversation: CsmsConversation
    outlet: ReportedOutlet
    diagnostics: StationDiagnostics
    services: CommandServices
    certificates: CertificatesBackend
    background: BackgroundTasks

    def trigger(self, wanted: str) -> str:
        """Return Accepted, Rejected or NotImplemented; the message is sent after the answer."""
        if wanted != "BootNotification" and not self.conversation.online:
            return "Rejected"  # before it is accepted the station sends nothing else (OCPP B02)
        match wanted:
            case "BootNotification":
                if self.conversation.online:
                    return "Rejected"  # the station is accepted already (OCPP F06)
                self.conversation.announce()
            case "Heartbeat":
                self._later(self.conversation.beat)
            case "StatusNotification":
                self._call_later(self.outlet.report_status)
            case "TransactionEvent":
                if self.outlet.transactions.open is None:
                    return "Rejected"
                self._call_later(self.outlet.report_transaction)
            case "MeterValues":
                self._call_later(self.outlet.report_meter)
            case "LogStatusNotification" | "DiagnosticsStatusNotification":
                self._call_later(self._report_log)
            case "FirmwareStatusNotification":
                self._call_later(self._report_firmware)
            case "SignV2GCertificate" | "SignV2G20Certificate":
                if self.tls is TlsPolicy.OFF:
                    return "Rejected"
                self._call_later(self.certificates.renewal_requested.set)
            case "SignChargingStationCertificate" | "SignCombinedCertificate":
                if self.settings.ocpp.client_key is None:
                    return "Rejected"
                self._later(self.certificates.renew_client_certificate)
            case _:
                return "NotImplemented"
        return "Accepted"

    def _report_log(self) -> None:
        uploads = self.services.uploads
        self.diagnostics.announce_log(uploads.status, uploads.request_id)

    def _report_firmware(self) -> None:
        firmware = self.services.firmware
        self.diagnostics.announce_firmware(firmware.status, firmware.order)

    def _call_later(self, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(_AFTER_ANSWER, call)

    def _later(self, call: Callable[[], Coroutine[object, object, None]]) -> None:
        self._call_later(lambda: self.background.spawn(call()))


_AFTER_ANSWER = 0.01  # s
