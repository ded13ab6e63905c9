"""Keeps a running station's TLS fresh: new files are taken up, staples are fetched before the old ones end.

Nothing here touches a running session: connections to come get the new context, those that are there keep
theirs. What cannot be used is reported once and leaves everything as it was. Files are read in a thread, as a
slow disk must not hold up the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
from collections.abc import Callable
from pathlib import Path

from secc.errors import ConfigError, SeccError
from secc.pki.certificates import read_chain
from secc.pki.profiles import Kind
from secc.pki.trust import TrustStore
from secc.ports import OcspSource
from secc.records import LinkEvent
from secc.settings.config import SeccConfig
from secc.settings.tls import ClientAuth, TlsPolicy
from secc.settings.trust import TrustConfig
from secc.station.ocsp import HttpFetcher
from secc.station.reporting import ReportLink
from secc.tls import ClientPolicy, Clock, CredentialFiles, Credentials, TlsContext, TlsEngine, utc_now
from secc.tls.credentials import load_staple


def load_context(config: SeccConfig, clock: Clock = utc_now) -> TlsContext | None:
    """What the configuration says; None where TLS is off. Raises ConfigError, which names the file."""
    tls = config.tls
    if tls.policy is TlsPolicy.OFF:
        return None
    if tls.certificate_chain is None or tls.private_key is None:
        raise ConfigError("tls: certificate_chain and private_key are needed")
    asked = tls.client_auth is not ClientAuth.NONE
    trust = load_trust(config.trust) if asked else TrustStore()
    return TlsContext.for_station(
        _files(config), client=ClientPolicy(tls.client_auth, trust), key_log=tls.key_log, clock=clock
    )


def load_trust(trust: TrustConfig) -> TrustStore:
    """The roots of `[trust]`; raises ConfigError, which names the file."""
    store = TrustStore()
    for kind, listed in _roots(trust):
        path = listed
        try:
            for path in sorted(listed.glob("*.pem")) if listed.is_dir() else (listed,):
                for certificate in read_chain(path.read_bytes()):
                    store = store.with_anchor(certificate, kind, source=str(path))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        except SeccError as error:
            raise ConfigError(f"{path}: {error}") from error
    return store


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
        """Loads everything; raises ConfigError when TLS is wanted and cannot be had [INV-21].

        Without `ocsp` the responder itself is asked, if the configuration says so.
        """
        self._config = config
        self._report = report
        if ocsp is None and config.tls.ocsp_fetch:
            ocsp = HttpFetcher(allow_private=config.tls.ocsp_private_network)
        self._ocsp = ocsp
        self._clock = clock
        self._retry: dict[str, tuple[datetime.datetime, datetime.timedelta]] = {}
        self._alarmed: set[str] = set()
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
        """Why an EV would refuse us; empty when all is well."""
        if self.context is None:
            return ""
        now = self._clock()
        if (end := self.context.expires) is not None and end < now:
            return f"the TLS certificate expired on {end:%Y-%m-%d}"
        if all(one.staple.revoked for one in self.context.credentials):
            return "the TLS certificate is revoked"
        return ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with OCSP responses to staple; the station serves without them."""
        credentials = () if self.context is None else self.context.credentials
        found = ((one.title, self._trouble(one)) for one in credentials)
        return tuple(f"{title}: {trouble}" for title, trouble in found if trouble)

    @property
    def ends(self) -> tuple[datetime.datetime, ...]:
        """When each chain ends."""
        return () if self.context is None else tuple(one.expires for one in self.context.credentials)

    def renew(self) -> None:
        """Read all files again, for connections to come. Raises ConfigError and keeps what it has."""
        self._take(load_context(self._config, self._clock))

    async def run(self) -> None:
        """Look at the files and at the staples until cancelled."""
        if self.context is None:
            return
        seen = tried = await asyncio.to_thread(self._look)
        while True:
            await self._refresh_staples()
            await asyncio.sleep(self._config.tls.watch_interval)
            found = await asyncio.to_thread(self._look)
            if found == seen and found != tried:  # they have stopped changing: chain and key are both there
                tried = found
                await self._reload()
            seen = found

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
        self._retry.clear()
        titles = ", ".join(
            f"{one.title} until {one.expires:%Y-%m-%d}"
            + (", with OCSP response" if one.staple.staple else "")
            for one in context.credentials
        )
        self._report(LinkEvent.TLS_RENEWED, titles)

    def _handshake(self, credentials: Credentials, failure: str) -> None:
        for watcher in self.watchers:
            watcher(credentials.fingerprint, failure)

    def _look(self) -> tuple[object, ...]:
        """What the files look like from outside; None for one that is not there."""
        paths = [path for files in _files(self._config) for path in files.paths]
        if self._config.tls.client_auth is not ClientAuth.NONE:
            paths += [path for _, path in _roots(self._config.trust)]
        found: list[object] = []
        for path in paths:
            with contextlib.suppress(OSError):
                status = os.stat(path)
                found.append((path, status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)

    # --- staples -------------------------------------------------------------------------------------------

    async def _refresh_staples(self) -> None:
        context = self.context
        if context is None:
            return
        for credentials in context.credentials:
            await self._refresh(credentials)
            self._watch(credentials)

    async def _refresh(self, credentials: Credentials) -> None:
        """Fetch when it is due; after a failure again, each time after twice the wait."""
        now = self._clock()
        holder, question = credentials.staple, credentials.question
        if credentials.files.ocsp_response is not None and not holder.bytes_at(now):
            try:
                await asyncio.to_thread(load_staple, credentials, now)
            except ConfigError as error:  # the file is read again at the next look
                holder.problem = str(error)
        if self._ocsp is None or question is None or (holder.staple and now < holder.staple.refresh_at):
            return
        due, wait = self._retry.get(credentials.fingerprint, (now, _FIRST_RETRY))
        if now < due:
            return
        try:
            async with asyncio.timeout(_FETCH_TIME):
                der = await self._ocsp.ocsp_response(question)
            problem = "no answer"
        except Exception as error:  # whatever the integrator's code does, the next try comes
            der, problem = None, f"{type(error).__name__}: {error}".rstrip(": ")
        if der is not None and holder.offer(der, question, self._clock()):
            self._retry.pop(credentials.fingerprint, None)
            return
        holder.problem = holder.problem if der is not None else f"OCSP: {problem}"
        self._retry[credentials.fingerprint] = (now + wait, min(wait * 2, _LAST_RETRY))

    def _watch(self, credentials: Credentials) -> None:
        """Say so, once, when the staple is about to end, has ended, or the certificate is revoked."""
        text = self._trouble(credentials)
        key = credentials.fingerprint
        if not text:
            self._alarmed.discard(key)
        elif key not in self._alarmed:
            self._alarmed.add(key)
            self._report(LinkEvent.TLS_ALARM, f"{credentials.title}: {text}")

    def _trouble(self, credentials: Credentials) -> str:
        now, holder = self._clock(), credentials.staple
        why = f" ({holder.problem})" if holder.problem else ""
        if holder.revoked:
            return "the certificate is revoked"
        wanted = self._ocsp is not None or credentials.files.ocsp_response is not None
        if not wanted or (credentials.question is None and not why):
            return ""
        if not holder.bytes_at(now):
            return f"no OCSP response to staple{why}"
        if holder.staple is not None and now >= holder.staple.alarm_at:
            return f"the OCSP response ends {holder.staple.usable_until:%Y-%m-%d %H:%M}Z{why}"
        if why and self._ocsp is None:
            return f"the OCSP response in use stays{why}"
        return ""


_FETCH_TIME = 10.0  # s
_FIRST_RETRY = datetime.timedelta(seconds=60)
_LAST_RETRY = datetime.timedelta(hours=1)


def _files(config: SeccConfig) -> list[CredentialFiles]:
    tls = config.tls
    if tls.certificate_chain is None or tls.private_key is None:
        return []
    default = CredentialFiles(
        chain=tls.certificate_chain,
        key=tls.private_key,
        password=tls.private_key_password,
        root=tls.root,
        ocsp_response=tls.ocsp_response,
    )
    others = [
        CredentialFiles(
            chain=one.certificate_chain,
            key=one.private_key,
            password=one.private_key_password,
            root=one.root,
            ocsp_response=one.ocsp_response,
        )
        for one in tls.chains
    ]
    return [default, *others]


def _roots(trust: TrustConfig) -> list[tuple[Kind, Path]]:
    kinds = (
        (Kind.V2G_ROOT, trust.v2g_roots),
        (Kind.MO_ROOT, trust.mo_roots),
        (Kind.OEM_ROOT, trust.oem_roots),
    )
    return [(kind, path) for kind, paths in kinds for path in paths]
