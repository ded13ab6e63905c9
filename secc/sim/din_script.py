"""What a simulated EV says and does in DIN SPEC 70121: the same car as `secc.sim.script`, in older words."""

from __future__ import annotations

import contextlib

from secc.messages import din, iso2
from secc.messages.iso2 import UnitSymbol
from secc.messages.numbers import number
from secc.session.outlet import ControlPilot
from secc.sim.moves import Connect, EvGivesUp, Script, ShowPilot
from secc.sim.script import (
    SAFE_VOLTAGE,
    WELDING_TRIES,
    EvScript,
    StationStops,
    physical,
    stop_told,
)

__all__ = ["DinScript", "said"]


class DinScript(EvScript):
    """One DC session, paid outside the car."""

    NAMESPACE = "urn:din:70121:2012:MsgDef"

    def run(self) -> Script:
        """The session; raises EvGivesUp when it cannot go on."""
        if not self.plan.dc:
            raise EvGivesUp("DIN SPEC 70121 is DC only")
        yield from self.handshake()
        with contextlib.suppress(StationStops):
            yield from self._identify()
            yield from self._parameters()
            yield from self._prepare()
            yield from self._charge()
        yield from self.ask(din.SessionStop(), din.SessionStopRes)

    def _identify(self) -> Script:
        yield from self.ask(din.SessionSetupReq(evcc_id=self.plan.evcc_id), din.SessionSetupRes)
        offered = yield from self.ask(din.ServiceDiscoveryReq(), din.ServiceDiscoveryRes)
        service = offered.charge_service
        if service.energy_transfer_type.value != self.plan.mode.value:
            raise EvGivesUp(
                f"{self.plan.mode.value} is not offered, only {service.energy_transfer_type.value}"
            )
        selected = din.SelectedService(service_id=service.service_tag.service_id)
        yield from self.ask(
            din.ServicePaymentSelectionReq(
                selected_payment_option=din.PaymentOption.EXTERNAL_PAYMENT,
                selected_service_list=din.SelectedServiceList(selected_service=(selected,)),
            ),
            din.ServicePaymentSelectionRes,
        )
        yield from self.until_finished(din.ContractAuthenticationReq(), din.ContractAuthenticationRes)

    def _parameters(self) -> Script:
        vehicle = self.vehicle
        yield from self.until_finished(
            din.ChargeParameterDiscoveryReq(
                ev_requested_energy_transfer_type=din.EVRequestedEnergyTransfer(self.plan.mode.value),
                ev_charge_parameter=din.DCEVChargeParameter(
                    dc_ev_status=self._status(),
                    ev_maximum_current_limit=said(vehicle.max_current, UnitSymbol.A),
                    ev_maximum_power_limit=said(vehicle.max_power, UnitSymbol.W),
                    ev_maximum_voltage_limit=said(vehicle.max_voltage, UnitSymbol.V),
                    ev_energy_capacity=said(vehicle.capacity, UnitSymbol.WH),
                    full_soc=int(vehicle.full_soc * 100),
                ),
            ),
            din.ChargeParameterDiscoveryRes,
        )

    def _prepare(self) -> Script:
        """Isolation test, pre-charge, start."""
        yield ShowPilot(ControlPilot.C)
        status = self._status()
        yield from self.until_finished(din.CableCheckReq(dc_ev_status=status), din.CableCheckRes)
        target = round(self.vehicle.open_voltage, 1)
        request = din.PreChargeReq(
            dc_ev_status=status,
            ev_target_voltage=said(target, UnitSymbol.V),
            ev_target_current=said(2.0, UnitSymbol.A),
        )
        yield from self.bring_to_voltage(request, din.PreChargeRes, target)
        yield from self._switch(start=True)

    def _charge(self) -> Script:
        vehicle, loops = self.vehicle, 0
        while not self.enough(loops):
            yield Connect(vehicle.load())
            demand = yield from self.ask(self._wanted(), din.CurrentDemandRes, paced=True)
            loops += 1
            self.voltage = number(demand.evse_present_voltage)
            self.measure(self.voltage * number(demand.evse_present_current))
            self.stop_ordered |= stop_told(demand)
        yield from self._switch(start=False)
        yield Connect(None)
        yield ShowPilot(ControlPilot.B)
        if self.plan.welding_detection:
            yield from self._look_for_welding()

    def _wanted(self) -> din.CurrentDemandReq:
        vehicle = self.vehicle
        return din.CurrentDemandReq(
            dc_ev_status=self._status(),
            ev_target_current=said(vehicle.wanted_current, UnitSymbol.A),
            ev_target_voltage=said(vehicle.max_voltage, UnitSymbol.V),
            ev_maximum_voltage_limit=said(vehicle.max_voltage, UnitSymbol.V),
            ev_maximum_current_limit=said(vehicle.max_current, UnitSymbol.A),
            ev_maximum_power_limit=said(vehicle.max_power, UnitSymbol.W),
            charging_complete=False,
        )

    def _switch(self, *, start: bool) -> Script:
        answer = yield from self.ask(
            din.PowerDeliveryReq(
                ready_to_charge_state=start,
                ev_power_delivery_parameter=din.DCEVPowerDeliveryParameter(
                    dc_ev_status=self._status(), charging_complete=not start
                ),
            ),
            din.PowerDeliveryRes,
        )
        self.stop_ordered |= stop_told(answer)
        self.measured_at = self.now if start else None

    def _look_for_welding(self) -> Script:
        """The voltage of the station must fall while the contactors of the EV are open."""
        request = din.WeldingDetectionReq(dc_ev_status=self._status())
        for _ in range(WELDING_TRIES):
            answer = yield from self.ask(request, din.WeldingDetectionRes, paced=True)
            self.voltage = number(answer.evse_present_voltage)
            if self.voltage < SAFE_VOLTAGE:
                return

    def _status(self) -> din.DCEVStatus:
        return din.DCEVStatus(
            ev_ready=True, ev_error_code=din.DCEVErrorCode.NO_ERROR, ev_ress_soc=self.vehicle.percent
        )


def said(value: float, unit: UnitSymbol) -> din.PhysicalValue:
    """A number as a physical value of DIN."""
    number: iso2.PhysicalValue = physical(value, unit)
    return din.PhysicalValue(
        multiplier=number.multiplier, unit=din.UnitSymbol(unit.value), value=number.value
    )
