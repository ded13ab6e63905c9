"""Firmware updates that the CSMS orders (OCPP L01, L02): when, how often, and whether the image is genuine.

The integrator's `FirmwareInstaller` fetches and installs. Between the two the signature of the image is
verified with the certificate of the order, whose authority the station must know. Nothing is installed while
a transaction runs.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from secc.errors import CertificateError
from secc.ocpp.client_chain import issued_below, read_authorities
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.model import SecurityEvent
from secc.ocpp.ports import FirmwareInstaller
from secc.ocpp.transactions import Transactions

__all__ = ["FirmwareOrder", "FirmwareParts", "FirmwareUpdates", "InstallingFirmware", "verify_image"]


class FirmwareOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order of the CSMS; times are Unix seconds."""

    location: str
    retrieve_at: float
    install_at: float | None = None
    request_id: int | None = None
    certificate: str = ""
    """PEM of the signing certificate; empty: unsigned."""
    signature: bytes = b""
    retries: int = 0
    interval: float = 10.0
    signed: bool = True
    """Sent by a message of the secure update, so its status is reported by that message in 1.6."""


class InstallingFirmware(msgspec.Struct, frozen=True):
    """An installation during which the process may be restarted."""

    order: FirmwareOrder
    version: str
    """Version of the firmware before it."""


@dataclasses.dataclass(frozen=True, slots=True)
class FirmwareParts:
    """What the updates need of the back end."""

    conversation: CsmsConversation
    transactions: Transactions
    installer: FirmwareInstaller | None
    authorities: Callable[[], Sequence[bytes]]
    """PEM of the authorities of firmware; reads files."""
    announce: Callable[[str, FirmwareOrder | None], None]
    """Sends FirmwareStatusNotification."""
    secure: Callable[[SecurityEvent], None]
    """Reports a security event."""
    report: Callable[[str], None]
    version: str
    """Version of the running firmware."""
    signed_only: bool
    """An image without a signature is refused."""


class FirmwareUpdates:
    """The updates of one station, one at a time."""

    def __init__(self, parts: FirmwareParts) -> None:
        self.status = "Idle"
        self.order: FirmwareOrder | None = None
        self._parts = parts
        self._task: asyncio.Task[None] | None = None

    async def start(self, order: FirmwareOrder) -> str:
        """Return Accepted, AcceptedCanceled, Rejected or InvalidCertificate."""
        if self._parts.installer is None or (self._parts.signed_only and not order.certificate):
            return "Rejected"
        if order.certificate:
            try:
                await asyncio.to_thread(self._check_certificate, order.certificate)
            except CertificateError as error:
                self._secure("InvalidFirmwareSigningCertificate", str(error))
                return "InvalidCertificate"
        canceled = self._task is not None and not self._task.done()
        if canceled and self.status == "Installing":
            return "Rejected"
        if self._task is not None and canceled:
            self._task.cancel()
        self.order = order
        self._task = asyncio.get_running_loop().create_task(self._run(order, self._parts.installer))
        return "AcceptedCanceled" if canceled else "Accepted"

    def recover(self, before: InstallingFirmware | None) -> str:
        """Report after a restart how an installation has ended; returns the boot reason, or empty."""
        if before is None:
            return ""
        done = before.version != self._parts.version
        self._parts.announce("Installed" if done else "InstallationFailed", before.order)
        self._store(None)
        return "FirmwareUpdate" if done else ""

    async def close(self) -> None:
        """Cancel the update in progress, unless it is being installed."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])

    # --- one update ----------------------------------------------------------------------------------------

    async def _run(self, order: FirmwareOrder, installer: FirmwareInstaller) -> None:
        await asyncio.sleep(0.01)  # the answer to the request is sent first
        if order.retrieve_at > self._parts.conversation.now:
            self._set("DownloadScheduled")
            await self._until(order.retrieve_at)
        image = await self._download(order, installer)
        if image is None or not await self._verified(order, image):
            self._finish()
            return
        if order.install_at is not None and order.install_at > self._parts.conversation.now:
            self._set("InstallScheduled")
            await self._until(order.install_at)
        await self._until_idle()
        self._set("Installing")
        self._store(InstallingFirmware(order, self._parts.version))
        try:
            await asyncio.shield(installer.install(image))
        except Exception as error:
            self._parts.report(f"firmware: {error}")
            self._set("InstallationFailed")
        else:
            self._set("Installed")
            self._secure("FirmwareUpdated", order.location)
        self._store(None)
        self._finish()

    async def _download(self, order: FirmwareOrder, installer: FirmwareInstaller) -> Path | None:
        self._set("Downloading")
        for attempt in range(max(0, min(order.retries, 100)) + 1):
            try:
                image = await installer.download(order.location)
            except Exception as error:
                self._parts.report(f"firmware: {error}")
                if attempt < order.retries:
                    await asyncio.sleep(max(0.0, order.interval))
            else:
                self._set("Downloaded")
                return image
        self._set("DownloadFailed")
        return None

    async def _verified(self, order: FirmwareOrder, image: Path) -> bool:
        if not order.certificate:
            return True
        try:
            await asyncio.to_thread(verify_image, image, order.signature, order.certificate)
        except (CertificateError, OSError) as error:
            self._secure("InvalidFirmwareSignature", str(error))
            self._set("InvalidSignature")
            return False
        self._set("SignatureVerified")
        return True

    async def _until_idle(self) -> None:
        if self._parts.transactions.open is not None:
            self._set("InstallScheduled")
        while self._parts.transactions.open is not None:  # noqa: ASYNC110 - it is a value, not an event
            await asyncio.sleep(1.0)

    async def _until(self, at: float) -> None:
        # The clock may be corrected meanwhile.
        while (left := at - self._parts.conversation.now) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, 60.0))

    def _check_certificate(self, pem: str) -> None:
        chain = _read(pem)
        authorities = read_authorities(*self._parts.authorities())
        if not authorities:
            raise CertificateError("no ManufacturerRootCertificate is installed")
        now = datetime.datetime.fromtimestamp(self._parts.conversation.now, datetime.UTC)
        issued_below(chain, authorities, now)

    def _set(self, status: str) -> None:
        self.status = status
        self._parts.announce(status, self.order)

    def _finish(self) -> None:
        self.status, self.order = "Idle", None

    def _secure(self, kind: str, text: str) -> None:
        self._parts.secure(SecurityEvent(kind, self._parts.conversation.now, text))

    def _store(self, state: InstallingFirmware | None) -> None:
        self._parts.conversation.queue.enqueue((), {"firmware": state})


def verify_image(image: Path, signature: bytes, pem: str) -> None:
    """Raise CertificateError unless the signature of the image (SHA-256) is of the certificate's key.

    ECDSA, RSA-PSS and RSA of PKCS #1 v1.5 are accepted. Raises OSError when the image cannot be read.
    """
    key, content = _read(pem)[0].public_key(), image.read_bytes()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            _verify_rsa(key, signature, content)
        else:
            raise CertificateError(f"{type(key).__name__}, expected a key for ECDSA or RSA")
    except InvalidSignature as error:
        raise CertificateError("the signature of the image is not that of the certificate") from error


def _verify_rsa(key: rsa.RSAPublicKey, signature: bytes, content: bytes) -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
    try:
        key.verify(signature, content, pss, hashes.SHA256())
    except InvalidSignature:
        key.verify(signature, content, padding.PKCS1v15(), hashes.SHA256())


def _read(pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise CertificateError(f"not a certificate in PEM: {error}") from error
