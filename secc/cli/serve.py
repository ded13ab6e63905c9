"""`secc serve`: run a station for one outlet."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from secc import settings as configuration
from secc.cli import display, loading, misused, operating, output
from secc.errors import ConfigError, SeccError
from secc.ports import Backend, EvseController, OcspSource
from secc.records import LinkEvent, LinkRecord, Record
from secc.records.text import as_json, as_text, said_as_json
from secc.sdp import SDP_PORT
from secc.session.states import Stage
from secc.settings.config import SeccConfig
from secc.settings.energy import EnergyMode
from secc.station.interface import find_link_local, require_interface
from secc.station.log import detached_logging
from secc.station.monitor import Monitor
from secc.station.outflow import Report
from secc.station.ownership import OutletClaim
from secc.station.station import Station

if TYPE_CHECKING:
    from secc.cli.loop_view import LoopView
    from secc.station.plc import PlcStation

EXAMPLES = """examples:
  secc serve --sim dc --interface eth1
  secc serve --config station.toml                     simulate AC or DC, as the modes in the file
  secc serve --config station.toml --controller my_package.outlet:Outlet --backend my_package.csms:Backend
  secc serve --config station.toml --store contracts.db              use contracts of a site without a network
  secc serve --config station.toml --ocpp wss://csms.example/ocpp                 use a central system

