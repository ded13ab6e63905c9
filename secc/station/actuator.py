"""The command loop of an outlet: calls its driver, one call after the other, and supervises each call.

`secc.station.orders` selects the next command; the contract with the driver is in `secc.ports`. A call is
never cancelled while the station runs: separate timers supervise it, and they stop the lease, call
`make_safe`, and block the outlet. An actuator exists as long as its station; a session starts its use with
`begin` and ends it with `end`.
"""

import asyncio
from collections.abc import Callable

from secc.boundary.calls import Complaints
from secc.ports import Discharges, EvseController
from secc.session.inputs import CableCheckReported, ContactorReported, ControllerFault
from secc.session.outlet import EvseFault, IsolationLevel
from secc.session.outputs import CloseContactor, OpenContactor, SetOutput, StartCableCheck
from secc.settings.timing import TimingConfig
from secc.station.orders import Command, Orders, switches_off
from secc.station.safety import Safety
from secc.station.shielded import finish

Answer = ContactorReported | CableCheckReported | ControllerFault
"""Results of commands, as inputs of the session."""

Report = Callable[[Answer], None]


class Actuator:
    """One per outlet; give it a task for `run`."""

    def __init__(
        self,
        controller: EvseController,
        timing: TimingConfig,
        *,
        reports: Complaints,
        trip: Callable[[EvseFault, str], None] = lambda _fault, _why: None,
        discharge: Discharges | None = None,
    ) -> None:
        """`reports` gets problems that are only for the log; `trip` blocks the outlet, and reports it.

        `discharge` takes energy out of vehicles, if the outlet can.
        """
        self._controller = controller
        self._discharge = discharge
        self._timing = timing
        self._reports = reports
        self._trip = trip
        self._safety = Safety(controller, timing.controller_call, reports)
        self._orders = Orders(timing.lease)
        self._report: Report | None = None
        self._worker: asyncio.Task[None] | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self._watches: dict[str, asyncio.TimerHandle] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._heard = asyncio.Event()
        self._heard.set()
        self._resorted = False  # `make_safe` was called beside the command in progress
        self._given_up = False
        self._unreturned = ""

    # --- the outlet as a whole -----------------------------------------------------------------------------

    @property
    def problem(self) -> str:
        """Why no session may begin: a call has not returned, or the outlet could not be made safe."""
        return self._unreturned or self._safety.problem

    async def run(self) -> None:
        """Make safe again after a failure, until it succeeds; until cancelled."""
        await self._safety.run()

    async def make_safe(self) -> None:
        """Switch everything off; a cancelled caller does not cancel the call."""
        await self._safety.make()

    def give_up(self) -> None:
        """A person has examined the outlet: a call past its limit is no longer awaited."""
        if self._orders.overdue and self._worker is not None:
            self._given_up = True
            self._worker.cancel()

    async def close(self) -> None:
        """The process ends: leave nothing behind."""
        tasks = [*self._beside, *([self._worker] if self._worker is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_TIME)
        for name in [*self._watches]:
            self._forget(name)

    # --- a session -----------------------------------------------------------------------------------------

    def begin(self, report: Report) -> None:
        """A session takes hold; `report` gets its answers."""
        self._report = report

    async def end(self) -> None:
        """End the use by a session: wait for the call in progress up to its limit; switch off; `make_safe`.

        Takes at most `timing.controller_call`, and the same time again for `make_safe`.
        """
        self._report = None
        self._orders.withdraw()
        if self._orders.superseded:
            self._off_ordered()
        await finish(self._come_to_rest())
        await self._safety.make()

    async def _come_to_rest(self) -> None:
        try:
            async with asyncio.timeout(self._timing.controller_call):
                await self._idle.wait()
        except TimeoutError:
            self._overdue()

    # --- commands ------------------------------------------------------------------------------------------

    @property
    def off_pending(self) -> bool:
        """An off is ordered, and not yet passed to the driver."""
        return not self._heard.is_set()

    async def off_heard(self) -> None:
        """Wait until an ordered off is passed to the driver."""
        await self._heard.wait()

    def renew(self, until: float) -> None:
        """The session wants the output until this time of the loop [INV-31]."""
        self._orders.want(until)
        self._pass_lease()

    def order(self, command: Command) -> None:
        """One more command; answers come through `report`."""
        self._orders.add(command, self._now())
        if switches_off(command):
            self._off_ordered()
        self._pass_lease()
        if self._worker is None:
            self._idle.clear()
            self._worker = asyncio.get_running_loop().create_task(self._work())

    def _off_ordered(self) -> None:
        """Limit the time of a command that delays an off."""
        orders = self._orders
        in_progress = orders.running is not None and switches_off(orders.running)
        if orders.off_waits and not in_progress and not self._resorted:
            self._heard.clear()
        if orders.overdue:
            self._last_resort()
        elif orders.superseded and not self._resorted:
            now = self._now()
            patience = 0.0 if isinstance(orders.running, StartCableCheck) else self._timing.lease
            if orders.began + patience <= now:
                self._last_resort()
            else:
                self._watch("resort", orders.began + patience, self._last_resort)
            due = self._watches["limit"].when() if "limit" in self._watches else now
            self._watch("limit", min(due, now + self._timing.controller_call), self._overdue)

    # --- the loop ------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        try:
            while (command := self._next()) is not None:
                result: object = None
                error = ""
                try:
                    result = await self._call(command)
                except asyncio.CancelledError:
                    error = self._cancelled()
                except Exception as failure:
                    error = what(failure)
                await self._returned(command, result, error)
        finally:
            self._worker = None
            self._unreturned = ""
            self._idle.set()

    def _cancelled(self) -> str:
        """Cancelled by `give_up`, or inside the driver: the loop continues.

        Raises if the loop itself is cancelled.
        """
        task = asyncio.current_task()
        if self._given_up and task is not None:
            self._given_up = False
            task.uncancel()
            return "given up"
        if task is None or task.cancelling():
            raise asyncio.CancelledError
        return "cancelled within the driver"

    def _next(self) -> Command | None:
        """The next command, now in progress.

        All conditions for its call are checked here, and the call follows without another turn of the loop.
        """
        while (command := self._orders.begin(self._now())) is not None:
            self._resorted = False
            self._pass_lease()
            if self._orders.may_begin(self._now()):
                test = self._timing.cable_check if isinstance(command, StartCableCheck) else 0.0
                self._watch("limit", self._now() + test + self._timing.controller_call, self._overdue)
                if switches_off(command):
                    self._heard.set()
                return command
            self._orders.finish(good=False)
            self._orders.bar()
            self._failed(command, f"{_name(command)}: not called, the lease has lapsed before its turn")
        return None

    async def _call(self, command: Command) -> object:
        match command:
            case SetOutput(voltage, current):
                if current < 0.0:
                    await self._take(voltage, -current)
                else:
                    await self._controller.set_output(voltage, current)
                return None
            case OpenContactor():
                return await self._controller.open_contactor()
            case CloseContactor():
                return await self._controller.close_contactor()
            case StartCableCheck(_, max_voltage):
                return await self._controller.check_cable(max_voltage)

    async def _take(self, least_voltage: float, current: float) -> None:
        if self._discharge is None:
            raise NotImplementedError("the controller does not declare Discharges")
        await self._discharge.set_discharge(least_voltage, current)

    async def _returned(self, command: Command, result: object, error: str) -> None:
        orders = self._orders
        late, superseded, lasted = orders.overdue, orders.superseded, self._now() - orders.began
        orders.finish(good=not error)
        for name in ("limit", "resort"):
            self._forget(name)
        if result is IsolationLevel.FAULT and (late or superseded or self._report is None):
            self._block(EvseFault.ISOLATION, f"{_name(command)}: {result.value}, after it was given up")
        if late:
            self._reports.complaint(
                f"{_name(command)}: {error or 'returned'} after {lasted:.1f} s, too late to count"
            )
            await self._safety.make()
        elif superseded:
            self._reports.complaint(
                f"{_name(command)}: {error or 'returned'} {lasted:.1f} s after its call, superseded"
            )
        elif switches_off(command):
            await self._switched_off(command, result, error)
        elif error:
            self._failed(command, f"{_name(command)}: {error}")
        else:
            self._answer(command, result)
        self._pass_lease()

    async def _switched_off(self, command: Command, result: object, error: str) -> None:
        if error:
            self._block(EvseFault.SWITCH_OFF, f"{_name(command)}: {error}")
        elif isinstance(command, OpenContactor) and result is not True:
            self._block(EvseFault.CONTACTOR, "open_contactor: the contactor did not open")
        else:
            return
        await self._safety.make()

    # --- trouble -------------------------------------------------------------------------------------------

    def _overdue(self) -> None:
        """A call has not returned within its limit."""
        command = self._orders.running
        if command is None or self._orders.overdue:
            return
        self._orders.overdue = True
        superseded = self._orders.superseded
        self._orders.withdraw()
        self._unreturned = f"{_name(command)} has not returned"
        self._block(EvseFault.SWITCH_OFF, f"{_name(command)}: no answer in time")
        self._last_resort()
        if not superseded:
            self._answer(command, None)
        self._idle.set()

    def _block(self, fault: EvseFault, why: str) -> None:
        """The output may be on, and the driver is not reliable for switching it off."""
        self._trip(fault, why)
        if self._report is not None:
            self._say(ControllerFault(why, fault))

    def _failed(self, command: Command, why: str) -> None:
        """What should have energised did not."""
        self._say(ControllerFault(why))
        self._answer(command, None)

    def _answer(self, command: Command, result: object) -> None:
        if isinstance(command, CloseContactor):
            self._say(ContactorReported(command.ticket, closed=result is True))
        elif isinstance(command, StartCableCheck):
            level = result if isinstance(result, IsolationLevel) else IsolationLevel.INVALID
            self._say(CableCheckReported(command.ticket, level))

    def _say(self, answer: Answer) -> None:
        if self._report is None:
            if isinstance(answer, ControllerFault):
                self._reports.complaint(answer.reason)
            return
        try:
            self._report(answer)
        except Exception as error:
            self._reports.complaint(what(error))

    def _last_resort(self) -> None:
        """Call `make_safe` beside the command in progress."""
        self._resorted = True
        task = asyncio.get_running_loop().create_task(self._resort())
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _resort(self) -> None:
        asyncio.get_running_loop().call_soon(self._heard.set)
        await self._safety.make()

    # --- the lease -----------------------------------------------------------------------------------------

    def _pass_lease(self) -> None:
        """Pass the lease on when due.

        Check again if the session needs it for longer than the driver may have it.
        """
        orders, now = self._orders, self._now()
        if (until := orders.lease_due(now)) is not None:
            try:
                self._controller.lease(until - now)
                orders.lease_until = until
            except Exception as error:
                self._say(ControllerFault(f"lease: {what(error)}"))
        if orders.withheld:
            self._watch("starved", orders.lease_until, self._starved)
        else:
            self._forget("starved")

    def _starved(self) -> None:
        self._forget("starved")
        if self._orders.starved(self._now()):
            self._orders.bar()
            self._say(ControllerFault("set_output: so slow that a lower set-point came too late [INV-08]"))

    # --- timers --------------------------------------------------------------------------------------------

    def _watch(self, name: str, at: float, then: Callable[[], None]) -> None:
        self._forget(name)
        self._watches[name] = asyncio.get_running_loop().call_at(at, then)

    def _forget(self, name: str) -> None:
        if (watch := self._watches.pop(name, None)) is not None:
            watch.cancel()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


_CANCEL_TIME = 1.0  # s that a cancelled call may take before it is left behind


def _name(command: Command) -> str:
    match command:
        case SetOutput(_, current):
            return "set_discharge" if current < 0.0 else "set_output"
        case OpenContactor():
            return "open_contactor"
        case CloseContactor():
            return "close_contactor"
        case StartCableCheck():
            return "check_cable"


def what(error: BaseException) -> str:
    """An error for people."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
