"""Every input that is legal in a state of DIN SPEC 70121; read `secc.session.iso2.table` for how to read it.

Theory of operation [V2G-DC-436]. DIN is the DC half of ISO 15118-2 as it was two years earlier: the same order of requests
with other names, paid outside the car, without TLS, pause, renegotiation and meter. What differs in the rules:

* the station's stop is told by EVSE_Shutdown; EVSENotification says nothing [V2G-DC-500];
* a request of the charge loop is due 5 s after the last response, not 60 [V2G-DC-957];
* PowerDeliveryReq starts and stops with ReadyToChargeState, and names a schedule only with a profile;
* every session is a new one, whatever SessionID the EV begins with [V2G-DC-241].

What the station does to its output, and when it refuses to, is the same, and so is the code
(`secc.session.iso2.handlers.dc_power`): lease, limits, latch and stop do not know which protocol is spoken.
"""

from __future__ import annotations

import functools

from secc.messages.din import (
    PAIRS,
    BodyElement,
    CableCheckReq,
    ChargeParameterDiscoveryReq,
    ContractAuthenticationReq,
    CurrentDemandReq,
    CurrentDemandRes,
    MessageHeader,
    PowerDeliveryReq,
    PreChargeReq,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    ServicePaymentSelectionReq,
    SessionSetupReq,
    SessionStop,
    V2GMessage,
    WeldingDetectionReq,
)
from secc.messages.xmldsig import Signature
from secc.session import feedback
from secc.session.dialect import Anywhere, Dialect, Key, On
from secc.session.din import handlers as h
from secc.session.din.refusals import refusal
from secc.session.din.states import DinState as S
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    ControllerFault,
    LinkLost,
    PeerMisbehaved,
    PowerLimited,
    RenegotiationRequested,
    SchedulesOffered,
    StopRequested,
)
from secc.session.iso2.handlers import ac, dc_power, ending, identification, parameters
from secc.session.performance import performance_time
from secc.session.states import PilotChanged, StopOrdered, Timer

