"""Periodic work of the service: functions that any engine may run at any time.

Each job may run twice and may be killed at any point: due work is read from the database when the job runs,
and its results are stored one transaction at a time.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence

from secc.errors import CertificateError
from secc.operator.cpo.anchors import Anchors
from secc.operator.cpo.contracts import Contracts, DueContract, NewBundle
from secc.operator.cpo.delivery import ContractService
from secc.operator.cpo.installation import InstallationAnswers
from secc.operator.cpo.iso20_contracts import Iso20Contracts, NewIso20Bundle
from secc.operator.cpo.journal import OperatorJournal
from secc.operator.opcp.port import Ecosystem, EcosystemError
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import Generation
from secc.pki.provisioning import Action

BATCH = 100
"""Contracts per transaction; a killed worker loses at most the work on these."""
RETRY = datetime.timedelta(hours=6)
"""Delay before the next attempt for a contract that cannot be renewed."""


@dataclasses.dataclass(slots=True)
class Renewed:
    """Results of one run."""

    renewed: int = 0
    overtaken: int = 0
    """Another worker renewed them at the same time."""
    failed: int = 0

    def __iadd__(self, other: Renewed) -> Renewed:
        self.renewed += other.renewed
        self.overtaken += other.overtaken
        self.failed += other.failed
        return self


class Jobs:
    """The jobs and their dependencies."""

    def __init__(
        self,
        contracts: Contracts,
        delivery: ContractService,
        installation: InstallationAnswers,
        journal: OperatorJournal,
        anchors: Anchors,
        *,
        ecosystem: Ecosystem | None = None,
        clock: Callable[[], datetime.datetime],
        publish: bool = False,
        on_renewed: Callable[[Renewed], None] = lambda _: None,
    ) -> None:
        """`publish`: contracts are renewed by the ecosystem, not with keys of this service."""
        self._contracts = contracts
        self._delivery = delivery
        self._installation = installation
        self._iso20 = installation.store
        self._journal = journal
        self._anchors = anchors
        self._ecosystem = ecosystem
        self._clock = clock
        self._publish = publish and ecosystem is not None
        self._on_renewed = on_renewed

    def due_buckets(self) -> tuple[int, ...]:
        """Return the buckets with contracts to renew, of either generation; each is a separate job."""
        now = self._clock()
        return tuple(sorted({*self._contracts.due_buckets(now), *self._iso20.due_buckets(now)}))

    def renew(self, bucket: int) -> Renewed:
        """Renew all due contracts of one bucket, in batches: their certificates of ISO 15118-2, then those of
        ISO 15118-20."""
        total = Renewed()
        for store in (self._contracts, self._iso20):
            while due := store.due(bucket, self._clock(), limit=BATCH):
                done = self._renew_batch(store, due)
                self._on_renewed(done)
                total += done
        return total

    def seal(self) -> int:
        """Seal the audit log."""
        return self._journal.seal(self._clock())

    def fetch_roots(self) -> int:
        """Import the root pool of the ecosystem; returns the number of new roots. Raises EcosystemError."""
        if self._ecosystem is None:
            return 0
        now, added = self._clock(), 0
        for root in self._ecosystem.roots():
            try:
                added += self._anchors.add([(root.kind, root.certificate)], "ecosystem", now)
            except CertificateError as error:
                self._note("root refused", str(root.certificate), str(error))
        if added:
            self._note("roots added", f"{added}", "from the ecosystem")
        return added

    def _renew_batch(self, store: Contracts | Iso20Contracts, due: tuple[DueContract, ...]) -> Renewed:
        now, done = self._clock(), Renewed()
        made: list[NewBundle | NewIso20Bundle] = []
        failed: list[str] = []
        for one in due:
            try:
                made += self._renew_one(store, one, now)
            except (CertificateError, EcosystemError) as error:
                failed.append(one.contract.key)
                self._note("renewal failed", one.contract.emaid, str(error))
        if made:
            won = self._store(made, now)
            done.renewed, done.overtaken = len(won), len(made) - len(won)
        if self._publish:
            published = [one.contract.key for one in due if one.contract.key not in failed]
            store.postpone(published, now + _PUBLISHED)
            done.renewed = len(published)
        if failed:
            store.postpone(failed, now + RETRY)
            done.failed = len(failed)
        return done

    def _store(self, made: Sequence[NewBundle | NewIso20Bundle], now: datetime.datetime) -> frozenset[str]:
        """The bundles of one batch, which are of one generation."""
        newer = [one for one in made if isinstance(one, NewIso20Bundle)]
        if newer:
            return self._iso20.store(newer, now)
        return self._contracts.store([one for one in made if isinstance(one, NewBundle)], now)

    def _renew_one(
        self, store: Contracts | Iso20Contracts, due: DueContract, now: datetime.datetime
    ) -> list[NewBundle | NewIso20Bundle]:
        newer = store is self._iso20
        if due.contract.pcid is None or (due.car is None and not self._publish):
            raise CertificateError("no car is known for the contract", rule="no_car")
        if self._publish:
            assert self._ecosystem is not None
            emaid, pcid = EMAID.parse(due.contract.emaid), PCID.parse(due.contract.pcid)
            generation = Generation.ISO20 if newer else Generation.ISO2
            self._ecosystem.generate(emaid, pcid, now, now + _PUBLISHED_LIFE, generation)
            self._contracts.forget_foreign(pcid)
            return []
        assert due.car is not None
        if newer:
            return [self._installation.make(due.contract, due.car, now)]
        return [self._delivery.make(due.contract, Action.INSTALL, due.car, now)]

    def _note(self, what: str, subject: str, detail: str) -> None:
        self._journal.note("jobs", what, subject, detail, self._clock())


_PUBLISHED_LIFE = datetime.timedelta(days=365)
_PUBLISHED = datetime.timedelta(days=300)
"""A bundle in the pool of the ecosystem is replaced after this time, as the ecosystem does not report its
validity."""
