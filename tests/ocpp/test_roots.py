"""Roots that the CSMS installs, lists and deletes."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import pytest

from secc.ocpp import v16
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.model import Payload
from secc.ocpp.roots import RootFolder, hash_data, matches
from secc.ocpp.serving import prepared
from secc.pki.profiles import Kind
from secc.settings import SeccConfig
from secc.settings.ocpp import OcppVersion
from tests.ocpp.support import (
    BOTH,
    NOW,
    STATION,
    V201,
    Certificates,
    accounts,
    line,
    pnc_config,
)
from tests.support.contracts import DAY

# --- roots -------------------------------------------------------------------------------------------------


def without_mo_roots(certificates: Certificates, store: Path, url: str) -> SeccConfig:
    config = pnc_config(certificates, url, store=store)
    return prepared(dataclasses.replace(config, trust=dataclasses.replace(config.trust, mo_roots=())))


@pytest.mark.parametrize("version", BOTH)
async def test_an_installed_root_is_trusted_until_it_is_deleted(
    certificates: Certificates, tmp_path: Path, version: OcppVersion
) -> None:
    root = certificates.pki[Kind.MO_ROOT].certificate
    csms = FakeCsms(accounts(), versions=(version,))

    async def ask(action: str, body: Payload) -> Payload:
        if version is V201:
            return await csms.command(STATION, action, body)
        told = await csms.command(STATION, *v16.transfer(action, body))
        assert told["status"] == "Accepted"
        answer: Payload = json.loads(told["data"])
        return answer

    wallet = certificates.wallet(contract_days=90)
    config = functools.partial(without_mo_roots, certificates, tmp_path)
    async with line(csms, config) as running:
        assert not (await running.charge(wallet)).completed
        body = {"certificateType": "MORootCertificate", "certificate": root.pem.decode()}
        assert await ask("InstallCertificate", body) == {"status": "Accepted"}
        result = await running.charge(wallet)
        assert result.completed, result.error
        told = await ask("GetInstalledCertificateIds", {"certificateType": ["MORootCertificate"]})
        (one,) = told["certificateHashDataChain"]
        assert one["certificateType"] == "MORootCertificate"
        deletion = {"certificateHashData": one["certificateHashData"]}
        assert await ask("DeleteCertificate", deletion) == {"status": "Accepted"}
        assert await ask("DeleteCertificate", deletion) == {"status": "NotFound"}
        assert not (await running.charge(wallet)).completed
        told = await ask("GetInstalledCertificateIds", {"certificateType": ["MORootCertificate"]})
        assert told == {"status": "NotFound"}


async def test_the_stations_chain_is_listed_with_the_leaf_first(certificates: Certificates) -> None:
    csms = FakeCsms(accounts())

    async with line(csms, functools.partial(pnc_config, certificates)):
        body = {"certificateType": ["V2GCertificateChain"]}
        result = await csms.command(STATION, "GetInstalledCertificateIds", body)
    (chain,) = result["certificateHashDataChain"]
    leaf, issuer = (certificates.pki[kind].certificate for kind in (Kind.SECC_LEAF, Kind.CPO_SUB_CA_2))
    assert chain["certificateHashData"] == hash_data(leaf, issuer)
    assert len(chain["childCertificateHashData"]) == 2


@pytest.mark.parametrize(
    ("purpose", "kind", "expected"),
    [
        ("V2GRootCertificate", Kind.V2G_ROOT, "Accepted"),
        ("CSMSRootCertificate", Kind.PRIVATE_ROOT, "Accepted"),
        ("ManufacturerRootCertificate", Kind.OEM_ROOT, "Accepted"),
        ("MORootCertificate", Kind.MO_SUB_CA_1, "Rejected"),
        ("V2GRootCertificate", Kind.SECC_LEAF, "Rejected"),
        ("CSMSRootCertificate", Kind.SECC_LEAF, "Rejected"),
        ("AnotherCertificate", Kind.V2G_ROOT, "Failed"),
    ],
)
def test_only_roots_are_installed(
    certificates: Certificates, tmp_path: Path, purpose: str, kind: Kind, expected: str
) -> None:
    folder = RootFolder(tmp_path)
    assert folder.install(purpose, certificates.pki[kind].certificate.pem.decode(), NOW) == expected
    assert len(folder.installed([])) == (expected == "Accepted")


@pytest.mark.parametrize(
    "text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_what_is_no_certificate_is_rejected(tmp_path: Path, text: str) -> None:
    assert RootFolder(tmp_path).install("MORootCertificate", text, NOW) == "Rejected"


@pytest.mark.parametrize("purpose", ["MORootCertificate", "CSMSRootCertificate"])
@pytest.mark.parametrize("days", [-1, 1], ids=["before", "after"])
def test_a_root_outside_its_validity_is_rejected(
    certificates: Certificates, tmp_path: Path, purpose: str, days: int
) -> None:
    root = certificates.pki[Kind.MO_ROOT].certificate
    now = root.not_before - DAY if days < 0 else root.not_after
    assert RootFolder(tmp_path).install(purpose, root.pem.decode(), now) == "Rejected"
    assert not RootFolder(tmp_path).installed([])


def test_without_a_store_nothing_can_be_installed(certificates: Certificates) -> None:
    root = certificates.pki[Kind.MO_ROOT].certificate.pem.decode()
    assert RootFolder(None).install("MORootCertificate", root, NOW) == "Failed"


def test_hash_data_name_one_certificate_in_any_spelling(certificates: Certificates) -> None:
    root, other = (certificates.pki[kind].certificate for kind in (Kind.MO_ROOT, Kind.V2G_ROOT))
    data = hash_data(root, root)
    assert matches(root, root, data)
    assert matches(root, root, {**data, "serialNumber": f"00{data['serialNumber'].upper()}"})
    assert not matches(other, other, data)
    assert not matches(root, root, {**data, "serialNumber": "none"})
    assert not matches(root, root, {**data, "hashAlgorithm": "MD5"})
