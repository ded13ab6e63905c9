"""A connection that does not speak what its port expects: TLS, plain text, or neither."""

import dataclasses

import pytest

from secc.errors import ConfigError
from secc.records import LinkEvent
from secc.sdp import Security
from secc.session.outputs import EndReason
from secc.settings import TlsConfig, TlsPolicy
from secc.station.station import Station
from secc.v2gtp import frame
from tests.support.client_hello import client_hello
from tests.support.wire import (
    OFFER,
    PKI,
    Car,
    GrantingBackend,
    RecordingOutlet,
    config,
    discover,
    ends,
    running,
)


async def test_garbage_on_the_tls_port_gets_an_alert() -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        car = await Car.connect(bed.tls_port, handshake=False)
        await car.raw(client_hello(suites=(0xC02B,)))
        assert (await car.receive())[-2:] == b"\x02\x28"
        assert await car.at_end()
        car.close()
        assert bed.outlet.calls == ["make_safe"]


async def test_v2gtp_on_the_tls_port_is_never_processed() -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        car = await Car.connect(bed.tls_port, handshake=False)
        await car.raw(frame(OFFER))
        assert await car.at_end()
        assert bed.messages() == []
        car.close()


async def test_a_client_hello_on_the_plain_port_is_closed() -> None:
    async with running() as bed:
        car = await Car.connect(bed.plain_port, handshake=False)
        await car.raw(client_hello())
        assert await car.at_end()
        car.close()
        await bed.until_idle()
        assert ends(bed) == [EndReason.PROTOCOL_ERROR]


@pytest.mark.parametrize("said", [b"", client_hello()[:20], client_hello()])
async def test_a_stalled_handshake_has_one_deadline(said: bytes) -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        car = await Car.connect(bed.tls_port, handshake=False)
        await car.raw(said)
        assert await car.at_end()
        texts = [record.text for record in bed.events(LinkEvent.TLS_FAILED)]
        assert texts == ["not finished in time"]
        car.close()


@pytest.mark.inv("INV-22")
async def test_failing_the_handshake_does_not_lead_to_less_security() -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        car = await Car.connect(bed.tls_port, handshake=False)
        await car.raw(b"\xff" * 100)
        assert await car.at_end()
        car.close()
        assert bed.station.sdp_port is not None
        assert (await discover(bed.station.sdp_port, Security.NONE)).security is Security.TLS
        assert bed.station.endpoint is not None
        assert bed.station.endpoint.plain_port is None


async def test_optional_tls_offers_both() -> None:
    async with running(config(TlsPolicy.OPTIONAL)) as bed:
        assert bed.station.sdp_port is not None
        plain = await discover(bed.station.sdp_port, Security.NONE)
        secure = await discover(bed.station.sdp_port, Security.TLS)
        assert (plain.security, plain.port) == (Security.NONE, bed.plain_port)
        assert (secure.security, secure.port) == (Security.TLS, bed.tls_port)


def test_a_station_that_cannot_have_its_tls_refuses_to_start() -> None:
    absent = TlsConfig(
        policy=TlsPolicy.OPTIONAL, certificate_chain=PKI / "absent.pem", private_key=PKI / "secc_leaf_key.pem"
    )
    made = dataclasses.replace(config(), tls=absent)
    with pytest.raises(ConfigError, match=r"absent\.pem: cannot be read"):
        Station(made, RecordingOutlet(), GrantingBackend())
