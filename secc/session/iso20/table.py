"""Every input that is legal in a state of ISO 15118-20; how to read it: `secc.session.iso2.table`.

The side streams have a table for themselves: `secc.session.iso20.beside`.

A WARNING answers and keeps the state; it has no row. A row with a `leniency` counts only while that
switch of `CompatConfig` is on.
"""

from __future__ import annotations

from typing import Any

from secc.messages.iso20_ac import ACChargeLoopReq, ACChargeLoopRes, ACChargeParameterDiscoveryReq
from secc.messages.iso20_common import (
    AuthorizationReq,
    AuthorizationSetupReq,
    CertificateInstallationReq,
    MeteringConfirmationReq,
    PowerDeliveryReq,
    ScheduleExchangeReq,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    ServiceSelectionReq,
    SessionSetupReq,
    SessionStopReq,
    VehicleCheckInReq,
    VehicleCheckOutReq,
)
from secc.messages.iso20_dc import (
    DCCableCheckReq,
    DCChargeLoopReq,
    DCChargeLoopRes,
    DCChargeParameterDiscoveryReq,
    DCPreChargeReq,
    DCWeldingDetectionReq,
)
from secc.session import ending as shared
from secc.session import isolation, offering
from secc.session import pre_charge as voltage
from secc.session.anywhere import anywhere
from secc.session.context import SessionConfig
from secc.session.contract_events import (
    ContractDecided,
    ContractJudged,
    ContractProvisioned,
    RevocationReported,
)
from secc.session.dialect import Anywhere, Dialect, Key, On, at, each
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ChargingHeld,
    ContactorReported,
    DischargePermitted,
    EnergyTargeted,
    GridCodeChanged,
    GridCodeGiven,
    GridTargeted,
    PauseRequested,
    PricesOffered,
    RenegotiationRequested,
    SchedulesOffered,
    ServiceRenegotiationRequested,
    StandbyExitRequested,
)
from secc.session.iso20 import discharge, grid_rules, notifications, pricing, terms, vehicle_status
from secc.session.iso20.beside import BESIDE, LASTS, OPENS
from secc.session.iso20.handlers import (
    ac,
    ac_loop,
    contract,
    dc,
    dc_loop,
    ending,
    installation,
    metering,
    parameters,
    parking,
    power,
    services,
    setup,
)
from secc.session.iso20.handlers.schedule import exchange
from secc.session.iso20.pausing import kept
from secc.session.iso20.refusals import CODES, PAIRS, refusal
from secc.session.iso20.side import Iso20Side
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.states import SideState
from secc.session.states import FeedbackChanged, PilotChanged, Stage, StopOrdered, Timer
from secc.session.vehicle_events import VehicleStatusReported

__all__ = ["ISO20_AC", "ISO20_DC", "RULES"]

_SCHEDULES: set[Stage] = {
    S.WAIT_SCHEDULE_AC,
    S.WAIT_SCHEDULE_DC,
    S.WAIT_NEW_SCHEDULE_AC,
    S.WAIT_NEW_SCHEDULE_DC,
}
_UNDER_POWER: set[Stage] = {S.WAIT_LOOP_DC, S.WAIT_NEW_SCHEDULE_DC, S.WAIT_NEW_PROFILE_DC}

_CHOSEN: set[Stage] = {
    *(S.WAIT_CHECK_IN_AC, S.WAIT_CHECK_IN_DC, S.WAIT_PARAMETERS_AC, S.WAIT_PARAMETERS_DC),
}

_STOPPED: set[Stage] = {S.WAIT_SESSION_STOP, S.WAIT_CHECK_OUT}

_CONFIRMING: set[Stage] = {
    *(S.WAIT_LOOP_AC, S.WAIT_LOOP_DC, S.WAIT_STANDBY_AC, S.WAIT_STANDBY_DC, S.WAIT_WELDING, *_STOPPED),
}

