"""What a renegotiation beside the charge loop changes: kept apart until the EV has chosen.

The handlers of the main stream settle parameters and schedules in the session. On the side stream the same
handlers run with these groups exchanged for the time of one call, so that nothing they settle counts in the
loop [V2G20-1045]. With the EV's choice they wait for its next ChargeLoopReq [V2G20-1050].
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec

from secc.messages.iso20_common import DisplayParameters
from secc.session import loop, output
from secc.session.context import Context
from secc.session.iso20 import battery, discharge
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
        discharge.update(session)


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
        discharge.update(session)


def shown(session: Context, display: DisplayParameters | None, mode: object) -> None:
    """What the EV says about its battery in the loop; it is later than what it has said beside the loop."""
    room = side(session)
    room.battery = battery.seen(room.battery, display, mode)
    if room.aside is not None:
        told = battery.seen(room.aside.battery, display, mode)
        room.aside = msgspec.structs.replace(room.aside, battery=told)


def closed(session: Context) -> None:
    """The side stream closes with the loop. What the EV has chosen there was answered OK: where the energy
    transfer goes on, or stands by, it counts from now on. What was not chosen counts no more."""
    abandon(session)
    room = side(session)
    if session.energised is None and not room.resting:
        room.next_terms = None
    elif room.next_terms is not None:
        take_over(session)
        narrow(session)


def narrow(session: Context) -> None:
    """The current that flows, within the limits that the EV has named now; wider ones wait for its demand."""
    energised, found = session.energised, session.parameters
    if energised is None or energised.demand is None or found is None:
        return
    before, now = energised.demand.limits, found.limits
    narrower = msgspec.structs.replace(
        loop.lowered(before, now.voltage, now.current, now.power),
        discharge_power=min(before.discharge_power, now.discharge_power),
        discharge_current=min(before.discharge_current, now.discharge_current),
        lowest_voltage=max(before.lowest_voltage, now.lowest_voltage),
    )
    output.deliver(session, energised.purpose, msgspec.structs.replace(energised.demand, limits=narrower))


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
        battery=room.battery,
        ev_reactive=room.grid.ev_reactive,
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
    room.prices, room.battery = terms.prices, terms.battery
    if room.grid.ev_reactive != terms.ev_reactive:
        room.grid = msgspec.structs.replace(room.grid, ev_reactive=terms.ev_reactive)
