"""Requests of the CSMS and events of the outlet: the parts of an OCPP back end that serve them."""

from __future__ import annotations

import functools

from secc.ocpp.blocks.dynamic import apply_update
from secc.ocpp.command_services import CommandServices
from secc.ocpp.commands import Commands
from secc.ocpp.diagnostics import StationDiagnostics
from secc.ocpp.firmware import FirmwareParts, FirmwareUpdates
from secc.ocpp.handlers import handle
from secc.ocpp.list_commands import ListCommands
from secc.ocpp.logs import HttpUploader, LogUploads
from secc.ocpp.model import Payload
from secc.ocpp.outlet_commands import OutletCommands
from secc.ocpp.parts import OcppHooks, OcppParts
from secc.ocpp.ports import StationServices
from secc.ocpp.profile_commands import ProfileCommands
from secc.ocpp.pulls import DynamicPulls
from secc.ocpp.restoring import restore
from secc.ocpp.root_commands import RootCommands
from secc.ocpp.trigger_commands import TriggerCommands
from secc.ocpp.variable_table import VARIABLES
from secc.ocpp.variable_table21 import VARIABLES_21
from secc.ocpp.variables import VariableContext, Variables
from secc.session.outlet import EvseSnapshot
from secc.settings.config import SeccConfig


class RequestService:
    """Serves the requests of the CSMS for one back end; makes all its parts and restores their state."""

    def __init__(self, config: SeccConfig, hooks: OcppHooks, provided: StationServices, version: str) -> None:
        """Raises ConfigError when the store cannot be opened; `version` is that of the firmware."""
        self.parts = parts = OcppParts(config, hooks, self, version)
        parts.limits.steering.meter = provided.grid_meter
        context = VariableContext(
            config,
            parts.settings,
            parts.conversation,
            parts.transactions,
            parts.certificates.signing,
            parts.background,
            parts.limits,
            parts.attached,
            parts.network,
            frozenset(("firmware",) if provided.firmware is not None else ()),
            provided.connector_type,
        )
        variables = Variables((*VARIABLES, *VARIABLES_21), context, parts.report)
        outlet = OutletCommands(parts.settings, parts.conversation, parts.outlet)
        diagnostics = StationDiagnostics(
            parts.conversation, parts.settings, variables, parts.report.book, lambda: outlet.transaction
        )
        self.commands = _commands(
            config,
            parts,
            variables,
            outlet,
            diagnostics,
            _services(config, parts, diagnostics, provided, version),
        )
        self._pulls = DynamicPulls(
            parts.conversation,
            parts.limits,
            parts.background,
            apply=functools.partial(apply_update, self.commands),
            report=parts.report,
        )
        restore(parts, self.commands)  # before the first authorization, which must not overwrite it

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Answer a request of the CSMS."""
        return await handle(self.commands, action, payload)

    def observe(self, snapshot: EvseSnapshot) -> None:
        """Report what monitors see in a new state of the outlet; ask for limits that are due, and follow
        the times of DER controls."""
        self.commands.diagnostics.observe(snapshot)
        self._pulls.observe()
        self.parts.der.observe()


def _services(
    config: SeccConfig,
    parts: OcppParts,
    diagnostics: StationDiagnostics,
    provided: StationServices,
    version: str,
) -> CommandServices:
    firmware = FirmwareParts(
        parts.conversation,
        parts.transactions,
        provided.firmware,
        parts.certificates.firmware_authorities,
        diagnostics.announce_firmware,
        diagnostics.secure,
        parts.report,
        version,
        config.ocpp.firmware_signed,
    )
    uploads = LogUploads(
        parts.conversation,
        parts.report.book,
        provided.uploader or HttpUploader(parts.settings),
        report=parts.report,
        announce=diagnostics.announce_log,
    )
    return CommandServices(FirmwareUpdates(firmware), uploads, provided, parts.report)


def _commands(
    config: SeccConfig,
    parts: OcppParts,
    variables: Variables,
    outlet: OutletCommands,
    diagnostics: StationDiagnostics,
    services: CommandServices,
) -> Commands:
    return Commands(
        background=parts.background,
        conversation=parts.conversation,
        der=parts.der,
        diagnostics=diagnostics,
        limits=parts.limits,
        lists=ListCommands(parts.settings, parts.authorizer, parts.transactions),
        outlet=outlet,
        profiles=ProfileCommands(parts.conversation, parts.limits, parts.outlet),
        roots=RootCommands(
            config,
            parts.conversation,
            parts.certificates,
            parts.attached,
            parts.report,
            secure=diagnostics.secure,
            counted=parts.settings.count_roots,
        ),
        services=services,
        settings=parts.settings,
        tariffs=parts.authorizer.tariffs,
        tokens=parts.tokens,
        triggers=TriggerCommands(
            tls=config.tls.policy,
            settings=parts.settings,
            conversation=parts.conversation,
            outlet=parts.outlet,
            diagnostics=diagnostics,
            services=services,
            certificates=parts.certificates,
            background=parts.background,
        ),
        variables=variables,
    )
