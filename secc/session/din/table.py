"""Every input that is legal in a state of DIN SPEC 70121; read `secc.session.iso2.table` for how to read it.

Theory of operation [V2G-DC-436]. DIN is the DC half of ISO 15118-2 as it was two years earlier: the same
order of requests with other names, paid outside the car, without TLS, pause, renegotiation and meter. What
differs in the rules:

* the station announces a stop by EVSE_Shutdown; EVSENotification says nothing [V2G-DC-500];
* a request of the charge loop is due 5 s after the last response, not 60 [V2G-DC-957];
* PowerDeliveryReq starts and stops with ReadyToChargeState, and names a schedule only with a profile;
* every session is new, regardless of the SessionID of the EV [V2G-DC-241].

What the station does to its output, and when it refuses to, is the same, and so is the code
(`secc.session`): lease, limits, latch and stop do not know which protocol is in use.
"""

from __future__ import annotations

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
from secc.session import ending, isolation, offering, pre_charge
from secc.session.anywhere import anywhere
from secc.session.dialect import Dialect, Key, On, at, each
from secc.session.din import handlers as h
from secc.session.din.refusals import CODES, refusal
from secc.session.din.states import DinState as S
from secc.session.inputs import CableCheckReported, SchedulesOffered, StopRequested
from secc.session.states import PilotChanged, StopOrdered, Timer

__all__ = ["DIN", "RULES"]

