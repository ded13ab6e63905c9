"""The table of the messages that a CSMS of 2.1 may send."""

from __future__ import annotations

from secc.ocpp import handlers201
from secc.ocpp.blocks import der, dynamic, tariff
from secc.ocpp.commands import CommandHandler

HANDLERS: dict[str, CommandHandler] = {
    **handlers201.HANDLERS,
    "AFRRSignal": dynamic.signal,
    "ChangeTransactionTariff": tariff.change,
    "ClearDERControl": der.clear_controls,
    "ClearTariffs": tariff.clear,
    "GetDERControl": der.get_controls,
    "GetTariffs": tariff.get,
    "NotifyAllowedEnergyTransfer": dynamic.allowed_transfer,
    "SetDERControl": der.set_control,
    "SetDefaultTariff": tariff.set_default,
    "UpdateDynamicSchedule": dynamic.update_dynamic,
    "UsePriorityCharging": dynamic.use_priority,
}
