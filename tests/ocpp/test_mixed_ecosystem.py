"""A contract of an ecosystem with ten days left: car, station, CSMS, service and ecosystem, end to end."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from pathlib import Path
from typing import Any

from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.fake.services import CpoService
from secc.pki.hierarchy import write_hierarchy
from secc.pki.identifiers import EMAID as EmaidNumber
from secc.settings import SeccConfig
from tests.ocpp.support import Certificates, line, pnc_config
from tests.ocpp.test_ecosystem import serving
from tests.operator.cpo.support import Clock
from tests.operator.cpo.test_ecosystem import EMAID, OTHER, Mixed
from tests.operator.opcp.support import CAR
from tests.support.contracts import DAY


class WallClock(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.now = datetime.datetime.now(datetime.UTC)


async def test_a_contract_of_the_ecosystem_charges_and_is_renewed_by_an_installation(tmp_path: Path) -> None:
    mixed = await asyncio.to_thread(Mixed, tmp_path, renews=True, clock=WallClock())
    write_hierarchy(OTHER, tmp_path / "pki", mixed.clock.now)
    certificates = Certificates(OTHER, tmp_path / "pki")

    def config(url: str, **ocpp: Any) -> SeccConfig:
        made = pnc_config(certificates, url, **ocpp)
        return dataclasses.replace(made, pnc=dataclasses.replace(made.pnc, certificate_update=offers[0]))

    async def session() -> Any:
        async with line(csms, config) as running:
            return await running.charge(mixed.wallet)

    async def put(days: int) -> None:
        now = mixed.clock.now
        assert mixed.service.ecosystem is not None
        await asyncio.to_thread(
            mixed.service.ecosystem.generate, EmaidNumber.parse(EMAID), CAR, now, now + days * DAY
        )

    offers, csms = [False], FakeCsms()

    async with serving(mixed.service) as cpo:
        csms.services = CpoService(cpo)
        mixed.service.contracts.put(EMAID)
        await put(10)
        installed = await session()  # the car installs the contract that ends in ten days
        offers[0] = True
        refused = await session()  # and asks for an update, which OPCP does not have
        offers[0] = False
        charged = await session()  # a station that does not offer the update charges
        (bucket,) = mixed.service.jobs.due_buckets()
        await asyncio.to_thread(mixed.service.jobs.renew, bucket)
        mixed.wallet.chain, mixed.wallet.key = mixed.wallet.chain[:0], None
        renewed = await session()  # the renewed contract is another installation
    assert installed.completed, installed.error
    assert not refused.completed
    assert "CertificateUpdateReq" in refused.requests
    assert [one.rule for one in mixed.service.journal.refusals()] == ["issued_elsewhere"]
    assert charged.completed, charged.error
    assert not {"CertificateUpdateReq", "CertificateInstallationReq"} & set(charged.requests)
    assert renewed.completed, renewed.error
    assert mixed.wallet.installed == 2
    assert mixed.wallet.chain[0].not_after > mixed.clock.now + 300 * DAY
    mixed.service.close()
