"""The journal: what happened in each session, in a file that survives whatever happens to the process.

One JSON object a line, only ever appended: `begin`, `meter` from time to time, what happened with a contract
(`refused` with the rule that was broken, `granted`, `delivered`, `receipt`), and `end`, exactly one for each
session, with one reason and one final meter value [INV-36]. A session that is found without its end when the
journal is opened was cut off by the end of the process (kill -9, power): it gets an end record that says so,
with the last reading that had been written down. A line that was being written in that moment stays where it
is, is not counted, and does no harm.

A file that has grown large is put aside between two sessions, under the time of that moment, so that no
session is spread over two; what has been put aside is never written again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from secc.errors import ConfigError
from secc.operation_settings import Sync as Sync
from secc.session.contract_events import (
    ContractDelivered,
    ContractGranted,
    ContractRecord,
    ContractRefused,
    StoreReceipt,
)
from secc.session.events import EndSession, EvseSnapshot, MeterReading

FILE = "journal.jsonl"


INTERRUPTED = "interrupted"
"""Reason of a session that was cut off by the end of the process."""

FAILED = "internal error"
"""Reason of a session that a defect of ours has ended."""


@dataclasses.dataclass(slots=True)
class _Open:
    key: str
    first: MeterReading | None
    last: MeterReading | None
    written_at: float


class Journal:
    """One outlet's journal, in a folder of its own; a second process is kept out."""

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        sync: Sync = Sync.ENDS,
        meter_interval: float = 60.0,
        size: int = 16_777_216,
        keep: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open it and close what was cut off; `recovered` says what that was. `meter_interval`: seconds
        between readings that are written down. From `size` bytes on a new file is begun, and `keep` old ones
        stay, 0 for all. Raises ConfigError when the folder cannot be used."""
        self.problem = ""
        """Why the last record could not be written; empty while all is well."""
        self._sync = sync
        self._interval = meter_interval
        self._clock = clock
        self._run = os.urandom(4).hex()
        self._sessions: dict[int, _Open] = {}
        self._size, self._keep = size, keep
        self.path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = _opened(self.path)
        except OSError as error:
            raise ConfigError(f"journal: {error}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise ConfigError(f"{self.path} is in use by another process") from error
        self._torn = not _ends_with_newline(self.path)
        self.recovered = tuple(self._recover())

    def close(self) -> None:
        """Let go of the file; sessions that are still open are found at the next start."""
        with contextlib.suppress(OSError):
            os.close(self._file)

    # --- sessions ------------------------------------------------------------------------------------------

    def begin(self, number: int, *, session_id: bytes, peer: str, tls: bool, snapshot: EvseSnapshot) -> None:
        """A session has begun; `number` names it until its end."""
        self._rotate()
        key = f"{self._run}-{number}"
        self._sessions[number] = _Open(key, snapshot.meter, snapshot.meter, self._clock())
        fields = {"session_id": session_id.hex().upper(), "peer": peer, "tls": tls}
        self._append("begin", key, {**fields, "meter": _meter(snapshot.meter)}, sync=Sync.ENDS)

    def observe(self, snapshot: EvseSnapshot) -> None:
        """Keep the newest meter reading; write it down now and then."""
        if snapshot.meter is None:
            return
        for session in self._sessions.values():
            if session.last is not None and not _follows(snapshot.meter, session.last):
                continue  # the session has told of it [INV-33]
            session.first = session.first or snapshot.meter
            changed = session.last is None or snapshot.meter.energy != session.last.energy
            session.last = snapshot.meter
            if changed and self._clock() - session.written_at >= self._interval:
                session.written_at = self._clock()
                self._append("meter", session.key, {"meter": _meter(snapshot.meter)}, sync=Sync.ALWAYS)

    def contract(self, number: int, record: ContractRecord) -> None:
        """What happened with a contract in this session; eMAID and PCID as digests, receipts as evidence."""
        session = self._sessions.get(number)
        if session is not None:
            kind, fields = _about_contract(record)
            self._append(kind, session.key, fields, sync=Sync.ALWAYS)  # the end follows a refusal at once

    def end(self, number: int, end: EndSession | None) -> None:
        """The session is over; None: by a defect of ours. A second end of the same session is not written."""
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
        self._append(
            "end", session.key, {**fields, "meter": _meter(last), "energy": delivered}, sync=Sync.ENDS
        )

    # --- the file ------------------------------------------------------------------------------------------

    def _rotate(self) -> None:
        """Put a large file aside; no session is open in it. What fails here leaves the old file in use."""
        try:
            if self._sessions or os.fstat(self._file).st_size < self._size:
                return
            self._put_aside()
        except OSError as error:
            self.problem = f"{self.path}: {error}"

    def _put_aside(self) -> None:
        now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        aside = self.path.with_name(f"journal-{now:%Y%m%dT%H%M%S.%f}.jsonl")
        fresh = _opened(fresh_path := self.path.with_suffix(".new"))
        fcntl.flock(fresh, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.link(self.path, aside)
        os.replace(fresh_path, self.path)  # at every moment there is a journal, and it is locked
        os.close(self._file)
        self._file, self._torn = fresh, False
        old = sorted(self.path.parent.glob("journal-*.jsonl"))
        for path in old[: -self._keep] if self._keep else []:
            path.unlink()

    def _recover(self) -> Iterator[dict[str, Any]]:
        """An end record for each session that has none."""
        for key, records in _unfinished(self.path).items():
            readings = [record["meter"] for record in records if record.get("meter") is not None]
            first, last = (readings[0], readings[-1]) if readings else (None, None)
            detail = "the process ended without an end record; the reading is the last one written down"
            fields = {
                "session_id": records[0].get("session_id", ""),
                "reason": INTERRUPTED,
                "detail": detail,
                "last_heard_of": records[-1].get("utc"),
                "meter": last,
                "energy": None if first is None or last is None else last["energy"] - first["energy"],
            }
            self._append("end", key, fields, sync=Sync.ENDS)
            yield {"session": key, **fields}

    def _append(self, record: str, key: str, fields: dict[str, Any], *, sync: Sync) -> None:
        """One line, whole or recognisably not; a failure never reaches the session."""
        now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        line = {"record": record, "session": key, "utc": now.isoformat(timespec="milliseconds"), **fields}
        data = ("\n" if self._torn else "") + json.dumps(line, separators=(",", ":")) + "\n"
        try:
            written = os.write(self._file, data.encode())
            self._torn = written != len(data.encode())
            if self._sync is Sync.ALWAYS or self._sync is sync:
                os.fsync(self._file)
            self.problem = f"{self.path}: only a part could be written" if self._torn else ""
        except OSError as error:
            self._torn = True
            self.problem = f"{self.path}: {error}"


def records(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    """All whole records of a journal, in their order."""
    with path.open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                continue  # torn
            if isinstance(record, dict) and line.endswith(b"\n"):
                yield record


def _unfinished(path: pathlib.Path) -> dict[str, list[dict[str, Any]]]:
    """Records of the sessions without an end, by session."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records(path):
        key = str(record.get("session"))
        match record.get("record"):
            case "begin":
                found[key] = [record]
            case "meter" if key in found:
                found[key].append(record)
            case "end":
                found.pop(key, None)
    return found


