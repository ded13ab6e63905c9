"""The simulated EV of ISO 15118-20 without a socket: what it sends, and what it does about answers."""

import contextlib
from typing import Any

import msgspec
import pytest

from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import ChargeProgress, ChargingSession, EvseNotification, ResponseCode
from secc.messages.numbers import number, rational_number
from secc.session.iso20.services import ControlMode, Service
from secc.session.outlet import ControlPilot
from secc.sim.iso20 import Iso20Misbehaviour, Iso20Plan, Iso20Script, misbehaving
from secc.sim.moves import Connect, Draw, EvGivesUp, Move, SendRaw, ShowPilot, Vanish
from secc.sim.vehicle import Vehicle
from tests.support.iso20_peer import SESSION, Peer, run

OPENING = [
    *("SupportedAppProtocolReq", "SessionSetupReq", "AuthorizationSetupReq", "AuthorizationReq"),
    *("ServiceDiscoveryReq", "ServiceDetailReq", "ServiceSelectionReq"),
]
AC_CHARGE = [
    *("ACChargeParameterDiscoveryReq", "ScheduleExchangeReq", "PowerDeliveryReq", "ACChargeLoopReq"),
    "PowerDeliveryReq",
]
DC_CHARGE = [
    *("DCChargeParameterDiscoveryReq", "ScheduleExchangeReq", "DCCableCheckReq", "DCPreChargeReq"),
    *("PowerDeliveryReq", "DCChargeLoopReq", "PowerDeliveryReq", "DCWeldingDetectionReq"),
]


def plan(**wanted: Any) -> Iso20Plan:
    return Iso20Plan(**{"loops": 3, "pace": 0.0} | wanted)


def charged(peer: Peer, vehicle: Vehicle | None = None, **wanted: Any) -> Iso20Script:
    script = Iso20Script(plan(**wanted), vehicle or Vehicle())
    run(script.run(), peer)
    return script


def requests(peer: Peer, kind: type) -> list[Any]:
    return [request for request, _ in peer.asked if isinstance(request, kind)]


@pytest.mark.parametrize("control", ControlMode)
@pytest.mark.parametrize("service", [one for one in Service if one is not Service.AC_DER_IEC])
def test_a_session_has_its_messages_in_the_order_of_the_standard(
    service: Service, control: ControlMode
) -> None:
    peer = Peer()
    script = charged(peer, service=service, control=control)
    assert peer.names == [*OPENING, *(DC_CHARGE if service.is_dc else AC_CHARGE), "SessionStopReq"]
    assert script.session_id == SESSION
    assert script.notes == []


@pytest.mark.parametrize(
    ("service", "control", "mode"),
    [
        (Service.AC, ControlMode.SCHEDULED, ac.ScheduledACCLReqControlMode),
        (Service.AC_BPT, ControlMode.DYNAMIC, ac.BPTDynamicACCLReqControlMode),
        (Service.DC, ControlMode.DYNAMIC, dc.DynamicDCCLReqControlMode),
        (Service.DC_BPT, ControlMode.SCHEDULED, dc.BPTScheduledDCCLReqControlMode),
        (Service.MCS_BPT, ControlMode.SCHEDULED, dc.BPTScheduledDCCLReqControlMode),
    ],
)
def test_the_charge_loop_has_the_variant_of_service_and_control_mode(
    service: Service, control: ControlMode, mode: type
) -> None:
    peer = Peer()
    charged(peer, service=service, control=control)
    loops = requests(peer, dc.DCChargeLoopReq if service.is_dc else ac.ACChargeLoopReq)
    assert len(loops) == 3
    assert all(type(one.cl_req_control_mode) is mode for one in loops)


@pytest.mark.parametrize(("service", "namespace"), [("AC_BPT", "AC"), ("DC_BPT", "DC"), ("MCS", "DC")])
def test_the_handshake_offers_the_energy_family_of_the_service(service: str, namespace: str) -> None:
    peer = Peer()
    charged(peer, service=Service[service])
    offer: Any = peer.asked[0][0]
    assert [entry.protocol_namespace for entry in offer.app_protocol] == [
        f"urn:iso:std:iso:15118:-20:{namespace}"
    ]


@pytest.mark.parametrize(("control", "needs", "chosen"), [(1, 1, 10), (2, 1, 11), (2, 2, 12)])
def test_the_parameter_set_has_the_wanted_modes(control: int, needs: int, chosen: int) -> None:
    peer = Peer()
    charged(peer, control=ControlMode(control), mobility_needs=needs)
    [selection] = requests(peer, common.ServiceSelectionReq)
    assert selection.selected_energy_transfer_service.parameter_set_id == chosen


