"""How `secc cpo` behaves as contracts grow: look-ups, answers to cars, a full renewal by two workers.

    python -m tools.bench.cpo_scale [--sizes 10000 100000 1000000] [--write]

PostgreSQL of its own, with durable writes. Contracts, cars, bundles and station certificates are loaded as
rows; keys, certificates and signatures of everything that is measured are real. Cars share a few provisioning
certificates, for a million of them would take longer to make than everything else; what is done with each is
the same. With --write the figures go into docs/explanation/scale.md as ratios to the smallest size.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import datetime
import json
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select, text, update

from secc import exi
from secc.messages import iso2
from secc.messages.xmldsig import X509IssuerSerial
from secc.operator.cpo.database import bundle, certificate, contract
from secc.operator.cpo.engine import JobIntervals, Queue
from secc.operator.cpo.keys import KeyPlace
from secc.operator.cpo.planning import bucket_of
from secc.operator.cpo.service import OperatorService
from secc.operator.cpo.settings import CpoSettings, Roots
from secc.pki.chains import KINDS
from secc.pki.hierarchy import Hierarchy, make_hierarchy, write_hierarchy
from secc.pki.identifiers import PCID
from secc.pki.issuing import Identity, Order, issue, new_key
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action
from secc.pki.trust import Role
from secc.pki.xmldsig import SignedPart, sign
from tools.bench.postgres import cluster

SIZES = (10_000, 100_000, 1_000_000)
CARS = 200
"""Cars with different provisioning certificates, which send requests."""
LOOKUPS = 5000
PER_STATION = 20
"""Contracts per station: 50,000 stations for a million."""
PACE = JobIntervals(sweep=1.0, seal=3600.0, roots=3600.0, heartbeat=1.0, lost=10.0)
DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured at one size; milliseconds and rates of this machine."""

    contracts: int
    stations: int
    load_seconds: float
    lookup_p50: float
    lookup_p99: float
    kept_per_second: float
    made_per_second: float
    due_scan: float
    sweep_per_second: float
    sweep_seconds: float
    cpu_milliseconds: float
    """Processor time of one renewal, workers and database: other work on the machine does not count."""
    killed_after: int
    lost: int
    double: int
    megabytes: float


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--write", action="store_true", help="into docs/explanation/scale.md")
    parser.add_argument("--folder", type=Path, help="where the database goes: 20 GB for a million contracts")
    parser.add_argument("--keep", type=Path, default=Path("build/cpo-scale.json"), help="raw figures")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave no server behind
    found: list[Figures] = []
    with cluster(folder=given.folder) as server, tempfile.TemporaryDirectory(prefix="secc-scale-") as folder:
        place = Place(Path(folder))
        for size in given.sizes:
            url = server.make_database(f"scale{size}")
            found.append(measure(place, url, size))
            given.keep.parent.mkdir(parents=True, exist_ok=True)
            given.keep.write_text(json.dumps([dataclasses.asdict(one) for one in found], indent=2))
    if given.write:
        from tools.docs.scale import write

        write(given.keep)
    return 1 if any(one.lost or one.double for one in found) else 0


