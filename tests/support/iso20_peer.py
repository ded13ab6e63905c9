"""A station of ISO 15118-20 without rules: it answers each request with what an EV can go on with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec

from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.app_protocol import ResponseCode as SapCode
from secc.messages.app_protocol import SupportedAppProtocolReq, SupportedAppProtocolRes
from secc.messages.iso20_common import EvseNotification, MessageHeader, Processing, ResponseCode
from secc.messages.numbers import number, rational_number
from secc.sim.moves import Answer, Ask, Move, Script, Wait

SESSION = bytes.fromhex("1122334455667788")
OK = ResponseCode.OK


@dataclasses.dataclass
class Peer:
    """What it answers; each request is kept with its payload type."""

    session_id: bytes = SESSION
    joined: bool = False
    power: float = 11_000.0
    """W: of the schedule, and the set-point in AC."""
    current: float | None = None
    """A that it reads, DC; None: what the EV asks for."""
    notification: EvseNotification | None = None
    """In the charge loop."""
    codes: dict[type, ResponseCode] = dataclasses.field(default_factory=dict)
    """Other codes than OK, by request."""
    change: Callable[[Any], Any] = lambda response: response
    """Applied to each response."""
    asked: list[tuple[msgspec.Struct, int | None]] = dataclasses.field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The requests, each loop once."""
        names = [type(request).__name__ for request, _ in self.asked]
        return [name for name, before in zip(names, ["", *names], strict=False) if name != before]

    def answer(self, move: Ask) -> msgspec.Struct:
        """The response to a request."""
        request: Any = move.request
        if move.session_id is not None:
            header = msgspec.structs.replace(request.header, session_id=move.session_id)
            request = msgspec.structs.replace(request, header=header)
        self.asked.append((request, move.payload_type))
        if isinstance(request, SupportedAppProtocolReq):
            return SupportedAppProtocolRes(response_code=SapCode.OK_SUCCESSFUL_NEGOTIATION, schema_id=1)
        head = {
            "header": MessageHeader(session_id=self.session_id, time_stamp=1_700_000_000),
            "response_code": self.codes.get(type(request), OK),
        }
        return self.change(_RESPONSES[type(request)](self, request, head))  # type: ignore[no-any-return]


def run(script: Script, peer: Peer, *, moves: list[Move] | None = None) -> list[Move]:
    """Run a script to its end with that station, a tenth of a second for each move; the moves that are not
    requests."""
    moves = [] if moves is None else moves
    answer, now = Answer(0.0), 0.0
    move = next(script)
    while True:
        now += move.seconds if isinstance(move, Wait) else 0.1
        answer = Answer(now, peer.answer(move)) if isinstance(move, Ask) else Answer(now)
        if not isinstance(move, Ask | Wait):
            moves.append(move)
        try:
            move = script.send(answer)
        except StopIteration:
            return moves


def _session_setup(peer: Peer, _: Any, head: Any) -> msgspec.Struct:
    new, old = ResponseCode.OK_NEW_SESSION_ESTABLISHED, ResponseCode.OK_OLD_SESSION_JOINED
    head |= {"response_code": old if peer.joined else new}
    return common.SessionSetupRes(**head, evse_id="ZZ00000")


def _authorization_setup(_: Peer, __: Any, head: Any) -> msgspec.Struct:
    return common.AuthorizationSetupRes(
        **head,
        authorization_services=(common.Authorization.EIM,),
        certificate_installation_service=False,
        eim_as_res_authorization_mode=common.EIMASResAuthorizationMode(),
    )


def _authorization(_: Peer, __: Any, head: Any) -> msgspec.Struct:
    return common.AuthorizationRes(**head, evse_processing=Processing.FINISHED)


def _services(_: Peer, __: Any, head: Any) -> msgspec.Struct:
    services = tuple(common.Service(service_id=one, free_service=False) for one in (1, 2, 5, 6, 8, 9))
    offered = common.ServiceList(service=services)
    return common.ServiceDiscoveryRes(
        **head, service_renegotiation_supported=True, energy_transfer_service_list=offered
    )


def _details(_: Peer, request: common.ServiceDetailReq, head: Any) -> msgspec.Struct:
    sets = tuple(
        common.ParameterSet(
            parameter_set_id=number,
            parameter=(
                common.Parameter(name="ControlMode", int_value=control),
                common.Parameter(name="MobilityNeedsMode", int_value=needs),
            ),
        )
        for number, (control, needs) in enumerate(((1, 1), (2, 1), (2, 2)), 10)
    )
    offered = common.ServiceParameterList(parameter_set=sets)
    return common.ServiceDetailRes(**head, service_id=request.service_id, service_parameter_list=offered)


