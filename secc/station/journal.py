"""The journal: the events of each session, in a file that survives the end of the process.

One JSON object a line, only ever appended: `begin`, `meter` from time to time, what happened with a contract
(`refused` with the rule that was broken, `granted`, `delivered`, `receipt`), and `end`, exactly one for each
session, with one reason and one final meter value [INV-36]. A session that is found without its end when the
journal is opened was cut off by the end of the process (kill -9, power): it gets an end record that says so,
with the last reading that had been written down. A line that was being written in that moment stays where it
is, is not counted, and does no harm; a line of which only the end of line is missing counts.

The station never waits for the disk: a thread writes, in the order of the records. While the disk is full,
read-only or slow they wait in memory, up to `LIMIT` bytes, and the writing is tried again each second. When
the limit is reached, readings and other records are dropped first, the oldest at the front, and ends and
receipts last; what is dropped is counted.

A file that has grown large is put aside between two sessions, under the time of that moment, so that no
session is spread over two; what has been put aside is never written again.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from secc.session.battery_events import EvBattery
from secc.session.contract_events import (
    ContractDelivered,
    ContractGranted,
    ContractRecord,
    ContractRefused,
    StoreReceipt,
)
from secc.session.outlet import EvseSnapshot, MeterReading
from secc.session.outputs import EndSession
from secc.settings.operation import Sync as Sync
from secc.station.journal_file import JournalFile, JournalLine, records, unfinished
from secc.station.outflow import Outflow

__all__ = ["FAILED", "FILE", "INTERRUPTED", "LIMIT", "Journal", "Sync", "records"]

FILE = "journal.jsonl"

LIMIT = 4_194_304
"""Bytes of records that may wait in memory for the disk: about 10,000 sessions."""

INTERRUPTED = "interrupted"
"""Reason of a session that was cut off by the end of the process."""

FAILED = "internal error"
"""Reason of a session that an internal error has ended."""


@dataclasses.dataclass(slots=True)
class _Open:
    key: str
    first: MeterReading | None
    last: MeterReading | None
    written_at: float


class Journal:
    """The journal of one outlet, in a folder that no other process may use."""

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        sync: Sync = Sync.ENDS,
        meter_interval: float = 60.0,
        size: int = 16_777_216,
        keep: int = 0,
        limit: int = LIMIT,
        retry: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open it and add the missing ends of sessions, see `recovered`. `meter_interval`: seconds
        between readings that are written down. From `size` bytes on a new file is begun, and `keep` old ones
        stay, 0 for all. `limit`: bytes that may wait in memory while the disk does not
        take them, tried again each `retry` seconds. Raises ConfigError when the folder cannot be
        used."""
        self._sync = sync
        self._interval = meter_interval
        self._clock = clock
        self._run = os.urandom(4).hex()
        self._sessions: dict[int, _Open] = {}
        self.path = folder / FILE
        self._file = JournalFile(self.path, size=size, keep=keep)
        self._out: Outflow[JournalLine] = Outflow(
            *(self.name, self._file.write),
            limit=limit,
            size=lambda line: len(line.data),
            retry=retry,
            finish=self._file.close,
        )
        self.recovered = tuple(self._recover())
        self.flush(_PATIENCE)

    @property
    def name(self) -> str:
        """For health and metrics."""
        return "journal"

    @property
    def problem(self) -> str:
        """Why records wait or a large file stays in use; empty without a problem."""
        problem = self._out.problem or self._file.problem
        return f"{self.path}: {problem}" if problem else ""

    @property
    def waiting(self) -> int:
        """Records in memory that are not on the disk yet."""
        return self._out.waiting

    @property
    def dropped(self) -> int:
        """Records that are lost, as too many were waiting."""
        return self._out.dropped

    def flush(self, timeout: float) -> bool:
        """Wait until every record is written, at most `timeout` seconds; whether they are."""
        return self._out.flush(timeout)

    def close(self, timeout: float = 2.0) -> bool:
        """Write what waits, at most `timeout` seconds, and let go of the file; False when records are lost.

        Sessions that are still open, or whose end is lost, are found at the next start.
        """
        return self._out.close(timeout) and not self.dropped

    # --- sessions ------------------------------------------------------------------------------------------

    def begin(self, number: int, *, session_id: bytes, peer: str, tls: bool, snapshot: EvseSnapshot) -> None:
        """A session has begun; `number` names it until its end."""
        between = not self._sessions
        key = f"{self._run}-{number}"
        self._sessions[number] = _Open(key, snapshot.meter, snapshot.meter, self._clock())
        fields = {"session_id": session_id.hex().upper(), "peer": peer, "tls": tls}
        self._append(
            "begin", key, {**fields, "meter": _meter(snapshot.meter)}, sync=Sync.ENDS, between=between
        )

    def observe(self, snapshot: EvseSnapshot) -> None:
        """Keep the newest meter reading; write it at intervals."""
        if snapshot.meter is None:
            return
        for session in self._sessions.values():
            if session.last is not None and not _follows(snapshot.meter, session.last):
                continue  # the session has reported it [INV-33]
            session.first = session.first or snapshot.meter
            changed = session.last is None or snapshot.meter.energy != session.last.energy
            session.last = snapshot.meter
            if changed and self._clock() - session.written_at >= self._interval:
                session.written_at = self._clock()
                self._append("meter", session.key, {"meter": _meter(snapshot.meter)}, sync=Sync.ALWAYS)

    def contract(self, number: int, record: ContractRecord) -> None:
        """An event with a contract in this session; eMAID and PCID as digests, receipts as evidence."""
        session = self._sessions.get(number)
        if session is not None:
            kind, fields = _about_contract(record)
            self._append(kind, session.key, fields, sync=Sync.ALWAYS)  # the end follows a refusal at once

    def battery(self, number: int, battery: EvBattery) -> None:
        """The state of charge of the EV in this session; the EV as a digest."""
        session = self._sessions.get(number)
        if session is not None:
            fields = {"soc": battery.soc, "capacity": battery.capacity, "who": _digest(battery.evccid)}
            self._append("battery", session.key, fields, sync=Sync.ALWAYS)

    def end(self, number: int, end: EndSession | None) -> None:
        """The session is over; None: by an internal error. A second end of a session is not written."""
        session = self._sessions.pop(number, None)
        if session is None:
            return
        fields: dict[str, Any] = {"reason": FAILED}
        last = session.last
        if end is not None:
            last = end.meter or session.last
            fields = {
                "session_id": end.session_id.hex().upper(),
                "established": end.established,
                "reason": end.reason.value,
                "detail": end.detail,
                "code": None if end.code is None else end.code.value,
                "fault": None if end.fault is None else end.fault.value,
            }
        delivered = None if session.first is None or last is None else last.energy - session.first.energy
        fields |= {"meter": _meter(last), "energy": delivered}
        if end is not None and end.exported is not None:
            fields["exported"] = end.exported
        self._append("end", session.key, fields, sync=Sync.ENDS)

    # --- the file ------------------------------------------------------------------------------------------

    def _recover(self) -> Iterator[dict[str, Any]]:
        """An end record for each session that has none."""
        for key, found in unfinished(self.path).items():
            readings = [record["meter"] for record in found if record.get("meter") is not None]
            first, last = (readings[0], readings[-1]) if readings else (None, None)
            detail = "the process ended without an end record; the reading is the last one written down"
            fields = {
                "session_id": found[0].get("session_id", ""),
                "reason": INTERRUPTED,
                "detail": detail,
                "last_heard_of": found[-1].get("utc"),
                "meter": last,
                "energy": _between(first, last, "energy"),
            }
            if (exported := _between(first, last, "exported")) is not None:
                fields["exported"] = exported
            self._append("end", key, fields, sync=Sync.ENDS)
            yield {"session": key, **fields}

    def _append(
        self, record: str, key: str, fields: dict[str, Any], *, sync: Sync, between: bool = False
    ) -> None:
        """Hand one line to the thread; `between`: no session is open, so that a new file may begin."""
        now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        line = {"record": record, "session": key, "utc": now.isoformat(timespec="milliseconds"), **fields}
        self._out.put(
            JournalLine(
                json.dumps(line, separators=(",", ":")).encode() + b"\n",
                sync=self._sync is Sync.ALWAYS or self._sync is sync,
                new_file=now if between else None,
            ),
            keep=record in _KEPT,
        )


