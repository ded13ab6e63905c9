"""ISO 15118-20 on the bench: a valid instance of each request, and the ways into each state."""

from __future__ import annotations

from typing import Any

from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as m
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import (
    ChargeProgress,
    ChargingSession,
    MessageHeader,
    PowerToleranceAcceptance,
    Processing,
    RationalNumber,
)
from secc.session.dialect import Dialect
from secc.session.inputs import Received
from secc.session.iso20.side import Iso20Side, side
from secc.session.iso20.table import ISO20_AC, ISO20_DC
from secc.session.outlet import ControlPilot
from secc.session.outputs import Send
from secc.session.streams import Stream
from secc.settings import AcConfig, CompatConfig, DcConfig, EnergyConfig, EnergyMode, Iso20Config, SeccConfig
from tests.support.bench import Bench
from tests.support.vehicles import EVCCID, vehicle_identity

_BOTH_WAYS = DcConfig(max_discharge_current=60.0, max_discharge_power=20_000.0)
AC = SeccConfig(evse_id="DE*AAA*E1")
DC = SeccConfig(evse_id="DE*AAA*E2", energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,)))
AC_BPT = SeccConfig(
    evse_id="DE*AAA*E1",
    energy=EnergyConfig(ac=AcConfig(max_discharge_current=16.0)),
    iso20=Iso20Config(discharge=True),
)
DC_BPT = SeccConfig(
    evse_id="DE*AAA*E2",
    energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,), dc=_BOTH_WAYS),
    iso20=Iso20Config(discharge=True),
)
STRICT = CompatConfig.strict()

HEAD = MessageHeader(session_id=bytes(8), time_stamp=1_700_000_000)
SCHEDULED, DYNAMIC = 1, 2
"""Numbers of the parameter sets; those of a single phase, AC, are two higher."""


def number(value: float) -> RationalNumber:
    """A physical value: whole numbers up to 32 767 as they are, others with another exponent."""
    for exponent in (0, 1, 2, 3, -1, -2, -3):
        scaled = round(value * 10.0**-exponent, 6)
        if scaled == int(scaled) and abs(scaled) <= 32_767:
            return RationalNumber(exponent=exponent, value=int(scaled))
    raise ValueError(f"{value} needs more than 16 bits")


# --- requests ----------------------------------------------------------------------------------------------


def session_setup(evcc_id: str = EVCCID) -> m.SessionSetupReq:
    return m.SessionSetupReq(header=HEAD, evcc_id=evcc_id)


def authorization_setup() -> m.AuthorizationSetupReq:
    return m.AuthorizationSetupReq(header=HEAD)


def authorization() -> m.AuthorizationReq:
    return m.AuthorizationReq(
        header=HEAD,
        selected_authorization_service=m.Authorization.EIM,
        eim_a_req_authorization_mode=m.EIMAReqAuthorizationMode(),
    )


def contract_authorization() -> m.AuthorizationReq:
    chain = m.ContractCertificateChain(
        certificate=b"\x30\x00", sub_certificates=m.SubCertificates(certificate=(b"\x30\x00",))
    )
    return m.AuthorizationReq(
        header=HEAD,
        selected_authorization_service=m.Authorization.PNC,
        pnc_a_req_authorization_mode=m.PnCAReqAuthorizationMode(
            id="id1", gen_challenge=bytes(16), contract_certificate_chain=chain
        ),
    )


def service_discovery(*ids: int) -> m.ServiceDiscoveryReq:
    wanted = m.ServiceIDList(service_id=ids) if ids else None
    return m.ServiceDiscoveryReq(header=HEAD, supported_service_ids=wanted)


def service_detail(service: int = 2) -> m.ServiceDetailReq:
    return m.ServiceDetailReq(header=HEAD, service_id=service)


def selection(
    service: int = 2, parameter_set: int = SCHEDULED, *added: tuple[int, int]
) -> m.ServiceSelectionReq:
    vas = tuple(m.SelectedService(service_id=s, parameter_set_id=p) for s, p in added)
    return m.ServiceSelectionReq(
        header=HEAD,
        selected_energy_transfer_service=m.SelectedService(
            service_id=service, parameter_set_id=parameter_set
        ),
        selected_vas_list=m.SelectedServiceList(selected_service=vas) if vas else None,
    )


