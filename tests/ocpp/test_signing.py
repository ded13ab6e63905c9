"""The certificate of the station, signed over OCPP."""

from __future__ import annotations

import asyncio
import functools
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from secc.errors import LinkError
from secc.ocpp import v16
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.model import Payload
from secc.ocpp.signing import V2G, Signing
from secc.pki.certificates import read_chain
from secc.pki.issuing import Order, issue, make_request, new_key
from secc.pki.profiles import Kind
from secc.settings.ocpp import OcppVersion
from tests.ocpp.support import (
    BOTH,
    NOW,
    STATION,
    V16,
    V201,
    Certificates,
    accounts,
    line,
    pnc_config,
)
from tests.support.contracts import DAY


def sign(certificates: Certificates, csr: str, kind: str) -> str:
    """As a CSMS without much care: out of order, and with the root."""
    assert kind == "V2GCertificate"
    request = x509.load_pem_x509_csr(csr.encode())
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    old = certificates.pki[Kind.SECC_LEAF].certificate
    order = Order(
        kind=Kind.SECC_LEAF,
        common_name=old.subject.common_name,
        organization="Test only",
        country="DE",
        serial=777,
        not_before=NOW - DAY,
        not_after=old.not_after + DAY,
        ocsp_url="http://ocsp.test.invalid/",
    )
    leaf = issue(order, key, certificates.pki[Kind.CPO_SUB_CA_2])
    kinds = (Kind.V2G_ROOT, Kind.CPO_SUB_CA_1, Kind.CPO_SUB_CA_2)
    return b"".join([*(certificates.pki[one].certificate.pem for one in kinds), leaf.pem]).decode()


@pytest.mark.parametrize("version", BOTH)
async def test_the_certificate_for_cars_is_renewed_when_the_csms_wants_it(
    own: Certificates, version: OcppVersion
) -> None:
    known = accounts(own)
    known.signer = functools.partial(sign, own)
    csms = FakeCsms(known, versions=(version,))
    trigger: tuple[str, Payload] = ("TriggerMessage", {"requestedMessage": "SignV2GCertificate"})
    if version is V16:
        trigger = v16.transfer(*trigger)

    async with line(csms, functools.partial(pnc_config, own)) as running:
        answer = await csms.command(STATION, *trigger)
        assert answer["status"] == "Accepted"
        chain = running.config.tls.certificate_chain
        assert chain is not None
        await running.until(lambda: read_chain(chain.read_bytes())[0].serial == 777)
        assert len(read_chain(chain.read_bytes())) == 3
        running.station.renew_tls()
        result = await running.charge(own.wallet(contract_days=90))
        assert result.completed, result.error


@pytest.mark.parametrize("version", BOTH)
async def test_a_certificate_that_was_not_requested_is_rejected_and_reported(
    own: Certificates, version: OcppVersion
) -> None:
    chain = own.pki[Kind.SECC_LEAF].certificate.pem.decode()
    body: Payload = {"certificateChain": chain, "certificateType": "V2GCertificate"}
    csms = FakeCsms(accounts(), versions=(version,))

    async with line(csms):
        if version is V201:
            answer = await csms.command(STATION, "CertificateSigned", body)
        else:
            told = await csms.command(STATION, *v16.transfer("CertificateSigned", body))
            answer = json.loads(told["data"])
        await csms.until(lambda: "SecurityEventNotification" in csms.actions())
    assert answer == {"status": "Rejected"}
    (event,) = [one.payload for one in csms.records.messages if one.action == "SecurityEventNotification"]
    assert event["type"] == "InvalidChargingStationCertificate"


async def test_a_leaf_without_its_sub_cas_is_rejected_before_the_files_are_touched(own: Certificates) -> None:
    known = accounts(own)
    answers = iter(["leaf", "whole"])

    def signer(csr: str, kind: str) -> str:
        whole = sign(own, csr, kind)
        leaf = whole[whole.rindex("-----BEGIN") :]
        return leaf if next(answers) == "leaf" else whole

    known.signer = signer
    csms = FakeCsms(known)

    config = functools.partial(pnc_config, own)
    async with line(csms, config) as running:
        running.backend.certificates.signing.wait = 0.2
        await csms.command(STATION, "TriggerMessage", {"requestedMessage": "SignV2GCertificate"})
        chain = running.config.tls.certificate_chain
        assert chain is not None
        await running.until(lambda: read_chain(chain.read_bytes())[0].serial == 777)
        await csms.until(lambda: "SecurityEventNotification" in csms.actions())
    assert next(answers, None) is None


def request() -> bytes:
    return make_request(new_key(), Kind.SECC_LEAF, common_name="S", organization="Test", country="DE")


async def test_a_certificate_that_does_not_come_is_asked_for_again() -> None:
    asked: list[str] = []

    async def ask(csr: str, kind: str, number: int) -> bool:
        x509.load_pem_x509_csr(csr.encode())
        asked.append(kind)
        return True

    signing = Signing(ask, wait=0.01, repeats=2)
    with pytest.raises(LinkError, match="no signed certificate after 3 requests: nothing came"):
        await signing.sign(request(), V2G, lambda _: None)
    assert asked == [V2G] * 3


async def test_a_request_that_the_csms_refuses_is_not_repeated() -> None:
    asked: list[str] = []

    async def ask(csr: str, kind: str, number: int) -> bool:
        asked.append(kind)
        return False

    signing = Signing(ask, wait=0.01, repeats=2)
    with pytest.raises(LinkError, match="refuses"):
        await signing.sign(request(), V2G, lambda _: None)
    assert asked == [V2G]


async def test_one_request_of_a_kind_at_a_time() -> None:
    asked = asyncio.Event()

    async def ask(csr: str, kind: str, number: int) -> bool:
        asked.set()
        return True

    signing = Signing(ask, wait=5.0, repeats=0)
    first = asyncio.create_task(signing.sign(request(), V2G, lambda _: None))
    await asked.wait()
    with pytest.raises(LinkError, match="under way"):
        await signing.sign(request(), V2G, lambda _: None)
    assert signing.signed("nonsense", V2G) != ""
    first.cancel()
