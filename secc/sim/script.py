"""What a simulated EV says and does, without a socket: a generator that yields moves and is sent answers.

`EvScript.run` is the whole behaviour, top to bottom, in the order of the standard: each `yield Ask(request)`
gives back the `Answer`. Everything around it (sockets, time, the pilot wire) is left to its driver,
for example `secc.sim.evcc.ScriptedEvcc`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Mapping

from secc.messages import din, iso2
from secc.messages.iso2 import (
    ChargeProgress,
    ChargingSession,
    DCEVErrorCode,
    EnergyTransferMode,
    EVSENotification,
    EVSEProcessing,
    PaymentOption,
    UnitSymbol,
)
from secc.messages.numbers import number
from secc.messages.xmldsig import Signature
from secc.session.outlet import ControlPilot
from secc.settings.protocols import ProtocolName
from secc.sim import pnc_script
from secc.sim.asking import F, R
from secc.sim.exchanges import Exchanges
from secc.sim.moves import (
    Answer,
    Connect,
    Draw,
    EvGivesUp,
    Move,
    Request,
    Script,
    ShowPilot,
)
from secc.sim.vehicle import Vehicle
from secc.sim.wallet import Wallet

__all__ = ["EvScript", "Plan", "StationStops", "physical", "stop_told"]

# --- the plan ----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the EV wants of its session."""

    protocol: ProtocolName = ProtocolName.ISO15118_2
    """What it offers in the handshake, and nothing else; DIN SPEC 70121 is DC only."""

    mode: EnergyTransferMode = EnergyTransferMode.DC_EXTENDED
    """RequestedEnergyTransferMode."""
    loops: int | None = 20
    """Messages of the charge loop; None: until `energy` or the battery is full."""
    energy: float | None = None
    """Wh to take; None: no such limit."""
    pace: float = 0.1
    """Seconds between a response and the next request in the loops (charging, Ongoing, pre-charge)."""
    think: float = 0.0
    """The same elsewhere."""
    waits: Mapping[type, float] = dataclasses.field(default_factory=dict)
    """Seconds before the first request of a class, for cars that take their time."""
    end: ChargingSession = ChargingSession.TERMINATE
    """How the session is ended; `Pause` keeps it for later."""
    session_id: bytes = b"\x00"
    """SessionID of the first request: that of a paused session to join it again."""
    evcc_id: bytes = bytes.fromhex("02005E100001")
    """MAC address."""
    departure: int | None = None
    """Seconds until departure; None: not sent."""
    service_detail: bool = False
    """Ask for the details of the charge service."""
    welding_detection: bool = True
    """DC: look for welded contactors at the end."""
    renegotiate_at: int | None = None
    """Ask for a renegotiation after so many messages of the charge loop."""
    wallet: Wallet | None = None
    """Pay by contract, with what is in here; None: by external identification."""
    tamper: Callable[[Request, int], Move | None] | None = None
    """Misbehave: asked before each request, with the number of earlier ones of its class; a move that is
    returned takes the place of the request, None leaves it."""

    @property
    def dc(self) -> bool:
        """A DC mode."""
        return self.mode.value.startswith("DC")

    @property
    def phases(self) -> int:
        """Phases in use, AC."""
        return 3 if self.mode is EnergyTransferMode.AC_THREE_PHASE_CORE else 1


