"""`secc demo`: run station and EV in one command."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import NamedTuple

from secc.cli import demo_ocpp, demo_plc, demo_pnc, demo_prices, display, figures, misused, netns, output
from secc.cli.protocols import DIALECTS
from secc.errors import SeccError
from secc.messages.iso2 import EnergyTransferMode
from secc.records import Direction, MessageRecord, OutputRecord, Record
from secc.records.text import as_text, milliseconds, name_of
from secc.sdp import SDP_PORT
from secc.session.iso20.services import Service
from secc.session.outputs import EndSession, OfferChosen, OfferSent
from secc.settings.config import SeccConfig
from secc.settings.energy import DcConfig, EnergyConfig, EnergyMode
from secc.settings.iso20 import Iso20Config, Iso20TlsConfig, Pricing
from secc.settings.protocols import ProtocolName
from secc.settings.timing import TimingConfig
from secc.settings.tls import TlsConfig, TlsPolicy
from secc.settings.trust import TrustConfig
from secc.sim import (
    EvResult,
    Plan,
    PricingBackend,
    ScriptedEvcc,
    SimulatedAcEvse,
    SimulatedBackend,
    SimulatedCable,
    SimulatedDcEvse,
)
from secc.sim.certificates import ThrowawayPki, make_throwaway_pki
from secc.sim.iso20 import Iso20Plan
from secc.station.station import Station
from secc.tls.credentials import CredentialFiles

EXAMPLES = """examples:
  secc demo                     AC and DC, plain and TLS; DIN SPEC 70121; ISO 15118-20 DC, one and both ways
  secc demo --only dc-tls --loops 200
  secc demo --only iso20-both --offers offers.svg   draw the power limits and prices that the car is offered
  secc demo --pnc               Plug and Charge in ISO 15118-2 and ISO 15118-20
  secc demo --pnc --offers offers.svg   the same, and draw prices and messages of the last car
  secc demo --ocpp              with a central system, 2.0.1 and 1.6J, which is interrupted meanwhile
  sudo secc demo --plc          the whole chain: control pilot, SLAC, SDP, TLS, Plug and Charge; two networks
  sudo secc demo --netns        use a veth pair in a network namespace, with multicast discovery

Station and EV communicate through sockets; only the control pilot and the power lines are
shared in memory, as there is no wire. The certificates are made for each run. Exit code 0 when every
session was completed within the performance times of the standard, else 1.
"""


class _Run(NamedTuple):
    """One car: what it speaks, and how it charges."""

    title: str
    protocol: ProtocolName
    dc: bool = True
    tls: bool = False
    both: bool = False
    """Power goes both ways."""

    @property
    def iso20(self) -> bool:
        """ISO 15118-20, which is never below TLS 1.3."""
        return self.protocol is ProtocolName.ISO15118_20


RUNS = {
    "ac": _Run("ISO 15118-2 AC", ProtocolName.ISO15118_2, dc=False),
    "dc": _Run("ISO 15118-2 DC", ProtocolName.ISO15118_2),
    "ac-tls": _Run("ISO 15118-2 AC, TLS", ProtocolName.ISO15118_2, dc=False, tls=True),
    "dc-tls": _Run("ISO 15118-2 DC, TLS", ProtocolName.ISO15118_2, tls=True),
    "din": _Run("DIN SPEC 70121", ProtocolName.DIN70121),
    "iso20-dc": _Run("ISO 15118-20 DC", ProtocolName.ISO15118_20, tls=True),
    "iso20-both": _Run("ISO 15118-20 DC, both ways", ProtocolName.ISO15118_20, tls=True, both=True),
}
"""The cars of the demonstration by their names on the command line."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--pnc", action="store_true", help="Plug and Charge: three cars with contracts")
    parser.add_argument("--ocpp", action="store_true", help="use a central system (secc[ocpp])")
    parser.add_argument("--plc", action="store_true", help="use a simulated power line with SLAC (root)")
    parser.add_argument("--only", choices=list(RUNS), help="run only this one")
    parser.add_argument(
        "--offers",
        type=Path,
        metavar="OUT",
        help="draw the offer of iso20-both, or of the last car of --pnc, as SVG; beside it session and trace",
    )
    parser.add_argument("--loops", type=int, default=20, help="messages of each charge loop (20)")
    parser.add_argument("--pace", type=float, default=0.05, help="seconds the EV waits in loops (0.05)")
    parser.add_argument(
        "--minimum-pace", type=float, default=0.0, help="minimum response time of the station in seconds (0)"
    )
    parser.add_argument("--netns", action="store_true", help="use a separate network namespace (root)")
    parser.add_argument("--quiet", "-q", action="store_true", help="print only the summary")
    parser.add_argument("--plain-text", action="store_true", help="use no colours and no live line")


