"""Three deviations at every point of a session: a request that is not due, a wrong SessionID, and silence.

One row for each point gives up to three cases.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from secc.bench import requests
from secc.bench.car import BenchCar, Phase
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run, car, case
from secc.bench.talk import LATE
from secc.bench.trial import Trial
from secc.bench.verdict import Failed, Inconclusive
from secc.bench.wire import Closed, WireFrame
from secc.messages import iso2
from secc.messages.iso2 import ChargeProgress, PaymentOption, ResponseCode
from secc.messages.xmldsig import Signature


@dataclasses.dataclass(frozen=True, slots=True)
class OwedRequest:
    """The request that is due at a point."""

    body: iso2.BodyElement
    signature: Signature | None = None


Ready = Callable[[BenchCar], Awaitable[OwedRequest]]
"""Walk to the point by valid steps; returns the request that is due there."""


# --- the way to each point ---------------------------------------------------------------------------------


def at(phase: Phase, request: Callable[[BenchCar], iso2.BodyElement]) -> Ready:
    """Walk directly."""

    async def ready(ev: BenchCar) -> OwedRequest:
        await ev.reach(phase)
        return OwedRequest(request(ev))

    return ready


async def _after_service_detail(ev: BenchCar) -> OwedRequest:
    """Exchange the details of a service first, if there is one."""
    await ev.reach(Phase.SELECTION)
    return OwedRequest(iso2.ServiceDetailReq(service_id=offered_service(ev)))


def offered_service(ev: BenchCar) -> int:
    """Return the first value-added service."""
    services = ev.offered.service_list if ev.offered is not None else None
    if services is None:
        raise Inconclusive("no value-added service is offered on this connection")
    return services.service[0].service_id


def _certificate(parameter_set: int) -> Ready:
    async def ready(ev: BenchCar) -> OwedRequest:
        await ev.reach(Phase.SELECTION)
        await ev.select((1, None), (2, parameter_set))
        wallet = ev.need_wallet()
        body = wallet.installation() if parameter_set == 1 else wallet.update()
        return OwedRequest(body, wallet.sign(body))

    return ready


async def _payment_details(ev: BenchCar) -> OwedRequest:
    await ev.reach(Phase.CONTRACT)
    return OwedRequest(ev.need_wallet().payment_details())


async def _signed_authorization(ev: BenchCar) -> OwedRequest:
    await ev.reach(Phase.AUTHORIZATION)
    wallet = ev.need_wallet()
    body = wallet.authorization(ev.challenge)
    return OwedRequest(body, wallet.sign(body))


async def receipt_due(ev: BenchCar) -> OwedRequest:
    """Return a loop message whose answer requests a receipt."""
    await ev.reach(Phase.FIRST_LOOP)
    wallet = ev.need_wallet()
    for _ in range(_LOOPS):
        answer = await ev.expect(ev.loop_request)
        if answer.receipt_required:
            body = wallet.receipt(ev.session_id, ev.schedule_id, answer.meter_info)
            return OwedRequest(body, wallet.sign(body))
    raise Inconclusive(f"no receipt was requested in {_LOOPS} messages of the loop")


async def _welded(ev: BenchCar) -> OwedRequest:
    await ev.reach(Phase.STOPPED)
    await ev.weld()
    return OwedRequest(requests.session_stop())


def _delivery(progress: ChargeProgress) -> Callable[[BenchCar], iso2.PowerDeliveryReq]:
    return lambda ev: requests.delivery(
        progress,
        ev.schedule_id,
        dc=ev.dc,
        profile=requests.profile(ev.schedules[0]) if progress is ChargeProgress.START else None,
    )


_LOOPS = 30


# --- the table ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OrderPoint:
    """A point of a session, and the numbers of its cases; 0: no case."""

    kind: str
    group: str
    due: str
    """The due request as text."""
    ready: Ready
    sequence: int = 0
    unknown: int = 0
    silence: int = 0
    contract: bool = False
    needs: tuple[Need, ...] = ()


C, PNC = Need.CONTRACT, (Need.CONTRACT, Need.WALLET)
_SELECT = at(Phase.SELECTION, lambda ev: requests.selection(PaymentOption.EXTERNAL_PAYMENT))
_INSTALL, _UPDATE = Need.CERTIFICATE_SERVICE, Need.CERTIFICATE_UPDATE
_EIM = (Need.EXTERNAL,)
_START, _STOP = ChargeProgress.START, ChargeProgress.STOP
_PARAMETERS = at(Phase.PARAMETERS, lambda ev: requests.parameters(ev.ev, ev.mode))
_POWER_ON, _POWER_OFF = at(Phase.POWER_ON, _delivery(_START)), at(Phase.LOOP, _delivery(_STOP))
_LOOP = at(Phase.FIRST_LOOP, lambda ev: ev.loop_request)
_STOPPED = at(Phase.STOPPED, lambda ev: requests.session_stop())
_WELD = at(Phase.STOPPED, lambda ev: requests.welding_detection())
_CABLE = at(Phase.CABLE_CHECK, lambda ev: requests.cable_check())
_PRE_CHARGE = at(Phase.PRE_CHARGE, lambda ev: requests.pre_charge(ev.ev))
_DISCOVERY = at(Phase.DISCOVERY, lambda ev: iso2.ServiceDiscoveryReq())
_AUTHORIZATION = at(Phase.AUTHORIZATION, lambda ev: iso2.AuthorizationReq())
_VALUE = (Need.TLS, Need.EXTERNAL, Need.VALUE_ADDED)
_DETAIL = _after_service_detail
_RECEIPT = (*PNC, Need.RECEIPT)
_WELDING = (*_EIM,)


def _point(
    kind: str, group: str, due: str, ready: Ready, numbers: str, *needs: Need, pnc: bool = False
) -> OrderPoint:
    """`numbers`: of the cases for a request that is not due, an unknown session and silence; - for none."""
    sequence, unknown, silence = (0 if one == "-" else int(one) for one in numbers.split())
    return OrderPoint(
        kind=kind,
        group=group,
        due=due,
        ready=ready,
        sequence=sequence,
        unknown=unknown,
        silence=silence,
        contract=pnc,
        needs=needs,
    )


POINTS = (
    _point("CMN", "ServiceDiscovery", "ServiceDiscoveryReq", _DISCOVERY, "2 3 4"),
    _point("CMN", "ServiceDetail", "ServiceDetailReq, EIM", _DETAIL, "3 5 9", *_VALUE),
    _point("CMN", "ServiceDetail", "ServiceDetailReq, PnC", _DETAIL, "4 6 10", C, Need.VALUE_ADDED, pnc=True),
    _point("CMN", "PaymentServiceSelection", "PaymentServiceSelectionReq", _SELECT, "4 5 8", *_EIM),
    _point(
        *("CMN", "CertificateInstallation", "CertificateInstallationReq", _certificate(1), "2 3 4"),
        *(*PNC, _INSTALL),
        pnc=True,
    ),
    _point(
        *("CMN", "CertificateUpdate", "CertificateUpdateReq", _certificate(2), "2 3 4"),
        *(*PNC, _UPDATE),
        pnc=True,
    ),
    _point("CMN", "PaymentDetails", "PaymentDetailsReq", _payment_details, "4 5 6", *PNC, pnc=True),
    _point("CMN", "Authorization", "AuthorizationReq, EIM", _AUTHORIZATION, "3 5 8", *_EIM),
    _point("CMN", "Authorization", "AuthorizationReq, PnC", _signed_authorization, "4 6 9", *PNC, pnc=True),
    _point("CMN", "ChargeParameterDiscovery", "ChargeParameterDiscoveryReq", _PARAMETERS, "1 - 2", *_EIM),
    _point("AC", "ChargeParameterDiscovery", "ChargeParameterDiscoveryReq", _PARAMETERS, "- 3 -", *_EIM),
    _point("DC", "ChargeParameterDiscovery", "ChargeParameterDiscoveryReq", _PARAMETERS, "- 2 -", *_EIM),
    _point("DC", "CableCheck", "CableCheckReq", _CABLE, "3 4 5", *_EIM),
    _point("DC", "PreCharge", "PreChargeReq", _PRE_CHARGE, "2 3 4", *_EIM),
    _point("AC", "PowerDelivery", "PowerDeliveryReq(Start)", _POWER_ON, "6 8 12", *_EIM),
    _point("AC", "PowerDelivery", "PowerDeliveryReq(Stop)", _POWER_OFF, "7 9 13", *_EIM),
    _point("DC", "PowerDelivery", "PowerDeliveryReq(Start)", _POWER_ON, "3 5 9", *_EIM),
    _point("DC", "PowerDelivery", "PowerDeliveryReq(Stop)", _POWER_OFF, "4 6 10", *_EIM),
    _point("AC", "ChargingStatus", "ChargingStatusReq", _LOOP, "3 4 5", *_EIM),
    _point("DC", "CurrentDemand", "CurrentDemandReq", _LOOP, "3 4 5", *_EIM),
    _point("AC", "MeteringReceipt", "MeteringReceiptReq", receipt_due, "2 3 5", *_RECEIPT, pnc=True),
    _point("DC", "MeteringReceipt", "MeteringReceiptReq", receipt_due, "2 3 5", *_RECEIPT, pnc=True),
    _point("DC", "WeldingDetection", "WeldingDetectionReq", _WELD, "2 3 4", *_WELDING),
    _point("AC", "SessionStop", "SessionStopReq", _STOPPED, "2 3 4", *_EIM),
    _point("DC", "SessionStop", "SessionStopReq, no welding detection", _STOPPED, "3 4 5", *_EIM),
    _point("DC", "SessionStop", "SessionStopReq, after welding detection", _welded, "7 8 9", *_WELDING),
)


# --- the three cases ---------------------------------------------------------------------------------------


async def go(trial: Trial, point: OrderPoint) -> tuple[BenchCar, OwedRequest]:
    """Return a car at the point; a problem on the way is no result for the point."""
    ev = car(trial, point.kind, contract=point.contract)
    try:
        return ev, await point.ready(ev)
    except Failed as failure:
        raise Inconclusive(f"on the way to {point.due}: {failure}") from None


def _not_due(point: OrderPoint) -> Run:
    """Return ServiceDiscoveryReq, or AuthorizationReq if ServiceDiscoveryReq is due."""
    own_turn = point.group == "ServiceDiscovery"
    body: Any = iso2.AuthorizationReq() if own_turn else iso2.ServiceDiscoveryReq()

    async def run(trial: Trial) -> None:
        ev, due = await go(trial, point)
        if point.group == "ServiceDetail":
            try:
                await ev.expect(due.body)
            except Failed as failure:
                raise Inconclusive(f"the valid ServiceDetailReq before it: {failure}") from None
        await ev.refused(body, ResponseCode.FAILED_SEQUENCE_ERROR)

    return run


def _unknown(point: OrderPoint) -> Run:
    async def run(trial: Trial) -> None:
        ev, due = await go(trial, point)
        wrong = ev.session_id[:-1] + bytes([ev.session_id[-1] ^ 0x01])
        await ev.refused(
            due.body,
            ResponseCode.FAILED_UNKNOWN_SESSION,
            session_id=wrong,
            signature=due.signature,
        )

    return run


def _silence(point: OrderPoint) -> Run:
    async def run(trial: Trial) -> None:
        ev, _ = await go(trial, point)
        await stays_silent(ev, earliest=trial.timers.sequence)

    return run


async def stays_silent(ev: BenchCar, *, earliest: float, latest: float | None = None) -> None:
    """Expect the station to close the connection between `earliest` and 5 s after `latest`."""
    trial = ev.trial
    latest = earliest if latest is None else latest
    end = latest + trial.timers.close * LATE
    trial.note("note", f"silence; the timer of the station is {earliest:g} s")
    reply = await ev.wire.wait_closed(end)
    # The timer of the station starts after the tester has sent, and before the response is read here.
    silent = ev.wire.since_sent
    expected = (
        f"TCP closed by the station after {earliest:g} to {latest + trial.timers.close:g} s without a message"
    )
    trial.check(not isinstance(reply, WireFrame), expected, "a message")
    trial.note("received", str(reply))
    trial.check(isinstance(reply, Closed), expected, reply)
    trial.check(silent >= earliest * _EARLY, expected, f"the end after {silent:.2f} s")


_EARLY = 0.98
"""Tolerance: the clocks of the two machines."""


def _cases() -> list[Case]:
    made = []
    for point in POINTS:
        kind, group, needs = point.kind, point.group, point.needs
        if point.sequence:
            wrong = "AuthorizationReq" if group == "ServiceDiscovery" else "ServiceDiscoveryReq"
            title = f"{wrong} where {point.due} is due"
            expect = f"{wrong[:-3]}Res FAILED_SequenceError, then TCP closed within 5 s"
            ids = "V2G2-459 V2G2-538 V2G2-539 V2G2-736"
            made.append(case(kind, group, point.sequence, title, expect, _not_due(point), *needs, ids=ids))
        if point.unknown:
            title = f"{point.due} with another SessionID"
            expect = f"{point.due.split('Req')[0]}Res FAILED_UnknownSession, then TCP closed within 5 s"
            made.append(
                case(kind, group, point.unknown, title, expect, _unknown(point), *needs, ids="V2G2-460")
            )
        if point.silence:
            title = f"silence where {point.due} is due"
            expect = "TCP closed by the station within 5 s of V2G_SECC_Sequence_Timeout"
            made.append(
                case(
                    *(kind, group, point.silence, title, expect, _silence(point)),
                    *(*needs, Need.LONG),
                    ids="V2G2-443 V2G2-537",
                    waits=("sequence",),
                )
            )
    return made


CASES: tuple[Case, ...] = tuple(_cases())
