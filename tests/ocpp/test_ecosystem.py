"""Services behind the fake CSMS: a list, and the provisioning service of the operator over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from secc.errors import LinkError
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.fake.services import Accounts, CpoService
from secc.ocpp.model import CertificateStatus, IdToken, Payload, TokenKind, TokenStatus
from secc.ocpp.v201 import ocsp_data
from secc.operator.cpo.app import make_app
from secc.operator.cpo.service import OperatorService
from secc.pki.certificates import read_chain
from secc.pki.contract import OcspRequestData
from secc.pki.hierarchy import write_hierarchy
from secc.pki.issuing import make_request, new_key
from secc.pki.profiles import Kind
from secc.pki.revocation import identifier_hashes
from secc.sim import Wallet
from secc.site.store import Status
from tests.ocpp.support import NOW, STATION, Certificates, line, pnc_config
from tests.operator.cpo.support import EMAID, settings, with_car
from tests.support.contracts import hierarchy, identity

CONTRACT = IdToken(EMAID, TokenKind.EMAID)
SHOWN: Payload = {"iso15118CertificateHashData": []}


def wall_clock() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@pytest.fixture
def service(tmp_path: Path) -> OperatorService:
    return with_car(OperatorService(settings(tmp_path), clock=wall_clock))


@contextlib.asynccontextmanager
async def serving(service: OperatorService) -> AsyncIterator[str]:
    """The real service on a real port."""
    config = uvicorn.Config(make_app(service), host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


async def test_a_car_from_the_factory_gets_its_contract_from_the_provisioning_service(
    service: OperatorService, tmp_path: Path
) -> None:
    write_hierarchy(hierarchy(), tmp_path / "pki", NOW)
    certificates = Certificates(hierarchy(), tmp_path / "pki")
    wallet = Wallet(identity(Kind.OEM_LEAF), [identity(Kind.V2G_ROOT).certificate])

    async with serving(service) as cpo:
        csms = FakeCsms(CpoService(cpo))
        async with line(csms, functools.partial(pnc_config, certificates)) as running:
            first = await running.charge(wallet)
            assert first.completed, first.error
            service.contracts.put(EMAID, Status.BLOCKED)
            second = await running.charge(wallet)
            await running.delivered()
    assert wallet.installed == 1
    assert not second.completed
    assert [booked.token for booked in csms.records.transactions.values()] == [EMAID]


async def test_authorisations_follow_the_register(service: OperatorService) -> None:
    async with serving(service) as cpo:
        others = Accounts({"CARD": TokenStatus.ACCEPTED})
        csms = CpoService(cpo, others=others)
        good = await csms.authorize(CONTRACT, SHOWN)
        assert (good.info.status, good.certificate) == (TokenStatus.ACCEPTED, CertificateStatus.ACCEPTED)
        card = await csms.authorize(IdToken("CARD"), {})
        assert (card.info.status, card.certificate) == (TokenStatus.ACCEPTED, None)
        service.contracts.put(EMAID, Status.BLOCKED)
        bad = await csms.authorize(CONTRACT, SHOWN)
        assert (bad.info.status, bad.certificate) == (TokenStatus.BLOCKED, CertificateStatus.CANCELLED)


async def test_certificates_for_stations_and_ocsp_responses_come_from_the_service(
    service: OperatorService,
) -> None:
    key = new_key()
    request = make_request(key, Kind.SECC_LEAF, common_name=STATION, organization="Test only", country="DE")
    pem = x509.load_der_x509_csr(request).public_bytes(Encoding.PEM).decode()

    async with serving(service) as cpo:
        csms = CpoService(cpo)
        chain = await csms.sign(STATION, pem, "V2GCertificate")
        assert chain is not None
        leaf, issuer, *_ = read_chain(chain.encode())
        name, point = identifier_hashes(issuer, hashes.SHA256())
        data = OcspRequestData(name.hex(), point.hex(), f"{leaf.serial:x}", "http://ocsp.test.invalid/")
        chain, response = chain, await csms.certificate_status(ocsp_data(data))
    assert chain is not None
    assert read_chain(chain.encode())[0].public_key == key.public_key()
    assert response is not None
    assert ocsp.load_der_ocsp_response(response).certificate_status is ocsp.OCSPCertStatus.GOOD


async def test_a_service_that_is_away_is_an_error_and_no_refusal() -> None:
    csms = CpoService("http://127.0.0.1:9")
    for call in (
        csms.authorize(CONTRACT, SHOWN),
        csms.provision(STATION, "Install", b"\x80"),
        csms.sign(STATION, "PEM", "V2GCertificate"),
    ):
        with pytest.raises(LinkError, match="does not answer"):
            await call


async def test_a_question_that_the_service_refuses_has_no_answer(service: OperatorService) -> None:
    async with serving(service) as cpo:
        csms = CpoService(cpo)
        assert await csms.provision(STATION, "Install", b"no message") is None
        assert await csms.sign(STATION, "PEM", "V2GCertificate") is None
        answer = await csms.authorize(IdToken("is not an eMAID"), {})
        assert answer.info.status is TokenStatus.UNKNOWN


async def test_a_list_says_what_the_errata_want_it_to_say() -> None:
    accounts = Accounts({EMAID: TokenStatus.BLOCKED})

    shown = await accounts.authorize(CONTRACT, SHOWN)
    assert (shown.info.status, shown.certificate) == (TokenStatus.BLOCKED, CertificateStatus.CANCELLED)
    plain = await accounts.authorize(CONTRACT, {})
    assert (plain.info.status, plain.certificate) == (TokenStatus.BLOCKED, None)
    unknown = await accounts.authorize(IdToken("NOBODY"), {})
    assert unknown.info.status is TokenStatus.UNKNOWN
    assert await accounts.provision(STATION, "Install", b"") is None
    assert await accounts.certificate_status({}) is None
    assert await accounts.sign(STATION, "PEM", "V2GCertificate") is None
