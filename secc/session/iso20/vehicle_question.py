"""The question whether the certificate of the vehicle is revoked, and the answer."""

from __future__ import annotations

import msgspec

from secc.pki.revocation import RevocationStatus
from secc.session.ticket import Ticket


class VehicleQuestion(msgspec.Struct, frozen=True):
    """Asked at SessionSetup."""

    ticket: Ticket
    status: RevocationStatus | None = None
    """None until it is known, or the time for it is over."""
    detail: str = ""
