"""The table of the messages that a CSMS of 2.1 may send."""

from __future__ import annotations

from secc.ocpp import handlers201
from secc.ocpp.blocks import dynamic
from secc.ocpp.commands import CommandHandler

HANDLERS: dict[str, CommandHandler] = {
    **handlers201.HANDLERS,
    "NotifyAllowedEnergyTransfer": dynamic.allowed_transfer,
    "UpdateDynamicSchedule": dynamic.update_dynamic,
    "UsePriorityCharging": dynamic.use_priority,
}
