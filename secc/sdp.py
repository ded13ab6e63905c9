"""SDP: the EV discovers address and port of the station (UDP, before TCP).

The EV sends a request to ff02::1 port 15118 [V2G2-139] [V2G2-125]; the station answers each valid request,
including repeats and requests during a session [V2G2-144]. It answers to the source address and from the
receiving port [V2G2-151]. Every other datagram is counted and ignored.

`SdpResponder` decides; `secc.station.discovery` holds the socket. Answers:

    EV asks    policy OFF    OPTIONAL, TLS loaded   OPTIONAL, not loaded   REQUIRED
    TLS        no TLS        TLS                    no TLS                 TLS
    no TLS     no TLS        no TLS                 no TLS                 TLS (or silence, by setting)

[V2G2-626] [V2G2-627]. A REQUIRED station without a usable TLS endpoint does not answer: no action of a peer
and no failure of the station leads to an offer without TLS. The EV decides whether it accepts the offer
[V2G2-628].
"""

import enum
import struct
from collections import Counter, OrderedDict
from collections.abc import Mapping
from ipaddress import IPv6Address

import msgspec

from secc.errors import FramingError
from secc.settings.tls import TlsPolicy
from secc.v2gtp import PayloadType, frame, split_datagram

__all__ = [
    "Endpoint",
    "SDP_GROUP",
    "SDP_PORT",
    "SdpRequest",
    "SdpResponder",
    "SdpResponse",
    "Security",
    "Source",
    "SdpTransport",
    "SdpVerdict",
]

SDP_PORT = 15118
"""UDP port of the station [V2G2-125]."""

SDP_GROUP = "ff02::1"
"""All nodes on the link [V2G2-139]."""


class Security(enum.IntEnum):
    """Security byte [V2G2-623]; every other value is reserved."""

    TLS = 0x00
    NONE = 0x10


class SdpTransport(enum.IntEnum):
    """Transport byte [V2G2-623]; every other value is reserved, UDP is named but not usable."""

    TCP = 0x00
    UDP = 0x10


class SdpRequest(msgspec.Struct, frozen=True):
    """Request of an EV."""

    security: Security = Security.TLS
    transport: SdpTransport = SdpTransport.TCP

    def to_bytes(self) -> bytes:
        """The whole datagram."""
        return frame(bytes((self.security, self.transport)), PayloadType.SDP_REQUEST)

    @classmethod
    def parse(cls, datagram: bytes) -> "SdpRequest":
        """Parse a datagram. Raises FramingError if it is not a well-formed request."""
        payload = _payload(datagram, PayloadType.SDP_REQUEST, 2)
        security, transport = _modes(payload[0], payload[1])
        return cls(security, transport)


class SdpResponse(msgspec.Struct, frozen=True):
    """Address, port and security that the station offers."""

    address: IPv6Address
    port: int
    security: Security
    transport: SdpTransport = SdpTransport.TCP

    def to_bytes(self) -> bytes:
        """The whole datagram; fields big endian [V2G2-156]."""
        tail = struct.pack(">HBB", self.port, self.security, self.transport)
        return frame(self.address.packed + tail, PayloadType.SDP_RESPONSE)

    @classmethod
    def parse(cls, datagram: bytes) -> "SdpResponse":
        """Parse a datagram. Raises FramingError if it is not a well-formed response.

        Any port is accepted: some stations announce 15118 or 30000.
        """
        payload = _payload(datagram, PayloadType.SDP_RESPONSE, 20)
        address, port, security_byte, transport_byte = struct.unpack(">16sHBB", payload)
        security, transport = _modes(security_byte, transport_byte)
        return cls(IPv6Address(address), port, security, transport)


class Source(msgspec.Struct, frozen=True):
    """Source of a datagram, as reported by the operating system."""

    address: IPv6Address
    port: int
    scope_id: int = 0
    """Index of the interface; 0 on the loopback interface."""


class Endpoint(msgspec.Struct, frozen=True):
    """The endpoint that the station announces during a setup phase; equal requests get equal answers."""

    address: IPv6Address
    scope_id: int
    plain_port: int | None = None
    tls_port: int | None = None


class SdpVerdict(enum.StrEnum):
    """Result for one datagram; the responder counts them."""

    ANSWERED = "answered"
    MALFORMED = "malformed"
    """Not V2GTP, wrong length, another payload type, or a reserved value [V2G2-152] [V2G2-153]."""
    FOREIGN_RESPONSE = "foreign response"
    """Another device answers SDP on this link: report a security event."""
    TRANSPORT = "transport other than TCP"
    SOURCE = "source not link-local, or this station"
    SCOPE = "source on another interface"
    INACTIVE = "no endpoint"
    """No EV is plugged in, or the setup time has expired."""
    RATE = "rate limit"
    POLICY = "security policy"


