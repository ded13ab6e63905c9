"""The table of the messages that a CSMS of 2.1 may send."""

from __future__ import annotations

from secc.ocpp import handlers201
from secc.ocpp.commands import CommandHandler

HANDLERS: dict[str, CommandHandler] = {**handlers201.HANDLERS}
