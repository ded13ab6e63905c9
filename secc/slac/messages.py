"""The management messages (MMEs) of HomePlug Green PHY that ISO 15118-3 uses, without the header.

Fields with a single valid value (application and security type, response type, the zero identifiers) are
checked during parsing, so an object with an invalid value cannot exist. Run ids and addresses are checked by
the matching, which knows them. Numbers are integers; addresses, run ids and keys are bytes; times are in
100 ms steps as on the wire. `secc.slac.frames` handles the header and the dispatch.
"""

import dataclasses
import struct
from typing import Any, ClassVar, Self

from secc.errors import FramingError
from secc.settings.slac import Deviation

__all__ = [
    "AmpMapCnf",
    "AmpMapReq",
    "AttenCharInd",
    "AttenCharRsp",
    "AttenProfileInd",
    "BROADCAST",
    "GROUPS",
    "Message",
    "MnbcSoundInd",
    "SetKeyCnf",
    "SetKeyReq",
    "SlacMatchCnf",
    "SlacMatchReq",
    "SlacParmCnf",
    "SlacParmReq",
    "StartAttenCharInd",
    "ValidateCnf",
    "ValidateReq",
]

BROADCAST = b"\xff" * 6
"""Destination address of frames to all stations."""
GROUPS = 58
"""Carrier groups of an attenuation profile."""

_ZEROS_17 = bytes(17)


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """Base class of the management messages."""

    mmtype: ClassVar[int]
    mmv: ClassVar[int] = 1
    also_mmv: ClassVar[int | None] = None
    """Another MME version in use for this message."""
    longest_tail: ClassVar[int] = 256
    """Bytes that may follow the message: some stations send arrays for 255 groups."""
    unicast: ClassVar[bool] = False
    """Refused when sent to the broadcast address."""
    layout: ClassVar[struct.Struct]

    @property
    def deviation(self) -> Deviation | None:
        """How the message deviates from the standard, if it does and can still be parsed."""
        return None

    @classmethod
    def parse(cls, payload: bytes) -> tuple[Self, int]:
        """Return the message and the number of bytes it takes. Raises FramingError."""
        return cls._read(cls._head(payload)), cls.layout.size

    @classmethod
    def _head(cls, payload: bytes) -> tuple[Any, ...]:
        """Return the values of the layout. Raises FramingError where there are fewer bytes."""
        if len(payload) < cls.layout.size:
            raise FramingError(f"{cls.__name__}: {len(payload)} bytes, expected {cls.layout.size}")
        return cls.layout.unpack_from(payload)

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        return cls(*fields)

    def payload(self) -> bytes:
        """The bytes of the layout, without padding: the fields in their order, unless a message differs."""
        return self.layout.pack(*(getattr(self, one.name) for one in dataclasses.fields(self)))


def _expect(condition: bool, cls: type[Message], what: str) -> None:
    if not condition:
        raise FramingError(f"{cls.__name__}: {what}")


def _expect_types(cls: type[Message], application: object, security: object) -> None:
    _expect(application == 0 and security == 0, cls, "application or security type is not 0")


@dataclasses.dataclass(frozen=True, slots=True)
class SetKeyReq(Message):
    """CM_SET_KEY.REQ: the host sets the key of the logical network in its modem."""

    mmtype = 0x6008
    layout = struct.Struct("<B4s4sBHBB7sB16s")
    nid: bytes
    nmk: bytes = dataclasses.field(repr=False)
    my_nonce: bytes = bytes(4)
    your_nonce: bytes = bytes(4)
    cco_capability: int = 0
    prn: int = 0
    pmn: int = 0

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        key_type, my_nonce, your_nonce, pid, prn, pmn, cco, nid, eks, nmk = fields
        _expect(key_type == 1 and eks == 1, cls, "not a network membership key")
        _expect(pid == 4, cls, f"protocol {pid}, expected 4")
        return cls(nid, nmk, my_nonce, your_nonce, cco, prn, pmn)

    def payload(self) -> bytes:
        nonces = (self.my_nonce, self.your_nonce)
        return self.layout.pack(1, *nonces, 4, self.prn, self.pmn, self.cco_capability, self.nid, 1, self.nmk)


