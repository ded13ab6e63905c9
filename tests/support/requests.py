"""A minimal valid instance of each request of ISO 15118-2, and of the values in them."""

from secc.messages import iso2
from secc.messages.iso2 import (
    ACEVChargeParameter,
    AuthorizationReq,
    BodyElement,
    CableCheckReq,
    CertificateChain,
    CertificateInstallationReq,
    CertificateUpdateReq,
    ChargeParameterDiscoveryReq,
    ChargeProgress,
    ChargingProfile,
    ChargingSession,
    ChargingStatusReq,
    CurrentDemandReq,
    DCEVChargeParameter,
    DCEVErrorCode,
    DCEVStatus,
    EnergyTransferMode,
    ListOfRootCertificateIDs,
    MeterInfo,
    MeteringReceiptReq,
    PaymentDetailsReq,
    PaymentOption,
    PaymentServiceSelectionReq,
    PhysicalValue,
    PowerDeliveryReq,
    PreChargeReq,
    ProfileEntry,
    SelectedService,
    SelectedServiceList,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    SessionSetupReq,
    SessionStopReq,
    UnitSymbol,
    WeldingDetectionReq,
)
from secc.messages.xmldsig import Signature, X509IssuerSerial


def volts(value: int, multiplier: int = 0) -> PhysicalValue:
    return PhysicalValue(multiplier=multiplier, unit=UnitSymbol.V, value=value)


def amperes(value: int, multiplier: int = 0) -> PhysicalValue:
    return PhysicalValue(multiplier=multiplier, unit=UnitSymbol.A, value=value)


def watts(value: int, multiplier: int = 0) -> PhysicalValue:
    return PhysicalValue(multiplier=multiplier, unit=UnitSymbol.W, value=value)


def watt_hours(value: int, multiplier: int = 0) -> PhysicalValue:
    return PhysicalValue(multiplier=multiplier, unit=UnitSymbol.WH, value=value)


def session_setup() -> SessionSetupReq:
    return SessionSetupReq(evcc_id=bytes.fromhex("020000000001"))


def service_discovery() -> ServiceDiscoveryReq:
    return ServiceDiscoveryReq()


def service_detail(service_id: int = 1) -> ServiceDetailReq:
    return ServiceDetailReq(service_id=service_id)


def payment_selection(
    option: PaymentOption = PaymentOption.EXTERNAL_PAYMENT, services: tuple[int, ...] = (1,)
) -> PaymentServiceSelectionReq:
    return PaymentServiceSelectionReq(
        selected_payment_option=option,
        selected_service_list=SelectedServiceList(
            selected_service=tuple(SelectedService(service_id=service) for service in services)
        ),
    )


def payment_details() -> PaymentDetailsReq:
    return PaymentDetailsReq(
        emaid="DEAAAC12345678", contract_signature_cert_chain=CertificateChain(certificate=b"\x30\x00")
    )


def authorization() -> AuthorizationReq:
    return AuthorizationReq()


def ac_parameters(
    mode: EnergyTransferMode = EnergyTransferMode.AC_THREE_PHASE_CORE,
    *,
    max_current: PhysicalValue | None = None,
    min_current: PhysicalValue | None = None,
    max_voltage: PhysicalValue | None = None,
    energy: PhysicalValue | None = None,
    departure: int | None = None,
    max_entries: int | None = None,
) -> ChargeParameterDiscoveryReq:
    return ChargeParameterDiscoveryReq(
        max_entries_sa_schedule_tuple=max_entries,
        requested_energy_transfer_mode=mode,
        ev_charge_parameter=ACEVChargeParameter(
            departure_time=departure,
            e_amount=energy or watt_hours(20_000),
            ev_max_voltage=max_voltage or volts(400),
            ev_max_current=max_current or amperes(32),
            ev_min_current=min_current or amperes(6),
        ),
    )


def dc_parameters(
    mode: EnergyTransferMode = EnergyTransferMode.DC_EXTENDED,
    *,
    max_voltage: PhysicalValue | None = None,
    max_current: PhysicalValue | None = None,
    max_power: PhysicalValue | None = None,
    departure: int | None = None,
    max_entries: int | None = None,
) -> ChargeParameterDiscoveryReq:
    return ChargeParameterDiscoveryReq(
        max_entries_sa_schedule_tuple=max_entries,
        requested_energy_transfer_mode=mode,
        ev_charge_parameter=DCEVChargeParameter(
            departure_time=departure,
            dc_ev_status=dc_ev_status(),
            ev_maximum_current_limit=max_current or amperes(100),
            ev_maximum_power_limit=max_power,
            ev_maximum_voltage_limit=max_voltage or volts(410),
        ),
    )


