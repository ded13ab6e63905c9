"""`secc pnc`: manage the store of a site without a network: contracts, cars, receipts, refusals."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from secc import settings as configuration
from secc.cli import misused, refused
from secc.cli.actions import Subparsers, add_action, run_action
from secc.cli.pki_files import UnusableArgument, read_bytes, read_instant
from secc.errors import SignatureError
from secc.pki.certificates import Certificate, in_order, read_chain
from secc.pki.chains import ChainPolicy, verify_chain
from secc.pki.identifiers import EMAID
from secc.pki.profiles import Generation, Kind, generation_of
from secc.pki.trust import Role, trust
from secc.site import ContractStore, Status, open_site

EXAMPLES = """examples:
  secc pnc init contracts.db
  secc pnc add contracts.db DEABC000000001G
  secc pnc import contracts.db car.pem --root oem_root.pem --emaid DEABC000000001G
  secc pnc import contracts.db lab/iso20/oem_chain.pem --root lab/iso20/oem_root.pem --emaid DEABC000000001G
  secc pnc list contracts.db
  secc pnc block contracts.db DEABC000000001G       also: activate, cancel (permanently)
  secc pnc expiring contracts.db --within 30
  secc pnc renew station.toml                       make the next contracts now
  secc pnc receipts contracts.db                    verify each one again
  secc pnc refusals contracts.db                    show refusals, their reasons and counts

`secc serve --store contracts.db` runs a station from it. eMAIDs and PCIDs are personal data.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    commands = parser.add_subparsers(metavar="ACTION", title="actions", required=True)
    _action(commands, "init", "create an empty store", _init)
    added = _action(commands, "add", "a new contract", _add)
    added.add_argument("emaid", nargs="+", help="eMAID in any spelling")
    added.add_argument("--from", dest="begins", metavar="DATE", help="start of the validity")
    added.add_argument("--until", metavar="DATE", help="end of the validity, regardless of its certificates")
    imported = _action(commands, "import", "add cars by their provisioning certificates", _import)
    imported.add_argument("files", nargs="+", type=Path, help="PEM, DER or PKCS#7: leaf and Sub-CAs of a car")
    imported.add_argument(
        "--root", type=Path, action="append", default=[], help="OEM or V2G root; may be repeated"
    )
    imported.add_argument("--emaid", help="the contract that the car receives; for one car only")
    imported.add_argument(
        "--also", action="store_true", help="beside the other contracts of the car (ISO 15118-20)"
    )
    _listing(_action(commands, "list", "list contracts with car and end", _list))
    for name, status in (("block", Status.BLOCKED), ("cancel", Status.CANCELED), ("activate", Status.ACTIVE)):
        changed = _action(commands, name, f"set a contract to {status.value}", _set_status)
        changed.add_argument("emaid")
        changed.set_defaults(status=status)
    ending = _listing(_action(commands, "expiring", "list contract certificates that end soon", _expiring))
    ending.add_argument("--within", type=int, default=30, metavar="DAYS", help="default: %(default)s")
    renewed = commands.add_parser("renew", help="make the next bundle for each car whose contract ends soon")
    renewed.add_argument("config", type=Path, help="the file of the station, with [pnc.site]")
    renewed.set_defaults(action=_renew)
    _listing(_action(commands, "receipts", "list signed meter receipts and verify them again", _receipts))
    _listing(_action(commands, "refusals", "list refusals, their reasons and counts", _refusals))


