"""An oracle that knows the rules of a safe outlet in ISO 15118-20, in both directions.

As `tests.support.safety`: it sees what goes into a session and what comes out, keeps its idea of the world,
and knows nothing of the implementation. A current below zero flows from the EV to the station.
"""

from __future__ import annotations

import copy
from typing import Any

from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as m
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import ChargeProgress, Processing, RationalNumber
from secc.session.contract_events import AuthorizeContract, ContractGranted, ContractRefused, GrantSource
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    DischargePermitted,
    Input,
    PowerLimited,
    Received,
    StopRequested,
    Tick,
)
from secc.session.iso20.refusals import PAIRS
from secc.session.outlet import EvseSnapshot, IsolationLevel
from secc.session.outputs import (
    Authorize,
    CloseContactor,
    EndSession,
    OpenContactor,
    Output,
    RenewLease,
    Send,
    SetOutput,
    StartCableCheck,
)
from secc.session.ticket import Ticket
from secc.settings import OfflinePolicy, SeccConfig
from tests.support.lasting import Lasting
from tests.support.outlet_rules import require

BOTH_WAYS = (5, 6, 9)
_SOUND = (IsolationLevel.VALID, IsolationLevel.WARNING)
_ROUNDING = 1.001
"""A set-point is rounded to thousandths."""


def value(number: RationalNumber) -> float:
    """The number in its unit."""
    found: float = number.value * 10.0**number.exponent
    return found


