"""DIN SPEC 70121 at the bench: a minimal valid instance of each request, and a session in each state."""

import dataclasses
from collections.abc import Callable

from secc.messages import din
from secc.messages.din import (
    BodyElement,
    DCEVErrorCode,
    EVRequestedEnergyTransfer,
    PaymentOption,
    PhysicalValue,
    UnitSymbol,
)
from secc.session.din.states import DinState
from secc.session.din.table import DIN as DIALECT
from secc.session.inputs import Received
from secc.session.outlet import ControlPilot
from secc.session.outputs import Output, Send, SetOutput
from secc.session.states import Stage
from secc.settings import CompatConfig, DinConfig, EnergyConfig, SeccConfig
from tests.support.bench import DC_MODES, Bench

DIN = SeccConfig(
    evse_id="DE*AAA*E2", energy=EnergyConfig(modes=DC_MODES), din=DinConfig(evse_id="49*80737*45678")
)
STRICT_DIN = dataclasses.replace(DIN, compat=CompatConfig.strict())


# --- requests ----------------------------------------------------------------------------------------------


def session_setup() -> din.SessionSetupReq:
    return din.SessionSetupReq(evcc_id=bytes.fromhex("02005e100001"))


def payment_selection(
    option: PaymentOption = PaymentOption.EXTERNAL_PAYMENT, *services: int
) -> din.ServicePaymentSelectionReq:
    selected = tuple(din.SelectedService(service_id=number) for number in services or (1,))
    return din.ServicePaymentSelectionReq(
        selected_payment_option=option,
        selected_service_list=din.SelectedServiceList(selected_service=selected),
    )


def volts(value: int, multiplier: int = 0, unit: UnitSymbol | None = UnitSymbol.V) -> PhysicalValue:
    return PhysicalValue(multiplier=multiplier, unit=unit, value=value)


def amperes(value: int, multiplier: int = 0, unit: UnitSymbol | None = UnitSymbol.A) -> PhysicalValue:
    return PhysicalValue(multiplier=multiplier, unit=unit, value=value)


def watts(value: int, multiplier: int = 0) -> PhysicalValue:
    return PhysicalValue(multiplier=multiplier, unit=UnitSymbol.W, value=value)


def ev_status(*, ready: bool = True, error: DCEVErrorCode = DCEVErrorCode.NO_ERROR) -> din.DCEVStatus:
    return din.DCEVStatus(ev_ready=ready, ev_error_code=error, ev_ress_soc=40)


def parameters(
    mode: EVRequestedEnergyTransfer = EVRequestedEnergyTransfer.DC_EXTENDED,
    max_voltage: PhysicalValue | None = None,
    max_current: PhysicalValue | None = None,
    max_power: PhysicalValue | None = None,
) -> din.ChargeParameterDiscoveryReq:
    return din.ChargeParameterDiscoveryReq(
        ev_requested_energy_transfer_type=mode,
        ev_charge_parameter=din.DCEVChargeParameter(
            dc_ev_status=ev_status(),
            ev_maximum_voltage_limit=max_voltage or volts(420),
            ev_maximum_current_limit=max_current or amperes(125),
            ev_maximum_power_limit=max_power,
        ),
    )


def ac_parameters() -> din.ChargeParameterDiscoveryReq:
    return din.ChargeParameterDiscoveryReq(
        ev_requested_energy_transfer_type=EVRequestedEnergyTransfer.DC_EXTENDED,
        ev_charge_parameter=din.ACEVChargeParameter(
            departure_time=0,
            e_amount=PhysicalValue(multiplier=0, unit=UnitSymbol.WH, value=1000),
            ev_max_voltage=volts(400),
            ev_max_current=amperes(16),
            ev_min_current=amperes(6),
        ),
    )


def cable_check() -> din.CableCheckReq:
    return din.CableCheckReq(dc_ev_status=ev_status())


def pre_charge(
    voltage: PhysicalValue | None = None, current: PhysicalValue | None = None
) -> din.PreChargeReq:
    return din.PreChargeReq(
        dc_ev_status=ev_status(),
        ev_target_voltage=voltage or volts(380),
        ev_target_current=current or amperes(2),
    )


