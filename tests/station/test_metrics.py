"""What Prometheus gets to see of a station."""

import datetime
import re
from pathlib import Path

import pytest

from secc.messages import iso2
from secc.records import Direction, LinkEvent, LinkRecord, MessageRecord, NoticeRecord, OutputRecord
from secc.session.outlet import MeterReading
from secc.session.outputs import EndReason, EndSession, Notice, NoticeKind
from secc.settings import TlsPolicy
from secc.station.metrics import Metrics
from tests.support.wire import Bed, Car, config, discover, eventually, finish, running, to_charge_loop


def samples(metrics: Metrics) -> dict[str, float]:
    """Name with labels to value, as a scrape has them."""
    lines = metrics.text().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def response(body: iso2.BodyElement, waited: float | None) -> MessageRecord:
    header = iso2.MessageHeader(session_id=bytes(8))
    return MessageRecord(0.0, Direction.SENT, iso2.V2GMessage(header=header, body=body), waited)


def test_ends_are_counted_with_their_energy() -> None:
    metrics = Metrics()
    for reason, energy in (
        (EndReason.TERMINATED, 1500),
        (EndReason.TERMINATED, None),
        (EndReason.PAUSED, 20),
    ):
        end = EndSession(reason=reason, meter=MeterReading("M", 5000), energy=energy)
        metrics.record(OutputRecord(0.0, end))
    found = samples(metrics)
    assert found['secc_sessions_total{reason="terminated"}'] == 2
    assert found['secc_sessions_total{reason="paused"}'] == 1
    assert found['secc_sessions_total{reason="lease_lapsed"}'] == 0
    assert found["secc_energy_wh_total"] == 1520


def test_energy_from_vehicles_is_counted_apart() -> None:
    metrics = Metrics()
    metrics.record(OutputRecord(0.0, EndSession(reason=EndReason.TERMINATED, energy=10, exported=300)))
    found = samples(metrics)
    assert (found["secc_energy_wh_total"], found["secc_exported_wh_total"]) == (10, 300)


def test_responses_are_counted_by_code_and_measured_and_late_ones_are_seen() -> None:
    metrics = Metrics()
    metrics.record(response(iso2.SessionStopRes(response_code=iso2.ResponseCode.OK), 1.4))
    metrics.record(response(iso2.SessionStopRes(response_code=iso2.ResponseCode.FAILED_SEQUENCE_ERROR), 1.6))
    found = samples(metrics)
    assert found['secc_responses_total{code="OK",message="SessionStopRes"}'] == 1
    assert found['secc_responses_total{code="FAILED_SequenceError",message="SessionStopRes"}'] == 1
    assert found['secc_response_seconds_bucket{le="1.5",message="SessionStopRes"}'] == 1
    assert found['secc_response_seconds_count{message="SessionStopRes"}'] == 2
    assert found['secc_late_responses_total{message="SessionStopRes"}'] == 1


def test_links_handshakes_and_notices_are_counted() -> None:
    metrics = Metrics()
    for event in (LinkEvent.OPENED, LinkEvent.SECURED, LinkEvent.TLS_FAILED, LinkEvent.TLS_FAILED):
        metrics.record(LinkRecord(0.0, event, "text", "fe80::1"))
    metrics.record(NoticeRecord(0.0, Notice(NoticeKind.STALE, "x")))
    found = samples(metrics)
    assert found['secc_links_total{event="opened"}'] == 1
    assert found['secc_tls_handshakes_total{result="done"}'] == 1
    assert found['secc_tls_handshakes_total{result="failed"}'] == 2
    assert found['secc_notices_total{kind="stale"}'] == 1


@pytest.mark.inv("INV-26")
def test_what_a_peer_says_makes_no_labels() -> None:
    metrics = Metrics()
    before = len(samples(metrics))
    for number in range(100):
        end = EndSession(reason=EndReason.REFUSED, detail=f"d{number}", session_id=number.to_bytes(8, "big"))
        metrics.record(OutputRecord(0.0, end))
        metrics.record(LinkRecord(0.0, LinkEvent.OPENED, f"text {number}", f"fe80::{number:x}"))
    assert len(samples(metrics)) <= before + 2  # links_total of one event, and when it was made


async def test_a_station_is_asked_at_each_scrape() -> None:
    metrics = Metrics()
    async with running(config(TlsPolicy.OPTIONAL)) as bed:
        metrics.watch(bed.station)
        assert bed.station.sdp_port is not None
        found = await discover(bed.station.sdp_port)
        idle = samples(metrics)
        assert idle["secc_serving"] == 1
        assert idle['secc_discovery_datagrams_total{verdict="answered"}'] >= 1
        assert sum(value for name, value in idle.items() if name.startswith("secc_state{")) == 0
        car = await Car.connect(found.port)
        await to_charge_loop(car, bed.outlet)
        charging = samples(metrics)
        assert charging["secc_in_session"] == 1
        assert [name for name, value in charging.items() if name.startswith("secc_state{") and value] == [
            'secc_state{state="wait_status"}'
        ]
        await finish(car, bed.outlet)
        await until_counted(bed, metrics)


async def until_counted(bed: Bed, metrics: Metrics) -> None:
    """Feed what has happened, and wait for the end."""
    await bed.until_idle()
    await eventually(lambda: any(isinstance(record, OutputRecord) for record in bed.records))
    for record in bed.records:
        metrics.record(record)
    assert samples(metrics)['secc_sessions_total{reason="terminated"}'] == 1


async def test_the_end_of_a_certificate_is_reported() -> None:
    metrics = Metrics()
    async with running(config(TlsPolicy.OPTIONAL)) as bed:
        metrics.watch(bed.station)
        end = samples(metrics)['secc_certificate_expiry_timestamp_seconds{chain="0"}']
        told = datetime.datetime.fromtimestamp(end, datetime.UTC)
        assert bed.station.diagnostics.certificate_ends == (("0", told),)


async def test_every_metric_is_in_the_how_to() -> None:
    async def scenario() -> str:
        metrics = Metrics()
        async with running(config(TlsPolicy.OPTIONAL)) as bed:
            metrics.watch(bed.station)
            return metrics.text().decode()

    names = set(re.findall(r"^# TYPE (\S+) ", await scenario(), re.MULTILINE))
    page = (Path(__file__).parents[2] / "docs/how-to/operate.md").read_text()
    assert {name for name in names if not name.endswith("_created") and f"`{name}" not in page} == set()
