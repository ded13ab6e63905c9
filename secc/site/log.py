"""What happened at a site: events, their counts, and signed receipts."""

from __future__ import annotations

import dataclasses
import datetime

from secc.pki.certificates import read_certificate
from secc.pki.receipts import verify_evidence
from secc.site.database import SiteDatabase

__all__ = ["Event", "SiteLog", "StoredReceipt"]


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """An event: a grant, a refusal, a renewal, a suspicion."""

    at: datetime.datetime
    kind: str
    """`granted`, `refused`, `installed`, `renewed`, `delivered`, `renewal failed`, `suspicious`."""
    identity: str
    evse_id: str
    rule: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A meter reading signed with the contract key; the signature can be verified again."""

    at: datetime.datetime
    emaid: str
    evse_id: str
    session_id: bytes
    energy: int | None
    """Meter reading in Wh."""
    fragment: bytes
    """MeteringReceiptReq as EXI fragment; `signed_info` has its SHA-256."""
    signed_info: bytes
    """The signed octets."""
    signature: bytes
    """r and s."""
    certificate: bytes
    """The contract certificate, DER."""

    def verify(self) -> None:
        """Check that the key of the certificate has signed this receipt. Raises SignatureError."""
        verify_evidence(self.fragment, self.signed_info, self.signature, read_certificate(self.certificate))


class SiteLog:
    """Events and receipts in the store of one site. The oldest events are dropped, their counts stay."""

    def __init__(self, database: SiteDatabase, *, max_events: int) -> None:
        self._database = database
        self._max_events = max_events

    def add_event(self, event: Event) -> None:
        """Add an event."""
        with self._database.write() as db:
            at = event.at.isoformat()
            row = (at, event.kind, event.identity, event.evse_id, event.rule, event.text)
            db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", row)
            db.execute(
                "INSERT INTO tally VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1", row[1:5:3]
            )
            oldest = "DELETE FROM event WHERE rowid <= (SELECT max(rowid) FROM event) - ?"
            db.execute(oldest, (self._max_events,))

    def events(self, kind: str | None = None) -> tuple[Event, ...]:
        """Return the events in order."""
        rows = self._database.rows("SELECT at, kind, identity, evse_id, rule, text FROM event ORDER BY rowid")
        made = (Event(datetime.datetime.fromisoformat(row[0]), *row[1:]) for row in rows)
        return tuple(event for event in made if kind in (None, event.kind))

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the number of events since the creation of the store, by (kind, rule)."""
        rows = self._database.rows("SELECT kind, rule, times FROM tally")
        return {(kind, rule): count for kind, rule, count in rows}

    def add_receipt(self, receipt: StoredReceipt) -> None:
        """Add a receipt."""
        with self._database.write() as db:
            values = [getattr(receipt, field.name) for field in dataclasses.fields(receipt)]
            values[0] = receipt.at.isoformat()
            db.execute("INSERT INTO receipt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def receipts(self) -> tuple[StoredReceipt, ...]:
        """Return the receipts in order."""
        rows = self._database.rows("SELECT * FROM receipt ORDER BY rowid")
        return tuple(StoredReceipt(datetime.datetime.fromisoformat(row[0]), *row[1:]) for row in rows)
