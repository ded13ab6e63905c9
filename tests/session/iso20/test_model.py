"""Every reachable state of a session of ISO 15118-20, searched world by world, and planted sign errors."""

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from secc.messages.iso20_common import ResponseCode
from secc.pki import contract as contracts
from secc.pki import receipts
from secc.pki.kinds import Generation
from secc.pki.xmldsig import iso20_part, sign
from secc.session import beside, ending, limits, output, pre_charge
from secc.session.agreed import SetPoint
from secc.session.iso20 import discharge, notifications, steering, terms
from secc.session.iso20.handlers import ac_loop, contract, dc_loop, metering, power, setup
from secc.session.iso20.side import BatteryState
from secc.session.pause import PauseMemory
from secc.session.quantities import Milli
from tests.support.outlet_rules import Broken
from tests.support.pnc20 import car
from tests.support.proofs20 import judged_once20
from tests.support.search import search
from tests.support.worlds20 import WORLDS20

Patch = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.timeout(600)
@pytest.mark.inv("INV-01", "INV-03", "INV-04", "INV-05", "INV-06", "INV-07", "INV-10", "INV-15", "INV-16")
@pytest.mark.inv("INV-08", "INV-11", "INV-12", "INV-13", "INV-18", "INV-29", "INV-30", "INV-31")
@pytest.mark.parametrize("name", WORLDS20)
def test_no_reachable_state_breaks_an_invariant(name: str) -> None:
    with judged_once20():
        found = search(WORLDS20[name])
    assert found.energised > 0
    kind = "DC" if name.startswith("DC") else "AC"
    assert f"WAIT_LOOP_{kind}" in found.states
    assert not name.endswith("standby") or f"WAIT_STANDBY_{kind}" in found.states


def _method(owner: Any, name: str, replacement: Any = lambda *_, **__: None) -> Patch:
    return lambda patch: patch.setattr(owner, name, replacement)


def _mirrored(demand: Any, *rest: Any) -> SetPoint:
    point = _PLAN(demand, *rest)
    return msgspec.structs.replace(point, current=Milli(-point.current))


def _never_closed(session: Any, dialect: Any, state: Any) -> None:
    opens = dialect.opens.get(state, {})
    session.streams = {**opens, **session.streams}


def _any_challenge(mode: Any, signature: Any, _: bytes, *rest: Any) -> Any:
    return _AUTHORIZE(mode, signature, mode.gen_challenge, *rest)


def _unsigned(mode: Any, signature: Any, *rest: Any) -> Any:
    return _AUTHORIZE(mode, signature or car().sign(mode), *rest)


def _confirmed(paid: Any, data: Any, signature: Any, **rest: Any) -> Any:
    part = iso20_part("SignedMeteringData", data)
    made = sign((part,), car().contract.key, generation=Generation.ISO20)
    return _VERIFY(paid, data, signature or made, **rest)


def _accepted(session: Any, _: Any) -> ResponseCode:
    session.grant = msgspec.structs.replace(session.grant, granted=True, refused=False)
    return ResponseCode.OK


def _asks_anyway(session: Any, found: Any) -> None:
    stop, session.stop = session.stop, None
    _ASK(session, found)
    session.stop = stop


_ASK = contract._ask_back_end
_AUTHORIZE, _VERIFY = contracts.authorize, receipts.verify_metering
_PLAN = limits.plan
_TARGET = steering.target


