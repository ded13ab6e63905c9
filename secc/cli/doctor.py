"""`secc doctor`: check configuration, interface, modem and certificates before the first car comes."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import datetime
import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from secc import settings as configuration
from secc.certificate_files import load_trust
from secc.cli import controller_check, display, doctor_modem, misused, ports
from secc.cli.diagnosis import Diagnosis, Grade
from secc.errors import InUseError, SeccError
from secc.pki.kinds import Generation
from secc.pki.suites import keys_of
from secc.pki.trust import Role, TrustStore
from secc.sdp import SDP_GROUP, SDP_PORT
from secc.settings.config import SeccConfig
from secc.settings.protocols import ProtocolName
from secc.settings.services import Payment
from secc.settings.tls import TlsPolicy
from secc.site.site import site_keys
from secc.station import ownership
from secc.station.interface import find_link_local
from secc.station.tls import INSECURE, load_context
from secc.tls import TlsContext, utc_now
from secc.tls.binding import reach

EXAMPLES = """examples:
  secc doctor --config station.toml
  sudo secc doctor --config station.toml    also checks the modem, which needs a packet socket
  secc doctor --controller my_package:MyOutlet                      checks a controller, without a car
  secc doctor --controller my_package:MyOutlet --energise --config station.toml
  secc doctor --controller my_package:MyOutlet --energise --rig my_package:rig --json

Checks interface, modem and its firmware, IPv6 address, multicast, ports, protocols, certificates and clock.
Nothing is changed, but with [slac] enabled the modem gets a new key: not for use with a running station. Exit
code 1 when a problem prevents charging.

With --controller only the controller is checked. Without --energise only calls without power are used;
at a terminal the command asks for confirmation before it switches power on. Disconnect the outlet first.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--config", "-c", help="TOML file of the station")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each finding")
    controller_check.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check everything and print what to do."""
    if arguments.controller is not None:
        return controller_check.run(arguments)
    if arguments.config is None:
        return misused("expected --config with the file of the station, or --controller")
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


def look(settings: SeccConfig) -> Iterator[Diagnosis]:
    """Yield the findings in order."""
    interface = settings.interface
    known = [name for _, name in socket.if_nameindex()]
    if interface not in known:
        yield doctor_modem.missing_interface(interface, known)
    else:
        yield _interface(interface)
        yield _address(interface)
        yield _multicast(interface)
        try:
            with ownership.OutletClaim(settings, SDP_PORT):  # the modem gets a new key
                yield from doctor_modem.modem(settings)
        except InUseError as error:
            advice = "no problem if it is the station of this file; a second station would not start"
            yield Diagnosis("owner", Grade.NOTE, f"{error}; the modem is not checked", advice)
        yield from _ports(settings)
    yield from _protocols(settings)
    yield from _certificates(settings)
    yield from _site(settings)
    yield from _clock()


def _protocols(settings: SeccConfig) -> Iterator[Diagnosis]:
    """Report which cars a DC outlet cannot serve."""
    names = ", ".join(name.value for name in settings.protocols)
    if not settings.energy.offers_dc:
        return
    if not settings.offers_din or settings.tls.policy is TlsPolicy.REQUIRED:
        why = "tls.policy is required" if settings.offers_din else f"offered: {names}"
        advice = "many cars charge DC by DIN SPEC 70121 only, without TLS"
        yield Diagnosis("protocols", Grade.NOTE, f"DIN SPEC 70121 is not offered: {why}", advice)
    elif not settings.din.evse_id:
        text = f"{names}; in DIN the car does not receive the identifier of the outlet"
        yield Diagnosis("protocols", Grade.NOTE, text, "set din.evse_id as in DIN SPEC 91286")
    else:
        yield Diagnosis("protocols", Grade.GOOD, names)


def _interface(name: str) -> Diagnosis:
    with contextlib.suppress(OSError):
        state = (_INTERFACES / name / "operstate").read_text().strip()
        if state in ("up", "unknown"):
            return Diagnosis("interface", Grade.GOOD, f"{name} is {'up' if state == 'up' else 'there'}")
        return Diagnosis(
            "interface", Grade.BAD, f"{name} is {state}", f"ip link set {name} up; check the cable"
        )
    return Diagnosis("interface", Grade.NOTE, f"{name}: unreadable state")


_INTERFACES = Path("/sys/class/net")


def _address(name: str) -> Diagnosis:
    found = find_link_local(name)
    if found is not None:
        return Diagnosis("IPv6", Grade.GOOD, f"{found.address}")
    return Diagnosis(
        "IPv6",
        Grade.BAD,
        "no link-local address",
        f"run sysctl net.ipv6.conf.{name}.disable_ipv6=0, then set the link up again",
    )


def _multicast(name: str) -> Diagnosis:
    """The kernel joins all-nodes itself; a socket must be able to join it too."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            group = socket.inet_pton(socket.AF_INET6, SDP_GROUP)
            request = group + socket.if_nametoindex(name).to_bytes(4, sys.byteorder)
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    except OSError as error:
        return Diagnosis("multicast", Grade.BAD, f"{SDP_GROUP} on {name}: {error.strerror}", "IPv6 is needed")
    return Diagnosis("multicast", Grade.GOOD, f"{SDP_GROUP} can be joined")