A controller or back end is a class or function that is called without arguments. Without --backend and
--store every EV may charge. A simulated outlet has no pilot wire to an EV on the network: it sets its
pilot by the messages of the EV (C at CableCheckReq or PowerDeliveryReq(Start), B after the stop); --pilot
fixes it instead.
--trace writes all inputs and outputs of the core, for `secc replay` and `secc trace`;
such a file contains ids and contracts of cars. --journal writes one record at the end of each session,
even after a crash.
SIGINT and SIGTERM switch the output off first, then end the session, then the process.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--config", "-c", help="TOML file")
    parser.add_argument("--interface", "-i", help="interface of the charging cable, overrides the file")
    parser.add_argument("--sim", choices=["ac", "dc"], help="simulate an outlet of this kind")
    parser.add_argument("--controller", metavar="PACKAGE.MODULE:CLASS", help="your outlet")
    parser.add_argument(
        "--backend", metavar="PACKAGE.MODULE:CLASS", help="back end, called without arguments"
    )
    parser.add_argument(
        "--store", metavar="FILE", type=Path, help="use the store of `secc pnc` (pnc.site.store)"
    )
    parser.add_argument(
        "--ocpp", metavar="URL", help="use this central system (CSMS), see [ocpp]; without a file no password"
    )
    parser.add_argument(
        "--grant-after",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="simulated back end: delay of the decision",
    )
    parser.add_argument("--deny", action="store_true", help="simulated back end: refuse every EV")
    parser.add_argument(
        "--pilot",
        choices=["auto", "A", "B", "C"],
        help="simulate the control pilot: auto moves it by the messages of the EV (default of --sim); with "
        "--controller this is for trials without a pilot wire",
    )
    parser.add_argument("--sdp-port", type=int, default=SDP_PORT, help="SDP port for tests; EVs use 15118")
    parser.add_argument("--trace", metavar="FILE", type=Path, help="write a trace; the file must not exist")
    operating.configure(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object for each event")
    parser.add_argument("--quiet", "-q", action="store_true", help="print only starts, ends and problems")
    parser.add_argument("--plain-text", action="store_true", help="use no colours and no live line")


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal arrives."""
    if arguments.sim is not None and arguments.controller is not None:
        return misused("--sim and --controller exclude each other")
    try:
        settings = _settings(arguments)
        require_interface(settings.interface)
        with OutletClaim(
            settings, arguments.sdp_port
        ) as claim:  # before hardware, stores and journal are used
            controller, watcher = _outlet(arguments, settings)
            if settings.ocpp.url:
                settings = _obeying(arguments, settings)
            backend = _backend(arguments, settings)
            with detached_logging(output.ToStandardError()) as log:
                asyncio.run(_serve(arguments, settings, controller, backend, watcher, claim, log))
    except SeccError as error:
        return misused(str(error))
    finally:
        output.finish(_PATIENCE)
    return 0


_PATIENCE = 0.5  # seconds for a reader of the output, at the end


Watcher = Callable[[Record], None]


async def _serve(
    arguments: argparse.Namespace,
    settings: SeccConfig,
    controller: EvseController,
    backend: Backend,
    watcher: Watcher | None,
    claim: OutletClaim,
    log: Report,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    printer = _Printer(as_json=arguments.json, quiet=arguments.quiet, plain=arguments.plain_text)

    watchers = [watcher] if watcher is not None else []

    def report(record: Record) -> None:
        for one in watchers:
            one(record)
        printer.record(record)

    kind: type[Station] | type[PlcStation] = Station
    if settings.slac.enabled:
        from secc.station.plc import PlcStation

        kind = PlcStation
    with contextlib.ExitStack() as files:
        recorder, recording = operating.recorder(arguments.trace, settings, files)
        station = kind(
            settings,
            controller,
            backend,
            reporter=report,
            sdp_port=arguments.sdp_port,
            recorder=recorder,
            journal=operating.journal(settings.operation, printer.say, files),
            ocsp=cast(OcspSource, backend) if settings.ocpp.url else None,
            claim=claim,
        )
        inner = station if isinstance(station, Station) else station.station
        printer.follow(lambda: inner.state)
        operating.watch(station, [printer.output, log, *recording])
        wanted = True if arguments.metrics else None if arguments.health is None else False
        monitor, count = operating.monitor(station, settings.operation, metrics=wanted)
        watchers += [count] if count is not None else []
        if settings.ocpp.url:
            watchers.append(cast(Any, backend).follow)
            await _run_with_csms(station, settings, stop, printer, controller, backend, monitor)
        else:
            await _run(station, settings, stop, printer, monitor)


async def _run(
    station: Station | PlcStation,
    settings: SeccConfig,
    stop: asyncio.Event,
    printer: _Printer,
    monitor: Monitor | None,
) -> None:
    printer.say(f"serving {settings.evse_id} on {settings.interface}")
    if find_link_local(settings.interface) is None:
        printer.say(
            f"{settings.interface} has no IPv6 link-local address yet; waiting for it "
            f"(check that it is up: ip link set {settings.interface} up)"
        )
    async with monitor or contextlib.nullcontext(), station:
        if monitor is not None:
            printer.say(f"monitor: http://{settings.operation.address}:{monitor.port}/health")
        await stop.wait()
        printer.say("stopping: output off, then closing message")
    printer.say("stopped")


async def _run_with_csms(
    station: Station | PlcStation,
    settings: SeccConfig,
    stop: asyncio.Event,
    printer: _Printer,
    controller: EvseController,
    backend: Backend,
    monitor: Monitor | None,
) -> None:
    """Run with the connection to the CSMS; the station ends first, so that its end is reported."""
    from secc.ocpp.backend import OcppBackend
    from secc.ocpp.serving import connected

    assert isinstance(backend, OcppBackend)
    backend.report_to(lambda text: printer.say(f"CSMS: {text}"))
    inner = station if isinstance(station, Station) else station.station
    async with connected(backend, inner, controller):
        await _run(station, settings, stop, printer, monitor)


def _settings(arguments: argparse.Namespace) -> SeccConfig:
    """Return the file with the options of the command line."""
    if arguments.config is None and arguments.interface is None:
        raise ConfigError("expected --interface with the interface of the charging cable, or --config")
    settings = SeccConfig() if arguments.config is None else configuration.load(arguments.config)
    if arguments.interface is not None:
        settings = dataclasses.replace(settings, interface=arguments.interface)
    if arguments.ocpp is not None:
        profile = settings.ocpp.security_profile if settings.ocpp.password_file or settings.ocpp.url else 0
        line = dataclasses.replace(settings.ocpp, url=arguments.ocpp, security_profile=profile)
        settings = dataclasses.replace(settings, ocpp=line)
    if arguments.sim is not None:
        dc = arguments.sim == "dc"
        modes = tuple(mode for mode in settings.energy.modes if mode.is_dc is dc)
        energy = dataclasses.replace(settings.energy, modes=modes or _MODES[arguments.sim])
        settings = dataclasses.replace(settings, energy=energy)
    return operating.settings(arguments, settings)


_MODES = {
    "ac": (EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.AC_SINGLE_PHASE_CORE),
    "dc": (EnergyMode.DC_EXTENDED, EnergyMode.DC_CORE),
}


def _outlet(arguments: argparse.Namespace, settings: SeccConfig) -> tuple[EvseController, Watcher | None]:
    """Return the controller, and for a simulated one what sets its pilot."""
    if arguments.controller is not None:
        return _own_outlet(arguments)
    if settings.energy.offers_ac and settings.energy.offers_dc:
        raise ConfigError("energy.modes has AC and DC, a simulated outlet has only one: add --sim ac or dc")
    from secc.session.outlet import ControlPilot
    from secc.sim import AutoPilot, SimulatedAcEvse, SimulatedCable, SimulatedDcEvse

    auto = arguments.pilot in (None, "auto")
    cable = SimulatedCable(ControlPilot.B if auto else ControlPilot(arguments.pilot))
    watcher = AutoPilot(cable) if auto else None
    if settings.energy.offers_dc:
        return SimulatedDcEvse(cable), watcher
    return SimulatedAcEvse(cable, nominal_voltage=settings.energy.ac.nominal_voltage), watcher


def _own_outlet(arguments: argparse.Namespace) -> tuple[EvseController, Watcher | None]:
    """The controller of --controller; with --pilot it shows a simulated control pilot."""
    controller = cast(EvseController, loading.make(arguments.controller, "--controller"))
    if arguments.pilot is None:
        return controller, None
    from secc.session.outlet import ControlPilot
    from secc.sim import AutoPilot, PilotFromCable, SimulatedCable

    auto = arguments.pilot == "auto"
    cable = SimulatedCable(ControlPilot.B if auto else ControlPilot(arguments.pilot))
    return PilotFromCable(controller, cable), AutoPilot(cable) if auto else None


def _backend(arguments: argparse.Namespace, settings: SeccConfig) -> Backend:
    site = settings.pnc.site
    if arguments.store is not None:
        site = dataclasses.replace(site, store=arguments.store)
    if settings.ocpp.url:
        if arguments.backend is not None or site.store is not None:
            raise ConfigError("--ocpp, --backend and the store of a site exclude each other")
        import importlib.metadata

        from secc.ocpp.backend import OcppBackend

        return OcppBackend(settings, version=importlib.metadata.version("secc"))
    if site.store is not None:
        if arguments.backend is not None:
            raise ConfigError("--backend and the store of a site exclude each other")
        from secc.site import open_site

        return open_site(site, settings.expiry)
    if arguments.backend is not None:
        return cast(Backend, loading.make(arguments.backend, "--backend"))
    from secc.sim import SimulatedBackend

    return SimulatedBackend(grant=not arguments.deny, delay=arguments.grant_after)


def _obeying(arguments: argparse.Namespace, settings: SeccConfig) -> SeccConfig:
    """Return the OCPP back end. Raises ConfigError if the extra is missing or the store cannot be used."""
    try:
        from secc.ocpp.serving import prepared

        return prepared(settings)
    except ImportError as error:
        raise ConfigError(f"a central system needs pip install 'secc[ocpp]': {error}") from error
    except OSError as error:
        raise ConfigError(f"ocpp.store: {error}") from error


class _Printer:
    """Prints lines with the time of day, or JSON, on standard output; never waits for the reader.

    On a terminal what repeats is one line that is replaced, and problems are red.
    """

    def __init__(self, *, as_json: bool, quiet: bool, plain: bool) -> None:
        self.output = output.of(sys.stdout)
        self.output.gap = self._missing
        self._json = as_json
        self._quiet = quiet
        self._style = display.Style(colour=False if plain or as_json else None)
        self._loop: LoopView | None = None

    def follow(self, state: Callable[[], Stage | None]) -> None:
        """On a terminal, show what repeats in one line, with the state of the session."""
        if self._style.live:
            from secc.cli.loop_view import LoopView

            self._loop = LoopView(state)

    def say(self, text: str) -> None:
        self._style.line(self._said(text))

    def record(self, record: Record) -> None:
        if self._json:
            self.output.line(as_json(record, utc=time.time()))
            return
        if self._loop is not None and self._loop.repeats(record):
            self._style.replace(f"{_timed('')}   {self._loop.text}")
            return
        if self._quiet and not _is_milestone(record):
            return
        text = as_text(record)
        if text is not None:
            paint = self._style.bad if _is_problem(record, text) else str
            self._style.line(_timed(paint(text)))

    def _said(self, text: str) -> str:
        return said_as_json(text, utc=time.time()) if self._json else _timed(text)

    def _missing(self, count: int) -> str:
        return self._said(f"{count} lines are missing here: the reader of this output is too slow")


def _timed(text: str) -> str:
    now = time.time()
    clock = time.strftime("%H:%M:%S", time.localtime(now))
    return f"{clock}.{int(now % 1 * 1000):03d} {text}"


def _is_problem(record: Record, text: str) -> bool:
    return "FAILED" in text or (isinstance(record, LinkRecord) and record.event in _PROBLEMS)


def _is_milestone(record: Record) -> bool:
    from secc.records import OutputRecord
    from secc.session.outputs import EndSession

    if isinstance(record, OutputRecord):
        return isinstance(record.output, EndSession)
    return isinstance(record, LinkRecord) and record.event in _SAID_ALWAYS


_PROBLEMS = (
    LinkEvent.DEAF,
    LinkEvent.FAILED,
    LinkEvent.TLS_FAILED,
    LinkEvent.TLS_ALARM,
    LinkEvent.EXPIRY,
    LinkEvent.BLOCKED,
    LinkEvent.SLOW,
    LinkEvent.COMPLAINT,
)
_SAID_ALWAYS = (LinkEvent.LISTENING, *_PROBLEMS)
