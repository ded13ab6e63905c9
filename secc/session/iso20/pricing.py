"""Prices in ScheduleExchange: the question to the back end, and what of its answer is sent.

Only where the EV has selected a parameter set with prices. The back end is asked after the schedules are
known, so that it prices what is offered; meanwhile the answer is Ongoing. Prices that are late, in another
form than the EV has selected, or too long for it are left out, and the session goes on: a schedule without
prices is complete.
"""

from __future__ import annotations

from typing import Any

import msgspec

from secc.errors import SignatureError
from secc.messages.xmldsig import Signature
from secc.pki.signed_prices import price_signature
from secc.session.context import Context
from secc.session.inputs import PricesOffered
from secc.session.iso20 import price_schedules
from secc.session.iso20.side import PriceQuestion, PricesSent, Tariff, selection, side
from secc.session.outputs import AskPrices, NoticeKind, OfferChosen, OfferSent
from secc.session.prices import PriceNeed, PriceOffer, Prices, TuplePrices
from secc.session.quantities import number
from secc.session.schedules import PowerSchedule
from secc.session.states import Stage, Timer


def settled(session: Context, schedules: tuple[PowerSchedule, ...], *, end: int, points: int) -> bool:
    """Whether the prices of these schedules are known, or will not come; else the back end is asked, once.

    `end`: seconds from now that the prices must cover. `points`: entries that the EV can store.
    """
    room, pricing = side(session), selection(session).parameters.pricing
    if pricing is None:
        room.prices = msgspec.structs.replace(room.prices, priced=None)
        return True
    question = room.prices.question
    if question is None:
        question = PriceQuestion(session.names.ticket())
        room.prices = msgspec.structs.replace(room.prices, question=question)
        need = PriceNeed(
            pricing=pricing,
            schedules=schedules,
            end=end,
            max_entries=points,
            discharge=number(session.may_discharge),
        )
        session.emit(AskPrices(question.ticket, need))
        session.timers.start_once(Timer.CHARGE_PARAMETERS, session.now, session.config.iso20.schedules)
        return False
    answer = question.answer
    if answer is None and Timer.CHARGE_PARAMETERS not in session.timers.expired:
        return False
    if answer is None:
        session.notice(NoticeKind.IGNORED, "prices are left out: the back end has not answered in time")
    offer = None if answer is None else answer.offer
    found = None if offer is None else _fitting(session, offer, points)
    room.prices = msgspec.structs.replace(room.prices, question=None, priced=found)
    return True


def answered(session: Context, event: PricesOffered) -> Stage:
    """Keep the prices for the EV's next request."""
    room = side(session)
    question = room.prices.question
    if question is None or event.ticket != question.ticket or question.answer is not None:
        session.notice(NoticeKind.STALE, f"prices for {event.ticket}")
    else:
        question = msgspec.structs.replace(question, answer=event)
        room.prices = msgspec.structs.replace(room.prices, question=question)
    return session.state


# --- what fits ---------------------------------------------------------------------------------------------


def _fitting(session: Context, offer: PriceOffer, points: int) -> PriceOffer | None:
    """The offer without what the EV cannot use; signed ones all or none, as one signature covers them."""
    try:
        if offer.signed:
            price_signature(offer.signature or b"", tuple(one.exi for one in offer.signed))
        kept = tuple(_tuple(session, one, points) for one in offer.prices)
    except SignatureError as error:
        session.notice(NoticeKind.IGNORED, f"prices are left out: {error}")
        return None
    found = msgspec.structs.replace(offer, prices=kept)
    if len(found.signed) not in (0, len(offer.signed)):
        session.notice(NoticeKind.IGNORED, "prices are left out: one signature covers all, and not all fit")
        return None
    return found


def _tuple(session: Context, prices: TuplePrices, points: int) -> TuplePrices:
    back = prices.discharging if session.may_discharge else None
    return msgspec.structs.replace(
        prices,
        charging=_one(session, prices.charging, points),
        discharging=_one(session, back, points),
    )


def _one(session: Context, prices: Prices | None, points: int) -> Prices | None:
    if prices is None:
        return None
    wanted, form = selection(session).parameters.pricing, price_schedules.pricing_of(prices)
    entries = price_schedules.entries_of(prices, 2**32)
    if form is not wanted:
        why = f"{form.value} prices, the EV has selected {'none' if wanted is None else wanted.value}"
    elif entries > points:
        why = f"they have {entries} entries, the EV stores {points}"
    else:
        return prices
    session.notice(NoticeKind.IGNORED, f"prices are left out: {why}")
    return None


def signature(session: Context) -> Signature | None:
    """The Signature of the mobility operator for the header of the response, where prices are signed."""
    offer = side(session).prices.priced
    if offer is None or offer.signature is None or not offer.signed:
        return None
    return price_signature(offer.signature, tuple(one.exi for one in offer.signed))


# Any: one of two fields of the message.
def of_dynamic_mode(session: Context, *, anchor: int, end: int) -> dict[str, Any]:
    """The price schedule of Dynamic mode as an element of the response; none without prices."""
    offer = side(session).prices.priced
    prices = None if offer is None else offer.of(None).charging
    if prices is None:
        return {}
    return price_schedules.element(price_schedules.written(prices, anchor=anchor, end=end))


# --- what was sent, and what was chosen --------------------------------------------------------------------


def sent(session: Context, schedules: tuple[PowerSchedule, ...], anchor: int) -> None:
    """Record what the EV was offered, if it was priced; it counts from now. `anchor`: TimeAnchor."""
    room = side(session)
    offer = room.prices.priced
    if offer is None:
        room.prices = msgspec.structs.replace(room.prices, sent=None)
        return
    room.prices = msgspec.structs.replace(room.prices, sent=PricesSent(offer, session.now, anchor))
    discharge = number(session.may_discharge)
    session.emit(OfferSent(schedules, offer.prices, discharge, signed=bool(offer.signed)))


def chosen(session: Context, schedule_id: int | None) -> None:
    """The EV follows this schedule from now on, or the station in Dynamic mode (None), at its prices."""
    room = side(session)
    found = room.prices.sent
    tariff = None if found is None else Tariff(found.offer.of(schedule_id), found.at, found.anchor)
    room.prices = msgspec.structs.replace(room.prices, tariff=tariff)
    if tariff is not None:
        session.emit(OfferChosen(schedule_id, tariff.prices))
