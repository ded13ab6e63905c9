"""The requests of ISO 15118-20 that are the same in AC and DC, as a simulated EV makes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from secc.messages import iso20_common as common
from secc.messages.iso20_common import ChargeProgress, ChargingSession, Processing
from secc.session.prices import PriceAlgorithm

__all__ = [
    "HEADER",
    "authorization",
    "contract_authorization",
    "energy_offer",
    "metering_confirmation",
    "power_delivery",
    "schedule_exchange",
    "service_discovery",
    "service_selection",
    "session_setup",
    "session_stop",
]

HEADER = common.MessageHeader(session_id=bytes(8), time_stamp=0)
"""To be replaced when the message is sent: SessionID and time are known then."""


def session_setup(evcc_id: str) -> common.SessionSetupReq:
    """SessionSetupReq with an EVCCID; the SessionID of the header says whether a session is to be joined."""
    return common.SessionSetupReq(header=HEADER, evcc_id=evcc_id)


def authorization() -> common.AuthorizationReq:
    """External identification."""
    return common.AuthorizationReq(
        header=HEADER,
        selected_authorization_service=common.Authorization.EIM,
        eim_a_req_authorization_mode=common.EIMAReqAuthorizationMode(),
    )


def contract_authorization(mode: common.PnCAReqAuthorizationMode) -> common.AuthorizationReq:
    """By contract; its signature goes into the header when it is sent."""
    return common.AuthorizationReq(
        header=HEADER,
        selected_authorization_service=common.Authorization.PNC,
        pnc_a_req_authorization_mode=mode,
    )


def service_discovery(*only: int) -> common.ServiceDiscoveryReq:
    """`only`: SupportedServiceIDs."""
    ids = common.ServiceIDList(service_id=only) if only else None
    return common.ServiceDiscoveryReq(header=HEADER, supported_service_ids=ids)


def service_selection(
    service: int, parameter_set: int, added: Iterable[tuple[int, int]] = ()
) -> common.ServiceSelectionReq:
    """ServiceSelectionReq for an energy service and one of its sets; `added`: value-added ones likewise."""
    chosen = common.SelectedService(service_id=service, parameter_set_id=parameter_set)
    others = tuple(common.SelectedService(service_id=one, parameter_set_id=its) for one, its in added)
    return common.ServiceSelectionReq(
        header=HEADER,
        selected_energy_transfer_service=chosen,
        selected_vas_list=common.SelectedServiceList(selected_service=others) if others else None,
    )


def energy_offer(
    power: common.RationalNumber, fee: common.RationalNumber, *, anchor: int, duration: int
) -> common.EVEnergyOffer:
    """So much power for so many seconds, at a price in EUR per kWh."""
    entry = common.EVPowerScheduleEntry(duration=duration, power=power)
    rule = common.EVPriceRule(energy_fee=fee, power_range_start=common.RationalNumber(exponent=0, value=0))
    stack = common.EVPriceRuleStack(duration=duration, ev_price_rule=(rule,))
    return common.EVEnergyOffer(
        ev_power_schedule=common.EVPowerSchedule(
            time_anchor=anchor,
            ev_power_schedule_entries=common.EVPowerScheduleEntryList(ev_power_schedule_entry=(entry,)),
        ),
        ev_absolute_price_schedule=common.EVAbsolutePriceSchedule(
            time_anchor=anchor,
            currency="EUR",
            price_algorithm=PriceAlgorithm.POWER.value,
            ev_price_rule_stacks=common.EVPriceRuleStackList(ev_price_rule_stack=(stack,)),
        ),
    )


def schedule_exchange(
    *, dynamic: bool, departure: int | None, points: int = 1024, **needs: Any
) -> common.ScheduleExchangeReq:
    """`needs`: energy requests, as fields of the control mode."""
    if dynamic:
        mode = common.DynamicSEReqControlMode(departure_time=departure or 0, **needs)
        return common.ScheduleExchangeReq(
            header=HEADER, maximum_supporting_points=points, dynamic_se_req_control_mode=mode
        )
    scheduled = common.ScheduledSEReqControlMode(departure_time=departure, **needs)
    return common.ScheduleExchangeReq(
        header=HEADER, maximum_supporting_points=points, scheduled_se_req_control_mode=scheduled
    )


def power_delivery(
    progress: ChargeProgress,
    profile: common.EVPowerProfile | None,
    processing: Processing = Processing.FINISHED,
) -> common.PowerDeliveryReq:
    """PowerDeliveryReq, with or without a power profile."""
    return common.PowerDeliveryReq(
        header=HEADER, ev_processing=processing, charge_progress=progress, ev_power_profile=profile
    )


def metering_confirmation(data: common.SignedMeteringData) -> common.MeteringConfirmationReq:
    """The reading to confirm; its signature goes into the header when it is sent."""
    return common.MeteringConfirmationReq(header=HEADER, signed_metering_data=data)


def session_stop(how: ChargingSession) -> common.SessionStopReq:
    """SessionStopReq with a reason of the EV."""
    return common.SessionStopReq(
        header=HEADER, charging_session=how, ev_termination_code="0", ev_termination_explanation="done"
    )
