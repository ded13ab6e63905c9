"""A paused session is continued by its vehicle and by nothing else."""

from typing import Any

import pytest

from secc.messages.iso20_common import ChargingSession
from secc.session.inputs import StopRequested
from secc.session.iso20.states import Iso20State as S
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.session.outputs import Authorize, EndSession
from secc.session.pause import PauseMemory
from secc.session.paused import PausedSession
from secc.settings import SeccConfig
from tests.support import iso20 as r
from tests.support import requests
from tests.support.bench import Bench, sent
from tests.support.iso20 import AC, DC, DC_BPT, Bench20, code
from tests.support.iso20_config import with_iso20
from tests.support.vehicles import vehicle_identity

PAUSE = r.session_stop(ChargingSession.PAUSE)


def paused(config: SeccConfig = DC, service: int = 2, **extra: Any) -> PausedSession:
    bench = Bench20(config, **extra).to_schedule(service)
    assert code(bench.ask(PAUSE)) == "OK"
    assert bench.end is not None
    assert bench.end.paused is not None
    return bench.end.paused


def again(entry: PausedSession, config: SeccConfig = DC, **extra: Any) -> tuple[Bench20, Any]:
    bench = Bench20(config, paused=entry, **extra)
    return bench, bench.ask(r.session_setup(), entry.session_id)


@pytest.mark.req(
    "V2G20-1032", "V2G20-1644", "V2G20-1843", "V2G20-1844", "V2G20-1847", "V2G20-2545", "V2G20-2622"
)
def test_the_same_vehicle_goes_on_with_the_charge_parameters() -> None:
    entry = paused(DC_BPT, 6)
    bench, response = again(entry, DC_BPT)
    assert code(response) == "OK_OldSessionJoined"
    assert response.header.session_id == entry.session_id
    assert bench.session.state is S.WAIT_PARAMETERS_DC
    assert bench.session.granted
    assert not any(isinstance(output, Authorize) for output in bench.outputs)
    assert code(bench.ask(r.dc_bpt_parameters())) == "OK"
    assert code(bench.ask(r.scheduled())) == "OK"
    assert bench.session.state.name == "WAIT_CABLE_CHECK"


@pytest.mark.req("V2G20-2097", "V2G20-2098")
def test_ac_goes_on_with_its_parameters() -> None:
    bench, response = again(paused(AC, 1), AC)
    assert code(response) == "OK_OldSessionJoined"
    assert bench.session.state is S.WAIT_PARAMETERS_AC


@pytest.mark.req("V2G20-1032")
@pytest.mark.parametrize(
    "request_made", [r.authorization_setup(), r.service_discovery(), r.scheduled(), r.start()]
)
def test_nothing_else_follows_a_continued_setup(request_made: Any) -> None:
    bench, _ = again(paused())
    assert code(bench.ask(request_made)) == "FAILED_SequenceError"


@pytest.mark.inv("INV-06")
@pytest.mark.req("V2G20-2122")
def test_the_isolation_is_tested_again_after_a_pause() -> None:
    bench, _ = again(paused())
    bench.ask(r.dc_parameters())
    bench.ask(r.scheduled())
    assert code(bench.ask(r.start())) == "FAILED_SequenceError"


def test_the_permission_to_discharge_is_looked_at_again() -> None:
    bench, _ = again(paused(DC_BPT, 6), with_iso20(DC_BPT))
    bench.ask(r.dc_bpt_parameters())
    assert bench.session.may_discharge == 0


@pytest.mark.req("V2G20-2545", "V2G20-2550", "V2G20-2626", "V2G20-2627", "V2G20-2630")
@pytest.mark.parametrize(
    "extra",
    [
        {"vehicle": vehicle_identity("ANOTHERVEHICLE12345X")},
        {"vehicle": None, "tls13": False},
    ],
    ids=["another", "none"],
)
def test_another_vehicle_gets_a_new_session_without_an_error(extra: dict[str, Any]) -> None:
    config = with_iso20(DC, insecure_lab=True)
    entry = paused(config)
    bench, response = again(entry, config, **extra)
    assert code(response) == "OK_NewSessionEstablished"
    assert response.header.session_id != entry.session_id
    assert bench.session.state is S.WAIT_AUTHORIZATION_SETUP
    assert not bench.session.granted


def test_a_session_without_a_vehicle_certificate_cannot_be_continued() -> None:
    config = with_iso20(DC, insecure_lab=True)
    entry = paused(config, vehicle=None, tls13=False, tls=False)
    assert entry.binding == b""
    _, response = again(entry, config, vehicle=None, tls13=False, tls=False)
    assert code(response) == "OK_NewSessionEstablished"


def test_the_other_kind_of_energy_does_not_continue_it() -> None:
    _, response = again(paused(), AC)
    assert code(response) == "OK_NewSessionEstablished"


def test_a_session_of_iso_2_does_not_continue_it_by_its_id() -> None:
    entry = paused()
    bench = Bench(DC, paused=entry)
    response = bench.request(requests.session_setup(), entry.session_id)
    assert code(response) == "OK_NewSessionEstablished"
    assert sent(bench.last) is response
    assert bench.session.session_id != entry.session_id


# --- what is kept ---


def memory_with(entry: PausedSession) -> PauseMemory:
    kept = PauseMemory(3600.0)
    bench = Bench20(DC).to_schedule()
    bench.ask(PAUSE)
    assert bench.end is not None
    kept.session_ended(bench.end, 0.0)
    assert kept.paused(1.0) == entry == bench.end.paused
    return kept


def ended(session_id: bytes) -> EndSession:
    from secc.session.outputs import EndReason

    return EndSession(reason=EndReason.TERMINATED, session_id=session_id, established=True)


@pytest.mark.req("V2G20-2627")
def test_the_session_of_another_vehicle_does_not_erase_it() -> None:
    entry = paused()
    kept = memory_with(entry)
    for number in range(10_000):
        kept.session_ended(ended(number.to_bytes(8, "big")[::-1]), 1.0)
    assert kept.paused(2.0) == entry
    kept.session_ended(ended(entry.session_id), 2.0)
    assert kept.paused(3.0) is None


def test_it_ends_with_its_time_and_with_the_cable() -> None:
    kept = memory_with(paused())
    assert kept.paused(3600.0) is None
    kept = memory_with(paused())
    kept.observe(EvseSnapshot(control_pilot=ControlPilot.A))
    assert kept.paused(1.0) is None


@pytest.mark.inv("INV-29")
@pytest.mark.parametrize("config", [AC, DC], ids=["AC", "DC"])
def test_what_the_station_has_stopped_is_not_paused_and_so_not_continued(config: SeccConfig) -> None:
    before = Bench20(config).to_schedule(2 if config is DC else 1)
    before.feed(StopRequested())
    charging = Bench20(config)
    if config is DC:
        charging.to_first_loop_dc()
        charging.ask(r.dc_loop())
    else:
        charging.to_first_loop_ac()
        charging.ask(r.ac_loop())
    charging.feed(StopRequested())
    charging.ask(r.stop())
    charging.outlet(control_pilot=ControlPilot.B)
    if config is DC:
        charging.ask(r.welding())
    for bench in (before, charging):
        assert code(bench.ask(PAUSE)) == "FAILED_PauseNotAllowed"
        assert bench.end is not None
        assert bench.end.paused is None
