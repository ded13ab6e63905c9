"""TLS of ISO 15118-2 and ISO 15118-20, without sockets: bytes in, bytes out.

`TlsContext` holds certificates and settings, its `engine()` serves one connection, `PlainEngine` is
the engine without TLS.
"""

from typing import TYPE_CHECKING

from secc._lazy import loaded_on_use

if TYPE_CHECKING:
    from secc.tls import binding as binding
    from secc.tls import credentials as credentials
    from secc.tls.clock import Clock, utc_now
    from secc.tls.context import TlsContext
    from secc.tls.credentials import CredentialFiles, Credentials
    from secc.tls.engine import OpenSslEngine
    from secc.tls.hello import ClientHello, IdentifierType, TrustedAuthority
    from secc.tls.peers import verify_station_chain
    from secc.tls.plain import PlainEngine, TlsEngine, TlsProgress
    from secc.tls.serving import ClientPolicy, Iso20Policy
    from secc.tls.staples import Staple

_HOMES = {
    "clock": (
        "Clock",
        "utc_now",
    ),
    "context": ("TlsContext",),
    "credentials": (
        "CredentialFiles",
        "Credentials",
    ),
    "engine": ("OpenSslEngine",),
    "hello": (
        "ClientHello",
        "IdentifierType",
        "TrustedAuthority",
    ),
    "plain": (
        "PlainEngine",
        "TlsEngine",
        "TlsProgress",
    ),
    "peers": ("verify_station_chain",),
    "serving": (
        "ClientPolicy",
        "Iso20Policy",
    ),
    "staples": ("Staple",),
}

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

if not TYPE_CHECKING:  # a type checker knows the names above and reports others
    __getattr__, __dir__ = loaded_on_use(__name__, _HOMES, modules=("binding", "credentials"))
