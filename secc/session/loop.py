"""The charge loop, DC: each demand becomes one set-point."""

from __future__ import annotations

import msgspec

from secc.session import contract, ending, limits, output
from secc.session.agreed import Demand, EvLimits, Purpose, SetPoint
from secc.session.context import Context
from secc.session.quantities import ZERO, ChargeLimit, Milli


def check(session: Context) -> None:
    """Refuse to go on at fault, or after the EV has had its time to heed a stop; a contract without the back
    end's decision ends at its limit of energy."""
    ending.check_fault(session)
    ending.check_stop(session)
    contract.check_allowance(session)


def follow(session: Context, demand: Demand, *, error: str, ready: bool, complete: bool) -> SetPoint:
    """Deliver the lowest of what is wanted and every limit [INV-07]: nothing to an EV that is full, not ready
    or at fault. `error`: the EV's error code as text, empty without one."""
    if _wants_nothing(session, error=error, ready=ready, complete=complete):
        demand, point = Demand(ZERO, ZERO, demand.limits), SetPoint()
    else:
        point = limits.set_point(session, demand)
    if session.energised is not None:
        output.deliver(session, Purpose.DC, demand, point)
    return point


def _wants_nothing(session: Context, *, error: str, ready: bool, complete: bool) -> bool:
    """Full, not ready or at fault: the set-point is zero. The latter two have also ended the charge: the
    output stays off."""
    if error or (not ready and not session.config.compat.ev_not_ready):
        why = f"EV: {error or 'NO_ERROR'}, ready {ready}"
        ending.order_stop(session, why, at_once=False)
        if session.energised is not None:  # off for good: no later message of this session brings it back
            output.off(session, why, final=True)
    return bool(error) or not ready or complete


def lowered(
    before: EvLimits, voltage: int | None, current: ChargeLimit | None, power: ChargeLimit | None
) -> EvLimits:
    """The EV's maxima of now: later messages may lower the agreed ones, never raise them [INV-07]."""
    volts = before.voltage if voltage is None else Milli(min(before.voltage, voltage))
    amperes = before.current if current is None else min(before.current, current)
    watts = before.power
    if power is not None and (watts is None or power < watts):
        watts = power
    if (volts, amperes, watts) == (before.voltage, before.current, before.power):
        return before
    return msgspec.structs.replace(before, voltage=volts, current=amperes, power=watts)
