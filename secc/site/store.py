"""Contracts, cars, certificates and events in one SQLite file.

A contract exists once, and so does a car. Certificates exist for each generation: a contract may have one of
ISO 15118-2 and one of ISO 15118-20 at the same time, and so may a car its provisioning certificate.

For a single site or a laboratory: one writer, a write-ahead log, and every change on the disk before the call
returns. Private keys are never stored. eMAID and PCID are personal data: only the owner may read the file. A
limited number of events is kept, oldest dropped first; their counts are kept permanently.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from secc.errors import CertificateError
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import Generation, generation_of
from secc.pki.receipts import verify_evidence
from secc.pki.rules import Rule
from secc.private_files import make_private
from secc.site.issuing import Bundle

__all__ = [
    "ContractStore",
    "Delivered",
    "Event",
    "SiteCar",
    "SiteContract",
    "Status",
    "StoredReceipt",
]


class Status(enum.StrEnum):
    """Status of a contract."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    """Temporarily."""
    CANCELED = "canceled"
    """Permanently."""


@dataclasses.dataclass(frozen=True, slots=True)
class SiteContract:
    """One contract."""

    emaid: EMAID
    status: Status
    pcid: PCID | None
    """The car that the contract is delivered to."""
    begins: datetime.datetime | None = None
    """Valid from this time; None: from the beginning."""
    ends: datetime.datetime | None = None
    """Valid until this time, regardless of its certificates; None: no end."""

    def begun(self, now: datetime.datetime) -> bool:
        """Return whether the validity has started."""
        return self.begins is None or self.begins <= now

    def ended(self, now: datetime.datetime) -> bool:
        """Return whether the validity has ended."""
        return self.ends is not None and self.ends <= now


@dataclasses.dataclass(frozen=True, slots=True)
class SiteCar:
    """A car, identified by its provisioning certificate of one generation."""

    pcid: PCID
    certificate: Certificate
    emaid: EMAID | None
    """A contract that the car receives."""

    @property
    def generation(self) -> Generation:
        """The generation of the provisioning certificate."""
        return generation_of(self.certificate)


@dataclasses.dataclass(frozen=True, slots=True)
class Delivered:
    """An issued contract certificate."""

    emaid: EMAID
    fingerprint: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    replaced: bool
    """A newer certificate of the same generation has been issued since."""
    generation: Generation


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


class ContractStore:
    """The store of one site. Thread-safe; reads take microseconds, writes wait for the disk."""

    def __init__(self, path: Path | str = ":memory:", *, max_events: int = 100_000) -> None:
        """Open or create the file; raises CertificateError for an unusable file or one of a newer version.

        `max_events` limits the number of stored events.
        """
        self._lock = threading.Lock()
        self._max_events = max_events
        try:
            self._open(path)
        except (OSError, sqlite3.Error) as error:
            raise CertificateError(f"{path}: {error}", rule=Rule.MALFORMED) from error

    def _open(self, path: Path | str) -> None:
        if path != ":memory:":  # only the owner may read it, and the files that SQLite creates beside it
            make_private(Path(path))
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise CertificateError(
                f"{path} has version {version}, expected at most {_VERSION}", rule=Rule.MALFORMED
            )
        with self._write() as db:
            for statement in _SCHEMA:
                db.execute(statement)
            if version == 1:  # version without the table `tally`
                db.execute("INSERT INTO tally SELECT kind, rule, count(*) FROM event GROUP BY kind, rule")
            if version in (1, 2):  # version without the validity of contracts
                for column in ("begins", "ends"):
                    db.execute(f"ALTER TABLE contract ADD COLUMN {column} TEXT")
            if version < 4:  # versions with one generation, and new files
                for statement in _SECOND_GENERATION:
                    db.execute(statement)
            if version < 5:  # versions that made bundles of one generation in advance, and new files
                for statement in _BUNDLES_OF_BOTH:
                    db.execute(statement)
            db.execute(f"PRAGMA user_version={_VERSION}")

    def close(self) -> None:
        """Close the store; it must not be used afterwards."""
        with self._lock:
            self._db.close()

    # --- contracts and cars --------------------------------------------------------------------------------

    def add_contract(
        self,
        emaid: str,
        *,
        status: Status = Status.ACTIVE,
        begins: datetime.datetime | None = None,
        ends: datetime.datetime | None = None,
    ) -> SiteContract:
        """Add a contract; raises IdentifierError, or CertificateError if it exists already."""
        parsed = EMAID.parse(emaid)
        if self.contract(parsed) is not None:
            raise CertificateError(f"contract {parsed} exists already", rule="duplicate_contract")
        with self._write() as db:
            row = (_key(parsed), emaid, status.value, _text(begins), _text(ends))
            db.execute("INSERT INTO contract VALUES (?, ?, ?, NULL, ?, ?)", row)
        return SiteContract(parsed, status, None, begins, ends)

    def set_end(self, emaid: EMAID, ends: datetime.datetime | None) -> None:
        """Set the end of a contract, or None for no end; raises KeyError for an unknown contract.

        A bundle that was made in advance is discarded: its certificate may end later than the contract.
        """
        self._change("UPDATE contract SET ends = ? WHERE key = ?", _text(ends), emaid)
        with self._write() as db:
            db.execute("DELETE FROM bundle WHERE key = ?", (_key(emaid),))

    def set_status(self, emaid: EMAID, status: Status) -> None:
        """Block, cancel or activate a contract; raises KeyError for an unknown contract."""
        self._change("UPDATE contract SET status = ? WHERE key = ?", status.value, emaid)

    def contract(self, emaid: EMAID) -> SiteContract | None:
        """Return a contract; any spelling of the eMAID is accepted."""
        rows = self._rows(f"{_CONTRACTS} WHERE key = ?", _key(emaid))
        return next((_contract(row) for row in rows), None)

    def contracts(self) -> tuple[SiteContract, ...]:
        """Return all contracts."""
        return tuple(_contract(row) for row in self._rows(_CONTRACTS))

    def add_car(self, oem_leaf: Certificate, emaid: EMAID, *, also: bool = False) -> None:
        """Deliver a contract to a car, whose certificate chain must have been verified.

        A contract has one car, and a car one contract: earlier assignments are removed, but `also` keeps the
        other contracts of the car. In ISO 15118-2 a car gets its oldest contract.
        """
        pcid = PCID.parse(oem_leaf.subject.common_name)
        with self._write() as db:
            if not also:
                db.execute("UPDATE contract SET pcid = NULL WHERE pcid = ?", (pcid.normal,))
                db.execute("DELETE FROM bundle WHERE pcid = ?", (pcid.normal,))
            db.execute("DELETE FROM bundle WHERE key = ?", (_key(emaid),))  # possibly for another car
            db.execute("UPDATE contract SET pcid = ? WHERE key = ?", (pcid.normal, _key(emaid)))
            _put_car(db, pcid, oem_leaf)

    def know_car(self, oem_leaf: Certificate) -> None:
        """Add a car without assigning a contract; an existing assignment is kept."""
        pcid = PCID.parse(oem_leaf.subject.common_name)
        with self._write() as db:
            _put_car(db, pcid, oem_leaf)

    def car(self, pcid: PCID, generation: Generation = Generation.ISO2) -> Certificate | None:
        """Return the provisioning certificate of a known car, of one generation."""
        query = "SELECT certificate FROM car WHERE pcid = ? AND generation = ?"
        rows = self._rows(query, pcid.normal, generation.value)
        return next((read_certificate(row[0]) for row in rows), None)

    def cars(self) -> tuple[SiteCar, ...]:
        """Return all known cars: one entry for each provisioning certificate and contract."""
        rows = self._rows(
            "SELECT car.pcid, certificate, emaid FROM car LEFT JOIN contract ON contract.pcid = car.pcid "
            "ORDER BY car.pcid, car.generation, contract.rowid"
        )
        return tuple(
            SiteCar(PCID.parse(pcid), read_certificate(der), None if emaid is None else EMAID.parse(emaid))
            for pcid, der, emaid in rows
        )

    def contract_of(self, pcid: PCID) -> SiteContract | None:
        """Return the contract of a car, the oldest one of several."""
        return next(iter(self.contracts_of(pcid)), None)

    def contracts_of(self, pcid: PCID) -> tuple[SiteContract, ...]:
        """Return the contracts of a car, the oldest first."""
        rows = self._rows(f"{_CONTRACTS} WHERE pcid = ? ORDER BY rowid", pcid.normal)
        return tuple(_contract(row) for row in rows)

    # --- certificates --------------------------------------------------------------------------------------

    def add_certificate(self, leaf: Certificate) -> None:
        """Record an issued contract certificate; earlier ones of the contract and generation are marked as
        replaced, and a bundle that was made before is discarded."""
        key, generation = _key(EMAID.parse(leaf.subject.common_name)), generation_of(leaf).value
        times = (leaf.not_before.isoformat(), leaf.not_after.isoformat())
        with self._write() as db:
            older = "UPDATE certificate SET replaced = 1 WHERE key = ? AND generation = ?"
            db.execute(older, (key, generation))
            row = (leaf.fingerprint, key, *times, generation)
            db.execute("INSERT OR REPLACE INTO certificate VALUES (?, ?, ?, ?, 0, ?)", row)
            db.execute("DELETE FROM bundle WHERE key = ? AND generation = ?", (key, generation))

    def certificates(self, *, ending_by: datetime.datetime | None = None) -> tuple[Delivered, ...]:
        """Return certificates in use, earliest end first."""
        query = (
            "SELECT c.emaid, d.fingerprint, d.not_before, d.not_after, d.replaced, d.generation "
            "FROM certificate d "
            "JOIN contract c ON c.key = d.key WHERE d.replaced = 0 ORDER BY d.not_after"
        )
        found = (_delivered(row) for row in self._rows(query))
        return tuple(one for one in found if ending_by is None or one.not_after <= ending_by)

    # --- bundles made in advance ---------------------------------------------------------------------------

    def keep_bundle(self, made: Bundle, car: Certificate) -> None:
        """Store a bundle for the next installation by a car, of the contract and generation in it.

        `car` is the provisioning certificate whose key decrypts it.
        """
        pcid, generation = PCID.parse(car.subject.common_name), generation_of(made.leaf).value
        row = (_key(made.emaid), generation, pcid.normal, car.fingerprint, made.payload, made.leaf.der)
        with self._write() as db:
            values = (*row, made.usable_until.isoformat())
            db.execute("INSERT OR REPLACE INTO bundle VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def take_bundle(self, emaid: EMAID, car: Certificate, now: datetime.datetime) -> Bundle | None:
        """Return and remove the bundle that was made in advance for this provisioning certificate.

        None if there is none that is still usable.
        """
        where, which = "WHERE key = ? AND generation = ?", (_key(emaid), generation_of(car).value)
        with self._write() as db:
            query = f"SELECT payload, leaf, until, receiver FROM bundle {where}"
            found = db.execute(query, which).fetchone()
            db.execute(f"DELETE FROM bundle {where}", which)
        if found is None or found[3] != car.fingerprint:
            return None
        made = Bundle(found[0], read_certificate(found[1]), datetime.datetime.fromisoformat(found[2]))
        return made if made.usable_until > now else None

    def has_bundle(
        self, emaid: EMAID, generation: Generation, *, now: datetime.datetime | None = None
    ) -> bool:
        """Return whether a bundle of a contract waits for its car; with `now`: one that is still usable."""
        query = "SELECT until FROM bundle WHERE key = ? AND generation = ?"
        rows = self._rows(query, _key(emaid), generation.value)
        return any(now is None or datetime.datetime.fromisoformat(row[0]) > now for row in rows)

    # --- events --------------------------------------------------------------------------------------------

    def add_event(self, event: Event) -> None:
        """Add an event."""
        with self._write() as db:
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
        rows = self._rows("SELECT at, kind, identity, evse_id, rule, text FROM event ORDER BY rowid")
        made = (Event(datetime.datetime.fromisoformat(row[0]), *row[1:]) for row in rows)
        return tuple(event for event in made if kind in (None, event.kind))

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the number of events since the creation of the store, by (kind, rule)."""
        rows = self._rows("SELECT kind, rule, times FROM tally")
        return {(kind, rule): count for kind, rule, count in rows}

    def add_receipt(self, receipt: StoredReceipt) -> None:
        """Add a receipt."""
        with self._write() as db:
            values = [getattr(receipt, field.name) for field in dataclasses.fields(receipt)]
            values[0] = receipt.at.isoformat()
            db.execute("INSERT INTO receipt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def receipts(self) -> tuple[StoredReceipt, ...]:
        """Return the receipts in order."""
        rows = self._rows("SELECT * FROM receipt ORDER BY rowid")
        return tuple(StoredReceipt(datetime.datetime.fromisoformat(row[0]), *row[1:]) for row in rows)

    def _change(self, statement: str, value: str | None, emaid: EMAID) -> None:
        with self._write() as db:
            changed = db.execute(statement, (value, _key(emaid))).rowcount
        if not changed:
            raise KeyError(str(emaid))

    # --- the database --------------------------------------------------------------------------------------

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


_CONTRACTS = "SELECT emaid, status, pcid, begins, ends FROM contract"
_VERSION = 5
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS contract "
    "(key TEXT PRIMARY KEY, emaid TEXT, status TEXT, pcid TEXT, begins TEXT, ends TEXT)",
    "CREATE TABLE IF NOT EXISTS car (pcid TEXT PRIMARY KEY, certificate BLOB)",
    "CREATE TABLE IF NOT EXISTS certificate "
    "(fingerprint TEXT PRIMARY KEY, key TEXT, not_before TEXT, not_after TEXT, replaced INTEGER)",
    "CREATE TABLE IF NOT EXISTS bundle (pcid TEXT PRIMARY KEY, payload BLOB, leaf BLOB)",
    "CREATE TABLE IF NOT EXISTS event "
    "(at TEXT, kind TEXT, identity TEXT, evse_id TEXT, rule TEXT, text TEXT)",
    "CREATE TABLE IF NOT EXISTS tally (kind TEXT, rule TEXT, times INTEGER, PRIMARY KEY (kind, rule))",
    "CREATE TABLE IF NOT EXISTS receipt (at TEXT, emaid TEXT, evse_id TEXT, session_id BLOB, energy INTEGER,"
    " fragment BLOB, signed_info BLOB, signature BLOB, certificate BLOB)",
)

