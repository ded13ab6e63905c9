"""No input of Plug and Charge keeps the event loop for long.

The bound is a number of signature verifications in the same run, so that a slow machine is no finding:
one takes about 0.1 ms, the dearest input about 3 ms.
"""

from __future__ import annotations

from secc.pki.contract import Evidence, present, weigh
from tests.support.contracts import NOW, trusted, wallet
from tools.bench.pnc import LENIENT, inputs, long_list, measure, operations

DEAREST = 150  # ECDSA verifications


def one_verification() -> float:
    return measure(operations()["one ECDSA verification by OpenSSL"], 25)


def test_every_input_of_a_session_is_cheap() -> None:
    rounds = [inputs(1) for _ in range(5)]
    costs = {name: min(one[name] for one in rounds) for name in rounds[0]}
    assert set(costs) == {
        "PaymentDetailsReq",
        "the evidence about revocation",
        "AuthorizationReq",
        "CertificateInstallationReq",
        "the back end's answer to it",
        "-20 CertificateInstallationReq",
        "-20 the request that gets the contract",
    }
    assert max(costs.values()) < DEAREST * one_verification()


def test_the_longest_list_that_is_taken_is_cheap() -> None:
    car = wallet()
    shown = present(car.chain_message(), car.emaid, trusted(), NOW)
    evidence = Evidence(crls=(long_list(),))
    assert measure(lambda: weigh(shown, evidence, NOW, LENIENT), 5) < DEAREST * one_verification()
