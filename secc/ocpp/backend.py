"""The back end of a station that is a central system behind OCPP.

Implements `Backend`, `ContractBackend`, `ProvisioningBackend`, `RevocationBackend`, `OcspSource`,
`CertificateSigner` of `secc.ports`, and listens to the station for what the CSMS has to know.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Protocol

import msgspec

from secc.errors import ConfigError, LinkError
from secc.ocpp import authorising, profiles, transactions, variables
from secc.ocpp.certificates import RootFolder
from secc.ocpp.commands import Commands
from secc.ocpp.conversation import Conversation, ended
from secc.ocpp.dialect import EventAnswer, StationLabel
from secc.ocpp.papers import CertificatePorts
from secc.ocpp.rpc import CallFailed, NoAnswer
from secc.ocpp.store import Store
from secc.ocpp.transactions import Open, Transactions
from secc.ocpp.words import (
    AuthorizeAnswer,
    ConnectorStatus,
    IdToken,
    Payload,
    Profile,
    StopReason,
    TokenInfo,
    TokenKind,
    TokenStatus,
    TransactionEvent,
    Trigger,
)
from secc.pki.contract import ForwardedContract, OcspRequestData, VerifiedContract
from secc.ports import Backend, CentralValidation, ContractBackend, EvseController
from secc.records import OutputRecord, Record
from secc.session.contract_events import ContractGranted, Verdict
from secc.session.outlet import EvseSnapshot
from secc.session.outputs import EndSession
from secc.session.schedules import EnergyNeed, ScheduleOffer
from secc.settings.config import SeccConfig
from secc.settings.ocpp import OcppConfig
from secc.settings.pnc import OfflinePolicy
from secc.station.boundary.controller import checked_controller

HORIZON = 86_400.0
"""s that a schedule reaches."""
REMOTE_START_TIME = 120.0
"""s that a remote start, or a card, waits for an EV."""


class ControlledStation(Protocol):
    """What the CSMS can do to a station; `secc.station.station.Station` has it."""

    def stop_charging(self, reason: str = ...) -> None:
        """Ask the EV to end; force it after a while."""
        ...

    def renegotiate(self) -> None:
        """Ask the EV to negotiate anew."""
        ...

    def limit_power(self, max_power: float | None) -> None:
        """At most so many W; None lifts it."""
        ...

    def withdraw_authorization(self) -> None:
        """The running session may not charge any more."""
        ...

    def renew_tls(self) -> None:
        """Read certificates and roots again."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Presented:
    """Somebody wants to charge without a contract."""

    token: IdToken
    until: float
    remote_start_id: int | None = None
    """The CSMS itself wants it: it is not asked again."""
    profile: Profile | None = None


