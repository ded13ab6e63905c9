"""AC_DER_IEC on the bench: its requests, and the ways into its states."""

from __future__ import annotations

from typing import Any

from secc.messages import iso20_ac_der_iec as der
from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing
from secc.session.grid import GridCode
from secc.session.inputs import GridCodeGiven
from secc.session.iso20.table_der import ISO20_DER
from secc.session.outlet import ControlPilot
from secc.session.outputs import AskGridCode
from secc.settings import AcConfig, EnergyConfig, Iso20Config, SeccConfig
from tests.support import iso20 as r
from tests.support.grid import CODE
from tests.support.iso20 import Bench20, number

DER = SeccConfig(
    evse_id="DE*AAA*E1",
    energy=EnergyConfig(ac=AcConfig(max_discharge_current=16.0)),
    iso20=Iso20Config(der=True, der_reactive_power=5000.0, discharge=True),
)
SERVICE = 10

_LIMITS: dict[str, float] = {
    "ev_maximum_charge_power": 22_000,
    "ev_minimum_charge_power": 0,
    "ev_maximum_discharge_power": -11_000,
    "ev_minimum_discharge_power": 0,
}


def parameters(
    processing: Processing = Processing.FINISHED, *, reactive: float | None = None, **limits: float
) -> der.ACChargeParameterDiscoveryReq:
    values = {name: number(value) for name, value in (_LIMITS | limits).items()}
    most = None
    if reactive is not None:
        most = der.EVReactivePowerLimits(
            ev_maximum_charge_reactive_power=number(reactive),
            ev_maximum_discharge_reactive_power=number(-reactive),
        )
    mode = der.DERACCPDReqEnergyTransferMode(
        **values, ev_processing=processing, ev_reactive_power_limits=most
    )
    return der.ACChargeParameterDiscoveryReq(header=r.HEAD, ac_cpd_req_energy_transfer_mode=mode)


def plain_parameters() -> der.ACChargeParameterDiscoveryReq:
    """In the variant of AC."""
    mode = der.ACCPDReqEnergyTransferMode(
        ev_maximum_charge_power=number(22_000), ev_minimum_charge_power=number(0)
    )
    return der.ACChargeParameterDiscoveryReq(header=r.HEAD, ac_cpd_req_energy_transfer_mode=mode)


def loop(condition: int = 0, **more: Any) -> der.ACChargeLoopReq:
    """Scheduled."""
    return _loop(der.DERScheduledACCLReqControlMode, {}, condition, more)


def dynamic_loop(condition: int = 0, **more: Any) -> der.ACChargeLoopReq:
    usual: dict[str, Any] = {
        "ev_target_energy_request": number(20_000),
        "ev_maximum_energy_request": number(30_000),
        "ev_minimum_energy_request": number(-20_000),
        "ev_maximum_charge_power": number(22_000),
        "ev_minimum_charge_power": number(0),
        "ev_present_reactive_power": number(0),
    }
    return _loop(der.DERDynamicACCLReqControlMode, usual, condition, more)


def _loop(kind: Any, usual: dict[str, Any], condition: int, more: dict[str, Any]) -> der.ACChargeLoopReq:
    back = {
        "ev_maximum_discharge_power": number(-11_000),
        "ev_minimum_discharge_power": number(0),
        "ev_present_active_power": number(0),
    }
    own = {"display_parameters": more.pop("display_parameters", None)}
    own["meter_info_requested"] = more.pop("meter_info_requested", False)
    values = usual | back | {name: number(value) for name, value in more.items()}
    mode = kind(**values, grid_event_condition=condition)
    return der.ACChargeLoopReq(header=r.HEAD, cl_req_control_mode=mode, **own)


def plain_loop() -> der.ACChargeLoopReq:
    """In the variant of AC."""
    mode = der.ScheduledACCLReqControlMode(ev_present_active_power=number(0))
    return der.ACChargeLoopReq(header=r.HEAD, meter_info_requested=False, cl_req_control_mode=mode)


EACH_DER: dict[type[Any], Any] = {
    **{kind: request for kind, request in r.EACH.items() if not kind.__module__.endswith("iso20_ac")},
    der.ACChargeParameterDiscoveryReq: parameters(),
    der.ACChargeLoopReq: loop(),
}
"""One of each request class."""


class DerBench(Bench20):
    """A session of AC_DER_IEC on the bench; the back end answers the question for the rules at once."""

    def __init__(self, config: SeccConfig = DER, code: GridCode | None = CODE, **extra: object) -> None:
        super().__init__(config, **extra)
        self.code = code
        self.session.speak(ISO20_DER)

    def to_authorization(self) -> DerBench:
        self.ask(r.session_setup(), bytes(8))
        (asked,) = [output for output in self.outputs if isinstance(output, AskGridCode)]
        self.feed(GridCodeGiven(asked.ticket, self.code))
        self.ask(r.authorization_setup())
        return self

    def to_parameters(self, service: int = SERVICE, parameter_set: int = 1) -> DerBench:
        super().to_parameters(service, parameter_set)
        return self

    def to_schedule(self, service: int = SERVICE, parameter_set: int = 1, **limits: float) -> DerBench:
        self.to_parameters(service, parameter_set)
        self.ask(parameters(**limits))  # type: ignore[arg-type]
        return self

    def to_power_on_ac(self, service: int = SERVICE, parameter_set: int = 1, **limits: float) -> DerBench:
        self.to_schedule(service, parameter_set, **limits)
        self.ask(r.scheduled() if parameter_set == 1 else r.dynamic())
        return self

    def to_loop(self, parameter_set: int = 1, **limits: float) -> DerBench:
        self.to_power_on_ac(SERVICE, parameter_set, **limits)
        self.outlet(control_pilot=ControlPilot.C)
        self.ask(r.start() if parameter_set == 1 else r.dynamic_start())
        self.contactor()
        return self


def parameters_of(response: Any) -> der.DERACCPDResEnergyTransferMode:
    mode = response.ac_cpd_res_energy_transfer_mode
    assert isinstance(mode, der.DERACCPDResEnergyTransferMode)
    return mode


def answered(response: Any) -> Any:
    """The control mode of a response of the loop."""
    mode = response.cl_res_control_mode
    assert isinstance(mode, der.DERScheduledACCLResControlMode | der.DERDynamicACCLResControlMode)
    assert isinstance(response.header, m.MessageHeader)
    return mode
