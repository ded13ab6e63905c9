"""Certificates over OCPP: the station's own, installed roots, revocation, and the line's own TLS."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from secc.ocpp import v16
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.model import Payload
from secc.ocpp.roots import RootFolder, hash_data, matches
from secc.ocpp.serving import prepared
from secc.pki.authority import Authority
from secc.pki.certificates import read_chain
from secc.pki.issuing import Order, Revocation, issue
from secc.pki.profiles import Kind
from secc.pki.responder import OcspResponder
from secc.settings import RevocationCheck, SeccConfig
from secc.settings.ocpp import OcppVersion
from secc.sim import Wallet
from tests.ocpp.support import (
    BOTH,
    NOW,
    STATION,
    Certificates,
    accounts,
    eim_config,
    line,
    pnc_config,
    station,
)
from tests.support.certificates import certified

V201, V16 = BOTH
DAY = datetime.timedelta(days=1)


@pytest.fixture
def own(tmp_path: Path) -> Certificates:
    """A PKI whose files may change."""
    return Certificates.make(tmp_path / "pki")


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
async def test_a_certificate_nobody_has_asked_for_is_rejected_and_reported(
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


async def test_the_own_chain_is_listed_with_the_leaf_first(certificates: Certificates) -> None:
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


# --- revocation --------------------------------------------------------------------------------------------


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


# --- security profiles -------------------------------------------------------------------------------------


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
