"""The device model of OCPP 2.1: what it adds for ISO 15118-20. Pure."""

from __future__ import annotations

import dataclasses

from secc.ocpp import der_rules
from secc.ocpp.limits import discharge_of
from secc.ocpp.variable_rows import decimal, said
from secc.ocpp.variables import Variable, VariableContext
from secc.settings.protocols import ProtocolName

_BALANCE = {
    "UpperThreshold": "upper",
    "UpperOffset": "upper_offset",
    "LowerThreshold": "lower",
    "LowerOffset": "lower_offset",
}


def _der(context: VariableContext) -> bool:
    return bool(der_rules.supported(context.config))


def _iso20(context: VariableContext) -> bool:
    return ProtocolName.ISO15118_20 in context.config.protocols


def _transfer_modes(context: VariableContext) -> str:
    """SupportedEnergyTransferModes: the services of ISO 15118-20 that the outlet has."""
    config = context.config
    if config.energy.offers_dc:
        return "DC,DC_BPT" if context.limits.can_discharge else "DC"
    plain = "AC_three_phase" if context.limits.supply.phases == 3 else "AC_single_phase"
    der = ("AC_DER",) if _der(context) else ()
    return ",".join((plain, *(("AC_BPT",) if context.limits.can_discharge else ()), *der))


def _balances(context: VariableContext) -> bool:
    return _iso20(context) and context.limits.steering.meter is not None


VARIABLES_21: tuple[Variable, ...] = (
    Variable(
        component="ACDERCtrlr",
        name="ModesSupported",
        read=lambda one: ",".join(der_rules.supported(one.config)),
        kind="MemberList",
        evse=1,
        exists=_der,
    ),
    Variable(
        component="V2XChargingCtrlr",
        name="Available",
        read=lambda one: said(discharge_of(one.config) > 0.0),
        kind="boolean",
        evse=1,
        exists=_iso20,
    ),
    Variable(
        component="V2XChargingCtrlr",
        name="Enabled",
        read=lambda one: said(one.limits.can_discharge),
        kind="boolean",
        evse=1,
        exists=_iso20,
    ),
    Variable(  # Q01.FR.32
        component="V2XChargingCtrlr",
        name="SupportedOperationModes",
        read=lambda one: ",".join(one.limits.steering.modes),
        kind="MemberList",
        evse=1,
        exists=_iso20,
    ),
    Variable(
        component="V2XChargingCtrlr",
        name="SupportedEnergyTransferModes",
        read=_transfer_modes,
        kind="MemberList",
        evse=1,
        exists=_iso20,
    ),
    *(
        dataclasses.replace(
            decimal("V2XChargingCtrlr", "LocalLoadBalancing", f"balance_{field}", instance=instance),
            evse=1,
            exists=_balances,
        )
        for instance, field in _BALANCE.items()
    ),
    Variable(
        component="ISO15118Ctrlr",
        name="ServiceRenegotiationSupport",
        read=lambda one: said(one.config.iso20.service_renegotiation),
        kind="boolean",
        exists=_iso20,
    ),
)
"""Rows for an outlet with ISO 15118-20."""
