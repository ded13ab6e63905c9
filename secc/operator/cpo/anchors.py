"""The root pool: which roots are trusted for which role, from settings, the ecosystem or an administrator."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterable

from sqlalchemy import delete, select

from secc.operator.cpo.database import Database, anchor, insert_new
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.profiles import Kind
from secc.pki.trust import TrustStore

FRESH = 30.0
"""Seconds for which a worker uses its copy; a change by another worker takes effect after that."""


class Anchors:
    """The roots in the database, as a trust store."""

    def __init__(self, database: Database, monotonic: Callable[[], float]) -> None:
        self._db = database
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: tuple[float, TrustStore] | None = None

    def add(self, roots: Iterable[tuple[Kind, Certificate]], source: str, now: datetime.datetime) -> int:
        """Trust these roots too; returns the number of new ones. Raises ChainError for a certificate that is
        no root."""
        added = 0
        for kind, root in roots:
            TrustStore().with_anchor(root, kind, now=now)
            row = {
                "fingerprint": root.fingerprint,
                "kind": kind.value,
                "der": root.der,
                "source": source,
                "added_at": now,
                "not_after": root.not_after,
            }
            with self._db.write() as connection:
                added += connection.execute(insert_new(connection, anchor).values(row)).rowcount
        self.forget()
        return added

    def remove(self, fingerprint: str) -> bool:
        """Stop trusting a root; returns whether it was trusted."""
        with self._db.write() as connection:
            gone = connection.execute(delete(anchor).where(anchor.c.fingerprint == fingerprint)).rowcount
        self.forget()
        return bool(gone)

    def everything(self) -> tuple[tuple[Kind, Certificate, str], ...]:
        """Return kind, root and source; roots that end first come first."""
        with self._db.read() as connection:
            rows = connection.execute(select(anchor).order_by(anchor.c.not_after)).all()
        return tuple((Kind(row.kind), read_certificate(bytes(row.der)), row.source) for row in rows)

    def trust(self) -> TrustStore:
        """Return the trust store; it is read again periodically."""
        with self._lock:
            now = self._monotonic()
            if self._kept is None or now - self._kept[0] > FRESH:
                store = TrustStore()
                for kind, root, source in self.everything():
                    store = store.with_anchor(root, kind, source=source)
                self._kept = (now, store)
            return self._kept[1]

    def forget(self) -> None:
        """Read the roots again at the next use."""
        with self._lock:
            self._kept = None
