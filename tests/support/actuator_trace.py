"""The actuator trace as the oracle: everything a station does to its outlet, and the rules for it.

`traced` puts a recorder between a station and its controller; `replay` goes through the trace, together with
the messages, and raises `Broken` where an invariant is violated [INV-01] to [INV-08], [INV-30] to [INV-32].
It uses the threat model and the contract in `secc.ports`, and nothing of what the station decided.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from secc.messages import din, iso2
from secc.ports import EvseController, ReportsChanges
from secc.records import Direction, MessageRecord
from secc.session.outlet import EvseSnapshot, IsolationLevel
from secc.settings import SeccConfig
from tests.support.lasting import Lasting
from tests.support.outlet_rules import SAFE_VOLTAGE, require

SLACK = 0.005
"""s between two readings of the clock that belong together."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of the trace."""

    at: float
    name: str
    what: tuple[Any, ...] = ()


class Traced:
    """A controller that writes down each call, its return, each lease and each snapshot."""

    def __init__(self, controller: EvseController) -> None:
        self.controller = controller
        self.trace: list[Entry] = []

    def note(self, name: str, *what: Any) -> None:
        """Also for what a test does to the station: ("reset",), ("limit", watts)."""
        self.trace.append(Entry(asyncio.get_running_loop().time(), name, what))

    def snapshot(self) -> EvseSnapshot:
        found = self.controller.snapshot()
        self.note("snapshot", found)
        return found

    def lease(self, seconds: float) -> None:
        self.note("lease", seconds)
        self.controller.lease(seconds)

    async def close_contactor(self) -> bool:
        return bool(await self._call("close_contactor"))

    async def open_contactor(self) -> bool:
        return bool(await self._call("open_contactor"))

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        level: IsolationLevel = await self._call("check_cable", max_voltage)
        return level

    async def set_output(self, voltage: float, current: float) -> None:
        await self._call("set_output", voltage, current)

    async def make_safe(self) -> None:
        await self._call("make_safe")

    async def _call(self, name: str, *arguments: float) -> Any:
        self.note(name, *arguments)
        try:
            result = await getattr(self.controller, name)(*arguments)
        except BaseException as error:
            self.note(f"{name} raised", error)
            raise
        self.note(f"{name} returned", result)
        return result


class TracedReporting(Traced, ReportsChanges):
    """The same for a controller that reports changes."""

    async def changed(self) -> None:
        await self.controller.changed()  # type: ignore[attr-defined]


def traced(controller: EvseController) -> Traced:
    """The recorder that fits."""
    return TracedReporting(controller) if hasattr(controller, "changed") else Traced(controller)


def replay(trace: Iterable[Entry], messages: Iterable[MessageRecord], config: SeccConfig) -> None:
    """All of it in the order of its times; raises `Broken`."""
    entries: list[Entry] = [*trace]
    entries += [
        Entry(one.at, "heard" if one.direction is Direction.RECEIVED else "told", (one.message,))
        for one in messages
    ]
    entries.sort(key=lambda entry: entry.at)
    judge = _Judge(config)
    for entry in entries:
        judge.look(entry)


COMMANDS = ("close_contactor", "open_contactor", "check_cable", "set_output")
_START = ("PowerDeliveryReq",)
_AFTER = {
    "close_contactor": _START,
    "check_cable": ("CableCheckReq",),
    "set_output": ("PreChargeReq", "PowerDeliveryReq", "CurrentDemandReq", "MeteringReceiptReq"),
}
"""Which request came last when energy is put on the output [INV-01] [INV-04]."""


