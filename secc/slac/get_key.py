"""CM_GET_KEY: ask the station's modem whether it still has the key of the network.

A modem that restarts while no EV is connected, after a drop of its supply for example, has lost the key that
the station has set, and nothing on the power line shows it. A modem that has the key of the named network
answers with result 0 and the key; any other one answers with result 1 and zeros.
"""

import dataclasses
import struct
from typing import Any, Self

from secc.errors import FramingError
from secc.slac.messages import Message

__all__ = ["KINDS", "GetKeyCnf", "GetKeyReq"]

_NMK = 1  # type of key
_PID = 4  # protocol of the higher layers


@dataclasses.dataclass(frozen=True, slots=True)
class GetKeyReq(Message):
    """CM_GET_KEY.REQ: request the key of the network with this identifier."""

    mmtype = 0x600C
    layout = struct.Struct("<BB7s4sBHB")
    nid: bytes
    my_nonce: bytes = bytes(4)
    request_type: int = 0
    """0: direct."""
    prn: int = 0
    pmn: int = 0

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        request_type, key_type, nid, my_nonce, pid, prn, pmn = fields
        _check(cls, key_type, pid)
        return cls(nid, my_nonce, request_type, prn, pmn)

    def payload(self) -> bytes:
        fields = (self.request_type, _NMK, self.nid, self.my_nonce, _PID, self.prn, self.pmn)
        return self.layout.pack(*fields)


@dataclasses.dataclass(frozen=True, slots=True)
class GetKeyCnf(Message):
    """CM_GET_KEY.CNF: the key, from a modem that has it. A QCA7000 pads the frame to 425 bytes."""

    mmtype = 0x600D
    unicast = True
    longest_tail = 400
    layout = struct.Struct("<BB4s4s7sBBHB16s")
    result: int
    """0: the key is there; 1: it is not."""
    nid: bytes
    nmk: bytes = dataclasses.field(repr=False)
    my_nonce: bytes = bytes(4)
    """Of the modem."""
    your_nonce: bytes = bytes(4)
    """That of the request."""
    eks: int = 1
    prn: int = 0
    pmn: int = 0xFF

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        result, key_type, my_nonce, your_nonce, nid, eks, pid, prn, pmn, nmk = fields
        _check(cls, key_type, pid)
        return cls(result, nid, nmk, my_nonce, your_nonce, eks, prn, pmn)

    def payload(self) -> bytes:
        nonces = (self.my_nonce, self.your_nonce)
        rest = (self.nid, self.eks, _PID, self.prn, self.pmn, self.nmk)
        return self.layout.pack(self.result, _NMK, *nonces, *rest)


def _check(cls: type[Message], key_type: int, pid: int) -> None:
    if key_type != _NMK or pid != _PID:
        raise FramingError(f"{cls.__name__}: key type {key_type} and protocol {pid}, expected 1 and 4")


KINDS: tuple[type[Message], ...] = (GetKeyReq, GetKeyCnf)
"""All messages of this module."""
