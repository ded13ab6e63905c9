"""The whole SECC without a socket, a clock or a task: an AC session as plain function calls.

Bytes of the EV go in, bytes for the EV come out, and what the hardware and the back end are asked for is
answered by hand. Time is a number, so nothing waits: an hour of charging would take no longer.
"""

import os

from secc import Connection, ControlPilot, EvseSnapshot, SeccConfig, exi
from secc.connection import Data, Heard, Write
from secc.messages import iso2
from secc.session.inputs import AuthorizationDecided, ContactorReported
from secc.session.machine import Session
from secc.session.outputs import Authorize, CloseContactor
from secc.v2gtp import frame

HELLO = """{"supportedAppProtocolReq": {"AppProtocol": [{"ProtocolNamespace": "urn:iso:15118:2:2013:MsgDef",
    "VersionNumberMajor": 2, "VersionNumberMinor": 0, "SchemaID": 1, "Priority": 1}]}}"""
REQUESTS = (  # as JSON, with the element names of the standard
    '{"SessionSetupReq": {"EVCCID": "02005E102030"}}',
    '{"ServiceDiscoveryReq": {}}',
    """{"PaymentServiceSelectionReq": {"SelectedPaymentOption": "ExternalPayment",
        "SelectedServiceList": {"SelectedService": [{"ServiceID": 1}]}}}""",
    '{"AuthorizationReq": {}}',
    '{"AuthorizationReq": {}}',  # the first one is answered Ongoing
    """{"ChargeParameterDiscoveryReq": {"RequestedEnergyTransferMode": "AC_three_phase_core",
        "AC_EVChargeParameter": {"EAmount": {"Multiplier": 0, "Unit": "Wh", "Value": 10000},
        "EVMaxVoltage": {"Multiplier": 0, "Unit": "V", "Value": 400},
        "EVMaxCurrent": {"Multiplier": 0, "Unit": "A", "Value": 16},
        "EVMinCurrent": {"Multiplier": 0, "Unit": "A", "Value": 6}}}}""",
    '{"PowerDeliveryReq": {"ChargeProgress": "Start", "SAScheduleTupleID": 1}}',
    '{"ChargingStatusReq": {}}',
    '{"PowerDeliveryReq": {"ChargeProgress": "Stop", "SAScheduleTupleID": 1}}',
    '{"SessionStopReq": {"ChargingSession": "Terminate"}}',
)


def main() -> None:
    outlet = EvseSnapshot(control_pilot=ControlPilot.C)
    session = Session(SeccConfig(), random_bytes=os.urandom, snapshot=outlet, now=0.0)
    connection = Connection(session)
    connection.handle(Data(to_bytes(exi.APP_PROTOCOL, HELLO), outlet), 0.0)
    session_id, now = "00", 0.0
    for body in REQUESTS:
        now += 0.5
        request = f'{{"V2G_Message": {{"Header": {{"SessionID": "{session_id}"}}, "Body": {body}}}}}'
        outputs = list(connection.handle(Data(to_bytes(exi.ISO2, request), outlet), now))
        for output in outputs:  # grows where an answer leads to more
            match output:
                case Authorize(ticket):
                    outputs += connection.handle(AuthorizationDecided(ticket, granted=True), now)
                case CloseContactor(ticket):
                    outputs += connection.handle(ContactorReported(ticket, closed=True), now)
                case Heard(message):
                    assert isinstance(message, iso2.V2GMessage)
                    print(f"{now:4.1f} s  EV: {type(message.body).__name__}")
                    continue
                case Write(message=iso2.V2GMessage(header=header, body=answer)):
                    session_id = header.session_id.hex()
                    print(f"{now:4.1f} s  us: {type(answer).__name__}")
                    continue
            print(f"{now:4.1f} s      {type(output).__name__}")
    assert connection.closed


def to_bytes(codec: exi.Codec, json: str) -> bytes:
    """What the EV would send: header and EXI document."""
    return frame(codec.encode(codec.from_json(json)))


if __name__ == "__main__":
    main()
