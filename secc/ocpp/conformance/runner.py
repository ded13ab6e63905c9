"""Runs the cases against the station that connects: controls first, then every case, one after the other.

A control that fails means that the tester, or the connection, cannot be trusted; no case is run then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from secc.ocpp.conformance import schemas
from secc.ocpp.conformance.case import (
    CaseNotApplicable,
    CsmsCase,
    CsmsCaseResult,
    CsmsCaseVerdict,
    Needed,
    require,
)
from secc.ocpp.conformance.strict import CallRefused, CaseFailed, StrictCsms


@dataclasses.dataclass(frozen=True, slots=True)
class CsmsReport:
    """The results of one run."""

    station: str
    version: str
    controls: tuple[CsmsCaseResult, ...]
    results: tuple[CsmsCaseResult, ...]
    violations: tuple[str, ...]
    """Messages of the station that violate the schemas, in any case."""

    @property
    def trusted(self) -> bool:
        """All controls have passed."""
        return all(one.outcome is CsmsCaseVerdict.PASSED for one in self.controls)

    @property
    def passed(self) -> int:
        """Number of cases that have passed."""
        return sum(one.outcome is CsmsCaseVerdict.PASSED for one in self.results)

    @property
    def run(self) -> int:
        """Number of cases that were run."""
        return sum(one.outcome is not CsmsCaseVerdict.SKIPPED for one in self.results)

    @property
    def good(self) -> bool:
        """Every case that was run has passed, and no message was wrong."""
        return self.trusted and self.passed == self.run > 0 and not self.violations


async def run_cases(
    csms: StrictCsms,
    cases: Sequence[CsmsCase],
    *,
    have: frozenset[Needed] = frozenset(),
    progress: Callable[[CsmsCaseResult], None] = lambda _result: None,
) -> CsmsReport:
    """Run the cases against the connected station; `have` is what is there beside it."""
    controls = []
    for control in CONTROLS:
        controls.append(await _run(csms, control))
        progress(controls[-1])
    results: list[CsmsCaseResult] = []
    if all(one.outcome is CsmsCaseVerdict.PASSED for one in controls):
        for case in cases:
            there = await _there(csms, case.needs, have)
            results.append(await _run(csms, case) if there else _skipped(case))
            progress(results[-1])
    return CsmsReport(csms.station, csms.version, tuple(controls), tuple(results), tuple(csms.violations))


async def _there(csms: StrictCsms, needs: Needed, have: frozenset[Needed]) -> bool:
    """Return whether a case can be run; the station reports itself whether a cable is connected."""
    if needs is not Needed.FREE:
        return needs is Needed.NOTHING or needs in have
    since = len(csms.received)
    try:
        await csms.call("TriggerMessage", {"requestedMessage": "StatusNotification"})
        body = await csms.expect("StatusNotification", since=since)
    except (CaseFailed, CallRefused):
        return True  # the case itself fails then, with its reason
    return body.get("connectorStatus", body.get("status")) not in ("Occupied", "Preparing", "Charging")


def _skipped(case: CsmsCase) -> CsmsCaseResult:
    return CsmsCaseResult(
        case.id, case.title, case.use_case, CsmsCaseVerdict.SKIPPED, f"needs {case.needs.value}"
    )


async def _run(csms: StrictCsms, case: CsmsCase) -> CsmsCaseResult:
    before, why = len(csms.violations), ""
    try:
        await case.run(csms)
    except CaseNotApplicable as error:
        return CsmsCaseResult(case.id, case.title, case.use_case, CsmsCaseVerdict.SKIPPED, str(error))
    except (CaseFailed, CallRefused) as error:
        why = str(error)
    except (KeyError, TypeError, IndexError) as error:  # a member that the schema leaves optional is missing
        why = f"{type(error).__name__}: {error}"
    finally:
        csms.replies.clear()
    if not why and len(csms.violations) > before:
        why = csms.violations[before]
    outcome = CsmsCaseVerdict.FAILED if why else CsmsCaseVerdict.PASSED
    return CsmsCaseResult(case.id, case.title, case.use_case, outcome, why)


# --- controls ----------------------------------------------------------------------------------------------


async def _judges(csms: StrictCsms) -> None:
    """The schemas refuse a wrong body and take a right one."""
    right = {"currentTime": "2026-01-01T00:00:00Z"}
    require(not schemas.problem(csms.version, "Heartbeat", right, answer=True), "a right body is refused")
    require(bool(schemas.problem(csms.version, "Heartbeat", {}, answer=True)), "a wrong body is taken")
    require(bool(schemas.problem(csms.version, "Nothing", {}, answer=False)), "an unknown action is taken")


async def _answers(csms: StrictCsms) -> None:
    """The station answers a harmless call."""
    await csms.call("GetLocalListVersion", {})


async def _refuses(csms: StrictCsms) -> None:
    """The station refuses an action that does not exist: an answer is not a habit."""
    try:
        await csms.call_unchecked("NoSuchAction", {})
    except CallRefused as error:
        require(error.code in ("NotImplemented", "NotSupported"), f"{error.code}, expected NotImplemented")
    else:
        raise CaseFailed("an action that does not exist is answered")


CONTROLS = (
    CsmsCase("CONTROL_1", "the schemas distinguish right from wrong", _judges),
    CsmsCase("CONTROL_2", "the station answers a call", _answers),
    CsmsCase("CONTROL_3", "the station refuses an unknown action", _refuses),
)
