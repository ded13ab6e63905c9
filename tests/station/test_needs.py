"""Needs on their way to a back end that declares that it follows them."""

import asyncio

import pytest

from secc.ports import Backend, FollowsNeeds
from secc.session.needs import VehicleNeeds
from secc.session.schedules import DynamicOffer, EnergyNeed, ScheduleOffer
from secc.settings import SeccConfig
from secc.station.needs import NeedsReports
from tests.support.reports import HeardReports


class Plain(Backend):
    async def authorize_external(self, evse_id: str) -> bool:
        return True

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | DynamicOffer | None:
        return None


class Following(Plain, FollowsNeeds):
    """Takes a report when it is let."""

    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[int | None] = []
        self.go = asyncio.Event()
        self.error = error

    async def vehicle_needs(self, evse_id: str, needs: VehicleNeeds) -> None:
        self.seen.append(needs.present_soc)
        await self.go.wait()
        if self.error is not None:
            raise self.error


def needs(soc: int) -> VehicleNeeds:
    return VehicleNeeds(present_soc=soc)


async def test_a_slow_back_end_gets_the_latest_report_and_not_all() -> None:
    backend, complaints = Following(), list[str]()
    reports = NeedsReports(SeccConfig(), backend, HeardReports(complaints))
    calls = [asyncio.ensure_future(reports.report(needs(soc))) for soc in (10, 11, 12, 13)]
    await asyncio.sleep(0)
    backend.go.set()
    await asyncio.gather(*calls)
    assert backend.seen == [10, 13]
    await reports.report(needs(14))
    assert backend.seen == [10, 13, 14]
    assert complaints == []


@pytest.mark.parametrize("error", [RuntimeError("no"), TimeoutError()])
async def test_a_call_that_fails_is_reported_and_the_next_report_is_tried(error: Exception) -> None:
    backend, complaints = Following(error), list[str]()
    backend.go.set()
    reports = NeedsReports(SeccConfig(), backend, HeardReports(complaints))
    await reports.report(needs(10))
    await reports.report(needs(11))
    assert backend.seen == [10, 11]
    assert [text.partition(":")[0] for text in complaints] == ["vehicle_needs"] * 2


async def test_a_back_end_without_the_ability_gets_nothing() -> None:
    heard = HeardReports()
    await NeedsReports(SeccConfig(), Plain(), heard).report(needs(10))
    assert heard.complaints == []
