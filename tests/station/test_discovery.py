"""The discovery socket on the loopback interface."""

import asyncio
import socket
from ipaddress import IPv6Address

import pytest

from secc.sdp import Endpoint, SdpResponder, SdpResponse, SdpVerdict, Security, Source
from secc.settings import TlsPolicy
from secc.station.discovery import Discovery, DiscoveryHealth
from secc.station.interface import LinkLocal

LO = LinkLocal("lo", IPv6Address("::1"), 0)
ASK = bytes.fromhex("01fe9000000000021000")
ANSWER = SdpResponse(IPv6Address("::1"), 50000, Security.NONE).to_bytes()


def responder() -> SdpResponder:
    made = SdpResponder(TlsPolicy.OFF)
    made.activate(Endpoint(IPv6Address("::1"), 0, plain_port=50000))
    return made


async def ask(port: int | None, *datagrams: bytes) -> bytes:
    """Send the datagrams from one socket; the first answer."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.bind(("::1", 0))
        for datagram in datagrams:
            client.sendto(datagram, ("::1", port or 0))
        return await asyncio.wait_for(loop.sock_recv(client, 2048), 2.0)


@pytest.mark.req("V2G2-125", "V2G2-151")
async def test_a_request_is_answered_from_the_port_it_came_to() -> None:
    discovery = Discovery(responder(), port=0)
    assert discovery.ensure_open(LO)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.sendto(ASK, ("::1", discovery.port or 0))
        answer, source = await asyncio.wait_for(loop.sock_recvfrom(client, 2048), 2.0)
    assert answer == ANSWER
    assert source[1] == discovery.port
    discovery.close()


@pytest.mark.threat("SDP-08")
async def test_malformed_and_oversize_datagrams_do_not_disturb_the_next_request() -> None:
    heard = responder()
    discovery = Discovery(heard, port=0)
    discovery.ensure_open(LO)
    answer = await ask(discovery.port, b"", b"\xff" * 10, ASK + bytes(54), ASK + bytes(65000), ASK)
    assert answer == ANSWER
    assert heard.counts == {SdpVerdict.MALFORMED: 4, SdpVerdict.ANSWERED: 1}
    assert discovery.health.faults == 0
    discovery.close()


class FaultyOnce(SdpResponder):
    """Fails for the first datagram."""

    failed = False

    def handle(self, datagram: bytes, source: Source, now: float) -> bytes | None:
        if not self.failed:
            self.failed = True
            raise RuntimeError("injected")
        return super().handle(datagram, source, now)


@pytest.mark.threat("SDP-12")
async def test_a_fault_costs_one_datagram_and_shows_in_the_health() -> None:
    problems: list[str] = []
    faulty = FaultyOnce(TlsPolicy.OFF)
    faulty.activate(Endpoint(IPv6Address("::1"), 0, plain_port=50000))
    discovery = Discovery(faulty, port=0, on_problem=problems.append)
    discovery.ensure_open(LO)
    assert await ask(discovery.port, ASK, ASK) == ANSWER
    assert discovery.health.listening
    assert discovery.health.faults == 1
    assert discovery.health.last_fault == "RuntimeError: injected"
    assert problems == ["a datagram caused RuntimeError: injected"]
    discovery.close()


async def test_without_an_address_it_does_not_listen_and_reports_that() -> None:
    discovery = Discovery(responder(), port=0)
    assert not discovery.ensure_open(None)
    assert discovery.health == DiscoveryHealth(False, "the interface has no link-local address yet")
    assert discovery.ensure_open(LO)
    assert discovery.health == DiscoveryHealth(True)
    discovery.close()
    assert discovery.health == DiscoveryHealth(False, "closed")


async def test_opening_twice_keeps_the_socket() -> None:
    discovery = Discovery(responder(), port=0)
    discovery.ensure_open(LO)
    port = discovery.port
    assert discovery.ensure_open(LO)
    assert discovery.port == port
    discovery.close()


async def test_a_socket_that_cannot_be_opened_is_reported_once() -> None:
    problems: list[str] = []
    discovery = Discovery(responder(), port=0, on_problem=problems.append)
    absent = LinkLocal("nosuchif0", IPv6Address("fe80::1"), 99)
    assert not discovery.ensure_open(absent)
    assert not discovery.ensure_open(absent)
    assert not discovery.health.listening
    assert len(problems) == 1
    assert problems[0].startswith("UDP port 0 on nosuchif0: ")


@pytest.mark.threat("SDP-09")
async def test_a_flood_leaves_the_loop_free() -> None:
    count = 200

    heard = responder()
    discovery = Discovery(heard, port=0)
    discovery.ensure_open(LO)
    await ask(discovery.port, *[ASK] * count)
    turns = 0
    while sum(heard.counts.values()) < count and turns < 1000:
        turns += 1
        await asyncio.sleep(0)
    assert heard.counts[SdpVerdict.ANSWERED] <= 20
    assert turns >= 5
    discovery.close()