def _schedules(peer: Peer, request: common.ScheduleExchangeReq, head: Any) -> msgspec.Struct:
    if request.dynamic_se_req_control_mode is not None:
        dynamic = common.DynamicSEResControlMode()
        return common.ScheduleExchangeRes(
            **head, evse_processing=Processing.FINISHED, dynamic_se_res_control_mode=dynamic
        )
    entry = common.PowerScheduleEntry(duration=86_400, power=rational_number(peer.power))
    schedule = common.PowerSchedule(
        time_anchor=1_700_000_000,
        power_schedule_entries=common.PowerScheduleEntryList(power_schedule_entry=(entry,)),
    )
    offer = common.ScheduledSEResControlMode(
        schedule_tuple=(
            common.ScheduleTuple(
                schedule_tuple_id=7, charging_schedule=common.ChargingSchedule(power_schedule=schedule)
            ),
        )
    )
    return common.ScheduleExchangeRes(
        **head, evse_processing=Processing.FINISHED, scheduled_se_res_control_mode=offer
    )


def _dc_parameters(_: Peer, __: Any, head: Any) -> msgspec.Struct:
    zero = rational_number(0.0)
    names = [name for name in dc.DCCPDResEnergyTransferMode.__struct_fields__ if "ramp" not in name]
    mode = dc.DCCPDResEnergyTransferMode(**dict.fromkeys(names, zero))
    return dc.DCChargeParameterDiscoveryRes(**head, dc_cpd_res_energy_transfer_mode=mode)


def _ac_parameters(_: Peer, __: Any, head: Any) -> msgspec.Struct:
    zero = rational_number(0.0)
    mode = ac.ACCPDResEnergyTransferMode(
        evse_maximum_charge_power=zero, evse_minimum_charge_power=zero, evse_nominal_frequency=zero
    )
    return ac.ACChargeParameterDiscoveryRes(**head, ac_cpd_res_energy_transfer_mode=mode)


def _pre_charge(_: Peer, request: dc.DCPreChargeReq, head: Any) -> msgspec.Struct:
    return dc.DCPreChargeRes(**head, evse_present_voltage=request.ev_target_voltage)


def _status(peer: Peer) -> common.EVSEStatus | None:
    if peer.notification is None:
        return None
    return common.EVSEStatus(notification_max_delay=10, evse_notification=peer.notification)


def _mode(module: Any, request: Any, **values: Any) -> Any:
    """The response's control mode that belongs to the request's."""
    kind = getattr(module, type(request.cl_req_control_mode).__name__.replace("Req", "Res"))
    fields = msgspec.structs.fields(kind)
    needed = {field.name: rational_number(0.0) for field in fields if field.required}
    return kind(**needed | {name: value for name, value in values.items() if name in kind.__struct_fields__})


def _dc_loop(peer: Peer, request: dc.DCChargeLoopReq, head: Any) -> msgspec.Struct:
    wanted = getattr(request.cl_req_control_mode, "ev_target_current", rational_number(10.0))
    return dc.DCChargeLoopRes(
        **head,
        evse_status=_status(peer),
        evse_present_current=wanted if peer.current is None else rational_number(peer.current),
        evse_present_voltage=rational_number(number(request.ev_present_voltage)),
        evse_power_limit_achieved=False,
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        cl_res_control_mode=_mode(dc, request),
    )


def _ac_loop(peer: Peer, request: ac.ACChargeLoopReq, head: Any) -> msgspec.Struct:
    mode = _mode(ac, request, evse_target_active_power=rational_number(peer.power))
    return ac.ACChargeLoopRes(**head, evse_status=_status(peer), cl_res_control_mode=mode)


_RESPONSES: dict[type, Callable[[Peer, Any, Any], msgspec.Struct]] = {
    common.SessionSetupReq: _session_setup,
    common.AuthorizationSetupReq: _authorization_setup,
    common.AuthorizationReq: _authorization,
    common.ServiceDiscoveryReq: _services,
    common.ServiceDetailReq: _details,
    common.ServiceSelectionReq: lambda _, __, head: common.ServiceSelectionRes(**head),
    common.ScheduleExchangeReq: _schedules,
    common.PowerDeliveryReq: lambda _, __, head: common.PowerDeliveryRes(**head),
    common.SessionStopReq: lambda _, __, head: common.SessionStopRes(**head),
    ac.ACChargeParameterDiscoveryReq: _ac_parameters,
    ac.ACChargeLoopReq: _ac_loop,
    dc.DCChargeParameterDiscoveryReq: _dc_parameters,
    dc.DCCableCheckReq: lambda _, __, head: dc.DCCableCheckRes(**head, evse_processing=Processing.FINISHED),
    dc.DCPreChargeReq: _pre_charge,
    dc.DCChargeLoopReq: _dc_loop,
    dc.DCWeldingDetectionReq: lambda _, __, head: dc.DCWeldingDetectionRes(
        **head, evse_present_voltage=rational_number(0.0)
    ),
}
