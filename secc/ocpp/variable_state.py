"""What variables report of the state of the station. Pure: each function reads the context."""

from __future__ import annotations

from secc.ocpp.model import ConnectorStatus
from secc.ocpp.transactions import connector_status, power_of
from secc.ocpp.variables import VariableContext
from secc.settings.energy import EnergyMode
from secc.settings.tls import TlsPolicy

STATES = "Available,Occupied,Reserved,Unavailable,Faulted"
_STATES = {
    ConnectorStatus.AVAILABLE: "Available",
    ConnectorStatus.RESERVED: "Reserved",
    ConnectorStatus.UNAVAILABLE: "Unavailable",
    ConnectorStatus.FAULTED: "Faulted",
}


def availability(context: VariableContext) -> str:
    """AvailabilityState of station, EVSE and connector."""
    snapshot = context.snapshot
    if snapshot is None:
        return "Faulted"
    status = connector_status(
        snapshot,
        context.transactions.open,
        operative=context.settings.operative,
        reserved=context.settings.reserved,
    )
    return _STATES.get(status, "Occupied")


def enabled(context: VariableContext) -> str:
    """Whether the station is in service."""
    return "true" if context.settings.operative else "false"


def problem(context: VariableContext) -> str:
    """Whether the outlet has a fault."""
    snapshot = context.snapshot
    return "true" if snapshot is None or snapshot.fault is not None else "false"


def power(context: VariableContext) -> str:
    """Present power of the outlet in W."""
    return f"{power_of(context.snapshot):.0f}"


def phases(context: VariableContext) -> str:
    """Number of phases; 0 for direct current, by OCPP."""
    return "0" if context.config.energy.offers_dc else str(context.limits.supply.phases)


def connector_type(context: VariableContext) -> str:
    """ConnectorType, by the settings or by the energy modes."""
    if context.connector_type:
        return context.connector_type
    modes = context.config.energy.modes
    if any(mode in (EnergyMode.DC_EXTENDED, EnergyMode.DC_COMBO_CORE) for mode in modes):
        return "cCCS2"
    return "sType2" if any("three" in mode.value for mode in modes) else "Undetermined"


def secc_id(context: VariableContext) -> str:
    """SeccId: the name in the certificate of the station, which is made from the EVSEID."""
    return context.config.evse_id.replace("*", "")


def has_tls(context: VariableContext) -> str:
    """Whether the station uses certificates with EVs."""
    return "false" if context.config.tls.policy is TlsPolicy.OFF else "true"


def root_count(context: VariableContext) -> str:
    """Number of installed roots."""
    return str(context.settings.root_count)


def list_entries(context: VariableContext) -> str:
    """Number of entries of the local list."""
    return str(context.settings.listed)


def feature_profiles(context: VariableContext) -> str:
    """SupportedFeatureProfiles of 1.6."""
    firmware = ("FirmwareManagement",) if "firmware" in context.services else ()
    return ",".join(
        ("Core", *firmware, "LocalAuthListManagement", "Reservation", "SmartCharging", "RemoteTrigger")
    )