class Place:
    """The hierarchy, the cars that ask, and their requests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        now = datetime.datetime.now(datetime.UTC)
        self.pki: Hierarchy = make_hierarchy(not_before=now - DAY, random_bytes=os.urandom(32))
        write_hierarchy(self.pki, folder / "pki", now)
        roles = {"cps": KINDS[Role.CPS], "mo": KINDS[Role.CONTRACT][1:], "cpo": KINDS[Role.SECC][1:]}
        for name, kinds in roles.items():
            chain = b"".join(self.pki[kind].certificate.pem for kind in kinds)
            (folder / "pki" / f"{name}.pem").write_bytes(chain)
        self.cars = [self._car(number, now) for number in range(CARS)]
        self.requests = [self._request(car) for car in self.cars]

    def settings(self, url: str) -> CpoSettings:
        """As files."""
        pki = self.folder / "pki"

        def place(name: str, kind: Kind) -> KeyPlace:
            return KeyPlace(chain=pki / f"{name}.pem", key=pki / f"{kind.value}_key.pem")

        return CpoSettings(
            database=url,
            roots=Roots(v2g=(pki / "v2g_root.pem",), mo=(pki / "mo_root.pem",), oem=(pki / "oem_root.pem",)),
            mo=place("mo", Kind.MO_SUB_CA_2),
            cps=place("cps", Kind.CPS_LEAF),
            cpo=place("cpo", Kind.CPO_SUB_CA_2),
        )

    def _car(self, number: int, now: datetime.datetime) -> Identity:
        key = new_key()
        order = Order(
            kind=Kind.OEM_LEAF,
            common_name=pcid_of(number),
            organization="Scale",
            country="",
            serial=number + 1,
            not_before=now - DAY,
        )
        return Identity(issue(order, key.public_key(), self.pki[Kind.OEM_SUB_CA_2]), key)

    def _request(self, car: Identity) -> bytes:
        root = self.pki[Kind.V2G_ROOT].certificate
        known = X509IssuerSerial(x509_issuer_name=str(root.issuer), x509_serial_number=root.serial)
        body = iso2.CertificateInstallationReq(
            id="id1",
            oem_provisioning_cert=car.certificate.der,
            list_of_root_certificate_ids=iso2.ListOfRootCertificateIDs(root_certificate_id=(known,)),
        )
        signature = sign((SignedPart("CertificateInstallationReq", body),), car.key)
        header = iso2.MessageHeader(session_id=bytes(8), signature=signature)
        return exi.ISO2.encode(iso2.V2GMessage(header=header, body=body))


def pcid_of(number: int) -> str:
    """Of the n-th car."""
    return f"ZZZ{number:014d}"


def emaid_of(number: int) -> str:
    """Of the n-th contract, without a check digit."""
    return f"DEABC{number:09d}"


# --- one size ---------------------------------------------------------------------------------------------


def measure(place: Place, url: str, size: int) -> Figures:
    """Load, ask, renew everything with two workers and kill one in the middle, count."""
    service = OperatorService(place.settings(url))
    asyncio.run(Queue(url, service.jobs).prepare())
    began = time.monotonic()
    load(service, place, size)
    loaded = time.monotonic() - began
    say(f"{size}: loaded in {loaded:.0f} s")
    lookups = look_up(service, size)
    say(f"{size}: look-up p99 {lookups[1]:.2f} ms")
    made = answers(service, place.requests, rounds=1)
    stored = answers(service, place.requests, rounds=10)
    say(f"{size}: answers/s stored {stored:.0f}, made {made:.0f}")
    scan = timed(lambda: service.contracts.due_buckets(service.clock())) * 1000
    megabytes = database_size(service)
    seconds, killed_after, each = sweep(service, place, url, size)
    lost, double = count_faults(service, size)
    say(f"{size}: renewed in {seconds:.0f} s, lost {lost}, double {double}")
    service.close()
    return Figures(
        contracts=size,
        stations=size // PER_STATION,
        load_seconds=loaded,
        lookup_p50=lookups[0],
        lookup_p99=lookups[1],
        kept_per_second=stored,
        made_per_second=made,
        due_scan=scan,
        sweep_per_second=size / seconds,
        sweep_seconds=seconds,
        cpu_milliseconds=each * 1000,
        killed_after=killed_after,
        lost=lost,
        double=double,
        megabytes=megabytes,
    )


def load(service: OperatorService, place: Place, size: int) -> None:
    """Rows as they are after a year of service: each contract with a bundle, 1 of 700 due today."""
    now = service.clock()
    first = service.contracts.put(emaid_of(0))
    of_all = service.delivery.make(first, Action.INSTALL, place.cars[0].certificate, now)
    leaf = service.leaves
    assert leaf is not None
    station = place.pki[Kind.SECC_LEAF].certificate
    issuer = leaf.authority.certificate.fingerprint
    with service.database.engine.begin() as connection:
        connection.execute(text("SET synchronous_commit = off"))
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("DELETE FROM contract"))
        ders = [(one.certificate.fingerprint, one.certificate.der) for one in place.cars]
        copy(connection, "car (pcid, fingerprint, der)", ((pcid_of(n), *ders[n % CARS]) for n in range(size)))
        columns = "contract (key, emaid, status, pcid, generation, bucket, renew_at, not_after)"
        copy(connection, columns, (contract_row(n, now) for n in range(size)))
        copy(
            connection,
            "bundle (key, generation, receiver, action, payload, made_at, not_after)",
            (
                (emaid_of(n), 1, "0" * 64, "Install", of_all.payload, now - 300 * DAY, now + 65 * DAY)
                for n in range(size)
            ),
        )
        columns = "certificate (issuer, serial, kind, subject, owner, der, not_before, not_after, replaced)"
        copy(
            connection,
            columns,
            (
                (
                    of_all.issuer,
                    f"{n + 1:x}",
                    Kind.CONTRACT_LEAF.value,
                    emaid_of(n),
                    emaid_of(n),
                    of_all.leaf.der,
                    now - 300 * DAY,
                    now + 65 * DAY,
                    False,
                )
                for n in range(size)
            ),
        )
        copy(
            connection,
            columns,
            (
                (
                    issuer,
                    f"{n + 1:x}",
                    Kind.SECC_LEAF.value,
                    f"STATION{n}",
                    f"STATION{n}",
                    station.der,
                    now - 30 * DAY,
                    now + (n % 90) * DAY,
                    False,
                )
                for n in range(size // PER_STATION)
            ),
        )
    with service.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


def contract_row(number: int, now: datetime.datetime) -> tuple[object, ...]:
    """Due within the next 700 days; one in 700 is due now."""
    key = emaid_of(number)
    renew = now + datetime.timedelta(days=number % 700) - datetime.timedelta(hours=12)
    return (key, key, "active", pcid_of(number), 1, bucket_of(key), renew, renew + 60 * DAY)


def copy(connection: Connection, into: str, rows: Iterator[tuple[object, ...]]) -> None:
    """COPY: nothing else is fast enough."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as stream:
        for row in rows:
            stream.write_row(row)