# fmt: off
RULES: tuple[On, ...] = (
    # --- session, authorization, services ---
    *at(S.WAIT_SESSION_SETUP,
        (SessionSetupReq, setup.session_setup,
         {S.WAIT_AUTHORIZATION_SETUP, S.WAIT_PARAMETERS_AC, S.WAIT_PARAMETERS_DC},
         "V2G20-1032 V2G20-2622 V2G20-2627")),
    *at(S.WAIT_AUTHORIZATION_SETUP,
        (AuthorizationSetupReq, setup.authorization_setup, {S.WAIT_AUTHORIZATION}, "V2G20-1220 V2G20-2566")),
    *at(S.WAIT_AUTHORIZATION,
        (AuthorizationReq, vehicle_status.checked(setup.authorization),
         {S.WAIT_AUTHORIZATION, S.JUDGING_CONTRACT, S.WAIT_SERVICE_DISCOVERY},
         "V2G20-1063 V2G20-1200 V2G20-1577 V2G20-1582 V2G20-1583 V2G20-2219 V2G20-2440"),
        (ContractJudged, contract.judged, {S.WAIT_AUTHORIZATION}, "V2G20-2564"),
        (RevocationReported, contract.revocation_reported, {S.WAIT_AUTHORIZATION}, "V2G20-2214"),
        (Timer.REVOCATION, contract.revocation_late, {S.WAIT_AUTHORIZATION}, "V2G20-2214"),
        (Timer.CONTRACT_ANSWER, contract.answer_late, {S.WAIT_AUTHORIZATION}, ""),
        (Timer.AUTHORIZATION, setup.attempt_over, {S.WAIT_AUTHORIZATION}, "V2G20-2102"),
        (CertificateInstallationReq, installation.certificate_request,
         {S.WAIT_CERTIFICATE, S.WAIT_AUTHORIZATION},
         "V2G20-461 V2G20-1973 V2G20-1978 V2G20-2203 V2G20-2204 V2G20-2221 V2G20-2225")),
    *at(S.JUDGING_CONTRACT,
        (ContractJudged, contract.judged, {S.JUDGING_CONTRACT, S.WAIT_AUTHORIZATION},
         "V2G20-2212 V2G20-2213 V2G20-2215 V2G20-2216 V2G20-2564 V2G20-2565"),
        (Timer.JUDGEMENT, contract.judgement_late, {S.WAIT_AUTHORIZATION}, ""),
        (Timer.AUTHORIZATION, setup.attempt_over, {S.JUDGING_CONTRACT}, "V2G20-2102"),
        (StopOrdered, contract.judgement_overtaken, {S.WAIT_AUTHORIZATION}, "INV-29")),
    *at(S.WAIT_CERTIFICATE,
        (CertificateInstallationReq, installation.repeated, {S.WAIT_CERTIFICATE, S.WAIT_AUTHORIZATION},
         "V2G20-1972 V2G20-1975 V2G20-1978 V2G20-2202 V2G20-2207 V2G20-2225"),
        (ContractProvisioned, installation.provisioned, {S.WAIT_CERTIFICATE}, "INV-20"),
        (Timer.PROVISIONING, installation.late, {S.WAIT_CERTIFICATE}, "V2G20-2207")),
    *at(S.WAIT_SERVICE_DISCOVERY,
        (ServiceDiscoveryReq, services.service_discovery, {S.WAIT_SERVICE_DETAIL}, "V2G20-1248 V2G20-1249")),
    *at(S.WAIT_SERVICE_DETAIL,
        (ServiceDetailReq, services.service_detail, {S.WAIT_SERVICE_SELECTION}, "V2G20-1980"),
        (ServiceSelectionReq, services.service_selection, _CHOSEN,
         "V2G20-1216", "selection_without_detail")),
    *at(S.WAIT_SERVICE_SELECTION,
        (ServiceDetailReq, services.service_detail, {S.WAIT_SERVICE_SELECTION}, "V2G20-1981"),
        (ServiceSelectionReq, services.service_selection, _CHOSEN,
         "V2G20-433 V2G20-1216 V2G20-1981")),

    # --- ParkingStatus ---
    *at(S.WAIT_CHECK_IN_AC,
        (VehicleCheckInReq, parking.check_in, {S.WAIT_CHECK_IN_AC, S.WAIT_PARAMETERS_AC}, "V2G20-1985"),
        (ACChargeParameterDiscoveryReq, parameters.ac_discovery, {S.WAIT_SCHEDULE_AC}, "V2G20-1983")),
    *at(S.WAIT_CHECK_IN_DC,
        (VehicleCheckInReq, parking.check_in, {S.WAIT_CHECK_IN_DC, S.WAIT_PARAMETERS_DC}, "V2G20-1985"),
        (DCChargeParameterDiscoveryReq, parameters.dc_discovery, {S.WAIT_SCHEDULE_DC}, "V2G20-1983")),
    *at(S.WAIT_CHECK_OUT,
        (VehicleCheckOutReq, parking.check_out, {S.WAIT_CHECK_OUT, S.WAIT_SESSION_STOP}, ""),
        (SessionStopReq, ending.stop_after_charging, {S.ENDED, S.WAIT_SERVICE_DISCOVERY},
         "V2G20-1476 V2G20-1477 V2G20-1632")),

    # --- charge parameters and schedules ---
    *at(S.WAIT_PARAMETERS_AC,
        (ACChargeParameterDiscoveryReq, parameters.ac_discovery, {S.WAIT_SCHEDULE_AC},
         "V2G20-1983 V2G20-2097")),
    *at(S.WAIT_PARAMETERS_DC,
        (DCChargeParameterDiscoveryReq, parameters.dc_discovery, {S.WAIT_SCHEDULE_DC},
         "V2G20-1983 V2G20-2098")),
    *at(S.WAIT_SCHEDULE_AC,
        (ScheduleExchangeReq, exchange(S.WAIT_SCHEDULE_AC, S.WAIT_POWER_ON_AC),
         {S.WAIT_SCHEDULE_AC, S.WAIT_POWER_ON_AC}, "V2G20-1986 V2G20-1987 V2G20-1989")),
    *at(S.WAIT_SCHEDULE_DC,
        (ScheduleExchangeReq, exchange(S.WAIT_SCHEDULE_DC, S.WAIT_CABLE_CHECK),
         {S.WAIT_SCHEDULE_DC, S.WAIT_CABLE_CHECK}, "V2G20-1986 V2G20-1987")),

    # --- AC ---
    *at(S.WAIT_POWER_ON_AC,
        (PowerDeliveryReq, ac.power_on,
         {S.WAIT_POWER_ON_AC, S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR, S.WAIT_FIRST_LOOP_AC,
          *_STOPPED},
         "V2G20-847 V2G20-1989")),
    *at(S.AWAITING_PILOT_AC,
        (PilotChanged, ac.look_again, {S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR}, "V2G20-847"),
        (FeedbackChanged, ac.look_again, {S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR}, "INV-02"),
        (Timer.VOLTAGE_READING, ac.look_again, {S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR}, "INV-02"),
        (Timer.PILOT, ac.start_late, set(), "V2G20-847"),
        (StopOrdered, ac.start_overtaken, {S.WAIT_FIRST_LOOP_AC}, "INV-29")),
    *at(S.CLOSING_CONTACTOR,
        (ContactorReported, ac.contactor_reported, {S.CLOSING_CONTACTOR, S.WAIT_FIRST_LOOP_AC}, "INV-02"),
        (FeedbackChanged, ac.contactor_seen, {S.CLOSING_CONTACTOR, S.WAIT_FIRST_LOOP_AC}, "INV-02"),
        (Timer.VOLTAGE_READING, ac.contactor_seen, {S.CLOSING_CONTACTOR, S.WAIT_FIRST_LOOP_AC}, "INV-02"),
        (Timer.CONTACTOR, ac.contactor_late, set(), ""),
        (StopOrdered, ac.start_overtaken, {S.WAIT_FIRST_LOOP_AC}, "INV-29")),
    *at(S.WAIT_FIRST_LOOP_AC,
        (ACChargeLoopReq, ac_loop.charge_loop, {S.WAIT_LOOP_AC}, "V2G20-1825"),
        (PowerDeliveryReq, power.stop_before(S.WAIT_SESSION_STOP), _STOPPED, "",
         "stop_after_start")),
    *at(S.WAIT_LOOP_AC,
        (ACChargeLoopReq, ac_loop.charge_loop, {S.WAIT_LOOP_AC}, "V2G20-1825 V2G20-1864"),
        (PowerDeliveryReq, power.off(S.WAIT_SESSION_STOP, S.WAIT_NEW_SCHEDULE_AC, S.WAIT_STANDBY_AC),
         {S.WAIT_LOOP_AC, *_STOPPED, S.WAIT_NEW_SCHEDULE_AC, S.WAIT_STANDBY_AC},
         "V2G20-1045 V2G20-1385 V2G20-1615 V2G20-1623")),
    *at(S.WAIT_NEW_SCHEDULE_AC,
        (ACChargeParameterDiscoveryReq, parameters.ac_rediscovery, {S.WAIT_NEW_SCHEDULE_AC}, "V2G20-1046"),
        (ScheduleExchangeReq, exchange(S.WAIT_NEW_SCHEDULE_AC, S.WAIT_NEW_PROFILE_AC),
         {S.WAIT_NEW_SCHEDULE_AC, S.WAIT_NEW_PROFILE_AC}, "V2G20-1048 V2G20-1052"),
        (PowerDeliveryReq, power.stop_before(S.WAIT_SESSION_STOP), _STOPPED, "V2G20-1623")),
    *at(S.WAIT_NEW_PROFILE_AC,
        (PowerDeliveryReq, ac.new_profile,
         {S.WAIT_NEW_PROFILE_AC, S.WAIT_LOOP_AC, *_STOPPED, S.AWAITING_PILOT_AC,
          S.CLOSING_CONTACTOR, S.WAIT_FIRST_LOOP_AC},
         "V2G20-1050 V2G20-1052 V2G20-1386")),
    *at(S.WAIT_STANDBY_AC,
        (ACChargeLoopReq, ac_loop.in_standby, {S.WAIT_STANDBY_AC}, "V2G20-1311"),
        (PowerDeliveryReq,
         power.standing_by(S.WAIT_STANDBY_AC, S.WAIT_SESSION_STOP, S.WAIT_NEW_SCHEDULE_AC, ac.leave_standby),
         {S.WAIT_STANDBY_AC, *_STOPPED, S.WAIT_NEW_SCHEDULE_AC, S.AWAITING_PILOT_AC,
          S.CLOSING_CONTACTOR, S.WAIT_FIRST_LOOP_AC},
         "V2G20-1386")),

    # --- DC: isolation, pre-charge ---
    *at(S.WAIT_CABLE_CHECK,
        (DCCableCheckReq, dc.cable_check, {S.AWAITING_PILOT_DC, S.WAIT_CABLE_CHECK_RESULT}, "V2G20-1418")),
    *at(S.AWAITING_PILOT_DC,
        (PilotChanged, dc.pilot_seen, {S.AWAITING_PILOT_DC, S.WAIT_CABLE_CHECK_RESULT}, "V2G20-1418"),
        (Timer.PILOT, shared.pilot_late, set(), "V2G20-1418"),
        (StopOrdered, dc.check_overtaken, {S.WAIT_CABLE_CHECK_RESULT}, "INV-29")),
    *at(S.WAIT_CABLE_CHECK_RESULT,
        (DCCableCheckReq, dc.cable_check_again, {S.WAIT_CABLE_CHECK_RESULT, S.WAIT_PRE_CHARGE}, "INV-06"),
        (CableCheckReported, isolation.reported, {S.WAIT_CABLE_CHECK_RESULT}, "INV-06"),
        (PilotChanged, isolation.begin_when_safe, {S.WAIT_CABLE_CHECK_RESULT}, "INV-06"),
        (Timer.VOLTAGE_READING, isolation.begin_when_safe, {S.WAIT_CABLE_CHECK_RESULT}, "INV-06"),
        (Timer.CABLE_CHECK, shared.budget_spent, {S.WAIT_CABLE_CHECK_RESULT}, "")),
    *at(S.WAIT_PRE_CHARGE,
        (DCPreChargeReq, dc.bring_to_voltage, {S.WAIT_PRE_CHARGE_AGAIN, S.WAIT_POWER_ON_DC}, "V2G20-1433")),
    *at(S.WAIT_PRE_CHARGE_AGAIN,
        (DCPreChargeReq, dc.bring_to_voltage, {S.WAIT_PRE_CHARGE_AGAIN, S.WAIT_POWER_ON_DC},
         "V2G20-1433 V2G20-1434 V2G20-2005"),
        (PowerDeliveryReq, dc.power_on,
         {S.WAIT_PRE_CHARGE_AGAIN, S.AWAITING_VOLTAGE, S.WAIT_FIRST_LOOP_DC, S.WAIT_WELDING}, "V2G20-2005",
         "start_in_pre_charge"),
        (Timer.PRE_CHARGE, voltage.late, {S.WAIT_PRE_CHARGE_AGAIN}, ""),
        (Timer.PRE_CHARGE_TOTAL, shared.budget_spent, {S.WAIT_PRE_CHARGE_AGAIN}, "")),
    *at(S.WAIT_POWER_ON_DC,
        (PowerDeliveryReq, dc.power_on,
         {S.WAIT_POWER_ON_DC, S.AWAITING_VOLTAGE, S.WAIT_FIRST_LOOP_DC, S.WAIT_WELDING}, "V2G20-2006"),
        (Timer.PRE_CHARGE, voltage.late, {S.WAIT_POWER_ON_DC}, ""),
        (Timer.PRE_CHARGE_TOTAL, shared.budget_spent, {S.WAIT_POWER_ON_DC}, "")),
    *at(S.AWAITING_VOLTAGE,
        (Timer.VOLTAGE_READING, dc.look_again, {S.AWAITING_VOLTAGE, S.WAIT_FIRST_LOOP_DC}, ""),
        (Timer.VOLTAGE, dc.last_look, {S.WAIT_FIRST_LOOP_DC}, ""),
        (StopOrdered, dc.start_overtaken, {S.WAIT_FIRST_LOOP_DC}, "INV-29")),

    # --- DC: energy transfer, end ---
    *at(S.WAIT_FIRST_LOOP_DC,
        (DCChargeLoopReq, dc_loop.charge_loop, {S.WAIT_LOOP_DC}, "V2G20-2187 V2G20-2188"),
        (PowerDeliveryReq, power.stop_before(S.WAIT_WELDING), {S.WAIT_WELDING}, "", "stop_after_start")),
    *at(S.WAIT_LOOP_DC,
        (DCChargeLoopReq, dc_loop.charge_loop, {S.WAIT_LOOP_DC}, "V2G20-2183 V2G20-2187 V2G20-2188"),
        (PowerDeliveryReq, power.off(S.WAIT_WELDING, S.WAIT_NEW_SCHEDULE_DC, S.WAIT_STANDBY_DC),
         {S.WAIT_LOOP_DC, S.WAIT_WELDING, S.WAIT_NEW_SCHEDULE_DC, S.WAIT_STANDBY_DC},
         "V2G20-1045 V2G20-1385 V2G20-1615 V2G20-2020")),
    *at(S.WAIT_NEW_SCHEDULE_DC,
        (DCChargeParameterDiscoveryReq, parameters.dc_rediscovery, {S.WAIT_NEW_SCHEDULE_DC}, "V2G20-1046"),
        (ScheduleExchangeReq, exchange(S.WAIT_NEW_SCHEDULE_DC, S.WAIT_NEW_PROFILE_DC),
         {S.WAIT_NEW_SCHEDULE_DC, S.WAIT_NEW_PROFILE_DC}, "V2G20-1048 V2G20-1052"),
        (PowerDeliveryReq, power.stop_before(S.WAIT_WELDING), {S.WAIT_WELDING}, "V2G20-2020")),
    *at(S.WAIT_NEW_PROFILE_DC,
        (PowerDeliveryReq, power.profile(S.WAIT_WELDING, S.WAIT_NEW_PROFILE_DC, S.WAIT_LOOP_DC),
         {S.WAIT_NEW_PROFILE_DC, S.WAIT_LOOP_DC, S.WAIT_WELDING},
         "V2G20-1050 V2G20-1052 V2G20-2122")),
    *at(S.WAIT_STANDBY_DC,
        (DCChargeLoopReq, dc_loop.in_standby, {S.WAIT_STANDBY_DC}, "V2G20-1311"),
        (PowerDeliveryReq,
         power.standing_by(S.WAIT_STANDBY_DC, S.WAIT_WELDING, S.WAIT_NEW_SCHEDULE_DC, dc.leave_standby),
         {S.WAIT_STANDBY_DC, S.WAIT_WELDING, S.WAIT_NEW_SCHEDULE_DC, S.WAIT_FIRST_LOOP_DC},
         "V2G20-1386 V2G20-2122")),
    *at(S.WAIT_WELDING,
        (DCWeldingDetectionReq, dc.welding_detection, {S.WAIT_WELDING, *_STOPPED},
         "V2G20-1448 V2G20-1461 V2G20-1573 V2G20-2020"),
        (SessionStopReq, ending.stop_after_charging, {S.ENDED, S.WAIT_SERVICE_DISCOVERY}, "",
         "stop_without_welding"),
        (Timer.WELDING_DETECTION, shared.budget_spent, {S.WAIT_WELDING}, "")),
    *at(S.WAIT_SESSION_STOP,
        (SessionStopReq, ending.stop_after_charging, {S.ENDED, S.WAIT_SERVICE_DISCOVERY},
         "V2G20-1476 V2G20-1477 V2G20-1623 V2G20-1631 V2G20-1632")),

    # --- what several states have alike ---
    *each(_SCHEDULES, SchedulesOffered, offering.answered, _SCHEDULES, "V2G20-1987"),
    *each(_SCHEDULES, PricesOffered, pricing.answered, _SCHEDULES, "V2G20-1987"),
    *each(_SCHEDULES, Timer.CHARGE_PARAMETERS, setup.attempt_over, _SCHEDULES, "V2G20-1987"),
    *each(_UNDER_POWER, Timer.DEMAND_AGE, dc_loop.demand_aged, _UNDER_POWER, "INV-31"),

    # --- metering confirmation of an EV that does not use its side stream ---
    *each(_CONFIRMING, MeteringConfirmationReq, metering.confirmed_on_main, _CONFIRMING, "V2G20-1083",
          "metering_on_main"),

    # --- PowerDeliveryReq(Stop) of an EV that gives up before the start ---
    *each((S.WAIT_CABLE_CHECK, S.WAIT_CABLE_CHECK_RESULT, S.WAIT_PRE_CHARGE),
          PowerDeliveryReq, power.stop_before(S.WAIT_WELDING), {S.WAIT_WELDING}, "V2G20-2122",
          "early_power_off"),

    # --- SessionStopReq, where a pause is possible, and where it is not ---
    *each((S.WAIT_PARAMETERS_AC, S.WAIT_PARAMETERS_DC, S.WAIT_SCHEDULE_AC, S.WAIT_SCHEDULE_DC,
           S.WAIT_POWER_ON_AC, S.WAIT_CABLE_CHECK),
          SessionStopReq, ending.stop_or_pause, {S.ENDED}, "V2G20-1195 V2G20-1540 V2G20-1632 V2G20-2645"),
    *each((S.WAIT_AUTHORIZATION_SETUP, S.WAIT_AUTHORIZATION, S.WAIT_SERVICE_DISCOVERY, S.WAIT_SERVICE_DETAIL,
           S.WAIT_SERVICE_SELECTION, S.WAIT_CHECK_IN_AC, S.WAIT_CHECK_IN_DC,
           S.WAIT_FIRST_LOOP_AC, S.WAIT_LOOP_AC, S.WAIT_NEW_SCHEDULE_AC,
           S.WAIT_NEW_PROFILE_AC, S.WAIT_STANDBY_AC, S.WAIT_STANDBY_DC, S.WAIT_CERTIFICATE,
           S.WAIT_CABLE_CHECK_RESULT, S.WAIT_PRE_CHARGE, S.WAIT_PRE_CHARGE_AGAIN,
           S.WAIT_POWER_ON_DC, S.WAIT_FIRST_LOOP_DC, S.WAIT_LOOP_DC, S.WAIT_NEW_SCHEDULE_DC,
           S.WAIT_NEW_PROFILE_DC),
          SessionStopReq, ending.session_stop, {S.ENDED}, "V2G20-1632 V2G20-1955 V2G20-2645"),
)
# fmt: on

