"""A conformance case and its result."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Awaitable, Callable

from secc.ocpp.conformance.strict import CaseFailed, StrictCsms

CaseRun = Callable[[StrictCsms], Awaitable[None]]


class Needed(enum.StrEnum):
    """What a case needs beside the station."""

    NOTHING = ""
    CAR = "a car that charges when it is authorised (--car)"
    CAR20 = "a car of ISO 15118-20 in Dynamic mode that charges when it is authorised (--car20)"
    FREE = "a connector without a cable"


@dataclasses.dataclass(frozen=True, slots=True)
class CsmsCase:
    """One case."""

    id: str
    """The id of the Open Charge Alliance where it has published one; otherwise it begins with `SECC_`."""
    title: str
    run: CaseRun
    """Raises CaseFailed."""
    use_case: str = ""
    """Use case of OCPP 2.0.1."""
    needs: Needed = Needed.NOTHING


class CaseNotApplicable(Exception):
    """The station does not have what the case is about; it says so by its device model or its offer."""


class CsmsCaseVerdict(enum.StrEnum):
    """How a case has ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclasses.dataclass(frozen=True, slots=True)
class CsmsCaseResult:
    """The result of one case."""

    id: str
    title: str
    use_case: str
    outcome: CsmsCaseVerdict
    why: str = ""


def require(condition: bool, text: str) -> None:
    """Raise CaseFailed with this text unless the condition holds."""
    if not condition:
        raise CaseFailed(text)


def status_is(answer: dict[str, object], *wanted: str) -> None:
    """Raise CaseFailed unless the status of an answer is one of these."""
    require(answer.get("status") in wanted, f"status {answer.get('status')}, expected {' or '.join(wanted)}")


def registered(
    cases: list[CsmsCase], id_: str, title: str, use_case: str, needs: Needed = Needed.NOTHING
) -> Callable[[CaseRun], CaseRun]:
    """Decorate a function as the case with this id, added to `cases`."""

    def register(run: CaseRun) -> CaseRun:
        cases.append(CsmsCase(id_, title, run, use_case, needs))
        return run

    return register
