"""ScheduleExchange: tuples to choose from in Scheduled mode, the needs of the EV in Dynamic mode."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing, RationalNumber, ResponseCode
from secc.session import ending, offering
from secc.session.agreed import ChargeParameters, ScheduleQuestion
from secc.session.context import Context
from secc.session.inputs import SchedulesOffered
from secc.session.iso20 import discharge, needs, numbers, pricing, schedules, vehicle_status
from secc.session.iso20.header import head, stamp
from secc.session.iso20.refusals import Iso20Refused, no_schedule, wrong
from secc.session.iso20.side import BatteryState, Wish, selection, side
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import AskSchedules
from secc.session.quantities import Milli, milli, number, signed
from secc.session.schedules import DynamicOffer, EnergyNeed, Mobility, Offer, ScheduleOffer
from secc.session.states import Timer

Exchange = Callable[[Context, m.ScheduleExchangeReq], S]


def exchange(waiting: S, finished: S) -> Exchange:
    """The handler that stays in one state while schedules are made, then leads to another [V2G20-1987]."""

    def schedule_exchange(session: Context, request: m.ScheduleExchangeReq) -> S:
        """Offer schedules, or take note of the EV's needs; Ongoing while the back end is asked."""
        return finished if exchanged(session, request) else waiting

    return schedule_exchange


def exchanged(session: Context, request: m.ScheduleExchangeReq) -> bool:
    """Answer; whether the answer is Finished."""
    dynamic = request.dynamic_se_req_control_mode is not None
    if dynamic is not selection(session).dynamic:
        raise Iso20Refused(ResponseCode.FAILED, "the control mode is not that of the selected parameter set")
    if ending.overtaken(session) or vehicle_status.awaited(session):  # nothing is offered yet, or any more
        _answer(session, Processing.ONGOING, request, None)
        return False
    vehicle_status.refuse_revoked(session)
    if request.dynamic_se_req_control_mode is not None:
        return _dynamic(session, request, request.dynamic_se_req_control_mode)
    if request.scheduled_se_req_control_mode is not None:
        return _scheduled(session, request, request.scheduled_se_req_control_mode)
    raise Iso20Refused(ResponseCode.FAILED, "no control mode")


# --- Scheduled ---------------------------------------------------------------------------------------------


def _scheduled(session: Context, request: m.ScheduleExchangeReq, ev: m.ScheduledSEReqControlMode) -> bool:
    energies = (ev.ev_minimum_energy_request, ev.ev_target_energy_request, ev.ev_maximum_energy_request)
    _check_energies(*energies)
    found = _needs(session, request, ev.departure_time, ev.ev_target_energy_request)
    room = side(session)
    least = ev.ev_minimum_energy_request
    room.battery = msgspec.structs.replace(
        room.battery, minimum_energy=None if least is None else numbers.down(least)
    )
    discharge.update(session)
    needs.negotiated(session, request)
    offer = _priced_offer(session, request, found)
    _answer(session, Processing.ONGOING if offer is None else Processing.FINISHED, request, offer)
    return offer is not None


def _priced_offer(
    session: Context, request: m.ScheduleExchangeReq, found: ChargeParameters
) -> ScheduleOffer | None:
    """The schedules, once their prices are known or will not come; None while the back end is asked."""
    room = side(session)
    offer = room.prices.unpriced or _offered(session, found)
    if offer is None:
        return None
    latest = max(schedule.end for schedule in offer.schedules)
    end = latest if found.departure is not None else max(latest, schedules.DAY)
    if not pricing.settled(session, offer.schedules, end=end, points=request.maximum_supporting_points):
        room.prices = msgspec.structs.replace(room.prices, unpriced=offer)
        return None
    if room.prices.unpriced is not None:  # limits may have changed while the back end was asked
        offer = offering.refreshed(session, dc=found.mode.is_dc)
        room.prices = msgspec.structs.replace(room.prices, unpriced=None)
    pricing.sent(session, offer.schedules, _anchor(session))
    return offer


