"""Messages specific to modem makers: identity, firmware version and link status.

Matching does not depend on them; they add link detection and names. Supported are Qualcomm (QCA7000 family)
and Lumissil (CG5317 family). Messages with the identifier (OUI) of another maker are ignored.
"""

import dataclasses
import enum
import struct
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from secc.errors import FramingError
from secc.slac.messages import Message

__all__ = [
    "KINDS",
    "LinkStatusCnf",
    "LinkStatusReq",
    "LumissilLinkCnf",
    "LumissilLinkReq",
    "LumissilResetReq",
    "LumissilVersionCnf",
    "LumissilVersionReq",
    "Network",
    "NetworkInfoCnf",
    "NetworkInfoReq",
    "OperationAttributesCnf",
    "OperationAttributesReq",
    "RestartCnf",
    "RestartReq",
    "SoftwareVersionCnf",
    "SoftwareVersionReq",
    "Vendor",
    "VendorMessage",
]

QUALCOMM_OUI = bytes.fromhex("00b052")
LUMISSIL_OUI = bytes.fromhex("0016e8")


class Vendor(enum.StrEnum):
    """Supported makers of modems."""

    QUALCOMM = "qualcomm"
    LUMISSIL = "lumissil"


class VendorMessage(Message):
    """A message that starts with the identifier of a maker."""

    __slots__ = ()
    oui: ClassVar[bytes] = QUALCOMM_OUI
    mmv: ClassVar[int] = 0

    @classmethod
    def matches(cls, body: bytes, mmv: int) -> bool:
        """Whether version and identifier are those of the maker."""
        return mmv in (cls.mmv, cls.also_mmv) and body[:3] == cls.oui


class _Plain(VendorMessage):
    """A message with only the identifier."""

    __slots__ = ()
    layout = struct.Struct("<3s")

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        return cls()

    def payload(self) -> bytes:
        return self.oui


@dataclasses.dataclass(frozen=True, slots=True)
class LinkStatusReq(_Plain):
    """VS_PL_LINK_STATUS.REQ: request the link status."""

    mmtype = 0xA0B8


@dataclasses.dataclass(frozen=True, slots=True)
class LinkStatusCnf(VendorMessage):
    """VS_PL_LINK_STATUS.CNF: the link status."""

    mmtype = 0xA0B9
    layout = struct.Struct("<3sBB")
    status: int
    """0: the answer is valid."""
    link: int
    """1: another station is associated."""

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        _, status, link = fields
        return cls(status, link)

    def payload(self) -> bytes:
        return self.layout.pack(self.oui, self.status, self.link)


@dataclasses.dataclass(frozen=True, slots=True)
class SoftwareVersionReq(_Plain):
    """VS_SW_VER.REQ: request the name of the firmware."""

    mmtype = 0xA000


@dataclasses.dataclass(frozen=True, slots=True)
class SoftwareVersionCnf(VendorMessage):
    """VS_SW_VER.CNF: the name of the firmware. Modems send 297 bytes for every length of the name."""

    mmtype = 0xA001
    longest_tail = 300
    layout = struct.Struct("<3sBBB")
    status: int
    device: int
    version: bytes
    """Text as received."""

    @classmethod
    def parse(cls, payload: bytes) -> tuple[Self, int]:
        _, status, device, length = cls._head(payload)
        end = cls.layout.size + length
        if len(payload) < end:
            raise FramingError(f"{cls.__name__}: fewer bytes than announced")
        return cls(status, device, payload[cls.layout.size : end]), end

    @property
    def text(self) -> str:
        """The version as printable text."""
        return _printable(self.version)

    def payload(self) -> bytes:
        return self.layout.pack(self.oui, self.status, self.device, len(self.version)) + self.version


@dataclasses.dataclass(frozen=True, slots=True)
class OperationAttributesReq(VendorMessage):
    """VS_OP_ATTR.REQ: request names of hardware and firmware."""

    mmtype = 0xA068
    layout = struct.Struct("<3sIB")
    cookie: int
    report: int = 0
    """0: the answer is binary."""

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        return cls(*fields[1:])

    def payload(self) -> bytes:
        return self.layout.pack(self.oui, self.cookie, self.report)


