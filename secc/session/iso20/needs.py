"""The needs of the EV on their way to the back end: with each negotiation of a schedule, and now and then in
the charge loop."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from secc.messages import iso20_common as m
from secc.messages.iso20_common import RationalNumber
from secc.session.context import Context
from secc.session.iso20 import wire
from secc.session.iso20.side import side
from secc.session.needs import EnergyOffer, FeedInFee, NeedsReported, OfferedPower, VehicleNeeds
from secc.session.quantities import number


def negotiated(session: Context, request: m.ScheduleExchangeReq) -> None:
    """With ScheduleExchangeReq: report what is new since the last time."""
    mode = request.dynamic_se_req_control_mode or request.scheduled_se_req_control_mode
    offered = getattr(request.scheduled_se_req_control_mode, "ev_energy_offer", None)
    offer = None if offered is None else energy_offer(offered)
    found = msgspec.structs.replace(_said(session, mode), offer=offer)
    if found != side(session).needs:
        _report(session, found)


def watch(session: Context, mode: object) -> None:
    """With a request of the charge loop: the same, each `iso20.needs_interval` at most."""
    room = side(session)
    if session.now < room.needs_at + session.config.iso20.needs_interval:
        return
    found = _said(session, mode)
    before = room.needs
    if before is None or found != msgspec.structs.replace(before, offer=None):
        _report(session, found)


def _report(session: Context, found: VehicleNeeds) -> None:
    room = side(session)
    room.needs, room.needs_at = found, session.now
    session.emit(NeedsReported(found))


def _said(session: Context, mode: object) -> VehicleNeeds:
    battery, parameters = side(session).battery, session.parameters
    departure = None if parameters is None else parameters.departure
    said: int | None = getattr(mode, "departure_time", None)
    return VehicleNeeds(
        departure=departure if said is None else said,
        target_energy=_energy(mode, "ev_target_energy_request"),
        minimum_energy=_energy(mode, "ev_minimum_energy_request"),
        maximum_energy=_energy(mode, "ev_maximum_energy_request"),
        minimum_v2x_energy=_energy(mode, "ev_minimum_v2_x_energy_request"),
        maximum_v2x_energy=_energy(mode, "ev_maximum_v2_x_energy_request"),
        present_soc=battery.present_soc,
        minimum_soc=battery.minimum_soc,
        target_soc=battery.target_soc,
        full=battery.complete,
    )


def _energy(mode: object, name: str) -> float | None:
    value: RationalNumber | None = getattr(mode, name, None)
    return None if value is None else number(wire.toward_zero(value))


def energy_offer(offered: m.EVEnergyOffer) -> EnergyOffer:
    """EVEnergyOffer in domain terms. The sign of a power says nothing new: the EV feeds back."""
    entries = offered.ev_power_schedule.ev_power_schedule_entries.ev_power_schedule_entry
    prices = offered.ev_absolute_price_schedule
    starts = _starts([one.duration for one in entries])
    return EnergyOffer(
        power=tuple(
            OfferedPower(start, number(wire.magnitude(one.power)))
            for start, one in zip(starts, entries, strict=True)
        ),
        duration=sum(one.duration for one in entries),
        currency=prices.currency,
        algorithm=prices.price_algorithm,
        fees=tuple(_fees(prices.ev_price_rule_stacks.ev_price_rule_stack)),
    )


def _fees(stacks: tuple[m.EVPriceRuleStack, ...]) -> Iterator[FeedInFee]:
    for start, stack in zip(_starts([one.duration for one in stacks]), stacks, strict=True):
        for rule in stack.ev_price_rule:
            power = number(wire.magnitude(rule.power_range_start))
            yield FeedInFee(start, power, rule.energy_fee.value * 10.0**rule.energy_fee.exponent)


def _starts(durations: list[int]) -> list[int]:
    found, start = [], 0
    for duration in durations:
        found.append(start)
        start += duration
    return found
