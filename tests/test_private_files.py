"""Files that only their owner may read."""

import stat
from pathlib import Path

import pytest

from secc.private_files import create_private, make_private, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_private(path, b"secret")
    assert (mode(path), path.read_bytes()) == (0o600, b"secret")


def test_a_file_that_exists_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"other")
    with pytest.raises(FileExistsError):
        write_private(path, b"secret")
    with pytest.raises(FileExistsError):
        create_private(path)
    assert path.read_bytes() == b"other"


def test_another_mode_is_possible(tmp_path: Path) -> None:
    write_private(tmp_path / "chain", b"public", mode=0o640)
    assert mode(tmp_path / "chain") == 0o640


def test_a_file_that_exists_is_restricted_and_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.write_bytes(b"rows")
    path.chmod(0o644)
    make_private(path)
    assert (mode(path), path.read_bytes()) == (0o600, b"rows")


def test_a_file_that_does_not_exist_is_created_empty(tmp_path: Path) -> None:
    make_private(tmp_path / "store")
    assert (mode(tmp_path / "store"), (tmp_path / "store").read_bytes()) == (0o600, b"")
