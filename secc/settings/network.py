"""Settings of sockets: `[network]` in the station's file."""

import dataclasses

from secc.settings.checks import Settings, check

__all__ = ["NetworkConfig"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig(Settings, section="network"):
    """Sockets, and limits on the data that a peer can make the station hold."""

    tcp_port: int = 0
    """Port for plain TCP; 0: a free port in 49152..65535, chosen at each start."""
    tls_port: int = 0
    """Port for TLS; 0 as above."""
    max_payload: int = 8192
    """Bytes of one V2GTP payload, at most 65536; the largest request of ISO 15118-2 has about 4.3 KiB."""
    max_pending: int = 8
    """Connections that may wait beside the running session; a new one replaces the oldest idle one."""

    def _check(self) -> None:
        for name in ("tcp_port", "tls_port"):
            check(0 <= getattr(self, name) <= 65535, f"network.{name}", "0..65535")
        check(64 <= self.max_payload <= 65536, "network.max_payload", "64..65536 bytes")
        check(1 <= self.max_pending <= 64, "network.max_pending", "1..64")
