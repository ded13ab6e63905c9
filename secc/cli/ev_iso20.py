"""`secc ev --protocol iso20`: the arguments that only ISO 15118-20 has, and the plan they make."""

from __future__ import annotations

import argparse
from pathlib import Path

from secc.cli.wallets import iso20_folder, key_beside, open_contract, open_iso20_wallet
from secc.messages.iso20_common import ChargingSession
from secc.session.iso20.services import ControlMode, Service
from secc.settings.iso20 import Pricing
from secc.sim.iso20 import (
    ContractFault,
    InstallationMisbehaviour,
    Iso20Contract,
    Iso20Misbehaviour,
    Iso20Plan,
    Iso20Wallet,
    MeteringFault,
    misbehaving,
)
from secc.tls.credentials import CredentialFiles


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    group = parser.add_argument_group("ISO 15118-20")
    group.add_argument(
        "--service",
        type=_service,
        choices=[service.name for service in Service],
        help="default: DC, with --ac AC; ac-der is short for AC_DER_IEC",
    )
    group.add_argument(
        "--vehicle",
        type=Path,
        metavar="FILE",
        help="PEM of the vehicle chain for TLS 1.3; its key lies beside it",
    )
    group.add_argument("--evccid", default=Iso20Plan().evcc_id, help="EVCCID, as in the vehicle certificate")
    group.add_argument(
        "--dynamic", action="store_true", help="the station sets the power (default: a schedule)"
    )
    group.add_argument("--mobility-needs", type=int, choices=(1, 2), default=1, help="MobilityNeedsMode (1)")
    group.add_argument(
        "--prices", choices=[one.value for one in Pricing], help="form of the prices it wants (none)"
    )
    group.add_argument("--phases", type=int, choices=(1, 3), default=3, help="of the on-board charger (3)")
    group.add_argument(
        "--phase-currents",
        type=_currents,
        metavar="A,A,A",
        help="limits of L1, L2 and L3, AC with three phases (one limit for all)",
    )
    group.add_argument(
        "--min-soc",
        type=float,
        metavar="PERCENT",
        help="below it the EV gives nothing; its V2X energies (20)",
    )
    group.add_argument(
        "--offer-fee", type=float, metavar="EUR", help="offer energy at a price per kWh, Scheduled (no offer)"
    )
    group.add_argument("--parking", action="store_true", help="check in before the charge, and out after it")
    group.add_argument("--discharge-at", type=int, metavar="N", help="offer to discharge from loop N on")
    group.add_argument(
        "--grid-event", type=int, default=0, metavar="N", help="GridEventCondition, AC_DER_IEC (0)"
    )
    group.add_argument("--negative-limits", action="store_true", help="write discharge limits below zero")
    group.add_argument("--renegotiate-at", type=int, metavar="N", help="ask for a new schedule after N loops")
    group.add_argument(
        "--main-stream", action="store_true", help="renegotiate and confirm there, not on side streams"
    )
    group.add_argument(
        "--renegotiate-service", action="store_true", help="charge, choose the service again, charge"
    )
    group.add_argument(
        "--external-last", action="store_true", help="without a --contract that is accepted: pay externally"
    )
    group.add_argument(
        "--message-grammar",
        action="store_true",
        help="encode SignedInfo with the schema set of the message, as one stack does",
    )
    group.add_argument(
        "--install", type=int, metavar="N", help="with --wallet: ask for up to N contracts (1 if it has none)"
    )
    group.add_argument(
        "--prefer", action="append", default=[], metavar="EMAID", help="a contract to install first"
    )
    group.add_argument("--standby-at", type=int, metavar="N", help="ask for standby after N loops")
    group.add_argument("--standby-loops", type=int, metavar="N", default=3, help="loops in standby (3)")


def _service(text: str) -> str:
    """A service by its name, with dashes and small letters too."""
    name = text.upper().replace("-", "_")
    return Service.AC_DER_IEC.name if name == "AC_DER" else name


def _currents(text: str) -> tuple[float, float, float]:
    """Three currents in A."""
    try:
        first, second, third = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError("expected three numbers of A, as in 16,16,10") from error
    if not all(0.0 <= one <= 500.0 for one in (first, second, third)):
        raise argparse.ArgumentTypeError("expected 0 to 500 A on each phase")
    return first, second, third


