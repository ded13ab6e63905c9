"""A session in each state."""

from collections.abc import Callable

from secc.pki.provisioning import ProvisioningAnswer
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot
from secc.settings import Payment, SeccConfig
from tests.support import requests
from tests.support.bench import AC, DC, Bench
from tests.support.pnc import PNC_AC, PNC_DC, PncBench, bundle, terms, with_pnc


def _awaiting_pilot_ac(bench: Bench) -> None:
    bench.to_power_on_ac().request(requests.start())


def _closing_contactor(bench: Bench) -> None:
    bench.to_power_on_ac().outlet(control_pilot=ControlPilot.C)
    bench.request(requests.start())


def _stop_ac(bench: Bench) -> None:
    bench.to_status().request(requests.stop())


def _awaiting_pilot_dc(bench: Bench) -> None:
    bench.to_cable_check().request(requests.cable_check())


def _awaiting_voltage(bench: Bench) -> None:
    bench.to_power_on_dc().outlet(present_voltage=500.0)
    bench.request(requests.start())


def _awaiting_pilot_b(bench: Bench) -> None:
    bench.to_stop_dc().request(requests.welding_detection())


def _welding(bench: Bench) -> None:
    bench.to_stop_dc().outlet(control_pilot=ControlPilot.B)
    bench.request(requests.welding_detection())


def _ended(bench: Bench) -> None:
    bench.to_authorization().request(requests.session_stop())


def _service_discovery(bench: Bench) -> None:
    bench.request(requests.session_setup(), b"\0")


def _service_selection(bench: Bench) -> None:
    _service_discovery(bench)
    bench.request(requests.service_discovery())


def _receipt(bench: Bench) -> PncBench:
    assert isinstance(bench, PncBench)
    if bench.session.config.energy.offers_dc:
        bench.to_loop_dc().request(requests.current_demand())
    else:
        bench.to_loop_ac().request(requests.charging_status())
    return bench


def _provisioning(bench: Bench) -> PncBench:
    assert isinstance(bench, PncBench)
    bench.select().signed(bench.car.installation())
    return bench


def _provisioned(bench: Bench) -> None:
    _provisioning(bench).provision(ProvisioningAnswer(bundle()))


def _checking(bench: Bench) -> None:
    assert isinstance(bench, PncBench)
    bench.session.contracts = terms(finds_revocation=True)
    bench.to_proof()


def _after_receipt(bench: Bench) -> None:
    at = _receipt(bench)
    at.signed(at.receipt())


def _contract(bench: Bench) -> PncBench:
    assert isinstance(bench, PncBench)
    return bench


RECEIPTS_AC = with_pnc(PNC_AC, receipt_interval=0.0)
RECEIPTS_DC = with_pnc(PNC_DC, receipt_interval=0.0)
WAYS: dict[State, tuple[SeccConfig, Callable[[Bench], object]]] = {
    State.WAIT_SESSION_SETUP: (AC, lambda bench: None),
    State.WAIT_SERVICE_DISCOVERY: (AC, _service_discovery),
    State.WAIT_SERVICE_SELECTION: (AC, _service_selection),
    State.WAIT_AUTHORIZATION: (AC, Bench.to_authorization),
    State.WAIT_CHARGE_PARAMETERS: (AC, Bench.to_parameters),
    State.WAIT_POWER_ON_AC: (AC, Bench.to_power_on_ac),
    State.AWAITING_PILOT_AC: (AC, _awaiting_pilot_ac),
    State.CLOSING_CONTACTOR: (AC, _closing_contactor),
    State.WAIT_FIRST_STATUS: (AC, Bench.to_first_status),
    State.WAIT_STATUS: (AC, Bench.to_status),
    State.WAIT_STOP_AC: (AC, _stop_ac),
    State.WAIT_CABLE_CHECK: (DC, Bench.to_cable_check),
    State.AWAITING_PILOT_DC: (DC, _awaiting_pilot_dc),
    State.WAIT_CABLE_CHECK_RESULT: (DC, Bench.to_cable_check_result),
    State.WAIT_PRE_CHARGE: (DC, Bench.to_pre_charge),
    State.WAIT_POWER_ON_DC: (DC, Bench.to_power_on_dc),
    State.AWAITING_VOLTAGE: (DC, _awaiting_voltage),
    State.WAIT_FIRST_DEMAND: (DC, Bench.to_first_demand),
    State.WAIT_DEMAND: (DC, Bench.to_demand),
    State.WAIT_STOP_DC: (DC, Bench.to_stop_dc),
    State.AWAITING_PILOT_B: (DC, _awaiting_pilot_b),
    State.WAIT_WELDING: (DC, _welding),
    State.WAIT_CONTRACT: (PNC_AC, lambda bench: _contract(bench).select()),
    State.PROVISIONING: (PNC_AC, _provisioning),
    State.WAIT_PAYMENT_DETAILS: (PNC_AC, _provisioned),
    State.CHECKING_CONTRACT: (PNC_AC, _checking),
    State.WAIT_CONTRACT_AUTHORIZATION: (PNC_AC, lambda bench: _contract(bench).to_proof()),
    State.WAIT_RECEIPT_AC: (RECEIPTS_AC, _receipt),
    State.WAIT_RECEIPT_DC: (RECEIPTS_DC, _receipt),
    State.WAIT_AFTER_RECEIPT: (RECEIPTS_DC, _after_receipt),
    State.ENDED: (AC, _ended),
}


def in_state(state: State, config: SeccConfig | None = None) -> Bench:
    """A new session in this state, under its usual configuration or a variant of it."""
    usual, way = WAYS[state]
    config = config or usual
    bench = PncBench(config) if Payment.CONTRACT in config.service.payment_options else Bench(config)
    way(bench)
    return bench
