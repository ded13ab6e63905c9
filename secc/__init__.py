"""Charging-station side (SECC) of ISO 15118-2.

The names here are what every program needs. The rest is public in its module: `secc.station.station.Station`
runs an outlet, `secc.ports` says what you implement, `secc.connection` is the same without sockets,
`secc.exi` and `secc.messages` are the codec, `secc.pki` the certificates, `secc.sim` the simulation.
"""

from secc.errors import (
    CertificateError,
    ChainError,
    CodecError,
    ConfigError,
    DecodeError,
    EncodeError,
    FramingError,
    IdentifierError,
    IntegrationError,
    InUseError,
    LinkError,
    SeccError,
    SignatureError,
)
from secc.settings import SeccConfig, load

__all__ = [
    "SeccConfig",
    "load",
    "SeccError",
    "ConfigError",
    "FramingError",
    "CodecError",
    "DecodeError",
    "EncodeError",
    "CertificateError",
    "ChainError",
    "SignatureError",
    "IdentifierError",
    "IntegrationError",
    "InUseError",
    "LinkError",
]