def test_a_service_that_is_not_offered_makes_it_give_up() -> None:
    none = common.ServiceList(service=(common.Service(service_id=1, free_service=False),))

    def without(response: Any) -> Any:
        if isinstance(response, common.ServiceDiscoveryRes):
            return msgspec.structs.replace(response, energy_transfer_service_list=none)
        return response

    with pytest.raises(EvGivesUp, match="service DC is not offered"):
        charged(Peer(change=without))


def test_pre_charge_ends_with_a_request_that_says_finished() -> None:
    peer = Peer()
    charged(peer)
    assert [one.ev_processing.value for one in requests(peer, dc.DCPreChargeReq)] == ["Ongoing", "Finished"]
    peer = Peer()
    charged(peer, finishes_pre_charge=False)
    assert [one.ev_processing.value for one in requests(peer, dc.DCPreChargeReq)] == ["Ongoing"]


def test_the_start_carries_a_profile_within_the_schedule() -> None:
    peer = Peer(power=22_000.0)
    charged(peer)
    start = requests(peer, common.PowerDeliveryReq)[0]
    assert start.charge_progress is ChargeProgress.START
    profile = start.ev_power_profile
    assert profile.scheduled_ev_ppt_control_mode.selected_schedule_tuple_id == 7
    [entry] = profile.ev_power_profile_entries.ev_power_profile_entry
    assert (entry.duration, number(entry.power)) == (86_400, 22_000.0)


def test_the_target_current_keeps_to_the_schedule() -> None:
    peer = Peer(power=10_000.0)
    vehicle = Vehicle()
    charged(peer, vehicle)
    first = requests(peer, dc.DCChargeLoopReq)[0].cl_req_control_mode
    assert number(first.ev_target_current) == pytest.approx(10_000.0 / 358.0, abs=0.1)


def target_currents(peer: Peer) -> list[float]:
    loops = requests(peer, dc.DCChargeLoopReq)
    return [number(one.cl_req_control_mode.ev_target_current) for one in loops]


def test_an_ev_that_discharges_asks_for_negative_current_and_loses_energy() -> None:
    peer, vehicle = Peer(), Vehicle()
    charged(peer, vehicle, service=Service.DC_BPT, loops=6, discharge_at=2)
    assert [current > 0.0 for current in target_currents(peer)] == [True, True, False, False, False, False]
    assert vehicle.given > vehicle.received > 0.0


def test_a_battery_at_its_least_charge_does_not_discharge() -> None:
    peer, vehicle = Peer(), Vehicle(soc=0.2)
    charged(peer, vehicle, service=Service.DC_BPT, discharge_at=0)
    assert set(target_currents(peer)) == {0.0}


def test_a_service_in_one_direction_never_discharges() -> None:
    peer = Peer(power=-5_000.0)
    vehicle = Vehicle()
    charged(peer, vehicle, service=Service.AC, control=ControlMode.DYNAMIC)
    assert vehicle.given == 0.0


@pytest.mark.parametrize(
    ("power", "current"),
    [
        *((6_900.0, 10.0), (-6_900.0, -10.0), (100_000.0, 16.0), (-100_000.0, -16.0)),
        (1_000.0, 0.0),  # less than the charger can take
    ],
)
def test_ac_follows_the_set_point_in_both_directions(power: float, current: float) -> None:
    script = Iso20Script(plan(service=Service.AC_BPT, control=ControlMode.DYNAMIC), Vehicle())
    assert Draw(current, 3) in run(script.run(), Peer(power=power))


@pytest.mark.parametrize(("negative", "sign"), [(False, 1.0), (True, -1.0)])
def test_discharge_limits_have_the_sign_of_the_plan(negative: bool, sign: float) -> None:
    peer = Peer()
    charged(peer, service=Service.DC_BPT, negative_limits=negative)
    mode = requests(peer, dc.DCChargeParameterDiscoveryReq)[0].dc_cpd_req_energy_transfer_mode
    assert number(mode.ev_maximum_discharge_power) == sign * 20_000.0


def test_the_pilot_and_the_contactors_follow_the_session() -> None:
    script = Iso20Script(plan(), Vehicle())
    moves = run(script.run(), Peer())
    pilots = [move.pilot for move in moves if isinstance(move, ShowPilot)]
    assert pilots == [ControlPilot.C, ControlPilot.B]
    loads = [move.load for move in moves if isinstance(move, Connect)]
    assert loads[0] is not None
    assert loads[-1] is None


# --- what the station says ---


@pytest.mark.parametrize(
    ("notification", "end"),
    [
        (EvseNotification.TERMINATE, ChargingSession.TERMINATE),
        (EvseNotification.PAUSE, ChargingSession.PAUSE),
    ],
)
def test_a_notification_ends_the_loop(notification: EvseNotification, end: ChargingSession) -> None:
    peer = Peer(notification=notification)
    charged(peer, loops=50)
    assert len(requests(peer, dc.DCChargeLoopReq)) == 1
    assert requests(peer, common.SessionStopReq)[-1].charging_session is end


