"""A little colour and a line that is replaced, where there is a terminal."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TextIO

from secc.cli import output


class Style:
    """A little colour where there is a terminal, none elsewhere."""

    def __init__(self, stream: TextIO | None = None, *, colour: bool | None = None) -> None:
        """`colour` None: as the stream is a terminal or not."""
        self._stream = stream if stream is not None else sys.stdout
        self.live = self._stream.isatty() if colour is None else colour
        self._open_line = False

    def good(self, text: str) -> str:
        """Green."""
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        """Red."""
        return self._paint("31;1", text)

    def bold(self, text: str) -> str:
        """Headings."""
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        """Side matters."""
        return self._paint("2", text)

    def line(self, text: str = "") -> None:
        """A line that stays."""
        start = "\n" if self._open_line else ""
        self._open_line = False
        self._write(f"{start}{text}\n")

    def replace(self, text: str) -> None:
        """On a terminal: a line in place of the last one if that was such a line too; else a line."""
        if not self.live:
            self.line(text)
            return
        self._open_line = True
        self._write(f"\r\x1b[K{_fitting(text)}")

    def _write(self, text: str) -> None:
        output.of(self._stream).write(text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.live else text


def _fitting(text: str) -> str:
    """A line that is longer than the terminal is wide cannot be replaced: cut it, colours and all, where a
    word ends."""
    columns = shutil.get_terminal_size().columns
    bare = re.sub(r"\x1b\[[0-9;]*m", "", text)
    if len(bare) < columns:
        return text
    cut = bare[: columns - 1]
    words, gap, _ = cut.rpartition(" ")
    return cut if bare[len(cut)] == " " or not gap else words.rstrip()