class Oracle20:
    """Feed it every (now, input, outputs) of one session, in order."""

    def __init__(
        self,
        config: SeccConfig,
        snapshot: EvseSnapshot,
        session_id: bytes,
        lasting: Lasting | None = None,
    ) -> None:
        self.config, self.evse, self.session_id = config, snapshot, session_id
        self.lasting = lasting or Lasting()
        self.now = 0.0
        self.ended = self.output_on = self.granted = self.withdrawn = self.stopped = False
        self.finally_off = self.started = self.closed = self.denied = False
        self.leased_until = 0.0
        self.stopped_at: float | None = None
        self.fallen_at: float | None = None
        self.owed: Any = None
        self.second: Any = None
        """The request before `owed`, when the EV did not wait for its answer."""
        self.authorize: Ticket | None = None
        self.closing: Ticket | None = None
        self.testing: Ticket | None = None
        self.level: IsolationLevel | None = None
        self.permitted = config.iso20.discharge
        self.external: float | None = None
        self.service = 0
        self.ev: Any = None
        self.current = 0.0

    def fork(self) -> Oracle20:
        """A copy that goes on by itself."""
        other = copy.copy(self)
        other.lasting = copy.copy(self.lasting)
        return other

    def step(self, now: float, event: Input, outputs: tuple[Output, ...]) -> None:
        """One input and what it led to."""
        if self.ended:
            require(outputs == (), "INV-16", f"{outputs} after the end")
            return
        self.now = now
        lapsed = self.output_on and now > self.leased_until
        self._take(event)
        for output in outputs:
            self._check(output)
        require(self.ended or not lapsed, "INV-31", "a session outlives its lease")
        require(not (self.finally_off and self.output_on), "INV-29", "energy after a stop")
        self.finally_off = self.finally_off or ((self.stopped or self.withdrawn) and not self.output_on)
        if self.output_on:
            self._check_reasons("after the input")
            require(now <= self.leased_until, "INV-31", "energised without a lease")

    # --- inputs ---

    def _take(self, event: Input) -> None:
        match event:
            case Received(message, snapshot):
                self.evse = snapshot
                if type(message) in PAIRS:
                    self.second, self.owed = self.owed, message
            case Tick(snapshot):
                self.evse = snapshot
            case AuthorizationDecided(ticket, granted) if ticket == self.authorize:
                self.withdrawn = self.withdrawn or (self.granted and not granted)
                self.denied = self.denied or not granted  # a denial of this question is its last answer
                barred = self.denied or self.withdrawn
                self.granted = not barred and (self.granted or not self.stopped)
            case ContactorReported(ticket, closed) if ticket == self.closing:
                self.closed = closed
            case CableCheckReported(ticket, level) if ticket == self.testing:
                self.level = self.level or level
            case PowerLimited(watts):
                self.external = watts
            case DischargePermitted(watts):
                self.permitted = self.config.iso20.discharge if watts is None else watts > 0
            case StopRequested():
                self.stopped = True
            case _:
                pass

    # --- outputs ---

    def _check(self, output: Output) -> None:
        match output:
            case Send(message):
                self._check_response(message)
            case AuthorizeContract(ticket):
                require(self.owed is not None or not self.granted, "INV-09", "asked again after a grant")
                self.authorize, self.granted, self.denied = ticket, False, False
            case ContractGranted(_, source):
                offline = self.config.pnc.offline is not OfflinePolicy.DENY
                require(offline or source is GrantSource.BACK_END, "INV-09", f"granted by {source}")
                require(not (self.denied or self.withdrawn), "INV-11", "granted after a refusal")
                self.granted = not self.stopped
            case ContractRefused():
                self.withdrawn = self.withdrawn or self.granted
                self.granted, self.denied = False, True
            case Authorize(ticket):
                self.authorize, self.granted, self.denied = ticket, False, False
            case CloseContactor(ticket):
                start = isinstance(self.owed, m.PowerDeliveryReq)
                require(start and self.service in (1, 5), "INV-01", "close without a start of AC")
                self._check_reasons("closing")
                require(self.leased_until >= self.now, "INV-01", "close without a lease")
                self.closing, self.closed, self.output_on = ticket, False, True
            case OpenContactor():
                self.output_on = False
            case StartCableCheck(ticket):
                self._check_reasons("isolation test")
                self.testing, self.level, self.output_on = ticket, None, True
            case SetOutput(voltage, current):
                self._check_set_point(voltage, current)
            case RenewLease(seconds):
                require(0 < seconds <= 0.5, "INV-31", f"lease of {seconds} s")
                self._check_reasons("renewing the lease")
                self.leased_until = self.now + seconds
            case EndSession():
                require(not self.output_on, "INV-03", "the end with energy at the output")
                self.ended = True
            case _:
                pass

    def _check_reasons(self, doing: str) -> None:
        require(self.granted, "INV-10", f"{doing} without a grant")
        require(self.evse.control_pilot.wants_energy, "INV-04", f"{doing}: pilot {self.evse.control_pilot}")
        require(self.evse.fault is None, "INV-03", f"{doing}: {self.evse.fault}")

    def _check_set_point(self, voltage: float, current: float) -> None:
        before, self.current = self.current, current
        if voltage == 0:
            require(current == 0, "INV-07", "current without voltage")
            if not isinstance(self.owed, dc.DCChargeLoopReq) or self.second is not None:
                self.output_on = False
            return
        self._check_reasons("set-point")
        require(self.leased_until >= self.now, "INV-04", "set-point without a lease")
        require(self.level in _SOUND, "INV-06", "no isolation test")
        require(before * current >= 0, "INV-07", f"from {before} A to {current} A without a step at zero")
        if current < 0:
            self._check_discharge(voltage, -current)
        else:
            self._check_charge(voltage, current)
        self.output_on = True

    def _check_charge(self, voltage: float, current: float) -> None:
        config, ev = self.config.energy.dc, self.ev
        require(self.started or current <= 2.0, "INV-05", f"{current} A before the start")
        require(voltage <= min(config.max_voltage, value(ev.ev_maximum_voltage)), "INV-07", f"{voltage} V")
        most = min(config.max_current, value(ev.ev_maximum_charge_current))
        require(current <= most, "INV-07", f"{current} A, at most {most}")
        watts = [config.max_power, value(ev.ev_maximum_charge_power), self.external, self.evse.max_power]
        allowed = min(limit for limit in watts if limit is not None)
        require(
            voltage * current <= allowed * _ROUNDING, "INV-07", f"{voltage * current} W, at most {allowed}"
        )

    def _check_discharge(self, voltage: float, current: float) -> None:
        config, ev = self.config.energy.dc, self.ev
        require(self.service in BOTH_WAYS, "INV-07", f"discharge in service {self.service}")
        require(self.permitted, "INV-07", "discharge without the permission of the operator")
        require(self.started and not self.stopped, "INV-07", "discharge before the start, or after a stop")
        require(voltage >= max(config.min_voltage, value(ev.ev_minimum_voltage)), "INV-07", f"{voltage} V")
        most = min(config.max_discharge_current, abs(value(ev.ev_maximum_discharge_current)))
        require(current <= most, "INV-07", f"-{current} A, at most {most}")
        watts = min(config.max_discharge_power, abs(value(ev.ev_maximum_discharge_power)))
        found = self.evse.present_voltage * current
        require(found <= watts * _ROUNDING, "INV-07", f"-{found} W, at most {watts}")

    # --- responses ---

    def _check_response(self, message: Any) -> None:
        code = str(message.response_code)
        if self.second is not None:  # the EV did not wait for its answer
            request, self.second = self.second, None
            require(code.startswith("FAILED"), "INV-15", "second request in flight answered OK")
        else:
            request, self.owed = self.owed, None
        require(request is not None, "INV-15", f"unsolicited {type(message).__name__}")
        require(type(message) is PAIRS[type(request)], "INV-15", type(message).__name__)
        if code.startswith("FAILED"):
            require(not self.output_on, "INV-16", f"{code} with energy at the output")
        elif not code.startswith("WARNING"):
            self._check_accepted(request, message)

    def _check_accepted(self, request: Any, message: Any) -> None:
        match request:
            case m.AuthorizationReq() if message.evse_processing is Processing.FINISHED:
                require(self.granted, "INV-09", "Finished without a grant")
            case m.ServiceSelectionReq():
                self.service = request.selected_energy_transfer_service.service_id
                self.level = self.testing = None
                self.started = False
            case dc.DCChargeParameterDiscoveryReq():
                self.ev = request.dc_cpd_req_energy_transfer_mode
            case dc.DCCableCheckReq() if message.evse_processing is Processing.FINISHED:
                require(self.level in _SOUND, "INV-06", f"Finished with {self.level}")
            case m.PowerDeliveryReq(charge_progress=ChargeProgress.STOP):
                require(not self.output_on, "INV-03", "Stop answered with energy at the output")
                self.started, self.level = False, None
            case m.PowerDeliveryReq(charge_progress=ChargeProgress.START):
                self._check_start(request)
            case ac.ACChargeLoopReq():
                self._check_target(message.cl_res_control_mode)
            case m.SessionStopReq():
                require(not self.output_on, "INV-03", "SessionStop answered with energy at the output")
                self.started, self.level = False, None
            case _:
                pass

    def _check_start(self, request: m.PowerDeliveryReq) -> None:
        if request.ev_processing is not Processing.FINISHED or self.stopped or self.withdrawn:
            return
        require(self.closed or self.service not in (1, 5), "INV-02", "OK without a closed contactor")
        require(self.level in _SOUND or self.service in (1, 5), "INV-06", "OK without an isolation test")
        self.started = True

    def _check_target(self, mode: Any) -> None:
        told = mode.evse_target_active_power
        if told is None:
            return
        watts = value(told)
        most = 3 * self.config.energy.ac.nominal_voltage * self.config.energy.ac.max_current
        require(watts <= most, "INV-07", f"{watts} W, at most {most}")
        if watts < 0:
            require(self.service == 5 and self.permitted, "INV-07", f"{watts} W without leave")
            back = 3 * self.config.energy.ac.nominal_voltage * self.config.energy.ac.max_discharge_current
            require(-watts <= back, "INV-07", f"{watts} W, at most {back}")
