"""Keeps the TLS of a running station up to date: new files are loaded, staples are fetched in time.

A running session is never affected: later connections get the new context, present ones keep theirs. An
unusable file is reported once and changes nothing. Files are read in a thread, as a slow disk must not delay
the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from secc import pki, tls
from secc.certificate_files import load_trust, trust_files
from secc.errors import ConfigError
from secc.ports import OcspSource
from secc.records import LinkEvent
from secc.settings.config import SeccConfig
from secc.settings.iso20 import Iso20TlsConfig
from secc.settings.tls import ClientAuth, TlsConfig, TlsPolicy
from secc.station.ocsp import HttpFetcher
from secc.station.reporting import ReportLink
from secc.station.staples import StapleKeeper
from secc.tls.clock import utc_now

if TYPE_CHECKING:
    from secc.tls import (
        Clock,
        CredentialFiles,
        Credentials,
        TlsContext,
        TlsEngine,
    )


def load_context(config: SeccConfig, clock: Clock = utc_now) -> TlsContext | None:
    """The context of the configuration; None where TLS is off. Raises ConfigError, which names the file."""
    wanted = config.tls
    if wanted.policy is TlsPolicy.OFF:
        return None
    if wanted.certificate_chain is None or wanted.private_key is None:
        raise ConfigError("tls: certificate_chain and private_key are needed")
    asked = wanted.client_auth is not ClientAuth.NONE
    chains = _iso20_files(config)
    trust = load_trust(config.trust) if asked or chains else pki.TrustStore()
    newer = tls.Iso20Policy(
        chains=chains,
        trust=trust,
        require_ocsp=config.iso20.tls.require_ocsp,
        laboratory=config.iso20.insecure_lab,
    )
    return tls.TlsContext.for_station(
        _files(config),
        client=tls.ClientPolicy(wanted.client_auth, trust),
        iso20=newer if chains else None,
        key_log=wanted.key_log,
        clock=clock,
    )


class TlsKeeper:
    """Holds the context in use; give it a task for `run` while the station serves."""

    def __init__(
        self,
        config: SeccConfig,
        *,
        report: ReportLink,
        ocsp: OcspSource | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Loads everything; raises ConfigError if TLS is required and not possible [INV-21].

        Without `ocsp` the responder itself is queried, if the configuration says so.
        """
        self._config = config
        self._report = report
        if ocsp is None and config.tls.ocsp_fetch:
            ocsp = HttpFetcher(allow_private=config.tls.ocsp_private_network)
        self._clock = clock
        self._staples = StapleKeeper(ocsp, report, clock)
        self._iso20_problem = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self.watchers: list[Callable[[str, str], None]] = []
        """Called at the end of each handshake: fingerprint of our leaf, and why it failed or nothing."""
        self.context = load_context(config, clock)
        if self.context is not None:
            self.context.on_handshake = self._handshake

    def engine(self) -> TlsEngine:
        """For a new connection."""
        if self.context is None:
            raise ConfigError("TLS is off")
        return self.context.engine()

    @property
    def problem(self) -> str:
        """Why an EV would refuse the station; empty without a problem."""
        if self.context is None:
            return ""
        now = self._clock()
        if (end := self.context.expires) is not None and end < now:
            return f"the TLS certificate expired on {end:%Y-%m-%d}"
        if all(one.staple.revoked for one in self.context.credentials):
            return "the TLS certificate is revoked"
        return ""

    @property
    def iso20_problem(self) -> str | None:
        """Why TLS 1.3 is not offered now; empty while it is, None where it is not configured."""
        return None if self.context is None else self.context.iso20_problem

    @property
    def warnings(self) -> tuple[str, ...]:
        """Items that need attention and do not stop the station: a laboratory switch, TLS 1.3 that is not
        offered, OCSP responses that cannot be stapled."""
        credentials = () if self.context is None else self.context.all_credentials
        found = [f"{one.title}: {trouble}" for one in credentials if (trouble := self._staples.problem(one))]
        if self.iso20_problem is not None:
            found += [f"the TLS library: {gap}" for gap in tls.binding.reach().gaps]
        if self.iso20_problem:
            found.insert(0, f"TLS 1.3 is not offered: {self.iso20_problem}")
        if self._config.iso20.insecure_lab:
            found.insert(0, INSECURE)
        return tuple(found)

    @property
    def ends(self) -> tuple[tuple[str, datetime.datetime], ...]:
        """When each chain ends, by its number; those for TLS 1.3 are `iso20-0` and so on."""
        if self.context is None:
            return ()
        older = [(str(number), one.expires) for number, one in enumerate(self.context.credentials)]
        newer = enumerate(self.context.iso20_credentials)
        return (*older, *((f"iso20-{number}", one.expires) for number, one in newer))

    def renew(self) -> None:
        """Read all files again, for connections to come. Raises ConfigError and keeps what it has."""
        self._take(load_context(self._config, self._clock))

    async def run(self) -> None:
        """Check the files and the staples until cancelled."""
        self._loop = asyncio.get_running_loop()
        if self._config.iso20.insecure_lab:
            self._report(LinkEvent.TLS_ALARM, INSECURE)
        if self.context is None:
            return
        seen = tried = await asyncio.to_thread(self._look)
        while True:
            await self.refresh_staples()
            self._watch_iso20()
            await asyncio.sleep(self._config.tls.watch_interval)
            found = await asyncio.to_thread(self._look)
            if found == seen and found != tried:  # they have stopped changing: chain and key are both there
                tried = found
                await self._reload()
            seen = found

    async def refresh_staples(self) -> None:
        """Fetch the OCSP responses that are due, and report what is wrong with them."""
        for credentials in () if self.context is None else self.context.all_credentials:
            await self._staples.refresh(credentials)

    # --- files ---------------------------------------------------------------------------------------------

    async def _reload(self) -> None:
        try:
            context = await asyncio.to_thread(load_context, self._config, self._clock)
        except ConfigError as error:
            self._report(LinkEvent.TLS_ALARM, f"new TLS files not taken, the old ones stay: {error}")
        else:
            self._take(context)

    def _take(self, context: TlsContext | None) -> None:
        if context is None or self.context is None:
            return
        context.inherit_staples(self.context)
        context.on_handshake = self._handshake
        self.context = context
        self._staples.forget_failures()
        titles = ", ".join(
            f"{one.title} until {one.expires:%Y-%m-%d}"
            + (", with OCSP response" if one.staple.staple else "")
            for one in context.all_credentials
        )
        self._report(LinkEvent.TLS_RENEWED, titles)

    def _watch_iso20(self) -> None:
        """Report once that TLS 1.3 is not offered any more, or is again."""
        problem = self.iso20_problem or ""
        if problem == self._iso20_problem:
            return
        self._iso20_problem = problem
        if problem:
            self._report(LinkEvent.TLS_ALARM, f"TLS 1.3 is not offered, cars get TLS 1.2: {problem}")
        else:
            self._report(LinkEvent.TLS_RENEWED, "TLS 1.3 is offered again")

    def _handshake(self, credentials: Credentials, failure: str) -> None:
        """At the end of a handshake, maybe in a thread; the watchers are called in the loop."""
        if self._loop is None or self._loop.is_closed():
            self._tell_watchers(credentials.fingerprint, failure)
        else:
            self._loop.call_soon_threadsafe(self._tell_watchers, credentials.fingerprint, failure)

    def _tell_watchers(self, fingerprint: str, failure: str) -> None:
        for watcher in self.watchers:
            watcher(fingerprint, failure)

    def _look(self) -> tuple[object, ...]:
        """Metadata of the files; None for a missing one."""
        chains = (*_files(self._config), *_iso20_files(self._config))
        paths = [path for files in chains for path in files.paths]
        if self._config.tls.client_auth is not ClientAuth.NONE or _iso20_files(self._config):
            paths += trust_files(self._config.trust)
        found: list[object] = []
        for path in paths:
            with contextlib.suppress(OSError):
                status = os.stat(path)
                found.append((path, status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)


INSECURE = (
    "INSECURE LABORATORY: iso20.insecure_lab is on; ISO 15118-20 is possible without TLS and with P-256 "
    "certificates. Never use it at a station for the public"
)
"""The warning about `iso20.insecure_lab` in log, health and doctor."""


def _files(config: SeccConfig) -> list[CredentialFiles]:
    return _of_section(config.tls)


def _iso20_files(config: SeccConfig) -> list[CredentialFiles]:
    return _of_section(config.iso20.tls)


def _of_section(section: TlsConfig | Iso20TlsConfig) -> list[CredentialFiles]:
    """The chains of `[tls]` or `[iso20.tls]`, the default one first."""
    if section.certificate_chain is None or section.private_key is None:
        return []
    default = tls.CredentialFiles(
        chain=section.certificate_chain,
        key=section.private_key,
        password=section.private_key_password,
        root=section.root,
        ocsp_response=section.ocsp_response,
    )
    others = [
        tls.CredentialFiles(
            chain=one.certificate_chain,
            key=one.private_key,
            password=one.private_key_password,
            root=one.root,
            ocsp_response=one.ocsp_response,
        )
        for one in section.chains
    ]
    return [default, *others]
