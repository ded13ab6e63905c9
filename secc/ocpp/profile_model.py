"""Data types of charging profiles, for all versions of OCPP.

Times are Unix seconds by the clock of the CSMS. Power is signed as in OCPP 2.1: positive from station to EV.
"""

from __future__ import annotations

import enum

import msgspec

from secc.ocpp.model import Payload

__all__ = [
    "ChargingProfile",
    "LimitSource",
    "OperationMode",
    "Period",
    "ProfileFilter",
    "ProfileKind",
    "ProfilePurpose",
    "Schedule",
]


class ProfilePurpose(enum.StrEnum):
    """Purpose of a profile."""

    EXTERNAL = "ChargingStationExternalConstraints"
    STATION_MAX = "ChargingStationMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"
    PRIORITY = "PriorityCharging"
    """2.1: replaces the other profiles of the transaction while the driver has priority (K21)."""


class ProfileKind(enum.StrEnum):
    """Reference of the times in a profile."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"
    DYNAMIC = "Dynamic"
    """2.1: one period, whose values the CSMS updates (K28)."""


class OperationMode(enum.StrEnum):
    """2.1: who decides about the power in a period."""

    CHARGING_ONLY = "ChargingOnly"
    IDLE = "Idle"
    CENTRAL_SETPOINT = "CentralSetpoint"
    CENTRAL_FREQUENCY = "CentralFrequency"
    """The CSMS follows the frequency of the grid by set-points (Q07)."""
    EXTERNAL_SETPOINT = "ExternalSetpoint"
    EXTERNAL_LIMITS = "ExternalLimits"
    """Another system sets the values (Q05)."""
    LOCAL_FREQUENCY = "LocalFrequency"
    """The station follows the frequency of the grid by the curves of the period (Q08)."""
    LOCAL_LOAD_BALANCING = "LocalLoadBalancing"
    """The station keeps the load of the site within limits (Q09)."""


class LimitSource(enum.StrEnum):
    """Origin of a limit."""

    EMS = "EMS"
    OTHER = "Other"
    SYSTEM_OPERATOR = "SO"
    CSO = "CSO"


class Period(msgspec.Struct, frozen=True):
    """Limits from `start` on."""

    start: float
    """Seconds from the start of the schedule."""
    limit: float | None
    """In the unit of the schedule; None (2.1): only the outlet limits."""
    phases: int | None = None
    discharge: float | None = None
    """Limit of the other direction, at most 0; None: no discharge."""
    setpoint: float | None = None
    """Power to set, signed; only with CENTRAL_SETPOINT and CENTRAL_FREQUENCY."""
    mode: OperationMode = OperationMode.CHARGING_ONLY
    baseline: float | None = None
    """W to which the curves of LOCAL_FREQUENCY add."""
    by_frequency: tuple[tuple[float, float], ...] = ()
    """Points (Hz, W), the frequency rising."""
    by_signal: tuple[tuple[float, float], ...] = ()
    """Points (value of AFRRSignal, W), the value rising."""
    lapsed: bool = False
    """The value that this period needs is not known: the next profile applies."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Limits over time."""

    unit: str
    """W or A (per phase)."""
    periods: tuple[Period, ...]
    start: float | None = None
    """Unix seconds; None: the start of the transaction."""
    duration: float | None = None
    id: int = 1
    sales_tariff: Payload | None = None
    """SalesTariffType as received."""
    price_levels: Payload | None = None
    """2.1: PriceLevelScheduleType as received."""
    absolute_prices: Payload | None = None
    """2.1: AbsolutePriceScheduleType as received."""


class ChargingProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A charging profile."""

    id: int
    stack: int
    purpose: ProfilePurpose
    kind: ProfileKind
    schedules: tuple[Schedule, ...]
    """One to three, between which the EV chooses; limits are taken from the first one."""
    evse: int = 0
    """0: the whole station."""
    weekly: bool = False
    """Recurs weekly instead of daily."""
    valid_from: float | None = None
    valid_to: float | None = None
    transaction: str = ""
    """Id of the transaction that the profile is for; empty: any transaction."""
    source: LimitSource = LimitSource.CSO
    received: Payload | None = None
    """ChargingProfileType of 2.0.1 or 2.1, to be reported unchanged; None: it is made from the fields."""
    updated_at: float | None = None
    """Of a dynamic profile: when its values were set."""
    max_offline: float | None = None
    """2.1: seconds without a CSMS after which the profile is suspended."""
    invalid_after_offline: bool = False
    """2.1: after that time the profile is removed instead."""


class ProfileFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Selects profiles; without any field all are selected."""

    id: int | None = None
    ids: tuple[int, ...] = ()
    """Any of them; empty: all."""
    evse: int | None = None
    purpose: ProfilePurpose | None = None
    stack: int | None = None
    sources: tuple[LimitSource, ...] = ()
    """Any of them; empty: all."""
