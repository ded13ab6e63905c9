"""Values on the wire with the sign of this session, and what the EV says in numbers."""

from __future__ import annotations

from secc.messages import iso20_common as m
from secc.messages.iso20_common import EvseNotification, RationalNumber
from secc.session.context import Context
from secc.session.iso20 import numbers
from secc.session.iso20.side import Iso20Side, selection, side
from secc.session.outlet import MeterReading
from secc.session.quantities import Milli
from secc.settings.iso20 import DischargeSign

ZERO = RationalNumber(exponent=0, value=0)


def magnitude(number: RationalNumber) -> int:
    """Thousandths of a discharge limit with either sign [V2G20-1213]."""
    return numbers.down(number) if number.value >= 0 else numbers.down(negated(number))


def toward_zero(number: RationalNumber) -> Milli:
    """Thousandths of a target, rounded towards zero; the sign is kept."""
    return Milli(numbers.down(number) if number.value >= 0 else -numbers.down(negated(number)))


def discharge_limit(room: Iso20Side, most: int) -> RationalNumber:
    """A discharge limit of the station: a magnitude, with the sign that this session uses."""
    return signed(room, numbers.maximum(most))


def signed(room: Iso20Side, magnitude: RationalNumber) -> RationalNumber:
    """A magnitude of discharge with the sign that this session uses."""
    return magnitude if room.positive_discharge else negated(magnitude)


def negated(number: RationalNumber) -> RationalNumber:
    """The same magnitude in the other direction."""
    return RationalNumber(exponent=number.exponent, value=-number.value)


def settle_sign(session: Context, *limits: RationalNumber) -> None:
    """Choose the sign of the station's discharge limits by those of the EV, or by the setting."""
    sign = session.config.iso20.discharge_sign
    mirrored = any(limit.value > 0 for limit in limits)
    positive = mirrored if sign is DischargeSign.MIRROR else sign is DischargeSign.POSITIVE
    side(session).positive_discharge = positive


def measured(value: float) -> RationalNumber:
    """A measurement; what is no number counts as zero."""
    return numbers.nearest(int(value * 1000)) if abs(value) < 1e9 else ZERO


def meter_info(session: Context, status: m.EVSEStatus | None, *, asked: bool) -> m.MeterInfo | None:
    """MeterInfo, if the EV asks for it [V2G20-1081] [V2G20-1082], and with the first response of a loop
    [V2G20-1833]; None without a fresh reading. The registers are those of the meter, since the beginning of
    its life [INV-33]; that of the other direction is sent only in services of both directions, as one EV in
    the field cannot read it. With the request of a confirmation it is the reading to confirm
    [V2G20-1083]."""
    room, reading = side(session), session.evse.meter
    if status is not None and status.evse_notification is EvseNotification.METERING_CONFIRMATION:
        room.metered = True
        return None if room.metering is None else room.metering.meter_info
    if reading is None or not session.config.energy.meter_info or not (asked or not room.metered):
        return None
    room.metered = True
    return meter_info_of(session, reading)


def meter_info_of(session: Context, reading: MeterReading) -> m.MeterInfo:
    """MeterInfo of a reading."""
    both = selection(session).service.bidirectional
    return m.MeterInfo(
        meter_id=reading.meter_id,
        charged_energy_reading_wh=reading.energy,
        bpt_discharged_energy_reading_wh=reading.exported if both else None,
        meter_signature=reading.signature,
        meter_status=reading.status,
        meter_timestamp=reading.utc,
    )
