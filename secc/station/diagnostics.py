"""Diagnostics of a running station: the values of the metrics, and an examination of its health.

A running process is no proof: its discovery may not receive, its listener may be closed, its controller may
hang. The examination sends a request over the charging interface to the discovery of the station, as an EV
does, and waits for the answer. It opens no connection and does not affect a session.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING

from secc.ports import EvseController
from secc.sdp import SdpResponder, SdpVerdict
from secc.session.outlet import EvseSnapshot, MeterReading
from secc.station.discovery import Discovery
from secc.station.health import ReportHealth, StationHealth

if TYPE_CHECKING:
    from secc.station.tls import TlsKeeper

__all__ = ["Diagnostics", "Examination"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The result of an examination."""

    troubles: tuple[str, ...]
    """Problems that need attention; empty when there are none."""
    serving: bool
    """A car that is plugged in now could begin a session."""
    reason: str
    """The reason; no data link, a fault that has not been reset, or one of the troubles."""
    in_session: bool
    discovery_seconds: float | None
    """Time that the discovery of this station took to answer; None without an answer."""
    warnings: tuple[str, ...] = ()
    """Items that need attention and do not keep the station from serving."""
    reports: tuple[ReportHealth, ...] = ()
    """The state of output, log, journal and trace; a problem there is not a trouble of the station."""

    @property
    def healthy(self) -> bool:
        return not self.troubles


class Diagnostics:
    """One per station."""

    def __init__(
        self,
        controller: EvseController,
        discovery: Discovery,
        responder: SdpResponder,
        tls: TlsKeeper,
    ) -> None:
        self._controller = controller
        self._discovery = discovery
        self._responder = responder
        self._tls = tls

    @property
    def discovery_counts(self) -> Mapping[SdpVerdict, int]:
        """Datagrams of discovery since the start."""
        return self._responder.counts

    @property
    def certificate_ends(self) -> tuple[tuple[str, datetime.datetime], ...]:
        """When each chain of the station ends, by its number in the configuration; `iso20-0` and so on for
        TLS 1.3."""
        return self._tls.ends

    @property
    def iso20_offered(self) -> bool | None:
        """TLS 1.3 of ISO 15118-20 is offered now; None where it is not configured."""
        problem = self._tls.iso20_problem
        return None if problem is None else not problem

    @property
    def meter_reading(self) -> MeterReading | None:
        """Of the meter, now; None when there is none or the outlet cannot be read."""
        snapshot = self._snapshot()
        return None if isinstance(snapshot, str) else snapshot.meter

    async def examine(self, health: StationHealth) -> Examination:
        """Examine the station; takes up to a second."""
        troubles = []
        waiting = health.reason in _NORMAL or health.blocked
        if not health.serving and not waiting and not health.in_session:
            troubles.append(health.reason)
        taken = await self._discovery.round_trip(_PATIENCE)
        if taken is None:
            troubles.append(
                f"discovery cannot receive: {health.discovery.reason or 'a request was not answered'}"
            )
        snapshot = self._snapshot()
        if isinstance(snapshot, str):
            troubles.append(f"the controller does not answer: {snapshot}")
        return Examination(
            troubles=tuple(dict.fromkeys(troubles)),
            serving=health.serving and not troubles,
            reason=health.reason,
            in_session=health.in_session,
            discovery_seconds=taken,
            warnings=health.warnings,
            reports=health.reports,
        )

    def _snapshot(self) -> EvseSnapshot | str:
        try:
            return self._controller.snapshot()
        except Exception as error:
            return f"{type(error).__name__}: {error}"


_PATIENCE = 1.0  # s for an answer on the own interface
_NORMAL = ("no data link", "between two sessions")  # with SLAC no EV can be served before a match
