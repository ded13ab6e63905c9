"""ChargeParameterDiscovery: what the EV can take, what it is offered."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING

from secc.messages import din, iso2
from secc.messages.iso2 import EVSEProcessing, ResponseCode, UnitSymbol
from secc.session import limits, quantities
from secc.session.context import ChargeParameters, EvLimits, ScheduleQuestion
from secc.session.dialect import Code
from secc.session.inputs import PowerLimited, RenegotiationRequested, SchedulesOffered
from secc.session.iso2 import status
from secc.session.iso2.handlers import tariffs
from secc.session.iso2.states import State
from secc.session.outputs import AskSchedules, NoticeKind
from secc.session.quantities import Quantity, WrongUnit, amount, decimal
from secc.session.refusals import Refused
from secc.session.schedules import EnergyNeed, Offer, PowerSchedule, PowerStep, ScheduleOffer
from secc.session.states import Stage, Timer
from secc.settings.energy import EnergyMode

if TYPE_CHECKING:
    from secc.session.machine import Session


def charge_parameter_discovery(session: Session, request: iso2.ChargeParameterDiscoveryReq) -> State:
    """Check what the EV says, then offer schedules: at once, or Ongoing until the back end has them."""
    session.check_budget(Timer.CHARGE_PARAMETERS)
    parameters = _accepted(session, request)
    session.parameters = parameters
    session.renegotiation_wanted = session.offer_outdated = False
    schedules = offered(session, parameters)
    if schedules is None:
        _answer(session, EVSEProcessing.ONGOING, None)
        return State.WAIT_CHARGE_PARAMETERS
    _answer(session, EVSEProcessing.FINISHED, schedules)
    return State.WAIT_CABLE_CHECK if parameters.mode.is_dc else State.WAIT_POWER_ON_AC


def offered(session: Session, parameters: ChargeParameters) -> ScheduleOffer | None:
    """What the EV may choose from now; None while the back end is asked."""
    resumed, question = _resumed(session), session.schedule_question
    answered = question is not None and question.answer is not None
    wanted = resumed is None or tariffs.lost(session, resumed)
    if wanted and session.config.energy.ask_backend_for_schedules and not answered:
        if question is None:
            session.schedule_question = ScheduleQuestion(session.ticket())
            session.emit(AskSchedules(session.schedule_question.ticket, _need(session, parameters)))
        session.start_timer_once(Timer.CHARGE_PARAMETERS)
        return None
    answer = None if question is None or question.answer is None else question.answer.offer
    offer = answer if resumed is None else tariffs.completed(resumed, answer)
    wished = own_offer(session, parameters) if offer is None else _fitting(offer, parameters)
    schedules, held = _within_limits(session, wished, dc=parameters.mode.is_dc)
    before = None if resumed is None or session.joined is None else session.joined.offer
    if held is None and before is not None:
        held = before.held
    session.joined = session.schedule_question = None
    session.latest_offer = Offer(schedules, session.now, schedules.schedules[0].schedule_id, held)
    if session.energised is None:  # while AC is renegotiated the old schedule stays in force up to the start
        session.offer = session.latest_offer
    return schedules


def schedules_offered(session: Session, event: SchedulesOffered) -> Stage:
    """Keep the offer for the next ChargeParameterDiscoveryReq."""
    question = session.schedule_question
    if question is None or event.ticket != question.ticket or question.answer is not None:
        session.notice(NoticeKind.STALE, f"schedules for {event.ticket}")
    else:
        session.schedule_question = ScheduleQuestion(event.ticket, event)
    return session.state


def _within_limits(session: Session, offer: ScheduleOffer, *, dc: bool) -> tuple[ScheduleOffer, float | None]:
    """The offer with no PMax above what the limits in force allow now [INV-08], and these W where they cut
    something that the outlet itself could deliver."""
    most = quantities.milli(limits.offerable(session, dc=dc))
    if all(step.max_power <= most for one in offer.schedules for step in one.steps):
        return offer, None
    cut = tuple(
        dataclasses.replace(
            one, steps=tuple(PowerStep(step.start, min(step.max_power, most)) for step in one.steps)
        )
        for one in offer.schedules
    )
    held = most if decimal(most) < limits.hardware_power(session, dc) else None
    return dataclasses.replace(offer, schedules=cut), held


def watch_offer(session: Session) -> None:
    """In the charge loop: whether what was offered is still what can be had. If not, the EV is asked to
    renegotiate; it may decline [V2G2-680].

    AC: a limit below the PMax in force, at once: with a contract nothing else tells it [V2G2-844]. In DC each
    response says the limits, and the set-point keeps them. More than was offered, where the limits of that
    moment had cut it: after a while, and when it is worth the interruption.
    """
    offer, scheduled, energy = session.offer, limits.scheduled_power(session), session.config.energy
    if offer is None or scheduled is None:
        return
    dc = session.is_dc
    possible = limits.offerable(session, dc=dc)
    if possible < scheduled:
        session.offer_outdated = not dc
        return
    ratio, held = energy.renegotiate_above, offer.held
    session.offer_outdated = (
        held is not None
        and ratio is not None
        and possible > decimal(held)
        and possible >= decimal(held) * decimal(ratio)
        and session.now >= offer.offered_at + session.config.timing.renegotiate_after
    )


def renegotiation_requested(session: Session, _: RenegotiationRequested) -> None:
    """Tell the EV in the next responses of the loop; it may decline [V2G2-680] [V2G2-841]."""
    if not session.state.in_charge_loop:
        session.notice(NoticeKind.IGNORED, "renegotiation outside a charge loop")
        return
    session.renegotiation_wanted = True


def power_limited(session: Session, event: PowerLimited) -> None:
    """Load management: acts at the next response, or when the lease is renewed [INV-08]."""
    session.external_limit = event.max_power


def _accepted(session: Session, request: iso2.ChargeParameterDiscoveryReq) -> ChargeParameters:
    """The request as numbers, or a refusal [V2G2-476] [V2G2-477]."""
    mode = EnergyMode(request.requested_energy_transfer_mode.value)
    check_mode(session, mode, ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE)
    ev = request.ev_charge_parameter
    if isinstance(ev, iso2.DCEVChargeParameter) is not mode.is_dc:
        raise _wrong(f"{type(ev).__name__} with {mode.value}")
    try:
        if isinstance(ev, iso2.DCEVChargeParameter):
            ev_limits, energy = dc_limits(session, ev)
        else:
            ev_limits, energy = _ac(session, ev)
    except WrongUnit as error:
        raise _wrong(str(error)) from error
    departure = _departure(session, ev.departure_time)
    return ChargeParameters(
        mode=mode,
        limits=ev_limits,
        departure=departure,
        max_steps=max(1, request.max_entries_sa_schedule_tuple or 1024),
        energy=energy,
        departure_at=None if departure is None else session.now + departure,
    )


def check_mode(session: Session, mode: EnergyMode, code: Code) -> None:
    """Refuse a mode that is not on offer, and any other than the one that was accepted first.

    Outlet, cable and contactors are made for one kind of energy; the phases stay too, as the limit per phase
    follows from them. So a renegotiation and a continued session keep the mode [V2G2-741].
    """
    before = session.parameters
    if mode not in session.modes:
        raise Refused(code, f"{mode.value} is not offered [V2G2-476] [V2G-DC-397]")
    if before is not None and mode is not before.mode:
        raise Refused(code, f"{mode.value}, in a session that has {before.mode.value} [V2G2-476]")


def _departure(session: Session, told: int | None) -> int | None:
    """DepartureTime; after a pause no later than before it, less the time gone by [V2G2-741] [V2G2-742]."""
    before = None if session.continues is None else session.continues.departure_at
    left = None if before is None else int(before - session.now)
    if left is None or left <= 0:  # what has passed binds nobody
        return told
    return left if told is None else min(told, left)


def dc_limits(
    session: Session, ev: iso2.DCEVChargeParameter | din.DCEVChargeParameter
) -> tuple[EvLimits, Fraction | None]:
    """The EV's maxima, and the energy it wants where it says; raises WrongUnit."""
    voltage = _positive(ev.ev_maximum_voltage_limit, UnitSymbol.V, "EVMaximumVoltageLimit")
    current = _positive(ev.ev_maximum_current_limit, UnitSymbol.A, "EVMaximumCurrentLimit")
    power, told = None, told_power(session, ev.ev_maximum_power_limit)
    if told is not None:
        power = _positive(told, UnitSymbol.W, "EVMaximumPowerLimit")
    elif ev.ev_maximum_power_limit is not None:
        session.notice(NoticeKind.LENIENT, "EVMaximumPowerLimit 0 W by zero_power_limit")
    config = session.config.energy.dc
    if voltage < decimal(config.min_voltage):
        raise _wrong(
            f"the EV takes at most {float(voltage):g} V, the outlet gives at least {config.min_voltage:g}"
        )
    if current < decimal(config.min_current):
        raise _wrong(
            f"the EV takes at most {float(current):g} A, the outlet gives at least {config.min_current:g}"
        )
    energy = ev.ev_energy_request
    return EvLimits(voltage, current, power), None if energy is None else amount(energy, UnitSymbol.WH)


