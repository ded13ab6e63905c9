"""The minimal root file system: what is removed, and what starts the station; it is built by hand."""

from __future__ import annotations

import pathlib

import pytest

from tools.release import image


def test_a_missing_wheel_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        image.main(["build", "nosuch.whl"])
    assert "nosuch.whl: no such file; `make build` makes a wheel" in capsys.readouterr().err


def test_what_a_station_needs_is_kept_and_the_rest_is_removed(tmp_path: pathlib.Path) -> None:
    kept = ("usr/lib/python3.11/asyncio/x", "usr/lib/python3.11/ssl.py", "opt/secc/secc/x", "usr/bin/python3")
    removed = (
        *("usr/share/doc/x", "usr/lib/python3.11/test/x", "usr/bin/openssl", "opt/secc/bin/secc"),
        *("usr/lib/x86_64-linux-gnu/gconv/x", "var/cache/apt/x"),
    )
    for name in (*kept, *removed):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    image.trim(tmp_path)
    assert [name for name in (*kept, *removed) if (tmp_path / name).exists()] == list(kept)


def test_the_entry_needs_no_shell() -> None:
    compile(image.ENTRY, "secc", "exec")
    assert image.ENTRY.startswith("#!/usr/bin/python3 -s\n")
