"""Updates of firmware: signed, refused, and postponed to the end of a transaction."""

from __future__ import annotations

import asyncio
import base64
import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from secc.errors import CertificateError
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.firmware import verify_image
from secc.ocpp.model import Payload
from secc.ocpp.ports import StationServices
from tests.ocpp.support import V16, V201, ask, bodies, knowing, later, served


class Maker:
    """A manufacturer: a root, and a certificate that signs firmware."""

    def __init__(self) -> None:
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self._certificate("Maker Root", self.root_key, "Maker Root", self.root_key, ca=True)
        self.leaf = self._certificate("Firmware", self.key, "Maker Root", self.root_key, ca=False)

    @staticmethod
    def _certificate(
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        issuer_key: ec.EllipticCurvePrivateKey,
        *,
        ca: bool,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        named = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer))
        subject, above = named
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(above)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=10))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(issuer_key, hashes.SHA256())
        )

    def order(self, image: bytes, **firmware: Any) -> Payload:
        signature = self.key.sign(image, ec.ECDSA(hashes.SHA256()))
        return {
            "requestId": 5,
            "retries": 1,
            "retryInterval": 0,
            "firmware": {
                "location": "https://maker.example/image",
                "retrieveDateTime": later(-1),
                "signingCertificate": self.leaf.public_bytes(Encoding.PEM).decode(),
                "signature": base64.b64encode(signature).decode(),
                **firmware,
            },
        }


class Installer:
    """Fetches from memory, and notes what it installs."""

    def __init__(self, image: Path, failures: int = 0) -> None:
        self.image = image
        self.failures = failures
        self.installed: list[bytes] = []

    async def download(self, location: str) -> Path:
        if self.failures:
            self.failures -= 1
            raise OSError("no route")
        return self.image

    async def install(self, image: Path) -> None:
        self.installed.append(await asyncio.to_thread(image.read_bytes))


@pytest.fixture
def maker() -> Maker:
    return Maker()


async def install_root(csms: FakeCsms, maker: Maker) -> None:
    body = {
        "certificateType": "ManufacturerRootCertificate",
        "certificate": maker.root.public_bytes(Encoding.PEM).decode(),
    }
    assert await ask(csms, "InstallCertificate", body) == {"status": "Accepted"}


async def updated(maker: Maker, installer: Installer, order: Payload, store: Path, last: str) -> list[str]:
    """Order an update; returns the reported statuses up to `last`."""
    csms = knowing(version=V201)

    def statuses() -> list[str]:
        return [one["status"] for one in bodies(csms, "FirmwareStatusNotification")]

    async with served(csms, StationServices(firmware=installer), store=store):
        await install_root(csms, maker)
        assert await ask(csms, "UpdateFirmware", order) == {"status": "Accepted"}
        await csms.until(lambda: last in statuses())
    return statuses()


async def test_signed_firmware_is_verified_and_installed(maker: Maker, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"new firmware")
    installer = Installer(tmp_path / "image", failures=1)
    order = maker.order(b"new firmware")
    statuses = await updated(maker, installer, order, tmp_path / "store", "Installed")
    assert statuses == ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"]
    assert installer.installed == [b"new firmware"]


async def test_firmware_with_another_content_is_not_installed(maker: Maker, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"evil firmware")
    installer = Installer(tmp_path / "image")
    statuses = await updated(
        maker, installer, maker.order(b"new firmware"), tmp_path / "store", "InvalidSignature"
    )
    assert statuses[-1] == "InvalidSignature"
    assert installer.installed == []


async def test_firmware_that_cannot_be_fetched_is_reported(maker: Maker, tmp_path: Path) -> None:
    installer = Installer(tmp_path / "image", failures=9)
    order = maker.order(b"new firmware")
    statuses = await updated(maker, installer, order, tmp_path / "store", "DownloadFailed")
    assert statuses[-1] == "DownloadFailed"


async def test_firmware_of_a_stranger_or_without_a_signature_is_refused(maker: Maker, tmp_path: Path) -> None:
    csms = knowing(version=V201)
    installer = Installer(tmp_path / "image")
    unsigned = maker.order(b"x")
    del unsigned["firmware"]["signingCertificate"]

    async with served(csms, StationServices(firmware=installer), store=tmp_path / "store"):
        await install_root(csms, maker)
        stranger = Maker().order(b"x")
        assert await ask(csms, "UpdateFirmware", stranger) == {"status": "InvalidCertificate"}
        assert await ask(csms, "UpdateFirmware", unsigned) == {"status": "Rejected"}
        await csms.until(lambda: bool(bodies(csms, "SecurityEventNotification")))
    kinds = [one["type"] for one in bodies(csms, "SecurityEventNotification")]
    assert kinds == ["InvalidFirmwareSigningCertificate"]
    assert installer.installed == []


async def test_firmware_waits_for_the_end_of_the_transaction(maker: Maker, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"new firmware")
    installer = Installer(tmp_path / "image")
    csms = knowing("FREE", version=V201)

    services = StationServices(firmware=installer)
    async with served(csms, services, store=tmp_path / "store", free_token="FREE") as running:
        await install_root(csms, maker)
        charging = asyncio.create_task(running.charge(loops=40))
        await running.until(lambda: running.evse.snapshot().contactor_closed)
        await ask(csms, "UpdateFirmware", maker.order(b"new firmware"))
        waiting = {"status": "InstallScheduled", "requestId": 5}
        await csms.until(lambda: waiting in bodies(csms, "FirmwareStatusNotification"))
        assert installer.installed == []
        result = await charging
        assert result.completed, result.error
        await csms.until(lambda: bool(installer.installed))


def test_a_signature_of_nonsense_is_refused(maker: Maker, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"x")
    pem = maker.leaf.public_bytes(Encoding.PEM).decode()
    with pytest.raises(CertificateError, match="not that of the certificate"):
        verify_image(image, b"nonsense", pem)
    with pytest.raises(CertificateError, match="PEM"):
        verify_image(image, b"nonsense", "nonsense")


async def test_firmware_of_1_6_reports_with_the_values_of_1_6(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"new firmware")
    csms = knowing(version=V16)
    installer = Installer(tmp_path / "image")

    services = StationServices(firmware=installer)
    async with served(csms, services, firmware_signed=False):
        order = {"location": "https://maker.example/image", "retrieveDate": later(-1)}
        assert await ask(csms, "UpdateFirmware", order) == {}
        await csms.until(lambda: {"status": "Installed"} in bodies(csms, "FirmwareStatusNotification"))
    statuses = [one["status"] for one in bodies(csms, "FirmwareStatusNotification")]
    assert statuses == ["Downloading", "Downloaded", "Installing", "Installed"]