def told_power(session: Session, value: Quantity | None) -> Quantity | None:
    """EVMaximumPowerLimit as far as it says anything: a zero can stand for nothing said (`CompatConfig`)."""
    if value is not None and value.value == 0 and session.config.compat.zero_power_limit:
        return None
    return value


def _ac(session: Session, ev: iso2.ACEVChargeParameter) -> tuple[EvLimits, Fraction | None]:
    voltage = _positive(ev.ev_max_voltage, UnitSymbol.V, "EVMaxVoltage")
    current = _positive(ev.ev_max_current, UnitSymbol.A, "EVMaxCurrent")
    least = amount(ev.ev_min_current, UnitSymbol.A)
    energy = amount(ev.e_amount, UnitSymbol.WH)
    if not 0 <= least <= current:
        raise _wrong(f"EVMinCurrent is {float(least):g} A, EVMaxCurrent {float(current):g} A")
    if least > decimal(session.config.energy.ac.max_current):
        raise _wrong(f"EVMinCurrent is {float(least):g} A, more than the outlet has")
    if energy < 0:
        raise _wrong(f"EAmount is {float(energy):g} Wh")
    return EvLimits(voltage, current), energy


def _positive(value: Quantity, unit: UnitSymbol, name: str) -> Fraction:
    """A maximum of the EV: above zero, and not beyond what any vehicle has."""
    number = amount(value, unit)
    if not 0 < number <= _PLAUSIBLE[unit]:
        raise _wrong(f"{name} is {float(number):g} {unit.value}")
    return number


