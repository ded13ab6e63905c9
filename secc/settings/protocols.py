"""The protocols a station offers."""

import enum

__all__ = ["ProtocolName"]


class ProtocolName(enum.StrEnum):
    """Protocols that a station can speak."""

    ISO15118_2 = "iso15118-2"
    ISO15118_20 = "iso15118-20"
    """ISO 15118-20: on mutual TLS 1.3 only; `[iso20] insecure_lab` is the exception for laboratories."""
    DIN70121 = "din70121"
    """DIN SPEC 70121: DC with external payment, never over TLS [V2G-DC-869]."""
