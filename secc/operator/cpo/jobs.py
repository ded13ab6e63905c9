"""Periodic work of the service: functions that any engine may run at any time.

Each job may run twice and may be killed at any point: due work is read from the database when the job runs,
and its results are stored one transaction at a time.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable

from secc.errors import CertificateError
from secc.operator.cpo.anchors import Anchors
from secc.operator.cpo.contracts import Contracts, DueContract, NewBundle
from secc.operator.cpo.delivery import ContractService
from secc.operator.cpo.journal import OperatorJournal
from secc.operator.opcp.port import Ecosystem, EcosystemError
from secc.pki.identifiers import EMAID, PCID
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
        self._journal = journal
        self._anchors = anchors
        self._ecosystem = ecosystem
        self._clock = clock
        self._publish = publish and ecosystem is not None
        self._on_renewed = on_renewed

    def due_buckets(self) -> tuple[int, ...]:
        """Return the buckets with contracts to renew; each is a separate job."""
        return self._contracts.due_buckets(self._clock())

    def renew(self, bucket: int) -> Renewed:
        """Renew all due contracts of one bucket, in batches."""
        total = Renewed()
        while due := self._contracts.due(bucket, self._clock(), limit=BATCH):
            done = self._renew_batch(due)
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

    def _renew_batch(self, due: tuple[DueContract, ...]) -> Renewed:
        now, done = self._clock(), Renewed()
        made: list[NewBundle] = []
        failed: list[str] = []
        for one in due:
            try:
                made += self._renew_one(one, now)
            except (CertificateError, EcosystemError) as error:
                failed.append(one.contract.key)
                self._note("renewal failed", one.contract.emaid, str(error))
        if made:
            won = self._contracts.store(made, now)
            done.renewed, done.overtaken = len(won), len(made) - len(won)
        if self._publish:
            published = [one.contract.key for one in due if one.contract.key not in failed]
            self._contracts.postpone(published, now + _PUBLISHED)
            done.renewed = len(published)
        if failed:
            self._contracts.postpone(failed, now + RETRY)
            done.failed = len(failed)
        return done

    def _renew_one(self, due: DueContract, now: datetime.datetime) -> list[NewBundle]:
        if due.contract.pcid is None or (due.car is None and not self._publish):
            raise CertificateError("no car is known for the contract", rule="no_car")
        if self._publish:
            assert self._ecosystem is not None
            emaid, pcid = EMAID.parse(due.contract.emaid), PCID.parse(due.contract.pcid)
            self._ecosystem.generate(emaid, pcid, now, now + _PUBLISHED_LIFE)
            self._contracts.forget_foreign(pcid)
            return []
        assert due.car is not None
        return [self._delivery.make(due.contract, Action.INSTALL, due.car, now)]

    def _note(self, what: str, subject: str, detail: str) -> None:
        self._journal.note("jobs", what, subject, detail, self._clock())


_PUBLISHED_LIFE = datetime.timedelta(days=365)
_PUBLISHED = datetime.timedelta(days=300)
"""A bundle in the pool of the ecosystem is replaced after this time, as the ecosystem does not report its
validity."""
