"""ServiceDiscovery, ServiceDetail, PaymentServiceSelection, and authorization with external
identification."""

from __future__ import annotations

import asyncio

from secc.bench import requests
from secc.bench.car import BenchCar, Phase
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run, car, case, never
from secc.bench.talk import CarAnswer
from secc.bench.trial import Trial
from secc.bench.verdict import Inconclusive
from secc.bench.wire import Closed
from secc.messages import iso2
from secc.messages.iso2 import EVSEProcessing, PaymentOption, ResponseCode

NOT_OFFERED = 63000
"""A ServiceID that no station offers."""

INTERNET = 3


# --- ServiceDiscovery --------------------------------------------------------------------------------------


async def _discovery(trial: Trial) -> None:
    ev = BenchCar(trial)
    await ev.reach(Phase.DISCOVERY)
    body = await ev.expect(iso2.ServiceDiscoveryReq())
    options = body.payment_option_list.payment_option
    modes = body.charge_service.supported_energy_transfer_mode.energy_transfer_mode
    trial.check(
        body.charge_service.service_id == 1, "ServiceID 1 for charging", body.charge_service.service_id
    )
    trial.check(0 < len(options) == len(set(options)) <= 2, "one or two different payment options", options)
    trial.check(0 < len(modes) == len(set(modes)), "energy transfer modes, each once", modes)
    if not trial.tls:
        plain = PaymentOption.CONTRACT not in options
        trial.check(plain, "no Contract without TLS [V2G2-632]", [option.value for option in options])
        services = () if body.service_list is None else body.service_list.service
        no_service = all(service.service_id != 2 for service in services)
        trial.check(no_service, "no certificate service without TLS [V2G2-632]", "ServiceID 2")


def _discovery_resumed(kind: str) -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind)
        await ev.pause()
        before = ev.offered
        await ev.wake()
        await ev.set_up(ev.session_id)
        if ev.last is None or ev.last.code != ResponseCode.OK_OLD_SESSION_JOINED.value:
            raise Inconclusive(f"the session was not joined: {ev.last}")
        body = await ev.expect(iso2.ServiceDiscoveryReq())
        modes = body.charge_service.supported_energy_transfer_mode.energy_transfer_mode
        options = body.payment_option_list.payment_option
        trial.check(ev.mode in modes, f"{ev.mode.value} as before the pause", [mode.value for mode in modes])
        external = PaymentOption.EXTERNAL_PAYMENT
        trial.check(external in options, "ExternalPayment as before", [option.value for option in options])
        assert before is not None
        same = before.charge_service.service_id == body.charge_service.service_id
        trial.check(same, "the same charge service as before the pause [V2G2-741]", body.charge_service)

    return run


# --- ServiceDetail -----------------------------------------------------------------------------------------


def _details(*, contract: bool) -> Run:
    async def run(trial: Trial) -> None:
        ev = BenchCar(trial, contract=contract)
        await ev.reach(Phase.SELECTION)
        services = ev.offered.service_list if ev.offered is not None else None
        if services is None:
            raise Inconclusive("no value-added service is offered on this connection")
        for service in services.service:
            body = await ev.expect(iso2.ServiceDetailReq(service_id=service.service_id))
            trial.check(
                body.service_id == service.service_id, f"ServiceID {service.service_id}", body.service_id
            )
            sets = () if body.service_parameter_list is None else body.service_parameter_list.parameter_set
            numbers = [one.parameter_set_id for one in sets]
            trial.check(len(numbers) == len(set(numbers)), "each parameter set once", numbers)

    return run


async def _detail_not_offered(trial: Trial) -> None:
    ev = BenchCar(trial)
    await ev.reach(Phase.SELECTION)
    await ev.refused(iso2.ServiceDetailReq(service_id=NOT_OFFERED), ResponseCode.FAILED_SERVICE_ID_INVALID)


async def _internet(trial: Trial) -> None:
    ev = BenchCar(trial)
    await ev.reach(Phase.SELECTION)
    body = await ev.expect(iso2.ServiceDetailReq(service_id=INTERNET))
    trial.check(body.service_parameter_list is not None, "parameter sets of the Internet service", "none")


# --- PaymentServiceSelection -------------------------------------------------------------------------------


