"""`secc doctor`: is everything there that a station needs, before the first car comes?"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import dataclasses
import datetime
import enum
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from secc import settings as configuration
from secc.cli import controller_check, display, misused, ports
from secc.errors import InUseError, LinkError, SeccError
from secc.sdp import SDP_GROUP, SDP_PORT
from secc.settings.config import SeccConfig
from secc.settings.tls import TlsPolicy
from secc.slac import events as slac
from secc.slac.matching import Matching
from secc.station import ownership
from secc.station.interface import find_link_local
from secc.station.raw_modem import RawModem
from secc.station.tls import INSECURE, load_context, load_trust
from secc.tls import TlsContext, utc_now
from secc.tls.binding import reach

EXAMPLES = """examples:
  secc doctor --config station.toml
  sudo secc doctor --config station.toml    also asks the modem, which needs a packet socket
  secc doctor --controller my_package:MyOutlet                      tries a controller, without a car
  secc doctor --controller my_package:MyOutlet --energise --config station.toml
  secc doctor --controller my_package:MyOutlet --energise --rig my_package:rig --json

Looks at: interface, modem and its firmware, IPv6 address, multicast, ports, protocols, certificates, clock.
Nothing is changed, but with [slac] enabled the modem gets a new key: not beside a running station. Exit code
1 when something stands in the way of charging.

With --controller only the controller is tried. Without --energise that is done by calls that need no power;
at a terminal the command asks before it switches power on. Nothing may be connected to the outlet then.
"""


class Grade(enum.Enum):
    """How good it is."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    grade: Grade
    text: str
    advice: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--config", "-c", help="TOML file of the station")
    parser.add_argument("--json", action="store_true", help="one JSON object per finding")
    controller_check.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look at everything, say what to do."""
    if arguments.controller is not None:
        return controller_check.run(arguments)
    if arguments.config is None:
        return misused("name the file of the station: --config; or a controller: --controller")
    try:
        settings = configuration.load(arguments.config)
    except SeccError as error:
        return misused(str(error))
    style = display.Style()
    worst = Grade.GOOD
    for finding in look(settings):
        if arguments.json:
            print(json.dumps({**dataclasses.asdict(finding), "grade": finding.grade.value}))
        else:
            paint = {Grade.GOOD: style.good, Grade.BAD: style.bad, Grade.NOTE: style.bold}[finding.grade]
            style.line(f"{paint(f'{finding.grade.value:5}')} {finding.what:12} {finding.text}")
            if finding.advice:
                style.line(f"{'':19}{finding.advice}")
        worst = finding.grade if finding.grade is Grade.BAD else worst
    return 1 if worst is Grade.BAD else 0


def look(settings: SeccConfig) -> Iterator[Finding]:
    """One finding after the other."""
    interface = settings.interface
    known = [name for _, name in socket.if_nameindex()]
    if interface not in known:
        advice = f"here are: {', '.join(known)}"
        yield Finding("interface", Grade.BAD, f"there is no {interface}", advice)
    else:
        yield _interface(interface)
        yield _address(interface)
        yield _multicast(interface)
        try:
            with ownership.Claim(settings, SDP_PORT):  # the modem gets a new key: not that of a station
                yield from _modem(settings)
        except InUseError as error:
            advice = "all is well if it is the station of this file; a second one would not start"
            yield Finding("owner", Grade.NOTE, f"{error}; the modem is not asked", advice)
        yield from _ports(settings)
    yield from _protocols(settings)
    yield from _certificates(settings)
    yield from _clock()


def _protocols(settings: SeccConfig) -> Iterator[Finding]:
    """Which cars a DC outlet turns away."""
    names = ", ".join(name.value for name in settings.protocols)
    if not settings.energy.offers_dc:
        return
    if not settings.offers_din or settings.tls.policy is TlsPolicy.REQUIRED:
        why = "tls.policy is required" if settings.offers_din else f"offered: {names}"
        advice = "many cars charge DC by DIN SPEC 70121 only, without TLS"
        yield Finding("protocols", Grade.NOTE, f"DIN SPEC 70121 is not spoken: {why}", advice)
    elif not settings.din.evse_id:
        text = f"{names}; in DIN the car is not told which outlet this is"
        yield Finding("protocols", Grade.NOTE, text, "set din.evse_id, by DIN SPEC 91286")
    else:
        yield Finding("protocols", Grade.GOOD, names)


def _interface(name: str) -> Finding:
    with contextlib.suppress(OSError):
        state = (_INTERFACES / name / "operstate").read_text().strip()
        if state in ("up", "unknown"):
            return Finding("interface", Grade.GOOD, f"{name} is {'up' if state == 'up' else 'there'}")
        return Finding("interface", Grade.BAD, f"{name} is {state}", f"ip link set {name} up; is it plugged?")
    return Finding("interface", Grade.NOTE, f"{name}: its state cannot be read")


_INTERFACES = Path("/sys/class/net")


def _address(name: str) -> Finding:
    found = find_link_local(name)
    if found is not None:
        return Finding("IPv6", Grade.GOOD, f"{found.address}")
    return Finding(
        "IPv6",
        Grade.BAD,
        "no link-local address",
        f"sysctl net.ipv6.conf.{name}.disable_ipv6=0, then up again",
    )


def _multicast(name: str) -> Finding:
    """All nodes is joined by the kernel itself; a socket must be able to do so too."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            group = socket.inet_pton(socket.AF_INET6, SDP_GROUP)
            request = group + socket.if_nametoindex(name).to_bytes(4, sys.byteorder)
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    except OSError as error:
        return Finding("multicast", Grade.BAD, f"{SDP_GROUP} on {name}: {error.strerror}", "IPv6 is needed")
    return Finding("multicast", Grade.GOOD, f"{SDP_GROUP} can be joined")


