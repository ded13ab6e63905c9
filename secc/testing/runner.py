"""Runs a controller through the exercises of its contract. The only place here that waits.

Without permission to energise only `make_safe`, `open_contactor`, `set_output(0, 0)` and `snapshot` are
called. In every case, also for a cancelled run, `make_safe` is the last call.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

from secc.boundary.abilities import CONTROLLER, examine
from secc.errors import ConfigError
from secc.ports import EvseController, ReportsChanges
from secc.session.outlet import ControlPilot
from secc.settings.config import SeccConfig
from secc.testing.bed import Bed, Stopped
from secc.testing.energised import on_call
from secc.testing.evidence import Call, Observations, Owed
from secc.testing.report import ControllerReport
from secc.testing.seen import has_feedback, settle

__all__ = ["Progress", "Rig", "check_controller"]

Progress = Callable[[str, int, int], None]
"""Called with the starting exercise, its number, and the total."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What moves the hardware around a controller. Each part may be an ordinary or an async function."""

    pilot: Callable[[ControlPilot], object] | None = None
    """The control pilot shows this state from now on."""
    hold_contactor: Callable[[bool], object] | None = None
    """True: the contactor cannot close; False: it can."""
    fail_hardware: Callable[[bool], object] | None = None
    """True: the driver's calls do not reach the hardware; False: they do. The output stays off meanwhile."""


async def check_controller(
    controller: object,
    config: SeccConfig | None = None,
    *,
    dc: bool | None = None,
    energise: bool = False,
    voltage: float | None = None,
    rig: Rig | None = None,
    progress: Progress | None = None,
) -> ControllerReport:
    """Run a controller through its contract; `energise` allows to switch power on.

    `config` has the limits and times of the station, `dc` says which kind of outlet it is when the
    configuration offers both, `voltage` is the set-point of the test in V. Never raises for what the
    controller does: that is in the report.
    """
    settings = config if config is not None else SeccConfig()
    kind = settings.energy.offers_dc if dc is None else dc
    evidence = Observations(Owed.of(settings, dc=kind, voltage=voltage), energised=energise)
    try:
        evidence.abilities = examine(CONTROLLER, controller)
    except ConfigError as error:
        evidence.refused = str(error)
        evidence.stopped = "a station does not take this controller"
        return ControllerReport.of(evidence)
    run = _Run(cast(EvseController, controller), evidence, rig or Rig(), progress)
    try:
        await run.everything()
    except Stopped as stop:
        evidence.stopped = str(stop)
    finally:
        await _come_what_may(run.leave_safe(), evidence)
    return ControllerReport.of(evidence)


async def _come_what_may(last: Awaitable[None], evidence: Observations) -> None:
    """To its end; a caller that is cancelled is cancelled afterwards, with why the output may be on."""
    task = asyncio.ensure_future(last)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    await task
    if cancelled:
        raise asyncio.CancelledError(evidence.unsafe)