@dataclasses.dataclass(frozen=True, slots=True)
class SetKeyCnf(Message):
    """CM_SET_KEY.CNF: the modem accepted or refused the key."""

    mmtype = 0x6009
    unicast = True
    layout = struct.Struct("<B4s4sBHBB")
    result: int
    """0 or 1. Editions of HomePlug differ on which value means success; modems in the field send 1."""
    my_nonce: bytes = bytes(4)
    your_nonce: bytes = bytes(4)
    pid: int = 4
    prn: int = 0
    pmn: int = 0
    cco_capability: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class SlacParmReq(Message):
    """CM_SLAC_PARM.REQ: an EV searches for stations."""

    mmtype = 0x6064
    layout = struct.Struct("<BB8s")
    run_id: bytes

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        application, security, run_id = fields
        _expect_types(cls, application, security)
        return cls(run_id)

    def payload(self) -> bytes:
        return self.layout.pack(0, 0, self.run_id)


@dataclasses.dataclass(frozen=True, slots=True)
class SlacParmCnf(Message):
    """CM_SLAC_PARM.CNF: parameters of the sounding."""

    mmtype = 0x6065
    unicast = True
    layout = struct.Struct("<6sBBB6sBB8s")
    run_id: bytes
    forwarding_station: bytes
    """The EV's address."""
    sounds: int = 10
    time_out: int = 6
    """TT_EVSE_match_MNBC in steps of 100 ms."""
    target: bytes = BROADCAST

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        target, sounds, time_out, response_type, station, application, security, run_id = fields
        _expect_types(cls, application, security)
        _expect(response_type == 1, cls, "response type is not 1")
        return cls(run_id, station, sounds, time_out, target)

    def payload(self) -> bytes:
        return self.layout.pack(
            self.target, self.sounds, self.time_out, 1, self.forwarding_station, 0, 0, self.run_id
        )


@dataclasses.dataclass(frozen=True, slots=True)
class StartAttenCharInd(Message):
    """CM_START_ATTEN_CHAR.IND: sounds follow."""

    mmtype = 0x606A
    layout = struct.Struct("<BBBBB6s8s")
    run_id: bytes
    forwarding_station: bytes
    """The EV's address."""
    sounds: int = 10
    time_out: int = 6

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        application, security, sounds, time_out, response_type, station, run_id = fields
        _expect_types(cls, application, security)  # [V2G3-A09-41], and what follows
        _expect(sounds != 0 and time_out != 0, cls, "no sounds or no time")
        _expect(response_type == 1, cls, "response type is not 1")
        return cls(run_id, station, sounds, time_out)

    def payload(self) -> bytes:
        return self.layout.pack(0, 0, self.sounds, self.time_out, 1, self.forwarding_station, self.run_id)


@dataclasses.dataclass(frozen=True, slots=True)
class MnbcSoundInd(Message):
    """CM_MNBC_SOUND.IND: one sound, measured by every modem that receives it."""

    mmtype = 0x6076
    layout = struct.Struct("<BB17sB8s8s16s")
    run_id: bytes
    remaining: int
    random: bytes = bytes(16)
    sender_id: bytes = _ZEROS_17
    """Ignored: test tools send arbitrary values."""
    reserved: bytes = bytes(8)

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        application, security, sender_id, remaining, run_id, reserved, random = fields
        _expect_types(cls, application, security)
        return cls(run_id, remaining, random, sender_id, reserved)

    def payload(self) -> bytes:
        return self.layout.pack(0, 0, self.sender_id, self.remaining, self.run_id, self.reserved, self.random)


