"""A session before a protocol has been chosen: time and faults count already."""

import pytest

from secc.session.handshake import HANDSHAKE, HandshakeState
from secc.session.inputs import LinkLost, Received, Tick
from secc.session.iso2.table import ISO2
from secc.session.machine import Session
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.session.outputs import EndReason, EndSession, OpenContactor, Output
from secc.settings import SeccConfig
from tests.support import requests as r

EVSE = EvseSnapshot(control_pilot=ControlPilot.B)


@pytest.fixture
def session() -> Session:
    return Session(SeccConfig(), random_bytes=lambda n: b"\x07" * n, snapshot=EVSE, now=100.0)


def reason(outputs: tuple[Output, ...]) -> EndReason:
    (end,) = [output for output in outputs if isinstance(output, EndSession)]
    return end.reason


def test_a_session_begins_without_a_protocol_and_then_speaks_one(session: Session) -> None:
    assert session.state is HandshakeState.WAIT_PROTOCOL
    session.speak(ISO2)
    assert session.state is ISO2.begin


@pytest.mark.req("V2G2-716", "V2G2-723")
def test_a_handshake_that_does_not_come_ends_the_session(session: Session) -> None:
    assert session.deadline == 118.0
    outputs = session.handle(Tick(EVSE), 118.0)
    assert reason(outputs) is EndReason.SETUP_TIMEOUT
    assert OpenContactor() in outputs
    assert session.state is HandshakeState.ENDED


def test_a_request_before_the_handshake_is_no_request(session: Session) -> None:
    outputs = session.handle(Received(r.message(b"\0", r.session_setup(), None), EVSE), 101.0)
    assert reason(outputs) is EndReason.PROTOCOL_ERROR


def test_a_lost_link_ends_it_too(session: Session) -> None:
    assert reason(session.handle(LinkLost("gone"), 101.0)) is EndReason.LINK_LOST


def test_no_answer_can_be_made_without_a_protocol() -> None:
    with pytest.raises(RuntimeError, match="no protocol"):
        HANDSHAKE.envelope(bytes(8), None, None)