def _offered(session: Context, found: ChargeParameters) -> ScheduleOffer | None:
    if Timer.CHARGE_PARAMETERS in session.timers.expired:  # the back end took too long: the outlet's limit
        session.schedule_question = ScheduleQuestion(
            session.names.ticket(), SchedulesOffered(session.names.ticket(), None)
        )
    elif session.config.energy.ask_backend_for_schedules and session.schedule_question is None:
        session.timers.start(Timer.CHARGE_PARAMETERS, session.now, session.config.iso20.schedules)
    return offering.offered(session, found)


def _form(session: Context, request: m.ScheduleExchangeReq) -> schedules.Form:
    room, config, parameters = side(session), session.config.iso20, session.parameters
    tolerance = config.power_tolerance
    return schedules.Form(
        anchor=_anchor(session),
        departure=None if parameters is None else parameters.departure,
        points=request.maximum_supporting_points,
        prices=config.price_schedule,
        tolerance=None if tolerance is None else milli(tolerance),
        discharge=session.may_discharge,
        positive=room.positive_discharge,
        per_phase=room.per_phase,
        offer=room.prices.priced,
    )


def _anchor(session: Context) -> int:
    """TimeAnchor of now, in the unit of the header."""
    return stamp(session.evse.utc, session.config.iso20.timestamp_unit)


# --- Dynamic -----------------------------------------------------------------------------------------------


def _dynamic(session: Context, request: m.ScheduleExchangeReq, ev: m.DynamicSEReqControlMode) -> bool:
    _check_energies(ev.ev_minimum_energy_request, ev.ev_target_energy_request, ev.ev_maximum_energy_request)
    if ev.minimum_soc is not None and ev.target_soc is not None and ev.minimum_soc > ev.target_soc:
        raise wrong("MinimumSOC is above TargetSOC [V2G20-1640] [V2G20-1290] [V2G20-1366]")
    if (ev.ev_minimum_v2_x_energy_request is None) is not (ev.ev_maximum_v2_x_energy_request is None):
        raise wrong("only one of the V2X energies [V2G20-2681]")
    found = _needs(session, request, ev.departure_time, ev.ev_target_energy_request)
    side(session).battery = _battery(side(session).battery, ev)
    discharge.update(session)
    needs.negotiated(session, request)
    if side(session).prices.question is None:
        _limited_by(session, None)  # the EV has none to choose from
        session.joined = None
        planned = _station_plan(session, found, ev)
    else:
        planned = True  # and its prices are asked for
    end, points = ev.departure_time or schedules.DAY, request.maximum_supporting_points
    if not planned or not pricing.settled(session, (), end=end, points=points):
        _answer(session, Processing.ONGOING, request, None)
        return False
    pricing.sent(session, (), _anchor(session))
    _answer(session, Processing.FINISHED, request, None)
    return True


def _battery(before: BatteryState, ev: m.DynamicSEReqControlMode) -> BatteryState:
    least, most = ev.ev_minimum_v2_x_energy_request, ev.ev_maximum_v2_x_energy_request
    return msgspec.structs.replace(
        before,
        minimum_soc=before.minimum_soc if ev.minimum_soc is None else ev.minimum_soc,
        target_soc=before.target_soc if ev.target_soc is None else ev.target_soc,
        minimum_energy=numbers.down(ev.ev_minimum_energy_request),
        minimum_v2x=None if least is None else numbers.down(least),
        maximum_v2x=None if most is None else numbers.down(most),
    )


def _station_plan(session: Context, found: ChargeParameters, ev: m.DynamicSEReqControlMode) -> bool:
    """Whether energy management knows the needs of the EV, or is not to be asked, or takes too long."""
    question = session.schedule_question
    if not session.config.energy.ask_backend_for_schedules:
        return True
    if question is None:
        session.schedule_question = ScheduleQuestion(session.names.ticket())
        need = _dynamic_need(session, found, ev)
        session.emit(AskSchedules(session.schedule_question.ticket, need))
        session.timers.start(Timer.CHARGE_PARAMETERS, session.now, session.config.iso20.schedules)
        return False
    late = Timer.CHARGE_PARAMETERS in session.timers.expired
    if question.answer is None and not late:
        return False
    answer = None if question.answer is None else question.answer.offer
    session.schedule_question = None
    if isinstance(answer, DynamicOffer):
        room = side(session)
        room.wanted = None if answer.power is None else signed(answer.power)
        room.mobility = answer.mobility if selection(session).station_knows_needs else None
    elif answer is not None:  # a limit over time holds in this mode as well
        _limited_by(session, Offer(answer, session.now, answer.schedules[0].schedule_id))
    return True


