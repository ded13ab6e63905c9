"""The rows of the side streams of ISO 15118-20; how to read them: `secc.session.iso20.table`.

| stream | payload type | between |
|---|---|---|
| schedule renegotiation | 0x8101 | the first ChargeLoopReq and the end of the loop [V2G20-1846] |
| metering confirmation | 0x8102 | a request of the station and its answer [V2G20-1083] |

A confirmation that is on its way when the EV leaves the loop is still evidence: its stream stays open until
the answer, in standby, after the energy transfer and in the next loop.

Each stream has a state, and a timer. The main stream goes on as if there were no other. A request without a
row is out of order on its stream, and its FAILED_SequenceError ends the session.
"""

from __future__ import annotations

from secc.messages.iso20_ac import ACChargeParameterDiscoveryReq
from secc.messages.iso20_common import MeteringConfirmationReq, PowerDeliveryReq, ScheduleExchangeReq
from secc.messages.iso20_dc import DCChargeParameterDiscoveryReq
from secc.session.dialect import On, at
from secc.session.inputs import PricesOffered, SchedulesOffered
from secc.session.iso20.handlers import beside, metering
from secc.session.iso20.states import Iso20State, SideState
from secc.session.states import Stage, Timer
from secc.session.streams import Stream

_IDLE: set[Stage] = {SideState.SCHEDULE_AC, SideState.SCHEDULE_DC}

# fmt: off
BESIDE: tuple[On, ...] = (
    # --- schedule renegotiation ---
    *at(SideState.SCHEDULE_AC,
        (ACChargeParameterDiscoveryReq, beside.ac_parameters, {SideState.SCHEDULE_EXCHANGE},
         "V2G20-1045 V2G20-1046 V2G20-1846")),
    *at(SideState.SCHEDULE_DC,
        (DCChargeParameterDiscoveryReq, beside.dc_parameters, {SideState.SCHEDULE_EXCHANGE},
         "V2G20-1045 V2G20-1046 V2G20-1846")),
    *at(SideState.SCHEDULE_EXCHANGE,
        (ScheduleExchangeReq, beside.exchange, {SideState.SCHEDULE_EXCHANGE, SideState.SCHEDULE_PROFILE},
         "V2G20-1048 V2G20-1052"),
        (SchedulesOffered, beside.offered, {SideState.SCHEDULE_EXCHANGE}, "V2G20-1987"),
        (PricesOffered, beside.priced, {SideState.SCHEDULE_EXCHANGE}, "V2G20-1987"),
        (Timer.CHARGE_PARAMETERS, beside.still, {SideState.SCHEDULE_EXCHANGE}, "V2G20-1987"),
        (Timer.SIDE_STREAM, beside.late, _IDLE, "V2G20-1052")),
    *at(SideState.SCHEDULE_PROFILE,
        (PowerDeliveryReq, beside.profile, {SideState.SCHEDULE_PROFILE, *_IDLE},
         "V2G20-479 V2G20-1050 V2G20-1052"),
        (Timer.SIDE_STREAM, beside.late, _IDLE, "V2G20-1052")),

    # --- metering confirmation ---
    *at(SideState.METERING_REQUESTED,
        (MeteringConfirmationReq, metering.confirmed, {SideState.METERING_IDLE, SideState.METERING_REQUESTED},
         "V2G20-1083 V2G20-1084"),
        (Timer.METERING_CONFIRMATION, metering.late, {SideState.METERING_LATE}, "")),
    *at(SideState.METERING_LATE,
        (MeteringConfirmationReq, metering.confirmed, {SideState.METERING_IDLE, SideState.METERING_LATE},
         "V2G20-1083 V2G20-1084")),
)
# fmt: on

OPENS: dict[Stage, dict[Stream, Stage]] = {
    Iso20State.WAIT_LOOP_AC: {
        Stream.SCHEDULE: SideState.SCHEDULE_AC,
        Stream.METERING: SideState.METERING_IDLE,
    },
    Iso20State.WAIT_LOOP_DC: {
        Stream.SCHEDULE: SideState.SCHEDULE_DC,
        Stream.METERING: SideState.METERING_IDLE,
    },
}
"""The states of the main stream with side streams, and where each begins. A response of the loop that asks
for a metering confirmation leads to METERING_REQUESTED."""

LASTS: frozenset[Stage] = frozenset({SideState.METERING_REQUESTED, SideState.METERING_LATE})
"""A confirmation is awaited, wherever the main stream goes."""
