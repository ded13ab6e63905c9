"""What a simulated EV wants of a session in ISO 15118-20."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from secc.messages.iso20_common import ChargingSession
from secc.session.iso20.services import ControlMode, Service
from secc.settings.iso20 import Pricing
from secc.sim.iso20.contract import Iso20Contract
from secc.sim.iso20.metering_fault import MeteringFault
from secc.sim.iso20.wallet import Iso20Wallet
from secc.sim.moves import Move, Request

__all__ = ["Iso20Plan"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Iso20Plan:
    """What the EV wants of its session."""

    service: Service = Service.DC
    control: ControlMode = ControlMode.SCHEDULED
    mobility_needs: int = 1
    """MobilityNeedsMode: 1, the EV names its needs; 2, the station may, in Dynamic mode only."""
    pricing: Pricing | None = None
    """Form of the prices that it wants with the schedules; None: whatever comes
    first."""
    phases: int = 3
    """AC: phases of the on-board charger."""
    loops: int | None = 20
    """Messages of the charge loop; None: until `energy` or the battery is full."""
    energy: float | None = None
    """Wh to take; None: no such limit."""
    discharge_at: int | None = None
    """Scheduled and bidirectional: from this message of the charge loop on the EV offers to discharge."""
    offer_fee: float | None = None
    """Scheduled and bidirectional: the EV offers the energy of its battery at this price, EUR per kWh."""
    phase_currents: tuple[float, float, float] | None = None
    """AC, three phases: A that it takes and gives on each at most, and names as limits of L1, L2 and L3;
    None: the same on all, as one sum."""
    parking: bool = False
    """Select the ParkingStatus service, check in before the charge, and out after it."""
    grid_event: int = 0
    """AC_DER_IEC: the GridEventCondition that the EV reports, 0..255 ..."""
    grid_event_at: int = 0
    """... from this message of the charge loop on."""
    negative_limits: bool = False
    """Discharge limits are written below zero, as the text has it; stations mirror what they read."""
    pace: float = 0.1
    """Seconds between a response and the next request in the loops (charging, Ongoing, pre-charge)."""
    think: float = 0.0
    """The same elsewhere."""
    waits: Mapping[type, float] = dataclasses.field(default_factory=dict)
    """Seconds before the first request of a class, for cars that take their time."""
    end: ChargingSession = ChargingSession.TERMINATE
    """How the session is ended; `Pause` keeps it for later."""
    session_id: bytes = bytes(8)
    """SessionID of the first request: that of a paused session to join it again."""
    evcc_id: str = "ZZZVTESTCAR00000001X"
    """EVCCID, in TLS the common name of the vehicle certificate."""
    departure: int = 3600
    """Seconds until departure."""
    points: int = 1024
    """MaximumSupportingPoints of a schedule."""
    confirms_tolerance: bool = True
    """Scheduled: accept the power tolerance of the schedule; one station demands the element in any case."""
    contracts: tuple[Iso20Contract, ...] = ()
    """Contracts to authorize with, each after a warning about the one before; empty: by external
    identification."""
    external_last: bool = False
    """Try external identification after the last contract."""
    authorization_tries: int = 1
    """How often it asks for external identification after a warning."""
    wallet: Iso20Wallet | None = None
    """Certificates for contracts; contracts are installed if the station offers it."""
    renegotiate_at: int | None = None
    """Ask for a new schedule after so many messages of the charge loop."""
    side_stream: bool = True
    """Negotiate it beside the charge loop, in payload type 0x8101; otherwise on the main stream."""
    renegotiate_service: bool = False
    """Charge twice: the second time after a renegotiation of the service."""
    standby_at: int | None = None
    """Ask for standby after so many messages of the charge loop."""
    standby_loops: int = 3
    """Messages of the charge loop in standby; then the EV goes on by itself."""
    metering_fault: MeteringFault | None = None
    """What it does wrong with metering confirmations."""
    metering_beside: bool = True
    """Confirm on the side stream 0x8102; otherwise on the main stream."""
    ongoing_starts: int = 0
    """PowerDeliveryReq(Start) with EVProcessing Ongoing before the one that counts."""
    finishes_pre_charge: bool = True
    """Send the PreChargeReq with EVProcessing Finished; many EVs leave it out."""
    welding_detection: bool = True
    """DC: look for welded contactors at the end, as the text demands."""
    tamper: Callable[[Request, int], Move | None] | None = None
    """Misbehave: asked before each request, with the number of earlier ones of its class; a move that is
    returned takes the place of the request, None leaves it."""
