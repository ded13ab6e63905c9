"""`secc demo --plc`: the complete chain of control pilot, SLAC, SDP, TLS and Plug and Charge, between two
networks.

Station and EV are two processes, each in a network namespace. Between them is a simulated power line with two
modems, which passes only matching frames until both modems have the same key. Linux, root.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

from secc.cli import demo_pnc, display, figures, netns, output
from secc.errors import SeccError
from secc.messages.iso2 import EnergyTransferMode
from secc.pilot import Drive, PilotState
from secc.records import PlcRecord, Record
from secc.records.text import as_text
from secc.session.outlet import ControlPilot
from secc.settings.slac import SlacConfig
from secc.sim import (
    AutoPilot,
    BridgedPowerLine,
    Plan,
    ScriptedEvcc,
    SimulatedAcEvse,
    SimulatedCable,
    SlacEv,
)
from secc.station.plc import PlcStation
from secc.station.raw_modem import RawModem

MODEMS = {netns.STATION_MODEM: bytes.fromhex("0200000000aa"), netns.EV_MODEM: bytes.fromhex("0200000000ab")}


def run(arguments: argparse.Namespace, style: display.Style) -> int:
    """Plug in a car without a contract, match, deliver a contract, charge, unplug."""
    netns.lay_power_line()
    with tempfile.TemporaryDirectory(prefix="secc-demo-") as folder:
        show = _PlcShow(Path(folder), arguments, style)
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            _be_the_ev(show, theirs)
            os._exit(0)
        theirs.close()
        try:
            with ours:
                return show.serve(child, ours)
        finally:
            os.waitpid(child, 0)


def _be_the_ev(show: _PlcShow, wire: socket.socket) -> None:
    """Run the child process: enter the network, match and charge; prints one line of JSON."""
    outcome: dict[str, Any]
    try:
        netns.enter_ev_network(lambda: wire.sendall(b"here\n"))
        wire.recv(1)
        outcome = output.run(show.drive())
    except (SeccError, OSError) as error:
        outcome = {"completed": False, "error": f"{type(error).__name__}: {error}"}
    wire.sendall(json.dumps(outcome).encode() + b"\n")


class _PlcShow(demo_pnc.PncDemo):
    """Run the first car of `secc demo --pnc` on the power line."""

    def serve(self, child: int, wire: socket.socket) -> int:
        """Run the station."""
        if wire.recv(5) == b"here\n":
            netns.push_cable(child)
        outcome = output.run(self._charge_one(wire))
        style = self.style
        rows = figures.figures(self.times)
        for line in figures.table(rows, style):
            style.line(line)
        style.line()
        if not outcome["completed"] or "AuthorizationReq" not in outcome["requests"]:
            style.line(f"{style.bad('FAILED')} {outcome['error']}")
            return 1
        style.line(
            f"{style.good('completed')}: matched in {outcome['matching']:.2f} s, "
            f"{outcome['attenuation']:.1f} dB; {outcome['messages']} messages over TLS, "
            f"{outcome['duration']:.1f} s; Plug and Charge with a contract received in the session"
        )
        return 0

    async def drive(self) -> dict[str, Any]:
        """Run the EV: match, find the station, charge."""
        matched = await SlacEv(RawModem(netns.EV_END)).match(patience=20.0)
        plan = Plan(
            mode=EnergyTransferMode.AC_THREE_PHASE_CORE,
            loops=self.arguments.loops,
            pace=self.arguments.pace,
            wallet=self.cars[0].wallet,
        )
        ev = ScriptedEvcc(
            plan, interface=netns.EV_END, tls=True, roots=self.folder / "v2g_root.pem", patience=4.0
        )
        result = await ev.charge()
        return {
            "completed": result.completed,
            "error": result.error,
            "matching": matched.duration,
            "attenuation": matched.attenuation[matched.station],
            "messages": len(result.exchanges),
            "requests": result.requests,
            "duration": result.duration,
        }

    async def _charge_one(self, wire: socket.socket) -> dict[str, Any]:
        cable = SimulatedCable(ControlPilot.A)
        evse = SimulatedAcEvse(cable)
        auto = AutoPilot(cable)
        config = dataclasses.replace(
            self.config(), slac=SlacConfig(enabled=True), interface=netns.STATION_END
        )

        def report(record: Record) -> None:
            auto(record)
            self.see(record)
            if isinstance(record, PlcRecord) and not self.arguments.quiet:
                self.style.line(f"{record.at - self.begun:7.3f} {as_text(record)}")

        station = PlcStation(config, evse, self.backend, reporter=report)
        self.begun = asyncio.get_running_loop().time()
        async with BridgedPowerLine(MODEMS), station:
            cable.plug_in()
            await _until(lambda: evse.pilot_signal.drive is Drive.PWM)
            wire.sendall(b"!")
            line = await asyncio.to_thread(_read_line, wire)
            await _until(lambda: station.pilot_state is PilotState.FINISHED, 5.0)
            cable.unplug()
            await _until(lambda: station.pilot_state is PilotState.UNPLUGGED)
        outcome: dict[str, Any] = json.loads(line)
        return outcome


async def _until(condition: Any, seconds: float = 20.0) -> None:
    """Wait for a limited time; a missing result is visible in the summary."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + seconds
    while not condition() and loop.time() < limit:  # noqa: ASYNC110  # conditions of many kinds
        await asyncio.sleep(0.01)


def _read_line(wire: socket.socket) -> bytes:
    with wire.makefile("rb") as stream:
        return stream.readline() or b'{"completed": false, "error": "the EV is gone"}'
