"""The Python side under a coverage-guided fuzzer: ``python tools/fuzz/binding.py [folder]``.

Needs the extra ``fuzz`` (atheris). The first byte of an input chooses: a stream for a codec, or octets
for the frame assembler of V2GTP. A codec gives a message, which can be encoded and read again, or raises
`DecodeError`; nothing else may leave it.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["secc"]):
    from secc import exi
    from secc.errors import DecodeError, FramingError
    from secc.v2gtp import ISO20_TYPES, FrameAssembler, V2gtpFrame

CODECS = [exi.codec(name) for name in exi.SCHEMAS]


def one(data: bytes) -> None:
    """One input."""
    if not data:
        return
    choice, rest = data[0] >> 1, data[1:]
    if choice == len(CODECS):
        frames(rest)
        return
    codec = CODECS[choice % len(CODECS)]
    try:
        if data[0] & 1:
            name, value = codec.decode_fragment(rest)
            stream = codec.encode_fragment(name, value)
            assert codec.encode_fragment(*codec.decode_fragment(stream)) == stream
        else:
            stream = codec.encode(codec.decode(rest))
            assert codec.encode(codec.decode(stream)) == stream
    except DecodeError:
        pass


def frames(data: bytes) -> None:
    """Octets as they come from a connection, whole and in two pieces: the same payloads and the same end."""
    whole = _feed(data)
    middle = len(data) // 2
    assert _feed(data[:middle], data[middle:]) == whole


def _feed(*pieces: bytes) -> tuple[list[V2gtpFrame], bool]:
    """The frames, and whether the connection must be closed behind them."""
    assembler, found = FrameAssembler(more=ISO20_TYPES), list[V2gtpFrame]()
    for piece in pieces:
        try:
            found += assembler.feed(piece)
        except FramingError:
            break
    return found, assembler.error is not None


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