# --- the modem ----------------------------------------------------------------------------------------------


def _modem(settings: SeccConfig) -> Iterator[Finding]:
    if not settings.slac.enabled:
        yield Finding("modem", Grade.NOTE, "not looked for: [slac] is not enabled")
        return
    try:
        found, armed, refused = asyncio.run(_ask_modem(settings))
    except LinkError as error:
        advice = "" if os.geteuid() == 0 else "run as root, or give the program CAP_NET_RAW"
        yield Finding("modem", Grade.BAD, str(error), advice)
        return
    if not found.mac:
        advice = "is it powered, and at this interface?"
        yield Finding("modem", Grade.BAD, "nobody answered on the interface", advice)
        return
    names = " ".join(name for name in (found.hardware, found.firmware) if name) or "no name"
    yield Finding("modem", Grade.GOOD, f"{found.mac.hex(':')}, {found.vendor or 'unknown maker'}, {names}")
    if found.vendor is None:
        yield Finding("link status", Grade.NOTE, "this modem cannot be asked: the link is assumed")
    if armed:
        yield Finding("key", Grade.GOOD, "the modem takes a network key")
    elif refused is not None:
        advice = "see slac.set_key_result: 1 is success with Qualcomm modems"
        yield Finding("key", Grade.BAD, f"the modem refuses a network key with result {refused}", advice)
    else:
        advice = "is another process keying it?"
        yield Finding("key", Grade.BAD, "the modem does not confirm a network key", advice)


async def _ask_modem(settings: SeccConfig) -> tuple[slac.ModemFound, bool, int | None]:
    """What the matching finds out in its first moments: the modem, whether it takes a key, how it refuses."""
    loop = asyncio.get_running_loop()
    modem = RawModem(settings.interface)
    matching = Matching(settings.slac, evse_mac=modem.open(), random_bytes=os.urandom)
    armed, refused = False, None
    try:
        outputs = list(matching.handle(slac.ModemOpened(), loop.time()))
        async with asyncio.timeout(_MODEM_TIME):
            while True:
                for output in outputs:
                    if isinstance(output, slac.SendFrame):
                        modem.send(output.data)
                    armed = armed or isinstance(output, slac.Armed)
                    refused = output.result if isinstance(output, slac.KeyRefused) else refused
                data = await modem.receive()
                outputs = list(matching.handle(slac.FrameReceived(data), loop.time()))
    except TimeoutError:
        return matching.modem, armed, refused
    finally:
        modem.close()


_MODEM_TIME = 1.5  # s


# --- ports, certificates, clock -----------------------------------------------------------------------------