# fmt: off
# ruff: noqa: E501
RULES: tuple[On, ...] = (
    # state                       input                        handler                        leads to                                              ids
    # --- session and service ---
    On(S.WAIT_SESSION_SETUP,      SessionSetupReq,             h.session_setup,               {S.WAIT_SERVICE_DISCOVERY},                           "V2G-DC-437 V2G-DC-438"),
    On(S.WAIT_SERVICE_DISCOVERY,  ServiceDiscoveryReq,         h.service_discovery,           {S.WAIT_SERVICE_SELECTION},                           "V2G-DC-439 V2G-DC-440"),
    On(S.WAIT_SERVICE_SELECTION,  ServiceDetailReq,            h.service_detail,              set(),                                                "V2G-DC-548"),
    On(S.WAIT_SERVICE_SELECTION,  ServicePaymentSelectionReq,  h.service_payment_selection,   {S.WAIT_AUTHORIZATION},                               "V2G-DC-441 V2G-DC-443"),

    # --- authorization ---
    On(S.WAIT_AUTHORIZATION,      ContractAuthenticationReq,   h.contract_authentication,     {S.WAIT_AUTHORIZATION, S.WAIT_CHARGE_PARAMETERS},     "V2G-DC-444 V2G-DC-494 V2G-DC-497"),
    On(S.WAIT_AUTHORIZATION,      Timer.AUTHORIZATION,         ending.budget_spent,           {S.WAIT_AUTHORIZATION},                               ""),

    # --- charge parameters ---
    On(S.WAIT_CHARGE_PARAMETERS,  ChargeParameterDiscoveryReq, h.charge_parameter_discovery,  {S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK},       "V2G-DC-495 V2G-DC-498"),
    On(S.WAIT_CHARGE_PARAMETERS,  SchedulesOffered,            parameters.schedules_offered,  {S.WAIT_CHARGE_PARAMETERS},                           ""),
    On(S.WAIT_CHARGE_PARAMETERS,  Timer.CHARGE_PARAMETERS,     ending.budget_spent,           {S.WAIT_CHARGE_PARAMETERS},                           ""),

    # --- isolation, pre-charge ---
    On(S.WAIT_CABLE_CHECK,        CableCheckReq,               h.cable_check,                 {S.AWAITING_PILOT_DC, S.WAIT_CABLE_CHECK_RESULT},     "V2G-DC-453 V2G-DC-493 V2G-DC-967"),
    On(S.AWAITING_PILOT_DC,       PilotChanged,                h.pilot_seen,                  {S.AWAITING_PILOT_DC, S.WAIT_CABLE_CHECK_RESULT},     "V2G-DC-967"),
    On(S.AWAITING_PILOT_DC,       Timer.PILOT,                 ending.pilot_not_seen,         set(),                                                "V2G-DC-547"),
    On(S.AWAITING_PILOT_DC,       StopOrdered,                 h.check_overtaken,             {S.WAIT_CABLE_CHECK_RESULT},                          "V2G-DC-650 INV-29"),
    On(S.WAIT_CABLE_CHECK_RESULT, CableCheckReq,               h.cable_check_again,           {S.WAIT_CABLE_CHECK_RESULT, S.WAIT_PRE_CHARGE},       "V2G-DC-418 V2G-DC-454 V2G-DC-499"),
    On(S.WAIT_CABLE_CHECK_RESULT, CableCheckReported,          dc_power.cable_checked,        {S.WAIT_CABLE_CHECK_RESULT},                          ""),
    On(S.WAIT_CABLE_CHECK_RESULT, PilotChanged,                dc_power.begin_when_safe,      {S.WAIT_CABLE_CHECK_RESULT},                          "INV-06"),
    On(S.WAIT_CABLE_CHECK_RESULT, Timer.VOLTAGE_READING,       dc_power.begin_when_safe,      {S.WAIT_CABLE_CHECK_RESULT},                          "INV-06"),
    On(S.WAIT_CABLE_CHECK_RESULT, Timer.CABLE_CHECK,           ending.budget_spent,           {S.WAIT_CABLE_CHECK_RESULT},                          ""),
    On(S.WAIT_PRE_CHARGE,         PreChargeReq,                h.pre_charge,                  {S.WAIT_POWER_ON_DC},                                 "V2G-DC-455 V2G-DC-457"),
    On(S.WAIT_POWER_ON_DC,        PreChargeReq,                h.pre_charge,                  {S.WAIT_POWER_ON_DC},                                 "V2G-DC-458"),
    On(S.WAIT_POWER_ON_DC,        PowerDeliveryReq,            h.power_on,                    {S.AWAITING_VOLTAGE, S.WAIT_FIRST_DEMAND, S.WAIT_STOP_DC},"V2G-DC-458 V2G-DC-459 V2G-DC-461"),
    On(S.WAIT_POWER_ON_DC,        Timer.PRE_CHARGE,            dc_power.pre_charge_late,      {S.WAIT_POWER_ON_DC},                                 ""),
    On(S.WAIT_POWER_ON_DC,        Timer.PRE_CHARGE_TOTAL,      ending.budget_spent,           {S.WAIT_POWER_ON_DC},                                 "V2G-DC-969"),
    On(S.AWAITING_VOLTAGE,        Timer.VOLTAGE_READING,       h.look_again,                  {S.AWAITING_VOLTAGE, S.WAIT_FIRST_DEMAND},            ""),
    On(S.AWAITING_VOLTAGE,        Timer.VOLTAGE,               h.last_look,                   {S.WAIT_FIRST_DEMAND},                                "V2G-DC-401"),
    On(S.AWAITING_VOLTAGE,        StopOrdered,                 h.start_overtaken,             {S.WAIT_FIRST_DEMAND},                                "V2G-DC-650 INV-29"),

    # --- charging, end ---
    On(S.WAIT_FIRST_DEMAND,       CurrentDemandReq,            h.current_demand,              {S.WAIT_DEMAND},                                      "V2G-DC-462 V2G-DC-464"),
    On(S.WAIT_DEMAND,             CurrentDemandReq,            h.current_demand,              {S.WAIT_DEMAND},                                      "V2G-DC-464 V2G-DC-465"),
    On(S.WAIT_DEMAND,             PowerDeliveryReq,            h.power_off,                   {S.WAIT_STOP_DC},                                     "V2G-DC-459 V2G-DC-465"),
    On(S.WAIT_DEMAND,             Timer.DIN_DEMAND,            h.demand_late,                 set(),                                                "V2G-DC-957"),
    On(S.WAIT_STOP_DC,            WeldingDetectionReq,         h.welding_detection,           {S.AWAITING_PILOT_B, S.WAIT_WELDING},                 "V2G-DC-459 V2G-DC-468 V2G-DC-556"),
    On(S.WAIT_STOP_DC,            SessionStop,                 h.session_stop_after_charge,   {S.AWAITING_PILOT_B, S.ENDED},                        "V2G-DC-459 V2G-DC-988"),
    On(S.AWAITING_PILOT_B,        PilotChanged,                h.pilot_b_seen,                {S.AWAITING_PILOT_B, S.WAIT_WELDING, S.ENDED},        "V2G-DC-556 V2G-DC-988"),
    On(S.AWAITING_PILOT_B,        Timer.PILOT,                 ending.pilot_not_seen,         set(),                                                "V2G-DC-547"),
    On(S.WAIT_WELDING,            WeldingDetectionReq,         h.welding_detection,           {S.AWAITING_PILOT_B, S.WAIT_WELDING},                 "V2G-DC-469"),
    On(S.WAIT_WELDING,            SessionStop,                 h.session_stop,                {S.ENDED},                                            "V2G-DC-469"),
    On(S.WAIT_WELDING,            Timer.WELDING_DETECTION,     ending.budget_spent,           {S.WAIT_WELDING},                                     "V2G-DC-925"),

    # --- PowerDeliveryReq with ReadyToChargeState false before pre-charge: an Audi Q4 waits 59.5 s after CableCheckRes
    #     Finished, then gives up so (recordings pyPLC_FoccciCape_AudiQ4_break_after_cableCheck, both sessions) ---
    On(S.WAIT_CABLE_CHECK,        PowerDeliveryReq,            h.give_up,                     {S.WAIT_STOP_DC},                                     "", "early_power_off"),
    On(S.WAIT_CABLE_CHECK_RESULT, PowerDeliveryReq,            h.give_up,                     {S.WAIT_STOP_DC},                                     "", "early_power_off"),
    On(S.WAIT_PRE_CHARGE,         PowerDeliveryReq,            h.give_up,                     {S.WAIT_STOP_DC},                                     "", "early_power_off"),
    On(S.WAIT_FIRST_DEMAND,       PowerDeliveryReq,            h.give_up,                     {S.WAIT_STOP_DC},                                     "", "stop_after_start"),

    # --- SessionStopReq without PowerDeliveryReq: a Renault Zoe ends so when pre-charge is refused (recording
    #     "Zoe Z50 R135 DC Charging", first session) ---
    On(S.WAIT_SERVICE_DISCOVERY,  SessionStop,                 h.session_stop,                {S.ENDED},                                            "", "early_session_stop"),
    On(S.WAIT_SERVICE_SELECTION,  SessionStop,                 h.session_stop,                {S.ENDED},                                            "", "early_session_stop"),
    On(S.WAIT_AUTHORIZATION,      SessionStop,                 h.session_stop,                {S.ENDED},                                            "", "early_session_stop"),
    On(S.WAIT_CHARGE_PARAMETERS,  SessionStop,                 h.session_stop,                {S.ENDED},                                            "", "early_session_stop"),
    On(S.WAIT_CABLE_CHECK,        SessionStop,                 h.session_stop,                {S.ENDED},                                            "", "early_session_stop"),
    On(S.WAIT_CABLE_CHECK_RESULT, SessionStop,                 h.session_stop,                {S.ENDED},                                            "", "early_session_stop"),
    On(S.WAIT_PRE_CHARGE,         SessionStop,                 h.session_stop,                {S.ENDED},                                            "", "early_session_stop"),
    On(S.WAIT_POWER_ON_DC,        SessionStop,                 h.session_stop,                {S.ENDED},                                            "", "early_session_stop"),
    On(S.WAIT_FIRST_DEMAND,       SessionStop,                 h.session_stop,                {S.ENDED},                                            "", "early_session_stop"),
    On(S.WAIT_DEMAND,             SessionStop,                 h.session_stop,                {S.ENDED},                                            "", "early_session_stop"),
)
# fmt: on

