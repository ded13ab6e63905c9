"""Tools for a hostile EV, and the checks after it: for tests over sockets, with the actuator trace."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from secc import exi
from secc.messages import iso2
from secc.messages.iso2 import BodyElement, ChargingSession
from secc.messages.numbers import number
from secc.records import Direction, MessageRecord
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.settings import CompatConfig, EnergyConfig, EnergyMode, SeccConfig, TimingConfig
from tests.support import requests as r
from tests.support.actuator_trace import replay, traced
from tests.support.wire import Bed, Car, GrantingBackend, RecordingOutlet, config, running


class DcOutlet(RecordingOutlet):
    """The same for DC: its voltage is the last set-point, at once."""

    def __init__(self) -> None:
        super().__init__()
        self.volts = 0.0

    def snapshot(self) -> EvseSnapshot:
        return EvseSnapshot(
            control_pilot=self.pilot,
            utc=time.time(),
            present_voltage=self.volts,
            contactor_closed=self.volts > 0,
        )

    async def set_output(self, voltage: float, current: float) -> None:
        await super().set_output(voltage, current)
        self.volts = voltage

    async def open_contactor(self) -> bool:
        self.volts = 0.0
        return await super().open_contactor()

    async def make_safe(self) -> None:
        self.volts = 0.0
        await super().make_safe()


def made(*, dc: bool = False, **timing: float) -> SeccConfig:
    """By the letter, and quick."""
    usual = {"close_delay": 0.02, "pilot": 0.1, "lease_renewal": 0.05}
    found = dataclasses.replace(
        config(), compat=CompatConfig.strict(), timing=TimingConfig(**(usual | timing))
    )
    if not dc:
        return found
    modes = (EnergyMode.DC_EXTENDED, EnergyMode.DC_CORE)
    return dataclasses.replace(found, energy=EnergyConfig(modes=modes))


OFF = ("open_contactor", "make_safe", "set_output 0 0")


@contextlib.asynccontextmanager
async def attacked(
    *,
    dc: bool = False,
    outlet: RecordingOutlet | None = None,
    backend: GrantingBackend | None = None,
    timing: Mapping[str, float] | None = None,
) -> AsyncIterator[Bed]:
    """A station for the attack; after it: alive, idle, off, every command of the outlet lawful, and the next
    car charges. That nothing is left of it in the event loop is checked by `running`."""
    outlet = outlet or (DcOutlet() if dc else RecordingOutlet())
    used, recorder = made(dc=dc, **(timing or {})), traced(outlet)
    async with running(used, outlet=outlet, backend=backend, controller=recorder) as bed:
        yield bed
        await bed.until_idle()
        assert outlet.calls[-1].startswith(OFF), outlet.calls
        outlet.pilot = ControlPilot.B
        if outlet.__class__ in (RecordingOutlet, DcOutlet) and bed.backend.granted:
            await next_car(bed, dc=dc)
        check_trace(bed)
        replay(recorder.trace, bed.messages(), used)
        assert bed.station.health.serving, bed.station.health


# --- the actuator trace ------------------------------------------------------------------------------------

LAWFUL_AFTER: dict[str, tuple[type, ...]] = {
    "close_contactor": (iso2.PowerDeliveryReq,),
    "check_cable": (iso2.CableCheckReq,),
    "set_output": (iso2.PreChargeReq, iso2.PowerDeliveryReq, iso2.CurrentDemandReq),
}
"""The request that must have come last when energy is put on the output [INV-01] [INV-04]."""


def check_trace(bed: Bed) -> None:
    """Commands and messages in the order of their times: nothing is energised that the rules forbid."""
    commands = zip(bed.outlet.times, bed.outlet.calls, strict=True)
    events: list[tuple[float, object]] = [*commands, *((record.at, record) for record in bed.messages())]
    events.sort(key=lambda event: event[0])
    assert events[0][1] == "make_safe"  # INV-32
    watch = Watch()
    for _, event in events:
        if isinstance(event, str):
            watch.command(event)
        elif isinstance(event, MessageRecord) and isinstance(event.message, iso2.V2GMessage):
            if event.direction is Direction.RECEIVED:
                watch.heard(event.message.body)
            else:
                watch.told(event.message.body)


class Watch:
    """The commands that an outlet may receive, derived from the messages."""

    def __init__(self) -> None:
        self.granted = self.over = False
        self.last: object = None
        self.limits = (0.0, 0.0)

    def heard(self, request: object) -> None:
        self.last = request
        if isinstance(request, iso2.SessionSetupReq):
            self.granted = self.over = False
        parameter = getattr(request, "ev_charge_parameter", None)
        if isinstance(parameter, iso2.DCEVChargeParameter):
            volts, amperes = parameter.ev_maximum_voltage_limit, parameter.ev_maximum_current_limit
            self.limits = (number(volts), number(amperes))

    def told(self, response: object) -> None:
        code = str(getattr(response, "response_code", ""))
        self.over |= code.startswith("FAILED") or isinstance(response, iso2.SessionStopRes)
        finished = isinstance(response, iso2.AuthorizationRes) and code == "OK"
        self.granted |= finished and response.evse_processing is iso2.EVSEProcessing.FINISHED  # type: ignore[attr-defined]

    def command(self, name: str) -> None:
        verb, _, values = name.partition(" ")
        if verb not in LAWFUL_AFTER or name == "set_output 0 0":
            return
        assert self.granted, f"{name} without a grant [INV-10]"
        assert not self.over, f"{name} after the end [INV-16]"
        assert isinstance(self.last, LAWFUL_AFTER[verb]), f"{name} after {type(self.last).__name__}"
        if isinstance(self.last, iso2.PowerDeliveryReq):
            assert self.last.charge_progress is iso2.ChargeProgress.START, name
        if verb == "set_output":
            volts, amperes = (float(value) for value in values.split())
            assert 0 <= volts <= self.limits[0], f"{name}: the EV takes {self.limits} [INV-07]"
            assert 0 <= amperes <= self.limits[1], f"{name}: the EV takes {self.limits} [INV-07]"
            if isinstance(self.last, iso2.PreChargeReq):
                assert amperes <= 2.0, f"{name} in pre-charge [INV-05]"


async def next_car(bed: Bed, *, dc: bool) -> None:
    """A whole good session."""
    car = await Car.connect(bed.plain_port)
    await reach(car, bed, "stopped", dc=dc)
    assert await car.ask(r.session_stop()) == "OK"
    car.close()
    await bed.until_idle()


AC_WAY = (
    "handshake",
    "setup",
    "discovery",
    "selection",
    "authorization",
    "parameters",
    "power on",
    "first loop",
)
WAYS = {
    False: (*AC_WAY, "loop", "stopped"),
    True: (*AC_WAY[:6], "cable check", "pre-charge", "power on", "first loop", "loop", "stopped"),
}
"""Points of a session by external identification, in order; True: DC. Each is named by what is due there."""


async def reach(car: Car, bed: Bed, point: str, *, dc: bool = False) -> None:
    """By lawful steps to the point."""
    for here in WAYS[dc]:
        if here == point:
            return
        await _step(car, bed, here, dc=dc)
    raise AssertionError(point)


async def _step(car: Car, bed: Bed, here: str, *, dc: bool) -> None:
    match here:
        case "handshake":
            assert (await car.handshake()).value == "OK_SuccessfulNegotiation"
        case "setup":
            assert await car.ask(r.session_setup()) == "OK_NewSessionEstablished"
        case "authorization" | "cable check":
            body = r.authorization() if here == "authorization" else r.cable_check()
            bed.outlet.pilot = ControlPilot.C if dc else bed.outlet.pilot
            for _ in range(3):  # Ongoing, then Finished
                answer = await body_of(car, body)
                assert answer.response_code is iso2.ResponseCode.OK
                if answer.evse_processing is iso2.EVSEProcessing.FINISHED:
                    return
                await asyncio.sleep(0.01)
        case "power on":
            bed.outlet.pilot = ControlPilot.C
            assert await car.ask(r.start()) == "OK"
        case "pre-charge":
            assert await car.ask(r.pre_charge()) == "OK"
            await asyncio.sleep(0.01)
        case "loop":
            assert await car.ask(r.stop()) == "OK"
            bed.outlet.pilot = ControlPilot.B
        case _:
            assert await car.ask(due(here, dc=dc)) == "OK"


def due(point: str, *, dc: bool = False) -> BodyElement:
    """The lawful request at a point."""
    bodies: dict[str, BodyElement] = {
        "setup": r.session_setup(),
        "discovery": r.service_discovery(),
        "selection": r.payment_selection(),
        "authorization": r.authorization(),
        "parameters": r.dc_parameters() if dc else r.ac_parameters(),
        "cable check": r.cable_check(),
        "pre-charge": r.pre_charge(),
        "power on": r.start(),
        "first loop": r.current_demand() if dc else r.charging_status(),
        "loop": r.stop(),
        "stopped": r.session_stop(ChargingSession.TERMINATE),
    }
    return bodies[point]


async def body_of(car: Car, body: BodyElement) -> Any:
    """Ask, and the whole body of the response."""
    await car.send(car.encode(body))
    payload = await car.next_payload()
    assert payload is not None
    message = exi.ISO2.decode(payload)
    assert isinstance(message, iso2.V2GMessage)
    assert message.body is not None
    return message.body


async def at(bed: Bed, point: str, *, dc: bool = False) -> Car:
    """A car that is plugged in."""
    car = await Car.connect(bed.plain_port)
    await reach(car, bed, point, dc=dc)
    return car


async def refused_and_closed(car: Car, body: BodyElement, code: str) -> None:
    """This code, in the response that belongs to the request, then the end."""
    answer: Any = await body_of(car, body)
    assert (type(answer), answer.response_code.value) == (iso2.PAIRS[type(body)], code)
    assert await car.at_end()
    car.close()