def power(
    ready: bool, *, schedule_id: int | None = None, profile: tuple[tuple[int, int], ...] = ((0, 0),)
) -> din.PowerDeliveryReq:
    chosen = None
    if schedule_id is not None:
        chosen = din.ChargingProfile(
            sa_schedule_tuple_id=schedule_id,
            profile_entry=tuple(
                din.ProfileEntry(charging_profile_entry_start=start, charging_profile_entry_max_power=most)
                for start, most in profile
            ),
        )
    return din.PowerDeliveryReq(ready_to_charge_state=ready, charging_profile=chosen)


def current_demand(
    voltage: PhysicalValue | None = None,
    current: PhysicalValue | None = None,
    *,
    complete: bool = False,
    status: din.DCEVStatus | None = None,
    max_current: PhysicalValue | None = None,
    max_power: PhysicalValue | None = None,
) -> din.CurrentDemandReq:
    return din.CurrentDemandReq(
        dc_ev_status=status or ev_status(),
        ev_target_voltage=voltage or volts(400),
        ev_target_current=current or amperes(80),
        ev_maximum_current_limit=max_current,
        ev_maximum_power_limit=max_power,
        charging_complete=complete,
    )


def welding_detection() -> din.WeldingDetectionReq:
    return din.WeldingDetectionReq(dc_ev_status=ev_status())


_ROOTS = din.ListOfRootCertificateIDs(root_certificate_id=("CN=root",))

EACH: dict[type, BodyElement] = {
    type(body): body
    for body in (
        session_setup(),
        din.ServiceDiscoveryReq(),
        din.ServiceDetailReq(service_id=1),
        payment_selection(),
        din.PaymentDetailsReq(
            contract_id="DEABC123456789",
            contract_signature_cert_chain=din.CertificateChain(certificate=b"\x01"),
        ),
        din.ContractAuthenticationReq(),
        parameters(),
        power(True),
        din.ChargingStatusReq(),
        din.MeteringReceiptReq(session_id=bytes(8), meter_info=din.MeterInfo(meter_id="M")),
        din.SessionStop(),
        din.CertificateUpdateReq(
            contract_signature_cert_chain=din.CertificateChain(certificate=b"\x01"),
            contract_id="DEABC123456789",
            list_of_root_certificate_ids=_ROOTS,
            dh_params=b"\x01",
        ),
        din.CertificateInstallationReq(
            oem_provisioning_cert=b"\x01", list_of_root_certificate_ids=_ROOTS, dh_params=b"\x01"
        ),
        cable_check(),
        pre_charge(),
        current_demand(),
        welding_detection(),
    )
}
"""One of each request."""


def message(session_id: bytes, body: BodyElement | None) -> din.V2GMessage:
    return din.V2GMessage(header=din.MessageHeader(session_id=session_id), body=body)


# --- the bench ---------------------------------------------------------------------------------------------


