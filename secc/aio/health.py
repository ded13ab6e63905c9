"""What a station says about itself to a supervisor."""

import dataclasses

from secc.aio.discovery import DiscoveryHealth
from secc.aio.hardware import Hardware
from secc.pki.expiry import Expiry


@dataclasses.dataclass(frozen=True, slots=True)
class StationHealth:
    """What a supervisor wants to know."""

    serving: bool
    """A car that is plugged in now could begin a session."""
    reason: str
    """Why not; empty while serving."""
    discovery: DiscoveryHealth
    in_session: bool
    blocked: bool
    """A serious fault waits for `reset_fault` and an unplugged cable [INV-30]."""
    ends_soon: tuple[Expiry, ...] = ()
    """Certificates that end soon, or have ended."""
    loop_lag: float = 0.0
    """Seconds, the longest delay of the event loop in about the last minute. More than `timing.lease` less
    `timing.lease_renewal` ends a session."""


def health_of(
    problem: str,
    discovery: DiscoveryHealth,
    hardware: Hardware,
    *,
    in_session: bool,
    ends_soon: tuple[Expiry, ...],
) -> StationHealth:
    """Put together from the parts of a station; `problem` keeps it from serving."""
    latch = hardware.latch
    blocked = f"fault not reset: {latch.reason}" if latch.blocked else ""
    return StationHealth(
        serving=not problem and discovery.listening and not latch.blocked,
        reason=problem or discovery.reason or blocked,
        discovery=discovery,
        in_session=in_session,
        blocked=latch.blocked,
        ends_soon=ends_soon,
        loop_lag=hardware.lag.worst,
    )
