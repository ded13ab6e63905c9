"""Services that a session with contracts offers, and their selection."""

from __future__ import annotations

import msgspec
import pytest

from secc.messages import iso2
from secc.messages.iso2 import PaymentOption, ServiceCategory
from secc.pki.provisioning import Action
from tests.support import requests
from tests.support.bench import AC, code
from tests.support.pnc import (
    PNC_AC,
    PncBench,
    terms,
    with_pnc,
)


def discovered(bench: PncBench, **request: object) -> iso2.ServiceDiscoveryRes:
    bench.request(requests.session_setup(), b"\0")
    found = bench.request(iso2.ServiceDiscoveryReq(**request))  # type: ignore[arg-type]
    assert isinstance(found, iso2.ServiceDiscoveryRes)
    return found


@pytest.mark.req("V2G2-410", "V2G2-417", "V2G2-632")
def test_contract_and_certificate_service_are_offered_over_tls() -> None:
    found = discovered(PncBench())
    assert found.payment_option_list.payment_option == (
        PaymentOption.CONTRACT,
        PaymentOption.EXTERNAL_PAYMENT,
    )
    assert found.service_list is not None
    assert [one.service_id for one in found.service_list.service] == [2]


@pytest.mark.inv("INV-21")
@pytest.mark.req("V2G2-632", "V2G2-634")
@pytest.mark.parametrize(
    "bench",
    [
        lambda: PncBench(tls=False),
        lambda: PncBench(AC),
        lambda: _clockless(),
    ],
    ids=["without TLS", "not configured", "clock not set"],
)
def test_contract_is_not_offered_and_not_taken(bench: object) -> None:
    assert callable(bench)
    at = bench()
    found = discovered(at)
    assert found.payment_option_list.payment_option == (PaymentOption.EXTERNAL_PAYMENT,)
    assert found.service_list is None
    response = at.request(requests.payment_selection(PaymentOption.CONTRACT))
    assert code(response) == "FAILED_PaymentSelectionInvalid"  # PNC-10


def _clockless() -> PncBench:
    bench = PncBench()
    bench.outlet(utc=1000.0)
    return bench


def test_a_session_without_terms_offers_external_payment_only() -> None:
    bench = PncBench()
    bench.session.contracts = None
    assert discovered(bench).payment_option_list.payment_option == (PaymentOption.EXTERNAL_PAYMENT,)


@pytest.mark.parametrize(
    ("category", "offered"),
    [(ServiceCategory.CONTRACT_CERTIFICATE, True), (ServiceCategory.INTERNET, False), (None, True)],
)
def test_the_category_filters_services(category: ServiceCategory | None, offered: bool) -> None:
    found = discovered(PncBench(), service_category=category)
    assert (found.service_list is not None) is offered


@pytest.mark.req("V2G2-425", "V2G2-428")
def test_details_of_the_certificate_service_name_its_two_sets() -> None:
    bench = PncBench()
    discovered(bench)
    found = bench.request(requests.service_detail(2))
    assert isinstance(found, iso2.ServiceDetailRes)
    assert found.service_parameter_list is not None
    sets = found.service_parameter_list.parameter_set
    assert [(one.parameter_set_id, one.parameter[0].string_value) for one in sets] == [
        (1, "Installation"),
        (2, "Update"),
    ]


def test_a_back_end_that_only_installs_offers_one_set() -> None:
    bench = PncBench(contracts=terms(provisions=frozenset({Action.INSTALL})))
    discovered(bench)
    found = bench.request(requests.service_detail(2))
    assert isinstance(found, iso2.ServiceDetailRes)
    assert found.service_parameter_list is not None
    assert [one.parameter_set_id for one in found.service_parameter_list.parameter_set] == [1]


@pytest.mark.parametrize("provisions", [frozenset(), frozenset(Action)])
def test_the_certificate_service_is_not_there_when_it_is_not_offered(provisions: frozenset[Action]) -> None:
    config = with_pnc(PNC_AC, certificate_service=not provisions)
    bench = PncBench(config, contracts=terms(provisions=provisions))
    assert discovered(bench).service_list is None
    assert code(bench.request(requests.service_detail(2))) == "FAILED_ServiceIDInvalid"


@pytest.mark.parametrize(
    ("service", "parameter_set", "expected"),
    [
        (2, 1, "OK"),
        (2, 2, "OK"),
        (2, None, "OK"),
        (2, 3, "FAILED_ServiceSelectionInvalid"),
        (3, None, "FAILED_ServiceSelectionInvalid"),
    ],
)
@pytest.mark.req("V2G2-432", "V2G2-467")
def test_selection_of_services(service: int, parameter_set: int | None, expected: str) -> None:
    bench = PncBench()
    discovered(bench)
    chosen = iso2.SelectedService(service_id=service, parameter_set_id=parameter_set)
    request = requests.payment_selection(PaymentOption.CONTRACT)
    services = (*request.selected_service_list.selected_service, chosen)
    both = msgspec.structs.replace(
        request, selected_service_list=iso2.SelectedServiceList(selected_service=services)
    )
    assert code(bench.request(both)) == expected
