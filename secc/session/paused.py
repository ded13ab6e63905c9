"""What a paused session leaves to the next one."""

import msgspec

from secc.session.schedules import Offer
from secc.session.service_events import ChosenService
from secc.settings.energy import EnergyMode
from secc.settings.services import Payment

__all__ = ["PausedSession"]


class PausedSession(msgspec.Struct, frozen=True):
    """What is kept of a session that the EV has paused [V2G2-741]."""

    session_id: bytes
    offer: Offer | None
    """The schedule that was followed; None when the EV paused before there was one."""
    emaid: str = ""
    """Normal form of the contract that paid; a continued session must show the same [V2G2-754]."""
    payment: Payment | None = None
    """The payment option in use: the only one that is offered again. None when none was chosen."""
    mode: EnergyMode | None = None
    """The energy transfer mode in use, likewise."""
    services: tuple[ChosenService, ...] = ()
    """The services chosen besides charging, with their parameter sets, likewise once there was a choice."""
    binding: bytes = b""
    """What ties it to its vehicle, ISO 15118-20; empty in the other protocols."""
    room: object | None = None
    """What only its protocol has."""
    departure_at: float | None = None
    """Monotonic seconds of the departure that the EV has announced; None without one."""