def _ports(settings: SeccConfig) -> Iterator[Finding]:
    """Bound as a station binds them: what runs on other interfaces is not in the way."""
    yield _port("UDP", SDP_PORT, ports.udp(settings.interface, SDP_PORT), settings)
    configured = [port for port in (settings.network.tcp_port, settings.network.tls_port) if port]
    link = find_link_local(settings.interface)
    for port in configured:
        if link is None:
            yield Finding("port", Grade.NOTE, f"TCP {port} cannot be tried: there is no link-local address")
        else:
            yield _port("TCP", port, ports.tcp(link, port), settings)


def _port(kind: str, port: int, taken: ports.Taken | None, settings: SeccConfig) -> Finding:
    if taken is None:
        return Finding("port", Grade.GOOD, f"{kind} {port} is free on {settings.interface}")
    seen = "stop it, or choose another port" if kind == "TCP" else "stop it: cars ask at this port"
    advice = seen if taken.holders else "run as root to see which process holds it"
    return Finding("port", Grade.BAD, f"{kind} {port} on {settings.interface}: {taken}", advice)


def _certificates(settings: SeccConfig) -> Iterator[Finding]:
    try:
        context = load_context(settings)
        load_trust(settings.trust)
    except SeccError as error:
        yield Finding("certificates", Grade.BAD, str(error))
        return
    if context is None:
        yield Finding("certificates", Grade.NOTE, "TLS is off: anybody on the cable may answer the EV")
    elif context.expires is not None:
        left = context.expires - utc_now()
        grade = Grade.GOOD if left > datetime.timedelta(days=30) else Grade.NOTE
        yield Finding("certificates", grade, f"good until {context.expires:%Y-%m-%d}, {left.days} days")
        for problem in (one.staple.problem for one in context.credentials if one.staple.problem):
            yield Finding("certificates", Grade.NOTE, f"nothing to staple: {problem}", "fetch it again")
    yield from _iso20(settings, context)
    roots = settings.trust.v2g_roots + settings.trust.mo_roots + settings.trust.oem_roots
    yield Finding("trust", Grade.GOOD if roots else Grade.NOTE, f"{len(roots)} files with roots")


def _iso20(settings: SeccConfig, context: TlsContext | None) -> Iterator[Finding]:
    """TLS 1.3 and the laboratory switch."""
    if settings.iso20.insecure_lab:
        advice = "set iso20.insecure_lab to false before a station is used by people"
        yield Finding("ISO 15118-20", Grade.BAD, INSECURE, advice)
    if context is None or context.iso20_problem is None:
        return
    if context.iso20_problem:
        advice = "until then cars get TLS 1.2 and charge by ISO 15118-2"
        yield Finding("ISO 15118-20", Grade.BAD, f"TLS 1.3 is not offered: {context.iso20_problem}", advice)
    else:
        end = min(one.expires for one in context.iso20_credentials)
        left = end - utc_now()
        grade = Grade.GOOD if left > datetime.timedelta(days=30) else Grade.NOTE
        yield Finding("ISO 15118-20", grade, f"TLS 1.3 is offered until {end:%Y-%m-%d}, {left.days} days")
    for problem in (one.staple.problem for one in context.iso20_credentials if one.staple.problem):
        yield Finding("ISO 15118-20", Grade.NOTE, f"nothing to staple: {problem}", "fetch it again")
    for gap in reach().gaps:
        yield Finding("ISO 15118-20", Grade.NOTE, f"the TLS library: {gap}", "install the tested releases")


def _clock() -> Iterator[Finding]:
    """Certificates are judged by it, meter readings carry it."""
    now = datetime.datetime.fromtimestamp(time.time(), datetime.UTC)
    if now.year < _THIS_YEAR:
        yield Finding("clock", Grade.BAD, f"it is not {now.year}", "set the clock; use NTP")
    elif _synchronised():
        yield Finding("clock", Grade.GOOD, f"{now:%Y-%m-%d %H:%M:%S} UTC, kept by NTP or the like")
    else:
        yield Finding("clock", Grade.NOTE, f"{now:%Y-%m-%d %H:%M:%S} UTC, kept by nobody", "use NTP")


_THIS_YEAR = 2025


def _synchronised() -> bool:
    """Whether the kernel believes that somebody keeps its clock."""
    try:
        library = ctypes.CDLL(None)
        buffer = ctypes.create_string_buffer(512)  # a struct timex, all zero: only read
        return int(library.adjtimex(buffer)) not in (-1, _TIME_ERROR)
    except (OSError, AttributeError):
        return False


_TIME_ERROR = 5