ANYWHERE: dict[Key, Anywhere] = {
    AuthorizationDecided: Anywhere(identification.authorization_decided, "INV-11 INV-20"),
    SchedulesOffered: Anywhere(ending.stale, "INV-20"),
    CableCheckReported: Anywhere(ending.stale, "INV-20"),
    ContactorReported: Anywhere(ac.contactor_failed, "INV-03 INV-20"),
    RenegotiationRequested: Anywhere(ending.not_in_this_protocol, ""),
    PowerLimited: Anywhere(parameters.power_limited, "INV-08"),
    StopRequested: Anywhere(ending.stop_requested, "V2G-DC-500 INV-29"),
    ControllerFault: Anywhere(ending.controller_fault, "INV-03"),
    LinkLost: Anywhere(ending.link_lost, "INV-03"),
    PeerMisbehaved: Anywhere(ending.peer_misbehaved, ""),
    Timer.CONTACTOR_RELEASE: Anywhere(feedback.contactor_not_open, "INV-03 INV-30"),
    Timer.CONTACTOR_LOST: Anywhere(feedback.contactor_lost, "INV-03 INV-30"),
    Timer.DISCHARGE: Anywhere(feedback.not_discharged, "INV-04 INV-06 INV-30"),
    Timer.STOP_DELAY: Anywhere(ending.stop_due, "INV-03"),
    Timer.STOP_GRACE: Anywhere(ending.nothing, "INV-29"),
    Timer.SEQUENCE: Anywhere(ending.sequence_timeout, "V2G-DC-432"),
    Timer.COMMUNICATION_SETUP: Anywhere(ending.setup_timeout, ""),
    Timer.LEASE_RENEWAL: Anywhere(ending.nothing, "INV-31"),
}


def _envelope(session_id: bytes, signature: Signature | None, body: BodyElement) -> V2GMessage:
    return V2GMessage(header=MessageHeader(session_id=session_id, signature=signature), body=body)


DIN = Dialect(
    name="DIN SPEC 70121",
    schema="din",
    states=S,
    rules=RULES,
    anywhere=ANYWHERE,
    pairs=PAIRS,
    setup=SessionSetupReq,
    envelope=_envelope,
    refusal=refusal,
    performance=functools.partial(performance_time, din=True),
    joins=False,
    unexpected="V2G-DC-390",
    foreign="V2G-DC-391",
    unpaced=frozenset({CurrentDemandRes}),
)
"""What the machine needs of all this."""
