"""What a paused session of ISO 15118-20 leaves to the next one."""

from __future__ import annotations

import msgspec

from secc.session.agreed import ContractPayer
from secc.session.context import Agreed
from secc.session.iso20.side import Iso20Side, Selection, ServiceOffer


class Kept(msgspec.Struct, frozen=True):
    """Services as they were offered and selected [V2G20-1644] [V2G20-1956]."""

    dc: bool
    der: bool
    offer: ServiceOffer | None
    selection: Selection | None
    payer: ContractPayer | None = None
    """The contract that pays; its authorization holds in the continued session [V2G20-1844]."""
    last_energy: int | None = None
    """Wh on the meter where a grant without the back end ends."""


def kept(session: Agreed) -> tuple[bytes, Kept | None]:
    """What ties the session to its vehicle, and its services. Without a vehicle certificate nothing ties it,
    so nothing can continue it [V2G20-2630] [V2G20-2633]."""
    room, vehicle = session.room, session.vehicle
    if vehicle is None or not isinstance(room, Iso20Side):
        return b"", None
    pnc = session.pnc
    left = Kept(room.dc, room.der, room.offer, room.selection, pnc.payer, pnc.last_energy)
    return vehicle.binding(session.session_id), left
