"""Renewal of the station's certificate: queries the signer in time, replaces the files after a valid answer.

`secc.pki.renewal` decides; this module waits, calls and writes. The station's TLS loads the new files by
itself.

A new certificate is on probation: the old pair stays beside it (`.old`) until an EV has finished a handshake
with the new one. If several EVs in a row refuse the new one and none has accepted it, the old pair is
restored while it is still valid, and the renewal starts again.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import os
from collections.abc import Callable
from pathlib import Path

from secc.errors import CertificateError, ConfigError
from secc.pki.certificates import Certificate, read_chain
from secc.pki.keys import read_private_key, write_private_key
from secc.pki.profiles import Kind
from secc.pki.renewal import (
    Answered,
    AskForCertificate,
    Install,
    Renewal,
    RenewalOutput,
    RenewalPolicy,
    RenewalReport,
    RenewalTick,
    RequestRefused,
)
from secc.pki.trust import TrustStore
from secc.ports import CertificateSigner, WantsRenewal
from secc.private_files import write_private
from secc.records import LinkEvent
from secc.settings.config import SeccConfig
from secc.settings.tls import TlsPolicy
from secc.station.boundary.backend import CheckedBackend
from secc.station.reporting import ReportLink
from secc.station.tls import TlsKeeper, load_trust

Clock = Callable[[], datetime.datetime]


@dataclasses.dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The two files a station's TLS is configured with."""

    chain: Path
    key: Path
    password: bytes | None = dataclasses.field(default=None, repr=False)
    """Of an encrypted key; the new key is then written encrypted as well."""

    def leaf(self) -> Certificate:
        """The certificate in use; raises CertificateError or OSError."""
        return read_chain(self.chain.read_bytes())[0]

    def replace(self, chain_pem: bytes, key_pem: bytes) -> None:
        """Put new files in the place of the old ones; raises OSError and leaves the old ones.

        Each file is replaced at once, the pair is not: both new ones are on the disk before the first is
        moved, and `recover` finishes what a power cut has interrupted. The old pair is kept beside them;
        where there is one already, the one in use has not proved itself and is not kept.
        """
        new_chain, new_key = _new(self.chain), _new(self.key)
        made = [new_key, new_chain]
        try:
            if not self.has_old:
                made += [_old(self.key), _old(self.chain)]
                _write(_old(self.key), self.key.read_bytes(), mode=0o600)
                _write(_old(self.chain), self.chain.read_bytes(), mode=0o644)
            _write(new_key, key_pem, mode=0o600)
            _write(new_chain, chain_pem, mode=0o644)
        except OSError:
            for path in made:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            raise
        old_key = self.key.read_bytes()
        os.replace(new_key, self.key)
        try:
            os.replace(new_chain, self.chain)
        except OSError:
            _write(new_key, old_key, mode=0o600)
            os.replace(new_key, self.key)
            raise
        _sync_folder(self.chain.parent)

    @property
    def has_old(self) -> bool:
        """The pair before this one is still there."""
        return _old(self.chain).exists() and _old(self.key).exists()

    def old_leaf(self) -> Certificate:
        """The certificate before the one in use; raises CertificateError or OSError."""
        return read_chain(_old(self.chain).read_bytes())[0]

    def settle(self) -> None:
        """The pair in use has passed its probation: delete the old one."""
        for path in (_old(self.key), _old(self.chain)):
            path.unlink(missing_ok=True)

    def restore(self) -> None:
        """Put the old pair back in place of the new one."""
        os.replace(_old(self.key), self.key)
        os.replace(_old(self.chain), self.chain)
        _sync_folder(self.chain.parent)

    def recover(self) -> None:
        """After a start: when key and chain do not belong together, finish the replacement that was begun, in
        either direction; where there is nothing to finish, the old pair comes back."""
        new_chain, new_key = _new(self.chain), _new(self.key)
        if new_chain.exists() and not new_key.exists() and self._belongs(new_chain):
            os.replace(new_chain, self.chain)
        if _old(self.chain).exists() and not _old(self.key).exists():
            if self._belongs(_old(self.chain)) and not self._belongs(self.chain):
                os.replace(_old(self.chain), self.chain)
            _old(self.chain).unlink(missing_ok=True)
        if self.has_old and not self._belongs(self.chain):
            self.restore()
        for path in (new_chain, new_key):  # begun and not finished: the old pair is complete
            path.unlink(missing_ok=True)

    def _belongs(self, chain: Path) -> bool:
        try:
            leaf = read_chain(chain.read_bytes())[0]
            return leaf.key == read_private_key(self.key.read_bytes(), self.password).public_key()
        except (CertificateError, OSError):
            return False


