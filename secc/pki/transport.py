"""The connection of a session: its TLS version and the verified identity of the vehicle.

ISO 15118-20 requires TLS 1.3 with authentication of both sides [V2G20-1235] [V2G20-1264]. This is checked at
two independent places: when a protocol is selected (`secc.sap` must not select it [V2G20-2356]) and when a
session is set up. Both use `Transport.carries_iso20`.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secc.pki.vehicle import VehicleIdentity

__all__ = ["TlsVersion", "Transport"]


class TlsVersion(enum.StrEnum):
    """The negotiated TLS version."""

    TLS_1_2 = "TLS 1.2"
    TLS_1_3 = "TLS 1.3"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """One connection, after its handshake. `Transport()` is TCP without TLS."""

    version: TlsVersion | None = None
    """None without TLS."""
    vehicle: VehicleIdentity | None = None
    """The verified client certificate; None without one."""
    laboratory: bool = False
    """`iso20.insecure_lab`: ISO 15118-20 is allowed on any transport."""

    @property
    def secure(self) -> bool:
        """The connection is encrypted: required for Plug and Charge in ISO 15118-2 [V2G2-632]."""
        return self.version is not None

    @property
    def mutual(self) -> bool:
        """TLS 1.3 with a verified vehicle certificate, as ISO 15118-20 requires [V2G20-1264]."""
        vehicle = self.vehicle is not None and self.vehicle.is_vehicle
        return self.version is TlsVersion.TLS_1_3 and vehicle

    @property
    def carries_iso20(self) -> bool:
        """ISO 15118-20 is allowed on this connection [V2G20-1237] [V2G20-2356]."""
        return self.mutual or self.laboratory
