"""What a renegotiation beside the charge loop changes: kept apart until the EV has chosen.

The handlers of the main stream settle parameters and schedules in the session. On the side stream the same
handlers run with these groups exchanged for the time of one call, so that nothing they settle counts in the
loop [V2G20-1045]. With the EV's choice they wait for its next ChargeLoopReq [V2G20-1050].
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from secc.session.context import Context
from secc.session.iso20.side import Terms, side


def begin(session: Context) -> None:
    """A new renegotiation starts with what is in force."""
    abandon(session)
    side(session).aside = _read(session)


@contextlib.contextmanager
def aside(session: Context) -> Iterator[None]:
    """Inside, the session has what was negotiated on the side stream so far."""
    room, in_force = side(session), _read(session)
    _write(session, room.aside or in_force)
    try:
        yield
    finally:
        room.aside = _read(session)
        _write(session, in_force)


def choose(session: Context) -> None:
    """The EV has chosen: what was negotiated waits for the next request of the loop."""
    room = side(session)
    room.next_terms, room.aside = room.aside, None


def take_over(session: Context) -> None:
    """In the loop: what the EV has chosen on the side stream is in force from this request on."""
    room = side(session)
    if room.next_terms is not None:
        _write(session, room.next_terms)
        room.next_terms = None


def forget(session: Context) -> None:
    """The side stream closes: what was chosen there and is not in force counts no more either."""
    abandon(session)
    side(session).next_terms = None


def abandon(session: Context) -> None:
    """Nothing that was negotiated on the side stream and not chosen counts any more."""
    side(session).aside = None
    session.schedule_question = None


def _read(session: Context) -> Terms:
    room = side(session)
    return Terms(
        parameters=session.parameters,
        latest_offer=session.latest_offer,
        offer=session.offer,
        per_phase=room.per_phase,
        positive_discharge=room.positive_discharge,
        least_charge=room.least_charge,
        least_discharge=room.least_discharge,
        charge_phases=room.charge_phases,
        discharge_phases=room.discharge_phases,
        prices=room.prices,
    )


def _write(session: Context, terms: Terms) -> None:
    room = side(session)
    session.parameters, session.latest_offer, session.offer = (
        terms.parameters,
        terms.latest_offer,
        terms.offer,
    )
    room.per_phase, room.positive_discharge = terms.per_phase, terms.positive_discharge
    room.least_charge, room.least_discharge = terms.least_charge, terms.least_discharge
    room.charge_phases, room.discharge_phases = terms.charge_phases, terms.discharge_phases
    room.prices = terms.prices
