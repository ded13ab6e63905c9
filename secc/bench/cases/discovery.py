"""SDP and its V2GTP header."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address

from secc.bench.case import Case, Need
from secc.bench.trial import Trial
from secc.bench.verdict import Inconclusive
from secc.errors import FramingError
from secc.sdp import SdpRequest, SdpResponse, SdpTransport, Security

SDP = "SDP"
HEADER = "V2GTP header on SDP"
DYNAMIC = range(49152, 65536)


def _answered(asked: Security, offered: Security) -> Callable[[Trial], Awaitable[None]]:
    """Send a request; expect an answer with this security and a usable address and port."""

    async def run(trial: Trial) -> None:
        response = await _ask(trial, SdpRequest(asked).to_bytes(), f"SDP request, security {asked.name}")
        trial.check(response.security is offered, f"security {offered.name}", response.security.name)
        trial.check(response.transport is SdpTransport.TCP, "transport TCP", response.transport.name)
        _check_address(trial, response)

    return run


async def _ask(trial: Trial, data: bytes, text: str, *, tries: int = 3) -> SdpResponse:
    """Return the answer; the tester repeats a few times, as datagrams may be lost."""
    with contextlib.suppress(Inconclusive):
        # Some stations do not answer for a while after a session; the check below shows a station that never
        # answers.
        await trial.discover(usual_security(trial))
    for _ in range(tries):
        answer = await trial.datagram(data, text)
        if answer is None:
            continue
        try:
            return SdpResponse.parse(answer)
        except FramingError as error:
            trial.check(False, "a well-formed SDP response", f"{answer.hex()}: {error}")
    limit = trial.timers.discovery
    trial.check(False, f"an SDP response within {limit:g} s", f"nothing in {tries} tries")
    raise AssertionError


def _check_address(trial: Trial, response: SdpResponse) -> None:
    address: IPv6Address = response.address
    usable = address.is_link_local or (address.is_loopback and trial.target.interface == "lo")
    trial.check(usable, "a link-local address", address)
    if response.port not in DYNAMIC:
        trial.check(False, "a port in 49152..65535", response.port)


def ignored(data: bytes, text: str) -> Callable[[Trial], Awaitable[None]]:
    """Expect no answer to this datagram, but answers to valid requests before and after it."""

    async def run(trial: Trial) -> None:
        await trial.discover(usual_security(trial))  # positive control: silence alone is no pass
        answer = await trial.datagram(data, text)
        got = "" if answer is None else answer.hex()
        trial.check(answer is None, f"no answer for {trial.timers.discovery:g} s", got)
        await _ask(trial, SdpRequest(usual_security(trial)).to_bytes(), "a valid SDP request")

    return run


def usual_security(trial: Trial) -> Security:
    return Security.TLS if trial.tls else Security.NONE


async def _header(trial: Trial) -> None:
    security = usual_security(trial)
    for _ in range(3):
        answer = await trial.datagram(SdpRequest(security).to_bytes(), "SDP request")
        if answer is not None:
            break
    trial.check(answer is not None, "an SDP response", "nothing in 3 tries")
    assert answer is not None
    trial.check(
        answer[:8] == bytes.fromhex("01fe900100000014"), "header 01 FE 9001 00000014", answer[:8].hex()
    )
    trial.check(len(answer) == 28, "28 bytes in all", f"{len(answer)} bytes")


async def again(trial: Trial) -> None:
    """Check that each request is answered in the same way while nothing has happened [V2G2-144]."""
    request = SdpRequest(usual_security(trial)).to_bytes()
    first = await _ask(trial, request, "SDP request")
    await asyncio.sleep(0.25)
    second = await _ask(trial, request, "SDP request, again")
    trial.check(first == second, f"port {first.port} again", f"port {second.port}")


async def downgrade(trial: Trial) -> None:
    """Check that a failed TLS handshake does not change the offer."""
    wire = await trial.connect_below()
    await wire.send(bytes.fromhex("16030100050100000100"))
    await wire.wait_closed(trial.timers.close)
    after = await _ask(trial, SdpRequest(Security.TLS).to_bytes(), "SDP request for TLS, again")
    trial.check(after.security is Security.TLS, "security TLS", after.security.name)


async def _too_late(trial: Trial) -> None:
    """Check that discovery stops when no EV connects during the setup time [V2G2-723]."""
    await renew_link(trial)
    await trial.discover(usual_security(trial))
    await wait_for_setup_timeout(trial)
    answer = await trial.datagram(SdpRequest(usual_security(trial)).to_bytes(), "SDP request")
    trial.check(
        answer is None, f"no answer for {trial.timers.discovery:g} s", "" if answer is None else answer.hex()
    )
    await renew_link(trial)
    await _ask(trial, SdpRequest(usual_security(trial)).to_bytes(), "SDP request on a new link")


async def wait_for_setup_timeout(trial: Trial) -> None:
    """Wait until the setup time of the station is over."""
    wait = trial.timers.setup * _SETUP_MARGIN
    trial.note("note", f"nothing for {wait:g} s")
    await asyncio.sleep(wait)


async def renew_link(trial: Trial) -> None:
    """Disconnect and reconnect the data link."""
    trial.note("note", "the data link goes down and up again")
    await trial.link("down")
    await trial.link("up")


_SETUP_MARGIN = 20 / 18
"""Between the 18 s of the station and the 20 s of the EV, discovery may or may not have stopped."""

_REQUEST = SdpRequest(Security.NONE).to_bytes()
_ANY = frozenset({Need.SDP})


def _case(
    number: str, title: str, expect: str, run: Callable[[Trial], Awaitable[None]], *needs: Need
) -> Case:
    return Case(
        id=f"TC_SECC_CMN_VTB_{number}",
        group=SDP if number.startswith("SDP") else HEADER,
        title=title,
        expect=expect,
        run=run,
        ids="V2G2-144 V2G2-151 V2G2-625" if number.startswith("SDP") else "V2G2-152 V2G2-153 V2G2-800",
        needs=_ANY | frozenset(needs),
    )


def _late(number: str, title: str, *needs: Need) -> Case:
    made = _case(number, title, "no answer", _too_late, Need.LINK, Need.LONG, *needs)
    return dataclasses.replace(made, waits=("setup",), ids="V2G2-716 V2G2-723")


CASES: tuple[Case, ...] = (
    _case(
        "SDP_001",
        "SDP request without security",
        "a response without security: link-local address, port in 49152..65535",
        _answered(Security.NONE, Security.NONE),
        Need.PLAIN,
    ),
    _case(
        "SDP_002",
        "SDP request for TLS, external payment",
        "a response with TLS, address and port",
        _answered(Security.TLS, Security.TLS),
        Need.TLS,
    ),
    _case(
        "SDP_003",
        "SDP request for TLS, Plug and Charge",
        "a response with TLS, address and port",
        _answered(Security.TLS, Security.TLS),
        Need.TLS,
        Need.CONTRACT,
    ),
    _late("SDP_004", "no contact in the setup time, then SDP", Need.PLAIN),
    _late("SDP_005", "no contact in the setup time, then SDP for TLS", Need.TLS),
    _late("SDP_006", "no contact in the setup time, then SDP for TLS, Plug and Charge", Need.CONTRACT),
    _case(
        "SDP_007",
        "SDP request for TLS at a station without TLS",
        "a response without security, address and port [V2G2-627]",
        _answered(Security.TLS, Security.NONE),
        Need.NO_TLS,
    ),
    _case("V2GTPSDP_001", "lawful header", "header 01 FE 9001, length 20", _header),
    _case(
        "V2GTPSDP_002",
        "header with length 0",
        "no answer; a valid request after it is answered",
        ignored(_REQUEST[:4] + bytes(4) + _REQUEST[8:], "SDP request, length 0"),
    ),
    _case(
        "V2GTPSDP_003",
        "payload type 0x7000",
        "no answer; a valid request after it is answered",
        ignored(_REQUEST[:2] + bytes.fromhex("7000") + _REQUEST[4:], "SDP request, type 7000"),
    ),
    _case(
        "V2GTPSDP_004",
        "protocol version 0xFF",
        "no answer; a valid request after it is answered",
        ignored(b"\xff" + _REQUEST[1:], "SDP request, version FF"),
    ),
    _case(
        "V2GTPSDP_005",
        "inverse version 0xFF",
        "no answer; a valid request after it is answered",
        ignored(_REQUEST[:1] + b"\xff" + _REQUEST[2:], "SDP request, inverse version FF"),
    ),
)
