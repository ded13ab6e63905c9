"""What a TLS handshake costs a station, by profile, and how long it holds the event loop.

`python -m tools.bench.tls` plays handshakes of both profiles in one process. The columns are the station's
side only: everything it computes, its longest piece (one call of the engine), both in processor time, and
the longest pause of an event loop meanwhile, with the engine fed as the station feeds it. Each is the
smallest of all rounds, as a multiple of TLS 1.2 of ISO 15118-2 in the same run: times depend on the
machine, ratios hardly do.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from pathlib import Path

from certs.testpki import make
from secc.pki.certificates import read_chain
from secc.pki.hierarchy import make_iso20_hierarchy, write_hierarchy
from secc.pki.keys import KeyType
from secc.pki.profiles import Kind
from secc.pki.trust import trust
from secc.tls import CredentialFiles, Iso20Policy, OpenSslEngine, TlsContext

OLD = Path(make.__file__).parent


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the station's side of TLS handshakes.")
    parser.add_argument(
        "--rounds", type=int, default=60, help="handshakes of each profile; default: %(default)s"
    )
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        ed448 = Path(folder)
        made = make_iso20_hierarchy(KeyType.ED448, not_before=make.NOT_BEFORE, not_after=make.NOT_AFTER)
        write_hierarchy(made, ed448, make.NOT_BEFORE)
        profiles = {
            "ISO 15118-2, P-256": (station(), TlsContext.for_client(OLD / "v2g_root.pem")),
            "ISO 15118-20, P-521": pair(OLD / "iso20", "P-521"),
            "ISO 15118-20, P-521, x448": pair(OLD / "iso20", "X448"),
            "ISO 15118-20, Ed448, x448": pair(ed448, "X448"),
        }
        base: tuple[float, float, float] | None = None
        print(f"{'':28}{'computing':>12}{'longest call':>14}{'loop paused':>13}")
        for name, (server, client) in profiles.items():
            found = measure(server, client, rounds)
            base = base or found
            ratios = [f"{one / first:.1f}" for one, first in zip(found, base, strict=True)]
            print(f"{name:28}{ratios[0]:>12}{ratios[1]:>14}{ratios[2]:>13}")
        assert base is not None
        print(f"{'first row, ms':28}{base[0] * 1e3:>12.2f}{base[1] * 1e3:>14.2f}{base[2] * 1e3:>13.2f}")


def station(iso20: Iso20Policy | None = None) -> TlsContext:
    """A station, with TLS 1.3 where a policy is given."""
    older = CredentialFiles(chain=OLD / "secc_chain.pem", key=OLD / "secc_leaf_key.pem")
    return TlsContext.for_station([older], iso20=iso20)


def pair(folder: Path, groups: str) -> tuple[TlsContext, TlsContext]:
    """A station and a vehicle with the hierarchy of a folder."""
    chains = [CredentialFiles(chain=folder / "secc_chain.pem", key=folder / "secc_leaf_key.pem")]
    root = read_chain((folder / "oem_root.pem").read_bytes())[0]
    policy = Iso20Policy(chains=chains, trust=trust([(Kind.OEM_ROOT, root)]))
    shown = CredentialFiles(chain=folder / "vehicle_chain.pem", key=folder / "vehicle_leaf_key.pem")
    vehicle = TlsContext.for_client(
        folder / "v2g_root.pem", certificate=shown, iso2=False, iso20=True, groups=groups
    )
    return station(policy), vehicle


def measure(server: TlsContext, client: TlsContext, rounds: int) -> tuple[float, float, float]:
    """Seconds: all computing, the longest call, the longest pause of the loop; the smallest of the rounds."""
    pieces = [handshake(server.engine(), client.engine()) for _ in range(rounds)]
    paused = [asyncio.run(pause(server, client)) for _ in range(rounds)]
    return min(sum(one) for one in pieces), min(max(one) for one in pieces), min(paused)


def handshake(server: OpenSslEngine, client: OpenSslEngine) -> list[float]:
    """Processor times of the station's calls."""
    pieces: list[float] = []
    to_server = client.start()
    while to_server:
        begin = time.thread_time()
        progress = server.feed(to_server)
        pieces.append(time.thread_time() - begin)
        to_server = client.feed(progress.to_send).to_send
    assert server.handshake_done
    return pieces


async def pause(server: TlsContext, client: TlsContext) -> float:
    """The longest time between two turns of a loop while the station's engine is fed."""
    engine, other = server.engine(), client.engine()
    turns: list[float] = []

    async def beat() -> None:
        while True:
            turns.append(time.perf_counter())
            await asyncio.sleep(0)

    task = asyncio.create_task(beat())
    to_server, longest = other.start(), 0.0
    while to_server:
        await asyncio.sleep(0)
        turns.clear()
        await asyncio.sleep(0)
        progress = await asyncio.to_thread(engine.feed, to_server) if engine.slow else engine.feed(to_server)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gaps = [after - before for before, after in itertools.pairwise(turns)]
        longest = max(longest, *gaps)
        to_server = other.feed(progress.to_send).to_send
    task.cancel()
    await asyncio.wait([task])
    return longest


if __name__ == "__main__":
    main()
