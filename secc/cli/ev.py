"""`secc ev`: charge with a scripted EV at a station."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from secc.cli import display, ev_iso20, figures, misused, output, refused
from secc.cli.protocols import protocol_name
from secc.cli.streams import from_hex
from secc.cli.wallets import keep_contract, keep_iso20_contracts, open_wallet
from secc.errors import CertificateError, LinkError
from secc.messages.iso2 import ChargingSession, EnergyTransferMode
from secc.records.text import detail_of, milliseconds, name_of
from secc.sdp import SDP_PORT
from secc.settings.protocols import ProtocolName
from secc.sim import EvResult, Exchange, Misbehaviour, Plan, ScriptedEvcc, SlacEv, Vehicle, Wallet
from secc.sim.iso20 import (
    ContractFault,
    InstallationMisbehaviour,
    Iso20Misbehaviour,
    Iso20Plan,
    Iso20Wallet,
    MeteringFault,
)
from secc.station.raw_modem import RawModem

EXAMPLES = """examples:
  secc ev --interface eth1 --dc                   find the station by SDP, charge DC, plain
  secc ev --interface eth1 --ac --tls --roots v2g_root.pem
  secc ev --interface lo --dc                     use a station on this machine, on loopback
  secc ev --interface eth1 --protocol din70121    use only DIN SPEC 70121
  secc ev --interface eth1 --protocol iso20 --service DC_BPT --dynamic
  secc ev --interface eth1 --protocol iso20 --service AC --renegotiate-at 5
  secc ev --interface eth1 --protocol iso20 --service AC_BPT --phase-currents 16,10,0 --offer-fee 0.25
  secc ev --interface eth1 --protocol iso20 --tls --roots v2g_root.pem --vehicle vehicle_chain.pem
  secc ev --interface eth1 --protocol iso20 --tls --vehicle vehicle_chain.pem --contract contract_chain.pem
  secc ev --interface lo --protocol iso20 --ac --tls --wallet lab --install 2 --roots lab/iso20/v2g_root.pem
  secc ev --host fe80::1%eth1 --port 54321 --ac   skip SDP
  secc ev --interface lo --ac --tls --wallet lab  pay by contract, and install one if it is missing
  secc ev --interface lo --ac --tls --wallet lab --contract lab/contract_chain.pem

