"""Records as text and as JSON."""

import json

import pytest

from secc.messages import iso2
from secc.records import Direction, LinkEvent, LinkRecord, MessageRecord, NoticeRecord, OutputRecord
from secc.records.text import as_json, as_text, milliseconds
from secc.session.contract_events import ContractGranted, JudgeContract
from secc.session.outlet import MeterReading
from secc.session.outputs import Authorize, EndReason, EndSession, Notice, NoticeKind, RenewLease, SetOutput
from secc.session.streams import Stream
from secc.session.ticket import Ticket
from tests.support.iso20 import renegotiate
from tests.support.pnc20 import PncBench20
from tests.support.vehicles import EVCCID

ANSWER = iso2.V2GMessage(
    header=iso2.MessageHeader(session_id=bytes.fromhex("0102030405060708")),
    body=iso2.AuthorizationRes(
        response_code=iso2.ResponseCode.OK, evse_processing=iso2.EVSEProcessing.ONGOING
    ),
)
ASKED = iso2.V2GMessage(
    header=iso2.MessageHeader(session_id=bytes(8)), body=iso2.SessionSetupReq(evcc_id=b"\x01\x02")
)


def test_messages_are_lines_with_their_time() -> None:
    received = MessageRecord(1.0, Direction.RECEIVED, ASKED)
    sent = MessageRecord(1.0, Direction.SENT, ANSWER, 0.00125)
    assert as_text(received) == "<- SessionSetupReq"
    assert as_text(sent) == "-> AuthorizationRes                1.25 ms  Ongoing"


def test_a_message_beside_the_loop_names_its_stream() -> None:
    request = MessageRecord(1.0, Direction.RECEIVED, renegotiate(), None, "", Stream.SCHEDULE)
    line = "<- PowerDeliveryReq             ScheduleRenegotiation [schedule renegotiation]"
    assert as_text(request) == line
    assert json.loads(as_json(request))["stream"] == "schedule renegotiation"
    assert "stream" not in json.loads(as_json(MessageRecord(1.0, Direction.RECEIVED, renegotiate())))


def test_orders_are_lines_with_their_numbers_and_the_lease_is_none() -> None:
    assert as_text(OutputRecord(1.0, SetOutput(400.0, 12.5))) == "   SetOutput voltage 400 current 12.5"
    assert as_text(OutputRecord(1.0, Authorize(Ticket(1, 1)))) == "   Authorize"
    assert as_text(OutputRecord(1.0, RenewLease(0.5))) is None


def test_the_end_of_a_session_is_a_line_with_the_reason_and_the_meter() -> None:
    end = EndSession(
        reason=EndReason.LINK_LOST,
        detail="connection reset",
        session_id=b"\xab",
        meter=MeterReading("METER", 42),
    )
    assert (
        as_text(OutputRecord(1.0, end)) == "   session AB is over: link lost, connection reset, meter 42 Wh"
    )


def test_notices_and_links_are_lines() -> None:
    notice = NoticeRecord(1.0, Notice(NoticeKind.STOP, "stop requested"))
    assert as_text(notice) == "   stop: stop requested"
    link = LinkRecord(1.0, LinkEvent.OPENED, peer="fe80::1")
    assert as_text(link) == "   connection opened fe80::1"


def test_records_as_json() -> None:
    sent = MessageRecord(1.5, Direction.SENT, ANSWER, 0.00125)
    assert json.loads(as_json(sent)) == {
        "at": 1.5,
        "kind": "message",
        "direction": "sent",
        "name": "AuthorizationRes",
        "message": {
            "session_id": "0102030405060708",
            "body": {"response_code": "OK", "evse_processing": "Ongoing"},
        },
        "response_time": 0.00125,
    }
    output = json.loads(as_json(OutputRecord(1.5, SetOutput(400.0, 12.5))))
    assert output == {"at": 1.5, "kind": "output", "name": "SetOutput", "voltage": 400.0, "current": 12.5}
    link = json.loads(as_json(LinkRecord(1.5, LinkEvent.CLOSED, peer="::1")))
    assert link == {"at": 1.5, "kind": "link", "event": "connection closed", "text": "", "peer": "::1"}
    notice = json.loads(as_json(NoticeRecord(1.5, Notice(NoticeKind.STOP, "why"))))
    assert notice == {"at": 1.5, "kind": "notice", "about": "stop", "text": "why"}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0000123, "0.01 ms"), (0.0512, "51.20 ms"), (1.5, "1500 ms")]
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert milliseconds(seconds) == text


@pytest.mark.inv("INV-25")
def test_a_challenge_is_not_reported() -> None:
    challenge = bytes(range(16))
    body = iso2.PaymentDetailsRes(
        response_code=iso2.ResponseCode.OK, gen_challenge=challenge, evse_time_stamp=0
    )
    message = iso2.V2GMessage(header=iso2.MessageHeader(session_id=bytes(8)), body=body)
    record = MessageRecord(1.0, Direction.SENT, message)
    told = f"{as_json(record)} {as_text(record)}"
    assert challenge.hex() not in told.lower()
    assert "not shown" in told


def test_a_contract_is_recorded_with_the_vehicle_that_showed_it_and_without_its_certificates() -> None:
    bench = PncBench20().to_granted()
    outputs = [one for one in bench.outputs if isinstance(one, JudgeContract | ContractGranted)]
    judging, granted = (json.loads(as_json(OutputRecord(1.0, one))) for one in outputs)
    assert judging == {"at": 1.0, "kind": "output", "name": "JudgeContract"}
    assert (granted["emaid"], granted["vehicle"]) == ("DEABC000000001G", EVCCID)
    assert as_text(OutputRecord(1.0, outputs[0])) == "   JudgeContract"
