"""Bytes from an argument, a file or standard input, as hexadecimal text or binary."""

from __future__ import annotations

import re
import sys
from pathlib import Path


class NotBytes(Exception):
    """The argument is neither hexadecimal nor a file; the text has the reason."""


def read_bytes(source: str) -> bytes:
    """Read `source`: hexadecimal, the name of a file, or `-` for standard input; raises NotBytes.

    Files and standard input may be binary, or hexadecimal text with spaces and line ends.
    """
    if source != "-" and (data := from_hex(source)) is not None:
        return data
    content = _read(source)
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return content
    data = from_hex(text)
    return content if data is None else data


def read_text(source: str) -> str:
    """Read `source`: the text itself (it starts with a brace or `<`), a file, or `-`; raises NotBytes."""
    if source.lstrip().startswith(("{", "<")):
        return source
    try:
        return _read(source).decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotBytes(f"{source}: not UTF-8: {error}") from error


def from_hex(text: str) -> bytes | None:
    """Parse hexadecimal digits, with spaces, colons and a leading 0x; None for anything else."""
    digits = re.sub(r"\s|:", "", text).removeprefix("0x").removeprefix("0X")
    if not digits or len(digits) % 2 or re.fullmatch(r"[0-9A-Fa-f]*", digits) is None:
        return None
    return bytes.fromhex(digits)


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        short = source if len(source) <= 40 else f"{source[:37]}..."
        raise NotBytes(f"{short}: neither hexadecimal nor a file ({error.strerror})") from error
