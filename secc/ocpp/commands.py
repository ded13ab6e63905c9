"""What requests of the CSMS need, in the form that all versions share; `handlers` translates the messages."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable

from secc.ocpp.background import BackgroundTasks
from secc.ocpp.command_services import CommandServices
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.der_control import DerControls
from secc.ocpp.diagnostics import StationDiagnostics
from secc.ocpp.limits import ChargingLimits
from secc.ocpp.list_commands import ListCommands
from secc.ocpp.model import Payload
from secc.ocpp.outlet_commands import OutletCommands
from secc.ocpp.profile_commands import ProfileCommands
from secc.ocpp.root_commands import RootCommands
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.tariff_store import TariffStore
from secc.ocpp.tokens import PresentedTokens
from secc.ocpp.trigger_commands import TriggerCommands
from secc.ocpp.variables import Variables

__all__ = ["CommandHandler", "Commands"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """The requests that one back end can serve, by subject, and the parts of the back end that they need."""

    background: BackgroundTasks
    """Runs what follows the answer to a request."""
    conversation: CsmsConversation
    der: DerControls
    diagnostics: StationDiagnostics
    limits: ChargingLimits
    lists: ListCommands
    outlet: OutletCommands
    profiles: ProfileCommands
    roots: RootCommands
    services: CommandServices
    settings: RuntimeSettings
    tariffs: TariffStore
    tokens: PresentedTokens
    triggers: TriggerCommands
    variables: Variables


CommandHandler = Callable[[Commands, Payload], Awaitable[Payload] | Payload]
"""Answers one message; its body has been checked against its schema."""