def dc_ev_status(*, ready: bool = True, error: DCEVErrorCode = DCEVErrorCode.NO_ERROR) -> DCEVStatus:
    return DCEVStatus(ev_ready=ready, ev_error_code=error, ev_ress_soc=40)


def power_delivery(
    progress: ChargeProgress = ChargeProgress.START,
    *,
    schedule_id: int = 1,
    profile: tuple[tuple[int, PhysicalValue], ...] = (),
) -> PowerDeliveryReq:
    entries = tuple(
        ProfileEntry(charging_profile_entry_start=start, charging_profile_entry_max_power=power)
        for start, power in profile
    )
    return PowerDeliveryReq(
        charge_progress=progress,
        sa_schedule_tuple_id=schedule_id,
        charging_profile=ChargingProfile(profile_entry=entries) if entries else None,
    )


def start() -> PowerDeliveryReq:
    return power_delivery(ChargeProgress.START)


def stop() -> PowerDeliveryReq:
    return power_delivery(ChargeProgress.STOP)


def renegotiate() -> PowerDeliveryReq:
    return power_delivery(ChargeProgress.RENEGOTIATE)


def charging_status() -> ChargingStatusReq:
    return ChargingStatusReq()


def metering_receipt() -> MeteringReceiptReq:
    return MeteringReceiptReq(session_id=bytes(8), meter_info=MeterInfo(meter_id="meter"))


def cable_check() -> CableCheckReq:
    return CableCheckReq(dc_ev_status=dc_ev_status())


def pre_charge(voltage: PhysicalValue | None = None, current: PhysicalValue | None = None) -> PreChargeReq:
    return PreChargeReq(
        dc_ev_status=dc_ev_status(),
        ev_target_voltage=voltage or volts(380),
        ev_target_current=current or amperes(2),
    )


def current_demand(
    voltage: PhysicalValue | None = None,
    current: PhysicalValue | None = None,
    *,
    status: DCEVStatus | None = None,
    complete: bool = False,
    max_voltage: PhysicalValue | None = None,
    max_current: PhysicalValue | None = None,
    max_power: PhysicalValue | None = None,
) -> CurrentDemandReq:
    return CurrentDemandReq(
        dc_ev_status=status or dc_ev_status(),
        ev_target_current=current or amperes(80),
        ev_maximum_voltage_limit=max_voltage,
        ev_maximum_current_limit=max_current,
        ev_maximum_power_limit=max_power,
        charging_complete=complete,
        ev_target_voltage=voltage or volts(400),
    )


def welding_detection() -> WeldingDetectionReq:
    return WeldingDetectionReq(dc_ev_status=dc_ev_status())


def session_stop(how: ChargingSession = ChargingSession.TERMINATE) -> SessionStopReq:
    return SessionStopReq(charging_session=how)


def certificate_installation() -> CertificateInstallationReq:
    return CertificateInstallationReq(
        id="id1", oem_provisioning_cert=b"\x30\x00", list_of_root_certificate_ids=_roots()
    )


def certificate_update() -> CertificateUpdateReq:
    return CertificateUpdateReq(
        id="id1",
        contract_signature_cert_chain=CertificateChain(certificate=b"\x30\x00"),
        emaid="DEAAAC12345678",
        list_of_root_certificate_ids=_roots(),
    )


def _roots() -> ListOfRootCertificateIDs:
    return ListOfRootCertificateIDs(
        root_certificate_id=(X509IssuerSerial(x509_issuer_name="CN=Test Root", x509_serial_number=1),)
    )


EACH: dict[type[BodyElement], BodyElement] = {
    type(request): request
    for request in (
        session_setup(),
        service_discovery(),
        service_detail(),
        payment_selection(),
        payment_details(),
        authorization(),
        ac_parameters(),
        start(),
        charging_status(),
        metering_receipt(),
        cable_check(),
        pre_charge(),
        current_demand(),
        welding_detection(),
        session_stop(),
        certificate_installation(),
        certificate_update(),
    )
}
"""One of each request class."""


def message(
    session_id: bytes, body: BodyElement | None, signature: Signature | None = None
) -> iso2.V2GMessage:
    """A request with its header."""
    return iso2.V2GMessage(header=iso2.MessageHeader(session_id=session_id, signature=signature), body=body)
