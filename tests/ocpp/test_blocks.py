"""What the blocks of OCPP 2 do beyond one question and its answer."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
from collections.abc import AsyncIterator
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
from secc.ocpp.model import IdToken, Payload
from secc.ocpp.ports import StationServices, TransferAnswer
from secc.ocpp.profile_model import LimitSource
from secc.settings.ocpp import OcppVersion
from tests.ocpp.support import STATION, Running, eim_config, knowing, station

V201, V16 = OcppVersion.V201, OcppVersion.V16


@contextlib.asynccontextmanager
async def served(
    csms: FakeCsms, services: StationServices | None = None, **ocpp: Any
) -> AsyncIterator[Running]:
    """A station with services of an integrator."""
    async with csms.serving() as url, station(eim_config(url, **ocpp), services=services) as running:
        await running.online()
        yield running


async def ask(csms: FakeCsms, action: str, body: Payload) -> Payload:
    return await csms.command(STATION, action, body)


def bodies(csms: FakeCsms, action: str) -> list[Payload]:
    return [one.payload for one in csms.records.messages if one.action == action]


def statuses(csms: FakeCsms) -> list[str]:
    return [one["connectorStatus"] for one in bodies(csms, "StatusNotification")]


def later(seconds: float = 0.0) -> str:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- firmware ----------------------------------------------------------------------------------------------


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


async def test_firmware_of_1_6_reports_in_the_words_of_1_6(tmp_path: Path) -> None:
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


# --- logs --------------------------------------------------------------------------------------------------


class Shelf:
    """Keeps what is uploaded; fails as often as it is set to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.files: dict[str, bytes] = {}

    async def upload(self, location: str, name: str, content: bytes) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.files[name] = content


@pytest.mark.parametrize(
    ("failures", "last"),
    [
        ((), "Uploaded"),
        ((OSError("busy"),), "Uploaded"),
        ((PermissionError("no"),), "PermissionDenied"),
        ((ValueError("gopher"),), "NotSupportedOperation"),
        ((OSError("busy"), OSError("busy")), "UploadFailure"),
    ],
)
async def test_a_log_is_uploaded_or_the_reason_is_reported(
    failures: tuple[Exception, ...], last: str
) -> None:
    shelf = Shelf(*failures)
    csms = knowing(version=V201)
    log = {"remoteLocation": "http://127.0.0.1/"}
    order = {"logType": "DiagnosticsLog", "requestId": 8, "log": log, "retries": 1, "retryInterval": 0}

    final = {"status": last, "requestId": 8}

    async with served(csms, StationServices(uploader=shelf)):
        answer = await ask(csms, "GetLog", order)
        await csms.until(lambda: bodies(csms, "LogStatusNotification")[-1:] == [final])
    assert answer["status"] == "Accepted"
    if last == "Uploaded":
        assert b"connected, OCPP 2.0.1" in shelf.files[answer["filename"]]


# --- monitors ----------------------------------------------------------------------------------------------


async def test_a_monitor_survives_a_restart_and_its_event_an_outage(tmp_path: Path) -> None:
    csms = knowing(version=V201)
    data = {
        "type": "Delta",
        "value": 1,
        "severity": 2,
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "AvailabilityState"},
    }

    async with csms.serving() as url:
        config = eim_config(url, store=tmp_path)
        async with station(config) as running:
            await running.online()
            answer = await ask(csms, "SetVariableMonitoring", {"setMonitoringData": [data]})
            assert answer["setMonitoringResult"][0]["status"] == "Accepted"
            await running.until(lambda: running.backend.conversation.queue.idle)
        async with station(config) as running:
            await running.online()
            await csms.stop()
            await running.until(lambda: not running.backend.conversation.online)
            running.cable.unplug()
            while not await running.queued():  # noqa: ASYNC110 - the disk reports no changes
                await asyncio.sleep(0.01)
            await csms.start()
            await csms.until(lambda: bool(bodies(csms, "NotifyEvent")))
    event = bodies(csms, "NotifyEvent")[0]["eventData"][0]
    assert event["actualValue"] == "Available"
    assert event["trigger"] == "Delta"


# --- limits of other systems -------------------------------------------------------------------------------


async def test_a_limit_of_an_energy_manager_caps_and_is_reported() -> None:
    csms = knowing("FREE", version=V201)

    async with served(csms, free_token="FREE", limit_with_schedules=True) as running:
        charging = asyncio.create_task(running.charge(loops=100))
        await running.until(lambda: running.evse.snapshot().contactor_closed)
        running.backend.limit_externally(3000.0, grid_critical=True)
        assert running.limits[-1] == 3000.0
        which = {"requestId": 1, "chargingProfile": {"chargingLimitSource": ["EMS"]}}
        assert await ask(csms, "GetChargingProfiles", which) == {"status": "Accepted"}
        await csms.until(lambda: bool(bodies(csms, "ReportChargingProfiles")))
        assert await ask(csms, "ClearChargingProfile", {}) == {"status": "Unknown"}
        running.backend.limit_externally(None, LimitSource.EMS)
        assert running.limits[-1] is None
        charging.cancel()
        await csms.until(lambda: bool(bodies(csms, "ClearedChargingLimit")))
    (limit,) = bodies(csms, "NotifyChargingLimit")
    assert limit["chargingLimit"] == {"chargingLimitSource": "EMS", "isGridCritical": True}
    assert limit["chargingSchedule"][0]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 3000.0}]
    triggers = [one["triggerReason"] for one in bodies(csms, "TransactionEvent")]
    assert triggers.count("ChargingRateChanged") == 2


