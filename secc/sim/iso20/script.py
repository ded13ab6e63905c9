"""What a simulated EV says and does in ISO 15118-20, without a socket: a generator of moves.

`Iso20Script.run` is the whole behaviour in the order of the messages. Power, voltage and the messages of the
energy sets are in `secc.sim.iso20.energy`; the driver of the script adds the time to the headers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from secc.messages import iso20_common as common
from secc.messages.iso20_common import ChargeProgress, ChargingSession, EvseNotification, Processing
from secc.messages.numbers import number, rational_number
from secc.session.iso20.services import PARKING, Service
from secc.sim.iso20 import requests
from secc.sim.iso20.authorization import authorize, challenge_of
from secc.sim.iso20.contract import Iso20Contract
from secc.sim.iso20.der import DerEnergy
from secc.sim.iso20.energy import AcEnergy, DcEnergy, Energy
from secc.sim.iso20.exchanges import Iso20Exchanges
from secc.sim.iso20.installing import install
from secc.sim.iso20.metering import MeteringSide
from secc.sim.iso20.parking import ParkingSide
from secc.sim.iso20.plan import Iso20Plan
from secc.sim.moves import Answer, EvGivesUp, Move, Script, Wait
from secc.sim.vehicle import Vehicle
from secc.v2gtp import PayloadType

__all__ = ["Iso20Script", "Leaves"]


class Iso20Script(Iso20Exchanges):
    """One charging session of one vehicle."""

    def __init__(self, plan: Iso20Plan, vehicle: Vehicle, notes: list[str] | None = None) -> None:
        """`vehicle` is charged, or discharged, by running the script; `notes` gets what was odd."""
        super().__init__(plan, vehicle, notes)
        self.energy: Energy = _energy(plan.service)(self)
        self.contract: Iso20Contract | None = None
        """The contract that pays."""
        self.metering = MeteringSide(self, plan.metering_fault, beside=plan.metering_beside)
        self.parking = ParkingSide(self)
        self.joined = False
        """The session continues a paused one."""
        self.end = plan.end
        self.stop_ordered = False
        """The station wants the charge to end."""
        self.offers: list[common.ScheduleExchangeRes] = []
        """Finished answers with schedules and prices."""
        self._anchor = 0
        self._service_again = plan.renegotiate_service
        self._leaves_loop = False
        self._renegotiating = False

    # --- the session ---------------------------------------------------------------------------------------

    def run(self) -> Script:
        """The session; raises EvGivesUp when it cannot go on."""
        yield from self.handshake()
        yield from self._set_up()
        with contextlib.suppress(Leaves):
            if not self.joined:
                yield from self._authorize()
                yield from self._choose_service()
            yield from self._charge()
            while self._service_again and not self.stop_ordered:
                self._service_again = False
                yield from self._stop_session(ChargingSession.SERVICE_RENEGOTIATION)
                yield from self._choose_service()
                yield from self._charge()
        yield from self._stop_session(self.end)

    def handshake(self) -> Script:
        """One entry for the energy family of the service [V2G20-167]."""
        yield from self.propose(self.energy.namespace, 1)

    def _set_up(self) -> Script:
        request = requests.session_setup(self.plan.evcc_id)
        response = yield from self.ask(request, common.SessionSetupRes)
        self.session_id = response.header.session_id
        self.joined = response.response_code is common.ResponseCode.OK_OLD_SESSION_JOINED
        if self.joined and self.session_id != self.plan.session_id:
            raise EvGivesUp("another session than the paused one was joined")
        self.begun = self.now

    def _authorize(self) -> Script:
        setup = yield from self.ask(
            common.AuthorizationSetupReq(header=self.header), common.AuthorizationSetupRes
        )
        if self.plan.wallet is not None:
            yield from install(self, self.plan.wallet, setup)
        contracts = self._contracts(setup)
        if contracts:
            challenge = challenge_of(setup)
            for one in contracts:
                answer = yield from authorize(self, one, challenge)
                if answer.response_code.value.startswith("OK"):
                    self.contract = one
                    return
        external = not contracts or self.plan.external_last
        if external and (yield from self._authorize_externally(setup)):
            return
        self.notes.append("not authorized")
        raise Leaves

    def _contracts(self, setup: common.AuthorizationSetupRes) -> tuple[Iso20Contract, ...]:
        """Those of the plan, then those that were installed, if the station takes contracts at all."""
        wallet = self.plan.wallet
        installed = () if wallet is None else tuple(wallet.contracts)
        if common.Authorization.PNC not in setup.authorization_services:
            installed = ()
        return (*self.plan.contracts, *(Iso20Contract(one.chain, one.key) for one in installed))

    def _authorize_externally(self, setup: common.AuthorizationSetupRes) -> Generator[Move, Answer, bool]:
        """Whether external identification has authorized."""
        if common.Authorization.EIM not in setup.authorization_services:
            raise EvGivesUp("external identification is not offered")
        request = requests.authorization()
        for _ in range(self.plan.authorization_tries):
            answer = yield from self.until_finished(request, common.AuthorizationRes)
            if answer.response_code.value.startswith("OK"):
                return True
        return False

    def _choose_service(self) -> Script:
        """Services, the parameter sets of the wanted one, and the choice."""
        service = self.plan.service
        offered = yield from self.ask(requests.service_discovery(), common.ServiceDiscoveryRes)
        if service not in [one.service_id for one in offered.energy_transfer_service_list.service]:
            raise EvGivesUp(f"service {service.name} is not offered")
        detail = yield from self.ask(
            common.ServiceDetailReq(header=self.header, service_id=service), common.ServiceDetailRes
        )
        chosen = self.choose_set(detail.service_parameter_list.parameter_set)
        yield from self.parking.look(offered)
        added = [(PARKING, number) for number in self.parking.selected.values()]
        yield from self.ask(requests.service_selection(service, chosen, added), common.ServiceSelectionRes)
        yield from self.parking.check_in()

    def choose_set(self, sets: tuple[common.ParameterSet, ...]) -> int:
        """Id of the first set with the wanted control mode, mobility needs and prices; raises EvGivesUp."""
        wanted = {"ControlMode": self.plan.control, "MobilityNeedsMode": self.plan.mobility_needs}
        if self.plan.pricing is not None:
            wanted["Pricing"] = self.plan.pricing.number
        for one in sets:
            values = {parameter.name: parameter.int_value for parameter in one.parameter}
            if all(values.get(name) == value for name, value in wanted.items()):
                return one.parameter_set_id
        raise EvGivesUp(f"no parameter set with {wanted}")

    # --- charging ------------------------------------------------------------------------------------------

    def _charge(self) -> Script:
        """From the parameters to the open contactor."""
        yield from self.energy.discover()
        yield from self._schedules()
        yield from self.energy.prepare()
        for _ in range(self.plan.ongoing_starts):
            yield from self._deliver(ChargeProgress.START, processing=Processing.ONGOING)
        yield from self._deliver(ChargeProgress.START)
        yield from self._loop()
        yield from self._deliver(ChargeProgress.STOP)
        yield from self.energy.finish()
        yield from self.parking.check_out()

    def _schedules(self, stream: int | None = None) -> Script:
        """Needs out, schedules in: both control modes have this exchange."""
        answer = yield from self.until_finished(
            self.schedule_request(), common.ScheduleExchangeRes, stream=stream
        )
        self.take_schedules(answer)
        if answer.go_to_pause:
            self.end = ChargingSession.PAUSE
            raise Leaves

    def schedule_request(self) -> common.ScheduleExchangeReq:
        """ScheduleExchangeReq of the control mode, with what the battery needs."""
        dynamic, needs = self.energy.dynamic, self.energy.energies()
        if dynamic and self.plan.service.bidirectional:
            needs |= self.energy.v2x_energies()
        if not dynamic and self.plan.service.bidirectional and self.plan.offer_fee is not None:
            needs["ev_energy_offer"] = requests.energy_offer(
                self.energy.discharge_limit(self.energy.discharge_power),
                rational_number(self.plan.offer_fee),
                anchor=self.stamp,
                duration=self.time_left,
            )
        return requests.schedule_exchange(
            dynamic=dynamic, departure=self.time_left, points=self.plan.points, **needs
        )

    def take_schedules(self, answer: common.ScheduleExchangeRes) -> None:
        """Choose the first schedule of a finished answer; raises EvGivesUp for one in the other mode."""
        self._anchor = answer.header.time_stamp
        self.offers.append(answer)
        offer = answer.scheduled_se_res_control_mode
        if self.energy.dynamic:
            if answer.dynamic_se_res_control_mode is None:
                raise EvGivesUp("finished without the control mode that was asked for")
        elif offer is None:
            raise EvGivesUp("finished without schedules")
        else:
            self.schedule = offer.schedule_tuple[0]

    def _deliver(
        self,
        progress: ChargeProgress,
        *,
        processing: Processing = Processing.FINISHED,
        stream: int | None = None,
    ) -> Generator[Move, Answer, common.PowerDeliveryRes]:
        request = requests.power_delivery(progress, self.profile(), processing)
        answer = yield from self.ask(request, common.PowerDeliveryRes, stream=stream)
        if progress is ChargeProgress.STOP:
            self.measured_at = None
        elif progress is ChargeProgress.START:
            self.measured_at = self.now
        return answer

    def profile(self) -> common.EVPowerProfile:
        """Scheduled: what the schedule allows, up to the EV's limit. Dynamic: a forecast."""
        most = self.vehicle.max_power
        entries: tuple[common.PowerScheduleEntry, ...]
        if self.schedule is None:
            entries = (common.PowerScheduleEntry(duration=self.plan.departure, power=rational_number(most)),)
            return common.EVPowerProfile(
                time_anchor=self._anchor,
                dynamic_ev_ppt_control_mode=common.DynamicEVPPTControlMode(),
                ev_power_profile_entries=common.EVPowerProfileEntryList(ev_power_profile_entry=entries),
            )
        offered = self.schedule.charging_schedule.power_schedule
        entries = tuple(
            common.PowerScheduleEntry(
                duration=one.duration,
                power=rational_number(min(number(one.power), most)),
                power_l2=one.power_l2,
                power_l3=one.power_l3,
            )
            for one in offered.power_schedule_entries.power_schedule_entry
        )
        return common.EVPowerProfile(
            time_anchor=offered.time_anchor,
            scheduled_ev_ppt_control_mode=common.ScheduledEVPPTControlMode(
                selected_schedule_tuple_id=self.schedule.schedule_tuple_id,
                power_tolerance_acceptance=_CONFIRMED if self.plan.confirms_tolerance else None,
            ),
            ev_power_profile_entries=common.EVPowerProfileEntryList(ev_power_profile_entry=entries),
        )

    def _loop(self) -> Script:
        loops = 0
        while not self.enough(loops):
            yield from self._one_loop(loops)
            loops += 1
            if loops == self.plan.standby_at:
                yield from self._stand_by(loops)
            if loops == self.plan.renegotiate_at:
                yield from self._renegotiate(loops)

    def _one_loop(self, loops: int) -> Script:
        response: Any = yield from self.ask(self.energy.request(loops), self.energy.loop, paced=True)
        yield from self.energy.follow(response)
        yield from self.metering.follow(self.contract, response)
        if response.evse_status is not None:
            yield from self._heed(response.evse_status.evse_notification, loops)

    def _heed(self, notification: EvseNotification, loops: int) -> Script:
        """Do what the station asks for."""
        match notification:
            case EvseNotification.TERMINATE:
                self.stop_ordered = True
            case EvseNotification.PAUSE:
                self.stop_ordered, self.end = True, ChargingSession.PAUSE
            case EvseNotification.EXIT_STANDBY:
                self.standing_by = False
            case EvseNotification.SERVICE_RENEGOTIATION:
                self._service_again = self._leaves_loop = True
            case EvseNotification.SCHEDULE_RENEGOTIATION if not self._renegotiating:
                yield from self._renegotiate(loops)
            case _:
                pass

    def _renegotiate(self, loops: int) -> Script:
        """A new schedule while power flows."""
        self._renegotiating = True
        if self.plan.side_stream:
            yield from self._renegotiate_beside(loops)
        else:
            yield from self._deliver(ChargeProgress.SCHEDULE_RENEGOTIATION)
            yield from self._schedules()
            yield from self._deliver(ChargeProgress.START)
        self._renegotiating = False

    def _renegotiate_beside(self, loops: int) -> Script:
        """On the side stream, with the charge loop going on between its messages [V2G20-1045]."""
        stream = PayloadType.ISO20_SCHEDULE
        yield from self.ask(self.energy.parameters(), self.energy.discovery, stream=stream)
        yield from self._one_loop(loops)
        yield from self._schedules(stream)
        yield from self._one_loop(loops)
        measured = self.measured_at
        yield from self._deliver(ChargeProgress.SCHEDULE_RENEGOTIATION, stream=stream)
        self.measured_at = measured

    def _stand_by(self, loops: int) -> Script:
        """Standby, up to its end or until the station asks for it; a station that does not allow it warns and
        goes on."""
        answer = yield from self._deliver(ChargeProgress.STANDBY)
        if not answer.response_code.value.startswith("OK"):
            return
        self.standing_by = True
        yield from self.energy.rest()
        for _ in range(self.plan.standby_loops):
            yield from self._one_loop(loops)
            if self.stop_ordered or not self.standing_by:
                break
        self.standing_by = False
        if not self.stop_ordered:
            yield Wait(self.plan.pace)
            yield from self.energy.resume()
            yield from self._deliver(ChargeProgress.START)

    def enough(self, loops: int) -> bool:
        """The charge loop is over."""
        plan, vehicle = self.plan, self.vehicle
        if self._leaves_loop:
            self._leaves_loop = False
            return True
        return (
            self.stop_ordered
            or (vehicle.full and not plan.service.bidirectional)
            or (plan.loops is not None and loops >= plan.loops)
            or (plan.energy is not None and vehicle.received >= plan.energy)
        )

    def _stop_session(self, how: ChargingSession) -> Script:
        request = requests.session_stop(how)
        yield from self.ask(request, common.SessionStopRes)


def _energy(service: Service) -> type[Energy]:
    if service is Service.AC_DER_IEC:
        return DerEnergy
    return DcEnergy if service.is_dc else AcEnergy


_CONFIRMED = common.PowerToleranceAcceptance.POWER_TOLERANCE_CONFIRMED


class Leaves(Exception):
    """The EV ends the session in order, before or without energy."""
