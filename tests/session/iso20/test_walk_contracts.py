"""Random walks with contracts, their installation, metering confirmation and AC_DER_IEC.

As `test_walk`, from seeds: what a car shows and signs is real, and judged once.
"""

import dataclasses
import random
from typing import Any

import msgspec
import pytest

from secc import payloads
from secc.messages.iso20_common import Processing
from secc.pki import contract as contracts
from secc.pki.kinds import Kind
from secc.pki.provisioning import ProvisioningAnswer, Refusal
from secc.pki.trust import TrustStore, trust
from secc.session.contract_events import (
    AuthorizeContract,
    ContractDecided,
    ContractDelivered,
    ContractGranted,
    ContractJudged,
    ContractProvisioned,
    JudgeContract,
    Provision,
    StoreReceipt,
    Verdict,
)
from secc.session.inputs import GridCodeGiven, Received
from secc.session.iso20 import discharge, steering
from secc.session.iso20.handlers import contract, installation, setup
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.table_der import ISO20_DER
from secc.session.outputs import AskGridCode
from secc.session.states import Stage
from secc.settings import Iso20Config, PncConfig, SeccConfig, TimingConfig
from tests.session.iso20.test_walk import SOCS, Walk20, following
from tests.session.iso20.test_walk import _step as step
from tests.support import der as d
from tests.support import installation as i
from tests.support import iso20 as r
from tests.support import pnc20
from tests.support.contracts import UTC
from tests.support.grid import CODE
from tests.support.iso20 import AC_BPT, DC_BPT, Bench20
from tests.support.outlet_rules import Broken
from tests.support.proofs20 import Car20, judged_once20

VERDICTS = (Verdict.ACCEPTED,) * 60 + tuple(Verdict)
ROOTS = (Kind.V2G_ROOT, Kind.MO_ROOT, Kind.OEM_ROOT)


def _both() -> TrustStore:
    """The roots of the car's contracts, and of those that it is given."""
    pairs = [(kind, pki[kind].certificate) for pki in (pnc20.hierarchy(), i.hierarchy()) for kind in ROOTS]
    return trust(pairs)


def _paying(config: SeccConfig) -> SeccConfig:
    return dataclasses.replace(
        config,
        service=pnc20.BOTH,
        pnc=PncConfig(receipt_interval=0.5),
        timing=TimingConfig(stop_delay=1.0, sequence=5.0),
    )


CAR = Car20()
TERMS = msgspec.structs.replace(pnc20.terms(), trust=_both(), installs=True)
GRID = dataclasses.replace(
    AC_BPT, iso20=Iso20Config(der=True, der_reactive_power=5000.0, discharge=True, standby=True)
)
PAID = [_paying(AC_BPT), _paying(DC_BPT)]


class ContractWalk(Walk20):
    """With a car that has contracts, at a station that accepts and delivers them."""

    def plugged(self, **session: Any) -> Bench20:
        bench = Bench20(self.config, contracts=TERMS, **session)
        bench.outlet(utc=UTC, meter=pnc20.METER)
        return bench

    def plausible(self, choice: int) -> None:
        state = self.bench.session.state
        first = state is S.WAIT_AUTHORIZATION
        if state is S.WAIT_CERTIFICATE:
            self.bench.feed(self._installation(1))
            return
        shown = list(CAR.says(self.bench.session))
        if first and choice % 11 == 0:
            self.bench.feed(self._installation(choice))
        elif shown and (first or choice % 19 == 0 or (choice % 2 and self.bench.side.metering is not None)):
            good = shown[0] if first else shown[4 * (choice % 8 == 0)]
            self.bench.feed(good[1] if choice % 13 else shown[choice % len(shown)][1])
        else:
            super().plausible(choice)

    def _installation(self, choice: int) -> Received:
        made = (i.request, i.unsigned)[choice % 9 == 0]()
        header = msgspec.structs.replace(made.header, session_id=self.bench.session.session_id)
        made = msgspec.structs.replace(made, header=header)
        return Received(made, self.bench.evse, i.encoded(made))

    def others(self, choice: int) -> None:
        verdict = VERDICTS[choice % len(VERDICTS)]
        answers = (ProvisioningAnswer(i.bundle(remaining=choice % 2)),) * 4 + _BAD
        answer = answers[choice % len(answers)]
        self._answer(JudgeContract, ContractJudged)
        self._answer(AuthorizeContract, lambda ticket: ContractDecided(ticket, verdict))
        self._answer(Provision, lambda ticket: ContractProvisioned(ticket, answer))


_BAD = (ProvisioningAnswer(b"garbage"), ProvisioningAnswer(refusal=Refusal.UNKNOWN))