class EvScript(Exchanges):
    """One charging session of one vehicle, in ISO 15118-2; the one in DIN SPEC 70121 is `DinScript`."""

    NAMESPACE = "urn:iso:15118:2:2013:MsgDef"

    def __init__(self, plan: Plan, vehicle: Vehicle) -> None:
        """`vehicle` is charged by running the script."""
        super().__init__(plan, vehicle)
        self.plan = plan
        self.schedule_id = 1
        self.offer: iso2.SAScheduleList | None = None
        self.voltage = 0.0
        """V that the station has reported last."""
        self.session_id = plan.session_id
        self.signature: Signature | None = None
        """In the header of the last response."""
        self.stop_ordered = False
        """The station wants the charge to end."""

    def run(self) -> Script:
        """The session; raises EvGivesUp when it cannot go on."""
        yield from self.handshake()
        with contextlib.suppress(StationStops):
            yield from self._set_up()
            if self.plan.dc:
                yield from self._charge_dc()
            else:
                yield from self._charge_ac()
        yield from self.ask(iso2.SessionStopReq(charging_session=self.plan.end), iso2.SessionStopRes)

    # --- before charging -----------------------------------------------------------------------------------

    def handshake(self) -> Script:
        yield from self.propose(self.NAMESPACE, 2)

    def _set_up(self) -> Script:
        yield from self.ask(iso2.SessionSetupReq(evcc_id=self.plan.evcc_id), iso2.SessionSetupRes)
        offered = yield from self.ask(iso2.ServiceDiscoveryReq(), iso2.ServiceDiscoveryRes)
        options = offered.payment_option_list.payment_option
        if self.plan.wallet is None and PaymentOption.EXTERNAL_PAYMENT not in options:
            raise EvGivesUp("external payment is not offered")
        service = offered.charge_service
        if self.plan.mode not in service.supported_energy_transfer_mode.energy_transfer_mode:
            raise EvGivesUp(f"{self.plan.mode.value} is not offered")
        if self.plan.service_detail:
            request = iso2.ServiceDetailReq(service_id=service.service_id)
            yield from self.ask(request, iso2.ServiceDetailRes)
        if self.plan.wallet is not None:
            yield from pnc_script.identify(self, self.plan.wallet, offered)
            yield from self._negotiate()
            return
        selected = iso2.SelectedService(service_id=service.service_id)
        yield from self.ask(
            iso2.PaymentServiceSelectionReq(
                selected_payment_option=PaymentOption.EXTERNAL_PAYMENT,
                selected_service_list=iso2.SelectedServiceList(selected_service=(selected,)),
            ),
            iso2.PaymentServiceSelectionRes,
        )
        yield from self.until_finished(iso2.AuthorizationReq(), iso2.AuthorizationRes)
        yield from self._negotiate()

    def _negotiate(self) -> Script:
        """Charge parameters out, schedules in."""
        request = iso2.ChargeParameterDiscoveryReq(
            requested_energy_transfer_mode=self.plan.mode,
            ev_charge_parameter=self._dc_parameter() if self.plan.dc else self._ac_parameter(),
        )
        answer = yield from self.until_finished(request, iso2.ChargeParameterDiscoveryRes)
        self.offer = answer.sa_schedules
        if self.offer is None:
            raise EvGivesUp("finished without schedules")
        self.schedule_id = self.offer.sa_schedule_tuple[0].sa_schedule_tuple_id

    # --- AC ------------------------------------------------------------------------------------------------

    def _charge_ac(self) -> Script:
        yield ShowPilot(ControlPilot.C)
        yield from self._deliver(ChargeProgress.START)
        vehicle, phases = self.vehicle, self.plan.phases
        loops = 0
        while not self.enough(loops):
            status = yield from self.ask(iso2.ChargingStatusReq(), iso2.ChargingStatusRes, paced=True)
            loops += 1
            offered = vehicle.ac_current
            if status.evse_max_current is not None:
                offered = min(offered, number(status.evse_max_current))
            current = offered if offered >= vehicle.ac_min_current else 0.0
            self.measure(_MAINS * current * phases)
            yield Draw(current, phases)
            if status.receipt_required and self.plan.wallet is not None:
                yield from pnc_script.receipt(self, self.plan.wallet, status.meter_info)
            yield from self._heed(status.ac_evse_status.evse_notification, loops)
        yield Draw(0.0, phases)
        yield from self._deliver(ChargeProgress.STOP)
        yield ShowPilot(ControlPilot.B)

    # --- DC ------------------------------------------------------------------------------------------------

    def _charge_dc(self) -> Script:
        yield from self._prepare_dc()
        vehicle = self.vehicle
        loops = 0
        while not self.enough(loops):
            yield Connect(vehicle.load())
            demand = yield from self.ask(self._demand(), iso2.CurrentDemandRes, paced=True)
            loops += 1
            self.voltage = number(demand.evse_present_voltage)
            self.measure(self.voltage * number(demand.evse_present_current))
            if demand.receipt_required and self.plan.wallet is not None:
                yield from pnc_script.receipt(self, self.plan.wallet, demand.meter_info)
            notification = demand.dc_evse_status.evse_notification
            if notification is EVSENotification.RE_NEGOTIATION or loops == self.plan.renegotiate_at:
                yield from self._deliver(ChargeProgress.RENEGOTIATE)
                yield Connect(None)
                yield from self._negotiate()
                yield from self._prepare_dc()
            self.stop_ordered |= notification is EVSENotification.STOP_CHARGING
        yield from self._deliver(ChargeProgress.STOP)
        yield Connect(None)
        yield ShowPilot(ControlPilot.B)
        if self.plan.welding_detection:
            yield from self._detect_welding()

    def _prepare_dc(self) -> Script:
        """Isolation test, pre-charge, start."""
        yield ShowPilot(ControlPilot.C)
        status = self._dc_status()
        yield from self.until_finished(iso2.CableCheckReq(dc_ev_status=status), iso2.CableCheckRes)
        target = round(self.vehicle.open_voltage, 1)
        request = iso2.PreChargeReq(
            dc_ev_status=status,
            ev_target_voltage=physical(target, UnitSymbol.V),
            ev_target_current=physical(2.0, UnitSymbol.A),
        )
        yield from self.bring_to_voltage(request, iso2.PreChargeRes, target)
        yield from self._deliver(ChargeProgress.START)

    def bring_to_voltage(
        self, request: Request, expected: type[iso2.PreChargeRes | din.PreChargeRes], target: float
    ) -> Script:
        """Ask for pre-charge until the output is at `target` V, then close the contactors of the EV."""
        begun = self.now
        while True:
            answer = yield from self.ask(request, expected, paced=True)
            self.check_stop(answer)
            self.voltage = number(answer.evse_present_voltage)
            if abs(self.voltage - target) <= PRE_CHARGE_TOLERANCE:
                break
            self.check_time(begun, PRE_CHARGE_TIME, request)
        yield Connect(self.vehicle.load())

    def _demand(self) -> iso2.CurrentDemandReq:
        vehicle = self.vehicle
        return iso2.CurrentDemandReq(
            dc_ev_status=self._dc_status(),
            ev_target_current=physical(vehicle.wanted_current, UnitSymbol.A),
            ev_target_voltage=physical(vehicle.max_voltage, UnitSymbol.V),
            ev_maximum_voltage_limit=physical(vehicle.max_voltage, UnitSymbol.V),
            ev_maximum_current_limit=physical(vehicle.max_current, UnitSymbol.A),
            ev_maximum_power_limit=physical(vehicle.max_power, UnitSymbol.W),
            charging_complete=False,
        )

    def _detect_welding(self) -> Script:
        """The voltage of the station must fall while the contactors of the EV are open."""
        request = iso2.WeldingDetectionReq(dc_ev_status=self._dc_status())
        for _ in range(WELDING_TRIES):
            answer = yield from self.ask(request, iso2.WeldingDetectionRes, paced=True)
            self.voltage = number(answer.evse_present_voltage)
            if self.voltage < SAFE_VOLTAGE:
                return

    # --- both ----------------------------------------------------------------------------------------------

    def _deliver(self, progress: ChargeProgress) -> Script:
        """PowerDelivery; a start carries a profile that takes what the schedule allows."""
        parameter = None
        if self.plan.dc:
            parameter = iso2.DCEVPowerDeliveryParameter(
                dc_ev_status=self._dc_status(), charging_complete=progress is ChargeProgress.STOP
            )
        answer = yield from self.ask(
            iso2.PowerDeliveryReq(
                charge_progress=progress,
                sa_schedule_tuple_id=self.schedule_id,
                charging_profile=self._profile() if progress is ChargeProgress.START else None,
                ev_power_delivery_parameter=parameter,
            ),
            iso2.PowerDeliveryRes,
        )
        self.stop_ordered |= stop_told(answer)
        self.measured_at = self.now if progress is ChargeProgress.START else None

    def _profile(self) -> iso2.ChargingProfile | None:
        if self.offer is None:
            return None
        entries = self.offer.sa_schedule_tuple[0].p_max_schedule.p_max_schedule_entry
        return iso2.ChargingProfile(
            profile_entry=tuple(
                iso2.ProfileEntry(
                    charging_profile_entry_start=entry.time_interval.start,
                    charging_profile_entry_max_power=entry.p_max,
                )
                for entry in entries[:_MAX_PROFILE]
            )
        )

    def _heed(self, notification: EVSENotification, loops: int) -> Script:
        """Do what the station asks in an AC loop."""
        if notification is EVSENotification.RE_NEGOTIATION or loops == self.plan.renegotiate_at:
            yield from self._deliver(ChargeProgress.RENEGOTIATE)
            yield from self._negotiate()
            yield from self._deliver(ChargeProgress.START)
        self.stop_ordered |= notification is EVSENotification.STOP_CHARGING

    def enough(self, loops: int) -> bool:
        plan = self.plan
        return (
            self.stop_ordered
            or self.vehicle.full
            or (plan.loops is not None and loops >= plan.loops)
            or (plan.energy is not None and self.vehicle.received >= plan.energy)
        )

    def _dc_status(self) -> iso2.DCEVStatus:
        return iso2.DCEVStatus(
            ev_ready=True, ev_error_code=DCEVErrorCode.NO_ERROR, ev_ress_soc=self.vehicle.percent
        )

    def _dc_parameter(self) -> iso2.DCEVChargeParameter:
        vehicle = self.vehicle
        return iso2.DCEVChargeParameter(
            departure_time=self.plan.departure,
            dc_ev_status=self._dc_status(),
            ev_maximum_current_limit=physical(vehicle.max_current, UnitSymbol.A),
            ev_maximum_power_limit=physical(vehicle.max_power, UnitSymbol.W),
            ev_maximum_voltage_limit=physical(vehicle.max_voltage, UnitSymbol.V),
            ev_energy_capacity=physical(vehicle.capacity, UnitSymbol.WH),
            full_soc=int(vehicle.full_soc * 100),
        )

    def _ac_parameter(self) -> iso2.ACEVChargeParameter:
        vehicle = self.vehicle
        wanted = max(0.0, vehicle.full_soc - vehicle.soc) * vehicle.capacity
        return iso2.ACEVChargeParameter(
            departure_time=self.plan.departure,
            e_amount=physical(wanted, UnitSymbol.WH),
            ev_max_voltage=physical(_MAX_MAINS, UnitSymbol.V),
            ev_max_current=physical(vehicle.ac_current, UnitSymbol.A),
            ev_min_current=physical(vehicle.ac_min_current, UnitSymbol.A),
        )

    # --- exchanges -----------------------------------------------------------------------------------------

    def until_finished(self, request: Request, expected: type[F]) -> Generator[Move, Answer, F]:
        """Repeat a request until the answer says Finished."""
        slow = isinstance(request, iso2.CableCheckReq | din.CableCheckReq)
        limit = _CABLE_CHECK_TIME if slow else _ONGOING_TIME
        begun = self.now
        while True:
            answer = yield from self.ask(request, expected, paced=True)
            self.check_stop(answer)
            if answer.evse_processing.value == EVSEProcessing.FINISHED.value:
                return answer
            self.check_time(begun, limit, request)

    def check_stop(self, response: object) -> None:
        """Before energy flows: leave in order when the station says that it stops."""
        if stop_told(response):
            raise StationStops

    def ask(
        self,
        request: Request,
        expected: type[R],
        *,
        paced: bool = False,
        signature: Signature | None = None,
    ) -> Generator[Move, Answer, R]:
        """One exchange with a positive answer of the right class, or the end."""
        message = yield from self.exchange(request, paced=paced, signature=signature)
        if isinstance(message, iso2.V2GMessage | din.V2GMessage):
            self.session_id, self.signature = message.header.session_id, message.header.signature
        body = message.body if isinstance(message, iso2.V2GMessage | din.V2GMessage) else message
        if not isinstance(body, expected):
            raise EvGivesUp(f"{type(request).__name__} was answered by {type(body).__name__}")
        code = body.response_code
        if code.value.startswith("FAILED"):
            raise EvGivesUp(f"{type(body).__name__}: {code.value}")
        return body