# --- reservations ------------------------------------------------------------------------------------------


async def test_only_the_reserved_token_may_charge_and_the_reservation_is_used() -> None:
    csms = knowing("CARD", "OTHER", version=V201)

    async with served(csms) as running:
        running.cable.unplug()
        await csms.until(lambda: "Available" in statuses(csms))
        token = {"idToken": "CARD", "type": "Central"}
        body = {"id": 4, "expiryDateTime": later(60), "idToken": token, "evseId": 1}
        assert await ask(csms, "ReserveNow", body) == {"status": "Accepted"}
        running.cable.plug_in()
        running.backend.present(IdToken("OTHER"))
        running.backend.present(IdToken("CARD"))
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
    started = next(one for one in bodies(csms, "TransactionEvent") if one["eventType"] == "Started")
    assert started["idToken"]["idToken"] == "CARD"
    assert started["reservationId"] == 4


async def test_a_reservation_expires_and_that_is_reported() -> None:
    csms = knowing(version=V201)

    async with served(csms) as running:
        running.cable.unplug()
        await csms.until(lambda: "Available" in statuses(csms))
        token = {"idToken": "CARD", "type": "Central"}
        body = {"id": 4, "expiryDateTime": later(0.2), "idToken": token}
        assert await ask(csms, "ReserveNow", body) == {"status": "Accepted"}
        await csms.until(lambda: bool(bodies(csms, "ReservationStatusUpdate")))
    ended = {"reservationId": 4, "reservationUpdateStatus": "Expired"}
    assert bodies(csms, "ReservationStatusUpdate") == [ended]


# --- network profiles --------------------------------------------------------------------------------------


async def test_a_second_address_is_tried_first_and_the_configured_one_is_kept(tmp_path: Path) -> None:
    csms, other = knowing(version=V201), knowing(version=V201)

    def slot(url: str) -> Payload:
        connection = {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": url,
            "messageTimeout": 10,
            "securityProfile": 0,
            "ocppInterface": "Wired0",
        }
        return {"configurationSlot": 1, "connectionData": connection}

    def priority(value: str) -> Payload:
        component = {"name": "OCPPCommCtrlr"}
        variable = {"name": "NetworkConfigurationPriority"}
        row = {"component": component, "variable": variable, "attributeValue": value}
        return {"setVariableData": [row]}

    async with other.serving() as elsewhere, served(csms, store=tmp_path):
        assert await ask(csms, "SetNetworkProfile", slot(elsewhere)) == {"status": "Accepted"}
        answer = await ask(csms, "SetVariables", priority("1,0"))
        assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
        before = csms.connections
        await ask(csms, "Reset", {"type": "Immediate"})
        await other.until(lambda: "BootNotification" in other.actions())
        await other.stop()
        await csms.until(lambda: csms.connections > before)


@pytest.mark.parametrize(
    "change",
    [
        {"securityProfile": -1},
        {"ocppCsmsUrl": "ftp://x"},
        {"ocppTransport": "SOAP"},
        {"configurationSlot": 9},
    ],
)
async def test_an_address_that_the_station_cannot_use_is_rejected(change: Payload) -> None:
    csms = knowing(version=V201)
    connection = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": "ws://127.0.0.1:9",
        "messageTimeout": 10,
        "securityProfile": 0,
        "ocppInterface": "Wired0",
    }
    slot = change.pop("configurationSlot", 1)

    async with served(csms):
        body = {"configurationSlot": slot, "connectionData": {**connection, **change}}
        result = await ask(csms, "SetNetworkProfile", body)
    assert result["status"] == "Rejected"


# --- what the integrator provides --------------------------------------------------------------------------


class Lock:
    def __init__(self, *, works: bool) -> None:
        self.works = works

    async def unlock(self) -> bool:
        return self.works


class Echo:
    async def transfer(self, message: str, data: object) -> TransferAnswer:
        if message == "fail":
            raise RuntimeError("no")
        return TransferAnswer("Accepted", {"echo": data})


@pytest.mark.parametrize(("works", "status"), [(True, "Unlocked"), (False, "UnlockFailed")])
async def test_the_connector_is_unlocked(works: bool, status: str) -> None:
    csms = knowing(version=V201)

    async with served(csms, StationServices(connector=Lock(works=works))):
        result = await ask(csms, "UnlockConnector", {"evseId": 1, "connectorId": 1})
    assert result["status"] == status


async def test_a_message_of_a_vendor_reaches_the_integrator() -> None:
    csms = knowing(version=V201)

    async with served(csms, StationServices(transfers={"vendor": Echo()})):
        answer = await ask(csms, "DataTransfer", {"vendorId": "vendor", "data": [1, 2]})
        assert answer == {"status": "Accepted", "data": {"echo": [1, 2]}}
        answer = await ask(csms, "DataTransfer", {"vendorId": "vendor", "messageId": "fail"})
        assert answer == {"status": "Rejected"}


async def test_what_is_known_of_a_customer_is_reported_and_forgotten() -> None:
    csms = knowing("CARD", version=V201)
    token = {"idToken": "card", "type": "Central"}

    async with served(csms) as running:
        running.backend.present(IdToken("CARD"))
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
        body = {"requestId": 9, "report": True, "clear": True, "idToken": token}
        assert await ask(csms, "CustomerInformation", body) == {"status": "Accepted"}
        await csms.until(lambda: bool(bodies(csms, "NotifyCustomerInformation")))
        assert running.backend.authorizer.memory.cached == {}
    (told,) = bodies(csms, "NotifyCustomerInformation")
    assert told["data"].startswith("cache: CARD Accepted")