_IDS: dict[Key, str] = {Timer.SEQUENCE: "V2G20-443 V2G20-445"}
_MORE: dict[Key, Anywhere] = {
    ContractProvisioned: Anywhere(shared.stale, "INV-20"),
    VehicleStatusReported: Anywhere(vehicle_status.reported, "V2G20-2440 INV-11 INV-20"),
    Timer.VEHICLE_STATUS: Anywhere(vehicle_status.late, "V2G20-2440"),
    AuthorizationDecided: Anywhere(setup.decided, "V2G20-2219 INV-11 INV-20"),
    ContractDecided: Anywhere(contract.decided, "V2G20-2211 INV-11 INV-20"),
    ContractJudged: Anywhere(shared.stale, "INV-20"),
    RevocationReported: Anywhere(shared.stale, "INV-20"),
    RenegotiationRequested: Anywhere(notifications.schedule_renegotiation_requested, "V2G20-1845"),
    ServiceRenegotiationRequested: Anywhere(
        notifications.service_renegotiation_requested, "V2G20-1931 V2G20-1964"
    ),
    PauseRequested: Anywhere(notifications.pause_requested, "V2G20-1850"),
    ChargingHeld: Anywhere(notifications.charging_held, "INV-08 V2G20-1850"),
    StandbyExitRequested: Anywhere(notifications.standby_exit_requested, "V2G20-1386"),
    DischargePermitted: Anywhere(discharge.permission_changed, "INV-07"),
    EnergyTargeted: Anywhere(dc_loop.target_changed, "INV-07"),
    GridCodeGiven: Anywhere(grid_rules.given, "V2G20-3190 INV-20"),
    GridTargeted: Anywhere(grid_rules.targeted, "INV-07"),
    GridCodeChanged: Anywhere(grid_rules.changed, "V2G20-3190"),
}