def _select(option: PaymentOption, *services: tuple[int, int | None], detail: bool = False) -> Run:
    async def run(trial: Trial) -> None:
        ev = BenchCar(trial)
        await ev.reach(Phase.SELECTION)
        if detail and ev.offered is not None and ev.offered.service_list is not None:
            service = ev.offered.service_list.service[0].service_id
            answer = await ev.ask(iso2.ServiceDetailReq(service_id=service))
            if not isinstance(answer, CarAnswer) or answer.code != ResponseCode.OK.value:
                raise Inconclusive(f"the ServiceDetailReq before it: {answer}")
        await ev.expect(requests.selection(option, *services))

    return run


def _select_wrong(code: ResponseCode, option: PaymentOption | None, *services: tuple[int, int | None]) -> Run:
    async def run(trial: Trial) -> None:
        ev = BenchCar(trial)
        await ev.reach(Phase.SELECTION)
        assert ev.offered is not None
        chosen = option or ev.offered.payment_option_list.payment_option[0]
        await ev.refused(requests.selection(chosen, *services), code)

    return run


# --- Authorization, EIM ------------------------------------------------------------------------------------


async def _authorized(trial: Trial) -> None:
    ev = BenchCar(trial)
    await ev.reach(Phase.AUTHORIZATION)
    await ev.until_finished(iso2.AuthorizationReq(), trial.timers.ongoing)


async def _nobody_authorizes(trial: Trial) -> None:
    """Expect Ongoing until the limit of the station, then the end.

    A FAILED answer may announce it [V2G2-713].
    """
    ev = BenchCar(trial)
    await ev.reach(Phase.AUTHORIZATION)
    limit = trial.timers.station_ongoing
    await waits_then_ends(ev, EVSEProcessing.ONGOING_WAITING_FOR_CUSTOMER_INTERACTION, limit)


async def waits_then_ends(ev: BenchCar, processing: EVSEProcessing, limit: float) -> None:
    """Repeat AuthorizationReq: expect this answer, then the end at the limit of the station."""
    trial = ev.trial
    began = trial.now
    end = began + limit + trial.timers.close
    while trial.now < end:
        answer = await ev.ask(iso2.AuthorizationReq())
        if isinstance(answer, Closed) or (isinstance(answer, CarAnswer) and answer.code == "FAILED"):
            early = trial.now - began
            trial.check(early >= limit * 0.9, f"the end after {limit:g} s", f"{answer} after {early:.1f} s")
            if isinstance(answer, CarAnswer):
                await ev.closed()
            return
        good = (
            isinstance(answer, CarAnswer)
            and answer.code == "OK"
            and answer.body.evse_processing is processing
        )
        trial.check(good, f"AuthorizationRes OK {processing.value}", answer)
        await asyncio.sleep(_POLL)
    trial.check(False, f"the end after {limit:g} s", f"still {processing.value}")


_POLL = 0.2

_TLS_EIM = (Need.TLS, Need.EXTERNAL)
_EXTERNAL = PaymentOption.EXTERNAL_PAYMENT
_DETAIL, _PAYMENT = "ServiceDetail", "PaymentServiceSelection"
_ONE_EACH = "OK, the same ServiceID, its parameter sets"
_REFUSED = "FAILED_ServiceIDInvalid, TCP closed within 5 s"
_INVALID_SERVICE = ResponseCode.FAILED_SERVICE_SELECTION_INVALID
_NO_CHARGE = ResponseCode.FAILED_NO_CHARGE_SERVICE_SELECTED
_INVALID_PAYMENT = ResponseCode.FAILED_PAYMENT_SELECTION_INVALID

