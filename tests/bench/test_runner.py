"""Running cases without a station: verdicts, limits, what is not tried; the commands of the test stand."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from secc.bench import BenchReport, BenchTimers, BenchVerdict, Case, Need, Target, run, runner
from secc.bench.pki import CarPki
from secc.bench.stand import StationCommand
from secc.bench.trial import Trial
from secc.bench.verdict import Failed, Inconclusive, NotApplicable
from secc.errors import CertificateError

PKI = Path(__file__).resolve().parents[2] / "certs/testpki"
NOBODY = Target(host="::1", port=9, timers=BenchTimers(reach=0.05, discovery=0.05))


def case(name: str, work: Callable[[Trial], Awaitable[None]], *needs: Need) -> Case:
    return Case(id=name, group="SDP", title="t", expect="e", run=work, needs=frozenset(needs))


def raising(error: Exception) -> Callable[[Trial], Awaitable[None]]:
    async def work(_: Trial) -> None:
        raise error

    return work


async def good(trial: Trial) -> None:
    trial.remark("as expected")
    trial.remark("as expected")


async def endless(_: Trial) -> None:
    await asyncio.Event().wait()


async def talkative(trial: Trial) -> None:
    for number in range(500):
        trial.note("note", f"line {number}")


def examined(*cases: Case) -> BenchReport:
    return asyncio.run(run(cases, NOBODY))


@pytest.mark.parametrize(
    ("work", "verdict", "reason"),
    [
        (good, BenchVerdict.PASS, ""),
        (raising(Failed("expected 1; got 2")), BenchVerdict.FAIL, "expected 1; got 2"),
        (raising(Inconclusive("not there")), BenchVerdict.INCONCLUSIVE, "not there"),
        (raising(NotApplicable("no such thing")), BenchVerdict.NOT_APPLICABLE, "no such thing"),
        (raising(OSError("gone")), BenchVerdict.INCONCLUSIVE, "OSError: gone"),
    ],
)
def test_what_a_case_raises_becomes_its_verdict(
    work: Callable[[Trial], Awaitable[None]], verdict: BenchVerdict, reason: str
) -> None:
    outcome = examined(case("one", work)).outcomes[0]
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


def test_a_remark_stands_once() -> None:
    assert examined(case("one", good)).outcomes[0].remarks == ("as expected",)


def test_a_case_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LIMIT", 0.05)
    outcome = examined(case("one", endless), case("two", good)).outcomes
    assert outcome[0].verdict is BenchVerdict.INCONCLUSIVE
    assert outcome[0].reason.startswith("not finished after")
    assert outcome[1].verdict is BenchVerdict.PASS


def test_a_long_log_keeps_its_beginning_and_its_end() -> None:
    log = examined(case("one", talkative)).outcomes[0].log
    assert (log[0].text, log[-1].text, len(log)) == ("line 0", "line 499", 81)
    assert log[40].text == "... 420 more lines ..."


def test_a_station_that_is_not_found_is_not_looked_for_without_end() -> None:
    lost = raising(Inconclusive("no station answered discovery in 1 s"))
    report = examined(*(case(f"c{number}", lost) for number in range(6)), case("last", good))
    assert report.outcomes[3].reason == "no station answered discovery in 1 s"
    assert report.outcomes[4].reason.startswith("not tried")
    assert report.outcomes[6].reason.startswith("not tried")
    assert not report.good


def test_what_could_not_be_found_out_makes_nothing_inapplicable() -> None:
    outcomes = examined(case("dc", good, Need.DC), case("pilot", good, Need.PILOT)).outcomes
    assert outcomes[0].verdict is BenchVerdict.INCONCLUSIVE
    assert "no connection to" in outcomes[0].reason
    assert (outcomes[1].verdict, outcomes[1].reason) == (BenchVerdict.NOT_APPLICABLE, Need.PILOT.value)


# --- the test stand ----------------------------------------------------------------------------------------


async def test_a_command_gets_the_state(tmp_path: Path) -> None:
    file = tmp_path / "state"
    script = f"import sys; open({str(file)!r}, 'w').write(sys.argv[1])"
    await StationCommand(f'{sys.executable} -c "{script}" {{state}}', "--pilot-command")("C")
    assert file.read_text() == "C"


@pytest.mark.parametrize(
    ("command", "said"), [("/no/such/box {state}", "No such file"), ("false {state}", "exit code 1")]
)
async def test_a_command_that_fails_says_nothing_about_the_station(command: str, said: str) -> None:
    with pytest.raises(Inconclusive, match=said):
        await StationCommand(command, "--pilot-command")("B")


def test_a_command_without_a_place_for_the_state_is_refused() -> None:
    with pytest.raises(ValueError, match="--link-command box"):
        StationCommand("box", "--link-command")


# --- certificates ------------------------------------------------------------------------------------------


def test_the_test_hierarchy_makes_a_car_and_an_issuer() -> None:
    pki = CarPki.read(PKI)
    assert pki.can_issue
    assert pki.wallet().emaid == "DEABC000000001G"


def test_a_folder_without_a_contract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"contract_leaf\.pem"):
        CarPki.read(tmp_path)
