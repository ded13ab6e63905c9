"""Passes a session's outputs to the outlet's hardware and the back end, and returns the answers.

Neither can delay the session's messages and timers: commands go to the one loop of the outlet
(`secc.station.actuator`), each question to the back end has its own task. Results and failures become inputs
of the session, which decides their meaning.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from secc.boundary.backend import checked_backend
from secc.boundary.calls import Complaints
from secc.boundary.controller import CheckedController, checked_controller
from secc.ports import Backend, EvseController
from secc.session.battery_events import BatteryRead, EvBattery, SocReadingBegun
from secc.session.contract_events import (
    AskRevocation,
    AuthorizeContract,
    ContractDecided,
    ContractDelivered,
    ContractGranted,
    ContractInput,
    ContractJudged,
    ContractProvisioned,
    ContractRefused,
    JudgeContract,
    Provision,
    RevocationReported,
    StoreReceipt,
    Verdict,
)
from secc.session.grid import GridCode
from secc.session.identity import EvIdentity
from secc.session.inputs import AuthorizationDecided, GridCodeGiven, PricesOffered, SchedulesOffered
from secc.session.needs import NeedsReported
from secc.session.outputs import (
    AskGridCode,
    AskPrices,
    AskSchedules,
    Authorize,
    CloseContactor,
    GridEventSeen,
    OfferChosen,
    OfferSent,
    OpenContactor,
    OutletCommand,
    RenewLease,
    SetOutput,
    SetReactivePower,
    StartCableCheck,
)
from secc.session.prices import PriceOffer
from secc.session.schedules import DynamicOffer, ScheduleOffer
from secc.session.service_events import ServicesChosen
from secc.session.ticket import Ticket
from secc.session.vehicle_events import AskVehicleStatus, VehicleStatusReported
from secc.settings.config import SeccConfig
from secc.station import actuator
from secc.station.actuator import Actuator, what
from secc.station.contracts import StationContracts
from secc.station.needs import NeedsReports
from secc.station.services import ValueAddedServices

Answer = (
    actuator.Answer
    | AuthorizationDecided
    | SchedulesOffered
    | PricesOffered
    | GridCodeGiven
    | ContractInput
    | VehicleStatusReported
)
"""Results of outlet and back end, as inputs of the session."""


class Outlet:
    """The outlet during one session: made at the start of the session, `release`d at its end."""

    def __init__(
        self,
        config: SeccConfig,
        controller: EvseController,
        backend: Backend,
        *,
        report: Callable[[Answer], None],
        reports: Complaints,
        contracts: StationContracts | None = None,
        actuator: Actuator | None = None,
        services: ValueAddedServices | None = None,
        battery: Callable[[EvBattery], None] = lambda _: None,
    ) -> None:
        """`report` takes inputs for the session; `reports` reports failed calls.

        Without `contracts` none is authorized. `actuator` commands the outlet. `battery` receives what an
        EV reports in a session that only reads it.
        """
        self._controller = checked_controller(controller)
        self._actuator = actuator or Actuator(
            self._controller,
            config.timing,
            reports=reports,
            discharge=self._controller.discharge,
        )
        self._actuator.begin(report)
        self._services = services or ValueAddedServices(config, backend, reports)
        self._needs = NeedsReports(config, backend, reports)
        self._contracts = contracts
        self._contract: Ticket | None = None
        self._config = config
        self._backend = backend
        self._prices, self._grid = checked_backend(backend).prices, checked_backend(backend).grid
        self._vehicles = checked_backend(backend).vehicles
        self._report = report
        self._reports = reports
        self._tasks: set[asyncio.Task[None]] = set()
        self._authorization: Ticket | None = None
        self._withdrawn = False
        self._released = False
        self._only_off = False
        self._battery = battery

    @property
    def controller(self) -> CheckedController:
        """The outlet itself."""
        return self._controller

    @property
    def off_pending(self) -> bool:
        """An off is ordered, and the driver was not called yet."""
        return self._actuator.off_pending

    async def off_heard(self, by: float) -> None:
        """Wait until the driver was called; while another call is in progress until `by`, a time of the loop.

        Waits for a moment in any case.
        """
        latest = max(by, asyncio.get_running_loop().time() + _HEARING)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(latest):
                await self._actuator.off_heard()

    def perform(self, command: OutletCommand, decided: float | None = None) -> None:
        """Start it; answers come through `report`.

        `decided`: loop time at which the session decided it, from which a lease counts [INV-31].
        """
        if self._released:
            return
        if self._only_off and not isinstance(command, (OpenContactor, BatteryRead)):
            return
        match command:
            case SocReadingBegun():
                self._only_off = True
            case BatteryRead(battery):
                self._battery(battery)
            case RenewLease(seconds):
                now = asyncio.get_running_loop().time() if decided is None else decided
                self._actuator.renew(now + seconds)
            case SetOutput() | OpenContactor() | CloseContactor() | StartCableCheck():
                self._actuator.order(command)
            case Authorize(ticket, ev):
                self._authorization = ticket
                if self._withdrawn:
                    self._report(AuthorizationDecided(ticket, granted=False))
                else:
                    self._start(self._authorize(ticket, ev))
            case AskSchedules():
                self._start(self._ask_schedules(command))
            case AskPrices():
                self._start(self._ask_prices(command))
            case AskGridCode():
                self._start(self._ask_grid_code(command))
            case GridEventSeen():
                self._start(self._report_grid_event(command))
            case SetReactivePower(power):
                self._set_reactive_power(power)
            case OfferSent() | OfferChosen():
                pass  # for the record, which the caller keeps
            case ServicesChosen(services):
                self._start(self._services.chosen(services))
            case NeedsReported(needs):
                self._start(self._needs.report(needs))
            case _ if self._contracts is not None:
                self._handle_contracts(command, self._contracts)

    def withdraw(self) -> None:
        """The authorization of this session ends, for every answer of the back end, past or future [INV-11].

        A query that has not started is dropped.
        """
        self._withdrawn = True
        if self._contract is not None:
            self._report(ContractDecided(self._contract, Verdict.WITHDRAWN))
        if self._authorization is not None:
            self._report(AuthorizationDecided(self._authorization, granted=False))

    async def release(self) -> None:
        """Release the outlet, which is safe then, and cancel open queries. May be called again."""
        self._released = True
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await self._actuator.end()
        if left:
            await asyncio.wait(left, timeout=_CANCEL_TIME)

    # --- the back end --------------------------------------------------------------------------------------

    async def _authorize(self, ticket: Ticket, ev: EvIdentity | None) -> None:
        granted = False
        try:  # no limit: a person may need a while, and the session has its timer
            if self._vehicles is not None and ev is not None:
                granted = await self._vehicles.authorize_vehicle(self._config.evse_id, ev) is True
            else:
                granted = await self._backend.authorize_external(self._config.evse_id) is True
        except Exception as error:
            self._reports.complaint(f"authorize_external: {what(error)}")
        self._report(AuthorizationDecided(ticket, granted=granted))

    async def _ask_schedules(self, command: AskSchedules) -> None:
        offer: ScheduleOffer | DynamicOffer | None = None
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                offer = await self._backend.schedules(self._config.evse_id, command.need)
        except Exception as error:
            self._reports.complaint(f"schedules: {what(error)}")
        self._report(SchedulesOffered(command.ticket, offer))

    async def _ask_prices(self, command: AskPrices) -> None:
        offer: PriceOffer | None = None
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                if self._prices is not None:
                    offer = await self._prices.prices(self._config.evse_id, command.need)
        except Exception as error:
            self._reports.complaint(f"prices: {what(error)}")
        self._report(PricesOffered(command.ticket, offer))

    async def _ask_grid_code(self, command: AskGridCode) -> None:
        code: GridCode | None = None
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                if self._grid is not None:
                    code = await self._grid.grid_code(self._config.evse_id)
        except Exception as error:
            self._reports.complaint(f"grid_code: {what(error)}")
        self._report(GridCodeGiven(command.ticket, code))

    async def _report_grid_event(self, command: GridEventSeen) -> None:
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                if self._grid is not None:
                    await self._grid.grid_event(self._config.evse_id, command.condition)
        except Exception as error:
            self._reports.complaint(f"grid_event: {what(error)}")

    def _set_reactive_power(self, power: float) -> None:
        try:
            if self._controller.reactive is not None:
                self._controller.reactive.reactive_power(power)
        except Exception as error:
            self._reports.complaint(f"reactive_power: {what(error)}")

    # --- contracts -----------------------------------------------------------------------------------------

    def _handle_contracts(self, command: OutletCommand, contracts: StationContracts) -> None:
        match command:
            case AuthorizeContract(ticket):
                self._contract = ticket
                if self._withdrawn:
                    self._report(ContractDecided(ticket, Verdict.WITHDRAWN))
                else:
                    self._start(self._authorize_contract(command, contracts))
            case JudgeContract():
                self._start(self._judge(command))
            case AskRevocation():
                self._start(self._ask_revocation(command, contracts))
            case Provision():
                self._start(self._provision(command, contracts))
            case AskVehicleStatus():
                self._start(self._ask_vehicle(command, contracts))
            case StoreReceipt() | ContractDelivered() | ContractGranted() | ContractRefused():
                contracts.record(command)

    async def _authorize_contract(self, command: AuthorizeContract, contracts: StationContracts) -> None:
        verdict = await contracts.authorize(command.contract)
        self._report(ContractDecided(command.ticket, verdict))

    async def _judge(self, command: JudgeContract) -> None:
        """In a thread: signatures on secp521r1 take milliseconds, and the loop serves other outlets."""
        await asyncio.to_thread(command.judgement.judge)
        self._report(ContractJudged(command.ticket))

    async def _ask_revocation(self, command: AskRevocation, contracts: StationContracts) -> None:
        evidence = await contracts.revocation(command.contract)
        self._report(RevocationReported(command.ticket, evidence))

    async def _ask_vehicle(self, command: AskVehicleStatus, contracts: StationContracts) -> None:
        found = await contracts.vehicle_status(command.vehicle)
        self._report(VehicleStatusReported(command.ticket, found.status, found.detail))

    async def _provision(self, command: Provision, contracts: StationContracts) -> None:
        answer = await contracts.provision(command.request)
        self._report(
            ContractProvisioned(command.ticket, answer, contracts.provisioning.verified(command.request))
        )

    # --- tasks ---------------------------------------------------------------------------------------------

    def _start(self, call: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._reports.complaint(what(error))


_CANCEL_TIME = 1.0  # what a cancelled call of the integrator may take before it is left behind

_HEARING = 0.02  # s that each answer waits for an off to be heard; CurrentDemandRes is due after 0.025 s