CASES: tuple[Case, ...] = (
    case(
        *("CMN", "ServiceDiscovery", 1, "ServiceDiscoveryReq"),
        "OK, payment options, charge service with energy transfer modes",
        _discovery,
        ids="V2G2-544 V2G2-632",
    ),
    *(
        case(
            *(kind, "ServiceDiscovery", number, f"in a session resumed by the {who}"),
            *("payment option and mode of the paused session, unchanged", run, *needs),
            ids="V2G2-741",
        )
        for kind in ("AC", "DC")
        for number, who, run, needs in (
            (1, "EV", _discovery_resumed(kind), (Need.EXTERNAL, Need.PAUSE)),
            (2, "station", never, (Need.WAKE,)),
        )
    ),
    case(
        *("CMN", _DETAIL, 1, "details of each offered service, EIM over TLS", _ONE_EACH),
        *(_details(contract=False), *_TLS_EIM, Need.VALUE_ADDED),
        ids="V2G2-547 V2G2-549",
    ),
    case(
        *("CMN", _DETAIL, 2, "details of each offered service, PnC", _ONE_EACH),
        *(_details(contract=True), Need.CONTRACT, Need.VALUE_ADDED),
        ids="V2G2-547 V2G2-549",
    ),
    case(
        "CMN",
        _DETAIL,
        7,
        "a ServiceID not offered, EIM",
        _REFUSED,
        _detail_not_offered,
        *_TLS_EIM,
        ids="V2G2-464",
    ),
    case(
        *("CMN", _DETAIL, 8, "a ServiceID not offered, PnC", _REFUSED, _detail_not_offered, Need.CONTRACT),
        ids="V2G2-464",
    ),
    case(
        "CMN",
        _DETAIL,
        11,
        "the Internet service, EIM",
        "OK, its parameter sets",
        _internet,
        *_TLS_EIM,
        Need.INTERNET,
    ),
    case(
        "CMN",
        _DETAIL,
        12,
        "the Internet service, PnC",
        "OK, its parameter sets",
        _internet,
        Need.CONTRACT,
        Need.INTERNET,
    ),
    case(
        *(
            "CMN",
            _PAYMENT,
            1,
            "charging by ExternalPayment, directly",
            "OK",
            _select(_EXTERNAL),
            Need.EXTERNAL,
        ),
        ids="V2G2-550",
    ),
    case(
        *(
            "CMN",
            _PAYMENT,
            2,
            "the same over TLS, after ServiceDetail",
            "OK",
            _select(_EXTERNAL, detail=True),
        ),
        *_TLS_EIM,
        ids="V2G2-550",
    ),
    case(
        *("CMN", _PAYMENT, 3, "Contract, after ServiceDetail", "OK"),
        *(_select(PaymentOption.CONTRACT, detail=True), Need.CONTRACT),
        ids="V2G2-550 V2G2-551",
    ),
    case(
        *(
            "CMN",
            _PAYMENT,
            6,
            "a service that was not offered",
            f"{_INVALID_SERVICE.value}, TCP closed within 5 s",
        ),
        _select_wrong(_INVALID_SERVICE, None, (1, None), (NOT_OFFERED, None)),
        ids="V2G2-467",
    ),
    case(
        *(
            "CMN",
            _PAYMENT,
            7,
            "the charge service is missing",
            f"{_NO_CHARGE.value}, TCP closed within 5 s",
        ),
        _select_wrong(_NO_CHARGE, None, (NOT_OFFERED, None)),
        ids="V2G2-804",
    ),
    case(
        *(
            "CMN",
            _PAYMENT,
            9,
            "Contract where it is not offered",
            f"{_INVALID_PAYMENT.value}, TCP closed within 5 s",
        ),
        *(_select_wrong(_INVALID_PAYMENT, PaymentOption.CONTRACT), Need.NO_CONTRACT),
        ids="V2G2-135 V2G2-465",
    ),
    case(
        *("CMN", _PAYMENT, 10, "ExternalPayment where it is not offered"),
        f"{_INVALID_PAYMENT.value}, TCP closed within 5 s",
        *(_select_wrong(_INVALID_PAYMENT, _EXTERNAL), Need.CONTRACT, Need.NO_EXTERNAL),
        ids="V2G2-135 V2G2-465",
    ),
    case(
        *(
            "CMN",
            "Authorization",
            1,
            "AuthorizationReq, EIM, repeated while Ongoing",
            "OK, Finished within 60 s",
        ),
        *(_authorized, Need.EXTERNAL),
        ids="V2G2-562 V2G2-563 V2G2-854",
    ),
    case(
        *("CMN", "Authorization", 14, "EIM without authorisation"),
        "Ongoing_WaitingForCustomerInteraction until the station's limit, then TCP closed",
        *(_nobody_authorizes, Need.EXTERNAL, Need.NO_GRANT, Need.LONG),
        ids="V2G2-712 V2G2-713 V2G2-854",
        waits=("station_ongoing",),
    ),
)
