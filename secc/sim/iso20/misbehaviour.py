"""Ways in which a simulated EV of ISO 15118-20 misbehaves, to see what a station does about it."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable
from typing import Any

import msgspec

from secc.messages import iso20_ac as ac
from secc.messages import iso20_ac_der_iec as der
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.app_protocol import AppProtocol, SupportedAppProtocolReq
from secc.messages.iso20_common import ChargeProgress, ChargingSession, MessageHeader, Processing
from secc.messages.numbers import rational_number
from secc.sim.moves import Ask, Move, Request, SendRaw, Vanish, Wait
from secc.v2gtp import PayloadType

__all__ = ["Iso20Misbehaviour", "misbehaving"]

_HEADER = MessageHeader(session_id=bytes(8), time_stamp=0)


class Iso20Misbehaviour(enum.StrEnum):
    """What to do wrong, and in which place."""

    WRONG_SESSION_ID = "wrong-session-id"
    """AuthorizationReq with another SessionID."""
    UNKNOWN_SERVICE = "unknown-service"
    """ServiceSelectionReq for a parameter set that was not offered."""
    WRONG_SET = "wrong-set"
    """A message of the other energy set in place of the first message of the charge loop."""
    WRONG_TYPE = "wrong-type"
    """PowerDeliveryReq in the payload type of the side stream."""
    WRONG_MODE = "wrong-mode"
    """The charge loop in the control mode that was not selected."""
    SECOND_HANDSHAKE = "second-handshake"
    """supportedAppProtocolReq in the middle of the session."""
    SKIPPED_CABLE_CHECK = "skipped-cable-check"
    """PreChargeReq in place of CableCheckReq."""
    SKIPPED_PRE_CHARGE = "skipped-pre-charge"
    """PowerDeliveryReq(Start) in place of PreChargeReq."""
    EARLY_START = "early-start"
    """PowerDeliveryReq(Start) in place of ScheduleExchangeReq."""
    EARLY_SERVICE_RENEGOTIATION = "early-service-renegotiation"
    """SessionStopReq(ServiceRenegotiation) in place of AuthorizationReq: energy without authorization."""
    PAUSE_UNDER_POWER = "pause-under-power"
    """SessionStopReq(Pause) in the charge loop."""
    SILENCE = "silence"
    """Nothing for 5 s in the charge loop."""
    VANISH = "vanish"
    """Gone without a word in the charge loop."""
    PLAIN_MODE = "plain-mode"
    """AC_DER_IEC: the charge loop in the variant of AC, without what the grid wants to know."""
    FLUTTERING_GRID = "fluttering-grid"
    """AC_DER_IEC: another GridEventCondition in each message of the charge loop."""
    NOISE = "noise"
    """Bytes that are not EXI in the charge loop."""


def misbehaving(what: Iso20Misbehaviour) -> Callable[[Request, int], Move | None]:
    """The `tamper` of a plan that misbehaves so once."""
    kinds, number, change = _WHERE[what]
    done = False

    def tamper(request: Request, earlier: int) -> Move | None:
        nonlocal done
        if done or not isinstance(request, kinds) or earlier < number:
            return None
        done = what is not Iso20Misbehaviour.FLUTTERING_GRID
        return change(request)

    return tamper


def _start(processing: Processing = Processing.FINISHED) -> common.PowerDeliveryReq:
    return common.PowerDeliveryReq(
        header=_HEADER, ev_processing=processing, charge_progress=ChargeProgress.START
    )


def _session_stop(how: ChargingSession) -> common.SessionStopReq:
    return common.SessionStopReq(header=_HEADER, charging_session=how)


def _another_set(request: Request) -> Move:
    if isinstance(request, dc.DCChargeLoopReq):
        mode = ac.ScheduledACCLReqControlMode(ev_present_active_power=rational_number(0.0))
        return Ask(ac.ACChargeLoopReq(header=_HEADER, meter_info_requested=False, cl_req_control_mode=mode))
    return Ask(dc.DCWeldingDetectionReq(header=_HEADER, ev_processing=Processing.ONGOING))


def _another_mode(request: Any) -> Move:
    """Scheduled in place of Dynamic, and the other way round."""
    kind = type(request.cl_req_control_mode).__name__
    modules: dict[type, Any] = {dc.DCChargeLoopReq: dc, der.ACChargeLoopReq: der}
    module = modules.get(type(request), ac)
    other = "Scheduled" if "Dynamic" in kind else "Dynamic"
    mode = getattr(module, f"{other}{'DC' if module is dc else 'AC'}CLReqControlMode")
    values = dict.fromkeys(mode.__struct_fields__, rational_number(0.0)) | _optional(mode)
    return Ask(msgspec.structs.replace(request, cl_req_control_mode=mode(**values)))


def _optional(mode: Any) -> dict[str, None]:
    """The fields that a control mode may leave out, left out."""
    fields = msgspec.structs.fields(mode)
    return {field.name: None for field in fields if not field.required}


def _plain_mode(request: Any) -> Move:
    """The same values, with the control mode of AC."""
    kind = type(request.cl_req_control_mode).__name__.removeprefix("DER")
    mode = getattr(der, kind)
    values = {name: getattr(request.cl_req_control_mode, name) for name in mode.__struct_fields__}
    return Ask(msgspec.structs.replace(request, cl_req_control_mode=mode(**values)))


def _fluttering(request: Any) -> Move:
    """A condition that changes with each message."""
    mode = msgspec.structs.replace(request.cl_req_control_mode, grid_event_condition=next(_CONDITIONS))
    return Ask(msgspec.structs.replace(request, cl_req_control_mode=mode))


def _unknown_set(request: Request) -> Move:
    assert isinstance(request, common.ServiceSelectionReq)
    service = msgspec.structs.replace(request.selected_energy_transfer_service, parameter_set_id=999)
    return Ask(msgspec.structs.replace(request, selected_energy_transfer_service=service))


def _pre_charge(_: Request) -> Move:
    return Ask(
        dc.DCPreChargeReq(
            header=_HEADER,
            ev_processing=Processing.ONGOING,
            ev_present_voltage=rational_number(0.0),
            ev_target_voltage=rational_number(400.0),
        )
    )


def _second_handshake(_: Request) -> Move:
    entry = AppProtocol(
        protocol_namespace="urn:iso:std:iso:15118:-20:DC",
        version_number_major=1,
        version_number_minor=0,
        schema_id=1,
        priority=1,
    )
    return Ask(SupportedAppProtocolReq(app_protocol=(entry,)))


_CONDITIONS = itertools.cycle(range(1, 256))
_LOOP = (ac.ACChargeLoopReq, dc.DCChargeLoopReq, der.ACChargeLoopReq)
_Change = Callable[[Request], Move]
_WHERE: dict[Iso20Misbehaviour, tuple[tuple[type, ...], int, _Change]] = {
    Iso20Misbehaviour.WRONG_SESSION_ID: (
        (common.AuthorizationReq,),
        0,
        lambda request: Ask(request, session_id=b"\xff" * 8),
    ),
    Iso20Misbehaviour.UNKNOWN_SERVICE: ((common.ServiceSelectionReq,), 0, _unknown_set),
    Iso20Misbehaviour.WRONG_SET: (_LOOP, 0, _another_set),
    Iso20Misbehaviour.WRONG_TYPE: (
        (common.PowerDeliveryReq,),
        0,
        lambda request: Ask(request, payload_type=PayloadType.ISO20_SCHEDULE),
    ),
    Iso20Misbehaviour.WRONG_MODE: (_LOOP, 0, _another_mode),
    Iso20Misbehaviour.SECOND_HANDSHAKE: ((common.ServiceDiscoveryReq,), 0, _second_handshake),
    Iso20Misbehaviour.SKIPPED_CABLE_CHECK: ((dc.DCCableCheckReq,), 0, _pre_charge),
    Iso20Misbehaviour.SKIPPED_PRE_CHARGE: ((dc.DCPreChargeReq,), 0, lambda _: Ask(_start())),
    Iso20Misbehaviour.EARLY_START: ((common.ScheduleExchangeReq,), 0, lambda _: Ask(_start())),
    Iso20Misbehaviour.EARLY_SERVICE_RENEGOTIATION: (
        (common.AuthorizationReq,),
        0,
        lambda _: Ask(_session_stop(ChargingSession.SERVICE_RENEGOTIATION)),
    ),
    Iso20Misbehaviour.PLAIN_MODE: ((der.ACChargeLoopReq,), 0, _plain_mode),
    Iso20Misbehaviour.FLUTTERING_GRID: ((der.ACChargeLoopReq,), 0, _fluttering),
    Iso20Misbehaviour.PAUSE_UNDER_POWER: (_LOOP, 2, lambda _: Ask(_session_stop(ChargingSession.PAUSE))),
    Iso20Misbehaviour.SILENCE: (_LOOP, 2, lambda _: Wait(5.0)),
    Iso20Misbehaviour.VANISH: (_LOOP, 2, lambda _: Vanish()),
    Iso20Misbehaviour.NOISE: (_LOOP, 2, lambda _: SendRaw(bytes.fromhex("01fe800400000004ffffffff"))),
}
