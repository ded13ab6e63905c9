"""What the station reports about itself beside transactions: monitoring events, logs, firmware, limits."""

from __future__ import annotations

from collections.abc import Callable

from secc.ocpp.conversation import VERSIONS_2, CsmsConversation
from secc.ocpp.dialect import to_iso
from secc.ocpp.firmware import FirmwareOrder
from secc.ocpp.logs import LogBook
from secc.ocpp.model import Payload, SecurityEvent
from secc.ocpp.monitoring import VariableMonitor, VariableMonitors
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.variables import Variables, find
from secc.session.outlet import EvseSnapshot
from secc.settings.ocpp import OcppVersion

_FAULT_SEVERITY = 2
"""Hardware failure, by the levels of OCPP."""
_DIAGNOSTICS_16 = {
    "UploadFailure": "UploadFailed",
    "PermissionDenied": "UploadFailed",
    "BadMessage": "UploadFailed",
}
_FIRMWARE_16 = {
    "DownloadScheduled": "Idle",
    "InstallScheduled": "Downloaded",
    "SignatureVerified": "Downloaded",
    "InvalidSignature": "InstallationFailed",
}


class StationDiagnostics:
    """VariableMonitors, events and status reports of one station."""

    def __init__(
        self,
        conversation: CsmsConversation,
        settings: RuntimeSettings,
        variables: Variables,
        book: LogBook,
        running: Callable[[], str],
    ) -> None:
        """`running` returns the id of the running transaction, or an empty text."""
        self.monitors = VariableMonitors(variables.table)
        self.book = book
        self.legacy_upload = False
        """The upload was requested by GetDiagnostics of 1.6."""
        self._conversation = conversation
        self._settings = settings
        self._variables = variables
        self._running = running
        self._fault = ""

    # --- events --------------------------------------------------------------------------------------------

    def observe(self, snapshot: EvseSnapshot) -> None:
        """Report what monitors see, and faults of the outlet."""
        now = self._conversation.now
        found = self.monitors.observe(
            self._variables.value, now, self._running(), self._settings.monitoring_level
        )
        fault = "" if snapshot.fault is None else snapshot.fault.value
        if fault != self._fault:
            found.append((_FAULT_SEVERITY, self._fault_event(fault, now)))
            self._fault = fault
        kept = [event for severity, event in found if self._conversation.online or self._queued(severity)]
        if kept:
            self._conversation.notify(
                "NotifyEvent", {"generatedAt": to_iso(now), "seqNo": 0, "tbc": False, "eventData": kept}
            )

    def _fault_event(self, fault: str, now: float) -> Payload:
        problem = find(self._variables.table, {"name": "EVSE", "evse": {"id": 1}}, {"name": "Problem"})
        assert not isinstance(problem, str)  # a row of the table
        return self.monitors.hard_wired(problem, "true" if fault else "false", now, fault)

    def _queued(self, severity: int) -> bool:
        return severity <= self._settings.ocpp.offline_severity

    def store_monitors(self) -> None:
        """Store the monitors for the next start."""
        installed: list[VariableMonitor] = list(self.monitors.installed.values())
        self._conversation.queue.enqueue((), {"monitors": installed})

    def set_monitoring(self, *, base: str | None = None, level: int | None = None) -> None:
        """Change which monitors are active and which events are reported."""
        if base is not None:
            self._settings.monitoring_base = base
        if level is not None:
            self._settings.monitoring_level = level
        state = [self._settings.monitoring_base, self._settings.monitoring_level]
        self._conversation.queue.enqueue((), {"monitoring": state})

    def secure(self, event: SecurityEvent) -> None:
        """Report a security event, and keep it in the security log."""
        self.book.security(event)
        self._conversation.queue.enqueue([event])

    # --- status reports ------------------------------------------------------------------------------------

    def announce_log(self, status: str, request_id: int | None) -> None:
        """LogStatusNotification; of 1.6, DiagnosticsStatusNotification after GetDiagnostics."""
        body: Payload = {"status": status}
        if request_id is not None:
            body["requestId"] = request_id
        old = self._conversation.dialect.version is OcppVersion.V16
        if old and self.legacy_upload:
            short = {"status": _DIAGNOSTICS_16.get(status, status)}
            if short["status"] in ("Idle", "Uploaded", "UploadFailed", "Uploading"):
                self._conversation.notify("DiagnosticsStatusNotification", short, (OcppVersion.V16,))
        elif not old or status != "AcceptedCanceled":
            self._conversation.notify("LogStatusNotification", body, (*VERSIONS_2, OcppVersion.V16))

    def announce_firmware(self, status: str, order: FirmwareOrder | None) -> None:
        """FirmwareStatusNotification; of 1.6, the message that fits the order."""
        body: Payload = {"status": status}
        if order is not None and order.request_id is not None:
            body["requestId"] = order.request_id
        if self._conversation.dialect.version is not OcppVersion.V16:
            self._conversation.notify("FirmwareStatusNotification", body)
        elif order is not None and order.signed:
            self._conversation.notify("SignedFirmwareStatusNotification", body, (OcppVersion.V16,))
        else:
            short = {"status": _FIRMWARE_16.get(status, status)}
            self._conversation.notify("FirmwareStatusNotification", short, (OcppVersion.V16,))