def look_up(service: OperatorService, size: int) -> tuple[float, float]:
    """A car's contract and its bundle, at random: median and 99th percentile in milliseconds."""
    chosen = random.Random(size)
    times: list[float] = []
    for _ in range(LOOKUPS):
        pcid = PCID.parse(pcid_of(chosen.randrange(size)))

        def both(pcid: PCID = pcid) -> None:
            found, _ = service.contracts.of_car(pcid)
            assert found is not None
            service.contracts.bundle(found, "0" * 64)

        times.append(timed(both) * 1000)
    return statistics.median(times), sorted(times)[int(len(times) * 0.99)]


def answers(service: OperatorService, requests: list[bytes], *, rounds: int) -> float:
    """Requests of cars from four threads of one process, signature checked; answers per second."""
    questions = requests * rounds

    def ask(request: bytes) -> None:
        assert service.delivery.answer(request, Action.INSTALL).refusal is None

    with ThreadPoolExecutor(4) as threads:
        began = time.monotonic()
        list(threads.map(ask, questions))
        return len(questions) / (time.monotonic() - began)


# --- the sweep --------------------------------------------------------------------------------------------


def sweep(service: OperatorService, place: Place, url: str, size: int) -> tuple[float, int, float]:
    """Everything is due; two workers, one killed when a third is done, another takes its place.

    Seconds, how many were renewed at the kill, seconds of processor time for each after the first tenth.
    """
    with service.database.engine.begin() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        values = {"renew_at": service.clock() - DAY}
        connection.execute(update(contract).values(values))
    before = renewed(service)
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=work, args=(place.settings(url),), daemon=True) for _ in range(2)]
    postmaster = postmaster_of(service)
    began, base = time.monotonic(), (0, 0.0)
    for worker in workers:
        worker.start()
    killed_after = 0
    while (done := renewed(service) - before) < size:
        if not base[0] and done >= size // 10:  # the start of processes is not counted
            base = (done, cpu_of_all(workers, postmaster))
        if not killed_after and done >= size // 3:
            workers[0].kill()
            killed_after = done
            workers.append(spawn.Process(target=work, args=(place.settings(url),), daemon=True))
            workers[-1].start()
        time.sleep(max(0.2, size / 200_000))  # to count is work as well
    seconds = time.monotonic() - began
    spent = cpu_of_all(workers, postmaster) - base[1]
    for worker in workers:
        worker.kill()
        worker.join()
    return seconds, killed_after, spent / max(1, size - base[0])


def cpu_of(pid: int, *, children: bool = False) -> float:
    """Seconds of processor time of a process, also one that was killed and not yet looked after."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    ticks = sum(int(one) for one in fields[11 : 15 if children else 13])
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_of_all(workers: Sequence[SpawnProcess], postmaster: int) -> float:
    """Of the workers and of the whole server, with those of its processes that have ended."""
    found = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    server = cpu_of(postmaster, children=True) + sum(cpu_of(int(one)) for one in found)
    return server + sum(cpu_of(worker.pid or 0) for worker in workers)


def postmaster_of(service: OperatorService) -> int:
    """The parent of the process that serves this connection."""
    with service.database.read() as connection:
        backend = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    return int(Path(f"/proc/{backend}/stat").read_text().rsplit(")", 1)[1].split()[1])


def work(settings: CpoSettings) -> None:
    """One worker process."""
    service = OperatorService(settings)
    asyncio.run(Queue(settings.database, service.jobs, PACE, concurrency=1).work())


def renewed(service: OperatorService) -> int:
    """How many certificates have been issued in all."""
    with service.database.read() as connection:
        return int(connection.execute(select(func.sum(contract.c.generation))).scalar_one())


def count_faults(service: OperatorService, size: int) -> tuple[int, int]:
    """Contracts without a bundle of their newest generation; certificates in use beyond one per contract."""
    joined = contract.outerjoin(
        bundle, (bundle.c.key == contract.c.key) & (bundle.c.generation == contract.c.generation)
    )
    in_use = (
        select(certificate.c.owner)
        .where(certificate.c.kind == Kind.CONTRACT_LEAF.value, certificate.c.replaced.is_(False))
        .group_by(certificate.c.owner)
        .having(func.count() > 1)
    )
    with service.database.engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        total = int(connection.execute(select(func.count()).select_from(contract)).scalar_one())
        without = select(func.count()).select_from(joined).where(bundle.c.key.is_(None))
        lost = int(connection.execute(without).scalar_one()) + (size - total)
        issued = int(connection.execute(select(func.count()).where(*_contract_leaves())).scalar_one())
        generations = int(connection.execute(select(func.sum(contract.c.generation))).scalar_one())
        double = int(connection.execute(select(func.count()).select_from(in_use.subquery())).scalar_one())
    return lost, double + abs(issued - generations)


def _contract_leaves() -> tuple[Any, ...]:
    return (certificate.c.kind == Kind.CONTRACT_LEAF.value,)


def database_size(service: OperatorService) -> float:
    """Megabytes on the disk."""
    with service.database.read() as connection:
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    return float(size) / 1e6


def timed(what: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
