"""Schedules: what an EV may choose from, and whether that can still be had.

The back end is asked where the configuration says so, else the outlet's own limit is the only schedule. A
paused session goes on with what is left of the schedule it had.
"""

from __future__ import annotations

import msgspec

from secc.session import limits
from secc.session.agreed import ChargeParameters, ScheduleQuestion
from secc.session.context import Context
from secc.session.inputs import (
    ChargingHeld,
    DischargePermitted,
    PowerLimited,
    RenegotiationRequested,
    SchedulesOffered,
)
from secc.session.outputs import AskSchedules, NoticeKind
from secc.session.quantities import milli, number
from secc.session.schedules import EnergyNeed, Offer, PowerSchedule, PowerStep, ScheduleOffer
from secc.session.states import Stage, Timer
from secc.settings.pnc import TariffPolicy


def offered(session: Context, parameters: ChargeParameters) -> ScheduleOffer | None:
    """What the EV may choose from now; None while the back end is asked."""
    resumed, question = _resumed(session), session.schedule_question
    answered = question is not None and question.answer is not None
    wanted = resumed is None or _tariff_lost(session, resumed)
    if wanted and session.config.energy.ask_backend_for_schedules and not answered:
        if question is None:
            session.schedule_question = ScheduleQuestion(session.names.ticket())
            session.emit(AskSchedules(session.schedule_question.ticket, _need(session, parameters)))
        session.timers.start_once(Timer.CHARGE_PARAMETERS, session.now)
        return None
    found = None if question is None or question.answer is None else question.answer.offer
    answer = found if isinstance(found, ScheduleOffer) else None
    offer = answer if resumed is None else _completed(resumed, answer)
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


def refreshed(session: Context, *, dc: bool) -> ScheduleOffer:
    """The latest offer, as it can be had now: it counts from this moment on. Raises RuntimeError without
    one."""
    latest = session.latest_offer
    if latest is None:
        raise RuntimeError("no schedules were offered")
    schedules, held = _within_limits(session, latest.schedules, dc=dc)
    fresh = msgspec.structs.replace(
        latest, schedules=schedules, offered_at=session.now, held=held or latest.held
    )
    if session.offer is latest:
        session.offer = fresh
    session.latest_offer = fresh
    return schedules


def answered(session: Context, event: SchedulesOffered) -> Stage:
    """Keep the back end's offer for the EV's next request."""
    question = session.schedule_question
    if question is None or event.ticket != question.ticket or question.answer is not None:
        session.notice(NoticeKind.STALE, f"schedules for {event.ticket}")
    else:
        session.schedule_question = ScheduleQuestion(event.ticket, event)
    return session.state


def _need(session: Context, parameters: ChargeParameters) -> EnergyNeed:
    ev = parameters.limits
    power: int | None = ev.power
    if power is None:
        nominal = milli(session.config.energy.ac.nominal_voltage)
        volts = ev.voltage if parameters.mode.is_dc else nominal
        power = volts * ev.current * parameters.phases // 1000
    before = None if _resumed(session) is None or session.joined is None else session.joined.offer
    return EnergyNeed(
        mode=parameters.mode,
        departure=parameters.departure,
        energy=None if parameters.energy is None else number(parameters.energy),
        max_power=number(power),
        max_steps=parameters.max_steps,
        continued=None if before is None else before.schedule_id,
        gone=0 if before is None else int(session.now - before.offered_at),
    )


# --- what was offered, and what can be had -----------------------------------------------------------------


def _within_limits(session: Context, offer: ScheduleOffer, *, dc: bool) -> tuple[ScheduleOffer, float | None]:
    """The offer with no PMax above what the limits in force allow now [INV-08], and these W where they cut
    something that the outlet itself could deliver."""
    possible = limits.offerable(session, dc=dc)
    most = number(possible)
    if all(step.max_power <= most for one in offer.schedules for step in one.steps):
        return offer, None
    cut = tuple(
        msgspec.structs.replace(
            one, steps=tuple(PowerStep(step.start, min(step.max_power, most)) for step in one.steps)
        )
        for one in offer.schedules
    )
    held = most if possible < limits.hardware_power(session, dc=dc) else None
    return msgspec.structs.replace(offer, schedules=cut), held


def watch(session: Context) -> None:
    """In the charge loop: whether what was offered is still what can be had. If not, the EV is asked to
    renegotiate; it may decline [V2G2-680].

    AC: a limit below the PMax in force, at once: with a contract nothing else says it [V2G2-844]. In DC each
    response says the limits, and the set-point keeps them. More than was offered, where the limits of that
    moment had cut it: after a while, and when it is worth the interruption.
    """
    offer, energy, dc = session.offer, session.config.energy, session.is_dc
    if offer is None:
        return
    if dc and offer.held is None:
        session.offer_outdated = False
        return
    scheduled = limits.scheduled_power(session)
    possible = limits.offerable(session, dc=dc)
    if scheduled is not None and possible < scheduled:
        session.offer_outdated = not dc
        return
    ratio, held = energy.renegotiate_above, offer.held
    session.offer_outdated = (
        held is not None
        and ratio is not None
        and possible > milli(held)
        and possible * 1000 >= milli(held) * milli(ratio)
        and session.now >= offer.offered_at + session.config.timing.renegotiate_after
    )


