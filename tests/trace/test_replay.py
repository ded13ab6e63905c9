"""A trace replayed gives the same, and where it does not the first difference is shown [INV-35]."""

import dataclasses
import json
import pathlib

import pytest

from secc import exi
from secc.connection import Beginning, Connection
from secc.messages import iso2
from secc.pki.contract import Evidence
from secc.session.contract_events import ContractDecided, RevocationReported, Verdict
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.session.ticket import Ticket
from secc.settings import CompatConfig, ProtocolName
from secc.sim.player import config_for
from secc.trace import Recorder, TraceError, read, replay
from tests.support import requests as r
from tests.support.bench import AC, DC, counting_bytes
from tests.support.contracts import UTC, crls, wallet
from tests.support.din import DIN
from tests.support.pnc import METER, PNC_AC, terms
from tests.support.recordings import ac_session, din_session
from tests.support.traced import Lines, ask, hang_up, opened, recorded
from tests.support.wire import OFFER

B = EvseSnapshot(control_pilot=ControlPilot.B, utc=1.7e9)


def saved(lines: Lines, folder: pathlib.Path) -> pathlib.Path:
    return lines.save(folder / "session.trace")


@pytest.mark.inv("INV-35")
def test_a_dc_session_comes_out_the_same(tmp_path: pathlib.Path) -> None:
    trace = read(saved(recorded(), tmp_path))
    assert replay(trace) is None
    assert (len(trace.sessions), trace.note, trace.torn) == (1, "a test", False)
    assert trace.sessions[0].end is not None
    assert trace.sessions[0].end["reason"] == "terminated by the EV"


@pytest.mark.inv("INV-35")
def test_an_ac_session_comes_out_the_same(tmp_path: pathlib.Path) -> None:
    assert replay(read(saved(recorded(ac_session(), AC), tmp_path))) is None


@pytest.mark.inv("INV-35")
def test_a_din_session_comes_out_the_same(tmp_path: pathlib.Path) -> None:
    recording = din_session()
    trace = read(saved(recorded(recording, config_for(recording, DIN)), tmp_path))
    assert replay(trace) is None
    assert trace.sessions[0].end is not None
    assert trace.sessions[0].end["reason"] == "terminated by the EV"
    assert trace.config.protocols == (ProtocolName.DIN70121,)


def test_a_trace_from_before_there_was_a_choice_of_protocols_has_one(tmp_path: pathlib.Path) -> None:
    lines = recorded()
    config = json.loads(lines[0])["config"]
    del config["protocols"]
    lines.change(1, config=config)
    trace = read(saved(lines, tmp_path))
    assert trace.config.protocols == (ProtocolName.ISO15118_2,)
    assert replay(trace) is None


def test_a_session_with_a_contract_comes_out_the_same(tmp_path: pathlib.Path) -> None:
    snapshot = EvseSnapshot(control_pilot=ControlPilot.B, utc=UTC, meter=METER)
    lines, connection = opened(PNC_AC, snapshot, terms(finds_revocation=True))
    car, now = wallet(), 1000.0

    def send(body: iso2.BodyElement, *, signed: bool = False) -> iso2.BodyElement | None:
        nonlocal now
        now += 0.2
        session_id = connection.session.session_id if connection.session.evcc_id else b"\0"
        message = r.message(session_id, body, car.sign(body) if signed else None)
        return ask(connection, exi.ISO2.encode(message), snapshot, now)

    ask(connection, OFFER, snapshot, now)
    send(r.session_setup())
    send(r.service_discovery())
    send(r.payment_selection(iso2.PaymentOption.CONTRACT))
    send(car.payment_details())
    now += 0.1
    connection.handle(RevocationReported(Ticket(1, 1), Evidence(crls=crls())), now)
    assert connection.session.pnc.claim is not None
    send(car.authorization(connection.session.pnc.claim.challenge), signed=True)
    connection.handle(ContractDecided(Ticket(1, 2), Verdict.ACCEPTED), now)
    assert isinstance(send(r.authorization()), iso2.AuthorizationRes)
    hang_up(connection, now)
    assert any("ContractGranted" in line for line in lines)
    assert replay(read(saved(lines, tmp_path))) is None


def test_the_first_other_output_is_shown(tmp_path: pathlib.Path) -> None:
    lines = recorded()
    number = next(i for i, line in enumerate(lines, 1) if "CurrentDemandReq" in line)
    step = json.loads(lines[number - 1])
    order = next(output for output in step["out"] if "SetOutput" in output)
    order["SetOutput"]["current"] = 999.0
    lines.change(number, out=step["out"])
    difference = replay(read(saved(lines, tmp_path)))
    assert difference is not None
    assert (difference.session, difference.line, difference.event) == (1, number, "Data")
    assert '"current": 999.0' in str(difference)
    assert "line " + str(number) in str(difference)


