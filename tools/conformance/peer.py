"""The conformance bench against an independent station: `make conformance-peer`.

The station is the SECC of the package `iso15118` with its simulated outlet, in a network namespace at one end
of a veth pair; the bench runs as `secc bench` at the other end. Needs Linux, root, Java. The results are
written to build/conformance/*.json; `--write` makes docs/reference/conformance.md of them.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from certs.testpki.make import NOT_AFTER, NOT_BEFORE
from secc.pki.hierarchy import Hierarchy, make_hierarchy
from secc.pki.issuing import key_pem
from secc.pki.profiles import Kind
from tests.interop.cable import Cable, End
from tests.interop.peer_station import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-interop/bin/python"
RESULTS = ROOT / "build/conformance"
PKI = ROOT / "certs/testpki"
PASSWORD = "12345"
SDP_PORT = "3B0E"  # 15118, as the kernel writes it


@dataclasses.dataclass(frozen=True)
class Run:
    """One start of that station, and the bench's arguments."""

    name: str
    title: str
    authorization: str
    arguments: tuple[str, ...]
    iso20: bool = False
    """In ISO 15118-20, without TLS, and with an outlet that follows what the EV asks for."""


def _skip(*patterns: str) -> tuple[str, ...]:
    return tuple(word for pattern in patterns for word in ("--skip", pattern))


def _only(*patterns: str) -> tuple[str, ...]:
    return tuple(word for pattern in patterns for word in ("--only", pattern))


DC = ("*_DC_*", "BENCH_SESSION_DC", "BENCH_DC_VOLTAGE", "BENCH_DIN_*", "I20-*")
PROTOCOLS20 = "ISO_15118_20_AC,ISO_15118_20_DC"
SLOW20 = (
    "--timer",
    "message=6",
    "--timer",
    "slow_message=8",
    "--timer",
    "charge_loop=4",
    "--timer",
    "close=8",
)
# Its simulated DC outlet always reports 1 V: an EV that requests 1 V passes the pre-charge. Its codec is a
# Java process that needs up to 300 ms for a message, and longer on a busy machine.
RUNS = (
    Run("plain", "plain, external payment", "EIM", _skip(*DC)),
    Run(
        "dc",
        "plain, DC",
        "EIM",
        ("--ev-voltage", "1", "--timer", "current_demand=2", *_only(*DC)),
    ),
    Run("voltage", "plain, pre-charge to 350 V", "EIM", _only("*PreCharge_001")),
    Run(
        "tls",
        "TLS, Plug and Charge",
        "EIM,PNC",
        (
            *("--tls", "--roots", str(PKI / "v2g_root.pem"), "--pki", str(PKI)),
            *_only("*_SDP_00?", "*SupportedAppProtocol_001", "*ServiceDetail*", "*PaymentServiceSelection*"),
            *_only("*Certificate*", "*PaymentDetails*", "*Authorization*", "*MeteringReceipt*", "BENCH_TLS*"),
            *_only("BENCH_SESSION_AC*", "BENCH_SDP_REPEATED", "*ChargingStatus*"),
        ),
    ),
    Run(
        "long",
        "plain, two of the cases that wait for a minute",
        "EIM",
        ("--long", *_only("*SupportedAppProtocol_003", "*CMN_VTB_ServiceDiscovery_004")),
    ),
    Run("iso20", "ISO 15118-20, plain", "EIM", (*SLOW20, *_only("I20-*")), iso20=True),
)


def run(chosen: Run, cable: Cable) -> None:
    """Station up, bench, station down; the result into a file."""
    folder = RESULTS / f"peer-{chosen.name}"
    folder.mkdir(parents=True, exist_ok=True)
    with _station(chosen, cable.station, folder):
        command = cable.ev.command(
            *(sys.executable, "-m", "secc", "bench", "--interface", cable.ev.interface, "--json"),
            *("--name", f"iso15118 0.31.2, {chosen.title}", "--html", str(folder / "report.html")),
            *chosen.arguments,
        )
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"secc bench: {done.stderr}")
    (RESULTS / f"peer-{chosen.name}.json").write_text(done.stdout)
    found = json.loads(done.stdout)
    print(
        f"{chosen.title}: {found['passed']} passed, {found['failed']} failed, "
        f"{found['inconclusive']} inconclusive, {found['not_applicable']} not applicable",
        flush=True,
    )


