"""The management messages (MMEs) of HomePlug Green PHY that ISO 15118-3 uses: what lies behind the header.

Fields that have one lawful value (application and security type, response type, the zero identifiers) are
checked while a message is read, so no object of a message with a wrong one exists. What only a running
matching can know (run, addresses) is checked there. Numbers are integers, addresses, run ids and keys are
bytes, times are as on the wire (100 ms steps). The header and the dispatch are in `secc.slac.frames`.
"""

import dataclasses
import struct
from typing import Any, ClassVar, Self

from secc.errors import FramingError
from secc.settings.slac import Deviation

BROADCAST = b"\xff" * 6
"""Everybody on the power line."""
GROUPS = 58
"""Carrier groups of an attenuation profile."""

_ZEROS_17 = bytes(17)


class Message:
    """One management message; the base of all of them."""

    __slots__ = ()
    mmtype: ClassVar[int]
    mmv: ClassVar[int] = 1
    also_mmv: ClassVar[int | None] = None
    """Another version in which it is sent."""
    longest_tail: ClassVar[int] = 256
    """Bytes that may follow it: some stations send arrays for 255 groups."""
    unicast: ClassVar[bool] = False
    """Refused when it was sent to everybody."""
    layout: ClassVar[struct.Struct]

    @property
    def deviation(self) -> Deviation | None:
        """How it deviates, when it can be read all the same."""
        return None

    @classmethod
    def parse(cls, payload: bytes) -> tuple[Self, int]:
        """Message and the number of bytes it took; FramingError when they are not such a message."""
        if len(payload) < cls.layout.size:
            raise FramingError(f"{cls.__name__}: {len(payload)} bytes, expected {cls.layout.size}")
        return cls._read(cls.layout.unpack_from(payload)), cls.layout.size

    @classmethod
    def _read(cls, fields: tuple[Any, ...]) -> Self:
        return cls(*fields)

    def payload(self) -> bytes:
        """The bytes of the layout, without padding."""
        raise NotImplementedError


def _expect(condition: bool, cls: type[Message], what: str) -> None:
    if not condition:
        raise FramingError(f"{cls.__name__}: {what}")


def _expect_types(cls: type[Message], application: object, security: object) -> None:
    _expect(application == 0 and security == 0, cls, "application or security type is not 0")


@dataclasses.dataclass(frozen=True, slots=True)
class SetKeyReq(Message):
    """CM_SET_KEY.REQ: the host tells its own modem the key of the logical network."""

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
    """CM_SET_KEY.CNF: the modem has taken the key, or not."""

    mmtype = 0x6009
    unicast = True
    layout = struct.Struct("<B4s4sBHBB")
    result: int
    """0 or 1; the editions of HomePlug differ on which of them is success, modems in the field say 1."""
    my_nonce: bytes = bytes(4)
    your_nonce: bytes = bytes(4)
    pid: int = 4
    prn: int = 0
    pmn: int = 0
    cco_capability: int = 0

    def payload(self) -> bytes:
        nonces = (self.my_nonce, self.your_nonce)
        return self.layout.pack(self.result, *nonces, self.pid, self.prn, self.pmn, self.cco_capability)


@dataclasses.dataclass(frozen=True, slots=True)
class SlacParmReq(Message):
    """CM_SLAC_PARM.REQ: an EV looks for stations."""

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
    """CM_SLAC_PARM.CNF: how this station wants the sounding to be done."""

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
    """CM_START_ATTEN_CHAR.IND: sounds are about to come."""

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
    """CM_MNBC_SOUND.IND: one sound, to be measured by every modem that hears it."""

    mmtype = 0x6076
    layout = struct.Struct("<BB17sB8s8s16s")
    run_id: bytes
    remaining: int
    random: bytes = bytes(16)
    sender_id: bytes = _ZEROS_17
    """Not looked at: test tools write what they like."""
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
    """CM_ATTEN_PROFILE.IND: the own modem tells what it measured of one sound."""

    mmtype = 0x6086
    layout = struct.Struct("<6sBB")
    pev_mac: bytes
    profile: bytes
    """dB per carrier group, at most 58; empty when the modem cannot measure."""
    reserved: int = 0

    @classmethod
    def parse(cls, payload: bytes) -> tuple[Self, int]:
        if len(payload) < cls.layout.size:
            raise FramingError(f"{cls.__name__}: {len(payload)} bytes, expected {cls.layout.size}")
        pev_mac, groups, reserved = cls.layout.unpack_from(payload)
        _expect(groups <= GROUPS, cls, f"{groups} groups")
        end = cls.layout.size + groups
        _expect(len(payload) >= end, cls, "fewer bytes than groups")
        return cls(pev_mac, payload[cls.layout.size : end], reserved), end

    def payload(self) -> bytes:
        return self.layout.pack(self.pev_mac, len(self.profile), self.reserved) + self.profile