_LARGE = (
    *(*_SCHEDULES, S.WAIT_POWER_ON_AC, S.WAIT_POWER_ON_DC, S.WAIT_PRE_CHARGE_AGAIN),
    *(
        S.WAIT_NEW_PROFILE_AC,
        S.WAIT_NEW_PROFILE_DC,
        S.WAIT_STANDBY_AC,
        S.WAIT_STANDBY_DC,
        SideState.SCHEDULE_EXCHANGE,
        SideState.SCHEDULE_PROFILE,
    ),
    *(S.WAIT_AUTHORIZATION, S.WAIT_CERTIFICATE),
)
"""States with a request that may have thousands of entries, or four certificates and twenty names of roots:
an energy offer, a power profile, CertificateInstallationReq."""
_LOOPS = (S.WAIT_LOOP_AC, S.WAIT_LOOP_DC)


def _sequence(config: SessionConfig, state: Stage) -> float | None:
    """Seconds up to the next request where the usual time does not hold: after a response of the loop
    [V2G20-1500] [V2G20-1502]."""
    return config.iso20.loop_timeout if state in _LOOPS else None


def _interval(config: SessionConfig) -> float:
    return config.iso20.loop_pace


# Any: a message of any of the three sets, each with a header.
def _opened(message: Any) -> tuple[bytes, object | None, object | None]:
    return message.header.session_id, message.header.signature, message


