"""Messages of 1.6 that list and install certificates without the security extension."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from secc.ocpp import v16
from secc.ocpp.model import Payload
from secc.pki.profiles import Kind
from tests.ocpp.support import STATION, V16, Certificates, knowing, line


async def test_roots_of_the_line_are_listed_by_the_older_messages_too(
    certificates: Certificates, tmp_path: Path
) -> None:
    csms = knowing(version=V16)
    root = certificates.pki[Kind.PRIVATE_ROOT].certificate
    kind = {"certificateType": "CentralSystemRootCertificate"}

    async with line(csms, store=tmp_path):
        body = {**kind, "certificate": root.pem.decode()}
        assert await csms.command(STATION, "InstallCertificate", body) == {"status": "Accepted"}
        told = await csms.command(STATION, "GetInstalledCertificateIds", kind)
        (data,) = told["certificateHashData"]
        deletion = {"certificateHashData": data}
        assert await csms.command(STATION, "DeleteCertificate", deletion) == {"status": "Accepted"}
        assert await csms.command(STATION, "GetInstalledCertificateIds", kind) == {"status": "NotFound"}
        unasked = {"certificateChain": root.pem.decode()}
        assert await csms.command(STATION, "CertificateSigned", unasked) == {"status": "Rejected"}
        wanted = {"requestedMessage": "SignChargePointCertificate"}
        assert await csms.command(STATION, "ExtendedTriggerMessage", wanted) == {"status": "Rejected"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"vendorId": "somebody"}, "UnknownVendorId"),
        ({"vendorId": v16.VENDOR, "messageId": "Nothing"}, "UnknownMessageId"),
        ({"vendorId": v16.VENDOR}, "UnknownMessageId"),
        ({"vendorId": v16.VENDOR, "messageId": "TriggerMessage"}, "Rejected"),
        ({"vendorId": v16.VENDOR, "messageId": "TriggerMessage", "data": "[]"}, "Rejected"),
        (
            {"vendorId": v16.VENDOR, "messageId": "InstallCertificate", "data": '{"certificate": 3}'},
            "Rejected",
        ),
        (
            {"vendorId": v16.VENDOR, "messageId": "DeleteCertificate", "data": json.dumps([[]] * 9)},
            "Rejected",
        ),
    ],
)
async def test_what_is_wrapped_and_makes_no_sense_is_rejected(body: Payload, status: str) -> None:
    csms = knowing(version=V16)

    async with line(csms):
        result = await csms.command(STATION, "DataTransfer", body)
    assert result == {"status": status}