DC_LIMITS: dict[str, float] = {
    "ev_maximum_charge_power": 40_000,
    "ev_minimum_charge_power": 0,
    "ev_maximum_charge_current": 100,
    "ev_minimum_charge_current": 0,
    "ev_maximum_voltage": 420,
    "ev_minimum_voltage": 200,
}
DC_BACK: dict[str, float] = {
    "ev_maximum_discharge_power": 10_000,
    "ev_minimum_discharge_power": 0,
    "ev_maximum_discharge_current": 30,
    "ev_minimum_discharge_current": 0,
}


def dc_parameters(**limits: float) -> dc.DCChargeParameterDiscoveryReq:
    values = {name: number(value) for name, value in (DC_LIMITS | limits).items()}
    return dc.DCChargeParameterDiscoveryReq(
        header=HEAD,
        dc_cpd_req_energy_transfer_mode=dc.DCCPDReqEnergyTransferMode(**values),  # type: ignore[arg-type]
    )


def dc_bpt_parameters(sign: int = -1, **limits: float) -> dc.DCChargeParameterDiscoveryReq:
    back = {name: sign * value for name, value in DC_BACK.items()}
    values = {name: number(value) for name, value in (DC_LIMITS | back | limits).items()}
    return dc.DCChargeParameterDiscoveryReq(
        header=HEAD,
        dc_cpd_req_energy_transfer_mode=dc.BPTDCCPDReqEnergyTransferMode(**values),  # type: ignore[arg-type]
    )


def ac_parameters(**limits: float) -> ac.ACChargeParameterDiscoveryReq:
    usual: dict[str, float] = {"ev_maximum_charge_power": 22_000, "ev_minimum_charge_power": 0}
    values = {name: number(value) for name, value in (usual | limits).items()}
    return ac.ACChargeParameterDiscoveryReq(
        header=HEAD, ac_cpd_req_energy_transfer_mode=ac.ACCPDReqEnergyTransferMode(**values)
    )


def ac_bpt_parameters(sign: int = -1, **limits: float) -> ac.ACChargeParameterDiscoveryReq:
    usual: dict[str, float] = {
        "ev_maximum_charge_power": 22_000,
        "ev_minimum_charge_power": 0,
        "ev_maximum_discharge_power": sign * 11_000,
        "ev_minimum_discharge_power": 0,
    }
    values = {name: number(value) for name, value in (usual | limits).items()}
    return ac.ACChargeParameterDiscoveryReq(
        header=HEAD, ac_cpd_req_energy_transfer_mode=ac.BPTACCPDReqEnergyTransferMode(**values)
    )


def scheduled(
    departure: int | None = None, points: int = 1024, energies: tuple[float, float, float] | None = None
) -> m.ScheduleExchangeReq:
    least, wanted, most = (None, None, None) if energies is None else tuple(number(e) for e in energies)
    return m.ScheduleExchangeReq(
        header=HEAD,
        maximum_supporting_points=points,
        scheduled_se_req_control_mode=m.ScheduledSEReqControlMode(
            departure_time=departure,
            ev_minimum_energy_request=least,
            ev_target_energy_request=wanted,
            ev_maximum_energy_request=most,
        ),
    )


def dynamic(
    departure: int = 7200,
    energies: tuple[float, float, float] = (-20_000, 20_000, 30_000),
    *,
    socs: tuple[int | None, int | None] = (None, None),
    v2x: tuple[float | None, float | None] = (None, None),
) -> m.ScheduleExchangeReq:
    least, wanted, most = (number(e) for e in energies)
    low, high = (None if e is None else number(e) for e in v2x)
    return m.ScheduleExchangeReq(
        header=HEAD,
        maximum_supporting_points=1024,
        dynamic_se_req_control_mode=m.DynamicSEReqControlMode(
            departure_time=departure,
            minimum_soc=socs[0],
            target_soc=socs[1],
            ev_minimum_energy_request=least,
            ev_target_energy_request=wanted,
            ev_maximum_energy_request=most,
            ev_minimum_v2_x_energy_request=low,
            ev_maximum_v2_x_energy_request=high,
        ),
    )


def profile(
    *entries: tuple[int, float],
    tuple_id: int | None = 1,
    tolerance: PowerToleranceAcceptance | None = None,
) -> m.EVPowerProfile:
    """Seconds and W; without a tuple id one of Dynamic mode."""
    choice = None
    if tuple_id is not None:
        choice = m.ScheduledEVPPTControlMode(
            selected_schedule_tuple_id=tuple_id, power_tolerance_acceptance=tolerance
        )
    steps = tuple(
        m.PowerScheduleEntry(duration=seconds, power=number(watts))
        for seconds, watts in entries or ((3600, 10_000),)
    )
    return m.EVPowerProfile(
        time_anchor=0,
        scheduled_ev_ppt_control_mode=choice,
        dynamic_ev_ppt_control_mode=m.DynamicEVPPTControlMode() if choice is None else None,
        ev_power_profile_entries=m.EVPowerProfileEntryList(ev_power_profile_entry=steps),
    )


