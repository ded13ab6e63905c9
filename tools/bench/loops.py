"""Response times in the charge loop, and memory of the station. Linux.

`python -m tools.bench.loops [messages]`.

`secc serve` runs as a process, with ISO 15118-2 in TLS 1.2 and ISO 15118-20 in TLS 1.3 at one port; a car of
each charges DC, one after the other in turns, so that the load of the machine is the same for both. The time
is that from the last byte of a request to its response as the car reads it, its own TLS included.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from secc.bench import BenchTimers, Facts, Target
from secc.bench.car import BenchCar, Phase
from secc.bench.car20 import Iso20Car, Point
from secc.bench.pki import CarPki
from secc.bench.talk import CarAnswer, Talk
from secc.bench.target import DiscoveryOffer
from secc.bench.trial import Trial
from secc.messages.iso2 import EnergyTransferMode, PaymentOption
from secc.session.iso20.services import Service

PKI = Path(__file__).resolve().parents[2] / "certs/testpki"
SETTINGS = """
interface = "lo"
protocols = ["iso15118-2", "iso15118-20"]
[tls]
policy = "required"
certificate_chain = "{pki}/secc_chain.pem"
private_key = "{pki}/secc_leaf_key.pem"
[iso20.tls]
certificate_chain = "{pki}/iso20/secc_chain.pem"
private_key = "{pki}/iso20/secc_leaf_key.pem"
[trust]
oem_roots = ["{pki}/iso20/oem_root.pem"]
v2g_roots = ["{pki}/iso20/v2g_root.pem"]
"""
PACE = 0.05
"""Seconds between two messages."""
ROUNDS = 4


def main() -> None:
    """A row for each protocol, and the memory."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        settings, roots = Path(folder) / "station.toml", Path(folder) / "roots.pem"
        settings.write_text(SETTINGS.format(pki=PKI), encoding="utf-8")
        roots.write_bytes((PKI / "v2g_root.pem").read_bytes() + (PKI / "iso20/v2g_root.pem").read_bytes())
        discovery = _free_port()
        arguments = ["--sim", "dc", "--config", str(settings), "--sdp-port", str(discovery)]
        command = [sys.executable, "-m", "secc", "serve", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            _wait(process)
            before = resident(process.pid)
            times, used = asyncio.run(_measure(process.pid, discovery, roots, messages))
            after = resident(process.pid)
        finally:
            process.kill()
            process.wait()
    older = quantile(times["-2"], 0.99)
    print("| loop | messages | median, ms | p99, ms | p99, ratio | processor time of the station, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, found in times.items():
        p99 = quantile(found, 0.99)
        median, each = statistics.median(found), 1000 * used[name] / len(found)
        print(f"| {name} | {len(found)} | {median:.2f} | {p99:.2f} | {p99 / older:.2f} | {each:.2f} |")
    print(
        f"memory of the station: {before / 1024:.0f} MiB before the first car, {after / 1024:.0f} MiB after"
    )


def _free_port() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as found:
        found.bind(("::1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[str]) -> None:
    """Until the station listens."""
    assert process.stdout is not None
    for line in process.stdout:
        if "listening" in line:
            return
    raise SystemExit("secc serve did not start")


def resident(pid: int) -> int:
    """KiB of the process in memory."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def processor(pid: int) -> float:
    """Seconds of the processor that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quantile(found: list[float], share: float) -> float:
    """The time that this share of them is not above."""
    return sorted(found)[min(len(found) - 1, int(share * len(found)))]


async def _measure(
    pid: int, discovery: int, roots: Path, messages: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Milliseconds of each answer, and the seconds of the processor that all of them took."""
    patient = BenchTimers(
        message=20.0, slow_message=20.0, charge_loop=20.0, current_demand=20.0, sequence=60.0
    )
    target = Target(sdp_port=discovery, tls=True, roots=roots, pki=CarPki.read(PKI), timers=patient)
    times: dict[str, list[float]] = {"-2": [], "-20": []}
    used = {"-2": 0.0, "-20": 0.0}
    offer = DiscoveryOffer((EnergyTransferMode.DC_EXTENDED,), (PaymentOption.EXTERNAL_PAYMENT,))
    for _ in range(ROUNDS):
        older = BenchCar(Trial(target, Facts(tls=offer), tls=True), dc=True)
        await older.reach(Phase.LOOP)
        used["-2"] -= processor(pid)
        times["-2"] += await _loop(older, older.loop_request, messages // ROUNDS)
        used["-2"] += processor(pid)
        newer = Iso20Car(Trial(target, Facts(iso20=frozenset({Service.DC}), iso20_tls=True), tls=True))
        await newer.go(Point.LOOP)
        used["-20"] -= processor(pid)
        times["-20"] += await _loop(newer, newer.energy.request(1), messages // ROUNDS)
        used["-20"] += processor(pid)
    return times, used


async def _loop(car: Talk, request: object, count: int) -> list[float]:
    """Milliseconds of each answer; then the car is gone."""
    found = []
    for _ in range(count):
        answer = await car.ask(request)  # type: ignore[arg-type]
        assert isinstance(answer, CarAnswer)
        found.append(1000 * answer.seconds)
        await asyncio.sleep(PACE)
    await car.trial.clean_up()
    return found


if __name__ == "__main__":
    main()
