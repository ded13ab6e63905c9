"""The output: what is energised, at which set-point, and for how long without renewal.

A lease that is not renewed in time switches the output off at the outlet itself [INV-31]; all reasons against
energy are looked at before each renewal, and the limits are applied again with it [INV-08].
"""

from __future__ import annotations

import msgspec

from secc.session import limits
from secc.session.agreed import Demand, Energised, Purpose, SetPoint
from secc.session.context import Agreed, Context
from secc.session.outputs import EndReason, NoticeKind, OpenContactor, RenewLease, SetOutput
from secc.session.quantities import ZERO, Milli, milli, number
from secc.session.refusals import Cause, Refused
from secc.session.states import Timer

__all__ = ["command", "deliver", "energise", "off", "renew", "watch_lease"]


def energise(session: Context, purpose: Purpose, demand: Demand | None = None) -> None:
    """The output may be on from now: start or extend the lease. Emit the command after this."""
    if session.energised is None:
        if session.stop is not None:
            raise Refused(Cause.FAILED, "nothing is switched on after a stop [INV-29]")
        session.lease_until = session.now
    session.contactor_ordered = None
    session.energised = Energised(purpose, demand)
    _extend(session)


def deliver(session: Context, purpose: Purpose, demand: Demand, point: SetPoint | None = None) -> SetPoint:
    """Energise for a demand, at its set-point; `point` where that is known already."""
    energise(session, purpose, demand)
    if point is None:
        point = limits.set_point(session, demand, purpose)
    command(session, point)
    return point


def renew(session: Context) -> None:
    """Extend the lease, with the limits of now: all reasons against it were looked at before [INV-31]."""
    energised = session.energised
    if energised is None:
        return
    if energised.demand is not None:
        command(session, limits.set_point(session, energised.demand, energised.purpose))
    _extend(session)


def _extend(session: Context) -> None:
    timing = session.config.timing
    session.lease_until = session.now + timing.lease
    session.timers.start(Timer.LEASE_RENEWAL, session.now)
    session.emit(RenewLease(timing.lease))


def command(session: Context, point: SetPoint) -> None:
    """A DC set-point; repeats are left out, and the current rises no faster than it may, and not at all once
    its demand is not fresh any more."""
    before, current = session.commanded, _through_zero(session, point.current)
    if session.config.energy.dc.current_ramp is not None:
        current = _ramped(session, current)
    volts = number(point.voltage)
    if before is not None and session.rises_until is not None and session.now > session.rises_until:
        current = _held(before, current)
        volts = min(volts, before.voltage) if current > 0 else volts
    amperes = number(current)
    if point.current < 0 and current == 0:  # not yet: the voltage stays the most, and not the least
        volts = 0.0 if before is None else min(before.voltage, _without_current(session))
    if before is None or before.voltage != volts or before.current != amperes:
        session.commanded = SetOutput(volts, amperes)
        session.emit(session.commanded)


def _without_current(session: Context) -> float:
    """V that the demand may have now, with no current."""
    energised = session.energised
    if energised is None or energised.demand is None:
        return 0.0
    still = msgspec.structs.replace(energised.demand, current=ZERO)
    return number(limits.set_point(session, still, energised.purpose).voltage)


def _through_zero(session: Agreed, current: Milli) -> Milli:
    """No current before the other direction: until nothing flows any more, by the set-point and as read."""
    last, flows = session.commanded, session.evse.present_current
    before = 0.0 if last is None else last.current
    still = flows * current < 0 and abs(flows) > session.config.energy.dc.pre_charge_current
    return ZERO if before * current < 0 or (current < 0 and still) else current


def _held(before: SetOutput, current: Milli) -> Milli:
    """No more than flows now, and nothing in the other direction."""
    most = milli(abs(before.current)) if before.current * current > 0 else ZERO
    return Milli(max(-most, min(current, most)))


def _ramped(session: Agreed, current: Milli) -> Milli:
    """Towards zero at once; away from it by so much since the last look, which is at least at each renewal of
    the lease."""
    ramp, last = session.config.energy.dc.current_ramp, session.commanded
    before = 0.0 if last is None else last.current
    elapsed = 0.0 if last is None else session.now - session.ramped_at
    session.ramped_at = session.now
    if before * current < 0:  # the other direction begins at zero
        before = 0.0
    most = milli(abs(before) + (ramp or 0.0) * elapsed)
    return Milli(max(-most, min(current, most)))


def off(session: Context, why: str | None = None, *, final: bool = False) -> None:
    """Switch the output off; `why` makes a notice, `final` means every switch of the outlet."""
    if why is not None:
        session.notice(NoticeKind.OUTPUT, f"output off: {why}")
    session.energised = None
    session.pre_charge = session.match = None
    session.commanded = None
    session.rises_until = None
    session.timers.stop(Timer.LEASE_RENEWAL)
    if session.config.energy.offers_dc:
        session.emit(SetOutput(0.0, 0.0))
    if final or not session.is_dc:
        session.emit(OpenContactor())
        session.contactor_ordered = False


def watch_lease(session: Context) -> None:
    """A lease that has run out means that the output is off already, and that the station was too slow."""
    if session.energised is not None and session.now > session.lease_until:
        late = session.now - session.lease_until
        session.end(EndReason.LEASE_LAPSED, f"the station was too slow: the lease was over for {late:.3f} s")