def power_delivery(
    progress: ChargeProgress,
    found: m.EVPowerProfile | None = None,
    processing: Processing = Processing.FINISHED,
) -> m.PowerDeliveryReq:
    return m.PowerDeliveryReq(
        header=HEAD, ev_processing=processing, charge_progress=progress, ev_power_profile=found
    )


def start(found: m.EVPowerProfile | None = None) -> m.PowerDeliveryReq:
    return power_delivery(ChargeProgress.START, profile() if found is None else found)


def dynamic_start() -> m.PowerDeliveryReq:
    return power_delivery(ChargeProgress.START)


def stop() -> m.PowerDeliveryReq:
    return power_delivery(ChargeProgress.STOP)


def standby() -> m.PowerDeliveryReq:
    return power_delivery(ChargeProgress.STANDBY)


def renegotiate(found: m.EVPowerProfile | None = None) -> m.PowerDeliveryReq:
    return power_delivery(ChargeProgress.SCHEDULE_RENEGOTIATION, found)


def cable_check() -> dc.DCCableCheckReq:
    return dc.DCCableCheckReq(header=HEAD)


def pre_charge(volts: float = 380, processing: Processing = Processing.FINISHED) -> dc.DCPreChargeReq:
    return dc.DCPreChargeReq(
        header=HEAD,
        ev_processing=processing,
        ev_present_voltage=number(380),
        ev_target_voltage=number(volts),
    )


def dc_loop(volts: float = 400, amperes: float = 80, **more: Any) -> dc.DCChargeLoopReq:
    """Scheduled; `more` are limits of the control mode, or fields of the request."""
    return _dc_loop(dc.ScheduledDCCLReqControlMode, _targets(volts, amperes), more)


def dc_bpt_loop(volts: float = 400, amperes: float = 80, **more: Any) -> dc.DCChargeLoopReq:
    return _dc_loop(dc.BPTScheduledDCCLReqControlMode, _targets(volts, amperes), more)


def _targets(volts: float, amperes: float) -> dict[str, RationalNumber]:
    return {"ev_target_voltage": number(volts), "ev_target_current": number(amperes)}


_OWN = ("display_parameters", "meter_info_requested")
_ENERGIES: dict[str, RationalNumber] = {
    "ev_target_energy_request": number(20_000),
    "ev_maximum_energy_request": number(30_000),
    "ev_minimum_energy_request": number(-20_000),
}
_DC_DYNAMIC = ("ev_maximum_charge_power", "ev_minimum_charge_power", "ev_maximum_charge_current")


def dc_dynamic_loop(**more: Any) -> dc.DCChargeLoopReq:
    names = (*_DC_DYNAMIC, "ev_maximum_voltage", "ev_minimum_voltage")
    usual = _ENERGIES | {name: number(DC_LIMITS[name]) for name in names}
    return _dc_loop(dc.DynamicDCCLReqControlMode, usual, more)


def dc_bpt_dynamic_loop(sign: int = -1, **more: Any) -> dc.DCChargeLoopReq:
    names = (*_DC_DYNAMIC, "ev_maximum_voltage", "ev_minimum_voltage")
    usual = _ENERGIES | {name: number(DC_LIMITS[name]) for name in names}
    back = ("ev_maximum_discharge_power", "ev_minimum_discharge_power", "ev_maximum_discharge_current")
    usual |= {name: number(sign * DC_BACK[name]) for name in back}
    return _dc_loop(dc.BPTDynamicDCCLReqControlMode, usual, more)


def _dc_loop(kind: Any, usual: dict[str, RationalNumber], more: dict[str, Any]) -> dc.DCChargeLoopReq:
    own: dict[str, Any] = {
        name: more.pop(name) for name in ("display_parameters", "meter_info_requested") if name in more
    }
    values = usual | {
        name: value if isinstance(value, RationalNumber) else number(value) for name, value in more.items()
    }
    return dc.DCChargeLoopReq(
        header=HEAD,
        ev_present_voltage=number(380),
        cl_req_control_mode=kind(**values),
        **({"meter_info_requested": False} | own),
    )


def ac_loop(**more: Any) -> ac.ACChargeLoopReq:
    return _ac_loop(ac.ScheduledACCLReqControlMode, {"ev_present_active_power": number(0)}, more)


