"""Certificates that expire soon: of the station, of roots it trusts, contracts of its back end.

Checked at start and each `expiry.interval`. A certificate is reported when a level of `expiry.levels` is
reached, when it has expired, was renewed or could not be renewed, and not again until that changes; `found`
has all of them.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Iterator

from secc import tls
from secc.boundary.backend import checked_backend
from secc.errors import IntegrationError
from secc.pki.expiry import Expiry, level
from secc.ports import Backend
from secc.records import LinkEvent
from secc.settings.config import SeccConfig
from secc.station.contracts import StationContracts
from secc.station.reporting import ReportLink
from secc.station.tls import TlsKeeper


class ExpiryWatch:
    """One per station; give it a task for `run`."""

    def __init__(
        self,
        config: SeccConfig,
        backend: Backend,
        tls: TlsKeeper,
        contracts: StationContracts,
        *,
        report: ReportLink,
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        """`backend` may declare `secc.ports.ReportsExpiry`."""
        self._config = config
        self._backend = checked_backend(backend)
        self._tls = tls
        self._contracts = contracts
        self._report = report
        self._clock = clock
        self._reported: dict[tuple[str, str, datetime.datetime], Expiry] = {}
        self.found: tuple[Expiry, ...] = ()
        """Result of the last check, the earliest end first."""

    async def run(self) -> None:
        """Look, wait, look again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._config.expiry.interval)

    async def look(self) -> None:
        """Look now; report what is new."""
        now = self._clock()
        if now < _EARLIEST:
            return  # without a clock no end can be judged; Plug and Charge is not offered then
        found = [*self._own(now), *await self._of_the_back_end(now)]
        once = {(one.what, one.identity, one.not_after): one for one in found}  # chains share authorities
        self.found = tuple(sorted(once.values(), key=lambda one: one.not_after))
        for key, one in once.items():
            if self._reported.get(key) != one:
                left = f", {max((one.not_after - now).days, 0)} days left" if one.level else ""
                self._report(LinkEvent.EXPIRY, f"{one}{left}")
        self._reported = once

    def _own(self, now: datetime.datetime) -> Iterator[Expiry]:
        for what, name, end in self._ends():
            reached = level(end, now, self._config.expiry.levels)
            if reached is not None:
                yield Expiry(what, name, end, reached)

    def _ends(self) -> Iterator[tuple[str, str, datetime.datetime]]:
        context = self._tls.context
        newer = context.iso20_credentials if context is not None else ()
        for one in context.all_credentials if context is not None else ():
            for position, certificate in enumerate(one.chain):
                what = "station" if position == 0 else "authority of the station"
                what += " (ISO 15118-20)" if one in newer else ""
                yield what, tls.credentials.common_name(certificate.subject), certificate.not_valid_after_utc
        for anchor in self._contracts.trust or ():
            root = anchor.certificate
            yield "root", root.subject.common_name, root.not_after

    async def _of_the_back_end(self, now: datetime.datetime) -> list[Expiry]:
        if (backend := self._backend.expiry) is None:
            return []
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                return list(await backend.expiring(now))
        except Exception as error:
            what = f"expiring: {type(error).__name__}: {error}".removesuffix(": ")
            self._report(LinkEvent.COMPLAINT, str(error) if isinstance(error, IntegrationError) else what)
            return [one for one in self.found if one.what == "contract"]


_EARLIEST = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