class SdpResponder:
    """Decides about each datagram received on UDP port 15118; no sockets, no clock.

    The responder starts inactive and ignores requests until `activate`.
    """

    def __init__(self, policy: TlsPolicy, *, upgrade_plain_requests: bool = True) -> None:
        """`upgrade_plain_requests`: whether REQUIRED answers a request without TLS with a TLS endpoint."""
        self._policy = policy
        self._upgrade = upgrade_plain_requests
        self._endpoint: Endpoint | None = None
        self._limiter = _RateLimiter()
        self._counts: Counter[SdpVerdict] = Counter()

    @property
    def active(self) -> bool:
        """Whether requests are answered."""
        return self._endpoint is not None

    @property
    def counts(self) -> Mapping[SdpVerdict, int]:
        """Number of datagrams for each verdict."""
        return self._counts

    def activate(self, endpoint: Endpoint) -> None:
        """Start answering requests with this endpoint."""
        self._endpoint = endpoint

    def deactivate(self) -> None:
        """Stop answering: before matching, and after the communication setup time [V2G2-723]."""
        self._endpoint = None

    def handle(self, datagram: bytes, source: Source, now: float) -> bytes | None:
        """Return the answer to `source`, or None; `now` is monotonic seconds. Never raises."""
        verdict, answer = self._judge(datagram, source, now)
        self._counts[verdict] += 1
        return answer

    def _judge(self, datagram: bytes, source: Source, now: float) -> tuple[SdpVerdict, bytes | None]:
        try:
            request = SdpRequest.parse(datagram)
        except FramingError:
            if datagram[:4] == _RESPONSE_START and not self._is_own(source):
                return SdpVerdict.FOREIGN_RESPONSE, None
            return SdpVerdict.MALFORMED, None
        if request.transport is not SdpTransport.TCP:
            return SdpVerdict.TRANSPORT, None
        endpoint = self._endpoint
        if endpoint is None:
            return SdpVerdict.INACTIVE, None
        if endpoint.address.is_loopback:
            if not source.address.is_loopback:
                return SdpVerdict.SOURCE, None
        elif not source.address.is_link_local or source.address == endpoint.address:
            return SdpVerdict.SOURCE, None
        elif source.scope_id != endpoint.scope_id:
            return SdpVerdict.SCOPE, None
        if not self._limiter.admit(source.address, now):
            return SdpVerdict.RATE, None
        response = self._respond(request, endpoint)
        if response is None:
            return SdpVerdict.POLICY, None
        return SdpVerdict.ANSWERED, response.to_bytes()

    def _respond(self, request: SdpRequest, endpoint: Endpoint) -> SdpResponse | None:
        security = self._choose(request.security, endpoint)
        port = endpoint.tls_port if security is Security.TLS else endpoint.plain_port
        if security is None or port is None:
            return None
        return SdpResponse(endpoint.address, port, security, request.transport)  # echoed [V2G2-625]

    def _choose(self, asked: Security, endpoint: Endpoint) -> Security | None:
        match self._policy:
            case TlsPolicy.OFF:
                return Security.NONE  # [V2G2-627]
            case TlsPolicy.OPTIONAL:
                return asked if endpoint.tls_port is not None else Security.NONE  # [V2G2-626]
            case TlsPolicy.REQUIRED:
                return Security.TLS if asked is Security.TLS or self._upgrade else None

    def _is_own(self, source: Source) -> bool:
        return self._endpoint is not None and source.address == self._endpoint.address


_RESPONSE_START = bytes.fromhex("01fe9001")


def _payload(datagram: bytes, expected_type: PayloadType, size: int) -> bytes:
    payload_type, payload = split_datagram(datagram)
    if payload_type != expected_type:
        raise FramingError(f"payload type {payload_type:#06x}, expected {expected_type:#06x}")
    if len(payload) != size:
        raise FramingError(f"SDP payload of {len(payload)} bytes, expected {size} [V2G2-153]")
    return payload


def _modes(security: int, transport: int) -> tuple[Security, SdpTransport]:
    try:
        return Security(security), SdpTransport(transport)
    except ValueError:
        raise FramingError(
            f"reserved value: security {security:#04x}, transport {transport:#04x} [V2G2-623]"
        ) from None


class _RateLimiter:
    """Token buckets per source and for the whole interface.

    An EV sends four requests per second [V2G2-159]. A bucket of 10 filled at 10/s permits at most 20 answers
    in any second; the bucket of the interface holds 100.
    """

    def __init__(self) -> None:
        self._interface = _Bucket(50.0, 50.0)
        self._sources: OrderedDict[IPv6Address, _Bucket] = OrderedDict()

    def admit(self, address: IPv6Address, now: float) -> bool:
        bucket = self._sources.pop(address, None) or _Bucket(10.0, 10.0)
        self._sources[address] = bucket
        if len(self._sources) > _MAX_SOURCES:
            self._sources.popitem(last=False)
        return bucket.take(now) and self._interface.take(now)


_MAX_SOURCES = 64  # sources can be forged, so only the latest are kept


class _Bucket:
    __slots__ = ("_at", "_rate", "_size", "_tokens")

    def __init__(self, size: float, rate: float) -> None:
        self._size = size
        self._rate = rate
        self._tokens = size
        self._at: float | None = None

    def take(self, now: float) -> bool:
        if self._at is not None:
            self._tokens = min(self._size, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