@dataclasses.dataclass(frozen=True, slots=True)
class AttenProfileInd(Message):
    """CM_ATTEN_PROFILE.IND: the station's modem reports its measurement of one sound."""

    mmtype = 0x6086
    layout = struct.Struct("<6sBB")
    pev_mac: bytes
    profile: bytes
    """dB per carrier group, at most 58; empty when the modem cannot measure."""
    reserved: int = 0

    @classmethod
    def parse(cls, payload: bytes) -> tuple[Self, int]:
        pev_mac, groups, reserved = cls._head(payload)
        _expect(groups <= GROUPS, cls, f"{groups} groups")
        end = cls.layout.size + groups
        _expect(len(payload) >= end, cls, "fewer bytes than groups")
        return cls(pev_mac, payload[cls.layout.size : end], reserved), end

    def payload(self) -> bytes:
        return self.layout.pack(self.pev_mac, len(self.profile), self.reserved) + self.profile


@dataclasses.dataclass(frozen=True, slots=True)
class AttenCharInd(Message):
    """CM_ATTEN_CHAR.IND: the average measured by this station."""

    mmtype = 0x606E
    unicast = True
    layout = struct.Struct("<BB6s8s17s17sBB58s")
    source_address: bytes
    """The EV's address."""
    run_id: bytes
    sounds: int
    """How many profiles were averaged."""
    profile: bytes
    """dB per carrier group, 58 of them on the wire."""
    groups: int = GROUPS

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        application, security, source, run_id, source_id, responder_id, sounds, groups, profile = fields
        _expect_types(cls, application, security)
        _expect(source_id == _ZEROS_17 and responder_id == _ZEROS_17, cls, "an identifier is not zero")
        return cls(source, run_id, sounds, profile, groups)

    def payload(self) -> bytes:
        ids = (_ZEROS_17, _ZEROS_17)
        return self.layout.pack(
            0, 0, self.source_address, self.run_id, *ids, self.sounds, self.groups, self.profile
        )


@dataclasses.dataclass(frozen=True, slots=True)
class AttenCharRsp(Message):
    """CM_ATTEN_CHAR.RSP: the EV confirms the average."""

    mmtype = 0x606F
    unicast = True
    layout = struct.Struct("<BB6s8s17s17sB")
    source_address: bytes
    """The EV's address."""
    run_id: bytes
    source_id: bytes = _ZEROS_17
    responder_id: bytes = _ZEROS_17

    @property
    def deviation(self) -> Deviation | None:
        plain = self.source_id == self.responder_id == _ZEROS_17
        return None if plain else Deviation.IDENTIFIERS

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        application, security, source, run_id, source_id, responder_id, result = fields
        _expect_types(cls, application, security)  # [V2G3-A09-47], and what follows
        _expect(result == 0, cls, f"result {result}")
        return cls(source, run_id, source_id, responder_id)

    def payload(self) -> bytes:
        ids = (self.source_id, self.responder_id)
        return self.layout.pack(0, 0, self.source_address, self.run_id, *ids, 0)


@dataclasses.dataclass(frozen=True, slots=True)
class ValidateReq(Message):
    """CM_VALIDATE.REQ: the EV asks to prove with its control pilot that it is on this cable."""

    mmtype = 0x6078
    unicast = True
    layout = struct.Struct("<BBB")
    signal_type: int
    timer: int
    """0 in step 1; in step 2 the window is (timer + 1) x 100 ms."""
    result: int


@dataclasses.dataclass(frozen=True, slots=True)
class ValidateCnf(Message):
    """CM_VALIDATE.CNF: answer of the station."""

    mmtype = 0x6079
    unicast = True
    layout = struct.Struct("<BBB")
    signal_type: int
    toggles: int
    result: int

    NOT_READY: ClassVar[int] = 0
    READY: ClassVar[int] = 1
    SUCCESS: ClassVar[int] = 2
    FAILURE: ClassVar[int] = 3
    NOT_REQUIRED: ClassVar[int] = 4


