"""One outlet: discovery, listeners, sessions and hardware together, and the methods for its owner.

`supervision` opens listeners and discovery, `admission` accepts connections, `sessions` gives the outlet to
one of them, `hardware` commands the outlet. Before it uses the hardware the station claims interface and
outlet, see `ownership`. Values of the integrator's code are checked at the `boundary`; other threads call the
methods of `Station.threadsafe`, see `threads`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from secc.boundary import results
from secc.boundary.backend import checked_backend
from secc.boundary.controller import checked_controller
from secc.boundary.sources import checked_ocsp, checked_random
from secc.boundary.start import (
    check_arguments,
    check_contracts,
    check_grid,
    check_prices,
    settle_discharge,
)
from secc.connection import prepare
from secc.ports import Backend, EvseController, OcspSource, Reporter
from secc.records import Record
from secc.sdp import SDP_PORT, Endpoint, SdpResponder
from secc.session.battery_events import EvBattery
from secc.session.grid import GridCode, GridTargets
from secc.session.inputs import (
    EnergyTargeted,
    GridCodeChanged,
    GridTargeted,
    PauseRequested,
    RenegotiationRequested,
    ServiceRenegotiationRequested,
    StandbyExitRequested,
)
from secc.session.states import Stage
from secc.settings.config import SeccConfig
from secc.settings.tls import TlsPolicy
from secc.station.contracts import StationContracts
from secc.station.diagnostics import Diagnostics
from secc.station.discovery import Discovery
from secc.station.endpoints import Endpoints
from secc.station.expiry import ExpiryWatch
from secc.station.hardware import Hardware
from secc.station.health import StationHealth, health_of
from secc.station.interface import require_interface
from secc.station.journal import Journal
from secc.station.log import LogReporter
from secc.station.ownership import OutletClaim
from secc.station.recording import SessionRecording
from secc.station.reporting import Reports
from secc.station.services import ValueAddedServices
from secc.station.sessions import SessionParts, Sessions
from secc.station.supervision import Supervision
from secc.station.threads import LoopThread, ThreadsafeStation
from secc.station.tls import TlsKeeper
from secc.tls import PlainEngine, TlsEngine

if TYPE_CHECKING:
    from secc.station.renewal import LeafRenewal
    from secc.trace.recorder import Recorder

__all__ = ["Station"]


class Station:
    """Serves one outlet; use it as an async context manager, or `await serve()`."""

    def __init__(
        self,
        config: SeccConfig,
        controller: EvseController,
        backend: Backend,
        *,
        reporter: Reporter | None = None,
        sdp_port: int = SDP_PORT,
        random_bytes: Callable[[int], bytes] = os.urandom,
        ocsp: OcspSource | None = None,
        recorder: Recorder | None = None,
        journal: Journal | None = None,
        claim: OutletClaim | None = None,
    ) -> None:
        """`reporter` gets a record for each thing that happens; without one the station logs through Python's
        `logging`, logger `secc`, see `secc.station.log.LogReporter`.

        `ocsp` fetches OCSP responses. `recorder` writes a trace, `journal` one record for the end of each
        session. `claim`: of interface and outlet, where it was acquired before the controller was made.
        `sdp_port` other than 15118 is for tests.

        Raises ConfigError when TLS is required and cannot be set up: there is no fallback [INV-21]. It is
        raised as well for a controller or back end with a method that is missing, misspelt, of another shape
        or not declared, and when Contract is offered and the back end cannot decide about it.
        """
        check_arguments(config, reporter, random_bytes, sdp_port)
        self._controller = controller = checked_controller(controller)
        backend = checked_backend(backend)
        ocsp = checked_ocsp(ocsp)
        check_contracts(config, backend)
        check_prices(config, backend)
        check_grid(config, backend)
        settle_discharge(config, controller)
        prepare(config)
        self._config = config
        self._log = LogReporter() if reporter is None else None
        self._reports = reports = Reports(reporter or self._log or LogReporter())
        controller.reports = reports
        self._claim = claim or OutletClaim(config, sdp_port)
        self.thread = LoopThread("station.threadsafe")
        """Where the methods of the station may be called."""
        self.threadsafe = ThreadsafeStation(self, self.thread)
        """The methods of the station for calls from other threads."""
        self._tls = TlsKeeper(config, report=reports.link, ocsp=ocsp)
        self._renewals: list[LeafRenewal] = []
        if config.tls.policy is not TlsPolicy.OFF and backend.signer is not None:
            from secc.station.renewal import renewals_for  # not loaded where nothing is renewed

            self._renewals = renewals_for(config, backend, reports.link, self._tls)
        self.recording = SessionRecording(recorder, journal, reports=reports)
        """Trace and journal."""
        self._contracts = StationContracts(
            config, backend, reports=reports, journal=self.recording, ocsp=ocsp
        )
        self._expiry = ExpiryWatch(config, backend, self._tls, self._contracts, report=reports.link)
        responder = SdpResponder(config.tls.policy)
        self._discovery = Discovery(responder, port=sdp_port, on_problem=reports.not_receiving)
        self.diagnostics = Diagnostics(controller, self._discovery, responder, self._tls)
        """What metrics show, and the examination behind `/health`."""
        self._hardware = Hardware(
            controller, config, observe=lambda one: self._sessions.observe(one), reports=reports
        )
        self._sessions = Sessions(
            SessionParts(
                config=config,
                controller=controller,
                backend=backend,
                hardware=self._hardware,
                contracts=self._contracts,
                services=ValueAddedServices(config, backend, reports),
                recording=self.recording,
                random_bytes=checked_random(random_bytes, reports),
                reports=reports,
                engine=self._engine,
            ),
            setup_begins=lambda: self._supervision.setup_begins(),
            freed=lambda: self._supervision.session_over(running=bool(self._tasks)),
        )
        endpoints = Endpoints(config, responder, self._sessions.admission.accept)
        self._supervision = Supervision(
            config, controller, self._hardware, endpoints, self._discovery, self._sessions, reports
        )
        self._tasks: list[asyncio.Task[None]] = []

    # --- life ----------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Start, run until cancelled, stop."""
        async with self:
            await asyncio.Event().wait()

    async def start(self) -> None:
        """Make the outlet safe first [INV-32], then listen, or wait for an address to listen on.

        Raises ConfigError for an interface that does not exist, InUseError when another station has the
        interface or the outlet. Nothing is touched then.
        """
        require_interface(self._config.interface)
        self._claim.acquire(self._controller.inner)
        try:
            self._claim.answer()
            self.thread.enter()
            await self._hardware.actuator.make_safe()
            self._supervision.look()
        except BaseException:  # cancelled, or no station at all: another one may have the outlet
            self._supervision.close("not started")
            self._discovery.close()
            self.thread.leave()
            self._claim.release()
            raise
        runs = [self._supervision.run(), self._tls.run(), self._hardware.run(), self._expiry.run()]
        runs += [renewal.run() for renewal in self._renewals]
        self._tasks = [asyncio.get_running_loop().create_task(run) for run in runs]

    async def stop(self) -> None:
        """Switch the output off, end the session, close everything; takes a second or two."""
        self.thread.check("stop")
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = []
        self._supervision.close("stopped")
        await self._sessions.admission.shut_down("the station stops")
        await self._contracts.stop()
        self._discovery.close()
        await self._hardware.stop()
        self.thread.leave()
        self._claim.release()
        if self._log is not None:
            self._log.close()

    async def __aenter__(self) -> Station:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- for the owner -------------------------------------------------------------------------------------

    @property
    def endpoint(self) -> Endpoint | None:
        """What discovery announces; None while there is nothing to announce."""
        return self._supervision.announced

    @property
    def sdp_port(self) -> int | None:
        """The UDP port of discovery; None while it cannot receive."""
        return self._discovery.port

    @property
    def state(self) -> Stage | None:
        """State of the session in progress, for displays; None without one."""
        return self._sessions.state

    @property
    def battery(self) -> EvBattery | None:
        """The battery of the EV that is plugged in, by its last report; None while there is none."""
        return self._sessions.battery

    @property
    def health(self) -> StationHealth:
        """Whether the station serves, and what needs attention."""
        running = bool(self._tasks) and not self._tasks[0].done()  # the supervision
        problem = self._hardware.problem or self._controller.problem or self._supervision.problem
        return health_of(
            self._tls.problem or (problem if running else "not running"),
            self._discovery.health,
            self._hardware,
            in_session=self._sessions.active is not None,
            ends_soon=self._expiry.found,
            warnings=self._tls.warnings,
            reports=self.recording.reports,
            iso20_problem=self._tls.iso20_problem,
        )

    def link_up(self) -> None:
        """SLAC: the data link is up, D-LINK_READY; the setup time begins."""
        self.thread.check("link_up")
        self._supervision.link_up()

    def link_down(self, reason: str = "data link lost") -> None:
        """SLAC: the data link is gone; a session on it ends."""
        self.thread.check("link_down")
        self._supervision.link_down(results.reason("link_down", reason))

    def stop_charging(self, reason: str = "stop requested") -> None:
        """Ask the EV to end; the output is forced off after the stop delay. A paused session is not
        continued."""
        self.thread.check("stop_charging")
        self._sessions.stop(results.reason("stop_charging", reason))

    def renegotiate(self) -> None:
        """Ask the EV to negotiate a new schedule."""
        self.thread.check("renegotiate")
        self._sessions.post(RenegotiationRequested())

    def renegotiate_service(self) -> None:
        """Ask the EV to choose a service again: the station offers others. ISO 15118-20."""
        self.thread.check("renegotiate_service")
        self._sessions.post(ServiceRenegotiationRequested())

    def pause_charging(self) -> None:
        """Hold the charge of the EV that is plugged in at no energy, until `resume_charging` or until it is
        unplugged. An EV of ISO 15118-20 is asked to pause as well; the others have no such request, and go on
        with limits of zero or pause by themselves."""
        self.thread.check("pause_charging")
        self._sessions.hold(held=True)

    def resume_charging(self) -> None:
        """Let a charge go on that `pause_charging` holds. `PlcStation` also wakes an EV that has paused."""
        self.thread.check("resume_charging")
        self._sessions.hold(held=False)

    @property
    def power_limit(self) -> float | None:
        """W that may flow now, by `limit_power` and `pause_charging`; None for no limit."""
        return self._sessions.limit

    def request_pause(self) -> None:
        """Ask the EV to pause, ISO 15118-20; it is stopped when it does not."""
        self.thread.check("request_pause")
        self._sessions.post(PauseRequested())

    def leave_standby(self) -> None:
        """Ask an EV that stands by to go on, ISO 15118-20; it may stay there."""
        self.thread.check("leave_standby")
        self._sessions.post(StandbyExitRequested())

    def set_power(self, power: float | None) -> None:
        """Set the power of the session in progress, W, where the EV leaves it to the station (Dynamic mode of
        ISO 15118-20): positive to the EV, negative from it; None: as much as the EV takes. Limits and
        permissions of both sides still hold.

        Raises IntegrationError for anything but None and numbers from -10 to 10 MW.
        """
        self.thread.check("set_power")
        self._sessions.post(EnergyTargeted(results.signed_power("set_power", power)))

    def set_grid_code(self, code: GridCode) -> None:
        """Set other rules of the grid for the session in progress, AC_DER_IEC of ISO 15118-20, and ask the EV
        to negotiate again: it has the new values with its next charge parameters. Functions that the rules of
        the beginning do not have come with the next session.

        Raises IntegrationError for anything but an object of GridCode with finite numbers.
        """
        self.thread.check("set_grid_code")
        self._sessions.post(GridCodeChanged(results.grid_code("set_grid_code", code)))
        self._sessions.post(RenegotiationRequested())

    def set_grid_targets(self, targets: GridTargets) -> None:
        """Set what the grid operator asks for in the session in progress, AC_DER_IEC of ISO 15118-20:
        reactive power or power factor, and the most that may be fed. Limits of outlet and EV still hold.

        Raises IntegrationError for anything but an object of GridTargets with finite numbers.
        """
        self.thread.check("set_grid_targets")
        self._sessions.post(GridTargeted(results.grid_targets("set_grid_targets", targets)))

    def permit_discharge(self, max_power: float | None) -> None:
        """Permit energy to flow from EVs to the station, up to `max_power` W, from now on and also in later
        sessions; 0 forbids it, None leaves it to `iso20.discharge`.

        Raises IntegrationError for anything but None and numbers from 0 to 10 MW.
        """
        self.thread.check("permit_discharge")
        self._sessions.permit_discharge(results.power_limit("permit_discharge", max_power))

    def limit_power(self, max_power: float | None) -> None:
        """Limit the power to `max_power` W from now on, also in later sessions; None lifts the limit.

        Raises IntegrationError for anything but None and numbers from 0 to 10 MW; the limit stays as it was.
        """
        self.thread.check("limit_power")
        self._sessions.limit_power(results.power_limit("limit_power", max_power))

    def withdraw_authorization(self) -> None:
        """End the authorization of the session in progress, or of the paused one."""
        self.thread.check("withdraw_authorization")
        self._sessions.withdraw_authorization()

    def renew_tls(self) -> None:
        """Read the certificate files again, for connections to come; connections in progress keep theirs.

        Raises ConfigError when they cannot be used; the old ones stay in use.
        """
        self.thread.check("renew_tls")
        self._tls.renew()
        self._contracts.renew_trust()

    @property
    def contract_refusals(self) -> dict[str, int]:
        """Refusals about contracts since the start, by the rule that was broken."""
        return dict(self._contracts.refusals)

    def reset_fault(self) -> None:
        """A person has examined the outlet; with an unplugged cable this ends a latched fault."""
        self.thread.check("reset_fault")
        self._hardware.reset_fault()

    def distrust(self, why: str) -> None:
        """The outlet may be on although it must be off: block it, and make it safe."""
        self._hardware.distrust(why)

    def record(self, record: Record) -> None:
        """Report a record of a part around the station, the power line for example."""
        self._reports.record(record)

    # --- parts ---------------------------------------------------------------------------------------------

    def _engine(self, secure: bool) -> TlsEngine:
        return self._tls.engine() if secure else PlainEngine()
