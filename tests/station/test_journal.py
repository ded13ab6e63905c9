"""The journal: one end for each session, also after a crash of the process [INV-36]."""

import itertools
import json
import os
import pathlib
import signal
import threading

import pytest

from secc.errors import ConfigError
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot, MeterReading
from secc.session.outputs import EndReason, EndSession
from secc.station.journal import FAILED, INTERRUPTED, Journal, Sync, records
from tests.support.serving import serving
from tests.support.wire import AC_SETUP, Car, eventually, running, to_charge_loop, to_session

ID = bytes.fromhex("0102030405060708")


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def snapshot(energy: int | None = None) -> EvseSnapshot:
    meter = None if energy is None else MeterReading("M1", energy, 1_700_000_000)
    return EvseSnapshot(control_pilot=ControlPilot.B, meter=meter)


def begin(journal: Journal, number: int = 1, energy: int | None = 100) -> None:
    journal.begin(number, session_id=ID, peer="fe80::1", tls=True, snapshot=snapshot(energy))


def end(energy: int = 350) -> EndSession:
    return EndSession(
        reason=EndReason.TERMINATED, session_id=ID, established=True, meter=MeterReading("M1", energy)
    )


def test_a_session_has_one_beginning_and_one_end_with_its_energy(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path, clock=Clock())
    begin(journal)
    journal.end(1, end())
    journal.end(1, end(999))
    journal.close()
    first, last = records(journal.path)
    assert (first["record"], first["meter"]["energy"], first["tls"]) == ("begin", 100, True)
    assert (last["record"], last["reason"], last["energy"]) == ("end", "terminated by the EV", 250)
    assert (last["session"], last["session_id"]) == (first["session"], "0102030405060708")
    assert last["utc"] == "2023-11-14T22:13:20.000+00:00"


def test_readings_are_written_down_now_and_then(tmp_path: pathlib.Path) -> None:
    clock = Clock()
    journal = Journal(tmp_path, clock=clock, meter_interval=60.0)
    begin(journal)
    for energy in (110, 120, 130):
        clock.now += 40.0
        journal.observe(snapshot(energy))
    journal.observe(snapshot(None))
    journal.close()
    assert [r["meter"]["energy"] for r in records(journal.path) if r["record"] == "meter"] == [120]


def test_an_end_without_a_reading_takes_the_last_one_seen(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path)
    begin(journal, energy=None)
    journal.observe(snapshot(500))
    journal.observe(snapshot(505))
    journal.end(1, EndSession(reason=EndReason.UNPLUGGED, session_id=ID, fault=EvseFault.MALFUNCTION))
    journal.close()
    last = list(records(journal.path))[-1]
    assert (last["meter"]["energy"], last["energy"], last["fault"]) == (505, 5, "malfunction")


def test_a_defect_of_the_station_is_an_end_too(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path)
    begin(journal)
    journal.end(1, None)
    journal.close()
    assert list(records(journal.path))[-1]["reason"] == FAILED


def test_a_session_that_is_found_open_gets_its_end(tmp_path: pathlib.Path) -> None:
    clock = Clock()
    journal = Journal(tmp_path, clock=clock)
    begin(journal)
    clock.now += 61.0
    journal.observe(snapshot(140))
    journal.close()

    again = Journal(tmp_path, clock=clock)
    (record,) = again.recovered
    assert (record["reason"], record["meter"]["energy"], record["energy"]) == (INTERRUPTED, 140, 40)
    assert record["last_heard_of"] == "2023-11-14T22:14:21.000+00:00"
    again.close()
    third = Journal(tmp_path)
    assert third.recovered == ()
    third.close()
    assert [r["record"] for r in records(journal.path)] == ["begin", "meter", "end"]


def test_a_torn_line_does_no_harm(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path)
    begin(journal)
    journal.end(1, end())
    journal.close()
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-30])  # power cut while the end was being written
    again = Journal(tmp_path)
    assert [record["reason"] for record in again.recovered] == [INTERRUPTED]
    begin(again, 2)
    again.end(2, end())
    again.close()
    assert [r["record"] for r in records(journal.path)] == ["begin", "end", "begin", "end"]
    assert len(journal.path.read_text().splitlines()) == 5


def test_a_second_process_is_kept_out(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(ConfigError, match="in use by another process"):
        Journal(tmp_path)
    journal.close()


def test_a_folder_that_cannot_be_used_is_a_configuration_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="journal"):
        Journal(tmp_path / "file" / "folder")


def full(*_: object) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.inv("INV-36")
@pytest.mark.threat("LIF-05")
@pytest.mark.parametrize("number", [28, 30, 5], ids=["full", "read-only", "failing"])
def test_records_wait_in_memory_until_the_disk_takes_them(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    tried = threading.Event()

    def refused(_file: int, _data: bytes) -> int:
        tried.set()
        raise OSError(number, os.strerror(number))

    journal = Journal(tmp_path, retry=0.001)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refused)
        begin(journal)
        journal.end(1, end())
        assert tried.wait(5)
        assert not journal.flush(0)
        assert journal.waiting == 2
    assert journal.flush(5)
    assert (journal.problem, journal.waiting, journal.dropped) == ("", 0, 0)
    assert journal.close()
    assert [r["record"] for r in records(journal.path)] == ["begin", "end"]


