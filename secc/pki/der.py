"""Reading DER: as much as certificates need, and strict.

Definite, minimal lengths and one-byte tags only; nothing may stand behind the end. The one thing real
certificates get wrong, a BOOLEAN default that is written out, is read and left to the caller to judge.
Everything else that is not DER raises CertificateError.
"""

from __future__ import annotations

import datetime
import functools
import re

from secc.errors import ChainError
from secc.pki.rules import Rule, broken

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31


def malformed(text: str) -> ChainError:
    """The error for bytes that are not what they should be."""
    return broken(Rule.MALFORMED, "", f"not a certificate: {text}")


class Reader:
    """A cursor over the elements inside one constructed element; nothing is copied until it is asked for."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        """`start` and `end` in bytes; the whole of `data` by default."""
        self._data = data
        self._position = start
        self._end = len(data) if end is None else end

    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self._position >= self._end

    def peek(self) -> int:
        """The next tag; 0 at the end."""
        return 0 if self.at_end() else self._data[self._position]

    def finish(self) -> None:
        """Nothing may be left."""
        if not self.at_end():
            raise malformed(f"{self._end - self._position} bytes too many")

    def content(self, tag: int) -> bytes:
        """The content of the next element, which has to have this tag."""
        start, end = self._take(tag)
        return self._data[start:end]

    def element(self, tag: int) -> bytes:
        """The next element with its tag and length."""
        begin = self._position
        _, end = self._take(tag)
        return self._data[begin:end]

    def enter(self, tag: int) -> Reader:
        """A reader for the inside of the next element."""
        start, end = self._take(tag)
        return Reader(self._data, start, end)

    def any_element(self) -> tuple[int, bytes]:
        """Tag and content of the next element, whatever it is."""
        tag = self.peek()
        return tag, self.content(tag)

    def integer(self) -> int:
        """A signed number in its shortest form."""
        content = self.content(INTEGER)
        if not content:
            raise malformed("a number without digits")
        if len(content) > 1 and content[0] in (0x00, 0xFF) and (content[0] ^ content[1]) < 0x80:
            raise malformed("a number that is longer than needed")
        return int.from_bytes(content, "big", signed=True)

    def boolean(self) -> bool:
        """TRUE or FALSE."""
        content = self.content(BOOLEAN)
        if content not in (b"\x00", b"\xff"):
            raise malformed("a truth value that is neither 00 nor FF")
        return content == b"\xff"

    def oid(self) -> str:
        """An object identifier in dotted form."""
        return oid_text(self.content(OBJECT_IDENTIFIER))

    def time(self) -> datetime.datetime:
        """UTCTime or GeneralizedTime in the form of RFC 5280: to the second, in UTC."""
        tag, content = self.any_element()
        form = _TIMES.get(tag)
        if form is None:
            raise malformed(f"a time with tag {tag:02x}")
        found = form.fullmatch(content)
        if found is None:
            raise malformed(f"a time that reads {content!r}")
        year, *rest = (int(part) for part in found.groups())
        if tag == UTC_TIME:
            year += 1900 if year >= 50 else 2000
        try:
            month, day, hour, minute, second = rest
            return datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
        except ValueError as error:
            raise malformed(f"a time that reads {content!r}") from error

    def bit_string(self) -> bytes:
        """A bit string of whole bytes."""
        content = self.content(BIT_STRING)
        if not content or content[0] != 0:
            raise malformed("a bit string that is not made of bytes")
        return content[1:]

    def _take(self, tag: int) -> tuple[int, int]:
        """Step over the next element; where its content begins and ends."""
        data, position, limit = self._data, self._position, self._end
        if position + 2 > limit:
            raise malformed("it ends too early")
        if data[position] != tag:
            raise malformed(f"tag {data[position]:02x} where {tag:02x} is expected")
        if tag & 0x1F == 0x1F:
            raise malformed("a long tag")
        length = data[position + 1]
        start = position + 2
        if length >= 0x80:
            size = length & 0x7F
            start += size
            if not 1 <= size <= 3 or start > limit:
                raise malformed("a length that is indefinite or too large")
            length = int.from_bytes(data[position + 2 : start], "big")
            if length < 0x80 or length >> (8 * (size - 1)) == 0:
                raise malformed("a length that is longer than needed")
        end = start + length
        if end > limit:
            raise malformed("it ends too early")
        self._position = end
        return start, end


@functools.lru_cache(maxsize=256)
def oid_text(content: bytes) -> str:
    """Dotted form of an encoded object identifier."""
    if not content or content[-1] & 0x80 or len(content) > 64:
        raise malformed("an object identifier that ends too early or is too long")
    arcs: list[int] = []
    value = 0
    fresh = True
    for byte in content:
        if fresh and byte == 0x80:
            raise malformed("an object identifier that is longer than needed")
        value = value << 7 | byte & 0x7F
        fresh = not byte & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


_TIMES = {
    UTC_TIME: re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z"),
    GENERALIZED_TIME: re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z"),
}
