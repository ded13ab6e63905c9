"""The listeners of a station, and what discovery announces of them."""

from __future__ import annotations

import dataclasses
import socket

import pytest

from secc.errors import LinkError
from secc.sdp import SdpResponder
from secc.settings import SeccConfig, TlsPolicy
from secc.station.endpoints import Endpoints
from secc.station.interface import LinkLocal
from secc.station.listener import Listener
from tests.support.wire import LOOPBACK, Car, config, eventually

LO = LinkLocal("lo", LOOPBACK, 0)


def made(policy: TlsPolicy, **network: int) -> tuple[Endpoints, list[tuple[str, bool]]]:
    """Endpoints, and who connects: address, and whether for TLS."""
    base = config()
    settings: SeccConfig = dataclasses.replace(
        base,
        tls=dataclasses.replace(base.tls, policy=policy),
        network=dataclasses.replace(base.network, **network),
    )
    came: list[tuple[str, bool]] = []

    def accept(connected: socket.socket, address: str, secure: bool) -> None:
        connected.close()
        came.append((address, secure))

    return Endpoints(settings, SdpResponder(policy), accept), came


def closed(endpoints: Endpoints) -> bool:
    return not endpoints.open and endpoints.announced is None


@pytest.mark.parametrize(
    ("policy", "plain", "secure"),
    [(TlsPolicy.OFF, True, False), (TlsPolicy.OPTIONAL, True, True), (TlsPolicy.REQUIRED, False, True)],
)
async def test_the_policy_decides_what_is_listened_on_and_announced(
    policy: TlsPolicy, plain: bool, secure: bool
) -> None:
    endpoints, _ = made(policy)
    ports = endpoints.open_on(LO)
    assert endpoints.open
    assert endpoints.announced is not None
    assert (endpoints.announced.plain_port is not None, endpoints.announced.tls_port is not None) == (
        plain,
        secure,
    )
    assert ("plain" in ports, "TLS" in ports) == (plain, secure)
    endpoints.close()
    assert closed(endpoints)


async def test_a_connection_comes_with_the_kind_of_its_port() -> None:
    endpoints, came = made(TlsPolicy.OPTIONAL)
    endpoints.open_on(LO)
    assert endpoints.announced is not None
    for port in (endpoints.announced.plain_port, endpoints.announced.tls_port):
        assert port is not None
        (await Car.connect(port)).close()
    await eventually(lambda: sorted(came) == [("::1", False), ("::1", True)])
    endpoints.close()


async def test_a_port_that_is_taken_leaves_nothing_open() -> None:
    taken = Listener(LO, lambda *_: None)
    endpoints, _ = made(TlsPolicy.OPTIONAL, tls_port=taken.port)
    with pytest.raises(LinkError, match="Address already in use"):
        endpoints.open_on(LO)
    assert closed(endpoints)
    taken.close()


async def test_free_ports_are_new_for_the_next_session() -> None:
    endpoints, _ = made(TlsPolicy.OFF)
    endpoints.open_on(LO)
    assert endpoints.announced is not None
    old = endpoints.announced.plain_port
    endpoints.retire()
    assert closed(endpoints)
    endpoints.open_on(LO)
    assert endpoints.announced is not None
    assert endpoints.announced.plain_port != old
    endpoints.close()


async def test_a_configured_port_stays_open_between_sessions() -> None:
    free = Listener(LO, lambda *_: None)
    port = free.port
    free.close()
    endpoints, _ = made(TlsPolicy.OFF, tcp_port=port)
    endpoints.open_on(LO)
    endpoints.retire()
    assert endpoints.announced is not None
    assert endpoints.announced.plain_port == port
    endpoints.close()
