"""How the tables of the cases of ISO 15118-20 become cases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run
from secc.bench.pki20 import Iso20CarPki
from secc.bench.trial import Trial
from secc.bench.verdict import Inconclusive
from secc.messages.iso20_common import ResponseCode
from secc.session.iso20.services import ControlMode, Service

Deed = Callable[[Iso20Car], Awaitable[None]]

_NEEDS = {
    Service.AC: Need.ISO20_AC,
    Service.DC: Need.ISO20_DC,
    Service.AC_BPT: Need.ISO20_AC_BPT,
    Service.DC_BPT: Need.ISO20_DC_BPT,
    Service.MCS: Need.ISO20_MCS,
    Service.AC_DER_IEC: Need.ISO20_AC_DER,
}


def case20(
    number: str,
    group: str,
    title: str,
    expect: str,
    run: Run,
    *needs: Need,
    ids: str = "",
    waits: tuple[str, ...] = (),
) -> Case:
    """One case; `ids` are numbers of requirements of ISO 15118-20, with spaces between."""
    return Case(
        id=f"I20-{number}",
        group=f"-20 {group}",
        title=title,
        expect=expect,
        run=run,
        ids=" ".join(f"V2G20-{one}" for one in ids.split()),
        needs=frozenset({Need.ISO20, *needs}),
        waits=waits,
    )


def car20(
    trial: Trial, service: Service | None = None, control: ControlMode = ControlMode.SCHEDULED
) -> Iso20Car:
    """An EV for a service; without one, for the first plain service that the station offers."""
    if service is None:
        offered = trial.facts.iso20
        service = next((one for one in _USUAL if one in offered), Service.DC)
    return Iso20Car(trial, service, control)


def at(
    point: Point, deed: Deed, *, service: Service | None = None, control: ControlMode = ControlMode.SCHEDULED
) -> Run:
    """By lawful steps to a point, then this."""

    async def run(trial: Trial) -> None:
        ev = car20(trial, service, control)
        await ev.go(point)
        await deed(ev)

    return run


def iso20_pki(ev: Iso20Car) -> Iso20CarPki:
    """What the tester has of certificates of ISO 15118-20; raises Inconclusive."""
    pki = ev.trial.target.pki
    if pki is None or pki.iso20 is None:
        raise Inconclusive("the tester has no contract of ISO 15118-20")
    return pki.iso20


def need(service: Service) -> Need:
    """What a case for a service needs."""
    return _NEEDS[service]


_USUAL = (Service.DC, Service.AC, Service.MCS, Service.AC_DER_IEC)
SEQUENCE = ResponseCode.FAILED_SEQUENCE_ERROR
UNKNOWN = ResponseCode.FAILED_UNKNOWN_SESSION
WRONG = ResponseCode.FAILED_WRONG_CHARGE_PARAMETER
REFUSED = "FAILED_SequenceError, TCP closed"
