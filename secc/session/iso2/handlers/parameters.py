"""ChargeParameterDiscovery: what the EV can take, what it is offered."""

from __future__ import annotations

from secc.messages import iso2
from secc.messages.iso2 import EVSEProcessing, ResponseCode
from secc.session import ending, offering
from secc.session import parameters as checks
from secc.session.agreed import ChargeParameters, EvLimits
from secc.session.context import Context
from secc.session.iso2 import status, wire
from secc.session.iso2.handlers import tariffs
from secc.session.iso2.states import State
from secc.session.quantities import Milli, milli
from secc.session.schedules import PowerSchedule, ScheduleOffer
from secc.session.states import Timer
from secc.session.values import parameter, wrong
from secc.settings.energy import EnergyMode


def charge_parameter_discovery(session: Context, request: iso2.ChargeParameterDiscoveryReq) -> State:
    """Check what the EV says, then offer schedules: at once, or Ongoing until the back end has them."""
    ending.check_budget(session, Timer.CHARGE_PARAMETERS)
    parameters = _accepted(session, request)
    session.parameters = parameters
    offering.renegotiated(session)
    schedules = offering.offered(session, parameters)
    if schedules is None:
        _answer(session, EVSEProcessing.ONGOING, None)
        return State.WAIT_CHARGE_PARAMETERS
    _answer(session, EVSEProcessing.FINISHED, schedules)
    return State.WAIT_CABLE_CHECK if parameters.mode.is_dc else State.WAIT_POWER_ON_AC


def _accepted(session: Context, request: iso2.ChargeParameterDiscoveryReq) -> ChargeParameters:
    """The request as numbers, or a refusal [V2G2-476] [V2G2-477]."""
    mode = EnergyMode(request.requested_energy_transfer_mode.value)
    checks.check_mode(session, mode)
    ev = request.ev_charge_parameter
    if isinstance(ev, iso2.DCEVChargeParameter) is not mode.is_dc:
        raise wrong(f"{type(ev).__name__} with {mode.value}")
    limits, energy = _dc(session, ev) if isinstance(ev, iso2.DCEVChargeParameter) else _ac(session, ev)
    departure = checks.departure(session, ev.departure_time)
    return ChargeParameters(
        mode=mode,
        limits=limits,
        departure=departure,
        max_steps=max(1, request.max_entries_sa_schedule_tuple or 1024),
        energy=energy,
        departure_at=None if departure is None else session.now + departure,
    )


def _dc(session: Context, ev: iso2.DCEVChargeParameter) -> tuple[EvLimits, Milli | None]:
    limits = checks.dc_limits(
        session, ev.ev_maximum_voltage_limit, ev.ev_maximum_current_limit, ev.ev_maximum_power_limit
    )
    energy = ev.ev_energy_request
    return limits, None if energy is None else parameter(energy, wire.WH)


def _ac(session: Context, ev: iso2.ACEVChargeParameter) -> tuple[EvLimits, Milli | None]:
    limits = checks.ac_limits(session, ev.ev_max_voltage, ev.ev_max_current, ev.ev_min_current)
    return limits, checks.ac_energy(ev.e_amount)


def _answer(session: Context, processing: EVSEProcessing, offer: ScheduleOffer | None) -> None:
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
                sales_tariff=tariffs.of(schedule) if priced else None,
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
            p_max=wire.limit(milli(step.max_power), wire.W),
        )
        for step in schedule.steps
    )
