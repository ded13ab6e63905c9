"""Security profiles 1 to 3 of the line: password, TLS, client certificate."""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from secc.ocpp.fake.csms import FakeCsms
from tests.ocpp.support import (
    NOW,
    STATION,
    accounts,
    eim_config,
    line,
    station,
)
from tests.support.certificates import certified
from tests.support.contracts import DAY


@dataclasses.dataclass
class Tls:
    """A CA for the line itself."""

    folder: Path

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self.ca = self._certified("line CA", self.key.public_key(), (constraints, True))
        (self.folder / "ca.pem").write_bytes(self.ca.public_bytes(Encoding.PEM))

    def _certified(
        self, name: str, key: Any, *extensions: tuple[x509.ExtensionType, bool]
    ) -> x509.Certificate:
        begin, end = NOW - DAY, NOW + 30 * DAY
        return certified(name, key, self.key, *extensions, issuer="line CA", begin=begin, end=end)

    def certificate(self, name: str, key: Any) -> x509.Certificate:
        names = x509.SubjectAlternativeName(
            [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        return self._certified(name, key, (names, False))

    def write(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        paths = self.folder / f"{name}.pem", self.folder / f"{name}_key.pem"
        paths[0].write_bytes(self.certificate(name, key.public_key()).public_bytes(Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return paths

    def server(self, *, mutual: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, self.write("localhost")))
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(str(self.folder / "ca.pem"))
        return context


@pytest.mark.parametrize(("shown", "comes"), [("open sesame", True), ("wrong", False)])
async def test_profile_1_shows_a_password(tmp_path: Path, shown: str, *, comes: bool) -> None:
    (tmp_path / "password").write_text(shown + "\n")
    csms = FakeCsms(accounts(), password="open sesame")

    config = functools.partial(eim_config, security_profile=1, password_file=tmp_path / "password")
    async with csms.serving() as url, station(config(url)) as running:
        await running.until(lambda: running.backend.conversation.online if comes else running.told)
        told = running.told
    assert bool(csms.records.messages) is comes
    assert comes or "401" in told[0]


async def test_the_csms_changes_the_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame")
    csms = FakeCsms(accounts(), password="open sesame")

    config = functools.partial(eim_config, security_profile=1, password_file=tmp_path / "password")
    async with line(csms, config) as running:
        change = {
            "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "BasicAuthPassword"},
            "attributeValue": "close sesame",
        }
        csms.password = "close sesame"
        answer = await csms.command(STATION, "SetVariables", {"setVariableData": [change]})
        assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
        await running.until(lambda: csms.connections == 2)
        await running.online()
    assert (tmp_path / "password").read_text() == "close sesame"


@pytest.mark.parametrize("known", [True, False])
async def test_profile_2_speaks_over_tls_with_a_server_it_can_check(tmp_path: Path, *, known: bool) -> None:
    (tmp_path / "password").write_text("open sesame")
    tls = Tls(tmp_path)
    (tmp_path / "other").mkdir()
    ca = tmp_path / "ca.pem" if known else Tls(tmp_path / "other").folder / "ca.pem"
    csms = FakeCsms(accounts(), password="open sesame", context=tls.server())

    config = functools.partial(eim_config, security_profile=2, password_file=tmp_path / "password", ca=ca)
    async with csms.serving() as url, station(config(url)) as running:
        await running.until(lambda: running.backend.conversation.online if known else running.told)
        told = running.told
    assert bool(csms.records.messages) is known
    assert known or "CERTIFICATE_VERIFY_FAILED" in told[0]


async def test_profile_3_shows_a_certificate_and_renews_it(tmp_path: Path) -> None:
    tls = Tls(tmp_path)
    chain, key = tls.write("station")
    known = accounts()

    def signer(csr: str, kind: str) -> str:
        assert kind == "ChargingStationCertificate"
        request = x509.load_pem_x509_csr(csr.encode())
        return tls.certificate("station", request.public_key()).public_bytes(Encoding.PEM).decode()

    known.signer = signer
    csms = FakeCsms(known, context=tls.server(mutual=True))
    before = chain.read_bytes()

    config = functools.partial(
        eim_config,
        security_profile=3,
        client_certificate=chain,
        client_key=key,
        ca=tmp_path / "ca.pem",
    )
    async with line(csms, config) as running:
        body = {"requestedMessage": "SignChargingStationCertificate"}
        assert await csms.command(STATION, "TriggerMessage", body) == {"status": "Accepted"}
        await running.until(lambda: csms.connections == 2)
        await running.online()
    assert chain.read_bytes() != before


@pytest.mark.parametrize("defect", ["expired", "another authority", "another subject"])
async def test_a_client_certificate_that_is_not_good_is_rejected_and_the_old_pair_stays(
    tmp_path: Path, defect: str
) -> None:
    tls = Tls(tmp_path)
    (tmp_path / "other").mkdir()
    foreign = Tls(tmp_path / "other")
    chain, key = tls.write("station")
    before = chain.read_bytes(), key.read_bytes()
    known = accounts()
    requests: list[x509.CertificateSigningRequest] = []

    def signer(csr: str, kind: str) -> str:
        request = x509.load_pem_x509_csr(csr.encode())
        requests.append(request)
        public = request.public_key()
        if defect == "expired":
            assert isinstance(public, ec.EllipticCurvePublicKey)
            begin, end = NOW - 2 * DAY, NOW - DAY
            made = certified("station", public, tls.key, issuer="line CA", begin=begin, end=end, serial=5)
        else:
            by, name = (foreign, "station") if defect == "another authority" else (tls, "another")
            made = by.certificate(name, public)
        return made.public_bytes(Encoding.PEM).decode()

    known.signer = signer
    csms = FakeCsms(known, context=tls.server(mutual=True))

    config = functools.partial(
        eim_config,
        security_profile=3,
        client_certificate=chain,
        client_key=key,
        ca=tmp_path / "ca.pem",
        csr_wait=0.2,
        csr_repeats=0,
    )
    async with line(csms, config) as running:
        body = {"requestedMessage": "SignChargingStationCertificate"}
        assert await csms.command(STATION, "TriggerMessage", body) == {"status": "Accepted"}
        await csms.until(lambda: "SecurityEventNotification" in csms.actions())
        await running.until(lambda: any("no signed certificate" in text for text in running.told))
        assert csms.connections == 1
    assert (chain.read_bytes(), key.read_bytes()) == before
    event = next(one.payload for one in csms.records.messages if one.action == "SecurityEventNotification")
    assert event["type"] == "InvalidChargingStationCertificate"
    (organization,) = requests[0].subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert organization.value == "secc"