@dataclasses.dataclass(frozen=True, slots=True)
class OperationAttributesCnf(VendorMessage):
    """VS_OP_ATTR.CNF: names of hardware and firmware; the rest of the report is kept as received.

    A QCA7000 reports 118 bytes and pads the frame with more than a kilobyte of zeros.
    """

    mmtype = 0xA069
    layout = struct.Struct("<3sHIBH")
    longest_tail = 1500
    status: int
    cookie: int
    report: int
    """0: binary, as here."""
    data: bytes

    @classmethod
    def parse(cls, payload: bytes) -> tuple[Self, int]:
        _, status, cookie, report, length = cls._head(payload)
        end = cls.layout.size + length
        if len(payload) < end:
            raise FramingError(f"{cls.__name__}: {len(payload)} bytes, expected {end}")
        return cls(status, cookie, report, payload[cls.layout.size : end]), end

    @property
    def hardware(self) -> str:
        """The printable name of the chip; empty if not reported."""
        return _printable(self.data[:_NAME]) if self.report == 0 else ""

    def payload(self) -> bytes:
        return self.layout.pack(self.oui, self.status, self.cookie, self.report, len(self.data)) + self.data


_NAME = 16  # bytes of a name in the report


@dataclasses.dataclass(frozen=True, slots=True)
class RestartReq(_Plain):
    """VS_RS_DEV.REQ: restart the modem."""

    mmtype = 0xA01C


@dataclasses.dataclass(frozen=True, slots=True)
class RestartCnf(VendorMessage):
    """VS_RS_DEV.CNF: whether the modem restarts."""

    mmtype = 0xA01D
    layout = struct.Struct("<3sB")
    status: int
    """0: it restarts, within the next second."""

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        return cls(fields[1])

    def payload(self) -> bytes:
        return self.layout.pack(self.oui, self.status)


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """A logical network of which the modem is a member."""

    nid: bytes
    tei: int
    role: int
    """2: coordinator."""
    coordinator: bytes
    stations: tuple[bytes, ...]
    """Addresses of the other modems."""


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkInfoReq(_Plain):
    """VS_NW_INFO.REQ: request the networks of the modem."""

    mmtype = 0xA038
    mmv = 1


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkInfoCnf(VendorMessage):
    """VS_NW_INFO.CNF: the networks of the modem and their members."""

    mmtype = 0xA039
    mmv = 1
    layout = struct.Struct("<3sBBH")
    sub_version: int
    reserved: int
    data: bytes

    @classmethod
    def parse(cls, payload: bytes) -> tuple[Self, int]:
        _, sub_version, reserved, length = cls._head(payload)
        end = cls.layout.size + length
        if len(payload) < end:
            raise FramingError(f"{cls.__name__}: fewer bytes than announced")
        return cls(sub_version, reserved, payload[cls.layout.size : end]), end

    @classmethod
    def of(cls, nid: bytes, coordinator: bytes, stations: Sequence[bytes]) -> Self:
        """Answer of a modem without a network, or in one network with these stations."""
        if not stations:
            return cls(0, 0, b"\0\0")
        network = _NETWORK.pack(nid, 1, 2, coordinator, len(stations))
        return cls(0, 0, b"\0\1" + network + b"".join(station.ljust(24, b"\0") for station in stations))

    @property
    def networks(self) -> tuple[Network, ...]:
        """The complete entries in the data."""
        found, at = [], 2
        for _ in range(self.data[1] if len(self.data) > 1 else 0):
            if at + _NETWORK.size > len(self.data):
                break
            nid, tei, role, coordinator, count = _NETWORK.unpack_from(self.data, at)
            at += _NETWORK.size
            stations = [self.data[at + 24 * i : at + 24 * i + 6] for i in range(count)]
            at += 24 * count
            found.append(Network(nid, tei, role, coordinator, tuple(s for s in stations if len(s) == 6)))
        return tuple(found)

    def payload(self) -> bytes:
        return self.layout.pack(self.oui, self.sub_version, self.reserved, len(self.data)) + self.data