class DinBench(Bench):
    """A session that speaks DIN; what the outlet and the back end do is as in `Bench`."""

    def __init__(
        self, config: SeccConfig = DIN, *, pilot: ControlPilot = ControlPilot.B, **extra: object
    ) -> None:
        super().__init__(config, pilot=pilot, **extra)
        self.session.speak(DIALECT)

    def ask(self, body: BodyElement | None, session_id: bytes | None = None) -> BodyElement | None:
        """Send a request; the response to it, if there is one at once."""
        header = self.session.session_id if session_id is None else session_id
        return answer(self.feed(Received(message(header, body), self.evse)))

    def stands(self, state: DinState) -> bool:
        return self.session.state is state

    # --- ways into a state ---

    def at_discovery(self) -> "DinBench":
        self.ask(session_setup(), b"\0")
        return self

    def at_selection(self) -> "DinBench":
        self.at_discovery().ask(din.ServiceDiscoveryReq())
        return self

    def at_authorization(self) -> "DinBench":
        self.at_selection().ask(payment_selection())
        return self

    def at_parameters(self) -> "DinBench":
        self.at_authorization().ask(din.ContractAuthenticationReq())
        self.authorize()
        self.ask(din.ContractAuthenticationReq())
        return self

    def at_cable_check(self) -> "DinBench":
        self.at_parameters().ask(parameters())
        return self

    def at_awaiting_pilot(self) -> "DinBench":
        self.at_cable_check().ask(cable_check())
        return self

    def at_cable_check_result(self) -> "DinBench":
        self.at_cable_check().outlet(control_pilot=ControlPilot.C)
        self.ask(cable_check())
        return self

    def at_pre_charge(self) -> "DinBench":
        self.at_cable_check_result().isolation()
        self.ask(cable_check())
        return self

    def at_power_on(self) -> "DinBench":
        self.at_pre_charge().ask(pre_charge())
        self.outlet(present_voltage=380.0)
        return self

    def at_awaiting_voltage(self) -> "DinBench":
        self.at_power_on().outlet(present_voltage=500.0)
        self.ask(power(True))
        return self

    def at_first_demand(self) -> "DinBench":
        self.at_power_on().ask(power(True))
        return self

    def at_demand(self) -> "DinBench":
        self.at_first_demand().ask(current_demand())
        return self

    def at_stop(self) -> "DinBench":
        self.at_demand().ask(power(False))
        return self

    def at_awaiting_pilot_b(self) -> "DinBench":
        self.at_stop().ask(welding_detection())
        return self

    def at_welding(self) -> "DinBench":
        self.at_stop().outlet(control_pilot=ControlPilot.B)
        self.ask(welding_detection())
        return self

    def at_end(self) -> "DinBench":
        self.at_welding().ask(din.SessionStop())
        return self


WAYS: dict[DinState, Callable[[DinBench], object]] = {
    DinState.WAIT_SESSION_SETUP: lambda bench: None,
    DinState.WAIT_SERVICE_DISCOVERY: DinBench.at_discovery,
    DinState.WAIT_SERVICE_SELECTION: DinBench.at_selection,
    DinState.WAIT_AUTHORIZATION: DinBench.at_authorization,
    DinState.WAIT_CHARGE_PARAMETERS: DinBench.at_parameters,
    DinState.WAIT_CABLE_CHECK: DinBench.at_cable_check,
    DinState.AWAITING_PILOT_DC: DinBench.at_awaiting_pilot,
    DinState.WAIT_CABLE_CHECK_RESULT: DinBench.at_cable_check_result,
    DinState.WAIT_PRE_CHARGE: DinBench.at_pre_charge,
    DinState.WAIT_POWER_ON_DC: DinBench.at_power_on,
    DinState.AWAITING_VOLTAGE: DinBench.at_awaiting_voltage,
    DinState.WAIT_FIRST_DEMAND: DinBench.at_first_demand,
    DinState.WAIT_DEMAND: DinBench.at_demand,
    DinState.WAIT_STOP_DC: DinBench.at_stop,
    DinState.AWAITING_PILOT_B: DinBench.at_awaiting_pilot_b,
    DinState.WAIT_WELDING: DinBench.at_welding,
    DinState.ENDED: DinBench.at_end,
}


def in_state(state: Stage, config: SeccConfig = DIN) -> DinBench:
    """A new session in this state."""
    bench = DinBench(config)
    WAYS[DinState(state.value)](bench)
    assert bench.session.state is state
    return bench


def answer(outputs: tuple[Output, ...]) -> BodyElement | None:
    """The body of the last response among the outputs."""
    messages = [output.message for output in outputs if isinstance(output, Send)]
    last = messages[-1] if messages else None
    return last.body if isinstance(last, din.V2GMessage) else None


def status_code(response: BodyElement | None) -> str:
    """EVSEStatusCode of a response."""
    status = getattr(response, "dc_evse_status", None) or getattr(response, "evse_status", None)
    return str(status.evse_status_code) if isinstance(status, din.DCEVSEStatus) else "no DC status"


def points(outputs: tuple[Output, ...]) -> list[tuple[float, float]]:
    return [(output.voltage, output.current) for output in outputs if isinstance(output, SetOutput)]