def ac_bpt_loop(**more: Any) -> ac.ACChargeLoopReq:
    return _ac_loop(ac.BPTScheduledACCLReqControlMode, {"ev_present_active_power": number(0)}, more)


_AC_DYNAMIC = _ENERGIES | {
    "ev_maximum_charge_power": number(22_000),
    "ev_minimum_charge_power": number(0),
    "ev_present_active_power": number(0),
    "ev_present_reactive_power": number(0),
}


def ac_dynamic_loop(**more: Any) -> ac.ACChargeLoopReq:
    return _ac_loop(ac.DynamicACCLReqControlMode, _AC_DYNAMIC, more)


def ac_bpt_dynamic_loop(sign: int = -1, **more: Any) -> ac.ACChargeLoopReq:
    back = {
        "ev_maximum_discharge_power": number(sign * 11_000),
        "ev_minimum_discharge_power": number(0),
    }
    return _ac_loop(ac.BPTDynamicACCLReqControlMode, _AC_DYNAMIC | back, more)


def _ac_loop(kind: Any, usual: dict[str, RationalNumber], more: dict[str, Any]) -> ac.ACChargeLoopReq:
    own: dict[str, Any] = {
        name: more.pop(name) for name in ("display_parameters", "meter_info_requested") if name in more
    }
    values = usual | {
        name: value if isinstance(value, RationalNumber) else number(value) for name, value in more.items()
    }
    return ac.ACChargeLoopReq(
        header=HEAD, cl_req_control_mode=kind(**values), **({"meter_info_requested": False} | own)
    )


def display(**values: Any) -> m.DisplayParameters:
    return m.DisplayParameters(**values)


def welding(processing: Processing = Processing.FINISHED) -> dc.DCWeldingDetectionReq:
    return dc.DCWeldingDetectionReq(header=HEAD, ev_processing=processing)


def session_stop(
    how: ChargingSession = ChargingSession.TERMINATE, code: str | None = None
) -> m.SessionStopReq:
    return m.SessionStopReq(header=HEAD, charging_session=how, ev_termination_code=code)


def certificate_installation() -> m.CertificateInstallationReq:
    from secc.messages.xmldsig import X509IssuerSerial

    roots = m.ListOfRootCertificateIDs(
        root_certificate_id=(X509IssuerSerial(x509_issuer_name="CN=Test Root", x509_serial_number=1),)
    )
    return m.CertificateInstallationReq(
        header=HEAD,
        oem_provisioning_certificate_chain=m.SignedCertificateChain(id="id1", certificate=b"\x30\x00"),
        list_of_root_certificate_ids=roots,
        maximum_contract_certificate_chains=1,
    )


def metering_confirmation() -> m.MeteringConfirmationReq:
    return m.MeteringConfirmationReq(
        header=HEAD,
        signed_metering_data=m.SignedMeteringData(
            id="id1",
            session_id=bytes(8),
            meter_info=m.MeterInfo(meter_id="meter", charged_energy_reading_wh=0),
            dynamic_smdt_control_mode=m.DynamicSMDTControlMode(),
        ),
    )


def check_in() -> m.VehicleCheckInReq:
    return m.VehicleCheckInReq(
        header=HEAD, ev_check_in_status=m.EvCheckInStatus.CHECK_IN, parking_method=m.ParkingMethod.MANUAL
    )


def check_out() -> m.VehicleCheckOutReq:
    return m.VehicleCheckOutReq(
        header=HEAD, ev_check_out_status=m.EvCheckOutStatus.CHECK_OUT, check_out_time=0
    )


EACH: dict[type[Any], Any] = {
    type(request): request
    for request in (
        session_setup(),
        authorization_setup(),
        authorization(),
        service_discovery(),
        service_detail(),
        selection(),
        dc_parameters(),
        ac_parameters(),
        scheduled(),
        cable_check(),
        pre_charge(),
        start(),
        dc_loop(),
        ac_loop(),
        welding(),
        session_stop(),
        certificate_installation(),
        metering_confirmation(),
        check_in(),
        check_out(),
    )
}
"""One of each request class."""


def addressed(request: Any, session_id: bytes) -> Any:
    """The request with this SessionID."""
    header = MessageHeader(session_id=session_id, time_stamp=HEAD.time_stamp)
    fields = {name: getattr(request, name) for name in request.__struct_fields__}
    return type(request)(**(fields | {"header": header}))


# --- the bench ---------------------------------------------------------------------------------------------