def _envelope(_: bytes, __: object, message: Any) -> Any:
    return message


def _dialect(name: str, *, dc: bool) -> Dialect:
    return Dialect(
        name=name,
        schema="iso20-dc" if dc else "iso20-ac",
        states=S,
        rules=RULES,
        beside=BESIDE,
        closed=terms.closed,
        opens=OPENS,
        lasts=LASTS,
        interval=_interval,
        anywhere=anywhere(_IDS, _MORE),
        pairs=PAIRS,
        setup=SessionSetupReq,
        opened=_opened,
        envelope=_envelope,
        refusal=refusal,
        codes=CODES,
        performance={
            "ServiceDetailRes": 4.5,
            "CertificateInstallationRes": 4.5,
            "ACChargeLoopRes": 0.25,  # [V2G20-1500]
            "DCChargeLoopRes": 0.25,  # [V2G20-1502]
        },
        joins=True,
        unexpected="V2G20-459",
        foreign="V2G20-460",
        unpaced=frozenset({ACChargeLoopRes, DCChargeLoopRes}),
        large=frozenset(_LARGE),
        room=lambda: Iso20Side(dc=dc),
        sequence=_sequence,
        kept=kept,
    )


ISO20_AC = _dialect("ISO 15118-20 AC", dc=False)
"""Chosen by the namespace of AC."""
ISO20_DC = _dialect("ISO 15118-20 DC", dc=True)
"""Chosen by the namespace of DC; megawatt charging as well."""
