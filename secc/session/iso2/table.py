"""Every input that is legal in a state: the file to read first.

Theory of operation. The standard describes the SECC as states, the requests each may receive, and what
follows; this table is that description. A row says: at a state, on an input, run the handler, which
returns one of the states that follow. To learn what happens when, say, PowerDeliveryReq arrives, search
for it: one line under each state in which it is legal. A request without a line for the state is answered
with the response paired with it and FAILED_SequenceError, and the session ends [V2G2-538] [V2G2-539]: the
machine does that, no handler. Nothing outside this file decides what is legal.

There are three kinds of input. A request class: the EV spoke. A class of `inputs`, or `PilotChanged`:
something happened around the session; without a row, and without a line in `ANYWHERE`, it has no effect. A
`Timer`: it has run out; a timer without a row in a state does not run there.

A state called WAIT_… waits for the EV, and the sequence timer runs [V2G2-443]. In the others an answer is
owed: to leave towards WAIT_… a handler must have given it. From every state the session may also end, by
refusal or by an entry of `ANYWHERE`; the rows do not repeat that.

Two things come before the table. The SessionID of a request must be the assigned one, else
FAILED_UnknownSession, which so wins over FAILED_SequenceError where both fit [V2G2-460]. And a fault, an
unplugged cable, a pilot outside C and D, or a lapsed lease switch the output off before an input is looked
at.

A row with a `leniency` counts only while that switch of `CompatConfig` is on.

A contract and external identification never meet: after PaymentServiceSelectionReq each has states of its
own, and both lead to WAIT_CHARGE_PARAMETERS, by different grants."""

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
from secc.session import contract as contracts
from secc.session import ending, isolation, offering, pre_charge
from secc.session.anywhere import anywhere
from secc.session.contract_events import ContractDecided, ContractProvisioned, RevocationReported
from secc.session.dialect import Anywhere, Dialect, Key, On, at, each
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    LinkLost,
    PeerMisbehaved,
    RenegotiationRequested,
    SchedulesOffered,
)
from secc.session.iso2.handlers import (
    ac,
    contract,
    dc,
    identification,
    parameters,
    provisioning,
    receipts,
    services,
    setup,
    tariffs,
)
from secc.session.iso2.refusals import CODES, refusal, unrecorded
from secc.session.iso2.states import State as S
from secc.session.states import FeedbackChanged, PilotChanged, StopOrdered, Timer

__all__ = ["ISO2", "RULES"]

