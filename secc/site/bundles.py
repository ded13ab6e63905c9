"""Bundles that were made in advance, each for one car and one generation, until the car asks."""

from __future__ import annotations

import datetime

from secc.pki.certificates import Certificate, read_certificate
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import Generation, generation_of
from secc.site.database import SiteDatabase, contract_key
from secc.site.issuing import Bundle


class BundleStore:
    """These bundles in the store of one site."""

    def __init__(self, database: SiteDatabase) -> None:
        self._database = database

    def keep(self, made: Bundle, car: Certificate) -> None:
        """Store a bundle for the next installation by a car, of the contract and generation in it.

        `car` is the provisioning certificate whose key decrypts it.
        """
        pcid, generation = PCID.parse(car.subject.common_name), generation_of(made.leaf).value
        row = (
            contract_key(made.emaid),
            generation,
            pcid.normal,
            car.fingerprint,
            made.payload,
            made.leaf.der,
        )
        with self._database.write() as db:
            values = (*row, made.usable_until.isoformat())
            db.execute("INSERT OR REPLACE INTO bundle VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def take(self, emaid: EMAID, car: Certificate, now: datetime.datetime) -> Bundle | None:
        """Return and remove the bundle that was made in advance for this provisioning certificate.

        None if there is none that is still usable.
        """
        where, which = "WHERE key = ? AND generation = ?", (contract_key(emaid), generation_of(car).value)
        with self._database.write() as db:
            query = f"SELECT payload, leaf, until, receiver FROM bundle {where}"
            found = db.execute(query, which).fetchone()
            db.execute(f"DELETE FROM bundle {where}", which)
        if found is None or found[3] != car.fingerprint:
            return None
        made = Bundle(found[0], read_certificate(found[1]), datetime.datetime.fromisoformat(found[2]))
        return made if made.usable_until > now else None

    def waits(self, emaid: EMAID, generation: Generation, *, now: datetime.datetime | None = None) -> bool:
        """Return whether a bundle of a contract waits for its car; with `now`: one that is still usable."""
        query = "SELECT until FROM bundle WHERE key = ? AND generation = ?"
        rows = self._database.rows(query, contract_key(emaid), generation.value)
        return any(now is None or datetime.datetime.fromisoformat(row[0]) > now for row in rows)
