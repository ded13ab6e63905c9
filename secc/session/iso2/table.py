"""Every input that is legal in a state: the file to read first.

Theory of operation. The standard describes the SECC as states, the requests each may receive, and what
follows; this table is that description. A row says: in `state`, on `input`, run `handler`, which returns one of
`leads_to`. To learn what happens when, say, PowerDeliveryReq arrives, search for it: one line per state in
which it is legal. A request without a line for the state is answered with the response paired with it and
FAILED_SequenceError, and the session ends [V2G2-538] [V2G2-539]: the machine does that, no handler.
Nothing outside this file decides what is legal.

There are three kinds of input. A request class: the EV spoke. A class of `events` or `PilotChanged`: the world
around the session did something; without a row, and without a line in `ANYWHERE`, it has no effect. A `Timer`:
it has run out; a timer without a row in a state does not run there.

A state called WAIT_… waits for the EV, and the sequence timer runs [V2G2-443]. In the others an answer is owed:
to leave towards WAIT_… a handler must have given it. From every state the session may also end, by refusal
or by what stands in `ANYWHERE`; `leads_to` does not repeat that.

Two things come before the table. The SessionID of a request has to be the assigned one, else
FAILED_UnknownSession, which so wins over FAILED_SequenceError where both fit [V2G2-460]. And a fault, an
unplugged cable, a pilot outside C and D, or a lapsed lease switch the output off before an input is looked at.

A row with a `leniency` counts only while that switch of `CompatConfig` is on.

A contract and external identification never meet: after PaymentServiceSelectionReq each has states of its own,
and both lead to WAIT_CHARGE_PARAMETERS, by a grant of their own kind.
"""

from __future__ import annotations

from secc.messages.iso2 import (
    PAIRS,
    AuthorizationReq,
    BodyElement,
    CableCheckReq,
    CertificateInstallationReq,
    CertificateUpdateReq,
    ChargeParameterDiscoveryReq,
    ChargingStatusReq,
    CurrentDemandReq,
    CurrentDemandRes,
    MessageHeader,
    MeteringReceiptReq,
    PaymentDetailsReq,
    PaymentServiceSelectionReq,
    PowerDeliveryReq,
    PreChargeReq,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    SessionSetupReq,
    SessionStopReq,
    V2GMessage,
    WeldingDetectionReq,
)
from secc.messages.xmldsig import Signature
from secc.session import feedback
from secc.session.contract_events import ContractDecided, ContractProvisioned, RevocationReported
from secc.session.dialect import Anywhere as Anywhere
from secc.session.dialect import Dialect
from secc.session.dialect import Handler as Handler
from secc.session.dialect import Key as Key
from secc.session.dialect import On as On
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
from secc.session.iso2.handlers import (
    ac,
    contract,
    dc,
    dc_power,
    ending,
    identification,
    parameters,
    provisioning,
    receipts,
    services,
    setup,
)
from secc.session.iso2.refusals import refusal
from secc.session.iso2.states import State as S
from secc.session.performance import performance_time
from secc.session.states import FeedbackChanged, PilotChanged, StopOrdered, Timer
from secc.settings.compat import CompatConfig

