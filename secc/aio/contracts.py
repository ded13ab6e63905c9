"""What the station knows about contracts beyond one session, and the back end's side of Plug and Charge.

A session is asked nothing here that it could decide itself. What outlives one is kept: contracts that the
back end has accepted lately, provisioning answers that came too late for the car's first try, and how often
what was refused. A query to the back end goes on when its session has ended: its answer is for the next one.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime
from collections.abc import Callable, Coroutine
from typing import Any, cast

from secc.aio.tls import load_trust
from secc.config import Payment, SeccConfig
from secc.pki.contract import ContractPolicy, Evidence, PresentedContract, VerifiedContract
from secc.pki.provisioning import Action, ProvisioningAnswer, ProvisioningRequest, Refusal
from secc.pki.revocation import RevocationMode, RevocationPolicy
from secc.pki.trust import TrustStore
from secc.pki.xmldsig import STRICT, Compat
from secc.ports import (
    Backend,
    ContractBackend,
    ProvisioningBackend,
    RecordsContracts,
    RevocationBackend,
)
from secc.session.contract_events import (
    ContractGranted,
    ContractRefused,
    ContractTerms,
    GrantSource,
    StoreReceipt,
    Verdict,
)

Record = StoreReceipt | ContractGranted | ContractRefused


@dataclasses.dataclass(frozen=True, slots=True)
class _Late:
    payload: bytes
    until: float


class ContractDesk:
    """One per station; `terms` for each session, the rest for its outlet."""

    def __init__(
        self,
        config: SeccConfig,
        backend: Backend,
        *,
        complain: Callable[[str], None],
    ) -> None:
        """Reads the roots of `[trust]`; raises ConfigError when one cannot be used."""
        self._config = config
        self._backend = backend
        self._complain = complain
        self._offered = Payment.CONTRACT in config.service.payment_options
        self._trust = load_trust(config.trust) if self._offered else TrustStore()
        self._known: dict[str, float] = {}
        self._late: dict[str, _Late] = {}
        self._asking: dict[str, asyncio.Task[ProvisioningAnswer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.refusals: collections.Counter[str] = collections.Counter()
        """How often what was refused, by rule."""

    def renew_trust(self) -> None:
        """Read the roots again, for sessions to come; raises ConfigError and goes on with the old ones."""
        if self._offered:
            self._trust = load_trust(self._config.trust)

    @property
    def capable(self) -> bool:
        """The back end can decide about contracts."""
        return hasattr(self._backend, "authorize_contract")

    def terms(self, now: float) -> ContractTerms | None:
        """What a session that begins now may know; None when contracts are not dealt with."""
        if not self._offered or not self.capable:
            return None
        actions = frozenset(Action) if hasattr(self._backend, "provision") else frozenset()
        self._known = {name: until for name, until in self._known.items() if until > now}
        return ContractTerms(
            trust=self._trust,
            policy=contract_policy(self._config),
            provisions=actions,
            finds_revocation=hasattr(self._backend, "revocation"),
            known=frozenset(self._known),
        )

    # --- questions -----------------------------------------------------------------------------------------

    async def authorize(self, contract: VerifiedContract) -> Verdict:
        """The back end's word; UNREACHABLE when it fails or hangs."""
        backend = cast(ContractBackend, self._backend)
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                verdict = await backend.authorize_contract(self._config.evse_id, contract)
        except Exception as error:
            self._complain(f"authorize_contract: {_what(error)}")
            return Verdict.UNREACHABLE
        if isinstance(verdict, Verdict):
            return verdict
        self._complain(f"authorize_contract: {verdict!r} is no Verdict")
        return Verdict.UNREACHABLE

    async def revocation(self, contract: PresentedContract) -> Evidence:
        """What can be found; nothing when the search fails."""
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                return await cast(RevocationBackend, self._backend).revocation(contract)
        except Exception as error:
            self._complain(f"revocation: {_what(error)}")
            return Evidence()

    async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        """A bundle: one that came too late before, or the back end's answer. Cancelling leaves the query."""
        now = asyncio.get_running_loop().time()
        self._late = {key: late for key, late in self._late.items() if late.until > now}
        kept = self._late.pop(request.key, None)
        if kept is not None:
            return ProvisioningAnswer(kept.payload)
        if request.key not in self._asking:
            if len(self._asking) >= _MAX_ASKING:
                return ProvisioningAnswer(refusal=Refusal.UNREACHABLE)
            self._asking[request.key] = asyncio.get_running_loop().create_task(self._ask(request))
        answer = await asyncio.shield(self._asking[request.key])
        self._late.pop(request.key, None)  # delivered
        return answer

    async def _ask(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                answer = await cast(ProvisioningBackend, self._backend).provision(request)
        except Exception as error:
            self._complain(f"provision: {_what(error)}")
            return ProvisioningAnswer(refusal=Refusal.UNREACHABLE)
        finally:
            self._asking.pop(request.key, None)
        if answer.refusal is None:
            until = asyncio.get_running_loop().time() + self._config.pnc.bundle_memory
            while len(self._late) >= _MAX_LATE:
                del self._late[next(iter(self._late))]
            self._late[request.key] = _Late(answer.payload, until)
        return answer

    # --- records -------------------------------------------------------------------------------------------

    def record(self, record: Record) -> None:
        """Count, remember, and tell a back end that wants to know."""
        if isinstance(record, ContractRefused):
            self.refusals[record.rule] += 1
        elif isinstance(record, ContractGranted) and record.source is GrantSource.BACK_END:
            until = asyncio.get_running_loop().time() + self._config.pnc.offline_memory
            self._known.pop(record.contract.fingerprint, None)
            while len(self._known) >= _MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[record.contract.fingerprint] = until
        if hasattr(self._backend, "record_contract"):
            backend = cast(RecordsContracts, self._backend)
            self._spawn(backend.record_contract(self._config.evse_id, record))

    async def stop(self) -> None:
        """End every query."""
        for asking in self._asking.values():
            asking.cancel()
        left: list[asyncio.Task[Any]] = [*self._asking.values(), *self._tasks]
        if left:
            _, late = await asyncio.wait(left, timeout=_STOP_TIME)
            for task in late:
                task.cancel()

    def _spawn(self, call: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._tell(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, call: Coroutine[object, object, None]) -> None:
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                await call
        except Exception as error:
            self._complain(f"record_contract: {_what(error)}")


def contract_policy(config: SeccConfig) -> ContractPolicy:
    """The settings of `[pnc]` as the verifier takes them."""
    stray = config.compat.stray_signature_attributes
    return ContractPolicy(
        revocation=RevocationPolicy(mode=RevocationMode(config.pnc.revocation.value)),
        warn_before=datetime.timedelta(seconds=config.pnc.expiry_warning),
        providers=frozenset(config.pnc.providers),
        compat=frozenset({Compat.STRAY_ATTRIBUTES}) if stray else STRICT,
    )


_MAX_KNOWN = 10_000
_MAX_LATE = 16  # bundles of 4 KiB
_MAX_ASKING = 4
_STOP_TIME = 2.0


def _what(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
