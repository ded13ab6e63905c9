"""The station's knowledge of contracts beyond one session, and the back end's side of Plug and Charge.

Decisions that a session can make are made in the session. This module keeps what is needed after a session:
contracts that the back end has accepted recently, and counts of refusals. A query to the back end continues
after the end of its session: its answer is for the next one. Delivery of contracts to cars is in
`secc.station.provisioning`.

A contract that the back end has refused too often is not passed on. Only proven requests count, so that no
device can use up the attempts of another: a refusal counts for the contract that was proven. A request that
is refused before any proof never reaches the back end; it is counted, and reported when it is frequent, but
locks no car out.
"""

from __future__ import annotations

import asyncio
import collections
import datetime
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from secc import pki
from secc.boundary.backend import checked_backend
from secc.boundary.calls import Complaints
from secc.certificate_files import load_trust
from secc.errors import IntegrationError
from secc.ports import (
    Backend,
    OcspSource,
    RevocationBackend,
)
from secc.session.contract_events import (
    ContractDelivered,
    ContractGranted,
    ContractRecord,
    ContractRefused,
    ContractTerms,
    GrantSource,
    Verdict,
)
from secc.settings.config import SeccConfig
from secc.settings.pnc import RevocationCheck
from secc.settings.services import Payment
from secc.station.attempts import Attempts
from secc.station.provisioning import StationProvisioning, contract_policy, what_failed
from secc.station.revocation import RevocationFinder, finder_for
from secc.station.vehicle_status import VehicleStatusFinder

if TYPE_CHECKING:
    from secc.pki.contract import Evidence, ForwardedContract, PresentedContract, VerifiedContract
    from secc.pki.installation import InstallationRequest
    from secc.pki.provisioning import ProvisioningAnswer, ProvisioningRequest
    from secc.pki.trust import TrustStore
    from secc.pki.vehicle import VehicleIdentity, VehicleStatus


class ContractJournal(Protocol):
    """Keeps the events with contracts of the present session."""

    def contract(self, record: ContractRecord) -> None:
        """Keep a refusal, a grant, a delivery or a signed receipt."""
        ...


