"""The health of a station, for a supervisor."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from secc.station.discovery import DiscoveryHealth
from secc.station.hardware import Hardware

if TYPE_CHECKING:
    from secc.pki.expiry import Expiry

__all__ = ["ReportHealth", "StationHealth", "health_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class ReportHealth:
    """One of the destinations of a station's reports. None of them decides whether it serves."""

    name: str
    """`output`, `log`, `journal` or `trace`."""
    problem: str
    """Why it does not keep up or cannot be written; empty without a problem."""
    waiting: int
    """Items in memory that are not out yet."""
    dropped: int
    """Items that are lost, since the start."""


@dataclasses.dataclass(frozen=True, slots=True)
class StationHealth:
    """Whether a station serves, and what needs attention."""

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
    warnings: tuple[str, ...] = ()
    """Items that need attention and do not keep the station from serving: OCSP responses that cannot be
    stapled, a loop that is late."""
    reports: tuple[ReportHealth, ...] = ()
    """The state of output, log, journal and trace, if the station has them; separate from `serving`."""
    iso20_problem: str | None = None
    """Why TLS 1.3 of ISO 15118-20 is not offered now; empty while it is, None where it is not configured."""


def health_of(
    problem: str,
    discovery: DiscoveryHealth,
    hardware: Hardware,
    *,
    in_session: bool,
    ends_soon: tuple[Expiry, ...],
    warnings: tuple[str, ...],
    reports: tuple[ReportHealth, ...],
    iso20_problem: str | None,
) -> StationHealth:
    """Assembled from the parts of a station; `problem` keeps it from serving."""
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
        warnings=(*warnings, *hardware.lag.warnings),
        reports=reports,
        iso20_problem=iso20_problem,
    )
