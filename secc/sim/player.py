"""Plays the EV of a recorded session: its messages, in their order, at their times.

A recording holds both sides of one TCP connection. Of the car everything is kept, down to its encoder's
habits; only what the station hands out is replaced by what this station handed out: the session id and the
schedule id. Of the recorded station only its world is taken over: what it offered (`config_for`), and when
the person was authorised, the isolation test was done, the contactor closed, a stop was ordered, and which
voltage stood at the output (`Cue`). What is answered, and whether it is accepted, is our own doing.

The control pilot is in no recording of the network. It is moved as a car moves it: to C when it asks for
the cable check or for energy, back to B before what follows PowerDeliveryReq(Stop).
"""

import dataclasses
import json
import math
import pathlib

import msgspec

from secc import exi
from secc.errors import DecodeError
from secc.messages import din, iso2
from secc.messages.app_protocol import SupportedAppProtocolReq, SupportedAppProtocolRes
from secc.messages.iso2 import ChargeProgress, EVSENotification, EVSEProcessing, UnitSymbol, V2GMessage
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason
from secc.session.quantities import amount, number
from secc.settings.config import SeccConfig
from secc.settings.energy import AcConfig, DcConfig, EnergyConfig, EnergyMode
from secc.settings.protocols import ProtocolName
from secc.settings.timing import TimingConfig

__all__ = [
    "Body",
    "Cue",
    "CarExchange",
    "Ids",
    "Quantity",
    "Recording",
    "body_of",
    "cable_check_time",
    "chosen_end",
    "config_for",
    "cues",
    "decoded",
    "load",
    "voltage_readings",
]

Body = iso2.BodyElement | din.BodyElement
Quantity = iso2.PhysicalValue | din.PhysicalValue

ISO2 = "urn:iso:15118:2:2013:MsgDef"
DIN = "urn:din:70121:2012:MsgDef"