class _Run:
    """The exercises in their order."""

    def __init__(
        self, controller: EvseController, evidence: Observations, rig: Rig, progress: Progress | None
    ) -> None:
        self.bed = Bed(controller, evidence)
        self._controller = controller
        self._evidence = evidence
        self._owed = evidence.owed
        self._rig = rig
        self._progress = progress

    async def everything(self) -> None:
        """Raises `Stopped`."""
        exercises = self._passive()
        if self._evidence.energised:
            exercises |= self._energising()
        for number, (name, exercise) in enumerate(exercises.items(), 1):
            if self._progress is not None:
                self._progress(name, number, len(exercises))
            await exercise()
            if name == "switch":
                self._look_at_switch()

    async def leave_safe(self) -> None:
        """The last of all."""
        await self.bed.leave_safe()
        await _move(self._rig.pilot, ControlPilot.B)

    def _passive(self) -> dict[str, Callable[[], Awaitable[None]]]:
        pilot = self._rig.pilot is not None and ReportsChanges in self._evidence.abilities
        found: dict[str, Callable[[], Awaitable[None]]] = {"rest": self._rest}
        return found | ({"pilot": self._pilot} if pilot else {})

    def _energising(self) -> dict[str, Callable[[], Awaitable[None]]]:
        found: dict[str, Callable[[], Awaitable[None]]] = {
            "switch": self._switch,
            "lapse": self._lapse,
            "no lease": self._no_lease,
            "make safe": self._make_safe,
            "overtaken": self._overtaken,
            "cancelled": self._cancelled,
        }
        if self._owed.dc:
            found |= {
                "check": self._check,
                "check lapses": self._check_lapses,
                "check overtaken": self._check_overtaken,
            }
        elif self._rig.hold_contactor is not None:
            found["held open"] = self._held_open
        if self._rig.fail_hardware is not None:
            found["hardware fails"] = self._hardware_fails
        return found

    def _look_at_switch(self) -> None:
        """Without an output that was seen to be on, nothing else shows anything."""
        samples = self._evidence.exercises["switch"].samples
        if not has_feedback(self._evidence):
            raise Stopped("the snapshot has no feedback")
        if not any(sample.on(self._owed) for sample in samples):
            raise Stopped("the output did not switch on")

    # --- passive --------------------------------------------------------------------------------------------

    async def _rest(self) -> None:
        async with self.bed.exercise("rest") as exercise:
            await self.bed.call("make_safe")
            await self.bed.watch(settle(self._owed), until=lambda: not self.bed.on)
            begun = self.bed.now
            async with self._changes():
                await self.bed.watch(_IDLE)
            exercise.marks["watched"] = self.bed.now - begun
            await self.bed.call("make_safe")
            await self.bed.call("open_contactor")
            if self._owed.dc:
                await self.bed.call("set_output", 0.0, 0.0)

    def _changes(self) -> contextlib.AbstractAsyncContextManager[None]:
        if ReportsChanges not in self._evidence.abilities:
            return contextlib.nullcontext()
        return self.bed.watching_changes(cast(ReportsChanges, self._controller))

    async def _pilot(self) -> None:
        await _move(self._rig.pilot, ControlPilot.B)
        async with self.bed.exercise("pilot") as exercise, self._changes():
            await self.bed.watch(_MOMENT)
            exercise.marks["moved"] = self.bed.now
            await _move(self._rig.pilot, ControlPilot.C)
            await self.bed.watch(_IDLE)
            await _move(self._rig.pilot, ControlPilot.B)

    # --- with power, AC and DC ------------------------------------------------------------------------------

    async def _switch_on(self) -> Call:
        method, *arguments = self._command()
        call = await self.bed.call(method, *arguments)
        if call.result is not False:
            await self._comes()
        return call

    def _command(self) -> tuple[str, *tuple[float, ...]]:
        if self._owed.dc:
            return "set_output", self._owed.voltage, self._owed.current
        return ("close_contactor",)

    async def _comes(self) -> None:
        """The voltage to the set-point; the contacts, where the call has returned before them."""
        lowest = self._owed.voltage - self._owed.tolerance

        def there() -> bool:
            return self.bed.on and (not self._owed.dc or (self.bed.take().voltage() or 0.0) >= lowest)

        await self.bed.watch(self._owed.pre_charge if self._owed.dc else self._owed.contactor, until=there)

    async def _switch(self) -> None:
        await _move(self._rig.pilot, ControlPilot.C)
        async with self.bed.exercise("switch") as exercise:
            self.bed.keep_lease()
            await self._switch_on()
            if self.bed.on:
                exercise.marks["held from"] = self.bed.now
                await self.bed.watch(2 * self._owed.lease + self._owed.renewal)
                exercise.marks["held until"] = self.bed.now
            exercise.marks["off called"] = self.bed.now
            if self._owed.dc:
                await self.bed.call("set_output", 0.0, 0.0)
            else:
                await self.bed.call("open_contactor")
            await self.bed.watch(settle(self._owed), until=lambda: not self.bed.on)
            await self.bed.watch(_AFTER)

    async def _lapse(self) -> None:
        async with self.bed.exercise("lapse") as exercise:
            self.bed.keep_lease()
            await self._switch_on()
            await self.bed.watch(self._owed.renewal)
            self.bed.stop_lease()
            end = exercise.marks["lapses"] + settle(self._owed) + _MOMENT
            await self.bed.watch(end - self.bed.now)
            exercise.marks["revived"] = self.bed.now
            self.bed.lease()
            await self.bed.watch(_AFTER)

    async def _no_lease(self) -> None:
        async with self.bed.exercise("no lease"):
            await self.bed.watch(self._owed.lease + _MOMENT)
            await self.bed.call(*self._command())
            await self.bed.watch(settle(self._owed) + _AFTER)

    async def _make_safe(self) -> None:
        async with self.bed.exercise("make safe"):
            self.bed.keep_lease()
            await self._switch_on()
            await self.bed.call("make_safe")
            await self.bed.watch(settle(self._owed) + _AFTER)

    async def _overtaken(self) -> None:
        async with self.bed.exercise("overtaken"):
            self.bed.keep_lease()
            slow = self.bed.start(*self._command())
            await self._halfway()
            await self.bed.call("make_safe")
            await self.bed.wait(*slow)
            await self.bed.watch(settle(self._owed) + _AFTER)

    async def _cancelled(self) -> None:
        async with self.bed.exercise("cancelled") as exercise:
            self.bed.keep_lease()
            call, task = self.bed.start(*self._command())
            await self._halfway()
            task.cancel()
            await self.bed.wait(call, task)
            await self.bed.watch(2 * self._usual() + _MOMENT)
            await self.bed.call("make_safe")
            await self.bed.watch(settle(self._owed) + _MOMENT)
            exercise.marks["again"] = self.bed.now
            await self._switch_on()
            await self.bed.watch(_MOMENT)

    def _usual(self) -> float:
        """s that the command takes which switches on."""
        call = on_call(self._evidence.exercises["switch"])
        return 0.0 if call is None or not call.fine else call.duration

    async def _halfway(self) -> None:
        await asyncio.sleep(self._usual() / 2)

    async def _held_open(self) -> None:
        async with self.bed.exercise("held open"), _while(self._rig.hold_contactor):
            self.bed.keep_lease()
            await self.bed.call("close_contactor")

    async def _hardware_fails(self) -> None:
        async with self.bed.exercise("hardware fails") as exercise:
            self.bed.keep_lease()
            async with _while(self._rig.fail_hardware):
                await self.bed.call(*self._command())
                await self.bed.call("open_contactor")
                await self.bed.call("make_safe")
            exercise.marks["repaired"] = self.bed.now
            exercise.lease_errors.clear()
            exercise.samples[:] = [sample for sample in exercise.samples if not sample.error]

    # --- DC -------------------------------------------------------------------------------------------------

    async def _check(self) -> None:
        async with self.bed.exercise("check"):
            self.bed.keep_lease()
            await self.bed.call("check_cable", self._owed.max_voltage)
            await self.bed.watch(_AFTER)

    async def _check_lapses(self) -> None:
        async with self.bed.exercise("check lapses") as exercise:
            call = await self._check_with_voltage()
            if not self.bed.on:
                return
            self.bed.stop_lease()
            end = exercise.marks["lapses"] + settle(self._owed) + _MOMENT
            await self.bed.watch(end - self.bed.now)
            await self.bed.watch(self._owed.call, until=lambda: call.ended is not None)

    async def _check_overtaken(self) -> None:
        async with self.bed.exercise("check overtaken"):
            call = await self._check_with_voltage()
            await self.bed.call("make_safe")
            await self.bed.watch(self._owed.call, until=lambda: call.ended is not None)
            await self.bed.watch(settle(self._owed) + _AFTER)

    async def _check_with_voltage(self) -> Call:
        """A test in progress, with voltage at the output."""
        self.bed.keep_lease()
        call, _ = self.bed.start("check_cable", self._owed.max_voltage)
        await self.bed.watch(self._owed.cable_check, until=lambda: self.bed.on or call.ended is not None)
        return call


_IDLE = 0.5  # s in which nothing happens
_MOMENT = 0.1  # s
_AFTER = 0.5  # s in which nothing may come back


async def _move(part: Callable[..., object] | None, value: object) -> None:
    if part is None:
        return
    moved = part(value)
    if inspect.isawaitable(moved):
        await moved


@contextlib.asynccontextmanager
async def _while(part: Callable[[bool], object] | None) -> AsyncIterator[None]:
    """Broken inside, whole outside."""
    await _move(part, True)
    try:
        yield
    finally:
        await _move(part, False)
