"""Whether and how much energy may flow from the EV to the station now; a magnitude, 0 means not at all.

All must hold: a bidirectional service, the permission of the operator, and a battery that may give something.
Each is looked at again with every request and every change of a permission, so the loss of any of them takes
effect with the next set-point. A gain waits while a new schedule is negotiated on the main stream: it counts
from the next request of the loop on [V2G20-1050].
"""

from __future__ import annotations

from secc.session import output
from secc.session.agreed import Purpose
from secc.session.context import Context
from secc.session.inputs import DischargePermitted
from secc.session.iso20.side import side
from secc.session.iso20.states import Iso20State as S
from secc.session.quantities import NO_DISCHARGE, DischargeLimit, Milli, least, milli


def permitted(session: Context) -> DischargeLimit:
    """mW by the operator and the outlet, regardless of service and battery: by the last permission, or by
    the configuration until there is one."""
    config, granted = session.config, session.discharge_permitted
    if granted is None and not config.iso20.discharge:
        return NO_DISCHARGE
    by_operator = None if granted is None else milli(granted)
    return DischargeLimit(hardware(session) if by_operator is None else min(by_operator, hardware(session)))


def hardware(session: Context) -> int:
    """mW that the outlet can take from an EV; AC: now. DC: by its configuration, `limits.dc` has the rest."""
    energy, evse = session.config.energy, session.evse
    if side(session).dc:
        dc = energy.dc
        return min(
            milli(dc.max_discharge_power), milli(dc.max_voltage) * milli(dc.max_discharge_current) // 1000
        )
    ac = energy.ac
    current = least(
        milli(ac.max_discharge_current), None if evse.max_current is None else milli(evse.max_current)
    )
    power = Milli(milli(ac.nominal_voltage) * current * _phases(session) // 1000)
    return least(power, None if evse.max_power is None else milli(evse.max_power))


def _phases(session: Context) -> int:
    chosen = side(session).selection
    return 3 if chosen is None else chosen.parameters.phases


def update(session: Context) -> None:
    """Look at all conditions again."""
    room = side(session)
    allowed = (
        room.selection is not None
        and room.selection.service.bidirectional
        and session.granted
        and session.stop is None
        and room.battery.may_discharge
        and (not room.der or (room.offer is not None and room.offer.grid is not None))
    )
    found = permitted(session) if allowed else NO_DISCHARGE
    most = room.grid.targets.max_discharge
    if room.der and most is not None:
        found = DischargeLimit(min(found, milli(most)))
    if session.state in _NEGOTIATING:
        found = min(found, session.may_discharge)
    session.may_discharge = found


_NEGOTIATING = frozenset(
    {S.WAIT_NEW_SCHEDULE_AC, S.WAIT_NEW_PROFILE_AC, S.WAIT_NEW_SCHEDULE_DC, S.WAIT_NEW_PROFILE_DC}
)


def permission_changed(session: Context, event: DischargePermitted) -> None:
    """The operator permits or forbids: the set-point follows at once."""
    session.discharge_permitted = event.max_power
    update(session)
    energised = session.energised
    if energised is not None and energised.purpose is Purpose.DC and energised.demand is not None:
        output.renew(session)