@dataclasses.dataclass(frozen=True, slots=True)
class SlacMatchReq(Message):
    """CM_SLAC_MATCH.REQ: the EV chooses this station and requests the key."""

    mmtype = 0x607C
    unicast = True
    layout = struct.Struct("<BBH17s6s17s6s8s8s")
    pev_mac: bytes
    evse_mac: bytes
    run_id: bytes
    reserved: bytes = bytes(8)
    pev_id: bytes = _ZEROS_17
    evse_id: bytes = _ZEROS_17

    @property
    def deviation(self) -> Deviation | None:
        plain = self.pev_id == self.evse_id == _ZEROS_17
        return None if plain else Deviation.IDENTIFIERS

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        application, security, length, pev_id, pev_mac, evse_id, evse_mac, run_id, reserved = fields
        _expect_types(cls, application, security)  # [V2G3-A09-98], and what follows
        _expect(length == 0x3E, cls, f"length {length}, expected 62")
        return cls(pev_mac, evse_mac, run_id, reserved, pev_id, evse_id)

    def payload(self) -> bytes:
        macs = (self.pev_id, self.pev_mac, self.evse_id, self.evse_mac)
        return self.layout.pack(0, 0, 0x3E, *macs, self.run_id, self.reserved)


@dataclasses.dataclass(frozen=True, slots=True)
class SlacMatchCnf(Message):
    """CM_SLAC_MATCH.CNF: the key of the logical network. Must never be logged."""

    mmtype = 0x607D
    unicast = True
    layout = struct.Struct("<BBH17s6s17s6s8s8s7sB16s")
    pev_mac: bytes
    evse_mac: bytes
    run_id: bytes
    nid: bytes
    nmk: bytes = dataclasses.field(repr=False)
    pev_id: bytes = _ZEROS_17
    """As in the request."""
    evse_id: bytes = _ZEROS_17

    @property
    def deviation(self) -> Deviation | None:
        plain = self.pev_id == self.evse_id == _ZEROS_17
        return None if plain else Deviation.IDENTIFIERS

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        application, security, length, pev_id, pev_mac, evse_id, evse_mac, run_id, *tail = fields
        _expect_types(cls, application, security)  # [V2G3-A09-95], and what follows
        _expect(length == 0x56, cls, f"length {length}, expected 86")
        reserved, nid, gap, nmk = tail
        _expect(reserved == bytes(8) and gap == 0, cls, "a reserved field is not zero")
        return cls(pev_mac, evse_mac, run_id, nid, nmk, pev_id, evse_id)

    def payload(self) -> bytes:
        macs = (self.pev_id, self.pev_mac, self.evse_id, self.evse_mac)
        return self.layout.pack(0, 0, 0x56, *macs, self.run_id, bytes(8), self.nid, 0, self.nmk)


@dataclasses.dataclass(frozen=True, slots=True)
class AmpMapReq(Message):
    """CM_AMP_MAP.REQ: limit the transmit power per carrier."""

    mmtype = 0x601C
    also_mmv = 2  # the version of HomePlug AV2; both are in use
    unicast = True
    layout = struct.Struct("<H")
    carriers: int
    data: bytes
    """4 bits per carrier: attenuation step."""

    CARRIERS: ClassVar[int] = 917
    """Carriers of HomePlug Green PHY in ISO 15118."""

    @classmethod
    def without_limit(cls) -> Self:
        """Full power on every carrier."""
        return cls(cls.CARRIERS, bytes((cls.CARRIERS + 1) // 2))

    @classmethod
    def parse(cls, payload: bytes) -> tuple[Self, int]:
        (carriers,) = cls._head(payload)
        _expect(carriers != 0, cls, "no carriers")
        end = cls.layout.size + (carriers + 1) // 2
        _expect(len(payload) >= end, cls, "fewer bytes than carriers")  # CVE-2024-26003 was here
        return cls(carriers, payload[cls.layout.size : end]), end

    def payload(self) -> bytes:
        return self.layout.pack(self.carriers) + self.data


@dataclasses.dataclass(frozen=True, slots=True)
class AmpMapCnf(Message):
    """CM_AMP_MAP.CNF: answer to a power limit."""

    mmtype = 0x601D
    also_mmv = 2
    unicast = True
    layout = struct.Struct("<B")
    result: int
    """0 accepted, 1 refused."""