def _everywhere(name: str, replacement: Any) -> Patch:
    """In each module that has imported it by its name."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (notifications, ac_loop, dc_loop, power):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, replacement)

    return patch


def _by_id_alone(session: Any) -> Any:
    paused = session.names.paused
    return paused if paused is not None and session.received_id == paused.session_id else None


DEFECTS: dict[str, tuple[str, Patch]] = {
    "limits of the side stream that count before the choice": (
        "DC, beside the loop",
        _method(terms, "aside", lambda _: contextlib.nullcontext()),
    ),
    "a choice beside the loop that outlives it": (
        "DC, beside the loop",
        _method(beside, "follow", _never_closed),
    ),
    "a choice beside the loop that outlives it, AC": (
        "AC, beside the loop",
        _method(beside, "follow", _never_closed),
    ),
    "a choice beside the loop that outlives it, Dynamic": (
        "DC_BPT Dynamic, beside the loop",
        _method(beside, "follow", _never_closed),
    ),
    "a contract that inherits the decision about another one": (
        "AC, contracts",
        _method(setup, "_check_repeated"),
    ),
    "a challenge that is not compared": ("AC, contracts", _method(contracts, "authorize", _any_challenge)),
    "a contract without a signature": ("AC, contracts", _method(contracts, "authorize", _unsigned)),
    "a contract that the back end refuses": ("AC, contracts", _method(contract, "_denied", _accepted)),
    "a question about a contract after a stop": (
        "AC, contracts",
        _method(contract, "_ask_back_end", _asks_anyway),
    ),
    "a contract that is withdrawn while the EV charges": ("AC, metering", _method(contract, "order_stop")),
    "a meter reading that is not compared": ("AC, metering", _method(metering, "_compare")),
    "a confirmation without a signature": ("AC, metering", _method(receipts, "verify_metering", _confirmed)),
    "a permission that is not looked at in AC_DER_IEC": (
        "AC_DER_IEC Dynamic",
        _method(discharge, "permitted", lambda session: discharge.hardware(session)),
    ),
    "a target of the other sign in AC_DER_IEC": (
        "AC_DER_IEC Dynamic",
        _method(steering, "target", lambda wanted, room: -_TARGET(wanted, room)),
    ),
    "a battery below its least charge, AC_DER_IEC": (
        "AC_DER_IEC Dynamic",
        _method(BatteryState, "may_discharge", property(lambda _: True)),
    ),
    "a set-point of the other sign": ("DC Scheduled", _method(limits, "plan", _mirrored)),
    "an AC target of the other sign": (
        "AC_BPT Dynamic",
        _method(steering, "target", lambda wanted, room: -_TARGET(wanted, room)),
    ),
    "a permission that is not looked at": (
        "DC_BPT Dynamic",
        _method(discharge, "permitted", lambda session: discharge.hardware(session)),
    ),
    "an AC permission that is not looked at": (
        "AC_BPT Dynamic",
        _method(discharge, "permitted", lambda session: discharge.hardware(session)),
    ),
    "a change of direction without a step at zero": (
        "DC_BPT Dynamic",
        _method(output, "_through_zero", lambda _, current: current),
    ),
    "a lease that is not looked at": ("AC_BPT Dynamic", _method(output, "watch_lease", lambda _: None)),
    "a DC target of the other sign": (
        "DC_BPT Dynamic",
        _method(steering, "target", lambda wanted, room: -_TARGET(wanted, room)),
    ),
    "a target that is read with the other sign": (
        "DC_BPT Dynamic",
        _method(steering, "target", lambda wanted, room: _TARGET(None if wanted is None else -wanted, room)),
    ),
    "a battery below its least charge": (
        "DC_BPT Dynamic",
        _method(BatteryState, "may_discharge", property(lambda _: True)),
    ),
    "a battery below its least charge, AC": (
        "AC_BPT Dynamic",
        _method(BatteryState, "may_discharge", property(lambda _: True)),
    ),
    "a start at any voltage": ("DC_BPT Scheduled", _method(pre_charge, "reached", lambda _: True)),
    "a stop that the EV is not informed of": ("AC Scheduled", _everywhere("evse_status", lambda _: None)),
    "a session continued by another vehicle": ("AC, paused", _method(setup, "_verified", _by_id_alone)),
    "a session continued after an unplugged cable": ("AC, paused", _method(PauseMemory, "observe")),
    "a stop that is not enforced": ("DC Scheduled", _method(ending, "overtaken", lambda _: False)),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "plant"), DEFECTS.values(), ids=DEFECTS)
def test_the_search_finds_a_planted_defect(name: str, plant: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with judged_once20(), pytest.raises(Broken):
        search(WORLDS20[name])
