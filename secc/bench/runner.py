"""Runs cases one after the other; each within a time limit, so that none can block the run."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Callable, Sequence

from secc.bench.case import Case, CaseOutcome, Need
from secc.bench.probe import find_out, unanswered
from secc.bench.selection import missing, runs_over_tls
from secc.bench.target import Facts, Target
from secc.bench.trial import Trial
from secc.bench.verdict import BenchVerdict, Failed, FrameRecord, Inconclusive, NotApplicable
from secc.errors import SeccError

__all__ = ["BenchReport", "LIMIT", "Progress", "run"]

LIMIT = 45.0
"""Seconds that a case may take in addition to the timers it waits for."""

UNREACHABLE_AFTER = 4
"""After this number of consecutive cases without the station, the remaining cases are not tried."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """All results and the target of a run."""

    target: Target
    facts: Facts
    outcomes: tuple[CaseOutcome, ...]
    began: datetime.datetime
    duration: float
    name: str = ""
    """Name of the station, as given by the user."""

    def count(self, verdict: BenchVerdict) -> int:
        return sum(outcome.verdict is verdict for outcome in self.outcomes)

    @property
    def applicable(self) -> int:
        """Number of applicable cases."""
        return len(self.outcomes) - self.count(BenchVerdict.NOT_APPLICABLE)

    @property
    def good(self) -> bool:
        """All applicable cases have passed, and there was at least one."""
        return 0 < self.applicable == self.count(BenchVerdict.PASS)


Progress = Callable[[int, int, CaseOutcome | Case], None]
"""Called before each case with the case, and after it with its outcome; number and total."""


async def run(
    cases: Sequence[Case], target: Target, *, name: str = "", progress: Progress | None = None
) -> BenchReport:
    """Explore the station, then run each applicable case; without a station nothing is tried."""
    began, loop = datetime.datetime.now(datetime.UTC), asyncio.get_running_loop()
    start = loop.time()
    if problem := await unanswered(target):
        report = _not_found(cases, target, name, began, problem, duration=loop.time() - start)
        for number, outcome in enumerate(report.outcomes, 1):
            if progress is not None and outcome.verdict is BenchVerdict.FAIL:
                progress(number, len(cases), outcome)
        return report
    facts = await find_out(target)
    outcomes: list[CaseOutcome] = []
    lost = 0
    for number, case in enumerate(cases, 1):
        if progress is not None:
            progress(number, len(cases), case)
        outcome = await _run_one(case, target, facts, unreachable=lost >= UNREACHABLE_AFTER)
        if outcome.reason.startswith(_NOT_FOUND):
            lost += 1
        elif outcome.verdict is not BenchVerdict.NOT_APPLICABLE and lost < UNREACHABLE_AFTER:
            lost = 0
        outcomes.append(outcome)
        if progress is not None:
            progress(number, len(cases), outcome)
    return BenchReport(
        target=target,
        facts=facts,
        outcomes=tuple(outcomes),
        began=began,
        duration=loop.time() - start,
        name=name,
    )


def _not_found(
    cases: Sequence[Case],
    target: Target,
    name: str,
    began: datetime.datetime,
    problem: str,
    *,
    duration: float,
) -> BenchReport:
    """The report of a run that has found no station."""
    outcomes = tuple(
        CaseOutcome(case=case, verdict=BenchVerdict.FAIL, reason=problem)
        if case.group == "SDP" and Need.PLAIN in case.needs  # silence is a result there
        else CaseOutcome(case=case, verdict=BenchVerdict.INCONCLUSIVE, reason=f"not tried: {problem}")
        for case in cases
    )
    facts = Facts(problem=problem)
    return BenchReport(
        target=target, facts=facts, outcomes=outcomes, began=began, duration=duration, name=name
    )


_FOUND_OUT = (Need.AC, Need.DC, Need.PLAIN, Need.TLS, Need.EXTERNAL)
_NOT_FOUND = ("no station answered discovery", "no connection to")


async def _run_one(case: Case, target: Target, facts: Facts, *, unreachable: bool) -> CaseOutcome:
    if (need := missing(case, target, facts)) is not None:
        if not facts.problem or need not in _FOUND_OUT:
            return CaseOutcome(case=case, verdict=BenchVerdict.NOT_APPLICABLE, reason=need.value)
        if case.group != "SDP" or need is not Need.PLAIN:  # for SDP, silence is a result
            reason = f"the offer of the station could not be determined: {facts.problem}"
            return CaseOutcome(case=case, verdict=BenchVerdict.INCONCLUSIVE, reason=reason)
    if unreachable:
        reason = "not tried: the station did not answer in the previous cases"
        return CaseOutcome(case=case, verdict=BenchVerdict.INCONCLUSIVE, reason=reason)
    loop = asyncio.get_running_loop()
    began = loop.time()
    trial = Trial(target, facts, tls=runs_over_tls(case, target, facts))
    verdict, reason = await _judge(case, trial, target)
    return CaseOutcome(
        case=case,
        verdict=verdict,
        reason=reason,
        remarks=tuple(trial.remarks),
        duration=loop.time() - began,
        log=tuple(_short(trial.log)),
    )


async def _judge(case: Case, trial: Trial, target: Target) -> tuple[BenchVerdict, str]:
    limit = LIMIT + target.timers.reach + sum(2 * getattr(target.timers, name) for name in case.waits)
    try:
        async with asyncio.timeout(limit):
            await trial.link("up")
            await case.run(trial)
    except Failed as error:
        return BenchVerdict.FAIL, str(error)
    except Inconclusive as error:
        return BenchVerdict.INCONCLUSIVE, str(error)
    except NotApplicable as error:
        return BenchVerdict.NOT_APPLICABLE, str(error)
    except TimeoutError:
        return BenchVerdict.INCONCLUSIVE, f"not finished after {limit:g} s"
    except (SeccError, OSError) as error:
        return BenchVerdict.INCONCLUSIVE, f"{type(error).__name__}: {error}"
    finally:
        await trial.clean_up()
    return BenchVerdict.PASS, ""


def _short(log: Sequence[FrameRecord]) -> Sequence[FrameRecord]:
    """Shorten long logs: loops write hundreds of lines, of which the first and last ones are kept."""
    if len(log) <= _LINES:
        return log
    left = len(log) - _LINES
    half = _LINES // 2
    return (*log[:half], FrameRecord(log[half].at, "note", f"... {left} more lines ..."), *log[-half:])


_LINES = 80
