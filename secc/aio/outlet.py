"""Carries a session's outputs to the outlet's controller and the back end, and brings the answers back.

Each call is a task of its own, so that nothing the outlet does keeps the session from its messages and
timers. Results and failures become inputs of the session, which decides what they mean. Two rules are kept
here because they are about tasks, not about meaning:

* Switching off overtakes: it cancels the commands it contradicts and never waits for them.
* Set-points do not queue: while one is being applied only the newest waits.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from secc.aio.contracts import ContractDesk
from secc.aio.safety import Safety
from secc.aio.services import ServiceDesk
from secc.config import SeccConfig
from secc.ports import Backend, EvseController
from secc.session.contract_events import (
    AskRevocation,
    AuthorizeContract,
    ContractDecided,
    ContractDelivered,
    ContractGranted,
    ContractInput,
    ContractOutput,
    ContractProvisioned,
    ContractRefused,
    Provision,
    RevocationReported,
    StoreReceipt,
    Verdict,
)
from secc.session.events import (
    AskSchedules,
    AuthorizationDecided,
    Authorize,
    CableCheckReported,
    CloseContactor,
    ContactorReported,
    ControllerFault,
    IsolationLevel,
    OpenContactor,
    RenewLease,
    ScheduleOffer,
    SchedulesOffered,
    SetOutput,
    StartCableCheck,
    Ticket,
)
from secc.session.service_events import ServicesChosen

T = TypeVar("T")

Answer = (
    ContactorReported
    | CableCheckReported
    | AuthorizationDecided
    | SchedulesOffered
    | ControllerFault
    | ContractInput
)
"""What the outlet and the back end can have to say."""

OutletCommand = (
    CloseContactor
    | OpenContactor
    | StartCableCheck
    | SetOutput
    | RenewLease
    | Authorize
    | AskSchedules
    | ContractOutput
    | ServicesChosen
)


class Outlet:
    """One session's hands: made when the session begins, `release`d when it ends."""

    def __init__(
        self,
        config: SeccConfig,
        controller: EvseController,
        backend: Backend,
        *,
        report: Callable[[Answer], None],
        complain: Callable[[str], None],
        desk: ContractDesk | None = None,
        safety: Safety | None = None,
        services: ServiceDesk | None = None,
    ) -> None:
        """`report` takes inputs for the session; `complain` takes what only a log needs to know.

        `desk` deals with contracts; without it none is authorized. `safety` makes safe at the end.
        """
        self._safety = safety or Safety(controller, config.timing.controller_call, complain)
        self._services = services or ServiceDesk(config, backend, complain)
        self._desk = desk
        self._contract: Ticket | None = None
        self._config = config
        self._controller = controller
        self._backend = backend
        self._report = report
        self._complain = complain
        self._tasks: set[asyncio.Task[None]] = set()
        self._energising: set[asyncio.Task[None]] = set()
        self._switching_off: set[asyncio.Task[None]] = set()
        self._off_pending = False
        self._set_point: SetOutput | None = None
        self._setting: asyncio.Task[None] | None = None
        self._authorization: Ticket | None = None
        self._released = False

    @property
    def controller(self) -> EvseController:
        """The outlet itself."""
        return self._controller

    @property
    def off_pending(self) -> bool:
        """A command to switch off has been given in this turn of the loop and not begun yet."""
        return self._off_pending

    def perform(self, command: OutletCommand) -> None:
        """Begin to do it; answers come through `report`."""
        if self._released:
            return
        match command:
            case RenewLease(seconds):
                self._renew(seconds)
            case SetOutput(voltage, current):
                self._set(command, off=voltage == 0.0 and current == 0.0)
            case OpenContactor():
                for task in self._energising:
                    task.cancel()
                self._switching_off.add(self._start(self._open_contactor()))
                self._mark_off()
            case CloseContactor(ticket):
                self._energising.add(self._start(self._close_contactor(ticket)))
            case StartCableCheck(ticket, max_voltage):
                self._energising.add(self._start(self._check_cable(ticket, max_voltage)))
            case Authorize(ticket):
                self._authorization = ticket
                self._start(self._authorize(ticket))
            case AskSchedules():
                self._start(self._ask_schedules(command))
            case ServicesChosen(services):
                self._start(self._services.chosen(services))
            case _ if self._desk is not None:
                self._deal(command, self._desk)

    def withdraw(self) -> None:
        """The authorization of this session ends, whatever the back end said before [INV-11]."""
        if self._contract is not None:
            self._report(ContractDecided(self._contract, Verdict.WITHDRAWN))
        if self._authorization is not None:
            self._report(AuthorizationDecided(self._authorization, granted=False))

    async def release(self) -> None:
        """Make the outlet safe (see `Safety`), leave nothing under way. May be called again.

        What switches off goes on beside `make_safe`, everything else is cancelled before it.
        """
        self._released = True
        for task in self._tasks - self._switching_off:
            task.cancel()
        await self._safety.make()
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_CANCEL_TIME)

    # --- the controller ------------------------------------------------------------------------------------

    def _renew(self, seconds: float) -> None:
        try:
            self._controller.lease(seconds)
        except Exception as error:
            self._report(ControllerFault(f"lease: {_what(error)}"))

    def _set(self, command: SetOutput, *, off: bool) -> None:
        busy = self._setting is not None and not self._setting.done()
        if off:
            self._set_point = None
            if self._setting is not None:
                self._setting.cancel()
        elif busy:
            self._set_point = command
            return
        self._setting = self._start(self._apply(command))
        if off:
            self._switching_off.add(self._setting)
            self._mark_off()

    def _mark_off(self) -> None:
        self._off_pending = True
        asyncio.get_running_loop().call_soon(self._off_begun)  # runs right after the first step of the task

    def _off_begun(self) -> None:
        self._off_pending = False

    async def _apply(self, command: SetOutput | None) -> None:
        while command is not None:
            call = self._controller.set_output(command.voltage, command.current)
            await self._call("set_output", call, self._config.timing.controller_call)
            command, self._set_point = self._set_point, None

    async def _open_contactor(self) -> None:
        call = self._controller.open_contactor()
        if await self._call("open_contactor", call, self._config.timing.controller_call) is False:
            self._report(ControllerFault("open_contactor: the contactor did not open"))

    async def _close_contactor(self, ticket: Ticket) -> None:
        call = self._controller.close_contactor()
        closed = await self._call("close_contactor", call, self._config.timing.controller_call)
        self._report(ContactorReported(ticket, closed=closed is True))

    async def _check_cable(self, ticket: Ticket, max_voltage: float) -> None:
        call = self._controller.check_cable(max_voltage)
        level = await self._call("check_cable", call, self._config.timing.cable_check)
        self._report(CableCheckReported(ticket, level or IsolationLevel.INVALID))

    async def _call(self, name: str, call: Coroutine[Any, Any, T], limit: float) -> T | None:
        """The result, or None after a failure, which is reported."""
        try:
            async with asyncio.timeout(limit):
                return await call
        except Exception as error:
            self._report(ControllerFault(f"{name}: {_what(error)}"))
            return None

    # --- the back end --------------------------------------------------------------------------------------

    async def _authorize(self, ticket: Ticket) -> None:
        granted = False
        try:  # no limit: a person may need a while, and the session has a timer of its own
            granted = await self._backend.authorize_external(self._config.evse_id) is True
        except Exception as error:
            self._complain(f"authorize_external: {_what(error)}")
        self._report(AuthorizationDecided(ticket, granted=granted))

    async def _ask_schedules(self, command: AskSchedules) -> None:
        offer: ScheduleOffer | None = None
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                offer = await self._backend.schedules(self._config.evse_id, command.need)
        except Exception as error:
            self._complain(f"schedules: {_what(error)}")
        self._report(SchedulesOffered(command.ticket, offer))

    # --- contracts -----------------------------------------------------------------------------------------

    def _deal(self, command: OutletCommand, desk: ContractDesk) -> None:
        match command:
            case AuthorizeContract(ticket):
                self._contract = ticket
                self._start(self._authorize_contract(command, desk))
            case AskRevocation():
                self._start(self._ask_revocation(command, desk))
            case Provision():
                self._start(self._provision(command, desk))
            case StoreReceipt() | ContractDelivered() | ContractGranted() | ContractRefused():
                desk.record(command)

    async def _authorize_contract(self, command: AuthorizeContract, desk: ContractDesk) -> None:
        verdict = await desk.authorize(command.contract)
        self._report(ContractDecided(command.ticket, verdict))

    async def _ask_revocation(self, command: AskRevocation, desk: ContractDesk) -> None:
        evidence = await desk.revocation(command.contract)
        self._report(RevocationReported(command.ticket, evidence))

    async def _provision(self, command: Provision, desk: ContractDesk) -> None:
        answer = await desk.provision(command.request)
        self._report(ContractProvisioned(command.ticket, answer))

    # --- tasks ---------------------------------------------------------------------------------------------

    def _start(self, call: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._energising.discard(task)
        self._switching_off.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._complain(_what(error))


_CANCEL_TIME = 1.0  # what a cancelled call of the integrator may take before it is left behind


def _what(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
