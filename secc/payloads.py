"""Which schema set a V2GTP payload holds, and in which payload type a message travels.

Nothing in an EXI stream says which schema it follows. In the handshake, ISO 15118-2 and DIN SPEC 70121 the
phase of the connection does; in ISO 15118-20 the payload type does, so it goes with its bytes from the frame
to the codec and back. `Payloads` is the table of one protocol:

| protocol | 8001 | 8002 | 8003 | 8004 | 8010 | 8101 | 8102 |
|---|---|---|---|---|---|---|---|
| handshake | sap | | | | | | |
| ISO 15118-2 | iso2 | | | | | | |
| DIN SPEC 70121 | din | | | | | | |
| ISO 15118-20, AC or DC | (common) | common | AC | DC | | common, energy set | common |
| ISO 15118-20, AC_DER_IEC | (common) | common | | DC | DER | common, DER | common |

* The sets of AC and DC are both read in each session of ISO 15118-20: a message of the wrong one is refused
  by the session in its own paired response. In the wrong payload type a message does not decode.
* 8101 carries ordinary messages of a schedule renegotiation; its ChargeParameterDiscoveryReq belongs to the
  energy set of the session, so that is tried after the common one.
* CommonMessages in 8001 is a leniency: one EV sends CertificateInstallationReq so.
* A type without an entry is not a message of this protocol: the frame is ignored and counted.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping

import msgspec

from secc import exi
from secc.errors import DecodeError, EncodeError
from secc.v2gtp import PayloadType, V2gtpFrame, frame

__all__ = ["DIN", "HANDSHAKE", "ISO2", "Payloads", "decoded", "iso20", "payload_type_of", "schemas_of"]


class Payloads:
    """Payload types and schema sets of one protocol. Codecs are made on first use."""

    __slots__ = ("_codecs", "_homes", "_sets")

    def __init__(self, sets: Mapping[PayloadType, tuple[str, ...]]) -> None:
        """`sets`: names of schema sets by payload type, in the order in which they are tried."""
        self._sets = {int(payload_type): names for payload_type, names in sets.items()}
        self._codecs: dict[int, tuple[exi.Codec, ...]] = {}
        self._homes: dict[type[msgspec.Struct], tuple[exi.Codec, int]] = {}

    @property
    def types(self) -> frozenset[int]:
        """Payload types that hold messages of this protocol."""
        return frozenset(self._sets)

    def decode(self, taken: V2gtpFrame) -> msgspec.Struct:
        """The message in a frame of one of `types`.

        Raises DecodeError: where several sets were tried, that of the one that fits best.
        """
        codecs = self._codecs.get(taken.payload_type) or self._load(taken.payload_type)
        message: msgspec.Struct
        failures: list[DecodeError] = []
        for codec in codecs:
            try:
                message = codec.decode(taken.payload)
            except DecodeError as error:
                failures.append(error)
            else:
                return message
        raise max(failures, key=lambda failure: failure.bit_offset)

    def encode(self, message: msgspec.Struct, payload_type: int | None = None) -> bytes:
        """The V2GTP frame of a message: its class chooses the schema set and the payload type.

        `payload_type` is given on side streams, where ordinary messages travel in another type. Raises
        EncodeError.
        """
        codec, usual = self._homes.get(type(message)) or self._home(type(message))
        return frame(codec.encode(message), usual if payload_type is None else payload_type)

    def type_of(self, message: msgspec.Struct) -> int:
        """The payload type in which a message travels on the main stream. Raises EncodeError."""
        return (self._homes.get(type(message)) or self._home(type(message)))[1]

    def _load(self, payload_type: int) -> tuple[exi.Codec, ...]:
        codecs = tuple(exi.codec(name) for name in self._sets[payload_type])
        self._codecs[payload_type] = codecs
        return codecs

    def _home(self, kind: type[msgspec.Struct]) -> tuple[exi.Codec, int]:
        module = kind.__module__.rpartition(".")[2]
        for payload_type, names in self._sets.items():
            if exi.SCHEMAS[names[0]] == module:
                return self._homes.setdefault(kind, (exi.codec(names[0]), payload_type))
        raise EncodeError(f"{kind.__name__} is not a message of this protocol")


HANDSHAKE = Payloads({PayloadType.EXI: ("sap",)})
"""supportedAppProtocol."""

ISO2 = Payloads({PayloadType.EXI: ("iso2",)})
"""ISO 15118-2."""

DIN = Payloads({PayloadType.EXI: ("din",)})
"""DIN SPEC 70121."""


@functools.cache
def iso20(energy: str, *, common_in_8001: bool = True) -> Payloads:
    """ISO 15118-20 in a session of the energy set `energy`, `iso20-ac`, `iso20-dc` or `iso20-ac-der-iec`.

    `common_in_8001`: CommonMessages are read in 0x8001 too.
    """
    sets: dict[PayloadType, tuple[str, ...]] = {
        PayloadType.ISO20_COMMON: ("iso20-common",),
        PayloadType.ISO20_AC: ("iso20-ac",),
        PayloadType.ISO20_DC: ("iso20-dc",),
        PayloadType.ISO20_SCHEDULE: ("iso20-common", energy),
        PayloadType.ISO20_METERING: ("iso20-common",),
    }
    if energy == "iso20-ac-der-iec":  # its messages have the names of those of AC, which do not come here
        sets[PayloadType.ISO20_AC_DER_IEC] = (energy,)
        del sets[PayloadType.ISO20_AC]
    if common_in_8001:
        sets[PayloadType.EXI] = ("iso20-common",)
    return Payloads(sets)


# --- without a session --------------------------------------------------------------------------------------


def schemas_of(payload_type: int, *, handshake: bool | None = None) -> tuple[str, ...]:
    """Schema sets that a payload of this type may have when nothing is known of its session, in the order of
    trial; empty for a type without EXI.

    `handshake`: whether it belongs to the handshake; None: not known.
    """
    if payload_type == PayloadType.EXI:
        return {True: ("sap",), False: ("iso2", "din", "iso20-common"), None: ("sap", "iso2", "din")}[
            handshake
        ]
    return _SCHEMAS.get(payload_type, ())


_SCHEMAS: dict[int, tuple[str, ...]] = {
    PayloadType.ISO20_COMMON: ("iso20-common",),
    PayloadType.ISO20_AC: ("iso20-ac",),
    PayloadType.ISO20_DC: ("iso20-dc",),
    PayloadType.ISO20_ACDP: ("iso20-acdp",),
    PayloadType.ISO20_WPT: ("iso20-wpt",),
    PayloadType.ISO20_AC_DER_IEC: ("iso20-ac-der-iec",),
    PayloadType.ISO20_AC_DER_SAE: ("iso20-ac-der-sae",),
    PayloadType.ISO20_SCHEDULE: ("iso20-common", "iso20-ac", "iso20-dc", "iso20-ac-der-iec"),
    PayloadType.ISO20_METERING: ("iso20-common",),
}


def payload_type_of(schema: str) -> PayloadType:
    """The payload type in which documents of a schema set travel."""
    for payload_type, names in _SCHEMAS.items():
        if names[0] == schema:
            return PayloadType(payload_type)
    return PayloadType.EXI


def decoded(taken: V2gtpFrame, *, handshake: bool) -> msgspec.Struct | None:
    """The message in a frame of a recording; None when it is none of `schemas_of`.

    Documents of ISO 15118-2 and DIN SPEC 70121 begin with different codes, so one is not read as the other.
    """
    for name in schemas_of(taken.payload_type, handshake=handshake):
        with contextlib.suppress(DecodeError):
            message: msgspec.Struct = exi.codec(name).decode(taken.payload)
            return message
    return None
