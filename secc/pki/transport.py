"""The connection below a session: which TLS version it has, and who the vehicle has proved to be.

ISO 15118-20 is spoken in TLS 1.3 with both sides authenticated, and in nothing less [V2G20-1235]
[V2G20-1264]. That is checked at two places that do not know each other: when a protocol is chosen (`secc.sap`
must not select it [V2G20-2356]) and when a session is set up. Both ask `Transport.carries_iso20`.
"""

from __future__ import annotations

import dataclasses
import enum

from secc.pki.vehicle import VehicleIdentity


class TlsVersion(enum.StrEnum):
    """The version a handshake has agreed on."""

    TLS_1_2 = "TLS 1.2"
    TLS_1_3 = "TLS 1.3"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """One connection, after its handshake. `Transport()` is TCP without TLS."""

    version: TlsVersion | None = None
    """None without TLS."""
    vehicle: VehicleIdentity | None = None
    """The verified client certificate; None where there is none."""
    laboratory: bool = False
    """`iso20.insecure_lab`: ISO 15118-20 is spoken whatever the transport is."""

    @property
    def secure(self) -> bool:
        """The bytes are protected: Plug and Charge of ISO 15118-2 needs it [V2G2-632]."""
        return self.version is not None

    @property
    def mutual(self) -> bool:
        """TLS 1.3, and the vehicle has proved to be one: what ISO 15118-20 asks for [V2G20-1264]."""
        vehicle = self.vehicle is not None and self.vehicle.is_vehicle
        return self.version is TlsVersion.TLS_1_3 and vehicle

    @property
    def carries_iso20(self) -> bool:
        """ISO 15118-20 may be spoken on it [V2G20-1237] [V2G20-2356]."""
        return self.mutual or self.laboratory
