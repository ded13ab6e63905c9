"""AC_DER_IEC (Amendment 1): charge parameters with the rules of the grid, and the charge loop with its
set-points. What it has in common with AC is done there."""

from __future__ import annotations

from secc.messages import iso20_ac_der_iec as m
from secc.messages.iso20_common import Processing, ResponseCode
from secc.session import limits, loop
from secc.session.context import Context
from secc.session.iso20 import grid_messages, grid_rules, numbers, phases, steering, terms, wire
from secc.session.iso20.handlers import ac_loop, parameters
from secc.session.iso20.handlers.beside import begin
from secc.session.iso20.handlers.dc_loop import mobility
from secc.session.iso20.header import head
from secc.session.iso20.refusals import Elements, Iso20Refused, wrong
from secc.session.iso20.side import selection, side
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.states import SideState
from secc.session.quantities import milli

Scheduled, Dynamic = m.DERScheduledACCLReqControlMode, m.DERDynamicACCLReqControlMode


def discovery(session: Context, request: m.ACChargeParameterDiscoveryReq) -> S:
    """Settle the limits; the EV may come again while its own processing is Ongoing [V2G20-3150]
    [V2G20-3151]."""
    finished = _settle(session, request)
    return S.WAIT_SCHEDULE_AC if finished else S.WAIT_PARAMETERS_AC


def rediscovery(session: Context, request: m.ACChargeParameterDiscoveryReq) -> S:
    """The same while energy flows: a new schedule is negotiated [V2G20-1046]."""
    _settle(session, request)
    return S.WAIT_NEW_SCHEDULE_AC


def beside(session: Context, request: m.ACChargeParameterDiscoveryReq) -> SideState:
    """The first message of a renegotiation on the side stream [V2G20-1046]."""
    begin(session)
    with terms.aside(session):
        _settle(session, request)
    return SideState.SCHEDULE_EXCHANGE


def _settle(session: Context, request: m.ACChargeParameterDiscoveryReq) -> bool:
    ev = request.ac_cpd_req_energy_transfer_mode
    if not isinstance(ev, m.DERACCPDReqEnergyTransferMode):
        raise wrong(f"{type(ev).__name__}, selected is AC_DER_IEC [V2G20-1600]")
    parameters.settle_ac(session, ev)
    grid_rules.settle_reactive(session, ev.ev_reactive_power_limits)
    session.answer(
        m.ACChargeParameterDiscoveryRes(
            header=head(session),
            response_code=ResponseCode.OK,
            ac_cpd_res_energy_transfer_mode=_offer(session),
        )
    )
    return ev.ev_processing is Processing.FINISHED


def _offer(session: Context) -> m.DERACCPDResEnergyTransferMode:
    """What the outlet can now. The nominal discharge power is not above the maximum [V2G20-3228]
    [V2G20-3229]."""
    room = side(session)
    nominal = limits.hardware_power(session, dc=False)
    return m.DERACCPDResEnergyTransferMode(
        **parameters.ac_charge(session),
        **phases.divided("evse_nominal_charge_power", nominal, per_phase=room.per_phase),
        **parameters.ac_discharge(session),
        **parameters.ac_discharge(session, "evse_nominal_discharge_power"),
        ev_operating_mode=m.EvOperatingMode.GRID_FOLLOWING,
        grid_connection_mode=m.GridConnectionMode.GRID_CONNECTED,
        der_control=grid_messages.control(None if room.offer is None else room.offer.grid),
    )


# --- the loop ----------------------------------------------------------------------------------------------


def charge_loop(session: Context, request: m.ACChargeLoopReq) -> S:
    """Name the power of now, with the set-points of the grid operator [V2G20-1825]."""
    _answer_to(session, request, standby=False)
    return S.WAIT_LOOP_AC


def in_standby(session: Context, request: m.ACChargeLoopReq) -> S:
    """The same in standby, with no power."""
    _answer_to(session, request, standby=True)
    return S.WAIT_STANDBY_AC


def _answer_to(session: Context, request: m.ACChargeLoopReq, *, standby: bool) -> None:
    loop.check(session)
    mode = request.cl_req_control_mode
    if (
        not isinstance(mode, Scheduled | Dynamic)
        or isinstance(mode, Dynamic) is not selection(session).dynamic
    ):
        why = f"{type(mode).__name__} in AC_DER_IEC, {selection(session).parameters.control.name}"
        raise Iso20Refused(ResponseCode.FAILED, f"{why} [V2G20-1600]")
    grid_rules.seen(session, mode.grid_event_condition)
    bounds, elements = ac_loop.observed(session, request, standby=standby)
    session.answer(m.ACChargeLoopRes(**elements, cl_res_control_mode=_answer(session, mode, bounds)))


def _answer(
    session: Context, mode: object, bounds: steering.Room
) -> m.DERScheduledACCLResControlMode | m.DERDynamicACCLResControlMode:
    room, target = side(session), ac_loop.active_power(session, mode, bounds)
    targets = grid_rules.targets(session)
    reactive = grid_rules.reactive_power(session, _milliwatts(target), flows=bounds is not steering.NOTHING)
    found: Elements = {
        **target,
        **phases.present(session),
        **phases.divided("evse_maximum_charge_power", limits.ac_power(session), per_phase=room.per_phase),
        **parameters.ac_discharge(session),
        **grid_messages.setpoints(None if room.offer is None else room.offer.grid, targets, reactive),
    }
    if targets.max_discharge is not None:
        most = numbers.maximum(milli(targets.max_discharge))
        found["dso_maximum_discharge_power"] = wire.signed(room, most)
    if reactive is not None:  # in total, so the elements of the phases are left out
        found |= phases.target("evse_target_reactive_power", reactive, per_phase=False)
    if selection(session).dynamic:
        return m.DERDynamicACCLResControlMode(**found, **mobility(session))
    return m.DERScheduledACCLResControlMode(**found)


def _milliwatts(target: Elements) -> int:
    return sum(abs(numbers.down(part)) for part in target.values())
