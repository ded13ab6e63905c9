"""The table of the messages that a CSMS of 2.1 may send."""

from __future__ import annotations

from secc.ocpp import handlers201
from secc.ocpp.blocks import dynamic, tariff
from secc.ocpp.commands import CommandHandler

HANDLERS: dict[str, CommandHandler] = {
    **handlers201.HANDLERS,
    "ChangeTransactionTariff": tariff.change,
    "ClearTariffs": tariff.clear,
    "GetTariffs": tariff.get,
    "NotifyAllowedEnergyTransfer": dynamic.allowed_transfer,
    "SetDefaultTariff": tariff.set_default,
    "UpdateDynamicSchedule": dynamic.update_dynamic,
    "UsePriorityCharging": dynamic.use_priority,
}
