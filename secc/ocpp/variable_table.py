"""The device model of the station: every variable that it reports, by component.

The rows are those that OCPP 2.0.1 requires for the functional blocks that the station has, and more where the
station has something to report. An outlet is EVSE 1, connector 1.
"""

from __future__ import annotations

import dataclasses

from secc.ocpp import variable_state as state
from secc.ocpp.authorising import MOST_LISTED
from secc.ocpp.dialect import to_iso
from secc.ocpp.profiles import MOST_PROFILES, MOST_STACK
from secc.ocpp.variable_rows import (
    fixed,
    flag,
    live,
    measurands,
    number,
    said,
    set_aligned,
    set_attempts,
    set_central,
    set_heartbeat,
    set_meter_interval,
    set_password,
    set_priority,
    set_repeats,
    set_wait,
    state_row,
)
from secc.ocpp.variables import Variable
from secc.settings.pnc import OfflinePolicy
from secc.settings.services import Payment

ITEMS = 50
"""Elements that one request may have."""
BYTES = 65_536
"""Size that one request may have."""

# --- the rows ----------------------------------------------------------------------------------------------

_COMMUNICATION = (
    state_row(
        *("OCPPCommCtrlr", "HeartbeatInterval"),
        lambda one: f"{one.conversation.interval:g}",
        "integer",
        write=set_heartbeat,
        limits=(1, 86_400),
        key="HeartbeatInterval",
    ),
    state_row("OCPPCommCtrlr", "ActiveNetworkProfile", lambda one: str(one.network.slot), "integer"),
    state_row(
        *("OCPPCommCtrlr", "NetworkConfigurationPriority"),
        lambda one: ",".join(str(slot) for slot in one.network.order),
        "SequenceList",
        write=set_priority,
        options="0,1,2,3",
    ),
    state_row(
        *("OCPPCommCtrlr", "NetworkProfileConnectionAttempts"),
        lambda one: str(one.network.attempts),
        "integer",
        write=set_attempts,
        limits=(1, 100),
    ),
    number("OCPPCommCtrlr", "MessageTimeout", "call_timeout", 1, 600, instance="Default"),
    number(
        *("OCPPCommCtrlr", "MessageAttempts", "attempts", 1, 100),
        instance="TransactionEvent",
        key="TransactionMessageAttempts",
    ),
    number(
        *("OCPPCommCtrlr", "MessageAttemptInterval", "attempt_interval", 1, 3600),
        instance="TransactionEvent",
        key="TransactionMessageRetryInterval",
    ),
    number("OCPPCommCtrlr", "OfflineThreshold", "offline_threshold", 0, 86_400),
    number("OCPPCommCtrlr", "RetryBackOffWaitMinimum", "reconnect_first", 1, 3600),
    fixed("OCPPCommCtrlr", "RetryBackOffRepeatTimes", 7, "integer"),
    state_row(
        *("OCPPCommCtrlr", "RetryBackOffRandomRange"),
        lambda one: f"{one.settings.ocpp.reconnect_longest / 2:g}",
        "integer",
    ),
    dataclasses.replace(
        number(
            *("OCPPCommCtrlr", "WebSocketPingInterval", "ping_interval", 1, 3600), key="WebSocketPingInterval"
        ),
        reboot=True,
    ),
    fixed("OCPPCommCtrlr", "ResetRetries", 0, "integer", key="ResetRetries"),
    fixed(
        "OCPPCommCtrlr", "UnlockOnEVSideDisconnect", False, "boolean", key="UnlockConnectorOnEVSideDisconnect"
    ),
    state_row(
        "OCPPCommCtrlr", "FileTransferProtocols", lambda _: "HTTP,HTTPS", "MemberList", options="HTTP,HTTPS"
    ),
    fixed("OCPPCommCtrlr", "QueueAllMessages", False, "boolean"),
    state_row("ClockCtrlr", "DateTime", lambda one: to_iso(one.conversation.now), "dateTime"),
    state_row("ClockCtrlr", "TimeSource", lambda _: "Heartbeat", "SequenceList", options="Heartbeat,NTP"),
    fixed("DeviceDataCtrlr", "ItemsPerMessage", ITEMS, "integer", instance="GetReport"),
    fixed("DeviceDataCtrlr", "ItemsPerMessage", ITEMS, "integer", instance="GetVariables"),
    fixed("DeviceDataCtrlr", "ItemsPerMessage", ITEMS, "integer", instance="SetVariables"),
    fixed("DeviceDataCtrlr", "BytesPerMessage", BYTES, "integer", instance="GetReport"),
    fixed("DeviceDataCtrlr", "BytesPerMessage", BYTES, "integer", instance="GetVariables"),
    fixed("DeviceDataCtrlr", "BytesPerMessage", BYTES, "integer", instance="SetVariables"),
    fixed("DeviceDataCtrlr", "ValueSize", 2500, "integer"),
)