class GridWalk(Walk20):
    """In AC_DER_IEC."""

    @property
    def wire(self) -> payloads.Payloads:
        return payloads.iso20("iso20-ac-der-iec")

    def plugged(self, **session: Any) -> Bench20:
        bench = Bench20(self.config, **session)
        bench.session.speak(ISO20_DER)
        return bench

    def plausible(self, choice: int) -> None:
        known = self._following(choice)
        if known:
            self.bench.ask(known[choice % len(known)])
        else:
            super().plausible(choice)

    def _following(self, choice: int) -> list[Any]:
        selected = self.bench.side.selection
        dynamic = selected is not None and selected.dynamic
        present, least = SOCS[choice % len(SOCS)]
        more = {"display_parameters": r.display(present_soc=present, minimum_soc=least)}
        loop = (d.dynamic_loop if dynamic else d.loop)(choice % 256, **more)
        leaving = [one for one in following(self.bench, choice) if not hasattr(one, "cl_req_control_mode")]
        processing = Processing.ONGOING if choice % 4 == 0 else Processing.FINISHED
        known: dict[Stage, list[Any]] = {
            S.WAIT_SERVICE_DETAIL: [r.service_detail(10), r.selection(10, 1 + choice % 2)],
            S.WAIT_SERVICE_SELECTION: [r.selection(10, 1 + choice % 2)],
            S.WAIT_PARAMETERS_AC: [d.parameters(processing)],
            S.WAIT_FIRST_LOOP_AC: [loop],
            S.WAIT_LOOP_AC: [loop, loop, *leaving],
            S.WAIT_STANDBY_AC: [loop, *leaving],
            S.WAIT_NEW_SCHEDULE_AC: [d.parameters(), *leaving],
        }
        return known.get(self.bench.session.state, [])

    def others(self, choice: int) -> None:
        self._answer(AskGridCode, lambda ticket: GridCodeGiven(ticket, CODE if choice % 4 else None))


def walked(kind: type[Walk20], configs: list[SeccConfig], seed: int, walks: int = 40) -> list[Walk20]:
    """Some walks from this seed."""
    dice, found = random.Random(seed), []
    for _ in range(walks):
        walk = kind()
        walk.begin(dice.choice(configs), dice.randrange(24), dice.randrange(100))
        for _ in range(60):
            step(walk, dice)
            walk.others(dice.randrange(100))
            walk.safe()
        found.append(walk)
    return found


def emitted(walks: list[Walk20]) -> set[type[Any]]:
    """Classes of what the sessions have asked, said and kept for the record."""
    return {type(one) for walk in walks for _, _, outputs in walk.bench.trace for one in outputs}


def test_walks_with_contracts_stay_safe_and_reach_deliveries_grants_and_receipts() -> None:
    with judged_once20():
        walks = [walk for seed in (1, 5) for walk in walked(ContractWalk, PAID, seed)]
    reached = {state for walk in walks for state in walk.reached}
    assert reached >= {S.WAIT_CERTIFICATE, S.WAIT_LOOP_AC, S.WAIT_LOOP_DC, S.ENDED}
    assert emitted(walks) >= {ContractGranted, ContractDelivered, StoreReceipt, Provision, JudgeContract}


def test_walks_in_ac_der_iec_stay_safe_and_reach_the_charge_loop() -> None:
    walks = [walk for seed in range(2) for walk in walked(GridWalk, [GRID], seed)]
    reached = {state for walk in walks for state in walk.reached}
    assert reached >= {S.WAIT_LOOP_AC, S.WAIT_NEW_SCHEDULE_AC, S.WAIT_STANDBY_AC, S.ENDED}


# --- planted defects ---------------------------------------------------------------------------------------

_TARGET, _AUTHORIZE = steering.target, contracts.authorize


def _any_challenge(mode: Any, signature: Any, _: bytes, *rest: Any) -> Any:
    return _AUTHORIZE(mode, signature, mode.gen_challenge, *rest)


DEFECTS: dict[str, tuple[type[Walk20], Any, str, Any]] = {
    "a contract that inherits a decision": (ContractWalk, setup, "_check_repeated", lambda *_: None),
    "a challenge that is not compared": (ContractWalk, contracts, "authorize", _any_challenge),
    "a withdrawn contract that charges on": (ContractWalk, contract, "order_stop", lambda *_, **__: None),
    "a contract for a request without a signature": (
        ContractWalk,
        installation,
        "_verified",
        lambda *_: i.asked(),
    ),
    "discharge without permission": (GridWalk, discharge, "permitted", lambda one: discharge.hardware(one)),
    "a target of the other sign": (GridWalk, steering, "target", lambda *given: -_TARGET(*given)),
}


@pytest.mark.parametrize(("kind", "owner", "name", "replacement"), DEFECTS.values(), ids=DEFECTS)
def test_a_walk_finds_a_planted_defect(
    kind: type[Walk20], owner: Any, name: str, replacement: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, replacement)
    with judged_once20(), pytest.raises(Broken):
        _many(kind)


def _many(kind: type[Walk20]) -> None:
    for seed in range(12):
        walked(kind, PAID if kind is ContractWalk else [GRID], seed)