# fmt: off
RULES: tuple[On, ...] = (
    #    input               handler             leads to          ids
    # --- session and service ---
    *at(S.WAIT_SESSION_SETUP,
        (SessionSetupReq, setup.session_setup, {S.WAIT_SERVICE_DISCOVERY}, "V2G2-541 V2G2-542 V2G2-543")),
    *at(S.WAIT_SERVICE_DISCOVERY,
        (ServiceDiscoveryReq, services.service_discovery, {S.WAIT_SERVICE_SELECTION}, "V2G2-544 V2G2-545")),
    *at(S.WAIT_SERVICE_SELECTION,
        (ServiceDetailReq, services.service_detail, {S.WAIT_SERVICE_SELECTION}, "V2G2-547 V2G2-548 V2G2-549"),
        (PaymentServiceSelectionReq, identification.payment_service_selection,
         {S.WAIT_AUTHORIZATION, S.WAIT_CONTRACT}, "V2G2-550 V2G2-551")),

    # --- authorization ---
    *at(S.WAIT_AUTHORIZATION,
        (AuthorizationReq,    identification.authorization,
         {S.WAIT_AUTHORIZATION, S.WAIT_CHARGE_PARAMETERS}, "V2G2-562 V2G2-563 V2G2-573 V2G2-687"),
        (Timer.AUTHORIZATION, ending.budget_spent,          {S.WAIT_AUTHORIZATION}, "V2G2-713")),

    # --- Plug and Charge: a certificate for the car, if it needs one; the contract; the proof ---
    *at(S.WAIT_CONTRACT,
        (CertificateInstallationReq, provisioning.certificate_request, {S.PROVISIONING}, "V2G2-551 V2G2-553"),
        (CertificateUpdateReq,       provisioning.certificate_request, {S.PROVISIONING}, "V2G2-551 V2G2-556"),
        (PaymentDetailsReq,          contract.payment_details,
         {S.CHECKING_CONTRACT, S.WAIT_CONTRACT_AUTHORIZATION}, "V2G2-551 V2G2-559 V2G2-560")),
    *at(S.PROVISIONING,
        (ContractProvisioned, provisioning.provisioned,
         {S.PROVISIONING, S.WAIT_PAYMENT_DETAILS}, "V2G2-554 V2G2-555 V2G2-557 V2G2-558"),
        (Timer.PROVISIONING,  provisioning.provisioning_late, set(),                                    "")),
    *at(S.WAIT_PAYMENT_DETAILS,
        (PaymentDetailsReq, contract.payment_details,
         {S.CHECKING_CONTRACT, S.WAIT_CONTRACT_AUTHORIZATION}, "V2G2-554 V2G2-559 V2G2-560")),
    *at(S.CHECKING_CONTRACT,
        (RevocationReported, contract.revocation_reported,
         {S.CHECKING_CONTRACT, S.WAIT_CONTRACT_AUTHORIZATION}, ""),
        (Timer.REVOCATION,   contract.revocation_late,     {S.WAIT_CONTRACT_AUTHORIZATION}, "")),
    *at(S.WAIT_CONTRACT_AUTHORIZATION,
        (AuthorizationReq,      contract.authorization,
         {S.WAIT_CONTRACT_AUTHORIZATION, S.WAIT_CHARGE_PARAMETERS}, "V2G2-475 V2G2-684 V2G2-855"),
        (Timer.CONTRACT_ANSWER, contract.answer_late,   {S.WAIT_CONTRACT_AUTHORIZATION}, ""),
        (Timer.AUTHORIZATION,   ending.budget_spent,    {S.WAIT_CONTRACT_AUTHORIZATION}, "V2G2-713")),

    # --- charge parameters, also after a renegotiation ---
    *at(S.WAIT_CHARGE_PARAMETERS,
        (ChargeParameterDiscoveryReq, parameters.charge_parameter_discovery,
         {S.WAIT_CHARGE_PARAMETERS, S.WAIT_POWER_ON_AC, S.WAIT_CABLE_CHECK}, "V2G2-565 V2G2-582 V2G2-688"),
        (SchedulesOffered, offering.answered, {S.WAIT_CHARGE_PARAMETERS}, "V2G2-905"),
        (Timer.CHARGE_PARAMETERS, ending.budget_spent, {S.WAIT_CHARGE_PARAMETERS}, "V2G2-713")),

    # --- AC ---
    *at(S.WAIT_POWER_ON_AC,
        (PowerDeliveryReq, ac.power_on,
         {S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR, S.WAIT_FIRST_STATUS, S.WAIT_STOP_AC},
         "V2G2-589 V2G2-812 V2G2-842")),
    *at(S.AWAITING_PILOT_AC,
        (PilotChanged, ac.look_again, {S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR}, "V2G2-847 V2G2-860"),
        (FeedbackChanged,       ac.look_again,      {S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR}, "INV-02"),
        (Timer.VOLTAGE_READING, ac.look_again,      {S.AWAITING_PILOT_AC, S.CLOSING_CONTACTOR}, "INV-02"),
        (Timer.PILOT,           ac.start_late,      set(),                                      "V2G2-847"),
        (StopOrdered,           ac.start_overtaken, {S.WAIT_FIRST_STATUS},                      "INV-29")),
    *at(S.CLOSING_CONTACTOR,
        (ContactorReported, ac.contactor_reported, {S.CLOSING_CONTACTOR, S.WAIT_FIRST_STATUS}, "V2G2-862"),
        (FeedbackChanged,       ac.contactor_seen,     {S.CLOSING_CONTACTOR, S.WAIT_FIRST_STATUS}, "INV-02"),
        (Timer.VOLTAGE_READING, ac.contactor_seen,     {S.CLOSING_CONTACTOR, S.WAIT_FIRST_STATUS}, "INV-02"),
        (Timer.CONTACTOR,       ac.contactor_late,     set(), "V2G2-862"),
        (StopOrdered,           ac.start_overtaken,    {S.WAIT_FIRST_STATUS},                      "INV-29")),
    *at(S.WAIT_FIRST_STATUS,
        (ChargingStatusReq, ac.charging_status, {S.WAIT_STATUS, S.WAIT_RECEIPT_AC}, "V2G2-576 V2G2-577")),
    *at(S.WAIT_STATUS,
        (ChargingStatusReq, ac.charging_status, {S.WAIT_STATUS, S.WAIT_RECEIPT_AC}, "V2G2-575 V2G2-577"),
        (PowerDeliveryReq,  ac.power_off,
         {S.WAIT_STOP_AC, S.WAIT_CHARGE_PARAMETERS}, "V2G2-575 V2G2-812 V2G2-813")),
    *at(S.WAIT_RECEIPT_AC,
        (MeteringReceiptReq, receipts.receipt_ac, {S.WAIT_STATUS}, "V2G2-577 V2G2-580")),
    *at(S.WAIT_STOP_AC,
        (SessionStopReq, setup.session_stop, {S.ENDED}, "V2G2-568 V2G2-570 V2G2-571")),

    # --- DC: isolation, pre-charge ---
    *at(S.WAIT_CABLE_CHECK,
        (CableCheckReq, dc.cable_check,
         {S.AWAITING_PILOT_DC, S.WAIT_CABLE_CHECK_RESULT}, "V2G2-583 V2G2-916")),
    *at(S.AWAITING_PILOT_DC,
        (PilotChanged, dc.pilot_seen,      {S.AWAITING_PILOT_DC, S.WAIT_CABLE_CHECK_RESULT}, "V2G2-917"),
        (Timer.PILOT,  ending.pilot_late,  set(),                                            "V2G2-918"),
        (StopOrdered,  dc.check_overtaken, {S.WAIT_CABLE_CHECK_RESULT},                      "INV-29")),
    *at(S.WAIT_CABLE_CHECK_RESULT,
        (CableCheckReq,         dc.cable_check_again,
         {S.WAIT_CABLE_CHECK_RESULT, S.WAIT_PRE_CHARGE}, "V2G2-584 V2G2-621"),
        (CableCheckReported,    isolation.reported,        {S.WAIT_CABLE_CHECK_RESULT}, "V2G2-584"),
        (PilotChanged,          isolation.begin_when_safe, {S.WAIT_CABLE_CHECK_RESULT}, "INV-06"),
        (Timer.VOLTAGE_READING, isolation.begin_when_safe, {S.WAIT_CABLE_CHECK_RESULT}, "INV-06"),
        (Timer.CABLE_CHECK,     ending.budget_spent,       {S.WAIT_CABLE_CHECK_RESULT}, "V2G2-605")),
    *at(S.WAIT_PRE_CHARGE,
        (PreChargeReq, dc.bring_to_voltage, {S.WAIT_POWER_ON_DC}, "V2G2-586 V2G2-587")),
    *at(S.WAIT_POWER_ON_DC,
        (PreChargeReq,           dc.bring_to_voltage, {S.WAIT_POWER_ON_DC}, "V2G2-587"),
        (PowerDeliveryReq,       dc.power_on,
         {S.AWAITING_VOLTAGE, S.WAIT_FIRST_DEMAND, S.WAIT_STOP_DC}, "V2G2-587 V2G2-589 V2G2-812"),
        (Timer.PRE_CHARGE,       pre_charge.late,     {S.WAIT_POWER_ON_DC}, "V2G2-605"),
        (Timer.PRE_CHARGE_TOTAL, ending.budget_spent, {S.WAIT_POWER_ON_DC}, "V2G2-605")),
    *at(S.AWAITING_VOLTAGE,
        (Timer.VOLTAGE_READING, dc.look_again,      {S.AWAITING_VOLTAGE, S.WAIT_FIRST_DEMAND}, ""),
        (Timer.VOLTAGE,         dc.last_look,       {S.WAIT_FIRST_DEMAND},                     "V2G2-480"),
        (StopOrdered,           dc.start_overtaken, {S.WAIT_FIRST_DEMAND},                     "INV-29")),

    # --- DC: charging, end ---
    *at(S.WAIT_FIRST_DEMAND,
        (CurrentDemandReq, dc.current_demand,
         {S.WAIT_DEMAND, S.WAIT_RECEIPT_DC}, "V2G2-590 V2G2-592 V2G2-795")),
    *at(S.WAIT_DEMAND,
        (CurrentDemandReq, dc.current_demand,
         {S.WAIT_DEMAND, S.WAIT_RECEIPT_DC}, "V2G2-592 V2G2-593 V2G2-795"),
        (PowerDeliveryReq, dc.power_off,
         {S.WAIT_STOP_DC, S.WAIT_CHARGE_PARAMETERS}, "V2G2-593 V2G2-812 V2G2-813")),
    *at(S.WAIT_RECEIPT_DC,
        (MeteringReceiptReq, receipts.receipt_dc, {S.WAIT_AFTER_RECEIPT}, "V2G2-795 V2G2-796")),
    *at(S.WAIT_AFTER_RECEIPT,
        (CurrentDemandReq, dc.current_demand, {S.WAIT_DEMAND, S.WAIT_RECEIPT_DC}, "V2G2-797"),
        (PowerDeliveryReq, dc.power_off, {S.WAIT_STOP_DC, S.WAIT_CHARGE_PARAMETERS}, "V2G2-797"),
        (ChargeParameterDiscoveryReq, dc.discovery_after_receipt,
         {S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK}, "V2G2-797")),
    *at(S.WAIT_STOP_DC,
        (WeldingDetectionReq,         dc.welding_detection,
         {S.AWAITING_PILOT_B, S.WAIT_WELDING}, "V2G2-596 V2G2-601 V2G2-919"),
        (SessionStopReq, setup.session_stop_dc, {S.AWAITING_PILOT_B, S.ENDED}, "V2G2-570 V2G2-601 V2G2-919"),
        (ChargeParameterDiscoveryReq, parameters.charge_parameter_discovery,
         {S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK}, "V2G2-601")),
    *at(S.AWAITING_PILOT_B,
        (PilotChanged, dc.pilot_b_seen,   {S.AWAITING_PILOT_B, S.WAIT_WELDING, S.ENDED}, "V2G2-920 V2G2-921"),
        (Timer.PILOT,  ending.pilot_late, set(),                                         "V2G2-922")),
    *at(S.WAIT_WELDING,
        (WeldingDetectionReq,     dc.welding_detection, {S.WAIT_WELDING, S.AWAITING_PILOT_B}, "V2G2-597"),
        (SessionStopReq,          setup.session_stop,   {S.ENDED}, "V2G2-570 V2G2-597"),
        (Timer.WELDING_DETECTION, ending.budget_spent,  {S.WAIT_WELDING},                     "")),

    # --- PowerDeliveryReq(Stop) where there is nothing to stop: a car that gives up before pre-charge, or
    #     directly after its start ---
    *each((S.WAIT_CABLE_CHECK, S.WAIT_CABLE_CHECK_RESULT, S.WAIT_PRE_CHARGE),
          PowerDeliveryReq, dc.change_of_mind, {S.WAIT_STOP_DC}, "", "early_power_off"),
    *at(S.WAIT_FIRST_STATUS,
        (PowerDeliveryReq, ac.change_of_mind, {S.WAIT_STOP_AC}, "", "stop_after_start")),
    *at(S.WAIT_FIRST_DEMAND,
        (PowerDeliveryReq, dc.change_of_mind, {S.WAIT_STOP_DC}, "", "stop_after_start")),

    # --- SessionStopReq where the standard does not expect it; recorded cars send it, also in mid-charge ---
    *each((state for state in S if state.waits_for_ev and state not in (
              S.WAIT_SESSION_SETUP, S.WAIT_STOP_AC, S.WAIT_STOP_DC, S.WAIT_WELDING)),
          SessionStopReq, setup.session_stop, {S.ENDED}, "V2G2-570", "early_session_stop"),
)
# fmt: on