class StationContracts:
    """One per station; `terms` for each session, everything else for its outlet."""

    def __init__(
        self,
        config: SeccConfig,
        backend: Backend,
        *,
        reports: Complaints,
        journal: ContractJournal | None = None,
        ocsp: OcspSource | None = None,
        finder: RevocationFinder | None = None,
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        """Reads the roots of `[trust]`; raises ConfigError when one cannot be used.

        `journal` gets every record at once; `finder` fetches OCSP responses and CRLs, by default as `[pnc]`
        says, from `ocsp` where that is given. `clock` is the time at which stored answers are judged.
        """
        self._config = config
        self._backend = checked_backend(backend)
        self._reports = reports
        self._journal = journal
        self._finder = finder or finder_for(config, ocsp)
        self._clock = clock
        self._vehicles = VehicleStatusFinder(
            self._backend.vehicle_status,
            self._finder if config.iso20.vehicle_revocation is not RevocationCheck.OFF else None,
            patience=config.iso20.vehicle_status * _SHARE,
            reports=reports,
            clock=clock,
        )
        self.provisioning = StationProvisioning(config, self._backend, reports=reports, clock=clock)
        """Contracts for cars that have none, or an old one."""
        self._denied = Attempts(config.pnc.refusal_limit, config.pnc.limit_window)
        self._heaps = Attempts(config.pnc.refusal_limit, config.pnc.limit_window)
        self._offered = Payment.CONTRACT in config.service.payment_options
        self._trust: TrustStore | None = load_trust(config.trust) if self._offered else None
        self._policy = contract_policy(config) if self._offered else None
        self._known: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.refusals: collections.Counter[str] = collections.Counter()
        """How often what was refused, by rule."""

    def renew_trust(self) -> None:
        """Read the roots again, for later sessions; raises ConfigError and keeps the old ones in use."""
        if self._offered:
            self._trust = load_trust(self._config.trust)

    @property
    def trust(self) -> TrustStore | None:
        """The roots in use; None where no contracts are accepted."""
        return self._trust

    @property
    def capable(self) -> bool:
        """The back end can decide about contracts."""
        return self._backend.contracts is not None

    def terms(self, now: float) -> ContractTerms | None:
        """The terms for a session that starts now; None when no contracts are accepted."""
        if self._trust is None or self._policy is None or not self.capable:
            return None
        provisions = self._backend.provisioning is not None
        self._known = {name: until for name, until in self._known.items() if until > now}
        return ContractTerms(
            trust=self._trust,
            policy=self._policy,
            provisions=frozenset(pki.provisioning.Action) if provisions else frozenset(),
            installs=self._backend.installation is not None,
            finds_revocation=self._backend.revocation is not None or self._finder is not None,
            known=frozenset(self._known),
            central=self._config.pnc.central_validation and self._backend.central_validation is not None,
        )

    @property
    def asks_vehicle(self) -> bool:
        """Whether a vehicle certificate is revoked can be found out."""
        return self._vehicles.capable

    async def vehicle_status(self, vehicle: VehicleIdentity) -> VehicleStatus:
        """The revocation status of a vehicle certificate."""
        return await self._vehicles.status(vehicle)

    # --- questions -----------------------------------------------------------------------------------------

    async def authorize(self, contract: VerifiedContract | ForwardedContract) -> Verdict:
        """The decision of the back end.

        UNREACHABLE if it fails or hangs, TOO_OFTEN after too many refusals.
        """
        now, who = asyncio.get_running_loop().time(), contract.emaid.normal[:14]
        if self._denied.used_up(who, now):
            return Verdict.TOO_OFTEN
        verdict = await self._ask_about(contract)
        if verdict is Verdict.ACCEPTED:
            self._denied.forget(who)
        elif verdict is not Verdict.UNREACHABLE:
            self._denied.add(who, now)
        return verdict

    async def _ask_about(self, contract: VerifiedContract | ForwardedContract) -> Verdict:
        """By type: only a back end that validates chains gets one whose root is not known here."""
        evse_id = self._config.evse_id
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                if isinstance(contract, pki.contract.ForwardedContract):
                    if (central := self._backend.central_validation) is not None:
                        return await central.validate_contract(evse_id, contract)
                elif (contracts := self._backend.contracts) is not None:
                    return await contracts.authorize_contract(evse_id, contract)
                return Verdict.UNREACHABLE  # the station offers nothing that its back end cannot decide
        except Exception as error:
            forwarded = isinstance(contract, pki.contract.ForwardedContract)
            self._complain_of("validate_contract" if forwarded else "authorize_contract", error)
            return Verdict.UNREACHABLE

    def _complain_of(self, method: str, error: Exception) -> None:
        refused = isinstance(error, IntegrationError)  # it names the method itself
        self._reports.complaint(str(error) if refused else f"{method}: {what_failed(error)}")

    async def revocation(self, contract: PresentedContract) -> Evidence:
        """Evidence from the back end and from the network; nothing if both fail."""
        backend = self._backend.revocation
        calls = [self._ask_for_evidence(backend, contract)] if backend is not None else []
        calls += [self._finder.find(contract)] if self._finder is not None else []
        found = await asyncio.gather(*calls)
        return pki.contract.Evidence(
            ocsp=tuple(one for evidence in found for one in evidence.ocsp),
            crls=tuple(one for evidence in found for one in evidence.crls),
        )

    async def _ask_for_evidence(self, backend: RevocationBackend, contract: PresentedContract) -> Evidence:
        """Within the time of the session: evidence from other sources must arrive too."""
        try:
            async with asyncio.timeout(self._config.timing.revocation * _SHARE):
                return await backend.revocation(contract)
        except Exception as error:
            self._complain_of("revocation", error)
            return pki.contract.Evidence()

    async def provision(self, request: ProvisioningRequest | InstallationRequest) -> ProvisioningAnswer:
        """A bundle: one that came too late before, or the back end's answer, see `StationProvisioning`."""
        return await self.provisioning.answer(request, self._trust or pki.TrustStore())

    # --- records -------------------------------------------------------------------------------------------

    def record(self, record: ContractRecord) -> None:
        """Count it, remember it, pass it to the journal, and to a back end that records contracts."""
        if self._journal is not None:
            self._journal.contract(record)
        now = asyncio.get_running_loop().time()
        match record:
            case ContractRefused():
                self._count(record, now)
            case ContractDelivered():
                self.provisioning.delivered(record.request)
            case ContractGranted(contract, GrantSource.BACK_END):
                self._known.pop(contract.fingerprint, None)
                while len(self._known) >= _MAX_KNOWN:
                    del self._known[next(iter(self._known))]
                self._known[contract.fingerprint] = now + self._config.pnc.offline_memory
        if (backend := self._backend.contract_records) is not None:
            self._spawn(backend.record_contract(self._config.evse_id, record))

    def _count(self, refusal: ContractRefused, now: float) -> None:
        """Count each refusal; report a rule that is violated often."""
        self.refusals[refusal.rule] += 1
        if self._heaps.used_up(refusal.rule, now):
            return
        self._heaps.add(refusal.rule, now)
        if self._heaps.used_up(refusal.rule, now):
            often, minutes = self._config.pnc.refusal_limit, self._config.pnc.limit_window / 60
            self._reports.complaint(
                f"{refusal.step} was refused {often} times in {minutes:g} min: {refusal.rule}"
            )

    async def stop(self) -> None:
        """End every query."""
        if self._finder is not None:
            await self._finder.stop()
        left: list[asyncio.Task[Any]] = [*self.provisioning.cancelled(), *self._tasks]
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
            self._complain_of("record_contract", error)


_MAX_KNOWN = 10_000
_STOP_TIME = 2.0
_SHARE = 0.9  # of the time for revocation: the rest is for the way back into the session