def _limited_by(session: Context, offer: Offer | None) -> None:
    """What limits the power over time; under power from the EV's PowerDeliveryReq on, and not before."""
    session.latest_offer = offer
    if session.energised is None:
        session.offer = offer


def _dynamic_need(session: Context, found: ChargeParameters, ev: m.DynamicSEReqControlMode) -> EnergyNeed:
    room = side(session)
    power = found.limits.power
    return EnergyNeed(
        mode=found.mode,
        departure=ev.departure_time,
        energy=number(numbers.down(ev.ev_target_energy_request)),
        max_power=None if power is None else number(power),
        max_steps=found.max_steps,
        dynamic=True,
        min_energy=number(numbers.down(ev.ev_minimum_energy_request)),
        max_energy=number(numbers.down(ev.ev_maximum_energy_request)),
        minimum_soc=room.battery.minimum_soc,
        target_soc=room.battery.target_soc,
        max_discharge_power=number(found.limits.discharge_power),
        ask_mobility=selection(session).station_knows_needs,
    )


# --- both --------------------------------------------------------------------------------------------------


def _check_energies(
    least: RationalNumber | None, wanted: RationalNumber | None, most: RationalNumber | None
) -> None:
    """Minimum, target and maximum in this order, as far as they are there."""
    known = [numbers.down(value) for value in (least, wanted, most) if value is not None]
    if known != sorted(known):
        raise wrong("the energies are not minimum, target and maximum in this order")


def _needs(
    session: Context, request: m.ScheduleExchangeReq, departure: int | None, energy: RationalNumber | None
) -> ChargeParameters:
    """The accepted charge parameters, with what this request adds."""
    before = session.parameters
    if before is None:
        raise Iso20Refused(ResponseCode.FAILED, "no charge parameters")
    leaving = departure if departure else None
    session.parameters = msgspec.structs.replace(
        before,
        departure=leaving,
        max_steps=request.maximum_supporting_points,
        energy=None if energy is None else Milli(max(0, numbers.down(energy))),
        departure_at=None if leaving is None else session.now + leaving,
    )
    return session.parameters


def _answer(
    session: Context, processing: Processing, request: m.ScheduleExchangeReq, offer: ScheduleOffer | None
) -> None:
    room, dynamic = side(session), selection(session).dynamic
    ongoing = processing is Processing.ONGOING
    signature = None if ongoing else pricing.signature(session)
    scheduled = None
    if not dynamic:
        scheduled = no_schedule() if offer is None else schedules.tuples(offer, _form(session, request))
    session.answer(
        m.ScheduleExchangeRes(
            header=head(session, signature),
            response_code=ResponseCode.OK,
            evse_processing=processing,
            go_to_pause=True if Wish.PAUSE in room.wishes else None,
            scheduled_se_res_control_mode=scheduled,
            dynamic_se_res_control_mode=_own_plan(session, request, ongoing=ongoing) if dynamic else None,
        )
    )


def _own_plan(
    session: Context, request: m.ScheduleExchangeReq, *, ongoing: bool
) -> m.DynamicSEResControlMode:
    """Dynamic mode: the mobility needs that the station knows, and the prices."""
    ev, mobility = request.dynamic_se_req_control_mode, side(session).mobility or Mobility()
    if ongoing or ev is None:
        return m.DynamicSEResControlMode()
    end = ev.departure_time or schedules.DAY
    return m.DynamicSEResControlMode(
        departure_time=mobility.departure,
        minimum_soc=mobility.minimum_soc,
        target_soc=mobility.target_soc,
        **pricing.of_dynamic_mode(session, anchor=_anchor(session), end=end),
    )
