"""What is on the disk, and what happens when the disk refuses."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from secc.ocpp.model import ChargingState, EventKind, IdToken, SecurityEvent, TransactionEvent, Trigger
from secc.ocpp.store import Store


def event(seq: int) -> TransactionEvent:
    return TransactionEvent(
        kind=EventKind.UPDATED,
        transaction="t1",
        seq=seq,
        at=100.0 + seq,
        trigger=Trigger.METER_PERIODIC,
        state=ChargingState.CHARGING,
        token=IdToken("CARD"),
    )


def seqs(store: Store) -> list[int]:
    return [entry.event.seq for entry in store.pending() if isinstance(entry.event, TransactionEvent)]


def test_what_is_appended_is_there_in_order_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "station.db")
    store.append([event(0), event(1)], {"transaction": {"id": "t1"}})
    store.append([SecurityEvent("kind", 1.0, "text")])
    names = [entry.message_id for entry in store.pending()]
    store.close()
    again = Store(tmp_path / "new" / "station.db")
    assert [entry.message_id for entry in again.pending()] == names
    assert [entry.event for entry in again.pending()] == [
        event(0),
        event(1),
        SecurityEvent("kind", 1.0, "text"),
    ]
    assert again.get("transaction") == {"id": "t1"}
    assert len(again) == 3
    again.close()


def test_what_is_answered_is_gone_and_its_state_stays(tmp_path: Path) -> None:
    store = Store(tmp_path / "station.db")
    store.append([event(0), event(1)])
    store.done(store.pending()[0], {"numbers": {"t1": 5}})
    assert seqs(store) == [1]
    assert store.get("numbers") == {"t1": 5}
    store.put(numbers=None)
    assert store.get("numbers") is None
    store.close()


def test_what_is_set_aside_is_kept_with_the_reason(tmp_path: Path) -> None:
    store = Store(tmp_path / "station.db")
    store.append([event(0), event(1)])
    store.set_aside(store.pending()[0], "not wanted")
    assert seqs(store) == [1]
    ((text, why),) = store.aside()
    assert '"seq":0' in text
    assert why == "not wanted"
    store.close()


def test_a_full_disk_keeps_messages_in_memory_until_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    store = Store(path)
    store.append([event(0)])
    database = store.database
    database.execute("PRAGMA max_page_count = 1")  # no page more than there are
    for seq in range(1, 200):
        store.append([event(seq)])
        if store.problem:
            break
    assert "in memory only" in store.problem
    assert "full" in store.problem
    assert len(store) == seq + 1
    database.execute("PRAGMA max_page_count = 100000")
    store.append([event(seq + 1)])
    assert store.problem == ""
    store.close()
    again = Store(path)
    assert list(range(seq + 2)) == [
        entry.event.seq for entry in again.pending(most=500) if isinstance(entry.event, TransactionEvent)
    ]
    again.close()


def test_messages_that_are_only_in_memory_are_sent_too() -> None:
    store = Store(None)
    store.database.execute("PRAGMA query_only = ON")
    store.append([event(0), event(1)])
    store.put(x=1)
    assert store.problem
    assert seqs(store) == [0, 1]
    store.done(store.pending()[0])
    assert seqs(store) == [1]
    store.close()


def test_on_a_full_disk_what_was_answered_is_not_sent_again_and_what_is_new_is(tmp_path: Path) -> None:
    store = Store(tmp_path / "station.db")
    store.append([event(0), event(1)])
    store.database.execute("PRAGMA query_only = ON")
    store.append([event(2)])
    assert seqs(store) == [0, 1, 2]
    store.done(store.pending()[0], {"numbers": {"t1": 5}})
    store.set_aside(store.pending()[0], "not wanted")
    assert seqs(store) == [2]
    assert len(store) == 1
    assert store.get("numbers") == {"t1": 5}
    assert store.dirty
    store.flush()
    assert "in memory only" in store.problem
    store.database.execute("PRAGMA query_only = OFF")
    store.flush()
    assert (store.dirty, store.problem) == (False, "")
    store.close()
    again = Store(tmp_path / "station.db")
    assert seqs(again) == [2]
    assert again.get("numbers") == {"t1": 5}
    assert [why for _, why in again.aside()] == ["not wanted"]
    again.close()


def test_many_answered_rows_do_not_hide_those_behind_them(tmp_path: Path) -> None:
    store = Store(tmp_path / "station.db")
    store.append([event(seq) for seq in range(120)])
    store.database.execute("PRAGMA query_only = ON")
    for entry in store.pending(most=100):
        store.done(entry)
    assert seqs(store) == list(range(100, 120))
    store.close()


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    path.write_bytes(b"this is no database, and long enough to be looked at" * 100)
    store = Store(path)
    assert "was damaged" in store.problem
    store.append([event(0)])
    assert seqs(store) == [0]
    store.close()
    kept = [one.name for one in tmp_path.iterdir() if "damaged" in one.name]
    assert len(kept) == 1


def test_a_file_that_another_process_holds_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "station.db").mkdir()
    try:
        Store(tmp_path / "station.db")
    except sqlite3.OperationalError:
        return
    raise AssertionError("a folder was opened as a database")


def test_closing_waits_for_what_is_under_way(tmp_path: Path) -> None:
    store = Store(tmp_path / "station.db")
    with ThreadPoolExecutor(max_workers=2) as threads:
        writing = [threads.submit(store.append, [event(seq)]) for seq in range(200)]
        writing[20].result()
        store.close()
        for one in writing:
            one.result()  # what came too late is in memory
    assert "closed" in store.problem


APPENDING = """
import sys
from pathlib import Path
from secc.ocpp.store import Store
from tests.ocpp.test_store import event
store = Store(Path(sys.argv[1]))
begin = int(sys.argv[2])
for seq in range(begin, begin + 100_000):
    store.append([event(seq)], {"last": seq})
    print(seq, flush=True)
"""


def test_what_was_promised_is_there_whenever_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    found: list[int] = []
    for kills in range(4):
        command = [sys.executable, "-c", APPENDING, str(path), str(len(found))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            promised = [int(process.stdout.readline()) for _ in range(7 * kills + 3)]
            process.send_signal(signal.SIGKILL)
            promised += [int(line) for line in process.stdout if line.endswith("\n")]
        store = Store(path)
        found = [
            entry.event.seq
            for entry in store.pending(most=100_000)
            if isinstance(entry.event, TransactionEvent)
        ]
        assert found == list(range(len(found)))
        assert found[-1] >= promised[-1]
        assert store.get("last") == found[-1]
        assert store.problem == ""
        store.close()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    Store(tmp_path / "ocpp.db").close()
    assert (tmp_path / "ocpp.db").stat().st_mode & 0o777 == 0o600
