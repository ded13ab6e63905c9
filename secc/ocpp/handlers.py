"""The messages of the CSMS: one table of handlers for each version."""

from __future__ import annotations

from collections.abc import Mapping

from secc.ocpp import handlers16, handlers21, handlers201
from secc.ocpp.commands import CommandHandler, Commands
from secc.ocpp.model import Payload
from secc.ocpp.rpc import CallFailed
from secc.settings.ocpp import OcppVersion

__all__ = ["handle"]

HANDLERS: Mapping[OcppVersion, Mapping[str, CommandHandler]] = {
    OcppVersion.V21: handlers21.HANDLERS,
    OcppVersion.V201: handlers201.HANDLERS,
    OcppVersion.V16: handlers16.HANDLERS,
}


async def handle(commands: Commands, action: str, payload: Payload) -> Payload:
    """Answer a message in the version of the present connection; raises CallFailed if it is not supported."""
    handler = HANDLERS[commands.conversation.dialect.version].get(action)
    if handler is None:
        raise CallFailed("NotSupported", f"{action} is not supported")
    answer = handler(commands, payload)
    return answer if isinstance(answer, dict) else await answer