class Bench20(Bench):
    """A session of ISO 15118-20 on the bench."""

    def __init__(self, config: SeccConfig = DC, **extra: object) -> None:
        secure: dict[str, object] = {"tls": True, "tls13": True, "vehicle": vehicle_identity()}
        super().__init__(config, **(secure | extra))  # type: ignore[arg-type]
        dialect: Dialect = ISO20_DC if config.energy.offers_dc else ISO20_AC
        self.session.speak(dialect)

    @property
    def side(self) -> Iso20Side:
        return side(self.session)

    def ask(self, request: Any, session_id: bytes | None = None) -> Any:
        """Send a request; the response to it, if there is one at once."""
        named = self.session.session_id if session_id is None else session_id
        return said(self.feed(Received(addressed(request, named), self.evse)))

    def beside(self, request: Any, stream: Stream = Stream.SCHEDULE, session_id: bytes | None = None) -> Any:
        """Send a request on a side stream; the response to it there, if there is one at once."""
        named = self.session.session_id if session_id is None else session_id
        message = addressed(request, named)
        outputs = self.feed(Received(message, self.evse, stream=stream))
        sent = [one for one in outputs if isinstance(one, Send)]
        assert all(one.stream is stream for one in sent)
        return said(outputs)

    def prepare(self) -> None:
        """The isolation test and pre-charge of an EV that may start next."""
        self._test()
        self.ask(pre_charge())
        self.outlet(present_voltage=380.0)

    def _test(self) -> None:
        self.outlet(control_pilot=ControlPilot.C)
        self.ask(cable_check())
        self.isolation()
        self.ask(cable_check())

    # --- ways into a state ---

    def to_authorization(self) -> Bench20:
        self.ask(session_setup(), bytes(8))
        self.ask(authorization_setup())
        return self

    def to_services(self) -> Bench20:
        self.to_authorization()
        self.ask(authorization())
        self.authorize()
        self.ask(authorization())
        return self

    def to_selection(self, service: int = 2) -> Bench20:
        self.to_services()
        self.ask(service_discovery())
        self.ask(service_detail(service))
        return self

    def to_parameters(self, service: int = 2, parameter_set: int = SCHEDULED) -> Bench20:
        self.to_selection(service)
        self.ask(selection(service, parameter_set))
        return self

    def to_schedule(self, service: int = 2, parameter_set: int = SCHEDULED, **limits: float) -> Bench20:
        self.to_parameters(service, parameter_set)
        make = {1: ac_parameters, 5: ac_bpt_parameters, 2: dc_parameters, 6: dc_bpt_parameters}
        self.ask(make.get(service, dc_parameters)(**limits))  # type: ignore[operator]
        return self

    def to_cable_check(self, service: int = 2, parameter_set: int = SCHEDULED, **limits: float) -> Bench20:
        self.to_schedule(service, parameter_set, **limits)
        self.ask(scheduled() if parameter_set == SCHEDULED else dynamic())
        return self

    def to_pre_charge(self, service: int = 2, parameter_set: int = SCHEDULED, **limits: float) -> Bench20:
        self.to_cable_check(service, parameter_set, **limits)
        self._test()
        return self

    def to_power_on_dc(self, service: int = 2, parameter_set: int = SCHEDULED, **limits: float) -> Bench20:
        self.to_cable_check(service, parameter_set, **limits)
        self.prepare()
        return self

    def to_first_loop_dc(self, service: int = 2, parameter_set: int = SCHEDULED, **limits: float) -> Bench20:
        self.to_power_on_dc(service, parameter_set, **limits)
        self.ask(start() if parameter_set == SCHEDULED else dynamic_start())
        return self

    def to_power_on_ac(self, service: int = 1, parameter_set: int = SCHEDULED, **limits: float) -> Bench20:
        self.to_schedule(service, parameter_set, **limits)
        self.ask(scheduled() if parameter_set == SCHEDULED else dynamic())
        return self

    def to_first_loop_ac(self, service: int = 1, parameter_set: int = SCHEDULED, **limits: float) -> Bench20:
        self.to_power_on_ac(service, parameter_set, **limits)
        self.outlet(control_pilot=ControlPilot.C)
        self.ask(start() if parameter_set == SCHEDULED else dynamic_start())
        self.contactor()
        return self


def said(outputs: tuple[Any, ...]) -> Any:
    """The last response among the outputs."""
    messages = [output.message for output in outputs if isinstance(output, Send)]
    return messages[-1] if messages else None


def code(response: Any) -> str:
    """The response code as its literal."""
    return str(getattr(response, "response_code", "no response"))
