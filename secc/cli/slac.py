"""`secc slac`: show the attenuation between EV and station, for commissioning."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from secc.cli import misused, refused
from secc.errors import SeccError
from secc.slac import picture
from secc.slac.attenuation import mean
from secc.slac.picture import Measured
from secc.station.raw_modem import RawModem
from secc.trace.capture import frames

EXAMPLES = """examples:
  secc slac matching.pcapng                      read a capture, pcap or pcapng
  sudo secc slac --interface eth1 --seconds 60   listen beside a running station; nothing is sent
  secc slac matching.pcap --svg attenuation.svg

Each picture shows the attenuation of the 58 carrier groups: a longer bar is worse. A good cable has
about 10 to 30 dB, nearly flat; the EV of a neighbour at least 10 dB more. A gap means a bad contact or
a filter in the line. Exit code 1 when nothing was measured.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("capture", nargs="?", type=Path, help="capture file")
    parser.add_argument("--interface", "-i", help="listen on this interface instead (Linux, root)")
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds to listen (30)")
    parser.add_argument("--svg", type=Path, help="also write a drawing")
    parser.add_argument("--json", action="store_true", help="figures only")


def run(arguments: argparse.Namespace) -> int:
    """Collect measurements and show them."""
    if (arguments.capture is None) == (arguments.interface is None):
        return misused("expected a capture file or --interface")
    try:
        if arguments.capture is not None:
            data = arguments.capture.read_bytes()
            found = picture.collect(frame for _, frame in frames(data))
        else:
            found = asyncio.run(_listen(arguments.interface, arguments.seconds))
    except OSError as error:
        return misused(f"{arguments.capture}: {error.strerror}")
    except SeccError as error:
        return misused(str(error))
    if not found:
        return refused("no attenuation was measured or reported")
    curves = [curve for measured in found.values() for curve in _curves(measured)]
    if arguments.svg is not None:
        arguments.svg.write_text(picture.svg(curves), encoding="utf-8")
    _show(found, as_json=arguments.json)
    return 0


async def _listen(interface: str, seconds: float) -> dict[bytes, Measured]:
    found: dict[bytes, Measured] = {}
    modem = RawModem(interface)
    modem.open()
    try:
        async with asyncio.timeout(seconds):
            while True:
                picture.add(found, await modem.receive())
    except TimeoutError:
        return found
    finally:
        modem.close()


def _curves(measured: Measured) -> list[tuple[str, bytes]]:
    """Return title and profile of all measurements of one EV."""
    ev = measured.ev_mac.hex(":")
    curves = []
    if measured.profile:
        curves.append((f"{ev} measured here, {len(measured.profiles)} sounds", measured.profile))
    curves += [
        (f"{ev} reported by {station.hex(':')}", profile) for station, profile in measured.told.items()
    ]
    return curves


def _show(found: dict[bytes, Measured], *, as_json: bool) -> None:
    for measured in found.values():
        for name, profile in _curves(measured):
            if as_json:
                figures = {"name": name, "mean": round(mean(profile), 2), "profile": list(profile)}
                print(json.dumps(figures))
                continue
            print(f"{name}: mean {mean(profile):.1f} dB, {min(profile)} to {max(profile)} dB")
            for line in picture.bars(profile):
                print(line)
            print()
