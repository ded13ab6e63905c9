"""supportedAppProtocol: selection of the protocol of a connection.

First `supported` leaves out what the station cannot offer: a protocol that is not configured, that needs
another outlet, or that the transport does not allow. Then `choose` follows the ranking of the EV among the
rest; the station has no preference.
"""

import typing

import msgspec

from secc.messages.app_protocol import ResponseCode, SupportedAppProtocolReq, SupportedAppProtocolRes
from secc.pki.transport import TlsVersion, Transport
from secc.settings.energy import EnergyConfig
from secc.settings.iso20 import Iso20Config
from secc.settings.protocols import ProtocolName

__all__ = [
    "DIN",
    "ISO2",
    "ISO20_AC",
    "ISO20_AC_DER_IEC",
    "ISO20_DC",
    "Offered",
    "Protocol",
    "choose",
    "supported",
]


class Protocol(msgspec.Struct, frozen=True):
    """A protocol that the station supports."""

    namespace: str
    major: int
    minor: int


ISO2 = Protocol("urn:iso:15118:2:2013:MsgDef", 2, 0)
"""ISO 15118-2:2014 [V2G2-098]."""

DIN = Protocol("urn:din:70121:2012:MsgDef", 2, 0)
"""DIN SPEC 70121:2012."""

ISO20_AC = Protocol("urn:iso:std:iso:15118:-20:AC", 1, 0)
"""ISO 15118-20:2022. There is one namespace for each energy family; CommonMessages is never offered."""

ISO20_DC = Protocol("urn:iso:std:iso:15118:-20:DC", 1, 0)
"""DC, and megawatt charging."""


ISO20_AC_DER_IEC = Protocol("urn:iso:std:iso:15118:-20:AC-DER-IEC", 1, 0)
"""AC with rules of the grid, Amendment 1."""


class Offered(typing.Protocol):
    """The settings that decide about protocols, part of `SeccConfig`."""

    @property
    def protocols(self) -> tuple[ProtocolName, ...]: ...
    @property
    def offers_din(self) -> bool: ...
    @property
    def energy(self) -> EnergyConfig: ...
    @property
    def iso20(self) -> Iso20Config: ...


def supported(config: Offered, transport: Transport) -> tuple[Protocol, ...]:
    """Return the protocols that the station supports on this connection, in no order.

    DIN SPEC 70121: DC with external payment, never over TLS [V2G-DC-869]. ISO 15118-20: the energy family of
    the outlet, on a transport that allows it [V2G20-1237] [V2G20-2356]. ISO 15118-2: on every transport, on
    TLS 1.3 by `iso20.iso2_over_tls13`.
    """
    found = []
    tls13 = transport.version is TlsVersion.TLS_1_3
    if ProtocolName.ISO15118_2 in config.protocols and (config.iso20.iso2_over_tls13 or not tls13):
        found.append(ISO2)
    if config.offers_din and not transport.secure:
        found.append(DIN)
    if ProtocolName.ISO15118_20 in config.protocols and transport.carries_iso20:
        found += [ISO20_AC] if config.energy.offers_ac else []
        found += [ISO20_AC_DER_IEC] if config.energy.offers_ac and config.iso20.der else []
        found += [ISO20_DC] if config.energy.offers_dc else []
    return tuple(found)


def choose(
    offer: SupportedAppProtocolReq, supported: tuple[Protocol, ...]
) -> tuple[SupportedAppProtocolRes, Protocol | None]:
    """Return the answer to an offer, and the selected protocol, or None.

    `supported` is what the station offers on this connection, in no order: the ranking of the EV decides, 1
    is highest [V2G2-167] [V2G2-169] [V2G20-167] [V2G20-169]. An entry matches if namespace and major version
    are the same; another minor version is reported as a deviation [V2G2-098] [V2G2-170]. Of entries with the
    same rank the first one counts, so that the selection is deterministic. Without a match:
    Failed_NoNegotiation [V2G2-172].
    """
    for entry in sorted(offer.app_protocol, key=lambda entry: entry.priority):
        for protocol in supported:
            if (entry.protocol_namespace, entry.version_number_major) == (protocol.namespace, protocol.major):
                code = (
                    ResponseCode.OK_SUCCESSFUL_NEGOTIATION
                    if entry.version_number_minor == protocol.minor
                    else ResponseCode.OK_SUCCESSFUL_NEGOTIATION_WITH_MINOR_DEVIATION
                )
                return SupportedAppProtocolRes(response_code=code, schema_id=entry.schema_id), protocol
    return SupportedAppProtocolRes(response_code=ResponseCode.FAILED_NO_NEGOTIATION), None