@dataclasses.dataclass(frozen=True, slots=True)
class AttenCharInd(Message):
    """CM_ATTEN_CHAR.IND: the average that this station measured."""

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
    """CM_ATTEN_CHAR.RSP: the EV has got the average."""

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
    """CM_VALIDATE.REQ: the EV wants to show by its control pilot that it is the one on this cable."""

    mmtype = 0x6078
    unicast = True
    layout = struct.Struct("<BBB")
    signal_type: int
    timer: int
    """0 in step 1; in step 2 the window is (timer + 1) x 100 ms."""
    result: int

    def payload(self) -> bytes:
        return self.layout.pack(self.signal_type, self.timer, self.result)


@dataclasses.dataclass(frozen=True, slots=True)
class ValidateCnf(Message):
    """CM_VALIDATE.CNF: what the station says to that."""

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

    def payload(self) -> bytes:
        return self.layout.pack(self.signal_type, self.toggles, self.result)


@dataclasses.dataclass(frozen=True, slots=True)
class SlacMatchReq(Message):
    """CM_SLAC_MATCH.REQ: the EV has chosen this station and asks for the key."""

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
    """CM_SLAC_MATCH.CNF: the key of the logical network. Never to be logged."""

    mmtype = 0x607D
    unicast = True
    layout = struct.Struct("<BBH17s6s17s6s8s8s7sB16s")
    pev_mac: bytes
    evse_mac: bytes
    run_id: bytes
    nid: bytes
    nmk: bytes = dataclasses.field(repr=False)
    pev_id: bytes = _ZEROS_17
    """Of the request."""
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
    """CM_AMP_MAP.REQ: limit the transmit power carrier by carrier."""

    mmtype = 0x601C
    also_mmv = 2  # HomePlug AV2 moved it there; both are in use
    unicast = True
    layout = struct.Struct("<H")
    carriers: int
    data: bytes
    """4 bits per carrier: attenuation step."""

    CARRIERS: ClassVar[int] = 917
    """Of HomePlug Green PHY as ISO 15118 uses it."""

    @classmethod
    def without_limit(cls) -> Self:
        """Full power on every carrier."""
        return cls(cls.CARRIERS, bytes((cls.CARRIERS + 1) // 2))

    @classmethod
    def parse(cls, payload: bytes) -> tuple[Self, int]:
        if len(payload) < cls.layout.size:
            raise FramingError(f"{cls.__name__}: {len(payload)} bytes, expected {cls.layout.size}")
        (carriers,) = cls.layout.unpack_from(payload)
        _expect(carriers != 0, cls, "no carriers")
        end = cls.layout.size + (carriers + 1) // 2
        _expect(len(payload) >= end, cls, "fewer bytes than carriers")  # CVE-2024-26003 was here
        return cls(carriers, payload[cls.layout.size : end]), end

    def payload(self) -> bytes:
        return self.layout.pack(self.carriers) + self.data


@dataclasses.dataclass(frozen=True, slots=True)
class AmpMapCnf(Message):
    """CM_AMP_MAP.CNF."""

    mmtype = 0x601D
    also_mmv = 2
    unicast = True
    layout = struct.Struct("<B")
    result: int
    """0 accepted, 1 refused."""

    def payload(self) -> bytes:
        return self.layout.pack(self.result)