def _action(
    commands: Subparsers[argparse.ArgumentParser],
    name: str,
    purpose: str,
    action: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = add_action(commands, name, purpose, action)
    parser.add_argument("store", type=Path, help="the SQLite file")
    return parser


run = run_action
"""Run one action; returns 0 (done), 1 (refused) or 2 (misused)."""


def _listing(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="as JSON")
    return parser


def _open(arguments: argparse.Namespace) -> ContractStore:
    path: Path = arguments.store
    if not path.exists():
        raise UnusableArgument(f"{path} does not exist; `secc pnc init {path}` creates one")
    return ContractStore(path)


# --- actions that change the store ------------------------------------------------------------------------


def _init(arguments: argparse.Namespace) -> int:
    if arguments.store.exists():
        return misused(f"{arguments.store} exists already")
    ContractStore(arguments.store).close()
    print(f"{arguments.store}: empty; only you may read it")
    return 0


def _add(arguments: argparse.Namespace) -> int:
    store = _open(arguments)
    begins = read_instant(arguments.begins) if arguments.begins else None
    ends = read_instant(arguments.until) if arguments.until else None
    for emaid in arguments.emaid:
        print(f"{store.add_contract(emaid, begins=begins, ends=ends).emaid}: active, no car yet")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    """Verify the chains here: later only the leaf is compared."""
    if arguments.emaid is not None and len(arguments.files) != 1:
        raise UnusableArgument("--emaid: expected one file, for one car")
    roots = [one for path in arguments.root for one in read_chain(read_bytes(path))]
    if not roots:
        raise UnusableArgument("--root: expected the OEM or V2G root of the provisioning certificate")
    anchors = trust([(kind, root) for root in roots for kind in (Kind.OEM_ROOT, Kind.V2G_ROOT)])
    store = _open(arguments)
    contract = None if arguments.emaid is None else store.contract(EMAID.parse(arguments.emaid))
    if arguments.emaid is not None and contract is None:
        return refused(f"unknown contract {arguments.emaid}; `secc pnc add` creates one")
    now = datetime.datetime.now(datetime.UTC)
    for path in arguments.files:
        found = read_chain(read_bytes(path))
        leaf = _leaf(path, found)
        policy = ChainPolicy(generation=generation_of(leaf))
        chain = verify_chain(in_order(found, leaf), Role.OEM, anchors, now, policy)
        store.know_car(chain.leaf)
        if contract is not None:
            store.add_car(chain.leaf, contract.emaid, also=arguments.also)
        gets = f"gets {contract.emaid}" if contract is not None else "no contract yet"
        until = f"certificate of {policy.generation} until {chain.leaf.not_after:%Y-%m-%d}"
        print(f"{chain.pcid}: {gets}, {until}")
    return 0


def _leaf(path: Path, found: Sequence[Certificate]) -> Certificate:
    leaves = [one for one in found if one.basic_constraints is None or not one.basic_constraints.authority]
    if len(leaves) != 1:
        raise UnusableArgument(f"{path}: {len(leaves)} provisioning certificates, expected one")
    return leaves[0]


def _set_status(arguments: argparse.Namespace) -> int:
    store, emaid = _open(arguments), EMAID.parse(arguments.emaid)
    found = store.contract(emaid)
    if found is None:
        return refused(f"unknown contract {emaid}")
    if found.status is Status.CANCELED and arguments.status is not Status.CANCELED:
        return refused(f"{emaid} is canceled permanently")
    store.set_status(emaid, arguments.status)
    print(f"{found.emaid}: {arguments.status.value}")
    return 0


def _renew(arguments: argparse.Namespace) -> int:
    """Check for expiry once, with the keys that the configuration names."""
    from secc.site import RenewalMonitor, WatchPolicy

    settings = configuration.load(arguments.config)
    site = open_site(settings.pnc.site, settings.expiry)
    policy = WatchPolicy(levels=settings.expiry.levels, renew=settings.expiry.renew)
    found = RenewalMonitor(site, policy=policy).look(datetime.datetime.now(datetime.UTC))
    for expiry in found:
        print(expiry)
    print(f"{len(found)} end soon, {sum(one.prepared for one in found)} renewed in advance")
    return 1 if any(one.failure for one in found) else 0


# --- actions that show the store --------------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    store = _open(arguments)
    ends = {(str(one.emaid), one.generation): one.not_after.isoformat() for one in store.certificates()}
    rows = [
        {
            "emaid": str(one.emaid),
            "status": one.status.value,
            "car": None if one.pcid is None else str(one.pcid),
            "until": ends.get((str(one.emaid), Generation.ISO2)),
            "iso20_until": ends.get((str(one.emaid), Generation.ISO20)),
            "ends": None if one.ends is None else one.ends.isoformat(),
        }
        for one in store.contracts()
    ]
    waiting = [{"car": str(one.pcid), "contract": None} for one in store.cars() if one.emaid is None]
    if arguments.json:
        print(json.dumps({"contracts": rows, "cars without a contract": waiting}, indent=2))
        return 0
    for row in rows:
        none = row["until"] is None and row["iso20_until"] is None
        until = "no certificate yet" if none else _until(row["until"], row["iso20_until"])
        until += "" if row["ends"] is None else f", ends {row['ends'][:10]}"
        print(f"{row['emaid']:17} {row['status']:9} {row['car'] or 'no car':19} {until}")
    for car in waiting:
        print(f"{'no contract':27} {car['car']}")
    return 0


def _until(older: str | None, newer: str | None) -> str:
    """The ends of the certificates of a contract, by generation."""
    parts = [] if older is None else [f"until {older[:10]}"]
    return ", ".join(parts if newer is None else [*parts, f"{Generation.ISO20} until {newer[:10]}"])


def _expiring(arguments: argparse.Namespace) -> int:
    store, now = _open(arguments), datetime.datetime.now(datetime.UTC)
    found = store.certificates(ending_by=now + datetime.timedelta(days=arguments.within))
    rows: list[dict[str, object]] = []
    for one in found:
        prepared = store.bundles.waits(one.emaid, one.generation, now=now)
        shown = {"until": one.not_after.isoformat(), "generation": one.generation.value, "prepared": prepared}
        rows.append({"emaid": str(one.emaid), **shown})
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        done = "the next one waits for the car" if row["prepared"] else "nothing prepared"
        older = row["generation"] == Generation.ISO2
        which = "" if older else f"{row['generation']} "
        print(f"{row['emaid']} {which}until {str(row['until'])[:10]}, {done}")
    print(f"{len(rows)} end within {arguments.within} days")
    return 0


def _receipts(arguments: argparse.Namespace) -> int:
    """Return exit code 1 when one of them cannot be verified."""
    rows: list[dict[str, Any]] = []
    for one in _open(arguments).log.receipts():
        try:
            one.verify()
            problem = ""
        except SignatureError as error:
            problem = str(error)
        rows.append(
            {
                "at": one.at.isoformat(timespec="seconds"),
                "emaid": one.emaid,
                "evse_id": one.evse_id,
                "session_id": one.session_id.hex().upper(),
                "Wh": one.energy,
                "genuine": not problem,
                "problem": problem,
                "fragment": one.fragment.hex(),
                "signed_info": one.signed_info.hex(),
                "signature": one.signature.hex(),
                "certificate": one.certificate.hex(),
            }
        )
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            verdict = "genuine" if row["genuine"] else f"NOT VALID: {row['problem']}"
            print(f"{row['at']} {row['evse_id']} {row['emaid']} {row['Wh']} Wh, {verdict}")
        print(f"{len(rows)} receipts")
    return 0 if all(row["genuine"] for row in rows) else 1


def _refusals(arguments: argparse.Namespace) -> int:
    store = _open(arguments)
    told = ("refused", "renewal failed", "suspicious")
    events = [one for one in store.log.events() if one.kind in told]
    counts = {key: times for key, times in store.log.counts().items() if key[0] in told}
    if arguments.json:
        rows = [
            {
                "at": one.at.isoformat(timespec="seconds"),
                "kind": one.kind,
                "rule": one.rule,
                "identity": one.identity,
                "evse_id": one.evse_id,
                "text": one.text,
            }
            for one in events
        ]
        totals = [{"kind": kind, "rule": rule, "times": times} for (kind, rule), times in counts.items()]
        print(json.dumps({"events": rows, "totals": totals}, indent=2))
        return 0
    for one in events:
        who = one.identity or "no proven identity"
        print(f"{one.at:%Y-%m-%d %H:%M:%S} {one.evse_id} {one.kind}: {one.rule}, {who}: {one.text}")
    for (kind, rule), times in sorted(counts.items()):
        print(f"{times:6} {kind}: {rule}")
    return 0