_SECOND_GENERATION = (
    f"ALTER TABLE certificate ADD COLUMN generation TEXT DEFAULT '{Generation.ISO2.value}'",
    "ALTER TABLE car RENAME TO car_of_one_generation",
    "CREATE TABLE car (pcid TEXT, generation TEXT, certificate BLOB, PRIMARY KEY (pcid, generation))",
    f"INSERT INTO car SELECT pcid, '{Generation.ISO2.value}', certificate FROM car_of_one_generation",
    "DROP TABLE car_of_one_generation",
)
"""From version 3 to version 4."""

_BUNDLES_OF_BOTH = (
    "DROP TABLE bundle",
    "CREATE TABLE bundle (key TEXT, generation TEXT, pcid TEXT, receiver TEXT, payload BLOB, leaf BLOB, "
    "until TEXT, PRIMARY KEY (key, generation))",
)
"""From version 4 to version 5. The bundles are dropped: the next look for expiry makes them again."""


def _put_car(db: sqlite3.Connection, pcid: PCID, leaf: Certificate) -> None:
    """Store a provisioning certificate, and discard bundles that only an earlier one decrypts."""
    generation = generation_of(leaf).value
    db.execute("INSERT OR REPLACE INTO car VALUES (?, ?, ?)", (pcid.normal, generation, leaf.der))
    older = "DELETE FROM bundle WHERE pcid = ? AND generation = ? AND receiver <> ?"
    db.execute(older, (pcid.normal, generation, leaf.fingerprint))


def _key(emaid: EMAID) -> str:
    """Return the first fourteen characters: spelling and check digit do not distinguish contracts."""
    return emaid.normal[:14]


def _contract(row: tuple[Any, ...]) -> SiteContract:
    emaid, status, pcid, begins, ends = row
    car = None if pcid is None else PCID.parse(pcid)
    return SiteContract(EMAID.parse(emaid), Status(status), car, _time(begins), _time(ends))


def _text(time: datetime.datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(text)


def _delivered(row: tuple[Any, ...]) -> Delivered:
    emaid, fingerprint, begin, end, replaced, generation = row
    times = (datetime.datetime.fromisoformat(begin), datetime.datetime.fromisoformat(end))
    return Delivered(EMAID.parse(emaid), fingerprint, *times, bool(replaced), Generation(generation))
