"""What a station says about itself to a supervisor."""

import dataclasses

from secc.aio.discovery import DiscoveryHealth
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