def test_an_output_that_is_missing_is_shown(tmp_path: pathlib.Path) -> None:
    lines = recorded()
    lines.change(4, out=[])
    difference = replay(read(saved(lines, tmp_path)))
    assert difference is not None
    assert "recorded: nothing" in str(difference)


def test_other_random_bytes_make_a_difference(tmp_path: pathlib.Path) -> None:
    lines = recorded()
    lines.change(2, random=["00000000000000ff"])
    difference = replay(read(saved(lines, tmp_path)))
    assert difference is not None
    assert difference.event == "Data"


def test_too_few_random_bytes_are_reported(tmp_path: pathlib.Path) -> None:
    lines = recorded()
    lines.change(2, random=[])
    with pytest.raises(TraceError, match="8 random bytes wanted, 0 were drawn"):
        replay(read(saved(lines, tmp_path)))


def test_another_configuration_may_have_done_something_else(tmp_path: pathlib.Path) -> None:
    trace = read(saved(recorded(), tmp_path))
    smaller = dataclasses.replace(trace.config.energy.dc, max_current=20.0)
    config = dataclasses.replace(
        trace.config,
        energy=dataclasses.replace(trace.config.energy, dc=smaller),
        compat=CompatConfig.strict(),
    )
    difference = replay(trace, config)
    assert difference is not None
    assert difference.state.name == "WAIT_CHARGE_PARAMETERS"


def test_a_torn_last_line_is_left_out(tmp_path: pathlib.Path) -> None:
    lines = recorded()
    lines[-1] = lines[-1][:40]
    trace = read(saved(lines, tmp_path))
    assert trace.torn
    assert replay(trace) is None


def test_an_exception_of_the_core_is_recorded_and_comes_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Connection, data: bytes, now: float) -> None:
        raise RuntimeError("defect")

    monkeypatch.setattr(Connection, "_read", broken)
    lines, connection = opened(DC, B)
    with pytest.raises(RuntimeError, match="defect"):
        ask(connection, OFFER, B, 1001.0)
    trace = read(saved(lines, tmp_path))
    assert trace.sessions[0].steps[0].raised == "RuntimeError: defect"
    assert replay(trace) is None
    monkeypatch.undo()
    difference = replay(trace)
    assert difference is not None


def test_a_writer_that_cannot_keep_up_costs_the_rest_of_one_session(tmp_path: pathlib.Path) -> None:
    """What is left of it can be replayed, and the next one is whole."""
    lines: list[str] = []
    refused: list[str] = []

    def write(line: str) -> bool:
        taken = len(lines) != 3 or bool(refused)
        (lines if taken else refused).append(line)
        return taken

    recorder = Recorder(write, DC, now=0.0, wall=0.0)
    for number, at in ((1, 10.0), (2, 20.0)):
        connection = recorder.begin(Beginning(snapshot=B, now=at, generation=number), counting_bytes())
        ask(connection, OFFER, B, at + 1)
        ask(connection, exi.ISO2.encode(r.message(b"\0", r.session_setup())), B, at + 2)
        ask(
            connection, exi.ISO2.encode(r.message(connection.session.session_id, r.session_stop())), B, at + 3
        )
    assert (len(refused), recorder.dropped, recorder.problem) == (1, 1, "")
    path = tmp_path / "cut.trace"
    path.write_text("".join(lines))
    trace = read(path)
    assert [len(session.steps) for session in trace.sessions] == [1, 3]
    assert replay(trace) is None


def test_a_full_disk_ends_the_recording_and_not_the_session() -> None:
    written: list[str] = []

    def write(line: str) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(line)

    recorder = Recorder(write, DC, now=0.0, wall=0.0)
    connection = recorder.begin(Beginning(snapshot=B, now=0.0), counting_bytes())
    ask(connection, OFFER, B, 1.0)
    ask(connection, exi.ISO2.encode(r.message(b"\0", r.session_setup())), B, 2.0)
    assert recorder.problem == "OSError: [Errno 28] No space left on device"
    assert connection.session.evcc_id is not None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "no complete line"),
        ("{}\n", 'has no "trace": 1'),
        ("nonsense\n", "line 1: Expecting value"),
        ("[]\n", "line 1: expected an object"),
    ],
)
def test_a_file_that_is_no_trace_is_reported(tmp_path: pathlib.Path, text: str, wrong: str) -> None:
    path = tmp_path / "x"
    path.write_text(text)
    with pytest.raises(TraceError, match=wrong):
        read(path)


def test_a_line_that_cannot_be_read_is_named(tmp_path: pathlib.Path) -> None:
    lines = recorded()
    lines.change(5, session=77)
    with pytest.raises(TraceError, match="line 5: KeyError: 77"):
        read(saved(lines, tmp_path))
