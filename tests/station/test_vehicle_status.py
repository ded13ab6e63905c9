"""Whether a vehicle certificate is revoked: the back end, OCSP responders, and what is kept."""

from __future__ import annotations

import asyncio
import datetime

import pytest

from secc.pki.chains import KINDS, ChainPolicy, verify_chain
from secc.pki.contract import Evidence
from secc.pki.issuing import Revocation, make_crl
from secc.pki.kinds import Generation, Kind
from secc.pki.revocation import RevocationStatus
from secc.pki.trust import Role
from secc.pki.vehicle import VehicleIdentity, VehicleStatus, identify_vehicle
from secc.station.vehicle_status import VehicleStatusFinder, judged
from tests.support.contracts import DAY, NOW
from tests.support.installation import hierarchy, trusted
from tests.support.reports import HeardReports

GOOD, REVOKED, UNKNOWN = RevocationStatus.GOOD, RevocationStatus.REVOKED, RevocationStatus.UNKNOWN
CHAIN = [hierarchy()[kind].certificate for kind in KINDS[Role.VEHICLE]]


def vehicle() -> VehicleIdentity:
    return identify_vehicle(CHAIN, trusted(), NOW)


def lists(*revoked: Kind) -> tuple[bytes, ...]:
    """Complete lists of the three issuers of a vehicle chain."""
    made = []
    for issuer, issued in (
        (Kind.VEHICLE_SUB_CA_2, Kind.VEHICLE_LEAF),
        (Kind.VEHICLE_SUB_CA_1, Kind.VEHICLE_SUB_CA_2),
        (Kind.OEM_ROOT, Kind.VEHICLE_SUB_CA_1),
    ):
        entries = [Revocation(hierarchy()[issued].certificate.serial, NOW - DAY)] if issued in revoked else []
        holder = hierarchy()[issuer]
        made.append(make_crl(holder, entries, number=1, this_update=NOW - DAY, next_update=NOW + DAY))
    return tuple(made)


class AskedBackend:
    def __init__(self, *answers: VehicleStatus | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def vehicle_status(self, asked: VehicleIdentity) -> VehicleStatus:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Slow:
    async def vehicle_status(self, asked: VehicleIdentity) -> VehicleStatus:
        await asyncio.Event().wait()
        raise AssertionError


def finder(backend: AskedBackend | Slow | None, complaints: list[str] | None = None) -> VehicleStatusFinder:
    heard: list[str] = [] if complaints is None else complaints
    return VehicleStatusFinder(backend, None, patience=0.02, reports=HeardReports(heard), clock=lambda: NOW)


def test_the_identity_has_the_chain_that_was_verified() -> None:
    found = vehicle()
    policy = ChainPolicy(generation=Generation.ISO20)
    assert found.chain is not None
    assert found.chain.leaf == verify_chain(CHAIN, Role.VEHICLE, trusted(), NOW, policy).leaf


@pytest.mark.parametrize(
    ("revoked", "status"),
    [((), GOOD), ((Kind.VEHICLE_LEAF,), REVOKED), ((Kind.VEHICLE_SUB_CA_1,), REVOKED)],
)
def test_lists_are_judged_for_the_whole_chain(revoked: tuple[Kind, ...], status: RevocationStatus) -> None:
    chain = vehicle().chain
    assert chain is not None
    found = judged(chain, Evidence(crls=lists(*revoked)), NOW)
    assert found.status is status
    assert (found.until is not None) is (status is GOOD)


def test_without_evidence_nothing_is_known() -> None:
    chain = vehicle().chain
    assert chain is not None
    assert judged(chain, Evidence(), NOW).status is UNKNOWN


async def test_the_back_end_decides_and_its_answer_is_kept_as_long_as_it_says() -> None:
    later = NOW + datetime.timedelta(hours=1)
    backend = AskedBackend(VehicleStatus(GOOD, later), VehicleStatus(REVOKED))
    found = finder(backend)
    assert (await found.status(vehicle())).status is GOOD
    assert (await found.status(vehicle())).status is GOOD
    assert backend.asked == 1


async def test_an_answer_without_an_end_is_not_kept() -> None:
    backend = AskedBackend(VehicleStatus(GOOD), VehicleStatus(REVOKED))
    found = finder(backend)
    assert (await found.status(vehicle())).status is GOOD
    assert (await found.status(vehicle())).status is REVOKED


async def test_a_back_end_that_fails_or_hangs_leaves_the_status_unknown() -> None:
    complaints: list[str] = []
    assert (await finder(AskedBackend(ValueError("x")), complaints).status(vehicle())).status is UNKNOWN
    assert (await finder(Slow(), complaints).status(vehicle())).status is UNKNOWN
    assert complaints == ["vehicle_status: ValueError: x", "vehicle_status: no answer in time"]


def test_without_anyone_to_ask_nothing_is_asked() -> None:
    assert not finder(None).capable
    assert finder(AskedBackend()).capable
