"""A session without energy that reads the state of charge, at an outlet that has no DC output.

An EV reports its state of charge in DC sessions only (ISO 15118-2, DIN SPEC 70121). So the station offers DC,
takes what the EV reports with ChargeParameterDiscoveryReq, announces a stop, and lets the EV end the session.
Four barriers keep the outlet off:

* the tables of these sessions have no row that could energise: no isolation test, no pre-charge, no start;
* `Session.emit` refuses every output that energises in a protocol that does not energise;
* a stop is ordered with the second ChargeParameterDiscoveryReq, after which nothing is switched on [INV-29];
* the asyncio shell passes on nothing but commands that switch off, see `SocReadingBegun`.
"""

from __future__ import annotations

import enum
from typing import Protocol, cast

import msgspec

from secc.session import ending
from secc.session.battery_events import BatteryRead, EvBattery
from secc.session.context import Context
from secc.session.dialect import Anywhere, Key
from secc.session.outputs import (
    CloseContactor,
    EndReason,
    NoticeKind,
    Output,
    RenewLease,
    SetOutput,
    SetReactivePower,
    StartCableCheck,
)
from secc.session.quantities import Physical, number, of_wire
from secc.session.states import Timer


def energises(output: Output) -> bool:
    """Whether an output may put a voltage or a current on the cable, or keep one there."""
    if isinstance(output, SetOutput):
        return output.voltage != 0 or output.current != 0
    return isinstance(output, (CloseContactor, StartCableCheck, RenewLease, SetReactivePower))


SUFFIX = ", state of charge only"
"""Of the names of the protocols that only read."""


class Readings(msgspec.Struct):
    """What was read in this session (`Context.room`)."""

    count: int = 0
    """Number of ChargeParameterDiscoveryReq."""
    last: EvBattery | None = None


class Round(enum.Enum):
    """How a ChargeParameterDiscoveryReq is answered."""

    READY = "Ongoing"
    """The first one: some EVs report their battery properly with the second one."""
    STOPS = "Ongoing, with a stop"
    FINISHED = "Finished, with a stop"
    """For EVs that do not look at the stop while the answer is Ongoing."""


def begun(session: Context) -> None:
    """SessionSetupReq has come: the time for the whole reading begins."""
    session.timers.start(Timer.SOC_READING, session.now)


class _EvStatus(Protocol):
    @property
    def ev_ress_soc(self) -> int: ...


class EvParameters(Protocol):
    """DC_EVChargeParameter, of either protocol."""

    @property
    def dc_ev_status(self) -> _EvStatus: ...
    @property
    def ev_energy_capacity(self) -> Physical | None: ...
    @property
    def ev_energy_request(self) -> Physical | None: ...
    @property
    def full_soc(self) -> int | None: ...
    @property
    def bulk_soc(self) -> int | None: ...


def heard(session: Context, ev: EvParameters) -> Round:
    """Keep what the EV reports with ChargeParameterDiscoveryReq, and choose the answer."""
    readings, battery = cast(Readings, session.room), _battery(session, ev)
    patience = session.config.soc.patience
    readings.count = min(readings.count + 1, patience + 2)
    if not 0 <= battery.soc <= _MOST:
        session.notice(NoticeKind.IGNORED, f"a state of charge of {battery.soc} %")
    elif battery != readings.last:
        readings.last = battery
        session.emit(BatteryRead(battery))
    if readings.count == 1:
        return Round.READY
    ending.order_stop(session, "the state of charge is read", at_once=True)
    return Round.STOPS if readings.count <= patience + 1 else Round.FINISHED


def _battery(session: Context, ev: EvParameters) -> EvBattery:
    return EvBattery(
        soc=ev.dc_ev_status.ev_ress_soc,
        evccid="" if session.ev is None else session.ev.evccid,
        protocol=session.dialect.name.removesuffix(SUFFIX),
        capacity=_watt_hours(ev.ev_energy_capacity),
        energy_request=_watt_hours(ev.ev_energy_request),
        full_soc=ev.full_soc,
        bulk_soc=ev.bulk_soc,
    )


def _watt_hours(value: Physical | None) -> float | None:
    """An energy of the EV; None when it does not report one, and for what cannot be an energy."""
    if value is None or value.unit not in (None, "Wh") or value.value < 0:
        return None
    return number(of_wire(value.value, value.multiplier))


def time_over(session: Context, _: None) -> None:
    """The EV has not ended the session in `timing.soc_reading`."""
    session.end(EndReason.SEQUENCE_TIMEOUT, "the time to read the state of charge is over")


_MOST = 100
MORE: dict[Key, Anywhere] = {Timer.SOC_READING: Anywhere(time_over, "")}
"""What holds in every state of these sessions beside what holds in all."""
