"""Bytes and text from arguments, files and standard input."""

import io
from pathlib import Path

import pytest

from secc.cli.streams import NotBytes, from_hex, read_bytes, read_text


def test_hexadecimal_may_have_spaces_colons_and_a_prefix() -> None:
    assert from_hex("0x80 98:02\n00") == b"\x80\x98\x02\x00"


def test_other_text_is_not_hexadecimal() -> None:
    assert from_hex("809") is None
    assert from_hex("zz") is None
    assert from_hex("") is None


def test_a_file_may_hold_bytes_or_hexadecimal(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\x80\x98\xff")
    (tmp_path / "text").write_text("8098\nff\n")
    assert read_bytes(str(tmp_path / "binary")) == b"\x80\x98\xff"
    assert read_bytes(str(tmp_path / "text")) == b"\x80\x98\xff"


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"8098")))
    assert read_bytes("-") == b"\x80\x98"


def test_what_is_neither_is_named() -> None:
    with pytest.raises(NotBytes, match="no-such-file: neither hexadecimal nor a file"):
        read_bytes("no-such-file")


def test_text_is_the_argument_itself_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "message.json").write_text('{"a": 1}')
    assert read_text('{"b": 2}') == '{"b": 2}'
    assert read_text(str(tmp_path / "message.json")) == '{"a": 1}'


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "message.json").write_bytes(b"\xff\xfe")
    with pytest.raises(NotBytes, match="not UTF-8"):
        read_text(str(tmp_path / "message.json"))