_KEPT = ("end", "receipt")
_PATIENCE = 5.0  # s for the disk at the start, before anything is served


def _between(first: dict[str, Any] | None, last: dict[str, Any] | None, register: str) -> int | None:
    """Wh between two readings in the file; None where one has no such register."""
    if first is None or last is None or register not in first or register not in last:
        return None
    return int(last[register] - first[register])


def _follows(reading: MeterReading, before: MeterReading) -> bool:
    return reading.meter_id == before.meter_id and reading.energy >= before.energy


def _about_contract(record: ContractRecord) -> tuple[str, dict[str, Any]]:
    match record:
        case ContractRefused():
            said = {"step": record.step, "code": record.code.value, "rule": record.rule}
            return "refused", {**said, "who": _digest(record.identity)}
        case ContractGranted(contract, source, vehicle):
            granted = {"by": source.value, "who": _digest(str(contract.emaid))}
            seen = {} if vehicle is None else {"vehicle": _digest(vehicle.fingerprint)}
            return "granted", granted | seen
        case ContractDelivered(request, bundle):
            who = _digest(str(request.pcid or request.emaid))
            return "delivered", {"action": request.action.value, "verified": bundle is not None, "who": who}
        case StoreReceipt(receipt):
            return "receipt", {
                "who": _digest(str(receipt.contract.emaid)),
                "energy": receipt.energy,
                **({} if receipt.exported is None else {"exported": receipt.exported}),
                "fragment": receipt.proof.elements[0].fragment().hex(),
                "signed_info": receipt.proof.signed_info.hex(),
                "signature": receipt.proof.value.hex(),
                "certificate": receipt.contract.chain.leaf.der.hex(),
            }


def _digest(identity: str) -> str:
    """Enough to recognise two records about the same one; personal data stays out of the file."""
    return hashlib.sha256(identity.encode()).hexdigest()[:16] if identity else ""


def _meter(reading: MeterReading | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    plain: dict[str, Any] = {"id": reading.meter_id, "energy": reading.energy, "utc": reading.utc}
    plain |= {} if reading.exported is None else {"exported": reading.exported}
    plain |= {} if reading.status is None else {"status": reading.status}
    plain |= {} if reading.signature is None else {"signature": reading.signature.hex()}
    return plain