_NETWORK = struct.Struct("<7s2xxB4xB6s4xB5x")


class _Lumissil(VendorMessage):
    """Identifier, then a header with version and request id; the rest is reserved."""

    __slots__ = ()
    oui = LUMISSIL_OUI
    also_mmv = 1


@dataclasses.dataclass(frozen=True, slots=True)
class _LumissilReq(_Lumissil):
    layout = struct.Struct("<3sH4sB12s")
    request_id: int = 0
    version: int = 0
    reserved: bytes = bytes(16)

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        _, version, first, request_id, second = fields
        return cls(request_id, version, first + second)

    def payload(self) -> bytes:
        first, second = self.reserved[:4], self.reserved[4:]
        return self.layout.pack(self.oui, self.version, first, self.request_id, second)


@dataclasses.dataclass(frozen=True, slots=True)
class LumissilResetReq(_LumissilReq):
    """NSCM_RESET.REQ: restart the modem; there is no answer."""

    mmtype = 0xAC70


@dataclasses.dataclass(frozen=True, slots=True)
class LumissilVersionReq(_LumissilReq):
    """NSCM_GET_VERSION.REQ: request the version."""

    mmtype = 0xAC6C


@dataclasses.dataclass(frozen=True, slots=True)
class LumissilVersionCnf(_Lumissil):
    """NSCM_GET_VERSION.CNF: the version of the firmware."""

    mmtype = 0xAC6D
    layout = struct.Struct("<3sH4sB12sHHHHH")
    request_id: int = 0
    firmware: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    """Major, minor, sub, build and patch."""
    version: int = 0
    reserved: bytes = bytes(16)

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        _, version, first, request_id, second, major, minor, sub, build, patch = fields
        return cls(request_id, (major, minor, sub, build, patch), version, first + second)

    @property
    def text(self) -> str:
        """The version with points; empty if the modem reports only zeros."""
        return ".".join(str(number) for number in self.firmware) if any(self.firmware) else ""

    def payload(self) -> bytes:
        first, second = self.reserved[:4], self.reserved[4:]
        return self.layout.pack(self.oui, self.version, first, self.request_id, second, *self.firmware)


@dataclasses.dataclass(frozen=True, slots=True)
class LumissilLinkReq(_LumissilReq):
    """NSCM_GET_D_LINK_STATUS.REQ: request the link status."""

    mmtype = 0xAC9C


@dataclasses.dataclass(frozen=True, slots=True)
class LumissilLinkCnf(_Lumissil):
    """NSCM_GET_D_LINK_STATUS.CNF: the link status."""

    mmtype = 0xAC9D
    layout = struct.Struct("<3sH4sB12sB")
    request_id: int
    link: int
    """1: another station is associated."""
    version: int = 0
    reserved: bytes = bytes(16)

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        _, version, first, request_id, second, link = fields
        return cls(request_id, link, version, first + second)

    def payload(self) -> bytes:
        first, second = self.reserved[:4], self.reserved[4:]
        return self.layout.pack(self.oui, self.version, first, self.request_id, second, self.link)


def _printable(data: bytes) -> str:
    text = data.partition(b"\0")[0].rstrip(b"\xff\xcc")
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in text)


KINDS: tuple[type[VendorMessage], ...] = (
    LinkStatusReq,
    LinkStatusCnf,
    SoftwareVersionReq,
    SoftwareVersionCnf,
    OperationAttributesReq,
    OperationAttributesCnf,
    RestartReq,
    RestartCnf,
    NetworkInfoReq,
    NetworkInfoCnf,
    LumissilResetReq,
    LumissilVersionReq,
    LumissilVersionCnf,
    LumissilLinkReq,
    LumissilLinkCnf,
)
"""All messages of this module."""
