"""The parts of an OCPP back end that run without a request of the CSMS."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable
from typing import Protocol

from secc.errors import ConfigError
from secc.ocpp.attached import AttachedStation
from secc.ocpp.authorizer import CsmsAuthorizer
from secc.ocpp.background import BackgroundTasks
from secc.ocpp.certificates import CertificatesBackend
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.der_control import DerControls
from secc.ocpp.der_session import DerSession
from secc.ocpp.dialect import EventAnswer, StationLabel
from secc.ocpp.drivers import DriverAuthorization
from secc.ocpp.limits import ChargingLimits
from secc.ocpp.logs import LogReports
from secc.ocpp.model import Payload, StopReason, TokenKind, TransactionEvent, Trigger
from secc.ocpp.needs import ChargingNeeds
from secc.ocpp.network import NetworkProfiles
from secc.ocpp.outlet import ReportedOutlet
from secc.ocpp.roots import RootFolder
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.steering import Balance, LocalSteering
from secc.ocpp.store import Store
from secc.ocpp.tokens import PresentedTokens
from secc.ocpp.transactions import Transactions, power_of
from secc.session.outlet import EvseSnapshot
from secc.settings.config import SeccConfig
from secc.settings.ocpp import OcppConfig


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OcppHooks:
    """What an OCPP back end calls in the program around it; see `OcppBackend`."""

    report: Callable[[str], None]
    on_message: Callable[[bool, str], None]
    clock: Callable[[], float]
    on_reset: Callable[[], None] | None


class ServedParts(Protocol):
    """What events of the line and of the outlet need beside the parts."""

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Answer a request of the CSMS."""
        ...

    def observe(self, snapshot: EvseSnapshot) -> None:
        """Handle a new state of the outlet."""
        ...


class OcppParts:
    """Store, conversation, transactions and authorization of one outlet, connected with each other."""

    def __init__(self, config: SeccConfig, hooks: OcppHooks, served: ServedParts, version: str) -> None:
        """Open the store; raises ConfigError when it cannot be opened. `version` is that of the firmware."""
        ocpp = config.ocpp
        self.report = LogReports(hooks.report)
        self.store = _opened(ocpp)
        self.settings = RuntimeSettings(ocpp, config.pnc.central_validation)
        self.network = NetworkProfiles(self.settings)
        self.conversation = CsmsConversation(
            self.settings,
            self.network,
            ocpp.identity or config.evse_id.replace("*", "-"),
            StationLabel(ocpp.vendor, ocpp.model, ocpp.serial, version),
            self.store,
            handle=served.handle,
            accepted=self._accepted,
            answered=self._event_answered,
            report=self.report,
            on_message=hooks.on_message,
            clock=hooks.clock,
        )
        self.transactions = Transactions(interval=ocpp.meter_interval)
        self.tokens = PresentedTokens(lambda: self.settings.ocpp.connection_timeout)
        self.background = BackgroundTasks(self.report)
        self.attached = AttachedStation(self.report)
        self.authorizer = CsmsAuthorizer(config, self.settings, self.conversation, self.report)
        self.certificates = CertificatesBackend(
            config, self.conversation, RootFolder(ocpp.store), self.report
        )
        self.limits = ChargingLimits(
            config, self.transactions, self.attached, self.conversation, self._steering()
        )
        self.der = DerControls(config, self.conversation)
        self.der_session = DerSession(self.der, self.attached, self.conversation, self.report)
        self._connect_outlet(hooks, served)

    def _steering(self) -> LocalSteering:
        def balance() -> Balance:
            ocpp = self.settings.ocpp
            return Balance(
                ocpp.balance_upper + ocpp.balance_upper_offset, ocpp.balance_lower + ocpp.balance_lower_offset
            )

        return LocalSteering(
            clock=lambda: self.conversation.now,
            ev_power=lambda: power_of(self.attached.snapshot),
            balance=balance,
            report=self.report,
        )

    def _connect_outlet(self, hooks: OcppHooks, served: ServedParts) -> None:
        self.outlet = ReportedOutlet(
            self.settings,
            self.transactions,
            self.conversation,
            self.attached,
            self.limits,
            self.tokens,
            self.background,
            self.report,
            on_reset=hooks.on_reset,
            observed=served.observe,
            ended=self.authorizer.tariffs.end_transaction,
        )
        self.needs = ChargingNeeds(
            self.settings,
            self.conversation,
            self.limits,
            self.background,
            tariffs=self.authorizer.tariffs,
            report=self.report,
            rejected=self._transfer_rejected,
        )
        self.drivers = DriverAuthorization(
            self.settings,
            self.conversation,
            self.authorizer,
            self.outlet,
            self.tokens,
            self.needs,
            self.report,
        )

    def _transfer_rejected(self) -> None:
        self.outlet.stop(
            Trigger.ABNORMAL, StopReason.TRANSFER_REJECTED, "the CSMS rejects the energy transfer"
        )

    def _accepted(self) -> None:
        self.outlet.report_status()

    def _event_answered(self, event: TransactionEvent, answer: EventAnswer) -> None:
        self.needs.recorded(event.transaction)
        if answer.info is None or event.token is None:
            return
        if event.token.kind is not TokenKind.NO_AUTHORIZATION:
            self.authorizer.learn(event.token, answer.info)
        self.outlet.event_answered(event, answer)


def _opened(settings: OcppConfig) -> Store:
    path = None if settings.store is None else settings.store / "station.db"
    try:
        return Store(path)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"ocpp.store: {path}: {error}") from error