def test_a_failed_response_makes_it_give_up() -> None:
    with pytest.raises(EvGivesUp, match="ServiceSelectionRes: FAILED_ServiceSelectionInvalid"):
        charged(Peer(codes={common.ServiceSelectionReq: ResponseCode.FAILED_SERVICE_SELECTION_INVALID}))


def test_a_refused_authorization_is_asked_again_and_then_the_session_is_stopped() -> None:
    warning = ResponseCode.WARNING_EIM_AUTHORIZATION_FAILURE
    peer = Peer(codes={common.AuthorizationReq: warning})
    script = charged(peer, authorization_tries=3)
    assert len(requests(peer, common.AuthorizationReq)) == 3
    assert peer.names[-2:] == ["AuthorizationReq", "SessionStopReq"]
    assert script.notes[-1] == "not authorized"


def test_a_response_with_another_session_id_makes_it_give_up() -> None:
    def foreign(response: Any) -> Any:
        if isinstance(response, common.ServiceDiscoveryRes):
            header = msgspec.structs.replace(response.header, session_id=bytes(8))
            return msgspec.structs.replace(response, header=header)
        return response

    with pytest.raises(EvGivesUp, match="ServiceDiscoveryRes has another SessionID"):
        charged(Peer(change=foreign))


def test_a_loop_response_in_another_control_mode_makes_it_give_up() -> None:
    def scheduled(response: Any) -> Any:
        if isinstance(response, dc.DCChargeLoopRes):
            return msgspec.structs.replace(response, cl_res_control_mode=dc.ScheduledDCCLResControlMode())
        return response

    with pytest.raises(EvGivesUp, match="the charge loop was answered by ScheduledDCCLResControlMode"):
        charged(Peer(change=scheduled), control=ControlMode.DYNAMIC)


def test_an_invitation_to_pause_before_power_is_taken() -> None:
    def pausing(response: Any) -> Any:
        if isinstance(response, common.ScheduleExchangeRes):
            return msgspec.structs.replace(response, go_to_pause=True)
        return response

    peer = Peer(change=pausing)
    charged(peer)
    assert peer.names[-2:] == ["ScheduleExchangeReq", "SessionStopReq"]
    assert requests(peer, common.SessionStopReq)[0].charging_session is ChargingSession.PAUSE


# --- renegotiation, pause, standby ---


def test_a_joined_session_goes_on_with_the_parameters() -> None:
    peer = Peer(joined=True)
    charged(peer, session_id=SESSION)
    assert peer.names == ["SupportedAppProtocolReq", "SessionSetupReq", *DC_CHARGE, "SessionStopReq"]


def test_a_session_that_is_not_joined_begins_from_the_start() -> None:
    peer = Peer()
    charged(peer, session_id=bytes(range(8)))
    assert peer.names[: len(OPENING)] == OPENING


def test_schedules_are_renegotiated_beside_the_loop() -> None:
    peer = Peer()
    charged(peer, loops=5, renegotiate_at=2)
    beside = [(type(request).__name__, kind) for request, kind in peer.asked if kind is not None]
    assert beside == [
        ("DCChargeParameterDiscoveryReq", 0x8101),
        ("ScheduleExchangeReq", 0x8101),
        ("PowerDeliveryReq", 0x8101),
    ]
    loops = [type(request).__name__ for request, _ in peer.asked]
    first = next(at for at, (_, kind) in enumerate(peer.asked) if kind is not None)
    assert loops[first + 1] == "DCChargeLoopReq"  # the loop goes on between the messages of the side stream


def test_schedules_are_renegotiated_on_the_main_stream() -> None:
    peer = Peer()
    charged(peer, loops=5, renegotiate_at=2, side_stream=False)
    progress = [one.charge_progress.value for one in requests(peer, common.PowerDeliveryReq)]
    assert progress == ["Start", "ScheduleRenegotiation", "Start", "Stop"]
    assert len(requests(peer, common.ScheduleExchangeReq)) == 2


def test_the_service_is_renegotiated_with_everything_that_follows() -> None:
    peer = Peer()
    charged(peer, renegotiate_service=True)
    services = ["ServiceDiscoveryReq", "ServiceDetailReq", "ServiceSelectionReq"]
    assert peer.names == [
        *OPENING,
        *DC_CHARGE,
        "SessionStopReq",
        *services,
        *DC_CHARGE,
        "SessionStopReq",
    ]
    assert [one.charging_session.value for one in requests(peer, common.SessionStopReq)] == [
        *("ServiceRenegotiation", "Terminate")
    ]