@contextlib.contextmanager
def _station(chosen: Run, end: End, folder: Path) -> Iterator[None]:
    environment = os.environ | {
        "NETWORK_INTERFACE": end.interface,
        "PROTOCOLS": PROTOCOLS20 if chosen.iso20 else "ISO_15118_2,DIN_SPEC_70121",
        "AUTH_MODES": chosen.authorization,
        "PKI_PATH": f"{_trust(folder)}/",
        "PYTHONUNBUFFERED": "1",
    }
    (folder / "ac_power").write_text("11000")  # W, of the outlet in ISO 15118-20
    with (folder / "station.log").open("wb") as log:
        process = subprocess.Popen(
            end.command(str(PYTHON), *(("-c", PROGRAM) if chosen.iso20 else ("-m", "iso15118.secc.main"))),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for_discovery(process)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for_discovery(process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    limit = time.monotonic() + seconds
    while f":{SDP_PORT} " not in Path(f"/proc/{process.pid}/net/udp6").read_text():
        if process.poll() is not None or time.monotonic() > limit:
            raise SystemExit("the other station did not start; see its log in build/conformance")
        time.sleep(0.1)


_NAMES = {
    Kind.V2G_ROOT: "v2gRootCA",
    Kind.CPO_SUB_CA_1: "cpoSubCA1",
    Kind.CPO_SUB_CA_2: "cpoSubCA2",
    Kind.SECC_LEAF: "seccLeaf",
    Kind.CPS_SUB_CA_1: "cpsSubCA1",
    Kind.CPS_SUB_CA_2: "cpsSubCA2",
    Kind.CPS_LEAF: "cpsLeaf",
    Kind.MO_ROOT: "moRootCA",
    Kind.MO_SUB_CA_1: "moSubCA1",
    Kind.MO_SUB_CA_2: "moSubCA2",
    Kind.CONTRACT_LEAF: "contractLeaf",
    Kind.OEM_ROOT: "oemRootCA",
    Kind.OEM_SUB_CA_1: "oemSubCA1",
    Kind.OEM_SUB_CA_2: "oemSubCA2",
    Kind.OEM_LEAF: "oemLeaf",
}


def _trust(folder: Path) -> Path:
    """The test hierarchy in the layout in which that station looks for it."""
    pki = folder / "pki"
    certificates, keys = pki / "iso15118_2/certs", pki / "iso15118_2/private_keys"
    certificates.mkdir(parents=True, exist_ok=True)
    keys.mkdir(parents=True, exist_ok=True)
    hierarchy: Hierarchy = make_hierarchy(not_before=NOT_BEFORE, not_after=NOT_AFTER, seed=b"certs/testpki")
    for kind, name in _NAMES.items():
        made = hierarchy[kind]
        (certificates / f"{name}Cert.der").write_bytes(made.certificate.der)
        (certificates / f"{name}Cert.pem").write_bytes(made.certificate.pem)
        (keys / f"{name}.key").write_bytes(key_pem(made.key, PASSWORD.encode()))
        (keys / f"{name}Password.txt").write_text(PASSWORD)
    (keys / "moSubCA2LeafPassword.txt").write_text(PASSWORD)
    chain = (Kind.SECC_LEAF, Kind.CPO_SUB_CA_2, Kind.CPO_SUB_CA_1)
    pem = b"".join(hierarchy[kind].certificate.pem for kind in chain)
    (certificates / "cpoCertChain.pem").write_bytes(pem)
    return pki


def main(arguments: Sequence[str] | None = None) -> int:
    """All runs, or some of them."""
    parser = argparse.ArgumentParser(description="the conformance bench before another station")
    parser.add_argument("--run", action="append", choices=[one.name for one in RUNS], help="default: all")
    parser.add_argument("--write", action="store_true", help="and docs/reference/conformance.md")
    given = parser.parse_args(arguments)
    with Cable() as cable:
        for one in RUNS:
            if given.run is None or one.name in given.run:
                run(one, cable)
    if given.write:
        return subprocess.run(
            [sys.executable, "-m", "tools.docs.conformance"], cwd=ROOT, check=False
        ).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
