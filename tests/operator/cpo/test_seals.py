"""Seals of the audit log: every change is detected, with a key also by a writer who can compute seals."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from secc.errors import ConfigError, FramingError
from secc.operator.cpo.seals import LATE, AuditRecord, Checkpoint, Sealer
from tests.operator.cpo.support import EMAID, make_service

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
KEY = bytes(range(32))
Log = list[AuditRecord]


def log(sealer: Sealer, count: int = 5, *, before: Log | None = None) -> Log:
    """Sealed rows, behind those of `before`."""
    made = list(before or [])
    seal = made[-1].seal or "" if made else ""
    for number in range(len(made) + 1, len(made) + count + 1):
        row = AuditRecord(number, NOW, "who", "what", f"subject {number}", "", None)
        seal = sealer.seal(row, seal)
        made.append(dataclasses.replace(row, seal=seal))
    return made


def resealed(rows: Log, sealer: Sealer) -> Log:
    """A row written by an attacker with access to the database."""
    made, seal = [], ""
    for row in rows:
        seal = sealer.seal(row, seal)
        made.append(dataclasses.replace(row, seal=seal))
    return made


def changed(rows: Log, number: int = 3, **values: object) -> Log:
    return [dataclasses.replace(row, **values) if row.id == number else row for row in rows]  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [b"", KEY], ids=["plain", "keyed"])
def test_a_log_that_was_not_changed_is_good(key: bytes) -> None:
    sealer = Sealer(key)
    state = sealer.check(log(sealer), NOW)
    assert (state.problem, state.checkpoint.last, state.checkpoint.count, state.unsealed) == ("", 5, 5, 0)
    assert sealer.check([], NOW).problem == ""


CHANGES: dict[str, tuple[Callable[[Log], Log], int]] = {
    "a changed row": (lambda rows: changed(rows, subject="another"), 3),
    "a changed time": (lambda rows: changed(rows, at=NOW + LATE), 3),
    "a row taken out": (lambda rows: [row for row in rows if row.id != 3], 4),
    "the first row taken out": (lambda rows: rows[1:], 2),
    "two rows with their numbers exchanged": (
        lambda rows: [
            *rows[:2],
            dataclasses.replace(rows[3], id=3),
            dataclasses.replace(rows[2], id=4),
            rows[4],
        ],
        3,
    ),
    "a seal taken away": (lambda rows: changed(rows, seal=None), 3),
    "a plain seal": (lambda rows: changed(rows, seal=Sealer().seal(rows[2], rows[1].seal or "")), 3),
    "the seal of another key": (
        lambda rows: changed(rows, seal=Sealer(bytes(32)).seal(rows[2], rows[1].seal or "")),
        3,
    ),
}


@pytest.mark.parametrize(("change", "row"), CHANGES.values(), ids=CHANGES)
def test_a_change_shows(change: Callable[[Log], Log], row: int) -> None:
    sealer = Sealer(KEY)
    assert sealer.check(change(log(sealer)), NOW).row == row


def test_without_the_key_no_seal_can_be_made() -> None:
    sealer = Sealer(KEY)
    forged = changed(log(sealer), subject="another")
    assert sealer.check(resealed(forged, Sealer()), NOW).problem.endswith(
        "sealed without the key of audit_key"
    )
    assert sealer.check(resealed(forged, Sealer(bytes(32))), NOW).row == 1
    assert Sealer().check(resealed(forged, Sealer()), NOW).problem == ""  # plain seals do not hold this up


def test_without_the_key_a_keyed_log_cannot_be_checked() -> None:
    assert "name it as audit_key" in Sealer().check(log(Sealer(KEY)), NOW).problem


def test_a_log_may_get_its_key_later_but_not_lose_it() -> None:
    plain, keyed = Sealer(), Sealer(KEY)
    grown = log(keyed, before=log(plain))
    assert keyed.check(grown, NOW).problem == ""
    assert keyed.check(log(plain, before=grown), NOW).row == 11


def test_rows_without_a_seal_are_counted_and_old_ones_reported() -> None:
    sealer = Sealer(KEY)
    rows = [*log(sealer), AuditRecord(6, NOW, "who", "what", "", "", None)]
    assert sealer.check(rows, NOW + LATE).unsealed == 1
    assert sealer.check(rows, NOW + LATE).problem == ""
    late = sealer.check(rows, NOW + LATE + datetime.timedelta(seconds=1))
    assert (late.row, "has no seal since" in late.problem) == (6, True)


def test_an_end_that_was_cut_off_shows_against_a_checkpoint() -> None:
    sealer = Sealer(KEY)
    rows = log(sealer)
    point = sealer.check(rows, NOW).checkpoint
    assert sealer.check(log(sealer, before=rows), NOW, point).problem == ""
    for cut in range(5):
        assert sealer.check(rows[:cut], NOW).problem == ""
        assert sealer.check(rows[:cut], NOW, point).row == 5
    assert sealer.check(rows[:3], NOW, Checkpoint(0, 0, "-", NOW)).problem == ""


def test_a_log_sealed_again_shows_against_a_checkpoint_even_without_a_key() -> None:
    sealer = Sealer()
    rows = log(sealer)
    point = sealer.check(rows, NOW).checkpoint
    forged = resealed(changed(rows, subject="another"), sealer)
    assert "differs from its state at 2030-01-01" in sealer.check(forged, NOW, point).problem


def test_a_checkpoint_is_one_line_that_can_be_read_again() -> None:
    point = Sealer(KEY).check(log(Sealer(KEY)), NOW).checkpoint
    assert Checkpoint.parse(str(point)) == point
    empty = Sealer().check([], NOW).checkpoint
    assert Checkpoint.parse(f"{empty}\n") == empty


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "secc-audit-1 1 1 aa",
        "secc-audit-2 1 1 aa 2030-01-01T00:00:00Z",
        "secc-audit-1 -1 1 aa 2030-01-01T00:00:00Z",
        "secc-audit-1 x 1 aa 2030-01-01T00:00:00Z",
        "secc-audit-1 1 1 aa today",
    ],
)
def test_anything_else_is_no_checkpoint(text: str) -> None:
    with pytest.raises(FramingError, match="is not a checkpoint"):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), ("zz", "not hexadecimal"), ("00" * 31, "31 bytes, expected at least 32")],
)
def test_a_key_file_that_is_no_key_is_refused(tmp_path: Path, content: str | None, why: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=f"audit_key: .*{why}"):
        Sealer.from_file(path)


def test_a_key_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY.hex() + "\n")
    made = Sealer.from_file(tmp_path / "key")
    assert made.check(log(Sealer(KEY)), NOW).problem == ""
    assert not Sealer.from_file(None).keyed


def test_the_database_is_for_its_owner_only(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    service.contracts.put(EMAID)
    files = sorted(tmp_path.glob("cpo.db*"))
    assert len(files) >= 2  # SQLite's journal as well
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    service.close()
    (tmp_path / "cpo.db").chmod(0o644)
    make_service(tmp_path).close()
    assert (tmp_path / "cpo.db").stat().st_mode & 0o777 == 0o600