class OcppBackend(CertificatePorts, Backend, ContractBackend, CentralValidation):
    """One per outlet. Make it, give it to the station, `attach` the station, run `run` beside it."""

    def __init__(
        self,
        config: SeccConfig,
        *,
        tell: Callable[[str], None] = lambda _text: None,
        listen: Callable[[bool, str], None] = lambda _ours, _text: None,
        clock: Callable[[], float] = time.time,
        version: str = "",
        on_reset: Callable[[], None] | None = None,
    ) -> None:
        """`tell` takes what a log should say, `listen` every message, `on_reset` what a restart means here.

        What the store remembers is taken up here; a transaction that was open is written down as ended.
        Raises ConfigError when the store cannot be opened.
        """
        settings = config.ocpp
        self.config = config
        self.settings = settings
        self._speak = tell
        self.on_reset = on_reset
        self.store = _opened(settings)
        self.roots = RootFolder(settings.store)
        self._begin_empty()
        self.talk = Conversation(
            settings,
            settings.identity or config.evse_id.replace("*", "-"),
            StationLabel(settings.vendor, settings.model, settings.serial, version or "0"),
            self.store,
            handle=Commands(self).handle,
            accepted=self._accepted,
            answered=self._event_answered,
            tell=self.tell,
            listen=listen,
            clock=clock,
        )
        super().__init__(self.talk, config, self.roots)
        self._remember()  # before anybody may charge: a transaction that begins must not be overwritten
        self.write(self.transactions.recovered(self.talk.now, offline=True))

    # --- life ----------------------------------------------------------------------------------------------

    def _begin_empty(self) -> None:
        """What is remembered is put over this."""
        config = self.config
        self.memory = authorising.Memory()
        self.profiles: tuple[Profile, ...] = ()
        self.operative = True
        self.central = config.pnc.central_validation
        """The CSMS may judge chains in our place."""
        self.reset_when_idle = False
        self.transactions = Transactions(interval=config.ocpp.meter_interval)
        self.supply = profiles.supply_of(config)
        self.overrides: dict[str, str] = {}
        self.station: ControlledStation | None = None
        self.controller: EvseController | None = None
        self.presented: list[Presented] = []
        """Cards and remote starts that wait for an EV."""
        self._somebody = asyncio.Event()
        self._told_status: ConnectorStatus | None = None
        self._limit: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def speak(self, tell: Callable[[str], None]) -> None:
        """Where the log is, when it was not known before."""
        self._speak = tell

    def tell(self, text: str) -> None:
        """For the log."""
        self._speak(text)

    def attach(self, station: ControlledStation, controller: EvseController) -> None:
        """The station this is the back end of."""
        self.station = station
        self.controller = checked_controller(controller)

    async def run(self) -> None:
        """Until cancelled."""
        tasks = [asyncio.create_task(self.talk.run()), asyncio.create_task(self._watch())]
        try:
            await asyncio.gather(*tasks)
        finally:
            try:
                await ended([*tasks, *self._tasks])
            finally:
                self.store.close()

    def spawn(self, call: Coroutine[object, object, None]) -> None:
        """Do it beside everything else; a failure is told."""

        async def told() -> None:
            try:
                await call
            except LinkError as error:
                self.tell(str(error))

        task = asyncio.get_running_loop().create_task(told())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _remember(self) -> None:
        store = self.store
        with contextlib.suppress(msgspec.ValidationError):
            self.transactions.open = msgspec.convert(store.get("transaction"), Open | None)
        with contextlib.suppress(msgspec.ValidationError):
            self.profiles = msgspec.convert(store.get("profiles") or (), tuple[Profile, ...])
        with contextlib.suppress(msgspec.ValidationError):
            self.memory = msgspec.convert(store.get("memory") or {}, authorising.Memory)
        with contextlib.suppress(msgspec.ValidationError):
            self.overrides = msgspec.convert(store.get("variables") or {}, dict[str, str])
        self.operative = store.get("operative") is not False
        variables.restore(self)

    # --- the ports: who may charge -------------------------------------------------------------------------

    async def authorize_external(self, evse_id: str) -> bool:
        """A card, a remote start, or everybody; waits for the person. A paused session goes on."""
        if not self.operative:
            return False
        paused = self.transactions.open
        if paused is not None and paused.token.kind is not TokenKind.EMAID and paused.stop is None:
            self.begin(paused.token)
            return True
        if self.settings.free_token:
            token = IdToken(self.settings.free_token, TokenKind.NO_AUTHORIZATION)
            self.begin(token)
            return True
        while True:
            presented = await self._next_presented()
            info = TokenInfo(TokenStatus.ACCEPTED)
            if presented.remote_start_id is None:
                info = await self.judge(presented.token)
            if info.status is TokenStatus.ACCEPTED:
                self.begin(presented.token, presented=presented, group=info.group)
                return True
            self.tell(f"{presented.token.text} may not charge: {info.status.value}")

    def present(
        self, token: IdToken, *, remote_start_id: int | None = None, profile: Profile | None = None
    ) -> None:
        """Somebody at the outlet shows a card, or the CSMS starts from afar; waits two minutes for an EV."""
        until = asyncio.get_running_loop().time() + REMOTE_START_TIME
        self.presented.append(Presented(token, until, remote_start_id, profile))
        self._somebody.set()

    async def judge(self, token: IdToken) -> TokenInfo:
        """A card: the CSMS, else what is known, else the policy."""
        answer = await self._authorize(token)
        if answer is not None:
            return answer.info
        known = self._recall(token)
        if known is not None:
            return known
        allowed = self.settings.offline_unknown
        return TokenInfo(TokenStatus.ACCEPTED if allowed else TokenStatus.UNKNOWN)

    async def authorize_contract(self, evse_id: str, contract: VerifiedContract) -> Verdict:
        """The CSMS, with what it needs to look at revocation itself; else what is known (OCPP C07)."""
        if not self.operative:
            return Verdict.BLOCKED
        token = IdToken(contract.emaid.text, TokenKind.EMAID)
        data = contract.ocsp_request_data
        complete = len(data) == len(contract.chain.certificates)
        pem = "" if complete else contract.pem.decode()  # a certificate without a responder has no hash data
        answer = await self._authorize(token, data, pem)
        if answer is not None:
            return authorising.verdict(answer)
        known = self._recall(token)
        if known is None:
            return Verdict.UNREACHABLE
        verdict = authorising.token_verdict(known)
        if verdict is Verdict.ACCEPTED and self.config.pnc.offline is OfflinePolicy.DENY:
            return Verdict.UNREACHABLE
        return verdict

    async def validate_contract(self, evse_id: str, contract: ForwardedContract) -> Verdict:
        """A root that is not known here: the CSMS gets the chain and has to vouch for it, now or never."""
        if not self.operative:
            return Verdict.BLOCKED
        if not self.central:
            return Verdict.UNKNOWN
        token = IdToken(contract.emaid.text, TokenKind.EMAID)
        answer = await self._authorize(token, (), contract.pem.decode())
        if answer is None:
            return Verdict.UNREACHABLE
        if answer.certificate is None:
            self.tell(f"{token.text}: the CSMS says nothing about a certificate that nobody here can judge")
            return Verdict.UNKNOWN
        return authorising.verdict(answer)

    async def _authorize(
        self, token: IdToken, data: tuple[OcspRequestData, ...] = (), pem: str = ""
    ) -> AuthorizeAnswer | None:
        """None: it did not decide."""
        dialect = self.talk.dialect
        try:
            request = dialect.authorize(token, data, pem)
            told = await self.talk.ask(request, patience=self.settings.authorize_timeout)
            answer = dialect.read_authorize(told)
            if answer is None and not pem:  # a 1.6 CSMS without the extension: an ordinary tag
                plain = IdToken(token.text, TokenKind.CENTRAL)
                told = await self.talk.ask(
                    dialect.authorize(plain, (), ""), patience=self.settings.authorize_timeout
                )
                answer = dialect.read_authorize(told)
        except (NoAnswer, CallFailed, ValueError, KeyError, TypeError) as error:
            self.tell(f"Authorize {token.text}: {error}")
            return None
        if answer is not None and self.settings.cache:
            self.learn(token, answer.info)
        return answer

    def learn(self, token: IdToken, info: TokenInfo) -> None:
        """Into the cache, and onto the disk."""
        self.memory.learn(token, info, self.talk.now, self.settings.cache_lifetime)
        self.keep(memory=self.memory)

    def _recall(self, token: IdToken) -> TokenInfo | None:
        return self.memory.recall(
            token, self.talk.now, use_list=self.settings.local_list, use_cache=self.settings.cache
        )

    async def _next_presented(self) -> Presented:
        loop = asyncio.get_running_loop()
        while True:
            self.presented = [one for one in self.presented if one.until > loop.time()]
            if self.presented:
                return self.presented.pop(0)
            self._somebody.clear()
            await self._somebody.wait()

    # --- the ports: energy ---------------------------------------------------------------------------------

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | None:
        """What the charging profiles allow; None while there is none."""
        now = self.talk.now
        running = self.running
        steps = profiles.composite(self.profiles, self.supply, now, HORIZON, running)
        if all(step.watts is None for step in steps):
            return None
        return profiles.offer(steps, self.supply, need, HORIZON)

    @property
    def running(self) -> profiles.Running | None:
        """The transaction under way, for profiles."""
        transaction = self.transactions.open
        return None if transaction is None else profiles.Running(transaction.id, transaction.begun_at)

    def profiles_changed(self) -> None:
        """Obey at once, and let the EV choose anew."""
        self.keep(profiles=self.profiles)
        self._apply_limit()
        if self.station is not None and self.transactions.open is not None:
            self.station.renegotiate()

    def _apply_limit(self) -> None:
        now = self.talk.now
        limit = profiles.limit_at(self.profiles, self.supply, now, self.running, now)
        if limit is not None:  # more than the outlet can deliver limits nothing
            limit = min(limit, self.supply.max_power)
        if limit != self._limit and self.station is not None:
            self.station.limit_power(limit)
            self._limit = limit

    # --- transactions --------------------------------------------------------------------------------------

    def begin(self, token: IdToken, *, presented: Presented | None = None, group: str = "") -> None:
        """Somebody may charge: the transaction begins, and whoever else wanted this outlet comes too late."""
        self.presented.clear()
        snapshot = self.snapshot
        if snapshot is None:
            return
        events = self.transactions.authorised(
            token,
            str(uuid.uuid4()),
            snapshot,
            self.talk.now,
            offline=not self.talk.online,
            remote_start_id=None if presented is None else presented.remote_start_id,
            group=group,
        )
        if presented is not None and presented.profile is not None:
            accepted = profiles.added(self.profiles, presented.profile, self.running)
            if not isinstance(accepted, str):
                self.profiles = accepted
                self.keep(profiles=accepted)
        self.write(events)
        self._apply_limit()

    def on_event(self, record: Record) -> None:
        """What happens at the station; give it to `Station(on_event=…)`."""
        if not isinstance(record, OutputRecord):
            return
        match record.output:
            case ContractGranted(contract, _):
                self.begin(IdToken(contract.emaid.text, TokenKind.EMAID))
            case EndSession() as end:
                self.write(self.transactions.session_over(end, self.talk.now, offline=not self.talk.online))

    def stop(self, trigger: Trigger, reason: StopReason, text: str) -> None:
        """End the transaction under way."""
        self.transactions.stopping(trigger, reason)
        if self.station is not None:
            self.station.stop_charging(text)

    def write(self, events: list[TransactionEvent]) -> None:
        """Onto the disk with the transaction they leave, then to the CSMS."""
        if not events:
            return
        if self.transactions.open is None:
            self.profiles = profiles.after_transaction(self.profiles)
            self._apply_limit()
        self.talk.enqueue(events, {"transaction": self.transactions.open, "profiles": self.profiles})
        if self.transactions.open is None and self.reset_when_idle:
            self.reset("ScheduledReset")

    def reset(self, reason: str) -> None:
        """Restart, or what stands for it here."""
        self.reset_when_idle = False
        if self.on_reset is not None:
            self.on_reset()
        self.spawn(self.talk.boot_again(reason))

    def keep(self, **state: object) -> None:
        """Remember across restarts."""
        self.talk.enqueue((), state)

    def _event_answered(self, event: TransactionEvent, answer: EventAnswer) -> None:
        if answer.info is None or event.token is None:
            return
        if self.settings.cache and event.token.kind is not TokenKind.NO_AUTHORIZATION:
            self.learn(event.token, answer.info)
        transaction = self.transactions.open
        refused = answer.info.status is not TokenStatus.ACCEPTED
        if refused and transaction is not None and transaction.id == event.transaction:
            self.tell(f"the CSMS refuses {event.token.text} afterwards: {answer.info.status.value}")
            self.transactions.stopping(Trigger.DEAUTHORIZED, StopReason.DEAUTHORIZED)
            if self.station is not None:
                self.station.withdraw_authorization()

    # --- looking -------------------------------------------------------------------------------------------

    @property
    def snapshot(self) -> EvseSnapshot | None:
        """The outlet now; None while it cannot say."""
        if self.controller is None:
            return None
        try:
            return self.controller.snapshot()
        except Exception as error:
            self.tell(f"snapshot: {type(error).__name__}: {error}")
            return None

    async def _watch(self) -> None:
        trouble = ""
        while True:
            try:
                self._look()
                trouble = ""
            except Exception as error:  # whatever it was, the next look comes
                if trouble != (trouble := f"{type(error).__name__}: {error}"):
                    self.tell(f"looking at the outlet: {trouble}")
            await asyncio.sleep(self.settings.look_interval)

    def _look(self) -> None:
        snapshot = self.snapshot
        if snapshot is not None:
            self.write(self.transactions.observe(snapshot, self.talk.now, offline=not self.talk.online))
            self._tell_status(snapshot)
        self._apply_limit()

    def _accepted(self) -> None:
        self._told_status = None
        snapshot = self.snapshot
        if snapshot is not None:
            self._tell_status(snapshot)

    def _tell_status(self, snapshot: EvseSnapshot) -> None:
        status = transactions.connector_status(snapshot, self.transactions.open, operative=self.operative)
        if status is not self._told_status and self.talk.online:
            self._told_status = status
            fault = "" if snapshot.fault is None else snapshot.fault.value
            self.spawn(self._say(*self.talk.dialect.status(status, self.talk.now, fault)))

    def tell_status(self) -> None:
        """StatusNotification, changed or not."""
        self._accepted()

    async def _say(self, action: str, payload: Payload) -> None:
        await self.ask_or_none(action, payload)


def _opened(settings: OcppConfig) -> Store:
    path = None if settings.store is None else settings.store / "station.db"
    try:
        return Store(path)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"ocpp.store: {path}: {error}") from error
