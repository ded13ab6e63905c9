"""Pre-charge: the output is brought to the voltage of the battery, and a start waits until it is there."""

from __future__ import annotations

from secc.session import ending, isolation, limits, output
from secc.session.agreed import Demand, Match, Purpose
from secc.session.context import Context
from secc.session.quantities import Milli, milli, number
from secc.session.refusals import Cause, Refused
from secc.session.states import Stage, Timer


def bring_to_voltage(session: Context, voltage: Milli, current: Milli) -> None:
    """Towards the EV's voltage with at most 2 A [INV-05]; the EV judges when it is there. Call `prepare`
    before."""
    demand = Demand(voltage, current, isolation.agreed(session))
    _check_battery(session, demand)
    output.deliver(session, Purpose.PRE_CHARGE, demand)
    session.pre_charge = demand
    session.timers.start_once(Timer.PRE_CHARGE, session.now)
    session.timers.start_once(Timer.PRE_CHARGE_TOTAL, session.now)


def _check_battery(session: Context, demand: Demand) -> None:
    """A target that no battery at this outlet can have is no pre-charge: 0 V would be reached at once."""
    lowest = limits.lowest_voltage(session.config.energy.dc)
    if demand.voltage < lowest:
        why = f"pre-charge to {number(demand.voltage):g} V, less than {number(lowest):g} V [INV-04]"
        raise Refused(Cause.FAILED, why)


def prepare(session: Context, ev_error: str) -> bool:
    """Whether a pre-charge may begin or go on; False where a stop has overtaken it."""
    check_budgets(session)
    isolation.heed_error(session, ev_error)
    ending.check_fault(session)
    if ending.overtaken(session):
        return False
    isolation.check_may_energise(session)
    isolation.check_not_interrupted(session)
    if not session.evse.control_pilot.wants_energy:
        pilot = session.evse.control_pilot.value
        raise Refused(Cause.FAILED, f"pre-charge with pilot {pilot} [INV-04]")
    return True


def check_budgets(session: Context) -> None:
    """Refuse when the time for pre-charge is used up."""
    ending.check_budget(session, Timer.PRE_CHARGE)
    ending.check_budget(session, Timer.PRE_CHARGE_TOTAL)


def late(session: Context, _: None) -> Stage:
    """The voltage should be there now; if it is, the EV still has the total time, if not, it is over."""
    if not reached(session):
        return ending.budget_spent(session, None)
    session.timers.stop(Timer.PRE_CHARGE)
    return session.state


def confirm_start(session: Context) -> bool:
    """Whether a start may be confirmed: the outlet itself reads the EV's voltage at its output.

    The EV judges by its own measurement, and the outlet's may come later: a Tesla Model Y asked for power
    0.8 to 1.1 s before the recorded stations read its voltage (both DIN recordings of that car). So the
    answer waits for the reading, with the output still in pre-charge, and looks at it again and again; what
    is not there after `timing.voltage` cannot be delivered [V2G2-480].
    """
    check_budgets(session)
    if session.interrupted or session.pre_charge is None:
        raise _not_applied("the output was switched off, or never on")
    if reached(session):
        session.match = Match(session.pre_charge.voltage)
        return True
    session.timers.start_once(Timer.VOLTAGE, session.now)
    session.timers.start(Timer.VOLTAGE_READING, session.now)
    return False


def voltage_not_seen() -> Refused:
    """The outlet does not get to the EV's voltage, or does not see it."""
    return _not_applied("the output is not at the EV's voltage")


def _not_applied(why: str) -> Refused:
    return Refused(Cause.NOT_APPLIED, f"{why} [V2G2-480] [V2G-DC-401]")


def reached(session: Context) -> bool:
    """The output is where the EV wants it, as far as the outlet reads; a limit in between does not change
    where."""
    if session.pre_charge is None:
        return False
    apart = abs(milli(session.evse.present_voltage) - session.pre_charge.voltage)
    return apart <= milli(session.config.energy.dc.pre_charge_tolerance)
