"""Contracts, cars, certificates and events in one SQLite file.

A contract exists once, and so does a car. Certificates exist for each generation: a contract may have one of
ISO 15118-2 and one of ISO 15118-20 at the same time, and so may a car its provisioning certificate.

For a single site or a laboratory, see `secc.site.database`. Private keys are never stored. eMAID and PCID are
personal data.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import sqlite3
from pathlib import Path
from typing import Any

from secc.errors import CertificateError
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import Generation, generation_of
from secc.site.bundles import BundleStore
from secc.site.database import SiteDatabase, contract_key
from secc.site.log import SiteLog

__all__ = [
    "ContractStore",
    "Delivered",
    "SiteCar",
    "SiteContract",
    "Status",
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


class ContractStore:
    """The store of one site. Thread-safe; reads take microseconds, writes wait for the disk."""

    def __init__(self, path: Path | str = ":memory:", *, max_events: int = 100_000) -> None:
        """Open or create the file; raises CertificateError for an unusable file or one of a newer version.

        `max_events` limits the number of stored events.
        """
        self._database = SiteDatabase(path)
        self.bundles = BundleStore(self._database)
        self.log = SiteLog(self._database, max_events=max_events)

    def close(self) -> None:
        """Close the store; it must not be used afterwards."""
        self._database.close()

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
        with self._database.write() as db:
            row = (contract_key(parsed), emaid, status.value, _text(begins), _text(ends))
            db.execute("INSERT INTO contract VALUES (?, ?, ?, NULL, ?, ?)", row)
        return SiteContract(parsed, status, None, begins, ends)

    def set_end(self, emaid: EMAID, ends: datetime.datetime | None) -> None:
        """Set the end of a contract, or None for no end; raises KeyError for an unknown contract.

        A bundle that was made in advance is discarded: its certificate may end later than the contract.
        """
        self._change("UPDATE contract SET ends = ? WHERE key = ?", _text(ends), emaid)
        with self._database.write() as db:
            db.execute("DELETE FROM bundle WHERE key = ?", (contract_key(emaid),))

    def set_status(self, emaid: EMAID, status: Status) -> None:
        """Block, cancel or activate a contract; raises KeyError for an unknown contract."""
        self._change("UPDATE contract SET status = ? WHERE key = ?", status.value, emaid)

    def contract(self, emaid: EMAID) -> SiteContract | None:
        """Return a contract; any spelling of the eMAID is accepted."""
        rows = self._database.rows(f"{_CONTRACTS} WHERE key = ?", contract_key(emaid))
        return next((_contract(row) for row in rows), None)

    def contracts(self) -> tuple[SiteContract, ...]:
        """Return all contracts."""
        return tuple(_contract(row) for row in self._database.rows(_CONTRACTS))

    def add_car(self, oem_leaf: Certificate, emaid: EMAID, *, also: bool = False) -> None:
        """Deliver a contract to a car, whose certificate chain must have been verified.

        A contract has one car, and a car one contract: earlier assignments are removed, but `also` keeps the
        other contracts of the car. In ISO 15118-2 a car gets its oldest contract.
        """
        pcid = PCID.parse(oem_leaf.subject.common_name)
        with self._database.write() as db:
            if not also:
                db.execute("UPDATE contract SET pcid = NULL WHERE pcid = ?", (pcid.normal,))
                db.execute("DELETE FROM bundle WHERE pcid = ?", (pcid.normal,))
            db.execute("DELETE FROM bundle WHERE key = ?", (contract_key(emaid),))  # possibly for another car
            db.execute("UPDATE contract SET pcid = ? WHERE key = ?", (pcid.normal, contract_key(emaid)))
            _put_car(db, pcid, oem_leaf)

    def know_car(self, oem_leaf: Certificate) -> None:
        """Add a car without assigning a contract; an existing assignment is kept."""
        pcid = PCID.parse(oem_leaf.subject.common_name)
        with self._database.write() as db:
            _put_car(db, pcid, oem_leaf)

    def car(self, pcid: PCID, generation: Generation = Generation.ISO2) -> Certificate | None:
        """Return the provisioning certificate of a known car, of one generation."""
        query = "SELECT certificate FROM car WHERE pcid = ? AND generation = ?"
        rows = self._database.rows(query, pcid.normal, generation.value)
        return next((read_certificate(row[0]) for row in rows), None)

    def cars(self) -> tuple[SiteCar, ...]:
        """Return all known cars: one entry for each provisioning certificate and contract."""
        rows = self._database.rows(
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
        rows = self._database.rows(f"{_CONTRACTS} WHERE pcid = ? ORDER BY rowid", pcid.normal)
        return tuple(_contract(row) for row in rows)

    # --- certificates --------------------------------------------------------------------------------------

    def add_certificate(self, leaf: Certificate) -> None:
        """Record an issued contract certificate; earlier ones of the contract and generation are marked as
        replaced, and a bundle that was made before is discarded."""
        key, generation = contract_key(EMAID.parse(leaf.subject.common_name)), generation_of(leaf).value
        times = (leaf.not_before.isoformat(), leaf.not_after.isoformat())
        with self._database.write() as db:
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
        found = (_delivered(row) for row in self._database.rows(query))
        return tuple(one for one in found if ending_by is None or one.not_after <= ending_by)

    def _change(self, statement: str, value: str | None, emaid: EMAID) -> None:
        with self._database.write() as db:
            changed = db.execute(statement, (value, contract_key(emaid))).rowcount
        if not changed:
            raise KeyError(str(emaid))


_CONTRACTS = "SELECT emaid, status, pcid, begins, ends FROM contract"


def _put_car(db: sqlite3.Connection, pcid: PCID, leaf: Certificate) -> None:
    """Store a provisioning certificate, and discard bundles that only an earlier one decrypts."""
    generation = generation_of(leaf).value
    db.execute("INSERT OR REPLACE INTO car VALUES (?, ?, ?)", (pcid.normal, generation, leaf.der))
    older = "DELETE FROM bundle WHERE pcid = ? AND generation = ? AND receiver <> ?"
    db.execute(older, (pcid.normal, generation, leaf.fingerprint))


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
