"""Prometheus metrics of a station: `pip install secc[metrics]`.

Counted from the records that a station reports, and read from the station at the moment of a scrape. Every
label has a fixed set of values: names of messages, codes, states, reasons; never an id, an address, a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from secc.messages import din
from secc.records import (
    Direction,
    LinkEvent,
    LinkRecord,
    MessageRecord,
    NoticeRecord,
    OutputRecord,
    Record,
)
from secc.session.din.table import DIN
from secc.session.iso2.states import State
from secc.session.iso2.table import ISO2
from secc.session.outputs import EndReason, EndSession
from secc.station.health import ReportHealth
from secc.station.station import Station

__all__ = ["Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 4.5, 10.0)


class Metrics:
    """One per station: pass every record to `record`; `text` is the answer to a scrape."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """`registry`: by default a new one."""
        self._registry = CollectorRegistry() if registry is None else registry
        make = self._registry
        self._sessions = Counter(
            "secc_sessions", "Sessions that have ended, by reason.", ["reason"], registry=make
        )
        self._energy = Counter("secc_energy_wh", "Energy of ended sessions by the meter.", registry=make)
        self._exported = Counter(
            "secc_exported_wh", "Energy from EVs in ended sessions by the meter.", registry=make
        )
        self._responses = Counter(
            "secc_responses", "Responses, by message and code.", ["message", "code"], registry=make
        )
        self._seconds = Histogram(
            "secc_response_seconds",
            "From the last byte of a request to its response.",
            ["message"],
            buckets=BUCKETS,
            registry=make,
        )
        self._late = Counter(
            "secc_late_responses", "Responses after their performance time.", ["message"], registry=make
        )
        self._links = Counter(
            "secc_links", "What happened to connections and to the station.", ["event"], registry=make
        )
        self._handshakes = Counter("secc_tls_handshakes", "TLS handshakes.", ["result"], registry=make)
        self._notices = Counter("secc_notices", "Notices of the core.", ["kind"], registry=make)
        for reason in EndReason:
            self._sessions.labels(reason.name.lower())
        for result in _RESULTS.values():
            self._handshakes.labels(result)

    def watch(self, station: Station) -> None:
        """Ask this station at each scrape."""
        self._registry.register(_Station(station))

    def record(self, record: Record) -> None:
        """Count what has happened; costs a few microseconds."""
        match record:
            case MessageRecord(direction=Direction.SENT):
                self._response(record)
            case OutputRecord(output=EndSession() as end):
                self._sessions.labels(end.reason.name.lower()).inc()
                self._energy.inc(end.energy or 0)
                self._exported.inc(end.exported or 0)
            case NoticeRecord(notice=notice):
                self._notices.labels(notice.kind.value).inc()
            case LinkRecord(event=event):
                self._links.labels(event.name.lower()).inc()
                if event in _RESULTS:
                    self._handshakes.labels(_RESULTS[event]).inc()

    def text(self) -> bytes:
        """Everything, in the text format of Prometheus."""
        return generate_latest(self._registry)

    def _response(self, record: MessageRecord) -> None:
        body = getattr(record.message, "body", record.message)
        name = type(body).__name__
        self._responses.labels(name, str(getattr(body, "response_code", ""))).inc()
        if record.response_time is not None:
            self._seconds.labels(name).observe(record.response_time)
            protocol = DIN if isinstance(record.message, din.V2GMessage) else ISO2
            if record.response_time > protocol.due(name):
                self._late.labels(name).inc()


_RESULTS = {LinkEvent.SECURED: "done", LinkEvent.TLS_FAILED: "failed"}


class _Station(Collector):
    """Values that are read from the station at each scrape."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def describe(self) -> Iterable[Metric]:
        return ()  # asked for at registration, when the station may not run yet

    def collect(self) -> Iterator[Metric]:
        station, health = self._station, self._station.health
        yield _gauge("secc_serving", "1 while a car could begin a session.", health.serving)
        yield _gauge("secc_in_session", "1 while there is a session.", health.in_session)
        yield _gauge("secc_blocked", "1 while a fault waits for its reset.", health.blocked)
        yield _gauge("secc_discovery_listening", "1 while requests can be heard.", health.discovery.listening)
        yield _gauge("secc_loop_lag_seconds", "Longest delay of the event loop in a minute.", health.loop_lag)
        yield self._states()
        discovery = CounterMetricFamily(
            "secc_discovery_datagrams", "Datagrams of discovery, by verdict.", labels=["verdict"]
        )
        for verdict, count in station.diagnostics.discovery_counts.items():
            discovery.add_metric([verdict.name.lower()], count)
        yield discovery
        faults = CounterMetricFamily("secc_discovery_faults", "Datagrams that made something fail.")
        faults.add_metric([], health.discovery.faults)
        yield faults
        refusals = CounterMetricFamily(
            "secc_contract_refusals", "Refusals about contracts, by the broken rule.", labels=["rule"]
        )
        for rule, count in station.contract_refusals.items():
            refusals.add_metric([rule], count)
        yield refusals
        expiry = GaugeMetricFamily(
            "secc_certificate_expiry_timestamp_seconds",
            "When a chain of the station ends, Unix seconds.",
            labels=["chain"],
        )
        for number, end in station.diagnostics.certificate_ends:
            expiry.add_metric([number], end.timestamp())
        yield expiry
        if (offered := station.diagnostics.iso20_offered) is not None:
            yield _gauge("secc_tls13_offered", "1 while TLS 1.3 of ISO 15118-20 is offered.", offered)
        yield from _reports(health.reports)
        if (reading := station.diagnostics.meter_reading) is not None:
            yield _gauge("secc_meter_wh", "The meter now.", reading.energy)

    def _states(self) -> GaugeMetricFamily:
        now = self._station.state
        family = GaugeMetricFamily("secc_state", "1 for the state of the session.", labels=["state"])
        names = [state.name for state in State]
        for name in names:
            family.add_metric([name.lower()], float(now is not None and now.name == name))
        return family


def _reports(reports: Iterable[ReportHealth]) -> Iterator[Metric]:
    failing = GaugeMetricFamily("secc_report_failing", "1 while a report cannot get out.", labels=["report"])
    waiting = GaugeMetricFamily("secc_report_waiting", "Items in memory, not out yet.", labels=["report"])
    dropped = CounterMetricFamily("secc_report_dropped", "Items that are lost.", labels=["report"])
    for one in reports:
        failing.add_metric([one.name], float(bool(one.problem)))
        waiting.add_metric([one.name], one.waiting)
        dropped.add_metric([one.name], one.dropped)
    yield from (failing, waiting, dropped)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=float(value))
