"""A station that asks cars for certificates: what the session gets to know, and who is turned away."""

import dataclasses
from pathlib import Path

from secc.records import LinkEvent
from secc.settings import ClientAuth, TlsConfig, TlsPolicy, TrustConfig
from secc.tls import TlsContext
from tests.support import certificates
from tests.support.wire import Car, config, running, to_session


async def test_who_the_car_proved_to_be_in_tls_reaches_its_session(tmp_path: Path) -> None:
    root = certificates.root()
    files = certificates.store(tmp_path, certificates.station(root), "station")
    car_files = certificates.store(tmp_path, certificates.contract(root), "car")
    assert files.root is not None
    tls = TlsConfig(
        policy=TlsPolicy.REQUIRED,
        certificate_chain=files.chain,
        private_key=files.key,
        client_auth=ClientAuth.REQUIRE,
    )
    made = dataclasses.replace(config(), tls=tls, trust=TrustConfig(v2g_roots=(files.root,)))

    async with running(made) as bed:
        with_contract = TlsContext.for_client(files.root, certificate=car_files)
        car = await Car.connect(bed.tls_port, with_contract)
        await to_session(car)
        active = bed.station._sessions.active
        assert active is not None
        assert active.connection is not None
        vehicle = active.connection.session.vehicle
        assert vehicle is not None
        assert str(vehicle.emaid) == certificates.EMAID
        assert certificates.EMAID in bed.events(LinkEvent.SECURED)[0].text
        car.close()
        await bed.until_idle()

        stranger = await Car.connect(bed.tls_port, TlsContext.for_client(files.root), handshake=False)
        await stranger.raw(stranger.engine.start())
        while data := await stranger.receive():
            await stranger.raw(stranger.engine.feed(data).to_send)
        stranger.close()
        await bed.until_idle()
        assert "did not return a certificate" in bed.events(LinkEvent.TLS_FAILED)[-1].text
        assert len(bed.events(LinkEvent.SECURED)) == 1