@pytest.mark.inv("INV-36")
def test_a_disk_that_takes_a_part_of_a_line_gets_the_rest_and_no_line_twice(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = os.write, itertools.count()

    def reluctant(file: int, data: bytes) -> int:
        """Seven bytes, then a full disk, then seven bytes again."""
        return full() if next(calls) % 2 else write(file, data[:7])

    journal = Journal(tmp_path, retry=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", reluctant)
        begin(journal)
        journal.end(1, end())
        assert journal.flush(5)
    journal.close()
    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert [line["record"] for line in lines] == ["begin", "end"]


@pytest.mark.inv("INV-36")
def test_a_sync_that_fails_is_repeated_and_the_line_is_not(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([OSError(5, "Input/output error"), OSError(5, "Input/output error"), None, None])

    def sync(_file: int) -> None:
        if (error := next(answers)) is not None:
            raise error

    journal = Journal(tmp_path, retry=0.0)
    monkeypatch.setattr(os, "fsync", sync)
    begin(journal)
    journal.end(1, end())
    assert journal.flush(5)
    journal.close()
    assert [r["record"] for r in records(journal.path)] == ["begin", "end"]
    assert next(answers, "all taken") == "all taken"


@pytest.mark.threat("LIF-05")
def test_a_sync_that_does_not_return_delays_nothing_else_and_the_order_stays(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(_file: int) -> None:
        entered.set()
        release.wait(10)

    journal = Journal(tmp_path)
    monkeypatch.setattr(os, "fsync", slow)
    begin(journal, 1)
    assert entered.wait(5)
    journal.end(1, end())
    begin(journal, 2)
    journal.end(2, end())
    assert journal.waiting == 4
    release.set()
    assert journal.close()
    assert [r["session"][-2:] for r in records(journal.path)] == ["-1", "-1", "-2", "-2"]


@pytest.mark.inv("INV-36")
def test_when_memory_is_full_readings_go_first_and_the_oldest_ends_stay(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, limit=3000, retry=0.0, meter_interval=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        begin(journal, 0)
        for energy in range(101, 150):
            journal.observe(snapshot(energy))
        journal.end(0, end())
        for number in range(1, 50):
            begin(journal, number)
            journal.end(number, end())
        assert journal.dropped > 100
    assert journal.flush(5)
    assert journal.problem == ""
    assert not journal.close()
    found = list(records(journal.path))
    ends = [int(r["session"].rpartition("-")[2]) for r in found if r["record"] == "end"]
    assert ends == list(range(len(ends)))
    assert len(ends) >= 3000 // 400
    assert [r for r in found if r["record"] == "meter"] == []


@pytest.mark.inv("INV-36")
def test_what_no_disk_has_taken_by_the_end_is_lost_and_found_at_the_next_start(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, retry=3600.0)
    begin(journal)
    assert journal.flush(5)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        journal.end(1, end())
        assert not journal.close()
    assert journal.dropped == 1
    again = Journal(tmp_path)
    again.close()
    assert [r.get("reason") for r in records(journal.path)] == [None, INTERRUPTED]


def one_end_each(path: pathlib.Path) -> None:
    """Every session of which the file has a beginning has exactly one end."""
    found = list(records(path))
    begun = [r["session"] for r in found if r["record"] == "begin"]
    ended = [r["session"] for r in found if r["record"] == "end"]
    assert sorted(begun) == sorted(ended)
    assert len(set(ended)) == len(ended)
    assert path.read_bytes()[-1:] in (b"\n", b"")


@pytest.mark.inv("INV-36")
@pytest.mark.threat("LIF-01")
def test_a_cut_at_any_byte_leads_to_exactly_one_end_for_each_session(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path, meter_interval=0.0)
    begin(journal, 1)
    journal.observe(snapshot(101))
    journal.end(1, end())
    begin(journal, 2)
    journal.close()
    again = Journal(tmp_path)  # another recovery is in the file, and can be truncated too
    begin(again, 3)
    again.end(3, end())
    again.close()
    path, whole = journal.path, journal.path.read_bytes()
    lines = whole.count(b"\n")
    assert lines == 7
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        found = len(list(records(path)))
        assert found in (whole[:cut].count(b"\n"), whole[:cut].count(b"\n") + 1)
        Journal(tmp_path, sync=Sync.NEVER).close()
        one_end_each(path)
        once = path.read_bytes()
        Journal(tmp_path, sync=Sync.NEVER).close()
        assert path.read_bytes() == once


@pytest.mark.inv("INV-36")
def test_a_cut_inside_what_a_recovery_has_written_leads_to_one_end_too(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path)
    begin(journal)
    journal.close()
    path, before = journal.path, journal.path.read_bytes()
    path.write_bytes(before[:-1])  # the newline of the beginning is missing
    Journal(tmp_path).close()
    whole = path.read_bytes()
    for cut in range(len(before) - 1, len(whole) + 1):
        path.write_bytes(whole[:cut])
        Journal(tmp_path, sync=Sync.NEVER).close()
        one_end_each(path)


@pytest.mark.inv("INV-36")
def test_a_tail_of_zeros_after_a_power_cut_does_no_harm(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path)
    begin(journal)
    journal.close()
    journal.path.write_bytes(journal.path.read_bytes() + bytes(500))
    Journal(tmp_path).close()
    one_end_each(journal.path)


@pytest.mark.parametrize(
    ("sync", "times"), [(Sync.ALWAYS, 3), (Sync.ENDS, 2), (Sync.NEVER, 0)], ids=lambda value: str(value)
)
def test_the_disk_is_waited_for_as_configured(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, sync: Sync, times: int
) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)
    journal = Journal(tmp_path, sync=sync, meter_interval=0.0)
    begin(journal)
    journal.observe(snapshot(101))
    journal.end(1, end())
    journal.close()
    assert len(waited) == times


@pytest.mark.inv("INV-36")
async def test_every_session_of_a_station_is_in_the_journal_once(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path)
    async with running(journal=journal) as bed:
        good = await Car.connect(bed.plain_port)
        await to_session(good)
        good.reset()
        await bed.until_idle()
        other = await Car.connect(bed.plain_port)
        await to_charge_loop(other, bed.outlet)
    journal.close()  # the second one is ended by the stop of the station
    other.close()
    found = list(records(tmp_path / "journal.jsonl"))
    assert [record["record"] for record in found] == ["begin", "end", "begin", "end"]
    assert [record["reason"] for record in found[1::2]] == ["link lost", "link lost"]
    assert found[3]["detail"] == "the station stops"


@pytest.mark.inv("INV-36")
async def test_a_killed_station_closes_the_session_at_its_next_start(tmp_path: pathlib.Path) -> None:
    async def charge(port: int) -> Car:
        car = await Car.connect(port)
        await to_session(car)
        for body in AC_SETUP[:2]:
            await car.ask(body)
        return car

    folder = str(tmp_path / "journal")
    path = tmp_path / "journal" / "journal.jsonl"
    with serving("--sim", "ac", "--journal", folder) as (process, port):
        car = await charge(port)
        await eventually(lambda: path.exists() and "\n" in path.read_text())  # written beside the loop
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        car.close()
    assert [record["record"] for record in records(path)] == ["begin"]
    with serving("--sim", "ac", "--journal", folder):
        pass
    first, last = (json.loads(line) for line in path.read_text().splitlines())
    assert (last["record"], last["reason"]) == ("end", INTERRUPTED)
    assert last["session"] == first["session"]


# --- rotation ---


def fill(journal: Journal, sessions: int, first: int = 0) -> None:
    """Sessions, one after the other."""
    for number in range(first, first + sessions):
        journal.begin(number, session_id=bytes(8), peer="fe80::1", tls=False, snapshot=snapshot())
        journal.end(number, EndSession(reason=EndReason.TERMINATED, session_id=bytes(8)))


def test_a_large_file_is_put_aside_between_sessions(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path, size=4096)
    fill(journal, 40)
    journal.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) > 2
    assert [path.name for path in files][-1] == "journal.jsonl"
    for path in files:
        kinds = [record["record"] for record in records(path)]
        assert kinds == ["begin", "end"] * (len(kinds) // 2)
    assert sum(len(list(records(path))) for path in files) == 80
    assert all(path.stat().st_size < 5000 for path in files)


def test_an_open_session_keeps_its_file(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path, size=4096)
    journal.begin(0, session_id=bytes(8), peer="", tls=False, snapshot=snapshot())
    fill(journal, 40, first=1)
    assert journal.flush(5)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]
    journal.close()


def test_only_the_newest_old_files_are_kept(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path, size=4096, keep=2)
    fill(journal, 100)
    journal.close()
    assert len(list(tmp_path.glob("journal-*.jsonl"))) == 2


def test_a_fresh_file_is_locked_as_well(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path, size=4096)
    fill(journal, 40)
    assert journal.flush(5)
    with pytest.raises(ConfigError, match="in use"):
        Journal(tmp_path)
    journal.close()


def test_a_file_that_cannot_be_put_aside_stays_in_use_and_is_reported(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, size=4096)
    monkeypatch.setattr(os, "link", full)
    fill(journal, 40)
    assert journal.flush(5)
    assert journal.problem.endswith("No space left on device")
    assert len(list(records(journal.path))) == 80
    journal.close()


@pytest.mark.inv("INV-36")
def test_a_file_that_a_cut_has_left_under_both_names_is_the_journal_and_nothing_else(
    tmp_path: pathlib.Path,
) -> None:
    journal = Journal(tmp_path)
    begin(journal)
    journal.end(1, end())
    journal.close()
    os.link(journal.path, tmp_path / "journal-20230101T000000.000000.jsonl")
    Journal(tmp_path).close()
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]
    assert len(list(records(journal.path))) == 2