_PLAUSIBLE = {UnitSymbol.V: 10_000, UnitSymbol.A: 10_000, UnitSymbol.W: 20_000_000}


def _wrong(why: str) -> Refused:
    return Refused(ResponseCode.FAILED_WRONG_CHARGE_PARAMETER, f"{why} [V2G2-477]")


def _need(session: Session, parameters: ChargeParameters) -> EnergyNeed:
    ev = parameters.limits
    power = ev.power
    if power is None:
        volts = ev.voltage if parameters.mode.is_dc else decimal(session.config.energy.ac.nominal_voltage)
        power = volts * ev.current * parameters.phases
    before = None if _resumed(session) is None or session.joined is None else session.joined.offer
    return EnergyNeed(
        mode=parameters.mode,
        departure=parameters.departure,
        energy=None if parameters.energy is None else float(parameters.energy),
        max_power=float(power),
        max_steps=parameters.max_steps,
        continued=None if before is None else before.schedule_id,
        gone=0 if before is None else int(session.now - before.offered_at),
    )


# --- schedules ---------------------------------------------------------------------------------------------


def own_offer(session: Session, parameters: ChargeParameters) -> ScheduleOffer:
    """The outlet's own limit as the only schedule, up to the departure time or for 24 hours.

    [V2G2-303] [V2G2-304]; a departure time of zero counts as none, one beyond what a schedule can say is cut
    [V2G2-305].
    """
    power = float(limits.hardware_power(session, parameters.mode.is_dc))
    end = min(parameters.departure or _DAY, _LATEST_START + _DAY)
    steps = [PowerStep(0, power)]
    if end > _DAY and parameters.max_steps > 1:
        steps.append(PowerStep(end - _DAY, power))
    duration = min(end - steps[-1].start, _DAY)
    return ScheduleOffer((PowerSchedule(1, tuple(steps), duration),))