def _opened(path: pathlib.Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _ends_with_newline(path: pathlib.Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return True
        file.seek(size - 1)
        return file.read(1) == b"\n"


def _follows(reading: MeterReading, before: MeterReading) -> bool:
    return reading.meter_id == before.meter_id and reading.energy >= before.energy


def _about_contract(record: ContractRecord) -> tuple[str, dict[str, Any]]:
    match record:
        case ContractRefused():
            said = {"step": record.step, "code": record.code.value, "rule": record.rule}
            return "refused", {**said, "who": _digest(record.identity)}
        case ContractGranted(contract, source):
            return "granted", {"by": source.value, "who": _digest(str(contract.emaid))}
        case ContractDelivered(request, bundle):
            who = _digest(str(request.pcid or request.emaid))
            return "delivered", {"action": request.action.value, "verified": bundle is not None, "who": who}
        case StoreReceipt(receipt):
            return "receipt", {
                "who": _digest(str(receipt.contract.emaid)),
                "energy": receipt.request.meter_info.meter_reading,
                "fragment": receipt.proof.elements[0].fragment().hex(),
                "signed_info": receipt.proof.signed_info.hex(),
                "signature": receipt.proof.value.hex(),
                "certificate": receipt.contract.chain.leaf.der.hex(),
            }


def _digest(identity: str) -> str:
    """Enough to see that two records are about the same one; personal data stays out of the file."""
    return hashlib.sha256(identity.encode()).hexdigest()[:16] if identity else ""


def _meter(reading: MeterReading | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    plain: dict[str, Any] = {"id": reading.meter_id, "energy": reading.energy, "utc": reading.utc}
    plain |= {} if reading.status is None else {"status": reading.status}
    plain |= {} if reading.signature is None else {"signature": reading.signature.hex()}
    return plain
