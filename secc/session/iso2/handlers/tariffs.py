"""Sales tariffs on their way to the EV: untouched, with the signature of the mobility operator [V2G2-905].

The operator signs each tariff; the signature is in the header of ChargeParameterDiscoveryRes with one
reference per tariff. The station has no key for it and changes nothing: tariffs whose signature would not fit
are left out, all of them, as a signature over some is a signature over none.

A tariff counts its intervals from the offer. When a paused session goes on, some of it is over, and what is
left must be counted again: the station does that where nothing is signed, else it asks the back end for a
newly signed tariff, and offers the schedule without one when there is none.
"""

from __future__ import annotations

from secc.messages.iso2 import RelativeTimeInterval, SalesTariff, SalesTariffEntry
from secc.messages.xmldsig import Signature
from secc.session.context import Context
from secc.session.outputs import NoticeKind
from secc.session.schedules import PowerSchedule, ScheduleOffer
from secc.settings.pnc import TariffPolicy


def accompanied(session: Context, offer: ScheduleOffer) -> tuple[bool, Signature | None]:
    """Whether the tariffs of an offer go with it, and the signature for the header."""
    tariffs = [tariff for tariff in map(of, offer.schedules) if tariff is not None]
    policy = session.config.pnc.sales_tariffs
    if not tariffs or policy is TariffPolicy.NONE:
        return False, None
    if not session.tls:
        session.notice(NoticeKind.IGNORED, "sales tariffs are left out without TLS")
        return False, None
    most = 1024 if session.parameters is None else session.parameters.max_steps
    if any(
        len(tariff.sales_tariff_entry) > most for tariff in tariffs
    ):  # what is signed must not be shortened
        session.notice(NoticeKind.IGNORED, f"sales tariffs are left out: the EV stores {most} entries")
        return False, None
    signature = offer.tariff_signature
    if isinstance(signature, Signature):
        signed = _signed(signature)
        if signed == sorted(f"#{tariff.id}" for tariff in tariffs):
            return True, signature
        session.notice(NoticeKind.IGNORED, f"sales tariffs are left out: signed are {signed}")
        return False, None
    if policy is TariffPolicy.ANY:
        return True, None
    session.notice(NoticeKind.IGNORED, "sales tariffs are left out: not signed")
    return False, None


def continued(
    schedule: PowerSchedule, before: ScheduleOffer, gone: int
) -> tuple[SalesTariff | None, Signature | None]:
    """The tariff of a schedule `gone` seconds after it was offered, with the signature where that still fits.

    None where the rest of a signed tariff would need a new signature.
    """
    tariff, signature = of(schedule), before.tariff_signature
    rest = None if tariff is None else _rest(tariff, gone)
    if not isinstance(signature, Signature) or rest is None:
        return rest, None
    fits = rest == tariff and _signed(signature) == [f"#{rest.id}"]
    return (rest, signature) if fits else (None, None)


def of(schedule: PowerSchedule) -> SalesTariff | None:
    """The tariff of a schedule, where it is one of ISO 15118-2."""
    return schedule.tariff if isinstance(schedule.tariff, SalesTariff) else None


def _signed(signature: Signature) -> list[str]:
    return sorted(reference.uri or "" for reference in signature.signed_info.reference)


def _rest(tariff: SalesTariff, gone: int) -> SalesTariff | None:
    """What is left of it, counted from now; None when nothing is."""
    entries: list[SalesTariffEntry] = []
    for entry in tariff.sales_tariff_entry:
        start, length = entry.time_interval.start - gone, entry.time_interval.duration
        if start <= 0:
            entries.clear()  # the one before is over
            length = None if length is None else length + start
            if length is not None and length <= 0:
                continue
        entries.append(
            SalesTariffEntry(
                time_interval=RelativeTimeInterval(start=max(start, 0), duration=length),
                e_price_level=entry.e_price_level,
                consumption_cost=entry.consumption_cost,
            )
        )
    if not entries:
        return None
    return SalesTariff(
        id=tariff.id,
        sales_tariff_id=tariff.sales_tariff_id,
        sales_tariff_description=tariff.sales_tariff_description,
        num_e_price_levels=tariff.num_e_price_levels,
        sales_tariff_entry=tuple(entries),
    )
