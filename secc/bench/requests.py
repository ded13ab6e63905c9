"""Requests of the EV, each valid unless an argument changes it."""

from __future__ import annotations

from secc.bench.target import EvData
from secc.messages import iso2
from secc.messages.app_protocol import AppProtocol, SupportedAppProtocolReq
from secc.messages.iso2 import ChargeProgress, DCEVErrorCode, EnergyTransferMode, PaymentOption, UnitSymbol
from secc.sim.script import physical

ISO2 = "urn:iso:15118:2:2013:MsgDef"


def offer(
    *entries: tuple[str, int, int, int, int],
) -> SupportedAppProtocolReq:
    """Entries of namespace, major, minor, SchemaID, priority; default: only ISO 15118-2."""
    return SupportedAppProtocolReq(
        app_protocol=tuple(
            AppProtocol(
                protocol_namespace=namespace,
                version_number_major=major,
                version_number_minor=minor,
                schema_id=schema_id,
                priority=priority,
            )
            for namespace, major, minor, schema_id, priority in entries or ((ISO2, 2, 0, 1, 1),)
        )
    )


def session_setup(ev: EvData) -> iso2.SessionSetupReq:
    return iso2.SessionSetupReq(evcc_id=ev.evcc_id)


def selection(option: PaymentOption, *services: tuple[int, int | None]) -> iso2.PaymentServiceSelectionReq:
    """Services with their parameter sets; default: the charge service."""
    return iso2.PaymentServiceSelectionReq(
        selected_payment_option=option,
        selected_service_list=iso2.SelectedServiceList(
            selected_service=tuple(
                iso2.SelectedService(service_id=service, parameter_set_id=parameter_set)
                for service, parameter_set in services or ((1, None),)
            )
        ),
    )


def parameters(
    ev: EvData,
    mode: EnergyTransferMode,
    *,
    departure: int | None = None,
    entries: int | None = None,
    max_current: float | None = None,
    dc: bool | None = None,
) -> iso2.ChargeParameterDiscoveryReq:
    """`dc`: parameters of this kind, in any mode."""
    is_dc = mode.value.startswith("DC") if dc is None else dc
    return iso2.ChargeParameterDiscoveryReq(
        max_entries_sa_schedule_tuple=entries,
        requested_energy_transfer_mode=mode,
        ev_charge_parameter=_dc(ev, departure, max_current) if is_dc else _ac(ev, departure, max_current),
    )


def _dc(ev: EvData, departure: int | None, max_current: float | None) -> iso2.DCEVChargeParameter:
    return iso2.DCEVChargeParameter(
        departure_time=departure,
        dc_ev_status=dc_status(),
        ev_maximum_current_limit=physical(
            ev.max_current if max_current is None else max_current, UnitSymbol.A
        ),
        ev_maximum_voltage_limit=physical(ev.max_voltage, UnitSymbol.V),
        ev_energy_request=physical(ev.energy, UnitSymbol.WH),
    )


def _ac(ev: EvData, departure: int | None, max_current: float | None) -> iso2.ACEVChargeParameter:
    return iso2.ACEVChargeParameter(
        departure_time=departure,
        e_amount=physical(ev.energy, UnitSymbol.WH),
        ev_max_voltage=physical(400.0, UnitSymbol.V),
        ev_max_current=physical(ev.ac_current if max_current is None else max_current, UnitSymbol.A),
        ev_min_current=physical(6.0, UnitSymbol.A),
    )


def dc_status(error: DCEVErrorCode = DCEVErrorCode.NO_ERROR, *, ready: bool = True) -> iso2.DCEVStatus:
    return iso2.DCEVStatus(ev_ready=ready, ev_error_code=error, ev_ress_soc=40)


def delivery(
    progress: ChargeProgress,
    schedule_id: int,
    *,
    dc: bool,
    profile: iso2.ChargingProfile | None = None,
    error: DCEVErrorCode = DCEVErrorCode.NO_ERROR,
) -> iso2.PowerDeliveryReq:
    parameter = None
    if dc:
        stop = progress is ChargeProgress.STOP
        parameter = iso2.DCEVPowerDeliveryParameter(dc_ev_status=dc_status(error), charging_complete=stop)
    return iso2.PowerDeliveryReq(
        charge_progress=progress,
        sa_schedule_tuple_id=schedule_id,
        charging_profile=profile,
        ev_power_delivery_parameter=parameter,
    )


def profile(schedule: iso2.SAScheduleTuple, *, factor: float = 1.0) -> iso2.ChargingProfile:
    """Return a profile with the power of the schedule times a factor."""
    entries = schedule.p_max_schedule.p_max_schedule_entry[:24]
    return iso2.ChargingProfile(
        profile_entry=tuple(
            iso2.ProfileEntry(
                charging_profile_entry_start=entry.time_interval.start,
                charging_profile_entry_max_power=physical(
                    factor * entry.p_max.value * 10.0**entry.p_max.multiplier, UnitSymbol.W
                ),
            )
            for entry in entries
        )
    )


def cable_check() -> iso2.CableCheckReq:
    return iso2.CableCheckReq(dc_ev_status=dc_status())


def pre_charge(ev: EvData) -> iso2.PreChargeReq:
    return iso2.PreChargeReq(
        dc_ev_status=dc_status(),
        ev_target_voltage=physical(ev.voltage, UnitSymbol.V),
        ev_target_current=physical(1.0, UnitSymbol.A),
    )


def current_demand(ev: EvData) -> iso2.CurrentDemandReq:
    return iso2.CurrentDemandReq(
        dc_ev_status=dc_status(),
        ev_target_current=physical(ev.current, UnitSymbol.A),
        ev_target_voltage=physical(ev.voltage + 5.0, UnitSymbol.V),
        charging_complete=False,
    )


def welding_detection() -> iso2.WeldingDetectionReq:
    return iso2.WeldingDetectionReq(dc_ev_status=dc_status())


def session_stop(how: iso2.ChargingSession = iso2.ChargingSession.TERMINATE) -> iso2.SessionStopReq:
    return iso2.SessionStopReq(charging_session=how)
