"""Value-added services: offered, described, chosen."""

import dataclasses

import pytest

from secc import exi
from secc.errors import ConfigError
from secc.messages import iso2
from secc.messages.iso2 import BodyElement, ServiceCategory
from secc.session.outputs import Send
from secc.session.service_events import ChosenService, ServicesChosen
from secc.settings import SeccConfig, ServiceConfig
from secc.settings.services import (
    ServiceKind,
    ServiceParameter,
    ServiceParameterSet,
    ValueAddedService,
    check_services,
)
from tests.support import requests as r
from tests.support.bench import AC, Bench, code


def way(number: int, protocol: str, port: int) -> ServiceParameterSet:
    parameters = (
        ServiceParameter(name="Protocol", text=protocol),
        ServiceParameter(name="Port", number=port),
    )
    return ServiceParameterSet(id=number, parameters=parameters)


INTERNET = ValueAddedService(
    id=3,
    name="InternetAccess",
    category=ServiceKind.INTERNET,
    free=True,
    parameter_sets=(way(3, "http", 80), way(4, "https", 443)),
)
PARKING = ValueAddedService(id=60001, name="Parking", scope="DE*AAA", needs_tls=False)
CONFIG: SeccConfig = dataclasses.replace(AC, service=ServiceConfig(value_added=(INTERNET, PARKING)))


def discovered(bench: Bench, request: iso2.ServiceDiscoveryReq | None = None) -> list[int]:
    """The ids in the answer to ServiceDiscoveryReq."""
    bench.request(r.session_setup(), b"\0")
    response = bench.request(request or r.service_discovery())
    assert isinstance(response, iso2.ServiceDiscoveryRes)
    listed = response.service_list
    return [] if listed is None else [service.service_id for service in listed.service]


def selection(*services: tuple[int, int | None]) -> iso2.PaymentServiceSelectionReq:
    return iso2.PaymentServiceSelectionReq(
        selected_payment_option=iso2.PaymentOption.EXTERNAL_PAYMENT,
        selected_service_list=iso2.SelectedServiceList(
            selected_service=tuple(
                iso2.SelectedService(service_id=service, parameter_set_id=parameter_set)
                for service, parameter_set in services
            )
        ),
    )


def secure() -> Bench:
    return Bench(CONFIG, tls=True)


@pytest.mark.req("V2G2-416", "V2G2-417")
def test_all_services_are_offered_over_tls() -> None:
    assert discovered(secure()) == [3, 60001]


@pytest.mark.req("V2G2-422")
def test_without_tls_only_those_that_need_none() -> None:
    assert discovered(Bench(CONFIG)) == [60001]


@pytest.mark.parametrize(
    ("scope", "category", "found"),
    [
        ("DE*AAA", None, [60001]),
        ("elsewhere", None, []),
        ("\0" * 64, None, [3, 60001]),
        (None, ServiceCategory.INTERNET, [3]),
        (None, ServiceCategory.OTHER_CUSTOM, [60001]),
        (None, ServiceCategory.EV_CHARGING, []),
        ("DE*AAA", ServiceCategory.INTERNET, []),
    ],
)
def test_scope_and_category_filter(
    scope: str | None, category: ServiceCategory | None, found: list[int]
) -> None:
    request = iso2.ServiceDiscoveryReq(service_scope=scope, service_category=category)
    assert discovered(secure(), request) == found


def test_services_of_the_integrator_come_besides_the_configured_ones() -> None:
    bench = Bench(AC, tls=True, services=(INTERNET,))
    assert discovered(bench) == [3]


@pytest.mark.req("V2G2-547", "V2G2-549")
def test_details_hold_the_parameter_sets() -> None:
    bench = secure()
    discovered(bench)
    response = bench.request(iso2.ServiceDetailReq(service_id=3))
    assert isinstance(response, iso2.ServiceDetailRes)
    assert response.service_parameter_list == iso2.ServiceParameterList(
        parameter_set=(
            iso2.ParameterSet(
                parameter_set_id=3,
                parameter=(
                    iso2.Parameter(name="Protocol", string_value="http"),
                    iso2.Parameter(name="Port", int_value=80),
                ),
            ),
            iso2.ParameterSet(
                parameter_set_id=4,
                parameter=(
                    iso2.Parameter(name="Protocol", string_value="https"),
                    iso2.Parameter(name="Port", int_value=443),
                ),
            ),
        )
    )
    messages = [output.message for output in bench.outputs if isinstance(output, Send)]
    assert [exi.ISO2.decode(exi.ISO2.encode(message)) for message in messages] == messages


