"""PaymentServiceSelection."""

import pytest

from secc.messages.iso2 import PaymentOption
from secc.session.iso2.states import State
from tests.support import requests as r
from tests.support.bench import code
from tests.support.states import in_state


@pytest.mark.req("V2G2-465", "V2G2-135", "V2G2-632")
def test_contract_is_refused_as_it_was_not_offered() -> None:
    bench = in_state(State.WAIT_SERVICE_SELECTION)
    assert (
        code(bench.request(r.payment_selection(PaymentOption.CONTRACT))) == "FAILED_PaymentSelectionInvalid"
    )
    assert bench.ended


@pytest.mark.req("V2G2-467")
def test_another_service_beside_charging_is_refused() -> None:
    bench = in_state(State.WAIT_SERVICE_SELECTION)
    assert code(bench.request(r.payment_selection(services=(1, 2)))) == "FAILED_ServiceSelectionInvalid"


@pytest.mark.req("V2G2-804")
def test_missing_charge_service_wins_over_unknown_service() -> None:
    bench = in_state(State.WAIT_SERVICE_SELECTION)
    assert code(bench.request(r.payment_selection(services=(2,)))) == "FAILED_NoChargeServiceSelected"