def renegotiation_requested(session: Context, _: RenegotiationRequested) -> None:
    """Ask the EV in the next responses of the loop; it may decline [V2G2-680] [V2G2-841]."""
    if not session.state.in_charge_loop:
        session.notice(NoticeKind.IGNORED, "renegotiation outside a charge loop")
        return
    session.renegotiation_wanted = True


def renegotiated(session: Context) -> None:
    """The EV has followed: it need not be asked again."""
    session.renegotiation_wanted = session.offer_outdated = False


def power_limited(session: Context, event: PowerLimited) -> None:
    """Load management: acts at the next response, or when the lease is renewed [INV-08]."""
    session.external_limit = event.max_power


def charging_held(session: Context, event: ChargingHeld) -> None:
    """No energy, or as before. DC: each response has the limits, and the schedule stays. AC: the offer
    follows (`watch`), and the EV is asked for a new one when the hold ends."""
    ends = session.held and not event.held
    session.held = event.held
    if ends and not session.is_dc and session.state.in_charge_loop:
        session.renegotiation_wanted = True


def discharge_permitted(session: Context, event: DischargePermitted) -> None:
    """The operator permits energy from the EV, or forbids it; it may come before there is a protocol."""
    session.discharge_permitted = event.max_power


# --- the outlet's own schedule -----------------------------------------------------------------------------


def own_offer(session: Context, parameters: ChargeParameters) -> ScheduleOffer:
    """The outlet's own limit as the only schedule, up to the departure time or for 24 hours.

    [V2G2-303] [V2G2-304]; a departure time of zero counts as none, one beyond what a schedule can say is cut
    [V2G2-305].
    """
    power = number(limits.hardware_power(session, dc=parameters.mode.is_dc))
    end = min(parameters.departure or _DAY, _LATEST_START + _DAY)
    steps = [PowerStep(0, power)]
    if end > _DAY and parameters.max_steps > 1:
        steps.append(PowerStep(end - _DAY, power))
    duration = min(end - steps[-1].start, _DAY)
    return ScheduleOffer((PowerSchedule(1, tuple(steps), duration),))


_DAY = 86_400
_LATEST_START = 16_777_214


def _fitting(offer: ScheduleOffer, parameters: ChargeParameters) -> ScheduleOffer:
    """The offer with no more steps than the EV can store [V2G2-310]: the surplus at the end becomes one step
    with the lowest power of all it replaces."""
    most = parameters.max_steps
    fitting = (one if len(one.steps) <= most else _shortened(one, most) for one in offer.schedules)
    return msgspec.structs.replace(offer, schedules=tuple(fitting))


def _shortened(schedule: PowerSchedule, most: int) -> PowerSchedule:
    kept, surplus = schedule.steps[: most - 1], schedule.steps[most - 1 :]
    last = PowerStep(surplus[0].start, min(step.max_power for step in surplus))
    return msgspec.structs.replace(
        schedule, steps=(*kept, last), duration=min(schedule.end - last.start, _DAY)
    )


# --- after a pause -----------------------------------------------------------------------------------------


def _resumed(session: Context) -> ScheduleOffer | None:
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
    tariff, signature = session.dialect.continued(schedule, before.schedules, gone)
    rest = msgspec.structs.replace(schedule, steps=tuple(steps), duration=duration, tariff=tariff)
    return ScheduleOffer((rest,), signature)


def _tariff_lost(session: Context, resumed: ScheduleOffer) -> bool:
    """Before the pause there was a tariff, now there is none: worth a question to the back end."""
    before = None if session.joined is None else session.joined.offer
    wanted = session.config.pnc.sales_tariffs is not TariffPolicy.NONE and session.tls
    priced = any(schedule.tariff is not None for schedule in resumed.schedules)
    return wanted and before is not None and before.followed.tariff is not None and not priced


def _completed(resumed: ScheduleOffer, answer: ScheduleOffer | None) -> ScheduleOffer:
    """The schedule that goes on, with the tariff that the back end has for what is left of it."""
    (schedule,) = resumed.schedules
    if answer is None or schedule.schedule_id not in answer:
        return resumed
    priced = msgspec.structs.replace(schedule, tariff=answer[schedule.schedule_id].tariff)
    return ScheduleOffer((priced,), answer.tariff_signature)