--wallet takes a folder of `secc pki new`: provisioning certificate, V2G root. A contract that the station
delivers is stored there (car_contract.pem, car_contract_key.pem) and used the next time. In iso20 the part
of the folder in iso20/ counts: it also has the vehicle certificate, and a contract is named by its eMAID.
Exit code 0 if the session is complete from handshake to SessionStopRes, otherwise 1.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--interface", "-i", default="lo", help="interface of the station (default: lo)")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--dc", action="store_true", help="DC_extended (default)")
    kind.add_argument("--ac", action="store_true", help="AC_three_phase_core")
    kind.add_argument(
        "--mode", choices=[mode.value for mode in EnergyTransferMode], help="another energy transfer mode"
    )
    parser.add_argument(
        "--protocol",
        type=protocol_name,
        choices=list(ProtocolName),
        default=ProtocolName.ISO15118_2,
        metavar="{" + ",".join(ProtocolName) + "}",
        help="protocol of the EV (default: iso15118-2); din70121 is DC without TLS; short: din, iso20",
    )
    parser.add_argument("--tls", action=argparse.BooleanOptionalAction, default=False, help="require TLS")
    parser.add_argument("--roots", type=Path, help="PEM of V2G roots; without it any certificate is accepted")
    parser.add_argument("--host", help="address of the station; without SDP")
    parser.add_argument("--port", type=int, help="port of the station; without SDP")
    parser.add_argument("--sdp-port", type=int, default=SDP_PORT, help=f"default {SDP_PORT}")
    parser.add_argument("--slac", action="store_true", help="first match over the power line (Linux, root)")
    parser.add_argument("--loops", type=int, help="messages of the charge loop (default 20)")
    parser.add_argument("--energy", type=float, help="energy to charge in Wh, instead of --loops")
    parser.add_argument("--soc", type=float, default=35.0, help="state of charge at the start in %% (35)")
    parser.add_argument("--pace", type=float, default=0.1, help="seconds between messages of a loop (0.1)")
    parser.add_argument("--pause", action="store_true", help="end with SessionStopReq(Pause)")
    parser.add_argument(
        "--session-id", type=_hex, default=b"\x00", help="hexadecimal, joins a paused session"
    )
    parser.add_argument(
        "--wallet", type=Path, metavar="DIR", help="folder with certificates, to pay by contract"
    )
    parser.add_argument(
        "--contract",
        type=Path,
        metavar="FILE",
        action="append",
        help="PEM of another contract chain, with its key beside it; in iso20 may be repeated: each is tried "
        "after the one before is refused",
    )
    parser.add_argument(
        "--misbehave",
        metavar="HOW",
        help=f"with --wallet, one of:  {', '.join(Misbehaviour)}; "
        f"in iso20 one of: {', '.join(Iso20Misbehaviour)}, with --contract also: "
        f"{', '.join((*ContractFault, *MeteringFault))}; with --wallet also: "
        f"{', '.join(InstallationMisbehaviour)}",
    )
    parser.add_argument("--patience", type=float, default=1.0, help="factor on the EV's message timeouts")
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object for each exchange and the result"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print only the result")
    ev_iso20.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run one session."""
    if not 0.0 <= arguments.soc <= 100.0:
        return misused(f"--soc {arguments.soc:g}: expected 0 to 100")
    if (arguments.host is None) != (arguments.port is None):
        return misused("expected --host and --port together")
    protocol: ProtocolName = arguments.protocol
    if protocol is ProtocolName.ISO15118_20:
        if problem := ev_iso20.refusal(arguments):
            return misused(problem)
        try:
            certificates = ev_iso20.wallet(arguments)
            return _run(arguments, ev_iso20.plan(arguments, certificates), certificates)
        except CertificateError as error:
            return misused(str(error))
    beyond = arguments.ac or arguments.tls or arguments.pause or arguments.wallet is not None
    if protocol is ProtocolName.DIN70121 and beyond:
        return misused("din70121 has only DC, without TLS, contract and pause")
    if arguments.wallet is None and (arguments.contract or arguments.misbehave):
        return misused("--contract and --misbehave need --wallet")
    if arguments.contract is not None and len(arguments.contract) > 1:
        return misused("more than one --contract only in iso20")
    contract = None if arguments.contract is None else arguments.contract[0]
    try:
        wallet = None if arguments.wallet is None else open_wallet(arguments.wallet, contract)
    except CertificateError as error:
        return misused(str(error))
    if wallet is not None and arguments.misbehave is not None:
        if arguments.misbehave not in list(Misbehaviour):
            return misused(f"--misbehave with --wallet is one of: {', '.join(Misbehaviour)}")
        wallet.misbehaviour = Misbehaviour(arguments.misbehave)
    plan = dataclasses.replace(_plan(arguments, protocol), wallet=wallet)
    return _run(arguments, plan, wallet)


def _run(arguments: argparse.Namespace, plan: Plan | Iso20Plan, wallet: Wallet | Iso20Wallet | None) -> int:
    """Run one session with a plan."""
    style = display.Style()
    printer = _Printer(style, arguments.protocol, as_json=arguments.json, quiet=arguments.quiet)
    vehicle = Vehicle(soc=arguments.soc / 100.0, full_soc=max(0.8, arguments.soc / 100.0 + 0.05))
    if arguments.min_soc is not None:
        vehicle.min_soc = arguments.min_soc / 100.0
    ev = ScriptedEvcc(
        plan,
        vehicle=vehicle,
        interface=arguments.interface,
        tls=arguments.tls,
        roots=arguments.roots,
        certificate=ev_iso20.certificate(arguments),
        host=arguments.host,
        port=arguments.port,
        sdp_port=arguments.sdp_port,
        patience=arguments.patience,
        on_exchange=printer.exchange,
    )
    try:
        result = output.run(_charge(ev, arguments))
    except LinkError as error:
        return refused(str(error))
    if isinstance(wallet, Wallet) and wallet.installed:
        keep_contract(arguments.wallet, wallet)
    elif isinstance(wallet, Iso20Wallet) and wallet.installed:
        keep_iso20_contracts(arguments.wallet, wallet)
    printer.result(result, vehicle)
    return 0 if result.completed else 1


async def _charge(ev: ScriptedEvcc, arguments: argparse.Namespace) -> EvResult:
    if arguments.slac:
        matched = await SlacEv(RawModem(arguments.interface)).match(patience=20.0)
        if not arguments.json:
            output.say(f"matched with {matched.station.hex(':')} in {matched.duration:.2f} s")
    return await ev.charge()


def _plan(arguments: argparse.Namespace, protocol: ProtocolName) -> Plan:
    mode = EnergyTransferMode.DC_EXTENDED
    if arguments.mode is not None:
        mode = EnergyTransferMode(arguments.mode)
    elif arguments.ac:
        mode = EnergyTransferMode.AC_THREE_PHASE_CORE
    loops = arguments.loops
    if loops is None and arguments.energy is None:
        loops = 20
    return Plan(
        protocol=protocol,
        mode=mode,
        loops=loops,
        energy=arguments.energy,
        pace=arguments.pace,
        end=ChargingSession.PAUSE if arguments.pause else ChargingSession.TERMINATE,
        session_id=arguments.session_id,
    )


def _hex(text: str) -> bytes:
    data = from_hex(text) if text else b""
    if data is None or len(data) > 8:
        raise argparse.ArgumentTypeError("expected up to 16 hexadecimal digits")
    return data


class _Printer:
    def __init__(self, style: display.Style, protocol: ProtocolName, *, as_json: bool, quiet: bool) -> None:
        self._style = style
        self._protocol = protocol
        self._json = as_json
        self._quiet = quiet
        self._last = ""

    def exchange(self, exchange: Exchange) -> None:
        name = name_of(exchange.request)
        if self._json:
            output.say(json.dumps(_as_dict(exchange)))
        elif not self._quiet:
            waited = milliseconds(exchange.response_time)
            detail = detail_of(exchange.response)
            text = f"{exchange.at:8.3f} s  {name:28} {waited:>10}  {detail}".rstrip()
            if name == self._last:
                self._style.replace(text)
            else:
                self._style.line(text)
        self._last = name

    def result(self, result: EvResult, vehicle: Vehicle) -> None:
        if self._json:
            output.say(json.dumps(_summary(result, vehicle)))
            return
        style = self._style
        style.line()
        if not self._quiet:
            times = ((name_of(e.response), e.response_time) for e in result.exchanges)
            for line in figures.table(figures.figures(times, self._protocol), style):
                style.line(line)
            style.line()
        how = "TLS" if result.tls else "plain"
        if result.completed:
            verdict = style.good("charged")
            back = f", {result.discharged:.2f} Wh back" if result.discharged else ""
            style.line(
                f"{verdict}  {result.energy:.2f} Wh{back} in {result.duration:.1f} s, {how}, {result.peer}, "
                f"now {vehicle.soc * 100:.1f} %"
            )
        else:
            style.line(f"{style.bad('failed')}  {result.error or 'the session is not complete'}")
        for note in result.notes:
            style.line(f"note    {note}")


def _as_dict(exchange: Exchange) -> dict[str, object]:
    return {
        "at": round(exchange.at, 6),
        "request": name_of(exchange.request),
        "response": name_of(exchange.response),
        "detail": detail_of(exchange.response),
        "response_time": round(exchange.response_time, 6),
    }


def _summary(result: EvResult, vehicle: Vehicle) -> dict[str, object]:
    return {
        "completed": result.completed,
        "error": result.error or None,
        "tls": result.tls,
        "peer": result.peer,
        "session_id": result.session_id.hex().upper(),
        "energy": round(result.energy, 3),
        "discharged": round(result.discharged, 3),
        "notes": result.notes,
        "duration": round(result.duration, 3),
        "soc": round(vehicle.soc, 4),
        "messages": len(result.exchanges),
    }
