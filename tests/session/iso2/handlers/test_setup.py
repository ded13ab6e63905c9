"""SessionSetup, ServiceDiscovery, ServiceDetail."""

import dataclasses

import pytest

from secc.messages.iso2 import EnergyTransferMode, PaymentOption, ServiceDiscoveryRes, SessionSetupRes
from secc.session.iso2.states import State
from secc.settings import ServiceConfig
from tests.support import requests as r
from tests.support.bench import AC, Bench, code
from tests.support.states import in_state


@pytest.mark.req("V2G2-567")
def test_session_setup_sends_evse_id_and_time() -> None:
    response = Bench(AC).request(r.session_setup(), b"\0")
    assert isinstance(response, SessionSetupRes)
    assert response.evse_id == "DE*AAA*E1"
    assert response.evse_time_stamp == 1_700_000_000


@pytest.mark.req("V2G2-417", "V2G2-633")
def test_service_discovery_offers_charging_by_external_payment() -> None:
    response = in_state(State.WAIT_SERVICE_DISCOVERY).request(r.service_discovery())
    assert isinstance(response, ServiceDiscoveryRes)
    assert response.payment_option_list.payment_option == (PaymentOption.EXTERNAL_PAYMENT,)
    assert response.charge_service.service_id == 1
    assert response.charge_service.free_service is False
    assert response.charge_service.supported_energy_transfer_mode.energy_transfer_mode == (
        EnergyTransferMode.AC_THREE_PHASE_CORE,
        EnergyTransferMode.AC_SINGLE_PHASE_CORE,
    )


def test_free_service_is_announced() -> None:
    bench = Bench(dataclasses.replace(AC, service=ServiceConfig(free=True)))
    bench.request(r.session_setup(), b"\0")
    response = bench.request(r.service_discovery())
    assert isinstance(response, ServiceDiscoveryRes)
    assert response.charge_service.free_service is True


@pytest.mark.req("V2G2-548")
def test_details_of_the_charge_service_may_be_asked_twice() -> None:
    bench = in_state(State.WAIT_SERVICE_SELECTION)
    assert code(bench.request(r.service_detail(1))) == "OK"
    assert code(bench.request(r.service_detail(1))) == "OK"


@pytest.mark.req("V2G2-425", "V2G2-464")
def test_details_of_a_service_that_is_not_offered_are_refused() -> None:
    bench = in_state(State.WAIT_SERVICE_SELECTION)
    response = bench.request(r.service_detail(3))
    assert code(response) == "FAILED_ServiceIDInvalid"
    assert response.service_id == 3  # type: ignore[union-attr]