def test_standby_that_is_not_allowed_is_noted_and_the_loop_goes_on() -> None:
    def refused(response: Any) -> Any:
        standby = peer.asked[-1][0]
        if isinstance(standby, common.PowerDeliveryReq) and standby.charge_progress is ChargeProgress.STANDBY:
            return msgspec.structs.replace(response, response_code=ResponseCode.WARNING_STANDBY_NOT_ALLOWED)
        return response

    peer = Peer(change=refused)
    script = charged(peer, standby_at=1)
    assert script.notes == ["PowerDeliveryRes: WARNING_StandbyNotAllowed"]
    assert len(requests(peer, dc.DCChargeLoopReq)) == 3


# --- misbehaviour ---


def misbehaved(what: Iso20Misbehaviour, **wanted: Any) -> tuple[Peer, list[Move]]:
    """The station of this test answers every message, which the script then does not expect."""
    peer = Peer()
    script = Iso20Script(plan(tamper=misbehaving(what), loops=5, **wanted), Vehicle())
    moves: list[Move] = []
    with contextlib.suppress(EvGivesUp):
        run(script.run(), peer, moves=moves)
    return peer, moves


@pytest.mark.parametrize(
    ("what", "last"),
    [
        (Iso20Misbehaviour.WRONG_SET, "ACChargeLoopReq"),
        (Iso20Misbehaviour.SKIPPED_CABLE_CHECK, "DCPreChargeReq"),
        (Iso20Misbehaviour.SKIPPED_PRE_CHARGE, "PowerDeliveryReq"),
        (Iso20Misbehaviour.EARLY_START, "PowerDeliveryReq"),
        (Iso20Misbehaviour.EARLY_SERVICE_RENEGOTIATION, "SessionStopReq"),
        (Iso20Misbehaviour.PAUSE_UNDER_POWER, "SessionStopReq"),
        (Iso20Misbehaviour.SECOND_HANDSHAKE, "SupportedAppProtocolReq"),
    ],
)
def test_another_request_takes_the_place_of_the_right_one(what: Iso20Misbehaviour, last: str) -> None:
    peer, _ = misbehaved(what)
    assert peer.names[-1] == last


def test_the_other_control_mode_is_used() -> None:
    for control, other in ((ControlMode.SCHEDULED, "Dynamic"), (ControlMode.DYNAMIC, "Scheduled")):
        peer, _ = misbehaved(Iso20Misbehaviour.WRONG_MODE, control=control)
        loop = requests(peer, dc.DCChargeLoopReq)[0]
        assert type(loop.cl_req_control_mode).__name__ == f"{other}DCCLReqControlMode"


def test_the_wrong_payload_type_and_the_wrong_parameter_set_are_used() -> None:
    peer, _ = misbehaved(Iso20Misbehaviour.WRONG_TYPE)
    first = next(kind for request, kind in peer.asked if isinstance(request, common.PowerDeliveryReq))
    assert first == 0x8101
    peer, _ = misbehaved(Iso20Misbehaviour.UNKNOWN_SERVICE)
    [selection, *_rest] = requests(peer, common.ServiceSelectionReq)
    assert selection.selected_energy_transfer_service.parameter_set_id == 999


@pytest.mark.parametrize(
    ("what", "move"),
    [
        (Iso20Misbehaviour.NOISE, SendRaw(bytes.fromhex("01fe800400000004ffffffff"))),
        (Iso20Misbehaviour.VANISH, Vanish()),
    ],
)
def test_noise_and_a_car_that_vanishes_come_in_the_loop(what: Iso20Misbehaviour, move: Move) -> None:
    peer, moves = misbehaved(what)
    assert moves[-1] == move
    assert len(requests(peer, dc.DCChargeLoopReq)) == 2


GRID = {Iso20Misbehaviour.PLAIN_MODE, Iso20Misbehaviour.FLUTTERING_GRID}
"""Those of AC_DER, which the station at this end does not have: see tests/station/test_der.py."""


@pytest.mark.parametrize("what", [one for one in Iso20Misbehaviour if one not in GRID])
def test_each_misbehaviour_changes_the_session(what: Iso20Misbehaviour) -> None:
    usual = Peer()
    charged(usual, loops=5)
    peer, moves = misbehaved(what)
    raw = any(isinstance(move, SendRaw | Vanish) for move in moves)
    assert raw or [str(one) for one in peer.asked] != [str(one) for one in usual.asked]


@pytest.mark.parametrize(
    ("value", "exponent", "digits"),
    [
        (0.0, 0, 0),
        (358.0, 0, 358),
        (358.5, -1, 3585),
        (0.123, -3, 123),
        (48_000.0, 1, 4800),
        (-60.5, -1, -605),
    ],
)
def test_numbers_have_the_smallest_exponent_that_holds_them(value: float, exponent: int, digits: int) -> None:
    assert rational_number(value) == common.RationalNumber(exponent=exponent, value=digits)
    assert number(rational_number(value)) == pytest.approx(value)
