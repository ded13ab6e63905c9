"""The EV's side of discovery."""

import asyncio
import socket
from ipaddress import IPv6Address

import pytest

from secc.errors import LinkError
from secc.sdp import SdpRequest, SdpResponse, Security
from secc.sim.sdp_client import discover


async def test_an_unknown_interface_is_named() -> None:
    with pytest.raises(LinkError, match="nosuch0"):
        await discover("nosuch0", Security.NONE)


async def test_silence_is_reported_after_all_tries() -> None:
    with pytest.raises(LinkError, match="no station answered on lo"):
        await discover("lo", Security.NONE, port=9, tries=2, interval=0.01)


async def test_what_is_no_response_is_ignored_and_the_response_is_taken() -> None:
    response = SdpResponse(IPv6Address("::1"), 50_000, Security.TLS)

    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as station:
        station.setblocking(False)
        station.bind(("::1", 0))
        asking = asyncio.ensure_future(
            discover("lo", Security.TLS, port=station.getsockname()[1], interval=2.0)
        )
        datagram, ev = await loop.sock_recvfrom(station, 512)
        assert datagram == SdpRequest(Security.TLS).to_bytes()
        assert 49152 <= ev[1] <= 65535
        await loop.sock_sendto(station, b"noise", ev)
        await loop.sock_sendto(station, response.to_bytes(), ev)
        found, link = await asking
        assert found == response
        assert link.interface == "lo"
