"""supportedAppProtocol: which protocol is spoken on this connection."""

import dataclasses

from secc.messages.app_protocol import ResponseCode, SupportedAppProtocolReq, SupportedAppProtocolRes


@dataclasses.dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol the station speaks."""

    namespace: str
    major: int
    minor: int


ISO2 = Protocol("urn:iso:15118:2:2013:MsgDef", 2, 0)
"""ISO 15118-2:2014 [V2G2-098]."""

DIN = Protocol("urn:din:70121:2012:MsgDef", 2, 0)
"""DIN SPEC 70121:2012."""


def choose(
    offer: SupportedAppProtocolReq, supported: tuple[Protocol, ...]
) -> tuple[SupportedAppProtocolRes, Protocol | None]:
    """Answer an offer: the answer, and the protocol that is spoken from now on, or None.

    `supported` is what the station offers on this connection, in no order: the EV's ranking decides, 1 is
    highest [V2G2-167] [V2G2-169]. An entry fits when namespace and major version are ours; another minor
    version is told as a deviation [V2G2-098] [V2G2-170]. Where two entries rank the same, the first one
    counts, so that the choice is always the same.
    Nothing fits: Failed_NoNegotiation [V2G2-172].
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