class _Judge:
    def __init__(self, config: SeccConfig) -> None:
        self.config = config
        self.lasting = Lasting()
        self.evse: EvseSnapshot | None = None
        self.calls: list[str] = []
        self.any_call = False
        self.leased_until = 0.0
        self.limit: float | None = None
        self.on = False
        self._new_session()

    def _new_session(self) -> None:
        self.granted = self.over = self.started = self.tested = False
        self.request: Any = None
        self.mode_dc: bool | None = None
        self.most = (0.0, 0.0)
        self.matched: float | None = None

    def look(self, entry: Entry) -> None:
        at, name, what = entry.at, entry.name, entry.what
        verb, _, ended = name.partition(" ")
        if ended:
            self._returned(verb, ended, what[0])
            return
        handler: Callable[..., None] | None = getattr(self, f"_{verb}", None)
        if verb in (*COMMANDS, "make_safe"):
            require(self.any_call or verb == "make_safe", "INV-32", f"{verb} is the first command")
            self.any_call = True
            self._begins(at, verb, what)
        elif handler is not None:
            handler(at, *what)

    # --- the world ---

    def _snapshot(self, _: float, evse: EvseSnapshot) -> None:
        self.evse = evse
        self.lasting.observe(evse)

    def _reset(self, _: float) -> None:
        self.lasting.reset_by_hand()

    def _limit(self, _: float, watts: float | None) -> None:
        self.limit = watts

    def _lease(self, at: float, seconds: float) -> None:
        require(0 < seconds <= 0.5 + SLACK, "INV-31", f"a lease of {seconds} s")
        require(not self.lasting.tripped, "INV-30", "a lease with a latched fault")
        off = [call for call in self.calls if call in ("open_contactor", "off")]
        require(not off, "INV-31", f"a lease while {off} is in progress")
        self.leased_until = at + seconds

    # --- messages ---

    def _heard(self, _: float, message: Any) -> None:
        body = getattr(message, "body", None)
        if isinstance(body, (iso2.SessionSetupReq, din.SessionSetupReq)):
            self._new_session()
        self.request = body
        parameter = getattr(body, "ev_charge_parameter", None)
        if isinstance(parameter, (iso2.DCEVChargeParameter, din.DCEVChargeParameter)):
            self.most = (
                _plain(parameter.ev_maximum_voltage_limit),
                _plain(parameter.ev_maximum_current_limit),
            )
        if type(body).__name__ == "PowerDeliveryReq" and not _starts(body):
            self.started = False

    def _told(self, _: float, message: Any) -> None:
        body, name = getattr(message, "body", None), type(getattr(message, "body", None)).__name__
        code = str(getattr(getattr(body, "response_code", ""), "value", ""))
        self.over = self.over or code.startswith("FAILED") or name == "SessionStopRes"
        finished = getattr(getattr(body, "evse_processing", None), "value", "") == "Finished"
        if code.startswith("FAILED"):
            require(not self._stays_on(), "INV-16", f"{name} {code} with energy at the output")
            return
        match name:
            case "AuthorizationRes" | "ContractAuthenticationRes" if finished:
                self.granted = True
            case "ChargeParameterDiscoveryRes":
                dc = "DC" in type(self.request.ev_charge_parameter).__name__
                require(self.mode_dc in (None, dc), "INV-04", "the mode changes within a session")
                self.mode_dc, self.tested = dc, False
            case "CableCheckRes" if finished:
                require(self.tested, "INV-06", "Finished without a test that returned")
            case "PreChargeRes":
                self.matched = _plain(self.request.ev_target_voltage)
            case "PowerDeliveryRes" if _starts(self.request):
                self._check_start()
            case "PowerDeliveryRes" | "WeldingDetectionRes":
                stays_on = self._stays_on() and self.mode_dc is not False
                require(not stays_on, "INV-03", f"{name} with the output on")
            case _:
                pass

    def _stays_on(self) -> bool:
        """On, and the driver has not heard of an off: the order is given before the answer [INV-02]; how long
        the contacts take after it is the hardware's affair."""
        return self.on and not {"off", "open_contactor", "make_safe"} & {*self.calls}

    def _check_start(self) -> None:
        if self.mode_dc:
            self.started = self.on  # a start that a stop has overtaken is answered OK with the output off
            if self.started:
                least = max(self.config.energy.dc.min_voltage, SAFE_VOLTAGE)
                good = self.matched is not None and self.matched >= least
                require(good, "INV-05", f"a start from a pre-charge to {self.matched} V")
        elif self.on:
            require(not self.calls, "INV-02", f"OK while {self.calls} is in progress")
            shown = None if self.evse is None else self.evse.contactor_closed
            require(shown is not False, "INV-02", "OK with the feedback open")

    # --- commands ---

    def _begins(self, at: float, verb: str, what: tuple[Any, ...]) -> None:
        off = verb in ("open_contactor", "make_safe") or (verb == "set_output" and what == (0.0, 0.0))
        commands = [call for call in self.calls if call != "make_safe"]
        if verb != "make_safe":
            require(not commands, "INV-03", f"{verb} begins while {commands} is in progress")
        if not off:
            require("make_safe" not in self.calls, "INV-03", f"{verb} beside make_safe")
            self._check_energising(at, verb, what)
            self.on = True
        self.calls.append("off" if verb == "set_output" and off else verb)

    def _check_energising(self, at: float, verb: str, what: tuple[Any, ...]) -> None:
        doing = f"{verb} {' '.join(format(one, 'g') for one in what)}".strip()
        require(at <= self.leased_until + SLACK, "INV-31", f"{doing} without a lease")
        require(self.granted, "INV-10", f"{doing} without a grant")
        require(not self.over, "INV-16", f"{doing} after the end")
        require(not self.lasting.tripped, "INV-30", f"{doing} with a latched fault")
        name = type(self.request).__name__
        require(name in _AFTER[verb], "INV-04", f"{doing} after {name}")
        require(self.mode_dc is (verb != "close_contactor"), "INV-04", f"{doing} in the other mode")
        evse = self.evse
        if evse is not None:
            require(evse.fault is None, "INV-03", f"{doing} with {evse.fault}")
            require(evse.control_pilot.wants_energy, "INV-04", f"{doing} with pilot {evse.control_pilot}")
        if verb == "close_contactor":
            require(_starts(self.request), "INV-01", "close without a Start")
            welded = evse is not None and evse.contactor_closed is True and not self.on
            require(not welded, "INV-02", "a contactor is closed that is closed already: welded")
        elif verb == "check_cable":
            live = evse is not None and evse.present_voltage >= SAFE_VOLTAGE
            require(not live and not self.on, "INV-06", "the isolation test begins on a live output")
        else:
            self._check_set_point(doing, *what)

    def _check_set_point(self, doing: str, volts: float, amperes: float) -> None:
        dc, request = self.config.energy.dc, self.request
        wanted = [getattr(request, name, None) for name in ("ev_target_voltage", "ev_target_current")]
        most_volts = min([dc.max_voltage, self.most[0], *([_plain(wanted[0])] if wanted[0] else [])])
        most_amperes = min([dc.max_current, self.most[1], *([_plain(wanted[1])] if wanted[1] else [])])
        require(0 <= amperes <= most_amperes, "INV-07", f"{doing}: at most {most_amperes:g} A")
        require(0 <= volts <= most_volts, "INV-07", f"{doing}: at most {most_volts:g} V")
        require(volts >= dc.min_voltage, "INV-07", f"{doing}: the outlet gives {dc.min_voltage:g} V at least")
        watts = dc.max_power if self.limit is None else min(dc.max_power, self.limit)
        require(volts * amperes <= watts + 1e-6, "INV-07", f"{doing}: {watts:g} W are allowed")
        require(self.started or amperes <= 2, "INV-05", f"{doing} before the start")
        require(self.tested, "INV-06", f"{doing} without an isolation test")

    def _returned(self, verb: str, ended: str, result: Any) -> None:
        off = verb in ("open_contactor", "make_safe") or "off" in self.calls
        name = "off" if verb == "set_output" and "off" in self.calls else verb
        if name in self.calls:
            self.calls.remove(name)
        if verb == "check_cable":
            self.on = False  # it leaves the output without voltage
            good = ended == "returned" and result in (IsolationLevel.VALID, IsolationLevel.WARNING)
            self.tested = good
            if result is IsolationLevel.FAULT:
                self.lasting.tripped, self.lasting.reset, self.lasting.unplugged = True, False, False
        elif off:
            self.on = self.on and ended != "returned"
            failed = ended == "raised" or (verb == "open_contactor" and result is not True)
            if failed and verb != "make_safe" and not isinstance(result, asyncio.CancelledError):
                self.lasting.tripped, self.lasting.reset, self.lasting.unplugged = True, False, False
        elif verb == "close_contactor" and result is not True:
            self.on = False


def _starts(request: Any) -> bool:
    progress = getattr(request, "charge_progress", None)
    ready = getattr(request, "ready_to_charge_state", None)
    return progress is iso2.ChargeProgress.START or ready is True


def _plain(value: Any) -> float:
    plain: float = value.value * 10.0**value.multiplier
    return plain
