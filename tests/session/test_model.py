"""Every reachable state of the session and of the lease of its output, searched."""

import pytest

from secc.session.machine import Session
from secc.session.states import State
from tests.support.bench import AC, DC
from tests.support.safety import Broken
from tests.support.search import search
from tools.pages import model

CONTRACT_ONLY = {
    State.WAIT_CONTRACT,
    State.PROVISIONING,
    State.WAIT_PAYMENT_DETAILS,
    State.CHECKING_CONTRACT,
    State.WAIT_CONTRACT_AUTHORIZATION,
    State.WAIT_RECEIPT_AC,
    State.WAIT_RECEIPT_DC,
    State.WAIT_AFTER_RECEIPT,
}
"""Contracts need signatures: the random walk goes there, not the search."""


@pytest.mark.timeout(600)
@pytest.mark.inv(
    *("INV-01", "INV-02", "INV-03", "INV-04", "INV-05", "INV-06", "INV-07", "INV-09", "INV-10", "INV-11"),
    *("INV-12", "INV-15", "INV-16", "INV-17", "INV-18", "INV-20", "INV-29", "INV-31"),
)
def test_no_reachable_state_breaks_an_invariant() -> None:
    found = {"AC": search(AC), "DC": search(DC)}
    reached = {name for one in found.values() for name in one.states}
    assert {state.name for state in State} - reached == {state.name for state in CONTRACT_ONLY}
    assert found["AC"].energised > 0 < found["DC"].energised
    assert model.numbers(found) == model.known(), "python -m tools.model writes the new numbers"


BLINDFOLDS = {
    "a pilot that is not looked at": "_watch_outlet",
    "a lease that is not looked at": "_watch_lease",
    "a lease that is not renewed": "_renew_lease",
}


@pytest.mark.parametrize("method", BLINDFOLDS.values(), ids=BLINDFOLDS)
def test_the_search_finds_a_planted_defect(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, method, lambda *_, **__: None)
    with pytest.raises(Broken):
        search(AC)
