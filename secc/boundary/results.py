"""Rules for the results of each method of a port, and for the arguments of the methods of `Station`."""

from __future__ import annotations

from typing import Any

from secc import pki
from secc.boundary.grid import GRID_CODE, GRID_TARGETS
from secc.boundary.prices import PRICES
from secc.boundary.values import (
    Check,
    Unfit,
    accept,
    encodable,
    flag,
    integer,
    member,
    moment,
    number,
    octets,
    on_use,
    optional,
    prose,
    record,
    sequence,
    text,
)
from secc.messages.iso2 import SalesTariff
from secc.messages.xmldsig import Signature
from secc.pki.expiry import Expiry
from secc.session.contract_events import Verdict
from secc.session.grid import GridCode, GridTargets
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot, IsolationLevel, MeterReading
from secc.session.schedules import DynamicOffer, Mobility, PowerSchedule, PowerStep, ScheduleOffer
from secc.settings.services import ServiceKind, ServiceParameter, ServiceParameterSet, ValueAddedService

__all__ = [
    "POWER",
    "RESULTS",
    "finished",
    "grid_code",
    "grid_targets",
    "ignored",
    "power_limit",
    "reason",
    "signed_power",
]

SIGNED_POWER = number("W", -10_000_000.0, 10_000_000.0)
"""A power, positive to the EV."""
POWER = number("W", 0.0, 10_000_000.0)
"""A limit of power."""

_LONG = 2**63
_LONGEST_OCSP = 65_536
_LONGEST_CRL = 8_388_608
_LONGEST_CERTIFICATE = 65_536
_MOST_FOUND = 100_000  # certificates that end soon: a large site
_YEAR_10000 = 253_402_300_800.0  # s since 1970: later ones are no date

METER = record(
    MeterReading,
    meter_id=text(1, 32),
    energy=integer("Wh", 0, 2**64 - 1),
    utc=optional(integer("s since 1970", -_LONG, _LONG - 1)),
    signature=optional(octets(0, 64)),
    status=optional(integer("", -(2**15), 2**15 - 1)),
    exported=optional(integer("Wh", 0, 2**64 - 1)),
)

SNAPSHOT = record(
    EvseSnapshot,
    control_pilot=member(ControlPilot),
    utc=number("s since 1970", 0.0, _YEAR_10000 - 1),
    present_voltage=number("V", -60.0, 5_000.0),  # below 0 is the offset of a sensor
    present_current=number("A", -10_000.0, 10_000.0),  # below 0 it flows back
    present_power=optional(SIGNED_POWER),
    phase_powers=optional(sequence(SIGNED_POWER, 3, least=3)),
    contactor_closed=optional(flag),
    ready=flag,
    max_voltage=optional(number("V", 0.0, 10_000.0)),
    max_current=optional(number("A", 0.0, 10_000.0)),
    max_power=optional(POWER),
    fault=optional(member(EvseFault)),
    isolation=member(IsolationLevel),
    meter=optional(METER),
)

STEP = record(PowerStep, start=integer("s", 0, 16_777_214), max_power=POWER)

SCHEDULE = record(
    PowerSchedule,
    schedule_id=integer("", 1, 255),
    steps=sequence(STEP, 1024),
    duration=integer("s", 1, 86_400),
    tariff=optional(encodable(SalesTariff, "SalesTariff")),
)

OFFER = record(
    ScheduleOffer,
    schedules=sequence(SCHEDULE, 3),
    tariff_signature=optional(encodable(Signature, "Signature")),
)

MOBILITY = record(
    Mobility,
    departure=optional(integer("s", 0, 2**32 - 1)),
    minimum_soc=optional(integer("%", 0, 100)),
    target_soc=optional(integer("%", 0, 100)),
)

DYNAMIC = record(DynamicOffer, power=optional(SIGNED_POWER), mobility=optional(MOBILITY))


def _offer(value: object) -> ScheduleOffer | DynamicOffer:
    """Schedules, or the answer to needs in Dynamic mode."""
    return DYNAMIC(value) if isinstance(value, DynamicOffer) else OFFER(value)


PARAMETER = record(
    ServiceParameter,
    name=text(1, 64),
    text=optional(text(0, 64)),
    number=optional(integer("", -(2**31), 2**31 - 1)),
    flag=optional(flag),
)

PARAMETER_SET = record(ServiceParameterSet, id=integer("", 1, 32_767), parameters=sequence(PARAMETER, 16))

