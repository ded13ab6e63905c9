"""DIN SPEC 70121: protocol selection, a whole session, and the most important deviations.

Not in the list of ISO 15118-4: the expectations are those of this bench.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from secc.bench import requests
from secc.bench.car import BenchCar
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run, own
from secc.bench.cases.order import stays_silent
from secc.bench.probe import DIN
from secc.bench.talk import PACE, CarAnswer
from secc.bench.trial import Trial
from secc.bench.verdict import Failed, Inconclusive
from secc.messages import din
from secc.messages.din import ResponseCode
from secc.messages.iso2 import UnitSymbol
from secc.messages.numbers import number
from secc.sim.din_script import said

GROUP = "DIN SPEC 70121"
LOOPS = 10

Step = Callable[["DinCar"], Awaitable[None]]


class DinCar(BenchCar):
    """The EV with messages of DIN SPEC 70121; DC, external payment."""

    dialect = "din"

    async def agree(self) -> None:
        """Open a connection with DIN SPEC 70121."""
        await self.connect()
        answer = await self.first_word(requests.offer((DIN, 2, 0, 1, 1)))
        if not isinstance(answer, CarAnswer) or not answer.code.startswith("OK"):
            raise Inconclusive(f"on the way: {answer}")
        self.begin()

    async def go(self, steps: int) -> None:
        """Send the first valid steps; raises Inconclusive when the station does not follow."""
        await self.agree()
        for step in STEPS[:steps]:
            try:
                await step(self)
            except Failed as failure:
                raise Inconclusive(f"on the way: {failure}") from None


def status() -> din.DCEVStatus:
    return din.DCEVStatus(ev_ready=True, ev_error_code=din.DCEVErrorCode.NO_ERROR, ev_ress_soc=40)


async def _set_up(ev: DinCar) -> None:
    ev.session_id = b"\x00" * 8
    await ev.expect(din.SessionSetupReq(evcc_id=ev.ev.evcc_id), ResponseCode.OK_NEW_SESSION_ESTABLISHED)
    assert ev.last is not None
    ev.assigned(ev.last.session_id)


async def _discover(ev: DinCar) -> None:
    await ev.expect(din.ServiceDiscoveryReq())


async def _select(ev: DinCar) -> None:
    await ev.expect(
        din.ServicePaymentSelectionReq(
            selected_payment_option=din.PaymentOption.EXTERNAL_PAYMENT,
            selected_service_list=din.SelectedServiceList(
                selected_service=(din.SelectedService(service_id=1),)
            ),
        )
    )


async def _authorize(ev: DinCar) -> None:
    await _until_finished(ev, din.ContractAuthenticationReq(), ev.trial.timers.ongoing)


async def _negotiate(ev: DinCar) -> None:
    data = ev.ev
    request = din.ChargeParameterDiscoveryReq(
        ev_requested_energy_transfer_type=din.EVRequestedEnergyTransfer.DC_EXTENDED,
        ev_charge_parameter=din.DCEVChargeParameter(
            dc_ev_status=status(),
            ev_maximum_current_limit=said(data.max_current, UnitSymbol.A),
            ev_maximum_voltage_limit=said(data.max_voltage, UnitSymbol.V),
        ),
    )
    await _until_finished(ev, request, ev.trial.timers.ongoing)


async def _check_cable(ev: DinCar) -> None:
    await ev.trial.pilot("C")
    await _until_finished(ev, din.CableCheckReq(dc_ev_status=status()), ev.trial.timers.cable_check)


async def _pre_charge(ev: DinCar) -> None:
    request = din.PreChargeReq(
        dc_ev_status=status(),
        ev_target_voltage=said(ev.ev.voltage, UnitSymbol.V),
        ev_target_current=said(1.0, UnitSymbol.A),
    )
    end = ev.trial.now + ev.trial.timers.pre_charge
    while True:
        answer = await ev.expect(request)
        volts = number(answer.evse_present_voltage)
        if abs(volts - ev.ev.voltage) <= _CLOSE_ENOUGH:
            return
        limit = f"{ev.ev.voltage:g} V within {ev.trial.timers.pre_charge:g} s"
        ev.trial.check(ev.trial.now < end, limit, f"{volts:g} V")
        await asyncio.sleep(PACE)


_CLOSE_ENOUGH = 15.0  # V


def _switch(*, start: bool) -> Step:
    async def step(ev: DinCar) -> None:
        parameter = din.DCEVPowerDeliveryParameter(dc_ev_status=status(), charging_complete=not start)
        request = din.PowerDeliveryReq(ready_to_charge_state=start, ev_power_delivery_parameter=parameter)
        await ev.expect(request)
        if not start:
            await ev.trial.pilot("B")

    return step


async def _loop(ev: DinCar) -> None:
    for _ in range(LOOPS):
        await ev.expect(demand(ev))
        await asyncio.sleep(PACE)


def demand(ev: DinCar) -> din.CurrentDemandReq:
    return din.CurrentDemandReq(
        dc_ev_status=status(),
        ev_target_current=said(ev.ev.current, UnitSymbol.A),
        ev_target_voltage=said(ev.ev.voltage + 5.0, UnitSymbol.V),
        charging_complete=False,
    )


async def _stop_session(ev: DinCar) -> None:
    await ev.expect(din.SessionStop())


STEPS: tuple[Step, ...] = (
    *(_set_up, _discover, _select, _authorize, _negotiate, _check_cable, _pre_charge),
    *(_switch(start=True), _loop, _switch(start=False), _stop_session),
)
_SELECTED, _STARTED = 3, 8


async def _until_finished(
    ev: DinCar,
    request: din.ContractAuthenticationReq | din.ChargeParameterDiscoveryReq | din.CableCheckReq,
    limit: float,
) -> None:
    end = ev.trial.now + limit
    while True:
        answer = await ev.expect(request)
        if answer.evse_processing is din.EVSEProcessing.FINISHED:
            return
        ev.trial.check(ev.trial.now < end, f"Finished within {limit:g} s", answer.evse_processing.value)
        await asyncio.sleep(PACE)


# --- runs --------------------------------------------------------------------------------------------------


def _ranked(first: str, second: str) -> Run:
    """The ranking of the EV decides [V2G2-169]."""

    async def run(trial: Trial) -> None:
        ev = DinCar(trial)
        await ev.connect()
        answer = await ev.first_word(requests.offer((second, 2, 0, 7, 2), (first, 2, 0, 9, 1)))
        good = isinstance(answer, CarAnswer) and answer.code.startswith("OK") and answer.body.schema_id == 9
        got = answer.body.schema_id if isinstance(answer, CarAnswer) else answer
        trial.check(good, "OK and SchemaID 9, ranked first", got)

    return run


async def _whole(trial: Trial) -> None:
    ev = DinCar(trial, dc=True)
    await ev.agree()
    for step in STEPS:
        await step(ev)
    await ev.closed()


async def _not_due(trial: Trial) -> None:
    ev = DinCar(trial, dc=True)
    await ev.go(_SELECTED)
    await ev.refused(din.CableCheckReq(dc_ev_status=status()), ResponseCode.FAILED_SEQUENCE_ERROR)


async def _not_due_in_loop(trial: Trial) -> None:
    ev = DinCar(trial, dc=True)
    await ev.go(_STARTED)
    await ev.refused(din.ServiceDiscoveryReq(), ResponseCode.FAILED_SEQUENCE_ERROR)


async def _unknown(trial: Trial) -> None:
    ev = DinCar(trial, dc=True)
    await ev.go(_SELECTED)
    wrong = ev.session_id[:-1] + bytes([ev.session_id[-1] ^ 0x01])
    request = din.ContractAuthenticationReq()
    await ev.refused(request, ResponseCode.FAILED_UNKNOWN_SESSION, session_id=wrong)


async def _other_service(trial: Trial) -> None:
    ev = DinCar(trial, dc=True)
    await ev.go(2)
    request = din.ServicePaymentSelectionReq(
        selected_payment_option=din.PaymentOption.EXTERNAL_PAYMENT,
        selected_service_list=din.SelectedServiceList(
            selected_service=(din.SelectedService(service_id=63000),)
        ),
    )
    await ev.refused(request, ResponseCode.FAILED_SERVICE_SELECTION_INVALID)


async def _silence(trial: Trial) -> None:
    ev = DinCar(trial, dc=True)
    await ev.go(_SELECTED)
    await stays_silent(ev, earliest=trial.timers.sequence)


_REFUSED = "FAILED_SequenceError, TCP closed"
_NEEDS = (Need.DIN, Need.PLAIN)

CASES: tuple[Case, ...] = (
    own(
        *(
            "DIN_RANKED",
            GROUP,
            "DIN SPEC 70121 ranked before ISO 15118-2",
            "OK, the SchemaID of DIN SPEC 70121",
        ),
        *(_ranked(DIN, requests.ISO2), *_NEEDS),
        ids="V2G2-169",
    ),
    own(
        *(
            "DIN_RANKED_SECOND",
            GROUP,
            "ISO 15118-2 ranked before DIN SPEC 70121",
            "OK, the SchemaID of ISO 15118-2",
        ),
        *(_ranked(requests.ISO2, DIN), *_NEEDS),
        ids="V2G2-169",
    ),
    own(
        "DIN_SESSION", GROUP, "a whole DC session", "every response in its time, to the end", _whole, *_NEEDS
    ),
    own(
        "DIN_ORDER",
        GROUP,
        "CableCheckReq where ContractAuthenticationReq is due",
        _REFUSED,
        _not_due,
        *_NEEDS,
    ),
    own("DIN_ORDER_LOOP", GROUP, "ServiceDiscoveryReq in the loop", _REFUSED, _not_due_in_loop, *_NEEDS),
    own("DIN_SESSION_ID", GROUP, "another SessionID", "FAILED_UnknownSession, TCP closed", _unknown, *_NEEDS),
    own(
        *("DIN_SERVICE", GROUP, "a service that was not offered"),
        "FAILED_ServiceSelectionInvalid, TCP closed",
        _other_service,
        *_NEEDS,
    ),
    own(
        *(
            "DIN_SILENCE",
            GROUP,
            "silence where ContractAuthenticationReq is due",
            "TCP closed at the sequence timeout",
        ),
        *(_silence, *_NEEDS, Need.LONG),
        waits=("sequence",),
    ),
)
