"""Revocation of vehicle certificates: what the back end says, and what the network has.

The back end is asked for the whole chain; OCSP responders and lists are asked for each certificate, and their
answers are verified here. A revocation from either side counts, also if the other reports the opposite. A
good status is kept as long as it is valid, so that a vehicle that comes again does not wait.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from secc import pki
from secc.boundary.calls import Complaints, what
from secc.errors import ChainError
from secc.station.revocation import RevocationFinder

if TYPE_CHECKING:
    from secc.pki.chains import VerifiedChain
    from secc.pki.contract import Evidence
    from secc.pki.vehicle import VehicleIdentity, VehicleStatus


class _AsksBackend(Protocol):
    async def vehicle_status(self, vehicle: VehicleIdentity) -> VehicleStatus: ...


class VehicleStatusFinder:
    """One per station."""

    def __init__(
        self,
        backend: _AsksBackend | None,
        finder: RevocationFinder | None,
        *,
        patience: float,
        reports: Complaints,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        """`patience`: seconds that `status` takes at most."""
        self._backend = backend
        self._finder = finder
        self._patience = patience
        self._reports = reports
        self._clock = clock
        self._kept: dict[str, VehicleStatus] = {}

    @property
    def capable(self) -> bool:
        """There is a back end or a responder to ask."""
        return self._backend is not None or self._finder is not None

    async def status(self, vehicle: VehicleIdentity) -> VehicleStatus:
        """What is known; unknown without a chain or an answer in time."""
        now = self._clock()
        self._kept = {name: one for name, one in self._kept.items() if _lasts(one, now)}
        if (kept := self._kept.get(vehicle.fingerprint)) is not None:
            return kept
        if vehicle.chain is None:
            return pki.vehicle.VehicleStatus(pki.RevocationStatus.UNKNOWN, detail="the chain is not known")
        found = await asyncio.gather(self._from_backend(vehicle), self._from_network(vehicle.chain))
        status = _worst(found)
        if _lasts(status, now):
            while len(self._kept) >= _MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[vehicle.fingerprint] = status
        return status

    async def _from_backend(self, vehicle: VehicleIdentity) -> VehicleStatus:
        if self._backend is None:
            return _nothing()
        try:
            async with asyncio.timeout(self._patience):
                return await self._backend.vehicle_status(vehicle)
        except Exception as error:  # of an integrator, in any way
            late = isinstance(error, TimeoutError)
            self._reports.complaint(f"vehicle_status: {'no answer in time' if late else what(error)}")
            return pki.vehicle.VehicleStatus(
                pki.RevocationStatus.UNKNOWN, detail="the back end did not answer"
            )

    async def _from_network(self, chain: VerifiedChain) -> VehicleStatus:
        if self._finder is None:
            return _nothing()
        try:
            async with asyncio.timeout(self._patience):
                evidence = await self._finder.find_for(chain)
        except TimeoutError:
            return pki.vehicle.VehicleStatus(pki.RevocationStatus.UNKNOWN, detail="no answer in time")
        return await asyncio.to_thread(judged, chain, evidence, self._clock())


def judged(chain: VerifiedChain, evidence: Evidence, now: datetime.datetime) -> VehicleStatus:
    """Return what OCSP responses and lists say about a chain."""
    policy = pki.RevocationPolicy(mode=pki.RevocationMode.PREFER)
    try:
        status = pki.check_revocation(
            chain, now, ocsp_responses=evidence.ocsp, crls=evidence.crls, policy=policy
        )
    except ChainError as error:
        revoked = error.rule in (pki.Rule.LEAF_REVOKED, pki.Rule.CA_REVOKED)
        kind = pki.RevocationStatus.REVOKED if revoked else pki.RevocationStatus.UNKNOWN
        return pki.vehicle.VehicleStatus(kind, detail=str(error))
    good = status.status is pki.RevocationStatus.GOOD
    return pki.vehicle.VehicleStatus(
        status.status, status.usable_until if good else None, "; ".join(status.complaints)
    )


def _lasts(status: VehicleStatus, now: datetime.datetime) -> bool:
    return status.until is not None and status.until > now


@functools.cache
def _nothing() -> VehicleStatus:
    return pki.vehicle.VehicleStatus(pki.RevocationStatus.UNKNOWN, detail="nothing to ask")


def _worst(found: list[VehicleStatus] | tuple[VehicleStatus, ...]) -> VehicleStatus:
    """Revoked wins, then good: one source that knows is enough."""
    for wanted in (pki.RevocationStatus.REVOKED, pki.RevocationStatus.GOOD):
        for one in found:
            if one.status is wanted:
                return one
    return next((one for one in found if one is not _nothing()), _nothing())


_MAX_KEPT = 1000