def stop_told(response: object) -> bool:
    """StopCharging in AC and DC; in DIN SPEC 70121 a shutdown code says it."""
    for name in ("evse_charge_parameter", "evse_status", "ac_evse_status", "dc_evse_status"):
        response = getattr(response, name, response)
    match response:
        case iso2.ACEVSEStatus() | iso2.DCEVSEStatus():
            return response.evse_notification is EVSENotification.STOP_CHARGING
        case din.DCEVSEStatus():
            return response.evse_status_code in _SHUTDOWN
    return False


class StationStops(Exception):
    """The station ends the charge before energy flows."""


_SHUTDOWN = (din.DCEVSEStatusCode.EVSE_SHUTDOWN, din.DCEVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN)
_MAINS = 230.0  # V, what the on-board charger assumes
_MAX_MAINS = 400.0  # V, phase to phase
PRE_CHARGE_TOLERANCE = 15.0  # V, less than the usual 20 V that contactors stand
SAFE_VOLTAGE = 60.0  # V
WELDING_TRIES = 20
_ONGOING_TIME = 60.0  # s, V2G_EVCC_Ongoing_Timeout
_CABLE_CHECK_TIME = 40.0  # s, V2G_EVCC_CableCheck_Timeout
PRE_CHARGE_TIME = 7.0  # s, V2G_EVCC_PreCharge_Timeout
_MAX_PROFILE = 24  # entries of a ChargingProfile


def physical(value: float, unit: UnitSymbol) -> iso2.PhysicalValue:
    """A number as a physical value, to the nearest tenth or coarser."""
    multiplier, scaled = -1, round(value * 10)
    while abs(scaled) > 32767 or (multiplier < 0 and scaled % 10 == 0):
        scaled, multiplier = round(scaled / 10), multiplier + 1
    return iso2.PhysicalValue(multiplier=multiplier, unit=unit, value=scaled)
