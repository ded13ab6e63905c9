"""Value-added services between back end and session."""

from collections.abc import Sequence

import pytest

from secc.ports import OffersServices
from secc.session.service_events import ChosenService, ServicesChosen
from secc.settings import SeccConfig
from secc.settings.services import ValueAddedService
from secc.station.services import ValueAddedServices
from tests.station.test_outlet import open_scene
from tests.support.reports import HeardReports
from tests.support.wire import GrantingBackend, config, eventually

pytestmark = pytest.mark.loop("virtual")

PARKING = ValueAddedService(id=60001, name="Parking")


class Offering(GrantingBackend, OffersServices):
    """Has additional services."""

    def __init__(self, *services: ValueAddedService, trouble: Exception | None = None) -> None:
        super().__init__()
        self.services = services
        self.trouble = trouble
        self.chosen: list[Sequence[ChosenService]] = []

    def value_added_services(self, evse_id: str) -> Sequence[ValueAddedService]:
        if self.trouble is not None:
            raise self.trouble
        return self.services

    async def services_chosen(self, evse_id: str, chosen: Sequence[ChosenService]) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.chosen.append(chosen)


def services(backend: GrantingBackend) -> tuple[ValueAddedServices, list[str]]:
    complaints: list[str] = []
    return ValueAddedServices(config(), backend, HeardReports(complaints)), complaints


def test_a_back_end_adds_services() -> None:
    assert services(Offering(PARKING))[0].offered() == (PARKING,)


def test_a_back_end_that_has_none_offers_none() -> None:
    assert services(GrantingBackend())[0].offered() == ()


@pytest.mark.parametrize(
    ("backend", "complaint"),
    [
        (Offering(PARKING, PARKING), "value_added_services: expected each id once"),
        (Offering(trouble=RuntimeError("down")), "value_added_services: RuntimeError: down"),
    ],
)
def test_services_that_cannot_be_offered_are_left_out_and_complained_of(
    backend: Offering, complaint: str
) -> None:
    offering, complaints = services(backend)
    assert offering.offered() == ()
    assert complaints == [complaint]


async def test_the_choice_reaches_the_back_end() -> None:
    async with open_scene() as scene:
        backend = Offering(PARKING)
        scene.outlet._services = ValueAddedServices(SeccConfig(), backend, HeardReports(scene.complaints))
        scene.outlet.perform(ServicesChosen((ChosenService(60001),)))
        await eventually(lambda: backend.chosen == [(ChosenService(60001),)])


async def test_a_back_end_that_fails_to_hear_is_complained_of() -> None:
    offering, complaints = services(Offering(trouble=RuntimeError("down")))
    await offering.chosen((ChosenService(60001),))
    assert complaints == ["services_chosen: RuntimeError: down"]
