"""How the station presents itself in a response of DIN SPEC 70121: status, limits, measurements.

The numbers are those of ISO 15118-2, the messages are not: the station announces a stop by its status code
alone, there is no meter, and a schedule says watts as a 16 bit number.
"""

from __future__ import annotations

from secc.messages import din
from secc.messages.din import DCEVSEStatusCode, EVSENotification
from secc.session import isolation, limits
from secc.session.context import Agreed
from secc.session.din import wire
from secc.session.din.wire import A, V, W
from secc.session.outlet import EvseFault, IsolationLevel
from secc.session.quantities import number
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.settings.energy import EnergyMode


def evse_status(session: Agreed) -> din.DCEVSEStatus:
    """DC_EVSEStatus. EVSENotification says nothing in DC: a stop is announced by EVSE_Shutdown
    [V2G-DC-500]."""
    level = isolation.level(session)
    if level is IsolationLevel.NO_IMD:  # DIN has no such level
        level = IsolationLevel.INVALID
    return din.DCEVSEStatus(
        evse_isolation_status=din.IsolationLevel(level.value),
        evse_status_code=_status_code(session),
        notification_max_delay=0,
        evse_notification=EVSENotification.NONE,
    )


def _status_code(session: Agreed) -> DCEVSEStatusCode:
    """Only EVSE_Shutdown and EVSE_EmergencyShutdown make the EV stop [V2G-DC-650]; the others inform. An EV
    whose pilot leaves C and D in the middle is asked to stop at once [V2G-DC-668]."""
    if session.fault is EvseFault.EMERGENCY_STOP:
        return DCEVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN
    if session.fault is not None and not session.state.in_charge_loop:
        return DCEVSEStatusCode.EVSE_MALFUNCTION
    if session.stop is not None:
        return DCEVSEStatusCode.EVSE_SHUTDOWN
    if session.interrupted or session.fault is not None:
        return DCEVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN
    if isolation.runs(session):
        return DCEVSEStatusCode.EVSE_ISOLATION_MONITORING_ACTIVE
    if not session.evse.ready:
        return DCEVSEStatusCode.EVSE_NOT_READY
    return DCEVSEStatusCode.EVSE_READY


def charge_parameter(session: Agreed) -> din.DCEVSEChargeParameter:
    """What the outlet can deliver now."""
    config = session.config.energy.dc
    tolerance, can = config.current_regulation_tolerance, limits.dc(session)
    return din.DCEVSEChargeParameter(
        dc_evse_status=evse_status(session),
        evse_maximum_current_limit=wire.limit(can.current.upper, A),
        evse_maximum_power_limit=wire.limit(can.power.upper, W),
        evse_maximum_voltage_limit=wire.limit(can.voltage, V),
        evse_minimum_current_limit=wire.measured(config.min_current, A),
        evse_minimum_voltage_limit=wire.measured(config.min_voltage, V),
        evse_current_regulation_tolerance=(None if tolerance is None else wire.measured(tolerance, A)),
        evse_peak_current_ripple=wire.measured(config.peak_current_ripple, A),
    )


def charge_service(session: Agreed) -> din.ServiceCharge:
    """The one service there is, without name and scope [V2G-DC-628] [V2G-DC-629]."""
    return din.ServiceCharge(
        service_tag=din.ServiceTag(
            service_id=CHARGE_SERVICE, service_category=din.ServiceCategory.EV_CHARGING
        ),
        free_service=session.config.service.free,
        energy_transfer_type=_TYPES[energy_mode(session)],
    )


CHARGE_SERVICE = 1
"""ServiceID of charging."""


def energy_mode(session: Agreed) -> EnergyMode:
    """What is offered: DIN names one mode, so it is the first of the station's that DIN knows."""
    return next((mode for mode in session.config.energy.modes if mode in _TYPES), EnergyMode.DC_EXTENDED)


_TYPES = {
    EnergyMode.DC_EXTENDED: din.EVSESupportedEnergyTransfer.DC_EXTENDED,
    EnergyMode.DC_CORE: din.EVSESupportedEnergyTransfer.DC_CORE,
    EnergyMode.DC_COMBO_CORE: din.EVSESupportedEnergyTransfer.DC_COMBO_CORE,
}


def schedule_list(offer: ScheduleOffer) -> din.SAScheduleList:
    """The schedules, without prices [V2G-DC-554]."""
    return din.SAScheduleList(
        sa_schedule_tuple=tuple(
            din.SAScheduleTuple(
                sa_schedule_tuple_id=schedule.schedule_id,
                p_max_schedule=din.PMaxSchedule(
                    p_max_schedule_id=schedule.schedule_id, p_max_schedule_entry=_entries(schedule)
                ),
            )
            for schedule in offer.schedules
        )
    )


def _entries(schedule: PowerSchedule) -> tuple[din.PMaxScheduleEntry, ...]:
    ends = [*(step.start for step in schedule.steps[1:]), schedule.end]
    return tuple(
        din.PMaxScheduleEntry(
            time_interval=din.RelativeTimeInterval(start=step.start, duration=end - step.start),
            p_max=min(int(step.max_power), MOST_WATTS),
        )
        for step, end in zip(schedule.steps, ends, strict=True)
    )


def placeholder(session: Agreed) -> din.SAScheduleList:
    """For a response that must carry a schedule and offers none yet: what holds now, for a day."""
    schedule = PowerSchedule(1, (PowerStep(0, number(limits.dc(session).power.upper)),), 86_400)
    return schedule_list(ScheduleOffer((schedule,)))


MOST_WATTS = 32767
"""As much as PMax can say; a limit from here on is not in the schedule, but in EVSEMaximumPowerLimit."""


def present_voltage(session: Agreed) -> din.PhysicalValue:
    """EVSEPresentVoltage."""
    return wire.measured(session.evse.present_voltage, V)


def present_current(session: Agreed) -> din.PhysicalValue:
    """EVSEPresentCurrent."""
    return wire.measured(session.evse.present_current, A)


def evse_id(session: Agreed) -> bytes:
    """EVSEID by DIN SPEC 91286, one digit or star per half byte [V2G-DC-620]; unknown: a zero byte
    [V2G-DC-876]."""
    digits = session.config.din.evse_id.replace("*", "a")
    return bytes.fromhex(digits) if digits else b"\0"


# --- responses with the status only, for every code --------------------------------------------------------


def cable_check(
    session: Agreed,
    processing: din.EVSEProcessing = din.EVSEProcessing.FINISHED,
    code: din.ResponseCode = din.ResponseCode.OK,
) -> din.CableCheckRes:
    """CableCheckRes."""
    return din.CableCheckRes(
        response_code=code, dc_evse_status=evse_status(session), evse_processing=processing
    )


def pre_charge(session: Agreed, code: din.ResponseCode = din.ResponseCode.OK) -> din.PreChargeRes:
    """PreChargeRes."""
    return din.PreChargeRes(
        response_code=code,
        dc_evse_status=evse_status(session),
        evse_present_voltage=present_voltage(session),
    )


def power_delivery(session: Agreed, code: din.ResponseCode = din.ResponseCode.OK) -> din.PowerDeliveryRes:
    """PowerDeliveryRes."""
    return din.PowerDeliveryRes(response_code=code, evse_status=evse_status(session))


def welding_detection(
    session: Agreed, code: din.ResponseCode = din.ResponseCode.OK
) -> din.WeldingDetectionRes:
    """WeldingDetectionRes."""
    return din.WeldingDetectionRes(
        response_code=code,
        dc_evse_status=evse_status(session),
        evse_present_voltage=present_voltage(session),
    )
