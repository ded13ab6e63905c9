"""The EV's side of discovery: request until a station answers."""

from __future__ import annotations

import asyncio
import random
import socket
from ipaddress import IPv6Address

from secc.errors import FramingError, LinkError
from secc.sdp import SDP_GROUP, SDP_PORT, SdpRequest, SdpResponse, Security
from secc.station.interface import LinkLocal, find_link_local

__all__ = ["discover"]


async def discover(
    interface: str, security: Security, *, port: int = SDP_PORT, tries: int = 50, interval: float = 0.25
) -> tuple[SdpResponse, LinkLocal]:
    """Ask on the interface: all nodes [V2G2-139], each 250 ms, up to 50 times; on loopback only `::1`.

    Raises LinkError when the interface has no address, or when no station answers.
    """
    link = find_link_local(interface)
    if link is None:
        raise LinkError(f"{interface}: no such interface, or it has no link-local address")
    loop = asyncio.get_running_loop()
    request = SdpRequest(security).to_bytes()
    with _open(link) as connection:
        to = ("::1", port, 0, 0) if link.address.is_loopback else (SDP_GROUP, port, 0, link.scope_id)
        for _ in range(tries):
            try:
                await loop.sock_sendto(connection, request, to)
                async with asyncio.timeout(interval):
                    return await _receive(connection), link
            except TimeoutError:
                continue
            except OSError:  # a closed port on loopback is reported here
                await asyncio.sleep(interval)
    raise LinkError(f"no station answered on {interface} in {tries * interval:g} s")


async def _receive(connection: socket.socket) -> SdpResponse:
    """The first well-formed response; everything else is ignored."""
    loop = asyncio.get_running_loop()
    while True:
        datagram, _ = await loop.sock_recvfrom(connection, 512)
        try:
            return SdpResponse.parse(datagram)
        except FramingError:
            continue


def _open(link: LinkLocal) -> socket.socket:
    connection = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        connection.setblocking(False)
        if not link.address.is_loopback:
            connection.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link.scope_id)
        _bind(connection, link.address, link.scope_id)
    except OSError:
        connection.close()
        raise
    return connection


def _bind(connection: socket.socket, address: IPv6Address, scope_id: int) -> None:
    """A port of the dynamic range, which EVs must use."""
    for port in random.sample(range(49152, 65536), 20):
        try:
            connection.bind((str(address), port, 0, scope_id))
        except OSError:
            continue
        return
    connection.bind((str(address), 0, 0, scope_id))