def renewals_for(
    config: SeccConfig, backend: CheckedBackend, report: ReportLink, keeper: TlsKeeper | None = None
) -> list[LeafRenewal]:
    """Renewals of the station's certificates: of `[tls]`, and of `[iso20.tls]` where that has a chain.

    Empty where TLS is off or `backend` is no signer. `keeper` reports handshakes with new certificates to
    them. Raises ConfigError, which names the file.
    """
    signer = backend.signer
    if config.tls.policy is TlsPolicy.OFF or signer is None:
        return []
    store = station_trust(config)
    made: list[LeafRenewal] = []
    for section, prefix in ((config.tls, ""), (config.iso20.tls, "ISO 15118-20: ")):
        if section.certificate_chain is None or section.private_key is None:
            continue
        try:
            password = (
                section.private_key_password.read_bytes().strip() if section.private_key_password else None
            )
        except OSError as error:
            raise ConfigError(f"renewal of the station's certificate: {error}") from error

        def outcome(told: RenewalReport, prefix: str = prefix) -> None:
            report(LinkEvent.TLS_RENEWED if told.renewed else LinkEvent.TLS_ALARM, f"{prefix}{told.text}")

        files = CertificateFiles(section.certificate_chain, section.private_key, password)
        wanted = backend.renewal if section is config.tls else None  # a trigger names the older one
        made.append(LeafRenewal(files, signer, store, wanted=wanted, report=outcome))
    if keeper is not None:
        keeper.watchers += [one.handshake for one in made]
    return made


def station_trust(config: SeccConfig) -> TrustStore:
    """The roots below which the station's certificates must hang: `[trust]`, `tls.root`, `iso20.tls.root`.

    Reads files; raises ConfigError, which names the file.
    """
    store = load_trust(config.trust)
    for root in (config.tls.root, config.iso20.tls.root):
        try:
            for certificate in read_chain(root.read_bytes()) if root is not None else ():
                store = store.with_anchor(certificate, Kind.V2G_ROOT, source=str(root))
        except (CertificateError, OSError) as error:
            raise ConfigError(f"renewal of the station's certificate: {root}: {error}") from error
    return store


