"""The reservation of the outlet (OCPP H01 to H04). Pure."""

from __future__ import annotations

import msgspec

from secc.ocpp.authorising import same
from secc.ocpp.model import ConnectorStatus, IdToken


class Reservation(msgspec.Struct, frozen=True):
    """Who may charge here until when."""

    id: int
    token: IdToken
    until: float
    """Unix seconds."""
    group: str = ""


class Reservations:
    """The reservation of one outlet, at most one."""

    def __init__(self) -> None:
        self.present: Reservation | None = None

    def reserve(self, wanted: Reservation, status: ConnectorStatus, now: float) -> str:
        """Reserve the outlet, or replace the reservation with the same id.

        Returns Accepted, Occupied, Faulted, Unavailable or Rejected.
        """
        if wanted.until <= now:
            return "Rejected"
        if self.present is not None and self.present.id != wanted.id and self.present.until > now:
            return "Occupied"
        match status:
            case ConnectorStatus.FAULTED:
                return "Faulted"
            case ConnectorStatus.UNAVAILABLE:
                return "Unavailable"
            case ConnectorStatus.AVAILABLE | ConnectorStatus.RESERVED:
                self.present = wanted
                return "Accepted"
        return "Occupied"

    def cancel(self, id_: int) -> str:
        """Cancel a reservation; returns Accepted or Rejected."""
        if self.present is None or self.present.id != id_:
            return "Rejected"
        self.present = None
        return "Accepted"

    def admits(self, token: IdToken, group: str, now: float) -> bool:
        """Return whether this token, or its group, may charge now."""
        held = self.present
        if held is None or held.until <= now:
            return True
        if same(held.token.text, token.text):
            return True
        return bool(held.group and group) and same(held.group, group)

    def used(self, token: IdToken, group: str, now: float) -> int | None:
        """End the reservation that this token uses; returns its id."""
        held = self.present
        if held is None or not self.admits(token, group, now):
            return None
        self.present = None
        return held.id

    def ended(self, status: ConnectorStatus, now: float) -> tuple[int, str] | None:
        """End the reservation that has expired, or that the outlet cannot keep.

        Returns its id, and Expired or Removed.
        """
        held = self.present
        if held is None:
            return None
        if held.until <= now:
            self.present = None
            return held.id, "Expired"
        if status in (ConnectorStatus.FAULTED, ConnectorStatus.UNAVAILABLE):
            self.present = None
            return held.id, "Removed"
        return None
