"""Revocation of contracts: queries the OCSP responders and list servers that the certificates name.

Addresses are used only for a chain that has been verified up to a trusted root. All queries run at the same
time, and only for missing answers: a genuine answer is kept until it expires, and shared by all contracts
under the same authority. An answer that is too late for a session is for the next one: the query continues
without it. This module makes no decisions; it returns bytes, and the session judges them.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from secc import pki
from secc.errors import ChainError
from secc.ports import CrlSource, OcspSource
from secc.settings.config import SeccConfig
from secc.settings.pnc import RevocationCheck
from secc.station.ocsp import HttpFetcher

if TYPE_CHECKING:
    from secc.pki.chains import VerifiedChain
    from secc.pki.contract import Evidence, PresentedContract
    from secc.pki.revocation import Question, RevocationAnswer


def finder_for(config: SeccConfig, ocsp: OcspSource | None = None) -> RevocationFinder | None:
    """By the settings of `[pnc]`; None where nothing is fetched. Without `ocsp` the responders are asked."""
    pnc = config.pnc
    if not pnc.revocation_fetch or pnc.revocation is RevocationCheck.OFF:
        return None
    private = pnc.revocation_private_network
    return RevocationFinder(
        ocsp or HttpFetcher(allow_private=private),
        HttpFetcher(allow_private=private, timeout=_CRL_TIME, max_size=_MAX_CRL),
        patience=config.timing.revocation * _SHARE,
    )


class RevocationFinder:
    """Fetches, keeps and shares; one per station."""

    def __init__(
        self,
        ocsp: OcspSource | None,
        crls: CrlSource | None,
        *,
        patience: float,
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        """`patience`: seconds that `find` takes at most."""
        self._ocsp = ocsp
        self._crls = crls
        self._patience = patience
        self._clock = clock
        self._kept: dict[str, tuple[bytes, datetime.datetime]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    async def find(self, contract: PresentedContract) -> Evidence:
        """Available answers after the waiting time, or earlier when no more can come."""
        return await self.find_for(contract.chain)

    async def find_for(self, chain: VerifiedChain) -> Evidence:
        """The same for any verified chain."""
        asked = pki.revocation.questions(chain)
        searches = [search for one in asked for search in self._searches(one)]
        if searches:
            await asyncio.wait(searches, timeout=self._patience)
        now = self._clock()
        ocsp = [self._at_hand(f"ocsp {one.certificate.fingerprint}", now) for one in asked]
        crls = [self._at_hand(f"crl {one.issuer.fingerprint}", now) for one in asked]
        return pki.contract.Evidence(
            ocsp=tuple(one for one in ocsp if one is not None),
            crls=tuple(one for one in dict.fromkeys(crls) if one is not None),
        )

    async def stop(self) -> None:
        """End every search."""
        for search in self._running.values():
            search.cancel()
        if self._running:
            await asyncio.wait(self._running.values())

    def _at_hand(self, name: str, now: datetime.datetime) -> bytes | None:
        kept = self._kept.get(name)
        if kept is None or kept[1] <= now:
            return None
        return kept[0]

    def _searches(self, question: Question) -> list[asyncio.Task[None]]:
        """The queries about one certificate; a query that another session has started is shared."""
        now, found = self._clock(), []
        ocsp, crl = f"ocsp {question.certificate.fingerprint}", f"crl {question.issuer.fingerprint}"
        if self._ocsp is not None and question.ocsp_urls and self._at_hand(ocsp, now) is None:
            found.append(self._search(ocsp, self._ask(ocsp, question, self._ocsp)))
        if self._crls is not None and question.crl_urls and self._at_hand(crl, now) is None:
            found.append(self._search(crl, self._fetch(crl, question, self._crls)))
        return [one for one in found if one is not None]

    def _search(self, name: str, call: Coroutine[object, object, None]) -> asyncio.Task[None] | None:
        running = self._running.get(name)
        if running is not None or len(self._running) >= _MAX_RUNNING:
            call.close()
            return running
        task = asyncio.get_running_loop().create_task(call)
        self._running[name] = task
        task.add_done_callback(lambda _: self._running.pop(name, None))
        return task

    async def _ask(self, name: str, question: Question, source: OcspSource) -> None:
        try:
            async with asyncio.timeout(_LONGEST):
                der = await source.ocsp_response(question)
        except Exception:  # an integrator's source may fail in any way: nothing is known then
            return
        if der is not None and len(der) <= _MAX_OCSP:
            await self._keep(name, der, question, pki.revocation.read_ocsp)

    async def _fetch(self, name: str, question: Question, source: CrlSource) -> None:
        for url in question.crl_urls:
            try:
                async with asyncio.timeout(_LONGEST):
                    der = await source.crl(url)
            except Exception:
                continue
            if der is not None and len(der) <= _MAX_CRL:
                await self._keep(name, der, question, pki.revocation.read_crl)

    async def _keep(
        self, name: str, der: bytes, question: Question, read: Callable[..., RevocationAnswer]
    ) -> None:
        """A genuine answer, until it expires; anything else is discarded. Long lists take milliseconds."""
        now = self._clock()
        try:
            answer = await asyncio.to_thread(read, der, question.certificate, question.issuer, now)
        except ChainError:
            return
        self._kept = {key: kept for key, kept in self._kept.items() if kept[1] > now}
        while len(self._kept) >= _MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = der, answer.usable_until


_SHARE = 0.9  # of the time the session has for it: the rest is for the way back into the session
_LONGEST = 30.0  # s for one search, also after its session has gone on without it
_CRL_TIME = 10.0  # s for one list
_MAX_CRL = 131_072  # bytes, some 4000 entries: what a session can weigh in a few milliseconds
_MAX_OCSP = 65_536
_MAX_KEPT = 64
_MAX_RUNNING = 16