@dataclasses.dataclass(frozen=True, slots=True)
class CarExchange:
    """A request of the car and what the recorded station answered."""

    at: float
    """Seconds, by the clock of the recording."""
    payload: bytes
    """EXI, as the car sent it."""
    answered_at: float | None
    answer: msgspec.Struct | None
    """None: the recording ends before it, or it cannot be decoded."""

    @property
    def request(self) -> msgspec.Struct | None:
        """The message in `payload`; None when it is not a message of a known schema."""
        return decoded(self.payload)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One session of a real car at some other station.

    A recording may be without a message of the car: there is nothing to play then.
    """

    name: str
    """Where it comes from; sessions of one plug-in share the part before the `#`."""
    car: str
    peer: str
    """The station it was recorded at."""
    exchanges: tuple[CarExchange, ...]

    @property
    def protocol(self) -> str | None:
        """Namespace that was agreed on; None when there was no agreement."""
        if not self.exchanges:
            return None
        offer, answer = self.exchanges[0].request, self.exchanges[0].answer
        if not isinstance(offer, SupportedAppProtocolReq) or not isinstance(answer, SupportedAppProtocolRes):
            return None
        if answer.response_code.value.startswith("Failed"):
            return None
        chosen = [entry for entry in offer.app_protocol if entry.schema_id == answer.schema_id]
        return chosen[0].protocol_namespace if chosen else None

    @property
    def plug_in(self) -> str:
        """Sessions with the same value followed each other without unplugging."""
        return self.name.partition("#")[0]

    @property
    def duration(self) -> float:
        """Seconds from the first message of the car to the last; 0 without one."""
        return self.exchanges[-1].at - self.exchanges[0].at if self.exchanges else 0.0


def load(path: pathlib.Path) -> tuple[Recording, ...]:
    """Recordings, one a line: `session`, `car`, `peer`, and `frames` of (seconds, 0 = from the car, hex)."""
    return tuple(_recording(json.loads(line)) for line in path.read_text("utf-8").splitlines() if line)


def _recording(data: dict[str, object]) -> Recording:
    frames = data["frames"]
    assert isinstance(frames, list)
    exchanges: list[CarExchange] = []
    for at, direction, text in frames:
        payload = bytes.fromhex(text)
        if direction == 0:
            exchanges.append(CarExchange(at, payload, None, None))
        elif exchanges and exchanges[-1].answered_at is None:
            exchanges[-1] = dataclasses.replace(exchanges[-1], answered_at=at, answer=decoded(payload))
    name, car, peer = (str(data[key]) for key in ("session", "car", "peer"))
    return Recording(name=name, car=car, peer=peer, exchanges=tuple(exchanges))


def decoded(payload: bytes) -> msgspec.Struct | None:
    """A message of the handshake or of a protocol after it; None for anything else."""
    for codec in (exi.ISO2, exi.codec("din"), exi.APP_PROTOCOL):
        try:
            message: msgspec.Struct = codec.decode(payload)
        except DecodeError:
            continue
        return message
    return None


def body_of(message: msgspec.Struct | None) -> Body | None:
    """The body of a message, without its envelope."""
    return message.body if isinstance(message, V2GMessage | din.V2GMessage) else None


def chosen_end(recording: Recording) -> EndReason | None:
    """How the car ended it; None where the recording breaks off, or has no message of the car."""
    match body_of(recording.exchanges[-1].request) if recording.exchanges else None:
        case iso2.SessionStopReq(charging_session=iso2.ChargingSession.PAUSE):
            return EndReason.PAUSED
        case iso2.SessionStopReq() | din.SessionStop():
            return EndReason.TERMINATED
        case _:
            return None


# --- the world of the recorded station ----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Cue:
    """What happened at the recorded station between two messages of the car; None and False: nothing."""

    authorised: bool = False
    isolation_tested: bool = False
    stop_ordered: bool = False
    pilot: ControlPilot | None = None
    voltage: float | None = None
    current: float | None = None


def cues(recording: Recording) -> tuple[Cue, ...]:
    """For each request: what must have happened before it comes, so that the answer is the recorded one."""
    following: list[CarExchange | None] = [*recording.exchanges[1:], None][: len(recording.exchanges)]
    return tuple(_cue(one, after) for one, after in zip(recording.exchanges, following, strict=True))


def _cue(exchange: CarExchange, following: CarExchange | None) -> Cue:
    request, answer = body_of(exchange.request), body_of(exchange.answer)
    finished = getattr(answer, "evse_processing", "") == EVSEProcessing.FINISHED.value
    # PowerDeliveryRes has no voltage. Cars measure for themselves and ask for power up to 1.5 s after a
    # PreChargeRes that still had the voltage of the isolation test; the next reading is the nearest one.
    # After a stop it is not: it falls because of the stop.
    reading = body_of(following.answer) if _starts(request) and following else answer
    authorisations = iso2.AuthorizationRes | din.ContractAuthenticationRes
    return Cue(
        authorised=isinstance(answer, authorisations) and finished,
        isolation_tested=isinstance(answer, iso2.CableCheckRes | din.CableCheckRes) and finished,
        stop_ordered=_orders_stop(answer),
        pilot=_pilot(request),
        voltage=_number(getattr(reading, "evse_present_voltage", None)),
        current=_number(getattr(answer, "evse_present_current", None)),
    )


def _starts(request: Body | None) -> bool:
    match request:
        case iso2.PowerDeliveryReq(charge_progress=ChargeProgress.START):
            return True
        case din.PowerDeliveryReq(ready_to_charge_state=True):
            return True
    return False


def voltage_readings(recording: Recording) -> list[tuple[float, float]]:
    """When the recorded station read which voltage at its output.

    It read it between the request and the answer that says it; the middle of both counts.
    """
    found = []
    for exchange in recording.exchanges:
        volts = _number(getattr(body_of(exchange.answer), "evse_present_voltage", None))
        if volts is not None and exchange.answered_at is not None:
            found.append(((exchange.at + exchange.answered_at) / 2, volts))
    return found


def _pilot(request: Body | None) -> ControlPilot | None:
    match request:
        case iso2.CableCheckReq() | din.CableCheckReq():
            return ControlPilot.C
        case iso2.PowerDeliveryReq() | din.PowerDeliveryReq() if _starts(request):
            return ControlPilot.C
        case iso2.WeldingDetectionReq() | iso2.SessionStopReq():
            return ControlPilot.B
        case din.WeldingDetectionReq() | din.SessionStop():
            return ControlPilot.B
        case _:
            return None


def _orders_stop(answer: Body | None) -> bool:
    """EVSENotification says so; DIN SPEC 70121 has EVSE_Shutdown for it."""
    for name in ("dc_evse_status", "ac_evse_status", "evse_status"):
        match getattr(answer, name, None):
            case iso2.ACEVSEStatus(evse_notification=said) | iso2.DCEVSEStatus(evse_notification=said):
                return said is EVSENotification.STOP_CHARGING
            case din.DCEVSEStatus(evse_status_code=code):
                return code is din.DCEVSEStatusCode.EVSE_SHUTDOWN
    return False


def _number(value: Quantity | None) -> float | None:
    return None if value is None else _exactly(value)


def config_for(recording: Recording, config: SeccConfig | None = None) -> SeccConfig:
    """The station that was recorded: its protocol, modes and limits, and time for what took it too long."""
    config = config or SeccConfig()
    energy = config.energy
    for exchange in recording.exchanges:
        match body_of(exchange.answer):
            case iso2.ServiceDiscoveryRes(charge_service=service):
                modes = service.supported_energy_transfer_mode.energy_transfer_mode
                energy = dataclasses.replace(energy, modes=tuple(EnergyMode(mode.value) for mode in modes))
            case din.ServiceDiscoveryRes(charge_service=charging):
                mode = EnergyMode(charging.energy_transfer_type.value)
                energy = dataclasses.replace(energy, modes=(mode,))
            case iso2.ChargeParameterDiscoveryRes() | din.ChargeParameterDiscoveryRes() as answer:
                energy = _with_limits(energy, answer)
            case _:
                pass
    protocols = (ProtocolName.DIN70121,) if recording.protocol == DIN else (ProtocolName.ISO15118_2,)
    timing = _timing(recording, config.timing)
    return dataclasses.replace(config, protocols=protocols, energy=energy, timing=timing)


def _with_limits(
    energy: EnergyConfig, answer: iso2.ChargeParameterDiscoveryRes | din.ChargeParameterDiscoveryRes
) -> EnergyConfig:
    """The limits of the answer. One without a voltage or a current has none: stations send zeros while they
    say Ongoing, which an EV must ignore."""
    match answer.evse_charge_parameter:
        case iso2.DCEVSEChargeParameter() | din.DCEVSEChargeParameter() as limits if not (
            limits.evse_maximum_voltage_limit.value and limits.evse_maximum_current_limit.value
        ):
            return energy
        case iso2.ACEVSEChargeParameter() as limits if not (
            limits.evse_nominal_voltage.value and limits.evse_max_current.value
        ):
            return energy
        case iso2.DCEVSEChargeParameter() | din.DCEVSEChargeParameter() as limits:
            told = limits.evse_maximum_power_limit
            offered = [energy.dc.max_power if told is None else _exactly(told), *_offered_powers(answer)]
            dc = DcConfig(
                max_voltage=_exactly(limits.evse_maximum_voltage_limit),
                min_voltage=_exactly(limits.evse_minimum_voltage_limit),
                max_current=_exactly(limits.evse_maximum_current_limit),
                min_current=_exactly(limits.evse_minimum_current_limit),
                max_power=max(
                    offered
                ),  # one station offered schedules beyond its own limit, and cars took them
                peak_current_ripple=_exactly(limits.evse_peak_current_ripple),
            )
            return dataclasses.replace(energy, dc=dc)
        case iso2.ACEVSEChargeParameter() as limits:
            ac = AcConfig(
                nominal_voltage=_exactly(limits.evse_nominal_voltage),
                max_current=_exactly(limits.evse_max_current),
            )
            return dataclasses.replace(energy, ac=ac)
        case _:
            return energy


def _offered_powers(
    answer: iso2.ChargeParameterDiscoveryRes | din.ChargeParameterDiscoveryRes,
) -> list[float]:
    """Not in DIN: a PMax of 50, 200 or 4140 W stands there beside limits of 10 kW."""
    if not isinstance(answer.sa_schedules, iso2.SAScheduleList):
        return []
    schedules = answer.sa_schedules.sa_schedule_tuple
    return [_exactly(e.p_max) for s in schedules for e in s.p_max_schedule.p_max_schedule_entry]


def _exactly(value: Quantity) -> float:
    unit = UnitSymbol.V if value.unit is None else UnitSymbol(value.unit.value)
    return number(amount(value, unit))


def _timing(recording: Recording, timing: TimingConfig) -> TimingConfig:
    return dataclasses.replace(
        timing,
        cable_check=max(timing.cable_check, math.ceil(cable_check_time(recording))),
    )


def cable_check_time(recording: Recording) -> float:
    """Seconds from the first CableCheckReq to the last."""
    checks = iso2.CableCheckReq | din.CableCheckReq
    times = [e.at for e in recording.exchanges if isinstance(body_of(e.request), checks)]
    return times[-1] - times[0] if times else 0.0


# --- what the station handed out ----------------------------------------------------------------------------


class Ids:
    """Recorded ids and ours: learn from the answers, use for the requests that come after them."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, bytes] = {}
        self._schedules: dict[int, int] = {}

    def learn(self, recorded: msgspec.Struct | None, ours: msgspec.Struct) -> None:
        """Two answers to the same request."""
        both = (V2GMessage, din.V2GMessage)
        if not isinstance(recorded, both) or not isinstance(ours, both):
            return
        self._sessions[recorded.header.session_id] = ours.header.session_id
        self._schedules |= dict(zip(_schedule_ids(recorded), _schedule_ids(ours), strict=False))

    def rewritten(self, payload: bytes) -> bytes:
        """The request with our ids. Where only the session id differs the car's own encoding stays."""
        message = decoded(payload)
        if not isinstance(message, V2GMessage | din.V2GMessage):
            return payload
        recorded = message.header.session_id
        ours = self._sessions.get(recorded, recorded)
        body = self._with_our_schedule(message.body)
        if body is message.body:
            if ours == recorded:
                return payload
            if (exact := _replaced(payload, recorded, ours)) is not None:
                return exact
        header = msgspec.structs.replace(message.header, session_id=ours)
        codec = exi.ISO2 if isinstance(message, V2GMessage) else exi.codec("din")
        return codec.encode(msgspec.structs.replace(message, header=header, body=body))

    def _with_our_schedule(self, body: Body | None) -> Body | None:
        if isinstance(body, din.PowerDeliveryReq) and body.charging_profile is not None:
            profile = body.charging_profile
            ours = self._schedules.get(profile.sa_schedule_tuple_id, profile.sa_schedule_tuple_id)
            if ours == profile.sa_schedule_tuple_id:
                return body
            profile = msgspec.structs.replace(profile, sa_schedule_tuple_id=ours)
            return msgspec.structs.replace(body, charging_profile=profile)
        if not isinstance(body, iso2.PowerDeliveryReq):
            return body
        recorded = body.sa_schedule_tuple_id
        ours = self._schedules.get(recorded, recorded)
        return body if ours == recorded else msgspec.structs.replace(body, sa_schedule_tuple_id=ours)


def _schedule_ids(message: V2GMessage | din.V2GMessage) -> tuple[int, ...]:
    schedules = getattr(message.body, "sa_schedules", None)
    if not isinstance(schedules, iso2.SAScheduleList | din.SAScheduleList):
        return ()
    return tuple(schedule.sa_schedule_tuple_id for schedule in schedules.sa_schedule_tuple)


def _replaced(payload: bytes, recorded: bytes, ours: bytes) -> bytes | None:
    """The same bits with another session id of the same length; None where that cannot be done."""
    if len(recorded) != len(ours) or not recorded:
        return None
    bits = len(payload) * 8
    whole = int.from_bytes(payload, "big")
    wanted, size = int.from_bytes(bytes([len(recorded)]) + recorded, "big"), (len(recorded) + 1) * 8
    for start in range(8, min(64, bits - size + 1)):
        shift = bits - start - size
        if (whole >> shift) & ((1 << size) - 1) == wanted:
            new = int.from_bytes(bytes([len(ours)]) + ours, "big")
            replaced = (whole ^ ((wanted ^ new) << shift)).to_bytes(len(payload), "big")
            message = decoded(replaced)
            if isinstance(message, V2GMessage | din.V2GMessage) and message.header.session_id == ours:
                return replaced
    return None