def run(arguments: argparse.Namespace) -> int:
    """Run the sessions, then print a summary."""
    style = display.Style(colour=False if arguments.plain_text else None)
    try:
        timing = TimingConfig(minimum_pace=arguments.minimum_pace)
        if arguments.plc:
            return demo_plc.run(arguments, style)
        if arguments.ocpp:
            return demo_ocpp.run(arguments, style)
        if arguments.netns:
            netns.enter_new_network()
        if arguments.pnc:
            return demo_pnc.run(arguments, style)
        with tempfile.TemporaryDirectory(prefix="secc-demo-") as folder:
            pki = make_throwaway_pki(Path(folder))
            names = [arguments.only] if arguments.only else list(RUNS)
            shows = [_Show(name, arguments, timing, pki, style) for name in names]
            for show in shows:
                output.run(show.charge())
    except SeccError as error:
        return misused(str(error))
    return _sum_up(shows, style)


class _Show:
    """Run one session and show its progress."""

    def __init__(
        self,
        name: str,
        arguments: argparse.Namespace,
        timing: TimingConfig,
        pki: ThrowawayPki,
        style: display.Style,
    ) -> None:
        self.run = RUNS[name]
        self.times: list[tuple[str, float]] = []
        self.result = EvResult(error="not run")
        self.delivered = 0.0
        self._arguments = arguments
        self._timing = timing
        self._pki = pki
        self._style = style
        self._begun = 0.0
        self._shown = ""
        cable = SimulatedCable()
        self._cable = cable
        self._evse = SimulatedDcEvse(cable) if self.run.dc else SimulatedAcEvse(cable)
        self._station: Station | None = None

    async def charge(self) -> None:
        """Start the station, run the EV session, stop the station."""
        mode = EnergyMode.DC_EXTENDED if self.run.dc else EnergyMode.AC_THREE_PHASE_CORE
        both = DcConfig(max_discharge_power=20_000.0, max_discharge_current=60.0)
        config = SeccConfig(
            interface=netns.STATION_END if self._arguments.netns else "lo",
            protocols=tuple(ProtocolName) if self.run.iso20 else SeccConfig().protocols,
            energy=EnergyConfig(modes=(mode,), dc=both if self.run.both else DcConfig()),
            timing=self._timing,
            tls=self._tls_config(),
            iso20=self._iso20_config(),
            trust=TrustConfig(oem_roots=(self._pki.iso20.folder / "oem_root.pem",)),
        )
        style = self._style
        if not self._arguments.quiet:
            style.line(style.bold(self.run.title))
            style.line(style.dim(f"{'seconds':>7} {'response':29} {'after':>9} pilot, output, energy, state"))
        self._begun = asyncio.get_running_loop().time()
        sdp_port = SDP_PORT if self._arguments.netns else 0
        priced = PricingBackend(demo_prices.PRICES, delay=0.2)
        backend = priced if self.run.both else SimulatedBackend(delay=0.2)
        drawn = None
        if self.run.both and self._arguments.offers is not None:
            drawn = demo_prices.OfferRecorder(config, self._begun)
        station = Station(
            config,
            self._evse,
            backend,
            reporter=self._see,
            recorder=None if drawn is None else drawn.recorder,
            sdp_port=sdp_port,
        )
        self._station = station
        async with station:
            ev = ScriptedEvcc(
                self._plan(mode),
                cable=self._cable,
                interface=netns.EV_END if self._arguments.netns else "lo",
                tls=self.run.tls,
                roots=self._pki.iso20.root if self.run.iso20 else self._pki.root,
                certificate=self._vehicle(),
                sdp_port=station.sdp_port or SDP_PORT,
                patience=4.0,
            )
            self.result = await ev.charge()
        self.delivered = self._evse.energy
        if drawn is not None:
            trace = drawn.draw(self._arguments.offers)
            style.line(f"{self._arguments.offers}: the offer to the car; its session: {trace}")
        if not self._arguments.quiet:
            style.line(self._verdict())
            style.line()

    def _plan(self, mode: EnergyMode) -> Plan | Iso20Plan:
        loops, pace = self._arguments.loops, self._arguments.pace
        if self.run.both:
            return Iso20Plan(
                service=Service.DC_BPT,
                loops=2 * loops,
                pace=pace,
                discharge_at=loops,
                pricing=Pricing.ABSOLUTE,
            )
        if self.run.iso20:
            return Iso20Plan(loops=loops, pace=pace)
        transfer = EnergyTransferMode(mode.value)
        return Plan(protocol=self.run.protocol, mode=transfer, loops=loops, pace=pace)

    def _tls_config(self) -> TlsConfig:
        if not self.run.tls:
            return TlsConfig()
        return TlsConfig(
            policy=TlsPolicy.REQUIRED, certificate_chain=self._pki.chain, private_key=self._pki.key
        )

    def _iso20_config(self) -> Iso20Config:
        if not self.run.iso20:
            return Iso20Config()
        pki = self._pki.iso20
        return Iso20Config(
            tls=Iso20TlsConfig(certificate_chain=pki.chain, private_key=pki.key),
            discharge=self.run.both,
            prices=(Pricing.ABSOLUTE,) if self.run.both else (),
        )

    def _vehicle(self) -> CredentialFiles | None:
        """The certificate that the EV shows in TLS 1.3."""
        folder = self._pki.iso20.folder
        files = CredentialFiles(chain=folder / "vehicle_chain.pem", key=folder / "vehicle_leaf_key.pem")
        return files if self.run.iso20 else None

    def _see(self, record: Record) -> None:
        match record:
            case MessageRecord(direction=Direction.SENT):
                self._answered(record)
            case OutputRecord(output=EndSession() as end) if not self._arguments.quiet:
                costs = "" if end.costs is None else f", {end.costs.total / 1e6:.4f} {end.costs.currency}"
                self._style.line(f"{self._clock(record.at)} session over: {end.reason.value}{costs}")
            case OutputRecord(output=OfferSent() | OfferChosen()) if not self._arguments.quiet:
                self._style.line(f"{self._clock(record.at)} {(as_text(record) or '').strip()}")

    def _answered(self, record: MessageRecord) -> None:
        name = name_of(record.message)
        waited = record.response_time or 0.0
        self.times.append((name, waited))
        if self._arguments.quiet:
            return
        evse = self._evse
        state = self._station.state if self._station is not None else None
        text = (
            f"{self._clock(record.at)} {name:29} {milliseconds(waited):>9} {evse.cable.pilot.value}  "
            f"{evse.voltage:5.1f} V {evse.current:5.1f} A {evse.energy:6.2f} Wh "
            f"{self._style.dim(state.name if state is not None else '')}"
        )
        if name == self._shown:
            self._style.replace(text)
        else:
            self._style.line(text)
        self._shown = name

    def _clock(self, at: float) -> str:
        return f"{at - self._begun:7.3f}"

    def _verdict(self) -> str:
        result, style = self.result, self._style
        if not result.completed:
            return f"{style.bad('failed')}: {result.error or 'the session is not complete'}"
        how = "plain TCP" if not result.tls else "TLS 1.3" if self.run.iso20 else "TLS"
        back = f", {self._evse.exported:.2f} Wh back" if self.run.both else ""
        return (
            f"{style.good('charged')} {self.delivered:.2f} Wh{back} over {how}, "
            f"{len(result.exchanges)} messages, {result.duration:.1f} s, {result.peer}"
        )


def _sum_up(shows: list[_Show], style: display.Style) -> int:
    """Print response times of the station against the standard, then the results of the sessions."""
    kept = True
    for protocol, dialect in DIALECTS.items():
        times = (entry for show in shows if show.run.protocol is protocol for entry in show.times)
        rows = figures.figures(times, protocol)
        if not rows:
            continue
        kept = kept and all(row.kept for row in rows)
        style.line(style.bold(f"Response times of the station, {dialect.name}"))
        for line in figures.table(rows, style):
            style.line(line)
        style.line()
    for show in shows:
        result = show.result
        verdict = style.good("completed") if result.completed else style.bad("FAILED   ")
        text = f"{show.delivered:8.2f} Wh  {result.duration:5.1f} s" if result.completed else result.error
        style.line(f"{show.run.title:26} {verdict}  {text}")
    return 0 if kept and all(show.result.completed for show in shows) else 1
