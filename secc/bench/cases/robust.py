"""Messages of a hostile or defective EV over TCP. Not in ISO 15118-4: the expectations are those of this
bench.

Each case ends with the most important check: the next EV is served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from secc.bench import requests
from secc.bench.car import BenchCar, Phase
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run, car, own
from secc.bench.talk import LATE, CarAnswer
from secc.bench.trial import Trial
from secc.bench.wire import HEADER, BenchWire, Closed, WireFrame
from secc.errors import LinkError
from secc.messages import iso2
from secc.messages.iso2 import ResponseCode
from secc.messages.numbers import number
from secc.sim.script import physical
from secc.v2gtp import PayloadType

GROUP = "Robustness"

Deed = Callable[[BenchCar], Awaitable[None]]


def _then_next(phase: Phase, deed: Deed) -> Run:
    """Send something wrong at this point; then another EV goes as far as the services."""

    async def run(trial: Trial) -> None:
        ev = car(trial, "CMN")
        await ev.reach(phase)
        await deed(ev)
        ev.wire.close()
        await trial.pilot("B")
        trial.note("note", "the next EV")
        again = BenchCar(trial)
        await again.reach(Phase.SELECTION)

    return run


def _never_answered(data: bytes, text: str, *, closed: bool = True) -> Deed:
    """Expect no answer to these bytes; `closes` requires that the station closes the connection."""

    async def deed(ev: BenchCar) -> None:
        await ev.send_raw(data, text)
        timers = ev.trial.timers
        limit = timers.close * LATE if closed else min(timers.message, timers.sequence / 2)
        reply = await ev.wire.wait_closed(limit)
        seen = reply.data if isinstance(reply, WireFrame) else b""
        ev.trial.note("received", "a message" if seen else str(reply), seen)
        ev.trial.check(not isinstance(reply, WireFrame), "no answer", seen.hex())
        if closed:
            ev.trial.check(isinstance(reply, Closed), f"TCP closed within {limit:g} s", reply)

    return deed


async def _second_handshake(ev: BenchCar) -> None:
    """Expect no second agreement; the response has no FAILED_SequenceError."""
    reply = await ev.ask(requests.offer())
    accepted = isinstance(reply, CarAnswer) and reply.code.startswith("OK")
    ev.trial.check(not accepted, "no second agreement", reply)
    if not isinstance(reply, Closed):
        await ev.closed()


async def _response_as_request(ev: BenchCar) -> None:
    reply = await ev.ask(iso2.ServiceDiscoveryRes(
        response_code=ResponseCode.OK,
        payment_option_list=iso2.PaymentOptionList(payment_option=(iso2.PaymentOption.EXTERNAL_PAYMENT,)),
        charge_service=iso2.ChargeService(
            service_id=1,
            service_category=iso2.ServiceCategory.EV_CHARGING,
            free_service=True,
            supported_energy_transfer_mode=iso2.SupportedEnergyTransferMode(
                energy_transfer_mode=(iso2.EnergyTransferMode.DC_EXTENDED,)
            ),
        ),
    ))  # fmt: skip
    good = isinstance(reply, CarAnswer) and reply.code.startswith("OK")
    ev.trial.check(not good, "no positive answer", reply)
    if not isinstance(reply, Closed):
        await ev.closed()


async def _byte_by_byte(trial: Trial) -> None:
    """Check that a message in segments of one byte is one message."""
    ev = BenchCar(trial)
    await ev.reach(Phase.SETUP)
    for byte in ev.encode(requests.session_setup(ev.ev), None, None):
        await ev.wire.send(bytes([byte]))
        await asyncio.sleep(0)
    trial.note("sent", "SessionSetupReq, byte by byte")
    answer = await ev.receive(trial.timers.message)
    good = isinstance(answer, CarAnswer) and answer.code == ResponseCode.OK_NEW_SESSION_ESTABLISHED.value
    trial.check(good, "SessionSetupRes OK_NewSessionEstablished", answer)


async def _zero_id(trial: Trial) -> None:
    """Check that zero is not accepted as the SessionID either [V2G2-460]."""
    ev = BenchCar(trial)
    await ev.reach(Phase.DISCOVERY)
    code = ResponseCode.FAILED_UNKNOWN_SESSION
    await ev.refused(iso2.ServiceDiscoveryReq(), code, session_id=bytes(8))


async def _second_setup(trial: Trial) -> None:
    ev = BenchCar(trial)
    await ev.reach(Phase.SELECTION)
    await ev.refused(requests.session_setup(ev.ev), ResponseCode.FAILED_SEQUENCE_ERROR)


async def _start_without_authorization(trial: Trial) -> None:
    """Go directly from AuthorizationReq to PowerDeliveryReq(Start)."""
    ev = car(trial, "CMN")
    await ev.reach(Phase.AUTHORIZATION)
    request = requests.delivery(iso2.ChargeProgress.START, 1, dc=ev.dc)
    await ev.refused(request, ResponseCode.FAILED_SEQUENCE_ERROR)


async def _other_connection(trial: Trial) -> None:
    """Check that a second connection does not disturb the session on the first one."""
    ev = car(trial, "CMN")
    await ev.reach(Phase.PARAMETERS)
    try:
        assert trial.connected_to is not None
        wire = await BenchWire.open(trial.connected_to, tls=None, limit=1.0)
    except LinkError as error:
        trial.note("note", str(error))
    else:
        await wire.send(ev.encode(requests.offer(), None, None))
        await asyncio.sleep(0.2)
        wire.close()
    await ev.negotiate()


async def _too_high_voltage(trial: Trial) -> None:
    """Request more than the declared limit of the EV in the loop: the voltage must stay within it."""
    ev = BenchCar(trial, dc=True)
    await ev.reach(Phase.LOOP)
    limit = ev.ev.max_voltage
    request = msgspec.structs.replace(
        requests.current_demand(ev.ev), ev_target_voltage=physical(limit + 80.0, iso2.UnitSymbol.V)
    )
    for _ in range(5):
        answer = await ev.ask(request)
        if not isinstance(answer, CarAnswer) or answer.code != "OK":
            return  # a refusal is as good as a limit
        voltage = number(answer.body.evse_present_voltage)
        trial.check(voltage <= limit * 1.02, f"at most {limit:g} V", f"{voltage:g} V")
        await asyncio.sleep(0.1)


_V2G = PayloadType.EXI
_NEXT = "no answer, TCP closed; the next EV is served"


def _hostile(name: str, title: str, phase: Phase, deed: Deed, expect: str = _NEXT, *needs: Need) -> Case:
    return own(name, GROUP, title, expect, _then_next(phase, deed), *needs)


CASES: tuple[Case, ...] = (
    own("TCP_BYTES", GROUP, "a request in segments of one byte", "answered as usual", _byte_by_byte),
    _hostile(
        *("TCP_HUGE", "a header that announces 4 GiB", Phase.SETUP),
        _never_answered(HEADER.pack(1, 0xFE, _V2G, 0xFFFFFFFF) + bytes(64), "header, length FFFFFFFF"),
    ),
    _hostile(
        *("EXI_NOISE", "a payload that is not EXI", Phase.SETUP),
        _never_answered(HEADER.pack(1, 0xFE, _V2G, 32) + bytes(range(200, 232)), "32 bytes of noise"),
    ),
    _hostile(
        *("EXI_CUT", "a request that breaks off in its payload", Phase.SETUP),
        _never_answered(HEADER.pack(1, 0xFE, _V2G, 3) + bytes.fromhex("809802"), "three bytes of EXI"),
    ),
    _hostile(
        *("EXI_NOISE_LOOP", "a payload that is not EXI, in the charge loop", Phase.LOOP),
        _never_answered(HEADER.pack(1, 0xFE, _V2G, 32) + bytes(range(200, 232)), "32 bytes of noise"),
        *(_NEXT, Need.EXTERNAL),
    ),
    _hostile(
        *("ORDER_HANDSHAKE", "a second supportedAppProtocolReq", Phase.SELECTION, _second_handshake),
        "no second agreement, TCP closed; the next EV is served",
    ),
    _hostile(
        *("ORDER_RESPONSE", "a response where a request is due", Phase.SELECTION, _response_as_request),
        "no positive answer, TCP closed; the next EV is served",
    ),
    own(
        *(
            "ORDER_SETUP",
            GROUP,
            "a second SessionSetupReq",
            "FAILED_SequenceError, TCP closed",
            _second_setup,
        ),
        ids="V2G2-538",
    ),
    own(
        *("ORDER_START", GROUP, "PowerDeliveryReq(Start) without authorization"),
        *("FAILED_SequenceError, TCP closed", _start_without_authorization, Need.EXTERNAL),
        ids="V2G2-538",
    ),
    own(
        *(
            "SESSION_ID_ZERO",
            GROUP,
            "SessionID 0 in a session",
            "FAILED_UnknownSession, TCP closed",
            _zero_id,
        ),
        ids="V2G2-460",
    ),
    own(
        *("TCP_SECOND", GROUP, "a second connection during a session"),
        *("the session goes on", _other_connection, Need.EXTERNAL),
    ),
    own(
        *("DC_VOLTAGE", GROUP, "a target voltage above the EV's own limit"),
        "a negative answer, or a voltage within the limit",
        _too_high_voltage,
        *(Need.DC, Need.EXTERNAL),
        ids="V2G2-258",
    ),
)
