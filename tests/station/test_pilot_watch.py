"""Records of a session become inputs of the pilot: its authorization, its last response, its end."""

from __future__ import annotations

import asyncio
import functools
from typing import cast

import pytest

from secc import pilot
from secc.boundary.controller import checked_controller
from secc.messages import din, iso2
from secc.records import Direction, LinkEvent, LinkRecord, MessageRecord, OutputRecord, Record
from secc.session.outputs import Authorize, EndReason, EndSession
from secc.session.ticket import Ticket
from secc.settings import SeccConfig
from secc.settings.slac import AuthorizedDuty, SlacConfig
from secc.sim import SimulatedAcEvse, SimulatedCable
from secc.slac import events as slac
from secc.station.machines import Machines
from secc.station.pilot_watch import PilotWatch
from tests.support.fasttime import virtual_loop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """A loop whose clock moves by its timers alone."""
    return "asyncio", {"loop_factory": functools.partial(virtual_loop, sockets=False, frozen=True)}


class Inputs:
    """In place of the machines: what they were given, and when."""

    def __init__(self) -> None:
        self.given: list[tuple[float, pilot.Input]] = []
        self.matching: list[slac.Input] = []

    def to_sequence(self, event: pilot.Input) -> None:
        self.given.append((round(asyncio.get_running_loop().time() - self.begun, 1), event))

    def to_matching(self, event: slac.Input) -> None:
        self.matching.append(event)

    begun = 0.0


def watch(**settings: object) -> tuple[PilotWatch, Inputs]:
    slac_config = SlacConfig(enabled=True, **settings)  # type: ignore[arg-type]  # literal settings of the tests
    config = SeccConfig(interface="lo", slac=slac_config)
    inputs = Inputs()
    inputs.begun = asyncio.get_running_loop().time()
    controller = checked_controller(SimulatedAcEvse(SimulatedCable()))
    return PilotWatch(config, controller, cast(Machines, inputs), lambda: None), inputs


def sent(body: object) -> Record:
    if isinstance(body, din.BodyElement):
        message: din.V2GMessage | iso2.V2GMessage = din.V2GMessage(
            header=din.MessageHeader(session_id=b"12345678"), body=body
        )
    else:
        assert isinstance(body, iso2.BodyElement)
        message = iso2.V2GMessage(header=iso2.MessageHeader(session_id=b"12345678"), body=body)
    return MessageRecord(0.0, Direction.SENT, message)


def ended(reason: EndReason) -> Record:
    return OutputRecord(0.0, EndSession(reason=reason, established=True))


CLOSED = LinkRecord(0.0, LinkEvent.CLOSED)
OPENED = LinkRecord(0.0, LinkEvent.OPENED)
DIN_STOP = din.SessionStopRes(response_code=din.ResponseCode.OK)
DIN_FAILED = din.SessionStopRes(response_code=din.ResponseCode.FAILED)
ISO2_STOP = iso2.SessionStopRes(response_code=iso2.ResponseCode.OK)
OVER = pilot.SessionOver(EndReason.TERMINATED)


@pytest.mark.req("V2G-DC-968")
@pytest.mark.parametrize(("body", "after"), [(DIN_STOP, 1.5), (ISO2_STOP, 0.2)])
async def test_in_din_the_oscillator_outlasts_the_connection(body: object, after: float) -> None:
    pilot_watch, inputs = watch()
    pilot_watch.record(OPENED)
    pilot_watch.record(sent(body))
    pilot_watch.record(ended(EndReason.TERMINATED))
    await asyncio.sleep(0.2)
    pilot_watch.record(CLOSED)
    await asyncio.sleep(5.0)
    assert inputs.given == [(after, OVER)]


@pytest.mark.req("V2G-DC-942")
@pytest.mark.parametrize(("body", "first"), [(DIN_FAILED, [(0.0, pilot.ResponseFailed())]), (ISO2_STOP, [])])
async def test_in_din_a_failed_response_reaches_the_pilot_before_the_connection_closes(
    body: object, first: list[tuple[float, pilot.Input]]
) -> None:
    pilot_watch, inputs = watch()
    pilot_watch.record(OPENED)
    pilot_watch.record(sent(body))
    pilot_watch.record(ended(EndReason.REFUSED))
    await asyncio.sleep(2.0)
    pilot_watch.record(CLOSED)
    await asyncio.sleep(5.0)
    assert inputs.given == [*first, (2.0, pilot.SessionOver(EndReason.REFUSED))]


AUTHORIZED = iso2.AuthorizationRes(
    response_code=iso2.ResponseCode.OK, evse_processing=iso2.EVSEProcessing.FINISHED
)
WAITING = iso2.AuthorizationRes(
    response_code=iso2.ResponseCode.OK, evse_processing=iso2.EVSEProcessing.ONGOING
)


@pytest.mark.req("V2G2-931")
@pytest.mark.parametrize(
    ("duty", "external", "given"),
    [
        (AuthorizedDuty.NOMINAL, True, [(0.0, pilot.Authorized())]),
        (AuthorizedDuty.NOMINAL, False, []),
        (AuthorizedDuty.DIGITAL, True, []),
    ],
)
async def test_the_answer_that_completes_the_authorization_reaches_the_pilot(
    duty: AuthorizedDuty, external: bool, given: list[tuple[float, pilot.Input]]
) -> None:
    pilot_watch, inputs = watch(authorized_duty=duty)
    if external:
        pilot_watch.record(OutputRecord(0.0, Authorize(Ticket(1, 1))))
    pilot_watch.record(sent(WAITING))
    await asyncio.sleep(0.01)
    assert inputs.given == []
    pilot_watch.record(sent(AUTHORIZED))
    pilot_watch.record(sent(AUTHORIZED))
    await asyncio.sleep(0.01)
    assert inputs.given == given


async def test_the_matching_follows_the_connections_of_the_ev() -> None:
    pilot_watch, inputs = watch()
    for record in (OPENED, OPENED, CLOSED, CLOSED):
        pilot_watch.record(record)
        await asyncio.sleep(0)
    assert inputs.matching == [slac.LinkUsed(used) for used in (True, True, True, False)]
