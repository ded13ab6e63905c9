"""What goes through the core, as JSON and back."""

import dataclasses
import json
import math

import pytest

from secc import exi
from secc.connection import ConnectionInput, Data, EndOfStream, Heard, Write
from secc.pki.contract import Evidence
from secc.pki.provisioning import ProvisioningAnswer
from secc.session.contract_events import (
    ContractDecided,
    ContractProvisioned,
    ContractTerms,
    RevocationReported,
    Verdict,
)
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    ControllerFault,
    DischargePermitted,
    EnergyTargeted,
    LinkLost,
    PauseRequested,
    PeerMisbehaved,
    PowerLimited,
    RenegotiationRequested,
    SchedulesOffered,
    ServiceRenegotiationRequested,
    StandbyExitRequested,
    StopRequested,
    Tick,
)
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot, IsolationLevel, MeterReading
from secc.session.schedules import DynamicOffer, PowerSchedule, PowerStep, ScheduleOffer
from secc.session.ticket import Ticket
from secc.settings import SeccConfig
from secc.trace.form import TraceError, built, input_of, plain, plain_config, plain_input, plain_output
from tests.support import requests as r
from tests.support.pnc import terms

TICKET = Ticket(3, 7)
SNAPSHOT = EvseSnapshot(
    control_pilot=ControlPilot.C,
    utc=1.7e9,
    present_voltage=399.9,
    max_current=0.1 + 0.2,
    fault=EvseFault.ISOLATION,
    isolation=IsolationLevel.WARNING,
    meter=MeterReading("M", 5, 1_700_000_000, b"\x01", -2),
)
OFFER = ScheduleOffer((PowerSchedule(1, (PowerStep(0, 11_000.0), PowerStep(60, 7_000.5)), 3600),))

INPUTS: tuple[ConnectionInput, ...] = (
    Data(b"\x01\xfe", SNAPSHOT),
    EndOfStream(),
    EndOfStream("connection reset"),
    Tick(SNAPSHOT),
    ContactorReported(TICKET, closed=True),
    CableCheckReported(TICKET, IsolationLevel.VALID),
    AuthorizationDecided(TICKET, granted=False),
    SchedulesOffered(TICKET, OFFER),
    SchedulesOffered(TICKET, DynamicOffer(power=5000.0)),
    SchedulesOffered(TICKET, None),
    StopRequested("operator"),
    RenegotiationRequested(),
    EnergyTargeted(-5000.0),
    DischargePermitted(2000.0),
    PauseRequested(),
    StandbyExitRequested(),
    ServiceRenegotiationRequested(),
    PowerLimited(5000.0),
    PowerLimited(None),
    LinkLost(),
    PeerMisbehaved("odd", no_protocol=True),
    ControllerFault("driver", EvseFault.EMERGENCY_STOP),
    ContractDecided(TICKET, Verdict.BLOCKED),
    RevocationReported(TICKET, Evidence((b"\x30",), (b"\x31", b"\x32"))),
    ContractProvisioned(TICKET, ProvisioningAnswer(b"\x80", retry_counter=1)),
)


@pytest.mark.parametrize("event", INPUTS, ids=lambda event: type(event).__name__)
def test_each_input_comes_back_from_json(event: ConnectionInput) -> None:
    assert input_of(json.loads(json.dumps(plain_input(event), allow_nan=False))) == event


def test_a_limit_that_is_no_number_comes_back_as_such() -> None:
    event = Tick(EvseSnapshot(control_pilot=ControlPilot.B, max_power=math.inf, max_current=math.nan))
    back = input_of(json.loads(json.dumps(plain_input(event), allow_nan=False)))
    assert isinstance(back, Tick)
    assert back.snapshot.max_power == math.inf
    assert math.isnan(back.snapshot.max_current or 0.0)


def test_what_contracts_need_comes_back() -> None:
    known = terms(known=frozenset({"ab", "cd"}))
    back = built(ContractTerms, json.loads(json.dumps(plain(known))))
    assert back == known


def test_a_configuration_is_written_with_its_defaults() -> None:
    form = plain_config(SeccConfig())
    assert isinstance(form, dict)
    assert form["timing"]["sequence"] == 60.0
    assert built(SeccConfig, json.loads(json.dumps(form))) == SeccConfig()


def test_messages_among_the_outputs_are_a_name_or_bytes() -> None:
    message = r.message(b"\x01" * 8, r.service_discovery())
    assert plain_output(Heard(message)) == {"Heard": "ServiceDiscoveryReq"}
    assert plain_output(Write(exi.ISO2.encode(message), message)) == {"Write": exi.ISO2.encode(message).hex()}


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ({"Reboot": {}}, "Reboot is no input"),
        ([], "one object"),
        ({"Tick": {"snapshot": {"control_pilot": "Q"}}}, "'Q' is not a valid ControlPilot"),
        ({"Tick": {"snapshot": {"control_pilot": "B", "mood": 1}}}, "has no mood"),
        ({"StopRequested": {"reason": 5}}, "expected str, found 5"),
        ({"Data": {"data": "xx", "snapshot": {"control_pilot": "B"}}}, "non-hexadecimal"),
        ({"PowerLimited": []}, "expected an object"),
        (
            {"SchedulesOffered": {"ticket": {"generation": 1, "number": 1}, "offer": {"schedules": 1}}},
            "a list",
        ),
    ],
)
def test_what_is_no_input_is_reported(form: object, wrong: str) -> None:
    with pytest.raises(TraceError, match=wrong):
        input_of(form)  # type: ignore[arg-type]


def test_an_unknown_object_is_its_class() -> None:
    assert plain(dataclasses) == "module"