# fmt: off
# ruff: noqa: E501
RULES: tuple[On, ...] = (
    # state                     input                        handler                                   leads to                                                             ids
    # --- session and service ---
    On(S.WAIT_SESSION_SETUP,     SessionSetupReq,             setup.session_setup,                      {S.WAIT_SERVICE_DISCOVERY},                                          "V2G2-541 V2G2-542 V2G2-543"),
    On(S.WAIT_SERVICE_DISCOVERY, ServiceDiscoveryReq,         services.service_discovery,               {S.WAIT_SERVICE_SELECTION},                                          "V2G2-544 V2G2-545"),
    On(S.WAIT_SERVICE_SELECTION, ServiceDetailReq,            services.service_detail,                  {S.WAIT_SERVICE_SELECTION},                                          "V2G2-547 V2G2-548 V2G2-549"),
    On(S.WAIT_SERVICE_SELECTION, PaymentServiceSelectionReq,  identification.payment_service_selection, {S.WAIT_AUTHORIZATION, S.WAIT_CONTRACT},                             "V2G2-550 V2G2-551"),

    # --- authorization ---
    On(S.WAIT_AUTHORIZATION,     AuthorizationReq,            identification.authorization,             {S.WAIT_AUTHORIZATION, S.WAIT_CHARGE_PARAMETERS},                    "V2G2-562 V2G2-563 V2G2-573 V2G2-687"),
    On(S.WAIT_AUTHORIZATION,     Timer.AUTHORIZATION,         ending.budget_spent,                      {S.WAIT_AUTHORIZATION},                                              "V2G2-713"),

    # --- Plug and Charge: a certificate for the car, if it needs one; the contract; the proof ---
    On(S.WAIT_CONTRACT,          CertificateInstallationReq,  provisioning.certificate_request,         {S.PROVISIONING},                                                    "V2G2-551 V2G2-553"),
    On(S.WAIT_CONTRACT,          CertificateUpdateReq,        provisioning.certificate_request,         {S.PROVISIONING},                                                    "V2G2-551 V2G2-556"),
    On(S.PROVISIONING,           ContractProvisioned,         provisioning.provisioned,                 {S.PROVISIONING, S.WAIT_PAYMENT_DETAILS},                            "V2G2-554 V2G2-555 V2G2-557 V2G2-558"),
    On(S.PROVISIONING,           Timer.PROVISIONING,          provisioning.provisioning_late,           set(),                                                               ""),
    On(S.WAIT_CONTRACT,          PaymentDetailsReq,           contract.payment_details,                 {S.CHECKING_CONTRACT, S.WAIT_CONTRACT_AUTHORIZATION},                "V2G2-551 V2G2-559 V2G2-560"),
    On(S.WAIT_PAYMENT_DETAILS,   PaymentDetailsReq,           contract.payment_details,                 {S.CHECKING_CONTRACT, S.WAIT_CONTRACT_AUTHORIZATION},                "V2G2-554 V2G2-559 V2G2-560"),
    On(S.CHECKING_CONTRACT,      RevocationReported,          contract.revocation_reported,             {S.CHECKING_CONTRACT, S.WAIT_CONTRACT_AUTHORIZATION},                ""),
    On(S.CHECKING_CONTRACT,      Timer.REVOCATION,            contract.revocation_late,                 {S.WAIT_CONTRACT_AUTHORIZATION},                                     ""),
    On(S.WAIT_CONTRACT_AUTHORIZATION, AuthorizationReq,       contract.authorization,                   {S.WAIT_CONTRACT_AUTHORIZATION, S.WAIT_CHARGE_PARAMETERS},           "V2G2-475 V2G2-684 V2G2-855"),
    On(S.WAIT_CONTRACT_AUTHORIZATION, Timer.CONTRACT_ANSWER,  contract.answer_late,                     {S.WAIT_CONTRACT_AUTHORIZATION},                                     ""),
    On(S.WAIT_CONTRACT_AUTHORIZATION, Timer.AUTHORIZATION,    ending.budget_spent,                      {S.WAIT_CONTRACT_AUTHORIZATION},                                     "V2G2-713"),

    # --- charge parameters, also after a renegotiation ---
    On(S.WAIT_CHARGE_PARAMETERS, ChargeParameterDiscoveryReq, parameters.charge_parameter_discovery,    {S.WAIT_CHARGE_PARAMETERS, S.WAIT_POWER_ON_AC, S.WAIT_CABLE_CHECK},  "V2G2-565 V2G2-582 V2G2-688"),
    On(S.WAIT_CHARGE_PARAMETERS, SchedulesOffered,            parameters.schedules_offered,             {S.WAIT_CHARGE_PARAMETERS},                                          "V2G2-905"),
    On(S.WAIT_CHARGE_PARAMETERS, Timer.CHARGE_PARAMETERS,     ending.budget_spent,                      {S.WAIT_CHARGE_PARAMETERS},                                          "V2G2-713"),

    # --- AC ---
    On(S.WAIT_POWER_ON_AC,       PowerDeliveryReq,            ac.power_on,                              {S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR, S.WAIT_FIRST_STATUS, S.WAIT_STOP_AC}, "V2G2-589 V2G2-812 V2G2-842"),
    On(S.AWAITING_PILOT_AC,      PilotChanged,                ac.look_again,                            {S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR},                          "V2G2-847 V2G2-860"),
    On(S.AWAITING_PILOT_AC,      FeedbackChanged,             ac.look_again,                            {S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR},                          "INV-02"),
    On(S.AWAITING_PILOT_AC,      Timer.VOLTAGE_READING,       ac.look_again,                            {S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR},                          "INV-02"),
    On(S.AWAITING_PILOT_AC,      Timer.PILOT,                 ac.start_late,                            set(),                                                               "V2G2-847"),
    On(S.AWAITING_PILOT_AC,         StopOrdered,                ac.start_overtaken,                       {S.WAIT_FIRST_STATUS},                                               "INV-29"),
    On(S.CLOSING_CONTACTOR,      ContactorReported,           ac.contactor_reported,                    {S.CLOSING_CONTACTOR, S.WAIT_FIRST_STATUS},                          "V2G2-862"),
    On(S.CLOSING_CONTACTOR,      FeedbackChanged,             ac.contactor_seen,                        {S.CLOSING_CONTACTOR, S.WAIT_FIRST_STATUS},                          "INV-02"),
    On(S.CLOSING_CONTACTOR,      Timer.VOLTAGE_READING,       ac.contactor_seen,                        {S.CLOSING_CONTACTOR, S.WAIT_FIRST_STATUS},                          "INV-02"),
    On(S.CLOSING_CONTACTOR,      Timer.CONTACTOR,             ac.contactor_late,                        set(),                                                               "V2G2-862"),
    On(S.CLOSING_CONTACTOR,         StopOrdered,                ac.start_overtaken,                       {S.WAIT_FIRST_STATUS},                                               "INV-29"),
    On(S.WAIT_FIRST_STATUS,      ChargingStatusReq,           ac.charging_status,                       {S.WAIT_STATUS, S.WAIT_RECEIPT_AC},                                  "V2G2-576 V2G2-577"),
    On(S.WAIT_STATUS,            ChargingStatusReq,           ac.charging_status,                       {S.WAIT_STATUS, S.WAIT_RECEIPT_AC},                                  "V2G2-575 V2G2-577"),
    On(S.WAIT_RECEIPT_AC,        MeteringReceiptReq,          receipts.receipt_ac,                      {S.WAIT_STATUS},                                                     "V2G2-577 V2G2-580"),
    On(S.WAIT_STATUS,            PowerDeliveryReq,            ac.power_off,                             {S.WAIT_STOP_AC, S.WAIT_CHARGE_PARAMETERS},                          "V2G2-575 V2G2-812 V2G2-813"),
    On(S.WAIT_STOP_AC,           SessionStopReq,              ending.session_stop,                      {S.ENDED},                                                           "V2G2-568 V2G2-570 V2G2-571"),

    # --- DC: isolation, pre-charge ---
    On(S.WAIT_CABLE_CHECK,        CableCheckReq,              dc.cable_check,                           {S.AWAITING_PILOT_DC, S.WAIT_CABLE_CHECK_RESULT},                    "V2G2-583 V2G2-916"),
    On(S.AWAITING_PILOT_DC,       PilotChanged,               dc.pilot_seen,                            {S.AWAITING_PILOT_DC, S.WAIT_CABLE_CHECK_RESULT},                    "V2G2-917"),
    On(S.AWAITING_PILOT_DC,       Timer.PILOT,                ending.pilot_not_seen,                    set(),                                                               "V2G2-918"),
    On(S.AWAITING_PILOT_DC,         StopOrdered,                dc.check_overtaken,                       {S.WAIT_CABLE_CHECK_RESULT},                                         "INV-29"),
    On(S.WAIT_CABLE_CHECK_RESULT, CableCheckReq,              dc.cable_check_again,                     {S.WAIT_CABLE_CHECK_RESULT, S.WAIT_PRE_CHARGE},                      "V2G2-584 V2G2-621"),
    On(S.WAIT_CABLE_CHECK_RESULT, CableCheckReported,         dc_power.cable_checked,                   {S.WAIT_CABLE_CHECK_RESULT},                                         "V2G2-584"),
    On(S.WAIT_CABLE_CHECK_RESULT, PilotChanged,               dc_power.begin_when_safe,                 {S.WAIT_CABLE_CHECK_RESULT},                                         "INV-06"),
    On(S.WAIT_CABLE_CHECK_RESULT, Timer.VOLTAGE_READING,      dc_power.begin_when_safe,                 {S.WAIT_CABLE_CHECK_RESULT},                                         "INV-06"),
    On(S.WAIT_CABLE_CHECK_RESULT, Timer.CABLE_CHECK,          ending.budget_spent,                      {S.WAIT_CABLE_CHECK_RESULT},                                         "V2G2-605"),
    On(S.WAIT_PRE_CHARGE,         PreChargeReq,               dc.pre_charge,                            {S.WAIT_POWER_ON_DC},                                                "V2G2-586 V2G2-587"),
    On(S.WAIT_POWER_ON_DC,        PreChargeReq,               dc.pre_charge,                            {S.WAIT_POWER_ON_DC},                                                "V2G2-587"),
    On(S.WAIT_POWER_ON_DC,        PowerDeliveryReq,           dc.power_on,                              {S.AWAITING_VOLTAGE, S.WAIT_FIRST_DEMAND, S.WAIT_STOP_DC},                               "V2G2-587 V2G2-589 V2G2-812"),
    On(S.WAIT_POWER_ON_DC,        Timer.PRE_CHARGE,           dc_power.pre_charge_late,                 {S.WAIT_POWER_ON_DC},                                                "V2G2-605"),
    On(S.WAIT_POWER_ON_DC,        Timer.PRE_CHARGE_TOTAL,     ending.budget_spent,                      {S.WAIT_POWER_ON_DC},                                                "V2G2-605"),
    On(S.AWAITING_VOLTAGE,        Timer.VOLTAGE_READING,      dc.look_again,                            {S.AWAITING_VOLTAGE, S.WAIT_FIRST_DEMAND},                           ""),
    On(S.AWAITING_VOLTAGE,        Timer.VOLTAGE,              dc.last_look,                             {S.WAIT_FIRST_DEMAND},                                               "V2G2-480"),
    On(S.AWAITING_VOLTAGE,          StopOrdered,                dc.start_overtaken,                       {S.WAIT_FIRST_DEMAND},                                               "INV-29"),

    # --- DC: charging, end ---
    On(S.WAIT_FIRST_DEMAND,      CurrentDemandReq,            dc.current_demand,                        {S.WAIT_DEMAND, S.WAIT_RECEIPT_DC},                                  "V2G2-590 V2G2-592 V2G2-795"),
    On(S.WAIT_DEMAND,            CurrentDemandReq,            dc.current_demand,                        {S.WAIT_DEMAND, S.WAIT_RECEIPT_DC},                                  "V2G2-592 V2G2-593 V2G2-795"),
    On(S.WAIT_RECEIPT_DC,        MeteringReceiptReq,          receipts.receipt_dc,                      {S.WAIT_AFTER_RECEIPT},                                              "V2G2-795 V2G2-796"),
    On(S.WAIT_AFTER_RECEIPT,     CurrentDemandReq,            dc.current_demand,                        {S.WAIT_DEMAND, S.WAIT_RECEIPT_DC},                                  "V2G2-797"),
    On(S.WAIT_AFTER_RECEIPT,     PowerDeliveryReq,            dc.power_off,                             {S.WAIT_STOP_DC, S.WAIT_CHARGE_PARAMETERS},                          "V2G2-797"),
    On(S.WAIT_AFTER_RECEIPT,     ChargeParameterDiscoveryReq, dc.discovery_after_receipt,               {S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK},                      "V2G2-797"),
    On(S.WAIT_DEMAND,            PowerDeliveryReq,            dc.power_off,                             {S.WAIT_STOP_DC, S.WAIT_CHARGE_PARAMETERS},                          "V2G2-593 V2G2-812 V2G2-813"),
    On(S.WAIT_STOP_DC,           WeldingDetectionReq,         dc.welding_detection,                     {S.AWAITING_PILOT_B, S.WAIT_WELDING},                                "V2G2-596 V2G2-601 V2G2-919"),
    On(S.WAIT_STOP_DC,           SessionStopReq,              ending.session_stop_dc,                   {S.AWAITING_PILOT_B, S.ENDED},                                       "V2G2-570 V2G2-601 V2G2-919"),
    On(S.WAIT_STOP_DC,           ChargeParameterDiscoveryReq, parameters.charge_parameter_discovery,    {S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK},                      "V2G2-601"),
    On(S.AWAITING_PILOT_B,       PilotChanged,                dc.pilot_b_seen,                          {S.AWAITING_PILOT_B, S.WAIT_WELDING, S.ENDED},                       "V2G2-920 V2G2-921"),
    On(S.AWAITING_PILOT_B,       Timer.PILOT,                 ending.pilot_not_seen,                    set(),                                                               "V2G2-922"),
    On(S.WAIT_WELDING,           WeldingDetectionReq,         dc.welding_detection,                     {S.WAIT_WELDING, S.AWAITING_PILOT_B},                                "V2G2-597"),
    On(S.WAIT_WELDING,           SessionStopReq,              ending.session_stop,                      {S.ENDED},                                                           "V2G2-570 V2G2-597"),
    On(S.WAIT_WELDING,           Timer.WELDING_DETECTION,     ending.budget_spent,                      {S.WAIT_WELDING},                                                    ""),

    # --- PowerDeliveryReq(Stop) where there is nothing to stop: a car that gives up before pre-charge, or directly after its start ---
    On(S.WAIT_CABLE_CHECK,          PowerDeliveryReq,           dc.change_of_mind,                        {S.WAIT_STOP_DC},                                                    "", "early_power_off"),
    On(S.WAIT_CABLE_CHECK_RESULT,   PowerDeliveryReq,           dc.change_of_mind,                        {S.WAIT_STOP_DC},                                                    "", "early_power_off"),
    On(S.WAIT_PRE_CHARGE,           PowerDeliveryReq,           dc.change_of_mind,                        {S.WAIT_STOP_DC},                                                    "", "early_power_off"),
    On(S.WAIT_FIRST_STATUS,         PowerDeliveryReq,           ac.change_of_mind,                        {S.WAIT_STOP_AC},                                                    "", "stop_after_start"),
    On(S.WAIT_FIRST_DEMAND,         PowerDeliveryReq,           dc.change_of_mind,                        {S.WAIT_STOP_DC},                                                    "", "stop_after_start"),

    # --- SessionStopReq where the standard does not expect it; recorded cars send it, also in mid-charge ---
    On(S.WAIT_SERVICE_DISCOVERY,  SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_SERVICE_SELECTION,  SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_AUTHORIZATION,      SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_CONTRACT,           SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_PAYMENT_DETAILS,    SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_CONTRACT_AUTHORIZATION, SessionStopReq,         ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_CHARGE_PARAMETERS,  SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_POWER_ON_AC,        SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_FIRST_STATUS,       SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_STATUS,             SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_CABLE_CHECK,        SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_CABLE_CHECK_RESULT, SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_PRE_CHARGE,         SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_POWER_ON_DC,        SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_FIRST_DEMAND,       SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_DEMAND,             SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_RECEIPT_AC,         SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_RECEIPT_DC,         SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
    On(S.WAIT_AFTER_RECEIPT,      SessionStopReq,             ending.session_stop,                      {S.ENDED},                                                           "V2G2-570", "early_session_stop"),
)
# fmt: on


ANYWHERE: dict[Key, Anywhere] = {
    AuthorizationDecided: Anywhere(identification.authorization_decided, "V2G2-856 INV-11 INV-20"),
    ContractDecided: Anywhere(contract.decided, "INV-11 INV-20"),
    RevocationReported: Anywhere(ending.stale, "INV-20"),
    ContractProvisioned: Anywhere(ending.stale, "INV-20"),
    SchedulesOffered: Anywhere(ending.stale, "INV-20"),
    CableCheckReported: Anywhere(ending.stale, "INV-20"),
    ContactorReported: Anywhere(ac.contactor_failed, "INV-03 INV-20"),
    RenegotiationRequested: Anywhere(parameters.renegotiation_requested, "V2G2-841"),
    PowerLimited: Anywhere(parameters.power_limited, "INV-08"),
    StopRequested: Anywhere(ending.stop_requested, "INV-29"),
    ControllerFault: Anywhere(ending.controller_fault, "INV-03"),
    LinkLost: Anywhere(ending.link_lost, "V2G2-727 INV-03"),
    PeerMisbehaved: Anywhere(ending.peer_misbehaved, "V2G2-539"),
    Timer.CONTACTOR_RELEASE: Anywhere(feedback.contactor_not_open, "INV-03 INV-30"),
    Timer.CONTACTOR_LOST: Anywhere(feedback.contactor_lost, "INV-03 INV-30"),
    Timer.DISCHARGE: Anywhere(feedback.not_discharged, "INV-04 INV-06 INV-30"),
    Timer.STOP_DELAY: Anywhere(ending.stop_due, "INV-03"),
    Timer.STOP_GRACE: Anywhere(ending.nothing, "INV-29"),
    Timer.SEQUENCE: Anywhere(ending.sequence_timeout, "V2G2-443 V2G2-537"),
    Timer.COMMUNICATION_SETUP: Anywhere(ending.setup_timeout, "V2G2-716 V2G2-723"),
    Timer.LEASE_RENEWAL: Anywhere(ending.nothing, "INV-31"),
}
"""The lease timer stands here because it runs in every state; the machine itself renews, after all else."""


def _envelope(session_id: bytes, signature: Signature | None, body: BodyElement) -> V2GMessage:
    return V2GMessage(header=MessageHeader(session_id=session_id, signature=signature), body=body)


ISO2 = Dialect(
    name="ISO 15118-2",
    schema="iso2",
    states=S,
    rules=RULES,
    anywhere=ANYWHERE,
    pairs=PAIRS,
    setup=SessionSetupReq,
    envelope=_envelope,
    refusal=refusal,
    performance=performance_time,
    joins=True,
    unexpected="V2G2-538",
    foreign="V2G2-460",
    unpaced=frozenset({CurrentDemandRes}),
)
"""What the machine needs of all this."""


def find(state: S, key: Key, compat: CompatConfig) -> On | None:
    """The row for an input in a state, if there is one that counts."""
    return ISO2.find(state, key, compat)