_IDS: dict[Key, str] = {
    AuthorizationDecided: "V2G2-856",
    RenegotiationRequested: "V2G2-841",
    LinkLost: "V2G2-727",
    PeerMisbehaved: "V2G2-539",
    Timer.SEQUENCE: "V2G2-443 V2G2-537",
    Timer.COMMUNICATION_SETUP: "V2G2-716 V2G2-723",
}
_MORE: dict[Key, Anywhere] = {
    ContractDecided: Anywhere(contracts.decided, "INV-11 INV-20"),
    RevocationReported: Anywhere(ending.stale, "INV-20"),
    ContractProvisioned: Anywhere(ending.stale, "INV-20"),
    RenegotiationRequested: Anywhere(offering.renegotiation_requested, "V2G2-841"),
}


def _opened(message: V2GMessage) -> tuple[bytes, Signature | None, BodyElement | None]:
    header = message.header
    return header.session_id, header.signature, message.body


def _envelope(session_id: bytes, signature: Signature | None, body: BodyElement) -> V2GMessage:
    return V2GMessage(header=MessageHeader(session_id=session_id, signature=signature), body=body)


ISO2 = Dialect(
    name="ISO 15118-2",
    schema="iso2",
    states=S,
    rules=RULES,
    anywhere=anywhere(_IDS, _MORE),
    pairs=PAIRS,
    setup=SessionSetupReq,
    opened=_opened,
    envelope=_envelope,
    refusal=refusal,
    unrecorded=unrecorded,
    codes=CODES,
    performance={
        "ServiceDetailRes": 4.5,
        "PaymentDetailsRes": 4.5,
        "CertificateInstallationRes": 4.5,
        "CertificateUpdateRes": 4.5,
        "PowerDeliveryRes": 4.5,  # [V2G2-865]
        "CurrentDemandRes": 0.025,
    },
    joins=True,
    unexpected="V2G2-538",
    foreign="V2G2-460",
    unpaced=frozenset({CurrentDemandRes}),
    continued=tariffs.continued,
)
"""What the machine needs of all this."""
