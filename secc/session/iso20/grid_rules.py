"""The grid in a session of AC_DER_IEC: its rules, its set-points, the events that the EV reports.

The rules are asked for when the session begins, and fixed with the services: parameter sets must not change
in a session. Without rules the EV may not feed the grid. Set-points of the grid operator are bounded by the
limits of outlet and EV.
"""

from __future__ import annotations

import math

import msgspec

from secc.messages import iso20_ac_der_iec as m
from secc.session.context import Context
from secc.session.grid import GridTargets
from secc.session.inputs import GridCodeChanged, GridCodeGiven, GridTargeted
from secc.session.iso20 import discharge, numbers
from secc.session.iso20.side import side
from secc.session.outputs import AskGridCode, GridEventSeen, NoticeKind, SetReactivePower
from secc.session.quantities import milli, number

_EVENT_GAP = 1.0  # s between two reports: a condition that flutters must not flood the back end


def ask(session: Context) -> None:
    """Ask for the rules, once in a session of AC_DER_IEC."""
    room = side(session)
    if room.der and room.grid.ticket is None:
        ticket = session.names.ticket()
        room.grid = msgspec.structs.replace(room.grid, ticket=ticket)
        session.emit(AskGridCode(ticket))


def given(session: Context, event: GridCodeGiven) -> None:
    """The rules are there, or there are none. The first answer counts, for services that have not been
    offered yet."""
    room = side(session)
    if event.ticket != room.grid.ticket or room.grid.answered or room.offer is not None:
        session.notice(NoticeKind.STALE, f"grid rules for {event.ticket}")
        return
    room.grid = msgspec.structs.replace(room.grid, code=event.code, answered=True)


def changed(session: Context, event: GridCodeChanged) -> None:
    """The rules have other values: they are in the next charge parameters. The functions stay those of the
    services, which are fixed in a session."""
    room = side(session)
    offer = room.offer
    if not room.der:
        session.notice(NoticeKind.IGNORED, "rules of the grid outside AC_DER_IEC")
    elif offer is None:  # an answer that is still on its way is older
        room.grid = msgspec.structs.replace(room.grid, code=event.code, answered=True)
    elif offer.grid is None:
        session.notice(NoticeKind.IGNORED, "rules of the grid in a session that has begun without")
    else:
        try:
            code = offer.grid.adapted(event.code)
        except ValueError as error:
            session.notice(NoticeKind.IGNORED, f"rules of the grid: {error}")
        else:
            room.offer = msgspec.structs.replace(offer, grid=code)


def targeted(session: Context, event: GridTargeted) -> None:
    """The grid operator asks for other values: they are in the next response of the loop."""
    room = side(session)
    if not room.der:
        session.notice(NoticeKind.IGNORED, "set-points of the grid outside AC_DER_IEC")
        return
    room.grid = msgspec.structs.replace(room.grid, targets=event.targets)
    discharge.update(session)


def seen(session: Context, condition: int) -> None:
    """Report a GridEventCondition that differs from the last one that was reported."""
    room = side(session)
    before = room.grid
    early = before.reported_at is not None and session.now < before.reported_at + _EVENT_GAP
    if condition == before.condition or early:
        return
    room.grid = msgspec.structs.replace(before, condition=condition, reported_at=session.now)
    session.emit(GridEventSeen(condition))


def settle_reactive(session: Context, ev: m.EVReactivePowerLimits | None) -> None:
    """What reactive power the EV has in both directions, by its charge parameters."""
    most = None
    if ev is not None:
        parts = (ev.ev_maximum_charge_reactive_power, ev.ev_maximum_discharge_reactive_power)
        most = min(abs(numbers.down(part)) for part in parts)
    side(session).grid = msgspec.structs.replace(side(session).grid, ev_reactive=most)


def reactive_power(session: Context, active: int, *, flows: bool) -> int | None:
    """mvar to ask the EV for beside `active` mW: what the grid operator wants, within the setting, the EV and
    the apparent power of the outlet. None: nothing is asked, as where no power `flows`: in standby, and with
    the output off. The outlet gets each change."""
    room, config = side(session), session.config
    wanted = room.grid.targets.reactive
    offered = room.offer is not None and room.offer.grid is not None and room.offer.grid.q_setpoint
    if wanted is None or not offered or not flows:
        found = None
    else:
        most = [milli(config.iso20.der_reactive_power), _apparent_left(session, active)]
        if room.grid.ev_reactive is not None:
            most.append(room.grid.ev_reactive)
        found = max(-min(most), min(min(most), round(wanted * 1000)))
    if found != room.grid.reactive:
        room.grid = msgspec.structs.replace(room.grid, reactive=found)
        session.emit(SetReactivePower(0.0 if found is None else number(found)))
    return found


def _apparent_left(session: Context, active: int) -> int:
    """mvar beside an active power, by the current of the outlet."""
    ac, phases = session.config.energy.ac, 1
    chosen = side(session).selection
    if chosen is not None:
        phases = chosen.parameters.phases
    apparent = milli(ac.nominal_voltage) * milli(ac.max_current) * phases // 1000
    return math.isqrt(max(0, apparent * apparent - active * active))


def targets(session: Context) -> GridTargets:
    """What the grid operator asks for now."""
    return side(session).grid.targets
