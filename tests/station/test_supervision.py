"""Listeners, discovery and certificate of a station while interface, data link and files change."""

import dataclasses
import datetime
import socket
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from certs.testpki import make
from secc.errors import ConfigError
from secc.records import LinkEvent, NoticeRecord
from secc.sdp import SdpResponse, Security, Source
from secc.settings import NetworkConfig, TlsConfig, TlsPolicy
from secc.settings.slac import SlacConfig
from secc.station import supervision
from secc.station.interface import LinkLocal
from secc.tls import TlsContext
from tests.support import requests
from tests.support.wire import (
    LOOPBACK,
    Car,
    config,
    eventually,
    finish,
    running,
    to_charge_loop,
    to_session,
)

# --- the interface and the data link -----------------------------------------------------------------------


@pytest.mark.threat("SDP-11")
async def test_a_station_waits_for_its_address_and_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[LinkLocal | None] = [None]
    monkeypatch.setattr(supervision, "link_local_now", lambda _name: found[0])
    monkeypatch.setattr(supervision, "_INTERVAL", 0.01)

    async with running() as bed:
        assert bed.station.health.reason == "lo has no link-local address"
        assert bed.station.sdp_port is None
        found[0] = LinkLocal("lo", LOOPBACK, 0)
        await eventually(lambda: bed.station.health.serving)
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        found[0] = None
        await bed.until("open_contactor", "make_safe")
        assert bed.station.health.serving is False
        found[0] = LinkLocal("lo", LOOPBACK, 0)
        await eventually(lambda: bed.station.health.serving)
        car.close()


@pytest.mark.req("V2G2-723")
async def test_with_slac_the_station_serves_only_between_link_up_and_the_setup_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "_INTERVAL", 0.01)

    made = dataclasses.replace(config(communication_setup=0.3), slac=SlacConfig(enabled=True))
    async with running(made) as bed:
        assert bed.station.endpoint is None
        assert bed.station.health.reason == "no data link"
        bed.station.link_up()
        assert bed.station.health.serving
        silent = await Car.connect(bed.plain_port)
        await eventually(lambda: len(bed.events(LinkEvent.SETUP_EXPIRED)) == 1)
        assert bed.station.endpoint is None
        assert await silent.at_end()
        silent.close()
        bed.station.link_up()
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        bed.station.link_down()
        await bed.until("open_contactor", "make_safe")
        assert bed.station.endpoint is None
        car.close()


async def test_with_slac_a_session_needs_a_new_match_after_the_last_one() -> None:
    made = dataclasses.replace(config(), slac=SlacConfig(enabled=True))
    async with running(made) as bed:
        bed.station.link_up()
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        await finish(car, bed.outlet)
        await bed.until_idle()
        assert bed.station.health.reason == "no data link"


async def test_a_port_that_is_taken_is_reported_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_INTERVAL", 0.01)

    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as taken:
        taken.bind(("::1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        made = dataclasses.replace(config(), network=NetworkConfig(tcp_port=port))
        async with running(made) as bed:
            assert bed.station.health.reason == "TCP on [::1] of lo: Address already in use"
            taken.close()
            await eventually(lambda: bed.station.health.serving)
            assert bed.plain_port == port


async def test_notices_of_the_session_are_passed_on() -> None:
    async with running(config(close_delay=0.0)) as bed:
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        await car.ask(requests.charging_status())
        assert any(isinstance(record, NoticeRecord) for record in bed.records)
        car.close()


async def test_a_rival_that_answers_discovery_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_INTERVAL", 0.01)
    rival = SdpResponse(LOOPBACK, 50000, Security.NONE).to_bytes()

    async with running() as bed:
        bed.station._discovery._responder.handle(rival, Source(IPv6Address("fe80::bad"), 15118, 3), 0.0)
        await eventually(lambda: len(bed.events(LinkEvent.SUSPICIOUS)) == 1)


# --- the certificate while the station runs ----------------------------------------------------------------


async def test_a_renewed_certificate_serves_the_next_connection(tmp_path: Path) -> None:
    make.write(make.build(), tmp_path)
    tls = TlsConfig(
        policy=TlsPolicy.REQUIRED,
        certificate_chain=tmp_path / "secc_chain.pem",
        private_key=tmp_path / "secc_leaf_key.pem",
    )

    async with running(dataclasses.replace(config(), tls=tls)) as bed:
        make.write(make.build(), tmp_path)
        bed.station.renew_tls()
        car = await Car.connect(bed.tls_port, TlsContext.for_client(tmp_path / "v2g_root.pem"))
        await to_session(car)
        car.close()


async def test_a_renewal_that_fails_keeps_the_old_certificate(tmp_path: Path) -> None:
    make.write(make.build(), tmp_path)
    tls = TlsConfig(
        policy=TlsPolicy.REQUIRED,
        certificate_chain=tmp_path / "secc_chain.pem",
        private_key=tmp_path / "secc_leaf_key.pem",
    )

    async with running(dataclasses.replace(config(), tls=tls)) as bed:
        (tmp_path / "secc_chain.pem").write_bytes(b"junk")
        with pytest.raises(ConfigError, match="not a PEM file"):
            bed.station.renew_tls()
        car = await Car.connect(bed.tls_port, TlsContext.for_client(tmp_path / "v2g_root.pem"))
        await to_session(car)
        car.close()


async def test_a_certificate_that_has_expired_meanwhile_shows_in_the_health(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(config(TlsPolicy.REQUIRED)) as bed:
        assert bed.station.health.serving
        later = datetime.datetime(2124, 6, 1, tzinfo=datetime.UTC)
        monkeypatch.setattr(bed.station._tls, "_clock", lambda: later)
        assert not bed.station.health.serving
        assert bed.station.health.reason == "the TLS certificate expired on 2124-01-01"