_SECURITY = (
    state_row(
        *("SecurityCtrlr", "SecurityProfile"),
        lambda one: str(one.network.config().security_profile),
        "integer",
        key="SecurityProfile",
    ),
    state_row("SecurityCtrlr", "Identity", lambda one: one.conversation.identity),
    state_row("SecurityCtrlr", "OrganizationName", lambda one: one.settings.ocpp.vendor),
    state_row("SecurityCtrlr", "CertificateEntries", state.root_count, "integer", key=""),
    fixed("SecurityCtrlr", "MaxCertificateChainSize", 10_000, "integer", key="CertificateSignedMaxChainSize"),
    fixed(
        "SecurityCtrlr",
        "AdditionalRootCertificateCheck",
        False,
        "boolean",
        key="AdditionalRootCertificateCheck",
    ),
    Variable(
        component="SecurityCtrlr",
        name="BasicAuthPassword",
        key="AuthorizationKey",
        read=None,
        write=set_password,
    ),
    state_row(
        *("SecurityCtrlr", "CertSigningWaitMinimum"),
        lambda one: f"{one.signing.wait:g}",
        "integer",
        write=set_wait,
        limits=(1, 86_400),
        key="CertSigningWaitMinimum",
    ),
    state_row(
        *("SecurityCtrlr", "CertSigningRepeatTimes"),
        lambda one: str(one.signing.repeats),
        "integer",
        write=set_repeats,
        limits=(0, 100),
        key="CertSigningRepeatTimes",
    ),
)

