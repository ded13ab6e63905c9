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
import datetime
from collections.abc import Callable

from secc.boundary.backend import CheckedBackend
from secc.certificate_files import CertificateFiles, station_trust
from secc.errors import CertificateError, ConfigError
from secc.pki.keys import read_private_key, write_private_key
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
from secc.records import LinkEvent
from secc.settings.config import SeccConfig
from secc.settings.tls import TlsPolicy
from secc.station.reporting import ReportLink
from secc.station.tls import TlsKeeper
from secc.tls.credentials import is_in_token

Clock = Callable[[], datetime.datetime]


def renewals_for(
    config: SeccConfig, backend: CheckedBackend, report: ReportLink, keeper: TlsKeeper | None = None
) -> list[LeafRenewal]:
    """Renewals of the station's certificates: of `[tls]`, and of `[iso20.tls]` where that has a chain.

    Empty where TLS is off or `backend` is no signer. A key in a token is not renewed, and that is reported:
    a new key would need to be made in the token. `keeper` reports handshakes with new certificates to them.
    Raises ConfigError, which names the file.
    """
    signer = backend.signer
    if config.tls.policy is TlsPolicy.OFF or signer is None:
        return []
    store = station_trust(config)
    made: list[LeafRenewal] = []
    for section, prefix in ((config.tls, ""), (config.iso20.tls, "ISO 15118-20: ")):
        if section.certificate_chain is None or section.private_key is None:
            continue
        if is_in_token(section.private_key):
            text = f"{section.private_key}: a key in a token, the station does not renew its certificate"
            report(LinkEvent.TLS_ALARM, f"{prefix}{text}")
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