SERVICE = record(
    ValueAddedService,
    id=integer("", 3, 65_535),
    name=optional(text(1, 32)),
    category=member(ServiceKind),
    scope=optional(text(1, 64)),
    free=flag,
    needs_tls=flag,
    parameter_sets=sequence(PARAMETER_SET, 255),
)

EVIDENCE = on_use(
    lambda: record(
        pki.contract.Evidence,
        ocsp=sequence(octets(0, _LONGEST_OCSP), 64),
        crls=sequence(octets(0, _LONGEST_CRL), 64),
    )
)

PROVISIONED = on_use(
    lambda: record(
        pki.provisioning.ProvisioningAnswer,
        payload=octets(0, 65_536),
        refusal=optional(member(pki.provisioning.Refusal)),
        retry_counter=optional(integer("", -(2**15), 2**15 - 1)),
    )
)

VEHICLE_STATUS = on_use(
    lambda: record(
        pki.vehicle.VehicleStatus,
        status=member(pki.revocation.RevocationStatus),
        until=optional(moment),
        detail=prose(1024),
    )
)

EXPIRY = record(
    Expiry,
    what=text(1, 64),
    identity=prose(1024),
    not_after=moment,
    level=integer("days", 0, 1_000_000),
    prepared=flag,
    failure=prose(1024),
)


def finished(value: object) -> None:
    """A command that returns nothing; False means that it has failed, as in many drivers."""
    if value is False:
        raise Unfit(value, "None; raise an exception where the command has failed")


def ignored(value: object) -> None:
    """Nothing is made of it."""


RESULTS: dict[str, Check[Any]] = {
    # the controller
    "snapshot": SNAPSHOT,
    "lease": ignored,
    "close_contactor": flag,
    "open_contactor": flag,
    "check_cable": member(IsolationLevel),
    "set_output": finished,
    "set_discharge": finished,
    "reactive_power": ignored,
    "make_safe": finished,
    "changed": ignored,
    "drive_pilot": ignored,
    "basic_charging": ignored,
    # the back end
    "authorize_external": flag,
    "authorize_vehicle": flag,
    "schedules": optional(_offer),
    "prices": optional(PRICES),
    "grid_code": optional(GRID_CODE),
    "grid_event": ignored,
    "authorize_contract": member(Verdict),
    "validate_contract": member(Verdict),
    "provision": PROVISIONED,
    "install": PROVISIONED,
    "vehicle_status": VEHICLE_STATUS,
    "revocation": EVIDENCE,
    "record_contract": ignored,
    "expiring": sequence(EXPIRY, _MOST_FOUND),
    "value_added_services": sequence(SERVICE, 255),
    "services_chosen": ignored,
    "vehicle_needs": ignored,
    "battery_read": ignored,
    "sign_certificate": sequence(octets(1, _LONGEST_CERTIFICATE), 16),
    "certificate_due": ignored,
    # sources of answers about revocation
    "ocsp_response": optional(octets(0, _LONGEST_OCSP)),
    "crl": optional(octets(0, _LONGEST_CRL)),
    # the modem
    "open": octets(6, 6),
    "close": ignored,
    "send": ignored,
    "receive": octets(0, 65_536),
    "sleep": ignored,
    "wake": ignored,
}
"""By method of a port: what is made of its result."""


# --- calls of Station --------------------------------------------------------------------------------------


def power_limit(method: str, value: object) -> float | None:
    """W in total, None for no limit; raises IntegrationError."""
    return accept(method, optional(POWER), value, "max_power is")


def signed_power(method: str, value: object) -> float | None:
    """W, positive to the EV, None for as much as it takes; raises IntegrationError."""
    return accept(method, optional(SIGNED_POWER), value, "power is")


def grid_targets(method: str, value: object) -> GridTargets:
    """Set-points of the grid operator; raises IntegrationError."""
    return accept(method, GRID_TARGETS, value, "targets is")


def grid_code(method: str, value: object) -> GridCode:
    """Rules of the grid; raises IntegrationError."""
    return accept(method, GRID_CODE, value, "code is")


def reason(method: str, value: object) -> str:
    """A text for logs; raises IntegrationError when it is none.

    A stop must not fail because of the text that explains it: any length and any character is accepted, the
    text is cut and escaped.
    """
    return accept(method, prose(_LONGEST_REASON), value, "reason is")


_LONGEST_REASON = 200
