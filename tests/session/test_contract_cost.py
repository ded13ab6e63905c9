"""No input of Plug and Charge keeps the event loop for more than a few milliseconds of CPU."""

from __future__ import annotations

from secc.pki.contract import Evidence, present, weigh
from tests.support.contracts import NOW, trusted, wallet
from tools.bench_pnc import LENIENT, inputs, long_list, measure


def test_every_input_of_a_session_is_cheap() -> None:
    rounds = [inputs(1) for _ in range(5)]
    costs = {name: min(one[name] for one in rounds) for name in rounds[0]}
    assert set(costs) == {
        "PaymentDetailsReq",
        "the evidence about revocation",
        "AuthorizationReq",
        "CertificateInstallationReq",
        "the back end's answer to it",
    }
    assert max(costs.values()) < 0.010  # s of CPU; 1 to 3 ms on one core of a server


def test_the_longest_list_that_is_taken_is_cheap() -> None:
    car = wallet()
    shown = present(car.chain_message(), car.emaid, trusted(), NOW)
    evidence = Evidence(crls=(long_list(),))
    assert measure(lambda: weigh(shown, evidence, NOW, LENIENT), 5) < 0.015