# fmt: off
RULES: tuple[On, ...] = (
    #    input               handler             leads to          ids
    # --- session and service ---
    *at(S.WAIT_SESSION_SETUP,
        (SessionSetupReq, h.session_setup, {S.WAIT_SERVICE_DISCOVERY}, "V2G-DC-437 V2G-DC-438")),
    *at(S.WAIT_SERVICE_DISCOVERY,
        (ServiceDiscoveryReq, h.service_discovery, {S.WAIT_SERVICE_SELECTION}, "V2G-DC-439 V2G-DC-440")),
    *at(S.WAIT_SERVICE_SELECTION,
        (ServiceDetailReq,           h.service_detail,            set(),                  "V2G-DC-548"),
        (ServicePaymentSelectionReq, h.service_payment_selection,
         {S.WAIT_AUTHORIZATION}, "V2G-DC-441 V2G-DC-443")),

    # --- authorization ---
    *at(S.WAIT_AUTHORIZATION,
        (ContractAuthenticationReq, h.contract_authentication,
         {S.WAIT_AUTHORIZATION, S.WAIT_CHARGE_PARAMETERS}, "V2G-DC-444 V2G-DC-494 V2G-DC-497"),
        (Timer.AUTHORIZATION,       ending.budget_spent,       {S.WAIT_AUTHORIZATION}, "")),

    # --- charge parameters ---
    *at(S.WAIT_CHARGE_PARAMETERS,
        (ChargeParameterDiscoveryReq, h.charge_parameter_discovery,
         {S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK}, "V2G-DC-495 V2G-DC-498"),
        (SchedulesOffered,            offering.answered,            {S.WAIT_CHARGE_PARAMETERS}, ""),
        (Timer.CHARGE_PARAMETERS,     ending.budget_spent,          {S.WAIT_CHARGE_PARAMETERS}, "")),

    # --- isolation, pre-charge ---
    *at(S.WAIT_CABLE_CHECK,
        (CableCheckReq, h.cable_check,
         {S.AWAITING_PILOT_DC, S.WAIT_CABLE_CHECK_RESULT}, "V2G-DC-453 V2G-DC-493 V2G-DC-967")),
    *at(S.AWAITING_PILOT_DC,
        (PilotChanged, h.pilot_seen,      {S.AWAITING_PILOT_DC, S.WAIT_CABLE_CHECK_RESULT}, "V2G-DC-967"),
        (Timer.PILOT,  ending.pilot_late, set(),                                            "V2G-DC-547"),
        (StopOrdered,  h.check_overtaken, {S.WAIT_CABLE_CHECK_RESULT}, "V2G-DC-650 INV-29")),
    *at(S.WAIT_CABLE_CHECK_RESULT,
        (CableCheckReq,         h.cable_check_again,
         {S.WAIT_CABLE_CHECK_RESULT, S.WAIT_PRE_CHARGE}, "V2G-DC-418 V2G-DC-454 V2G-DC-499"),
        (CableCheckReported,    isolation.reported,        {S.WAIT_CABLE_CHECK_RESULT}, ""),
        (PilotChanged,          isolation.begin_when_safe, {S.WAIT_CABLE_CHECK_RESULT}, "INV-06"),
        (Timer.VOLTAGE_READING, isolation.begin_when_safe, {S.WAIT_CABLE_CHECK_RESULT}, "INV-06"),
        (Timer.CABLE_CHECK,     ending.budget_spent,       {S.WAIT_CABLE_CHECK_RESULT}, "")),
    *at(S.WAIT_PRE_CHARGE,
        (PreChargeReq, h.bring_to_voltage, {S.WAIT_POWER_ON_DC}, "V2G-DC-455 V2G-DC-457")),
    *at(S.WAIT_POWER_ON_DC,
        (PreChargeReq,           h.bring_to_voltage,  {S.WAIT_POWER_ON_DC}, "V2G-DC-458"),
        (PowerDeliveryReq,       h.power_on,
         {S.AWAITING_VOLTAGE, S.WAIT_FIRST_DEMAND, S.WAIT_STOP_DC}, "V2G-DC-458 V2G-DC-459 V2G-DC-461"),
        (Timer.PRE_CHARGE,       pre_charge.late,     {S.WAIT_POWER_ON_DC}, ""),
        (Timer.PRE_CHARGE_TOTAL, ending.budget_spent, {S.WAIT_POWER_ON_DC}, "V2G-DC-969")),
    *at(S.AWAITING_VOLTAGE,
        (Timer.VOLTAGE_READING, h.look_again,      {S.AWAITING_VOLTAGE, S.WAIT_FIRST_DEMAND}, ""),
        (Timer.VOLTAGE,         h.last_look,       {S.WAIT_FIRST_DEMAND},                     "V2G-DC-401"),
        (StopOrdered,           h.start_overtaken, {S.WAIT_FIRST_DEMAND}, "V2G-DC-650 INV-29")),

    # --- charging, end ---
    *at(S.WAIT_FIRST_DEMAND,
        (CurrentDemandReq, h.current_demand, {S.WAIT_DEMAND}, "V2G-DC-462 V2G-DC-464")),
    *at(S.WAIT_DEMAND,
        (CurrentDemandReq, h.current_demand, {S.WAIT_DEMAND},  "V2G-DC-464 V2G-DC-465"),
        (PowerDeliveryReq, h.power_off,      {S.WAIT_STOP_DC}, "V2G-DC-459 V2G-DC-465"),
        (Timer.DIN_DEMAND, h.demand_late,    set(),            "V2G-DC-957")),
    *at(S.WAIT_STOP_DC,
        (WeldingDetectionReq, h.welding_detection,
         {S.AWAITING_PILOT_B, S.WAIT_WELDING}, "V2G-DC-459 V2G-DC-468 V2G-DC-556"),
        (SessionStop, h.session_stop_after_charge, {S.AWAITING_PILOT_B, S.ENDED}, "V2G-DC-459 V2G-DC-988")),
    *at(S.AWAITING_PILOT_B,
        (PilotChanged, h.pilot_b_seen,
         {S.AWAITING_PILOT_B, S.WAIT_WELDING, S.ENDED}, "V2G-DC-556 V2G-DC-988"),
        (Timer.PILOT,  ending.pilot_late, set(),                                         "V2G-DC-547")),
    *at(S.WAIT_WELDING,
        (WeldingDetectionReq,     h.welding_detection, {S.AWAITING_PILOT_B, S.WAIT_WELDING}, "V2G-DC-469"),
        (SessionStop,             h.session_stop,      {S.ENDED},                            "V2G-DC-469"),
        (Timer.WELDING_DETECTION, ending.budget_spent, {S.WAIT_WELDING},                     "V2G-DC-925")),

    # --- PowerDeliveryReq with ReadyToChargeState false before pre-charge: an Audi Q4 waits 59.5 s after
    #     CableCheckRes Finished, then gives up so (recordings pyPLC_FoccciCape_AudiQ4_break_after_cableCheck,
    #     both sessions) ---
    *each((S.WAIT_CABLE_CHECK, S.WAIT_CABLE_CHECK_RESULT, S.WAIT_PRE_CHARGE),
          PowerDeliveryReq, h.give_up, {S.WAIT_STOP_DC}, "", "early_power_off"),
    *at(S.WAIT_FIRST_DEMAND,
        (PowerDeliveryReq, h.give_up, {S.WAIT_STOP_DC}, "", "stop_after_start")),

    # --- SessionStopReq without PowerDeliveryReq: a Renault Zoe ends so when pre-charge is refused (recording
    #     "Zoe Z50 R135 DC Charging", first session) ---
    *each((state for state in S if state.waits_for_ev and state not in (
              S.WAIT_SESSION_SETUP, S.WAIT_STOP_DC, S.WAIT_WELDING)),
          SessionStop, h.session_stop, {S.ENDED}, "", "early_session_stop"),
)
# fmt: on

_IDS: dict[Key, str] = {StopRequested: "V2G-DC-500", Timer.SEQUENCE: "V2G-DC-432"}


def _opened(message: V2GMessage) -> tuple[bytes, Signature | None, BodyElement | None]:
    header = message.header
    return header.session_id, header.signature, message.body


def _envelope(session_id: bytes, signature: Signature | None, body: BodyElement) -> V2GMessage:
    return V2GMessage(header=MessageHeader(session_id=session_id, signature=signature), body=body)


DIN = Dialect(
    name="DIN SPEC 70121",
    schema="din",
    states=S,
    rules=RULES,
    anywhere=anywhere(_IDS, {}),
    pairs=PAIRS,
    setup=SessionSetupReq,
    opened=_opened,
    envelope=_envelope,
    refusal=refusal,
    codes=CODES,
    performance={"CurrentDemandRes": 0.025},  # a car waits 2 s for every other response
    joins=False,
    unexpected="V2G-DC-390",
    foreign="V2G-DC-391",
    unpaced=frozenset({CurrentDemandRes}),
)
"""What the machine needs of all this."""
