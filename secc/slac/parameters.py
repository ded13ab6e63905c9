"""Parameters of a Qualcomm modem that a station needs: its role in SLAC and in the network.

A QCA7000 or QCA7005 keeps its configuration in a parameter block (PIB). VS_RD_MOD reads parts of it; the two
bytes used here are those that the open tools of the maker set for a station. Nothing is written. The role of
a Lumissil modem is in its configuration file and cannot be read.
"""

import dataclasses
import enum
import struct
from typing import Any, Self, TypeVar

from secc.errors import FramingError
from secc.slac.vendor import VendorMessage

__all__ = [
    "KINDS",
    "QUESTIONS",
    "CcoMode",
    "ModuleReadCnf",
    "ModuleReadReq",
    "SlacRole",
    "cco_mode",
    "slac_role",
]

_Name = TypeVar("_Name")

PIB = 2
"""Identifier of the parameter block among the modules of a modem."""


class SlacRole(enum.StrEnum):
    """Which side of SLAC the firmware of the modem serves; in the order of the values in the block."""

    OFF = "off"
    EV = "EV"
    EVSE = "EVSE"


class CcoMode(enum.StrEnum):
    """Whether the modem becomes the coordinator (CCo) of its network; a station must be it.

    In the order of the values in the block.
    """

    AUTO = "auto"
    NEVER = "never"
    ALWAYS = "always"
    ASSIGNED = "assigned"


@dataclasses.dataclass(frozen=True, slots=True)
class ModuleReadReq(VendorMessage):
    """VS_RD_MOD.REQ: read a part of a module of the modem."""

    mmtype = 0xA024
    layout = struct.Struct("<3sBBHI16s")
    offset: int
    length: int = 4
    module: int = PIB
    access: int = 0
    secret: bytes = bytes(16)

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        _, module, access, length, offset, secret = fields
        return cls(offset, length, module, access, secret)

    def payload(self) -> bytes:
        return self.layout.pack(self.oui, self.module, self.access, self.length, self.offset, self.secret)


@dataclasses.dataclass(frozen=True, slots=True)
class ModuleReadCnf(VendorMessage):
    """VS_RD_MOD.CNF: a part of a module of the modem."""

    mmtype = 0xA025
    longest_tail = 1500
    layout = struct.Struct("<3sB3sBBHII")
    status: int
    """0: the data are valid."""
    offset: int
    data: bytes = dataclasses.field(repr=False)
    """May contain keys; the station reads only parts that do not."""
    module: int = PIB
    checksum: int = 0
    reserved: bytes = bytes(4)

    @classmethod
    def parse(cls, payload: bytes) -> tuple[Self, int]:
        _, status, first, module, second, length, offset, checksum = cls._head(payload)
        end = cls.layout.size + length
        if len(payload) < end:
            raise FramingError(f"{cls.__name__}: {len(payload)} bytes, expected {end}")
        data = payload[cls.layout.size : end]
        return cls(status, offset, data, module, checksum, first + bytes((second,))), end

    def payload(self) -> bytes:
        first, second = self.reserved[:3], self.reserved[3]
        head = (self.oui, self.status, first, self.module, second, len(self.data), self.offset, self.checksum)
        return self.layout.pack(*head) + self.data

    def at(self, offset: int) -> int | None:
        """The byte at this offset of the parameter block, if it was read."""
        inside = self.status == 0 and self.module == PIB and 0 <= offset - self.offset < len(self.data)
        return self.data[offset - self.offset] if inside else None


def slac_role(answer: ModuleReadCnf) -> SlacRole | None:
    """The role in SLAC; None if the answer does not contain it."""
    return _named(tuple(SlacRole), answer.at(_SLAC))


def cco_mode(answer: ModuleReadCnf) -> CcoMode | None:
    """The mode of the coordinator; None if the answer does not contain it."""
    return _named(tuple(CcoMode), answer.at(_CCO))


def _named(names: tuple[_Name, ...], value: int | None) -> _Name | None:
    return names[value] if value is not None and value < len(names) else None


_CCO = 0xF4
_SLAC = 0x1653
QUESTIONS = (ModuleReadReq(_CCO), ModuleReadReq(_SLAC & ~3))
"""The requests for both parameters."""

KINDS: tuple[type[VendorMessage], ...] = (ModuleReadReq, ModuleReadCnf)
"""All messages of this module."""
