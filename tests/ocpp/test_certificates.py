"""Revocation of contracts and of the station's certificate, asked through the CSMS."""

from __future__ import annotations

import dataclasses
import datetime
import functools

import pytest
from cryptography.x509 import ocsp

from secc.ocpp.fake.csms import FakeCsms
from secc.pki.authority import Authority
from secc.pki.issuing import Revocation
from secc.pki.profiles import Kind
from secc.pki.responder import OcspResponder
from secc.settings import RevocationCheck, SeccConfig
from secc.settings.ocpp import OcppVersion
from secc.sim import Wallet
from tests.ocpp.support import (
    BOTH,
    NOW,
    Certificates,
    accounts,
    line,
    pnc_config,
)
from tests.support.contracts import DAY


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("revoked", [False, True])
async def test_ocsp_responses_for_contracts_come_through_the_csms(
    own: Certificates, version: OcppVersion, *, revoked: bool
) -> None:
    authorities = [Authority(own.folder, kind) for kind in (Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1, Kind.MO_ROOT)]
    leaf = own.pki[Kind.CONTRACT_LEAF]
    if revoked:
        authorities[0].revoke(Revocation(leaf.certificate.serial, NOW - DAY))
    responder = OcspResponder(authorities)
    known = accounts()
    known.ocsp = lambda request: responder.answer(request, datetime.datetime.now(datetime.UTC))
    csms = FakeCsms(known, versions=(version,))

    def config(url: str) -> SeccConfig:
        made = pnc_config(own, url)
        return dataclasses.replace(
            made, pnc=dataclasses.replace(made.pnc, revocation=RevocationCheck.REQUIRE)
        )

    subs = tuple(own.pki[kind].certificate for kind in (Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1))
    wallet = Wallet(own.pki[Kind.OEM_LEAF], [own.pki[Kind.V2G_ROOT].certificate])
    wallet.chain, wallet.key = (leaf.certificate, *subs), leaf.key
    async with line(csms, config) as running:
        result = await running.charge(wallet)
    assert result.completed is not revoked, result.error
    if revoked:
        assert "FAILED_CertificateRevoked" in result.error


async def test_the_staple_of_the_station_comes_through_the_csms(own: Certificates) -> None:
    kinds = (Kind.CPO_SUB_CA_2, Kind.CPO_SUB_CA_1, Kind.V2G_ROOT)
    responder = OcspResponder([Authority(own.folder, kind) for kind in kinds])
    known = accounts()
    given: list[bytes] = []

    def answer(request: bytes) -> bytes:
        given.append(responder.answer(request, datetime.datetime.now(datetime.UTC)))
        return given[-1]

    known.ocsp = answer
    csms = FakeCsms(known)

    async with line(csms, functools.partial(pnc_config, own)) as running:
        await running.until(lambda: bool(given))
        result = await running.charge(own.wallet(contract_days=90))
        assert result.completed, result.error
    response = ocsp.load_der_ocsp_response(given[0])
    assert response.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert response.serial_number == own.pki[Kind.SECC_LEAF].certificate.serial
