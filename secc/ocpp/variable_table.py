"""The device model of the station: every variable that it reports, by component.

The rows are those that OCPP 2.0.1 requires for the functional blocks that the station has, and more where the
station has something to report. An outlet is EVSE 1, connector 1.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable

from secc.ocpp import variable_state as state
from secc.ocpp.authorising import MOST_LISTED
from secc.ocpp.dialect import to_iso
from secc.ocpp.profiles import MOST_PROFILES, MOST_STACK
from secc.ocpp.transactions import MEASURANDS
from secc.ocpp.variables import Variable, VariableContext
from secc.private_files import write_private
from secc.settings.pnc import OfflinePolicy
from secc.settings.services import Payment

ITEMS = 50
"""Elements that one request may have."""
BYTES = 65_536
"""Size that one request may have."""

Read = Callable[[VariableContext], str]
Write = Callable[[VariableContext, str], None]


# --- reading and writing -----------------------------------------------------------------------------------


def _flag(text: str) -> bool:
    if text.casefold() not in ("true", "false"):
        raise ValueError(f"{text!r}, expected true or false")
    return text.casefold() == "true"


def _number(text: str, least: int, most: int) -> int:
    number = int(text)
    if not least <= number <= most:
        raise ValueError(f"{number}, expected {least} to {most}")
    return number


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flag_row(component: str, name: str, field: str, key: str = "") -> Variable:
    """A flag of `[ocpp]` that the CSMS may change."""

    def write(context: VariableContext, value: str) -> None:
        context.settings.change(field, _flag(value))

    return Variable(
        component=component,
        name=name,
        key=key,
        read=lambda one: _said(getattr(one.settings.ocpp, field)),
        write=write,
        kind="boolean",
    )


def _number_row(
    component: str, name: str, field: str, least: int, most: int, *, key: str = "", instance: str = ""
) -> Variable:
    """A number of `[ocpp]` that the CSMS may change, in seconds or a count."""

    def write(context: VariableContext, value: str) -> None:
        context.settings.change(
            field, type(getattr(context.settings.ocpp, field))(_number(value, least, most))
        )

    return Variable(
        component=component,
        name=name,
        key=key,
        instance=instance,
        read=lambda one: f"{getattr(one.settings.ocpp, field):g}",
        write=write,
        kind="integer",
        least=least,
        most=most,
    )


def _fixed(
    component: str, name: str, value: object, kind: str, *, instance: str = "", unit: str = "", key: str = ""
) -> Variable:
    """A property that does not change."""
    text = _said(value)
    return Variable(
        component=component,
        name=name,
        key=key,
        read=lambda _: text,
        kind=kind,
        instance=instance,
        unit=unit,
        constant=True,
        most=float(text) if kind == "integer" else None,
    )


def _read(
    component: str,
    name: str,
    read: Read,
    kind: str = "string",
    *,
    write: Write | None = None,
    key: str = "",
    options: str = "",
    limits: tuple[float, float] | None = None,
) -> Variable:
    least, most = (None, None) if limits is None else limits
    return Variable(
        component=component,
        name=name,
        read=read,
        write=write,
        kind=kind,
        key=key,
        options=options,
        least=least,
        most=most,
    )


# --- special values ----------------------------------------------------------------------------------------


def _set_heartbeat(context: VariableContext, value: str) -> None:
    context.conversation.interval = float(_number(value, 1, 86_400))


def _set_meter_interval(context: VariableContext, value: str) -> None:
    context.transactions.interval = float(_number(value, 1, 86_400))


def _set_aligned(context: VariableContext, value: str) -> None:
    context.transactions.aligned = float(_number(value, 0, 86_400))


def _set_central(context: VariableContext, value: str) -> None:
    """Change central validation; the CSMS cannot enable what the configuration does not allow."""
    wanted = _flag(value)
    if wanted and not context.config.pnc.central_validation:
        raise ValueError("pnc.central_validation is off")
    context.settings.central_validation = wanted


def _set_wait(context: VariableContext, value: str) -> None:
    context.signing.wait = float(_number(value, 1, 86_400))


def _set_repeats(context: VariableContext, value: str) -> None:
    context.signing.repeats = _number(value, 0, 100)


def _set_attempts(context: VariableContext, value: str) -> None:
    context.network.attempts = _number(value, 1, 100)


def _set_priority(context: VariableContext, value: str) -> None:
    context.network.set_priority(value)


def _set_password(context: VariableContext, value: str) -> None:
    path = context.settings.ocpp.password_file
    if path is None or not 8 <= len(value) <= 64:
        raise ValueError(f"{len(value)} characters, expected 8 to 64, and ocpp.password_file must be set")
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    write_private(new, value.encode())
    os.replace(new, path)
    context.background.spawn(context.conversation.link.drop("a new password"))


def _measurands(name: str, use: str, component: str = "SampledDataCtrlr", key: str = "") -> Variable:
    """Which values are measured for a purpose."""

    def write(context: VariableContext, value: str) -> None:
        wanted = tuple(dict.fromkeys(one.strip() for one in value.split(",") if one.strip()))
        unknown = [one for one in wanted if one not in MEASURANDS]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: not measured here")
        context.transactions.measurands = {**context.transactions.measurands, use: wanted}

    return Variable(
        component=component,
        name=name,
        key=key,
        read=lambda one: ",".join(one.transactions.measurands[use]),
        write=write,
        kind="MemberList",
        options=",".join(MEASURANDS),
    )


# --- the rows ----------------------------------------------------------------------------------------------

_COMMUNICATION = (
    _read(
        *("OCPPCommCtrlr", "HeartbeatInterval"),
        lambda one: f"{one.conversation.interval:g}",
        "integer",
        write=_set_heartbeat,
        limits=(1, 86_400),
        key="HeartbeatInterval",
    ),
    _read("OCPPCommCtrlr", "ActiveNetworkProfile", lambda one: str(one.network.slot), "integer"),
    _read(
        *("OCPPCommCtrlr", "NetworkConfigurationPriority"),
        lambda one: ",".join(str(slot) for slot in one.network.order),
        "SequenceList",
        write=_set_priority,
        options="0,1,2,3",
    ),
    _read(
        *("OCPPCommCtrlr", "NetworkProfileConnectionAttempts"),
        lambda one: str(one.network.attempts),
        "integer",
        write=_set_attempts,
        limits=(1, 100),
    ),
    _number_row("OCPPCommCtrlr", "MessageTimeout", "call_timeout", 1, 600, instance="Default"),
    _number_row(
        *("OCPPCommCtrlr", "MessageAttempts", "attempts", 1, 100),
        instance="TransactionEvent",
        key="TransactionMessageAttempts",
    ),
    _number_row(
        *("OCPPCommCtrlr", "MessageAttemptInterval", "attempt_interval", 1, 3600),
        instance="TransactionEvent",
        key="TransactionMessageRetryInterval",
    ),
    _number_row("OCPPCommCtrlr", "OfflineThreshold", "offline_threshold", 0, 86_400),
    _number_row("OCPPCommCtrlr", "RetryBackOffWaitMinimum", "reconnect_first", 1, 3600),
    _fixed("OCPPCommCtrlr", "RetryBackOffRepeatTimes", 7, "integer"),
    _read(
        *("OCPPCommCtrlr", "RetryBackOffRandomRange"),
        lambda one: f"{one.settings.ocpp.reconnect_longest / 2:g}",
        "integer",
    ),
    _number_row(
        *("OCPPCommCtrlr", "WebSocketPingInterval", "ping_interval", 1, 3600), key="WebSocketPingInterval"
    ),
    _fixed("OCPPCommCtrlr", "ResetRetries", 0, "integer", key="ResetRetries"),
    _fixed(
        "OCPPCommCtrlr", "UnlockOnEVSideDisconnect", False, "boolean", key="UnlockConnectorOnEVSideDisconnect"
    ),
    _read(
        "OCPPCommCtrlr", "FileTransferProtocols", lambda _: "HTTP,HTTPS", "MemberList", options="HTTP,HTTPS"
    ),
    _fixed("OCPPCommCtrlr", "QueueAllMessages", False, "boolean"),
    _read("ClockCtrlr", "DateTime", lambda one: to_iso(one.conversation.now), "dateTime"),
    _read("ClockCtrlr", "TimeSource", lambda _: "Heartbeat", "SequenceList", options="Heartbeat,NTP"),
    _fixed("DeviceDataCtrlr", "ItemsPerMessage", ITEMS, "integer", instance="GetReport"),
    _fixed("DeviceDataCtrlr", "ItemsPerMessage", ITEMS, "integer", instance="GetVariables"),
    _fixed("DeviceDataCtrlr", "ItemsPerMessage", ITEMS, "integer", instance="SetVariables"),
    _fixed("DeviceDataCtrlr", "BytesPerMessage", BYTES, "integer", instance="GetReport"),
    _fixed("DeviceDataCtrlr", "BytesPerMessage", BYTES, "integer", instance="GetVariables"),
    _fixed("DeviceDataCtrlr", "BytesPerMessage", BYTES, "integer", instance="SetVariables"),
    _fixed("DeviceDataCtrlr", "ValueSize", 2500, "integer"),
)

_SECURITY = (
    _read(
        *("SecurityCtrlr", "SecurityProfile"),
        lambda one: str(one.network.config().security_profile),
        "integer",
        key="SecurityProfile",
    ),
    _read("SecurityCtrlr", "Identity", lambda one: one.conversation.identity),
    _read("SecurityCtrlr", "OrganizationName", lambda one: one.settings.ocpp.vendor),
    _read("SecurityCtrlr", "CertificateEntries", state.root_count, "integer", key=""),
    _fixed(
        "SecurityCtrlr", "MaxCertificateChainSize", 10_000, "integer", key="CertificateSignedMaxChainSize"
    ),
    _fixed(
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
        write=_set_password,
    ),
    _read(
        *("SecurityCtrlr", "CertSigningWaitMinimum"),
        lambda one: f"{one.signing.wait:g}",
        "integer",
        write=_set_wait,
        limits=(1, 86_400),
        key="CertSigningWaitMinimum",
    ),
    _read(
        *("SecurityCtrlr", "CertSigningRepeatTimes"),
        lambda one: str(one.signing.repeats),
        "integer",
        write=_set_repeats,
        limits=(0, 100),
        key="CertSigningRepeatTimes",
    ),
)

_AUTHORIZATION = (
    _fixed("AuthCtrlr", "Enabled", True, "boolean"),
    _flag_row("AuthCtrlr", "AuthorizeRemoteStart", "authorize_remote_start", "AuthorizeRemoteTxRequests"),
    _flag_row("AuthCtrlr", "LocalAuthorizeOffline", "local_offline", "LocalAuthorizeOffline"),
    _flag_row("AuthCtrlr", "LocalPreAuthorize", "local_pre_authorize", "LocalPreAuthorize"),
    _flag_row("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "offline_unknown", "AllowOfflineTxForUnknownId"),
    _flag_row("AuthCacheCtrlr", "Enabled", "cache", "AuthorizationCacheEnabled"),
    _fixed("AuthCacheCtrlr", "Available", True, "boolean"),
    _number_row("AuthCacheCtrlr", "LifeTime", "cache_lifetime", 1, 31_622_400),
    _fixed("AuthCacheCtrlr", "Policy", "FIFO", "OptionList"),
    _flag_row("LocalAuthListCtrlr", "Enabled", "local_list", "LocalAuthListEnabled"),
    _fixed("LocalAuthListCtrlr", "Available", True, "boolean"),
    Variable(
        component="LocalAuthListCtrlr",
        name="Entries",
        read=state.list_entries,
        kind="integer",
        most=MOST_LISTED,
    ),
    _fixed("LocalAuthListCtrlr", "ItemsPerMessage", 1000, "integer", key="SendLocalListMaxLength"),
    _fixed("LocalAuthListCtrlr", "BytesPerMessage", BYTES, "integer"),
    _fixed("LocalAuthListCtrlr", "SupportsExpiryDateTime", True, "boolean"),
    _fixed("LocalAuthListCtrlr", "MaxLength", MOST_LISTED, "integer", key="LocalAuthListMaxLength"),
)

_TRANSACTIONS = (
    _number_row("TxCtrlr", "EVConnectionTimeOut", "connection_timeout", 1, 3600, key="ConnectionTimeOut"),
    _read("TxCtrlr", "TxStartPoint", lambda _: "Authorized", "MemberList", options="Authorized"),
    _read(
        *("TxCtrlr", "TxStopPoint"),
        lambda _: "Authorized,EVConnected",
        "MemberList",
        options="Authorized,EVConnected",
    ),
    _fixed("TxCtrlr", "StopTxOnEVSideDisconnect", True, "boolean", key="StopTransactionOnEVSideDisconnect"),
    _fixed("TxCtrlr", "StopTxOnInvalidId", True, "boolean", key="StopTransactionOnInvalidId"),
    _fixed("TxCtrlr", "MaxEnergyOnInvalidId", 0, "integer", unit="Wh", key="MaxEnergyOnInvalidId"),
    _fixed("SampledDataCtrlr", "Enabled", True, "boolean"),
    _fixed("SampledDataCtrlr", "Available", True, "boolean"),
    _fixed("SampledDataCtrlr", "SignReadings", False, "boolean"),
    _read(
        *("SampledDataCtrlr", "TxUpdatedInterval"),
        lambda one: f"{one.transactions.interval:g}",
        "integer",
        write=_set_meter_interval,
        limits=(1, 86_400),
        key="MeterValueSampleInterval",
    ),
    _fixed("SampledDataCtrlr", "TxEndedInterval", 0, "integer"),
    _measurands("TxStartedMeasurands", "Started"),
    _measurands("TxUpdatedMeasurands", "Updated", key="MeterValuesSampledData"),
    _measurands("TxEndedMeasurands", "Ended", key="StopTxnSampledData"),
    _fixed("AlignedDataCtrlr", "Enabled", True, "boolean"),
    _fixed("AlignedDataCtrlr", "Available", True, "boolean"),
    _fixed("AlignedDataCtrlr", "SignReadings", False, "boolean"),
    _flag_row("AlignedDataCtrlr", "SendDuringIdle", "aligned_when_idle"),
    _read(
        *("AlignedDataCtrlr", "Interval"),
        lambda one: f"{one.transactions.aligned:g}",
        "integer",
        write=_set_aligned,
        limits=(0, 86_400),
        key="ClockAlignedDataInterval",
    ),
    _fixed("AlignedDataCtrlr", "TxEndedInterval", 0, "integer"),
    _measurands("Measurands", "Aligned", "AlignedDataCtrlr", "MeterValuesAlignedData"),
    _measurands("TxEndedMeasurands", "AlignedEnded", "AlignedDataCtrlr", "StopTxnAlignedData"),
    _fixed("ReservationCtrlr", "Enabled", True, "boolean"),
    _fixed("ReservationCtrlr", "Available", True, "boolean"),
    _fixed("ReservationCtrlr", "NonEvseSpecific", True, "boolean", key="ReserveConnectorZeroSupported"),
    _fixed("StationConfig", "NumberOfConnectors", 1, "integer", key="NumberOfConnectors"),
    _fixed("StationConfig", "GetConfigurationMaxKeys", ITEMS, "integer", key="GetConfigurationMaxKeys"),
    _read("StationConfig", "ConnectorPhaseRotation", lambda _: "NotApplicable", key="ConnectorPhaseRotation"),
    _read(
        "StationConfig",
        "SupportedFeatureProfiles",
        state.feature_profiles,
        "MemberList",
        key="SupportedFeatureProfiles",
    ),
)

_SMART_CHARGING = (
    _fixed("SmartChargingCtrlr", "Enabled", True, "boolean"),
    _fixed("SmartChargingCtrlr", "Available", True, "boolean"),
    _fixed(
        "SmartChargingCtrlr", "ProfileStackLevel", MOST_STACK, "integer", key="ChargeProfileMaxStackLevel"
    ),
    _read(
        *("SmartChargingCtrlr", "RateUnit"),
        lambda _: "A,W",
        "MemberList",
        options="A,W",
    ),
    _read(
        "StationConfig",
        "ChargingScheduleAllowedChargingRateUnit",
        lambda _: "Current,Power",
        "MemberList",
        key="ChargingScheduleAllowedChargingRateUnit",
    ),
    _fixed("SmartChargingCtrlr", "PeriodsPerSchedule", 1024, "integer", key="ChargingScheduleMaxPeriods"),
    Variable(
        component="SmartChargingCtrlr",
        name="Entries",
        instance="ChargingProfiles",
        read=lambda one: str(len(one.limits.profiles)),
        kind="integer",
        most=MOST_PROFILES,
    ),
    _fixed(
        "StationConfig",
        "MaxChargingProfilesInstalled",
        MOST_PROFILES,
        "integer",
        key="MaxChargingProfilesInstalled",
    ),
    _number_row("SmartChargingCtrlr", "LimitChangeSignificance", "limit_change", 0, 100),
    _fixed("SmartChargingCtrlr", "ExternalControlSignalsEnabled", True, "boolean"),
    _flag_row("SmartChargingCtrlr", "NotifyChargingLimitWithSchedules", "limit_with_schedules"),
    _fixed(
        "SmartChargingCtrlr",
        "ACPhaseSwitchingSupported",
        False,
        "boolean",
        key="ConnectorSwitch3to1PhaseSupported",
    ),
)

_ISO15118 = (
    _read("ISO15118Ctrlr", "Enabled", state.has_tls, "boolean"),
    _fixed("ISO15118Ctrlr", "Available", True, "boolean"),
    _read("ISO15118Ctrlr", "SeccId", state.secc_id),
    _read("ISO15118Ctrlr", "CountryName", lambda one: one.config.evse_id[:2]),
    _read("ISO15118Ctrlr", "OrganizationName", lambda one: one.settings.ocpp.vendor),
    _read(
        *("ISO15118Ctrlr", "PnCEnabled"),
        lambda one: _said(Payment.CONTRACT in one.config.service.payment_options),
        "boolean",
        key="ISO15118PnCEnabled",
    ),
    _read(
        *("ISO15118Ctrlr", "V2GCertificateInstallationEnabled"),
        lambda one: _said(one.settings.ocpp.store is not None),
        "boolean",
        key="ISO15118CertificateManagementEnabled",
    ),
    _read(
        *("ISO15118Ctrlr", "ContractCertificateInstallationEnabled"),
        lambda one: _said(one.config.pnc.certificate_service),
        "boolean",
    ),
    _read(
        *("ISO15118Ctrlr", "CentralContractValidationAllowed"),
        lambda one: _said(one.settings.central_validation),
        "boolean",
        write=_set_central,
        key="CentralContractValidationAllowed",
    ),
    _read(
        *("ISO15118Ctrlr", "ContractValidationOffline"),
        lambda one: _said(one.config.pnc.offline is not OfflinePolicy.DENY),
        "boolean",
        key="ContractValidationOffline",
    ),
    _read(
        *("ISO15118Ctrlr", "RequestMeteringReceipt"),
        lambda one: _said(one.config.pnc.receipt_interval is not None),
        "boolean",
    ),
    _fixed("ISO15118Ctrlr", "MaxScheduleEntries", 1024, "integer"),
)

_MONITORING = (
    _fixed("MonitoringCtrlr", "Enabled", True, "boolean"),
    _fixed("MonitoringCtrlr", "Available", True, "boolean"),
    _fixed("MonitoringCtrlr", "ItemsPerMessage", ITEMS, "integer", instance="SetVariableMonitoring"),
    _fixed("MonitoringCtrlr", "BytesPerMessage", BYTES, "integer", instance="SetVariableMonitoring"),
    _fixed("MonitoringCtrlr", "ItemsPerMessage", ITEMS, "integer", instance="ClearVariableMonitoring"),
    _fixed("MonitoringCtrlr", "BytesPerMessage", BYTES, "integer", instance="ClearVariableMonitoring"),
    _number_row("MonitoringCtrlr", "OfflineQueuingSeverity", "offline_severity", 0, 9),
    _read("MonitoringCtrlr", "ActiveMonitoringBase", lambda one: one.settings.monitoring_base, "OptionList"),
    _read(
        "MonitoringCtrlr", "ActiveMonitoringLevel", lambda one: str(one.settings.monitoring_level), "integer"
    ),
)


def _live(component: str, name: str, read: Read, kind: str, *, place: int, **named: object) -> Variable:
    """State of the station (`place` 0), its EVSE (1) or its connector (2), which may be monitored."""
    return dataclasses.replace(
        Variable(component=component, name=name, read=read, kind=kind, monitored=True),
        evse=1 if place else None,
        connector=1 if place == 2 else None,
        **named,  # type: ignore[arg-type]
    )


_STATION = (
    _live(
        "ChargingStation",
        "AvailabilityState",
        state.availability,
        "OptionList",
        place=0,
        options=state.STATES,
    ),
    _live("ChargingStation", "Available", lambda _: "true", "boolean", place=0),
    _live("ChargingStation", "Enabled", state.enabled, "boolean", place=0),
    _live("ChargingStation", "Problem", state.problem, "boolean", place=0),
    _live("ChargingStation", "Model", lambda one: one.settings.ocpp.model, "string", place=0),
    _live("ChargingStation", "VendorName", lambda one: one.settings.ocpp.vendor, "string", place=0),
    _live("ChargingStation", "SupplyPhases", state.phases, "integer", place=0),
    _live("ChargingStation", "AllowNewSessionsPendingFirmwareUpdate", lambda _: "true", "boolean", place=0),
    _live("EVSE", "AvailabilityState", state.availability, "OptionList", place=1, options=state.STATES),
    _live("EVSE", "Available", lambda _: "true", "boolean", place=1),
    _live("EVSE", "Enabled", state.enabled, "boolean", place=1),
    _live("EVSE", "Problem", state.problem, "boolean", place=1),
    _live("EVSE", "EvseId", lambda one: one.config.evse_id, "string", place=1),
    _live("EVSE", "SupplyPhases", state.phases, "integer", place=1),
    _live("EVSE", "Power", state.power, "decimal", place=1, unit="W"),
    _live("Connector", "AvailabilityState", state.availability, "OptionList", place=2, options=state.STATES),
    _live("Connector", "Available", lambda _: "true", "boolean", place=2),
    _live("Connector", "Enabled", state.enabled, "boolean", place=2),
    _live("Connector", "Problem", state.problem, "boolean", place=2),
    _live("Connector", "ConnectorType", state.connector_type, "string", place=2),
    _live("Connector", "SupplyPhases", state.phases, "integer", place=2),
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
