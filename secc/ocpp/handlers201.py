"""The table of the messages that a CSMS of 2.0.1 may send."""

from __future__ import annotations

from secc.ocpp.blocks import (
    certificates,
    charging,
    diagnostics,
    firmware,
    local_lists,
    provisioning,
    remote,
    reservation,
    transfer,
)
from secc.ocpp.commands import CommandHandler

HANDLERS: dict[str, CommandHandler] = {
    "CancelReservation": reservation.cancel,
    "CertificateSigned": certificates.certificate_signed,
    "ChangeAvailability": remote.change_availability,
    "ClearCache": local_lists.clear_cache,
    "ClearChargingProfile": charging.clear_profile,
    "ClearVariableMonitoring": diagnostics.clear_monitors,
    "CustomerInformation": diagnostics.customer_information,
    "DataTransfer": transfer.data_transfer,
    "DeleteCertificate": certificates.delete,
    "GetBaseReport": provisioning.base_report,
    "GetChargingProfiles": charging.get_profiles,
    "GetCompositeSchedule": charging.composite,
    "GetInstalledCertificateIds": certificates.installed,
    "GetLocalListVersion": local_lists.list_version,
    "GetLog": diagnostics.get_log,
    "GetMonitoringReport": diagnostics.monitoring_report,
    "GetReport": provisioning.report,
    "GetTransactionStatus": remote.transaction_status,
    "GetVariables": provisioning.get_variables,
    "InstallCertificate": certificates.install,
    "RequestStartTransaction": remote.request_start,
    "RequestStopTransaction": remote.request_stop,
    "ReserveNow": reservation.reserve,
    "Reset": provisioning.reset,
    "SendLocalList": local_lists.send_list,
    "SetChargingProfile": charging.set_profile,
    "SetMonitoringBase": diagnostics.monitoring_base,
    "SetMonitoringLevel": diagnostics.monitoring_level,
    "SetNetworkProfile": provisioning.set_network_profile,
    "SetVariableMonitoring": diagnostics.set_monitors,
    "SetVariables": provisioning.set_variables,
    "TriggerMessage": remote.trigger,
    "UnlockConnector": remote.unlock,
    "UpdateFirmware": firmware.update,
}