# --- ports, certificates, clock -----------------------------------------------------------------------------


def _ports(settings: SeccConfig) -> Iterator[Diagnosis]:
    """Bind as a station does: sockets on other interfaces do not matter."""
    yield _port("UDP", SDP_PORT, ports.udp(settings.interface, SDP_PORT), settings)
    configured = [port for port in (settings.network.tcp_port, settings.network.tls_port) if port]
    link = find_link_local(settings.interface)
    for port in configured:
        if link is None:
            yield Diagnosis("port", Grade.NOTE, f"TCP {port} cannot be checked: no link-local address")
        else:
            yield _port("TCP", port, ports.tcp(link, port), settings)


def _port(kind: str, port: int, taken: ports.PortTaken | None, settings: SeccConfig) -> Diagnosis:
    if taken is None:
        return Diagnosis("port", Grade.GOOD, f"{kind} {port} is free on {settings.interface}")
    seen = "stop it, or choose another port" if kind == "TCP" else "stop it: cars use this port"
    advice = seen if taken.holders else "run as root to see which process holds it"
    return Diagnosis("port", Grade.BAD, f"{kind} {port} on {settings.interface}: {taken}", advice)


def _certificates(settings: SeccConfig) -> Iterator[Diagnosis]:
    try:
        context = load_context(settings)
        trust = load_trust(settings.trust)
    except SeccError as error:
        yield Diagnosis("certificates", Grade.BAD, str(error))
        return
    if context is None:
        yield Diagnosis("certificates", Grade.NOTE, "TLS is off: any device on the cable may answer the EV")
    elif context.expires is not None:
        left = context.expires - utc_now()
        grade = Grade.GOOD if left > datetime.timedelta(days=30) else Grade.NOTE
        yield Diagnosis("certificates", grade, f"valid until {context.expires:%Y-%m-%d}, {left.days} days")
        for problem in (one.staple.problem for one in context.credentials if one.staple.problem):
            yield Diagnosis("certificates", Grade.NOTE, f"no OCSP response: {problem}", "fetch it again")
    yield from _iso20(settings, context)
    yield from _iso20_contracts(settings, trust)
    roots = settings.trust.v2g_roots + settings.trust.mo_roots + settings.trust.oem_roots
    yield Diagnosis("trust", Grade.GOOD if roots else Grade.NOTE, f"{len(roots)} files with roots")


