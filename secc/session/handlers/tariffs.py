"""Sales tariffs on their way to the EV: untouched, with the signature of the mobility operator [V2G2-905].

The operator signs each tariff; the signature stands in the header of ChargeParameterDiscoveryRes with one
reference per tariff. The station has no key for it and changes nothing: tariffs whose signature would not fit
are left out, all of them, as a signature over some is a signature over none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secc.config import TariffPolicy
from secc.messages.xmldsig import Signature
from secc.session.events import NoticeKind, ScheduleOffer

if TYPE_CHECKING:
    from secc.session.machine import Session


def accompanied(session: Session, offer: ScheduleOffer) -> tuple[bool, Signature | None]:
    """Whether the tariffs of an offer go with it, and the signature for the header."""
    tariffs = [schedule.tariff for schedule in offer.schedules if schedule.tariff is not None]
    policy = session.config.pnc.sales_tariffs
    if not tariffs or policy is TariffPolicy.NONE:
        return False, None
    if not session.tls:
        session.notice(NoticeKind.IGNORED, "sales tariffs are left out without TLS")
        return False, None
    signature = offer.tariff_signature
    if signature is not None:
        signed = sorted(reference.uri or "" for reference in signature.signed_info.reference)
        if signed == sorted(f"#{tariff.id}" for tariff in tariffs):
            return True, signature
        session.notice(NoticeKind.IGNORED, f"sales tariffs are left out: signed are {signed}")
        return False, None
    if policy is TariffPolicy.ANY:
        return True, None
    session.notice(NoticeKind.IGNORED, "sales tariffs are left out: not signed")
    return False, None