def test_a_service_without_sets_has_details_without_any() -> None:
    bench = secure()
    discovered(bench)
    response = bench.request(iso2.ServiceDetailReq(service_id=60001))
    assert response == iso2.ServiceDetailRes(response_code=iso2.ResponseCode.OK, service_id=60001)


@pytest.mark.req("V2G2-425", "V2G2-464")
@pytest.mark.parametrize(("bench", "service"), [(secure(), 4), (Bench(CONFIG), 3), (secure(), 2)])
def test_details_of_what_is_not_offered_are_refused(bench: Bench, service: int) -> None:
    discovered(bench)
    response = bench.request(iso2.ServiceDetailReq(service_id=service))
    assert code(response) == "FAILED_ServiceIDInvalid"
    assert bench.end is not None


@pytest.mark.req("V2G2-432", "V2G2-433")
def test_what_the_ev_chooses_is_reported_once() -> None:
    bench = secure()
    discovered(bench)
    assert code(bench.request(selection((1, None), (3, 4), (60001, None), (3, 4)))) == "OK"
    assert [output for output in bench.outputs if isinstance(output, ServicesChosen)] == [
        ServicesChosen((ChosenService(3, 4), ChosenService(60001, None)))
    ]


def test_an_ev_that_only_charges_chooses_nothing() -> None:
    bench = secure()
    discovered(bench)
    assert code(bench.request(selection((1, None)))) == "OK"
    assert not any(isinstance(output, ServicesChosen) for output in bench.outputs)


SELECTIONS: list[tuple[BodyElement, str]] = [
    (selection((1, None), (3, 5)), "FAILED_ServiceSelectionInvalid"),
    (selection((1, None), (3, None)), "FAILED_ServiceSelectionInvalid"),  # which of the two?
    (selection((1, None), (60001, 1)), "FAILED_ServiceSelectionInvalid"),
    (selection((1, None), (4, None)), "FAILED_ServiceSelectionInvalid"),
    (selection((3, 4)), "FAILED_NoChargeServiceSelected"),
]


@pytest.mark.inv("INV-27")
@pytest.mark.req("V2G2-467", "V2G2-804")
@pytest.mark.parametrize(("request_", "refusal"), SELECTIONS)
def test_a_selection_that_was_not_offered_is_refused_and_nothing_is_reported(
    request_: BodyElement, refusal: str
) -> None:
    bench = secure()
    discovered(bench)
    assert code(bench.request(request_)) == refusal
    assert not any(isinstance(output, ServicesChosen) for output in bench.outputs)


# --- settings ---


def test_one_set_needs_no_name() -> None:
    assert dataclasses.replace(INTERNET, parameter_sets=(way(3, "http", 80),)).takes(None)


@pytest.mark.parametrize(
    "change",
    [
        {"id": 2},
        {"id": 65536},
        {"name": "x" * 33},
        {"scope": "x" * 65},
        {"category": ServiceKind.OTHER},
        {"parameter_sets": (way(3, "http", 80), way(3, "https", 443))},
    ],
)
def test_a_service_that_does_not_fit_is_refused_when_it_is_made(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        dataclasses.replace(INTERNET, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{}, {"text": "a", "number": 1}, {"number": 2**31}, {"text": "x" * 65}])
def test_a_parameter_has_one_value_that_fits(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ServiceParameter(name="a", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "services", [(PARKING,) * 2, tuple(dataclasses.replace(PARKING, id=60001 + i) for i in range(8))]
)
def test_services_that_do_not_fit_together(services: tuple[ValueAddedService, ...]) -> None:
    with pytest.raises(ConfigError):
        check_services(services, "here")