def _iso20(settings: SeccConfig, context: TlsContext | None) -> Iterator[Diagnosis]:
    """TLS 1.3 and the laboratory switch."""
    if settings.iso20.insecure_lab:
        advice = "set iso20.insecure_lab to false before a station is used by people"
        yield Diagnosis("ISO 15118-20", Grade.BAD, INSECURE, advice)
    if context is None or context.iso20_problem is None:
        return
    if context.iso20_problem:
        advice = "until then cars get TLS 1.2 and charge by ISO 15118-2"
        yield Diagnosis("ISO 15118-20", Grade.BAD, f"TLS 1.3 is not offered: {context.iso20_problem}", advice)
    else:
        end = min(one.expires for one in context.iso20_credentials)
        left = end - utc_now()
        grade = Grade.GOOD if left > datetime.timedelta(days=30) else Grade.NOTE
        yield Diagnosis("ISO 15118-20", grade, f"TLS 1.3 is offered until {end:%Y-%m-%d}, {left.days} days")
    for problem in (one.staple.problem for one in context.iso20_credentials if one.staple.problem):
        yield Diagnosis("ISO 15118-20", Grade.NOTE, f"nothing to staple: {problem}", "fetch it again")
    for gap in reach().gaps:
        yield Diagnosis("ISO 15118-20", Grade.NOTE, f"the TLS library: {gap}", "install the tested releases")


def _site(settings: SeccConfig) -> Iterator[Diagnosis]:
    """The keys with which a site issues contracts, of each generation."""
    if settings.pnc.site.store is None:
        return
    try:
        found = site_keys(settings.pnc.site)
    except SeccError as error:
        yield Diagnosis("site", Grade.BAD, str(error))
        return
    for generation, end in found.items():
        left = end - utc_now()
        grade = Grade.GOOD if left > datetime.timedelta(days=30) else Grade.NOTE
        yield Diagnosis("site", grade, f"contracts of {generation} until {end:%Y-%m-%d}, {left.days} days")
    speaks_iso20 = ProtocolName.ISO15118_20 in settings.protocols
    if found and speaks_iso20 and Generation.ISO20 not in found:
        text = "no keys for contracts of ISO 15118-20: a car of that protocol gets none here"
        yield Diagnosis("site", Grade.NOTE, text, "name them in [pnc.site.iso20]")


def _iso20_contracts(settings: SeccConfig, trust: TrustStore) -> Iterator[Diagnosis]:
    """Contracts that are offered in ISO 15118-2 and, for want of a root, not in ISO 15118-20."""
    wanted = Payment.CONTRACT in settings.service.payment_options and settings.iso20.contracts
    if not wanted or ProtocolName.ISO15118_20 not in settings.protocols:
        return
    lab = settings.iso20.insecure_lab
    keys = keys_of(Generation.LAB if lab else Generation.ISO20)
    known = any(one.certificate.key_type in keys for one in trust.for_role(Role.CONTRACT))
    if not known and not settings.pnc.central_validation:
        text = "contracts are not offered: no root for them on secp521r1 or Ed448"
        advice = "add it to trust.mo_roots or trust.v2g_roots, or set pnc.central_validation"
        yield Diagnosis("ISO 15118-20", Grade.NOTE, text, advice)


def _clock() -> Iterator[Diagnosis]:
    """Certificates are judged by it, and meter readings contain it."""
    now = datetime.datetime.fromtimestamp(time.time(), datetime.UTC)
    if now.year < _THIS_YEAR:
        yield Diagnosis("clock", Grade.BAD, f"the year {now.year} is not plausible", "set the clock; use NTP")
    elif _synchronised():
        yield Diagnosis("clock", Grade.GOOD, f"{now:%Y-%m-%d %H:%M:%S} UTC, synchronised")
    else:
        yield Diagnosis("clock", Grade.NOTE, f"{now:%Y-%m-%d %H:%M:%S} UTC, not synchronised", "use NTP")


_THIS_YEAR = 2025


def _synchronised() -> bool:
    """Return whether the kernel reports a synchronised clock."""
    try:
        library = ctypes.CDLL(None)
        buffer = ctypes.create_string_buffer(512)  # a struct timex with zeros only reads
        return int(library.adjtimex(buffer)) not in (-1, _TIME_ERROR)
    except (OSError, AttributeError):
        return False


_TIME_ERROR = 5
