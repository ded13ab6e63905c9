"""TLS of ISO 15118-2 and ISO 15118-20, without sockets: bytes in, bytes out.

`TlsContext` holds certificates and settings, its `engine()` serves one connection, `PlainEngine` is
the engine without TLS.
"""

from secc.tls.clock import Clock, utc_now
from secc.tls.context import TlsContext
from secc.tls.credentials import CredentialFiles, Credentials
from secc.tls.engine import OpenSslEngine, PlainEngine, TlsEngine, TlsProgress
from secc.tls.hello import ClientHello, IdentifierType, TrustedAuthority
from secc.tls.peers import verify_station_chain
from secc.tls.serving import ClientPolicy, Iso20Policy
from secc.tls.staples import Staple

__all__ = [
    # making engines
    "TlsContext",
    "CredentialFiles",
    "Credentials",
    "ClientPolicy",
    "Iso20Policy",
    # one connection
    "TlsEngine",
    "OpenSslEngine",
    "PlainEngine",
    "TlsProgress",
    # what an EV says
    "TrustedAuthority",
    "ClientHello",
    "IdentifierType",
    # time and checks
    "Clock",
    "utc_now",
    "Staple",
    "verify_station_chain",
]