class LeafRenewal:
    """Renews the certificate of one station; give it a task for `run`."""

    def __init__(
        self,
        files: CertificateFiles,
        signer: CertificateSigner,
        trust: TrustStore,
        policy: RenewalPolicy | None = None,
        *,
        report: Callable[[RenewalReport], None],
        wanted: WantsRenewal | None = None,
        clock: Clock = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        """`report` gets every success and failure; `wanted` may ask for a renewal early.

        Raises ConfigError for an unreadable certificate.
        """
        self._files = files
        self._signer = signer
        self._wanted = wanted
        self._policy = policy or RenewalPolicy()
        self._report = report
        self._clock = clock
        try:
            files.recover()
            leaf = files.leaf()
        except (CertificateError, OSError) as error:
            raise ConfigError(f"{files.chain}: {error}") from error
        self.renewal = Renewal(leaf, trust, self._policy)
        self._probation = leaf.fingerprint if files.has_old else ""
        self._refusals = 0
        self._settling: asyncio.Task[None] | None = None

    def handshake(self, fingerprint: str, failure: str) -> None:
        """An EV has finished a handshake with this leaf, or it failed: the probation of a new one."""
        if fingerprint != self._probation:
            return
        if failure:
            self._refusals += any(word in failure for word in _REFUSED)
            if self._refusals < _PATIENCE:
                return
        self._probation = ""
        self._settling = asyncio.get_running_loop().create_task(self._settle(failure))

    async def _settle(self, failure: str) -> None:
        try:
            if not failure:
                await asyncio.to_thread(self._files.settle)
            elif (outputs := await asyncio.to_thread(self._go_back, failure)) is not None:
                await self._perform(outputs)
        except (OSError, CertificateError) as error:
            self._report(RenewalReport(False, f"the old pair: {error}", self.renewal.certificate.not_after))

    def _go_back(self, failure: str) -> tuple[RenewalOutput, ...]:
        now = self._clock()
        why = f"{_PATIENCE} EVs in a row have refused the new certificate ({failure})"
        old = self._files.old_leaf()
        if old.not_after <= now:
            return (
                RenewalReport(False, f"{why}, and the old one has ended", self.renewal.certificate.not_after),
            )
        self._files.restore()
        return self.renewal.went_back(old, why, now)

    async def run(self) -> None:
        """Wait, renew, wait again, until cancelled."""
        try:
            while True:
                await self.step()
                left = (self.renewal.deadline - self._clock()).total_seconds()
                # Wall clocks are set, and suspended machines sleep: check again after a bounded time.
                await self._wait(min(max(left, _SHORTEST), _LONGEST))
        finally:
            if self._settling is not None:
                await asyncio.wait([self._settling])

    async def _wait(self, seconds: float) -> None:
        """So long, or until the back end wants a renewal."""
        if self._wanted is None:
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                try:
                    await self._wanted.certificate_due()
                except Exception as error:
                    reason = f"certificate_due: {type(error).__name__}: {error}"
                    self._report(RenewalReport(False, reason, self.renewal.certificate.not_after))
                    await asyncio.sleep(seconds)
                    return
                self.renewal.hasten(self._clock())

    async def step(self) -> None:
        """One check of the clock, and everything that follows from it."""
        await self._perform(self.renewal.handle(RenewalTick(), self._clock()))

    async def _perform(self, outputs: tuple[RenewalOutput, ...]) -> None:
        for output in outputs:
            match output:
                case AskForCertificate():
                    await self._ask(output.request)
                case Install():
                    await self._install(output)
                case RenewalReport():
                    self._report(output)

    async def _ask(self, request: bytes) -> None:
        try:
            async with asyncio.timeout(self._policy.patience.total_seconds()):
                chain = tuple(await self._signer.sign_certificate(request))
        except Exception as error:  # a back end may fail in any way; the certificate in use stays
            event: Answered | RequestRefused = RequestRefused(f"{type(error).__name__}: {error}")
        else:
            event = Answered(chain)
        await self._perform(self.renewal.handle(event, self._clock()))

    async def _install(self, install: Install) -> None:
        try:
            key = install.key_pem
            if self._files.password:
                key = encrypted(key, self._files.password)
            await asyncio.to_thread(self._files.replace, install.chain_pem, key)
        except OSError as error:
            reason = f"the files could not be replaced: {error}"
            await self._perform(self.renewal.install_failed(reason, self._clock()))
        else:
            self._probation, self._refusals = install.chain.leaf.fingerprint, 0
            await self._perform(self.renewal.installed(install))


def encrypted(key_pem: bytes, password: bytes) -> bytes:
    """The same key, with a password."""
    return write_private_key(read_private_key(key_pem), password)


_SHORTEST = 1.0  # s
_LONGEST = 3600.0  # s
_PATIENCE = 3  # handshakes that fail in a row for our certificate, before any has succeeded
_REFUSED = (
    "bad certificate",
    "unsupported certificate",
    "certificate revoked",
    "certificate expired",
    "certificate unknown",
    "unknown ca",
)
"""How OpenSSL names the alerts of an EV that does not take our certificate."""


def _old(path: Path) -> Path:
    return path.with_name(path.name + ".old")


def _new(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """On the disk, not only in its cache, when this returns."""
    path.unlink(missing_ok=True)
    write_private(path, content, mode=mode)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