_AUTHORIZATION = (
    fixed("AuthCtrlr", "Enabled", True, "boolean"),
    flag("AuthCtrlr", "AuthorizeRemoteStart", "authorize_remote_start", "AuthorizeRemoteTxRequests"),
    flag("AuthCtrlr", "LocalAuthorizeOffline", "local_offline", "LocalAuthorizeOffline"),
    flag("AuthCtrlr", "LocalPreAuthorize", "local_pre_authorize", "LocalPreAuthorize"),
    flag("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "offline_unknown", "AllowOfflineTxForUnknownId"),
    flag("AuthCacheCtrlr", "Enabled", "cache", "AuthorizationCacheEnabled"),
    fixed("AuthCacheCtrlr", "Available", True, "boolean"),
    number("AuthCacheCtrlr", "LifeTime", "cache_lifetime", 1, 31_622_400),
    fixed("AuthCacheCtrlr", "Policy", "FIFO", "OptionList"),
    flag("LocalAuthListCtrlr", "Enabled", "local_list", "LocalAuthListEnabled"),
    fixed("LocalAuthListCtrlr", "Available", True, "boolean"),
    Variable(
        component="LocalAuthListCtrlr",
        name="Entries",
        read=state.list_entries,
        kind="integer",
        most=MOST_LISTED,
    ),
    fixed("LocalAuthListCtrlr", "ItemsPerMessage", 1000, "integer", key="SendLocalListMaxLength"),
    fixed("LocalAuthListCtrlr", "BytesPerMessage", BYTES, "integer"),
    fixed("LocalAuthListCtrlr", "SupportsExpiryDateTime", True, "boolean"),
    fixed("LocalAuthListCtrlr", "MaxLength", MOST_LISTED, "integer", key="LocalAuthListMaxLength"),
)

_TRANSACTIONS = (
    number("TxCtrlr", "EVConnectionTimeOut", "connection_timeout", 1, 3600, key="ConnectionTimeOut"),
    state_row("TxCtrlr", "TxStartPoint", lambda _: "Authorized", "MemberList", options="Authorized"),
    state_row(
        *("TxCtrlr", "TxStopPoint"),
        lambda _: "Authorized,EVConnected",
        "MemberList",
        options="Authorized,EVConnected",
    ),
    fixed("TxCtrlr", "StopTxOnEVSideDisconnect", True, "boolean", key="StopTransactionOnEVSideDisconnect"),
    fixed("TxCtrlr", "StopTxOnInvalidId", True, "boolean", key="StopTransactionOnInvalidId"),
    fixed("TxCtrlr", "MaxEnergyOnInvalidId", 0, "integer", unit="Wh", key="MaxEnergyOnInvalidId"),
    fixed("SampledDataCtrlr", "Enabled", True, "boolean"),
    fixed("SampledDataCtrlr", "Available", True, "boolean"),
    fixed("SampledDataCtrlr", "SignReadings", False, "boolean"),
    state_row(
        *("SampledDataCtrlr", "TxUpdatedInterval"),
        lambda one: f"{one.transactions.interval:g}",
        "integer",
        write=set_meter_interval,
        limits=(1, 86_400),
        key="MeterValueSampleInterval",
    ),
    fixed("SampledDataCtrlr", "TxEndedInterval", 0, "integer"),
    measurands("TxStartedMeasurands", "Started"),
    measurands("TxUpdatedMeasurands", "Updated", key="MeterValuesSampledData"),
    measurands("TxEndedMeasurands", "Ended", key="StopTxnSampledData"),
    fixed("AlignedDataCtrlr", "Enabled", True, "boolean"),
    fixed("AlignedDataCtrlr", "Available", True, "boolean"),
    fixed("AlignedDataCtrlr", "SignReadings", False, "boolean"),
    flag("AlignedDataCtrlr", "SendDuringIdle", "aligned_when_idle"),
    state_row(
        *("AlignedDataCtrlr", "Interval"),
        lambda one: f"{one.transactions.aligned:g}",
        "integer",
        write=set_aligned,
        limits=(0, 86_400),
        key="ClockAlignedDataInterval",
    ),
    fixed("AlignedDataCtrlr", "TxEndedInterval", 0, "integer"),
    measurands("Measurands", "Aligned", "AlignedDataCtrlr", "MeterValuesAlignedData"),
    state_row(  # none, as the interval above says
        *("AlignedDataCtrlr", "TxEndedMeasurands"),
        lambda _: "",
        "MemberList",
        key="StopTxnAlignedData",
    ),
    fixed("ReservationCtrlr", "Enabled", True, "boolean"),
    fixed("ReservationCtrlr", "Available", True, "boolean"),
    fixed("ReservationCtrlr", "NonEvseSpecific", True, "boolean", key="ReserveConnectorZeroSupported"),
    fixed("StationConfig", "NumberOfConnectors", 1, "integer", key="NumberOfConnectors"),
    fixed("StationConfig", "GetConfigurationMaxKeys", ITEMS, "integer", key="GetConfigurationMaxKeys"),
    state_row(
        "StationConfig", "ConnectorPhaseRotation", lambda _: "NotApplicable", key="ConnectorPhaseRotation"
    ),
    state_row(
        "StationConfig",
        "SupportedFeatureProfiles",
        state.feature_profiles,
        "MemberList",
        key="SupportedFeatureProfiles",
    ),
)

_SMART_CHARGING = (
    fixed("SmartChargingCtrlr", "Enabled", True, "boolean"),
    fixed("SmartChargingCtrlr", "Available", True, "boolean"),
    fixed("SmartChargingCtrlr", "ProfileStackLevel", MOST_STACK, "integer", key="ChargeProfileMaxStackLevel"),
    state_row(
        *("SmartChargingCtrlr", "RateUnit"),
        lambda _: "A,W",
        "MemberList",
        options="A,W",
    ),
    state_row(
        "StationConfig",
        "ChargingScheduleAllowedChargingRateUnit",
        lambda _: "Current,Power",
        "MemberList",
        key="ChargingScheduleAllowedChargingRateUnit",
    ),
    fixed("SmartChargingCtrlr", "PeriodsPerSchedule", 1024, "integer", key="ChargingScheduleMaxPeriods"),
    Variable(
        component="SmartChargingCtrlr",
        name="Entries",
        instance="ChargingProfiles",
        read=lambda one: str(len(one.limits.profiles)),
        kind="integer",
        most=MOST_PROFILES,
    ),
    fixed(
        "StationConfig",
        "MaxChargingProfilesInstalled",
        MOST_PROFILES,
        "integer",
        key="MaxChargingProfilesInstalled",
    ),
    number("SmartChargingCtrlr", "LimitChangeSignificance", "limit_change", 0, 100),
    fixed("SmartChargingCtrlr", "ExternalControlSignalsEnabled", True, "boolean"),
    flag("SmartChargingCtrlr", "NotifyChargingLimitWithSchedules", "limit_with_schedules"),
    fixed(
        "SmartChargingCtrlr",
        "ACPhaseSwitchingSupported",
        False,
        "boolean",
        key="ConnectorSwitch3to1PhaseSupported",
    ),
)

_ISO15118 = (
    state_row("ISO15118Ctrlr", "Enabled", state.has_tls, "boolean"),
    fixed("ISO15118Ctrlr", "Available", True, "boolean"),
    state_row("ISO15118Ctrlr", "SeccId", state.secc_id),
    state_row("ISO15118Ctrlr", "CountryName", lambda one: one.config.evse_id[:2]),
    state_row("ISO15118Ctrlr", "OrganizationName", lambda one: one.settings.ocpp.vendor),
    state_row(
        *("ISO15118Ctrlr", "PnCEnabled"),
        lambda one: said(Payment.CONTRACT in one.config.service.payment_options),
        "boolean",
        key="ISO15118PnCEnabled",
    ),
    state_row(
        *("ISO15118Ctrlr", "V2GCertificateInstallationEnabled"),
        lambda one: said(one.settings.ocpp.store is not None),
        "boolean",
        key="ISO15118CertificateManagementEnabled",
    ),
    state_row(
        *("ISO15118Ctrlr", "ContractCertificateInstallationEnabled"),
        lambda one: said(one.config.pnc.certificate_service),
        "boolean",
    ),
    state_row(
        *("ISO15118Ctrlr", "CentralContractValidationAllowed"),
        lambda one: said(one.settings.central_validation),
        "boolean",
        write=set_central,
        key="CentralContractValidationAllowed",
    ),
    state_row(
        *("ISO15118Ctrlr", "ContractValidationOffline"),
        lambda one: said(one.config.pnc.offline is not OfflinePolicy.DENY),
        "boolean",
        key="ContractValidationOffline",
    ),
    state_row(
        *("ISO15118Ctrlr", "RequestMeteringReceipt"),
        lambda one: said(one.config.pnc.receipt_interval is not None),
        "boolean",
    ),
    fixed("ISO15118Ctrlr", "MaxScheduleEntries", 1024, "integer"),
)

_MONITORING = (
    fixed("MonitoringCtrlr", "Enabled", True, "boolean"),
    fixed("MonitoringCtrlr", "Available", True, "boolean"),
    fixed("MonitoringCtrlr", "ItemsPerMessage", ITEMS, "integer", instance="SetVariableMonitoring"),
    fixed("MonitoringCtrlr", "BytesPerMessage", BYTES, "integer", instance="SetVariableMonitoring"),
    fixed("MonitoringCtrlr", "ItemsPerMessage", ITEMS, "integer", instance="ClearVariableMonitoring"),
    fixed("MonitoringCtrlr", "BytesPerMessage", BYTES, "integer", instance="ClearVariableMonitoring"),
    number("MonitoringCtrlr", "OfflineQueuingSeverity", "offline_severity", 0, 9),
    state_row(
        "MonitoringCtrlr", "ActiveMonitoringBase", lambda one: one.settings.monitoring_base, "OptionList"
    ),
    state_row(
        "MonitoringCtrlr", "ActiveMonitoringLevel", lambda one: str(one.settings.monitoring_level), "integer"
    ),
)

_STATION = (
    live(
        "ChargingStation",
        "AvailabilityState",
        state.availability,
        "OptionList",
        place=0,
        options=state.STATES,
    ),
    live("ChargingStation", "Available", lambda _: "true", "boolean", place=0),
    live("ChargingStation", "Enabled", state.enabled, "boolean", place=0),
    live("ChargingStation", "Problem", state.problem, "boolean", place=0),
    live("ChargingStation", "Model", lambda one: one.settings.ocpp.model, "string", place=0),
    live("ChargingStation", "VendorName", lambda one: one.settings.ocpp.vendor, "string", place=0),
    live("ChargingStation", "SupplyPhases", state.phases, "integer", place=0),
    live("ChargingStation", "AllowNewSessionsPendingFirmwareUpdate", lambda _: "true", "boolean", place=0),
    live("EVSE", "AvailabilityState", state.availability, "OptionList", place=1, options=state.STATES),
    live("EVSE", "Available", lambda _: "true", "boolean", place=1),
    live("EVSE", "Enabled", state.enabled, "boolean", place=1),
    live("EVSE", "Problem", state.problem, "boolean", place=1),
    live("EVSE", "EvseId", lambda one: one.config.evse_id, "string", place=1),
    live("EVSE", "SupplyPhases", state.phases, "integer", place=1),
    live("EVSE", "Power", state.power, "decimal", place=1, unit="W"),
    live("Connector", "AvailabilityState", state.availability, "OptionList", place=2, options=state.STATES),
    live("Connector", "Available", lambda _: "true", "boolean", place=2),
    live("Connector", "Enabled", state.enabled, "boolean", place=2),
    live("Connector", "Problem", state.problem, "boolean", place=2),
    live("Connector", "ConnectorType", state.connector_type, "string", place=2),
    live("Connector", "SupplyPhases", state.phases, "integer", place=2),
)

VARIABLES: tuple[Variable, ...] = (
    *_COMMUNICATION,
    *_SECURITY,
    *_AUTHORIZATION,
    *_TRANSACTIONS,
    *_SMART_CHARGING,
    *_ISO15118,
    *_MONITORING,
    *_STATION,
)