_DAY = 86_400
_LATEST_START = 16_777_214


def _resumed(session: Session) -> ScheduleOffer | None:
    """The schedule that was followed before the pause, shortened by the time gone [V2G2-741]; None when there
    is none, or it has ended meanwhile."""
    before = None if session.joined is None else session.joined.offer
    if before is None:
        return None
    schedule, gone = before.followed, int(session.now - before.offered_at)
    if gone >= schedule.end:
        return None
    current = [step for step in schedule.steps if step.start <= gone][-1]
    later = [step for step in schedule.steps if step.start > gone]
    steps = [PowerStep(0, current.max_power), *(PowerStep(s.start - gone, s.max_power) for s in later)]
    duration = schedule.end - gone - steps[-1].start
    tariff, signature = tariffs.continued(schedule, before.schedules, gone)
    rest = dataclasses.replace(schedule, steps=tuple(steps), duration=duration, tariff=tariff)
    return ScheduleOffer((rest,), signature)


def _fitting(offer: ScheduleOffer, parameters: ChargeParameters) -> ScheduleOffer:
    """The offer with no more steps than the EV can store [V2G2-310]: the surplus at the end becomes one step
    with the lowest power of all it replaces."""
    most = parameters.max_steps
    fitting = (one if len(one.steps) <= most else _shortened(one, most) for one in offer.schedules)
    return dataclasses.replace(offer, schedules=tuple(fitting))


def _shortened(schedule: PowerSchedule, most: int) -> PowerSchedule:
    kept, surplus = schedule.steps[: most - 1], schedule.steps[most - 1 :]
    last = PowerStep(surplus[0].start, min(step.max_power for step in surplus))
    return dataclasses.replace(schedule, steps=(*kept, last), duration=min(schedule.end - last.start, _DAY))


def _answer(session: Session, processing: EVSEProcessing, offer: ScheduleOffer | None) -> None:
    priced, signature = (False, None) if offer is None else tariffs.accompanied(session, offer)
    session.answer(
        iso2.ChargeParameterDiscoveryRes(
            response_code=ResponseCode.OK,
            evse_processing=processing,
            sa_schedules=None if offer is None else _schedule_list(offer, priced=priced),  # [V2G2-905]
            evse_charge_parameter=status.charge_parameter(session, dc=session.is_dc),
        ),
        signature=signature,
    )


def _schedule_list(offer: ScheduleOffer, *, priced: bool) -> iso2.SAScheduleList:
    return iso2.SAScheduleList(
        sa_schedule_tuple=tuple(
            iso2.SAScheduleTuple(
                sa_schedule_tuple_id=schedule.schedule_id,
                p_max_schedule=iso2.PMaxSchedule(p_max_schedule_entry=_entries(schedule)),
                sales_tariff=schedule.tariff if priced else None,
            )
            for schedule in offer.schedules
        )
    )


def _entries(schedule: PowerSchedule) -> tuple[iso2.PMaxScheduleEntry, ...]:
    last = schedule.steps[-1]
    return tuple(
        iso2.PMaxScheduleEntry(
            time_interval=iso2.RelativeTimeInterval(
                start=step.start, duration=schedule.duration if step is last else None
            ),
            p_max=quantities.limit(decimal(step.max_power), UnitSymbol.W),
        )
        for step in schedule.steps
    )
