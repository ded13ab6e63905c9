"""Keeps OCSP responses to staple up to date: fetches them in time, and reports once what is wrong with one.

`secc.tls.staples` decides what may be stapled and when the next one is due; this part waits and asks.
"""

from __future__ import annotations

import asyncio
import datetime
from typing import TYPE_CHECKING

from secc import tls
from secc.errors import ConfigError
from secc.ports import OcspSource
from secc.records import LinkEvent
from secc.station.reporting import ReportLink

if TYPE_CHECKING:
    from secc.tls import Clock, Credentials

__all__ = ["StapleKeeper"]


class StapleKeeper:
    """The staples of all chains of one station."""

    def __init__(self, ocsp: OcspSource | None, report: ReportLink, clock: Clock) -> None:
        """Without `ocsp` only the files of the configuration are read."""
        self._ocsp = ocsp
        self._report = report
        self._clock = clock
        self._retry: dict[str, tuple[datetime.datetime, datetime.timedelta]] = {}
        self._alarmed: set[str] = set()

    def forget_failures(self) -> None:
        """Ask again at once: the certificates are new."""
        self._retry.clear()

    async def refresh(self, credentials: Credentials) -> None:
        """Fetch the response of a chain if it is due, and raise an alarm once if there is a problem."""
        await self._refresh(credentials)
        text, key = self.problem(credentials), credentials.fingerprint
        if not text:
            self._alarmed.discard(key)
        elif key not in self._alarmed:
            self._alarmed.add(key)
            self._report(LinkEvent.TLS_ALARM, f"{credentials.title}: {text}")

    def problem(self, credentials: Credentials) -> str:
        """The staple is about to end, has ended, or the certificate is revoked; empty without a problem."""
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

    async def _refresh(self, credentials: Credentials) -> None:
        """Fetch when it is due; after a failure again, each time after twice the wait."""
        now = self._clock()
        holder, question = credentials.staple, credentials.question
        if credentials.files.ocsp_response is not None and not holder.bytes_at(now):
            try:
                await asyncio.to_thread(tls.credentials.load_staple, credentials, now)
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
        except Exception as error:  # code of an integrator; the next try follows
            der, problem = None, f"{type(error).__name__}: {error}".rstrip(": ")
        if der is not None and holder.offer(der, question, self._clock()):
            self._retry.pop(credentials.fingerprint, None)
            return
        holder.problem = holder.problem if der is not None else f"OCSP: {problem}"
        self._retry[credentials.fingerprint] = (now + wait, min(wait * 2, _LAST_RETRY))


_FETCH_TIME = 10.0  # s
_FIRST_RETRY = datetime.timedelta(seconds=60)
_LAST_RETRY = datetime.timedelta(hours=1)