def refusal(arguments: argparse.Namespace) -> str:
    """Why these arguments make no plan; empty when they do."""
    if arguments.mode is not None:
        return "--mode is of ISO 15118-2; --service is of ISO 15118-20"
    if arguments.wallet is None and (arguments.install is not None or arguments.prefer):
        return "--install and --prefer need --wallet"
    if arguments.install is not None and not 0 <= arguments.install <= 127:
        return f"--install {arguments.install}: expected 0 to 127"
    if arguments.vehicle is not None and not arguments.vehicle.exists():
        return f"--vehicle {arguments.vehicle}: no such file"
    if not 0 <= arguments.grid_event <= 255:
        return f"--grid-event {arguments.grid_event}: 0 to 255"
    if arguments.mobility_needs == 2 and not arguments.dynamic:
        return "--mobility-needs 2 needs --dynamic"
    if problem := _energy_refusal(arguments):
        return problem
    if arguments.session_id and len(arguments.session_id) not in (1, 8):
        return "--session-id: 16 hexadecimal digits in ISO 15118-20"
    for chain in arguments.contract or ():
        if not chain.exists():
            return f"--contract {chain}: no such file"
    known = [one.value for one in Iso20Misbehaviour]
    if arguments.contract:
        known += [one.value for one in (*ContractFault, *MeteringFault)]
    known += [one.value for one in InstallationMisbehaviour] if arguments.wallet else []
    if arguments.misbehave is not None and arguments.misbehave not in known:
        return f"--misbehave in ISO 15118-20 is one of: {', '.join(known)}"
    return ""


def _energy_refusal(arguments: argparse.Namespace) -> str:
    """The same for the arguments about energy."""
    service = Service[arguments.service or ("AC" if arguments.ac else "DC")]
    if arguments.phase_currents is not None and (service.is_dc or arguments.phases != 3):
        return "--phase-currents is for AC with three phases"
    if arguments.offer_fee is not None and (arguments.dynamic or not service.bidirectional):
        return "--offer-fee is for Scheduled mode, without --dynamic, of a service of both directions"
    if arguments.min_soc is not None and not 0.0 <= arguments.min_soc <= arguments.soc:
        return f"--min-soc {arguments.min_soc:g}: expected 0 to --soc, {arguments.soc:g}"
    return ""


def certificate(arguments: argparse.Namespace) -> CredentialFiles | None:
    """What the EV shows in TLS 1.3: `--vehicle`, or the certificate in the folder of the wallet."""
    chain: Path | None = arguments.vehicle
    if chain is None and arguments.wallet is not None:
        beside = iso20_folder(arguments.wallet) / "vehicle_chain.pem"
        chain = beside if beside.exists() else None
    return None if chain is None else CredentialFiles(chain=chain, key=key_beside(chain))


def wallet(arguments: argparse.Namespace) -> Iso20Wallet | None:
    """The certificates for contracts, if there is a folder for them; raises CertificateError."""
    if arguments.wallet is None:
        return None
    made = open_iso20_wallet(arguments.wallet)
    made.most = arguments.install if arguments.install is not None else int(not made.contracts)
    made.wanted = tuple(arguments.prefer)
    if arguments.misbehave in list(InstallationMisbehaviour):
        made.misbehaviour = InstallationMisbehaviour(arguments.misbehave)
    return made


def plan(arguments: argparse.Namespace, certificates: Iso20Wallet | None = None) -> Iso20Plan:
    """What the EV is to do. Raises CertificateError for a contract that cannot be read."""
    service = arguments.service or ("AC" if arguments.ac else "DC")
    how = arguments.misbehave
    fault = ContractFault(how) if how in list(ContractFault) else None
    metering = MeteringFault(how) if how in list(MeteringFault) else None
    return Iso20Plan(
        service=Service[service],
        evcc_id=arguments.evccid,
        control=ControlMode.DYNAMIC if arguments.dynamic else ControlMode.SCHEDULED,
        mobility_needs=arguments.mobility_needs,
        pricing=None if arguments.prices is None else Pricing(arguments.prices),
        phases=arguments.phases,
        loops=20 if arguments.loops is None and arguments.energy is None else arguments.loops,
        energy=arguments.energy,
        discharge_at=arguments.discharge_at,
        offer_fee=arguments.offer_fee,
        phase_currents=arguments.phase_currents,
        parking=arguments.parking,
        grid_event=arguments.grid_event,
        negative_limits=arguments.negative_limits,
        pace=arguments.pace,
        end=ChargingSession.PAUSE if arguments.pause else ChargingSession.TERMINATE,
        session_id=arguments.session_id.rjust(8, b"\0"),
        renegotiate_at=arguments.renegotiate_at,
        side_stream=not arguments.main_stream,
        renegotiate_service=arguments.renegotiate_service,
        standby_at=arguments.standby_at,
        standby_loops=arguments.standby_loops,
        wallet=certificates,
        contracts=_contracts(arguments, fault),
        external_last=arguments.external_last,
        metering_fault=metering,
        metering_beside=not arguments.main_stream,
        tamper=misbehaving(Iso20Misbehaviour(how)) if how in list(Iso20Misbehaviour) else None,
    )


def _contracts(arguments: argparse.Namespace, fault: ContractFault | None) -> tuple[Iso20Contract, ...]:
    found = tuple(open_contract(chain) for chain in arguments.contract or ())
    for one in found:
        one.message_grammar = arguments.message_grammar
    if found:
        found[0].fault = fault
    return found
