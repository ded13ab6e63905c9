"""What outlet and vehicle know of each other, and a pilot that follows the messages."""

import msgspec

from secc.messages import din, iso2, iso20_ac, iso20_common, iso20_dc
from secc.messages.numbers import number, rational_number
from secc.records import Direction, LinkEvent, LinkRecord, MessageRecord, OutputRecord
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason, EndSession
from secc.sim.cable import NO_DRAW, AutoPilot, SimulatedCable
from secc.sim.physics import Load
from secc.sim.script import physical
from tests.support import din as d
from tests.support import requests


def heard(body: iso2.BodyElement) -> MessageRecord:
    message = iso2.V2GMessage(header=iso2.MessageHeader(session_id=b"\x01"), body=body)
    return MessageRecord(0.0, Direction.RECEIVED, message)


def sent(body: iso2.BodyElement) -> MessageRecord:
    message = iso2.V2GMessage(header=iso2.MessageHeader(session_id=b"\x01"), body=body)
    return MessageRecord(0.0, Direction.SENT, message, 0.001)


def charging_status(amperes: float) -> iso2.ChargingStatusRes:
    return iso2.ChargingStatusRes(
        response_code=iso2.ResponseCode.OK,
        evse_id="ZZ*000*E0",
        sa_schedule_tuple_id=1,
        evse_max_current=physical(amperes, iso2.UnitSymbol.A),
        ac_evse_status=iso2.ACEVSEStatus(
            notification_max_delay=0, evse_notification=iso2.EVSENotification.NONE, rcd=False
        ),
    )


def state(cable: SimulatedCable) -> str:
    return cable.pilot.value


def test_watchers_are_called_before_and_after_each_change() -> None:
    cable = SimulatedCable()
    seen: list[str] = []
    cable.watch(
        before=lambda: seen.append(f"before {cable.pilot}"), after=lambda: seen.append(f"after {cable.pilot}")
    )
    cable.set_pilot(ControlPilot.C)
    cable.set_pilot(ControlPilot.C)
    assert seen == ["before B", "after C"]


def test_a_vehicle_that_leaves_state_c_draws_nothing() -> None:
    cable = SimulatedCable(ControlPilot.C)
    cable.take(16.0, 3)
    cable.set_pilot(ControlPilot.B)
    assert cable.draw == NO_DRAW


def test_pulling_the_plug_disconnects_everything() -> None:
    cable = SimulatedCable(ControlPilot.C)
    cable.connect(Load(350.0))
    cable.take(16.0, 3)
    cable.unplug()
    assert (cable.pilot, cable.load, cable.draw) == (ControlPilot.A, None, NO_DRAW)
    cable.plug_in()
    assert state(cable) == "B"


def test_the_automatic_pilot_shows_c_for_the_cable_check_and_b_after_the_stop() -> None:
    cable = SimulatedCable()
    pilot = AutoPilot(cable)
    pilot(heard(requests.cable_check()))
    assert state(cable) == "C"
    pilot(heard(requests.stop()))
    assert state(cable) == "B"


def test_the_automatic_pilot_shows_c_for_the_start_in_ac() -> None:
    cable = SimulatedCable()
    AutoPilot(cable)(heard(requests.start()))
    assert state(cable) == "C"


def test_the_automatic_pilot_shows_b_when_the_session_or_the_connection_ends() -> None:
    cable = SimulatedCable(ControlPilot.C)
    pilot = AutoPilot(cable)
    pilot(OutputRecord(0.0, EndSession(reason=EndReason.LINK_LOST)))
    assert state(cable) == "B"
    cable.set_pilot(ControlPilot.C)
    pilot(LinkRecord(0.0, LinkEvent.CLOSED))
    assert state(cable) == "B"


def test_the_automatic_pilot_does_not_plug_in_what_was_unplugged() -> None:
    cable = SimulatedCable(ControlPilot.A)
    AutoPilot(cable)(LinkRecord(0.0, LinkEvent.CLOSED))
    assert state(cable) == "A"


def test_a_battery_appears_with_the_first_demand_at_the_voltage_of_the_pre_charge() -> None:
    cable = SimulatedCable(ControlPilot.C)
    pilot = AutoPilot(cable)
    pilot(heard(requests.pre_charge(requests.volts(380))))
    assert cable.load is None
    pilot(heard(requests.current_demand()))
    assert cable.load == Load(380.0)
    pilot(heard(requests.renegotiate()))
    assert (cable.load, state(cable)) == (None, "C")


def test_an_ac_charger_takes_what_is_offered_up_to_its_maximum() -> None:
    cable = SimulatedCable()
    pilot = AutoPilot(cable)
    pilot(heard(requests.ac_parameters(max_current=requests.amperes(16))))
    pilot(heard(requests.start()))
    pilot(sent(charging_status(10.0)))
    assert cable.draw == (10.0, 3)
    pilot(sent(charging_status(32.0)))
    assert cable.draw == (16.0, 3)


def test_a_physical_value_is_its_number_in_its_unit() -> None:
    assert number(iso2.PhysicalValue(multiplier=-1, unit=iso2.UnitSymbol.V, value=3805)) == 380.5
    assert number(iso2.PhysicalValue(multiplier=0, unit=iso2.UnitSymbol.V, value=380)) == 380.0


def heard_din(body: din.BodyElement) -> MessageRecord:
    message = din.V2GMessage(header=din.MessageHeader(session_id=b"\x01"), body=body)
    return MessageRecord(0.0, Direction.RECEIVED, message)


def test_the_automatic_pilot_follows_a_din_session() -> None:
    cable = SimulatedCable()
    pilot = AutoPilot(cable)
    pilot(heard_din(d.cable_check()))
    assert state(cable) == "C"
    pilot(heard_din(d.pre_charge(d.volts(3565, -1))))
    pilot(heard_din(d.power(True)))
    assert cable.load is None
    pilot(heard_din(d.current_demand()))
    assert cable.load == Load(356.5)
    pilot(heard_din(d.power(False)))
    assert (state(cable), cable.load) == ("B", None)


# --- ISO 15118-20 ---

HEADER = iso20_common.MessageHeader(session_id=bytes(8), time_stamp=1)


def heard20(message: msgspec.Struct) -> MessageRecord:
    return MessageRecord(0.0, Direction.RECEIVED, message)


def power_delivery(progress: iso20_common.ChargeProgress) -> iso20_common.PowerDeliveryReq:
    return iso20_common.PowerDeliveryReq(
        header=HEADER, ev_processing=iso20_common.Processing.FINISHED, charge_progress=progress
    )


def test_the_pilot_follows_a_dc_session_of_iso_15118_20() -> None:
    cable = SimulatedCable()
    pilot = AutoPilot(cable)
    pilot(heard20(iso20_dc.DCCableCheckReq(header=HEADER)))
    assert state(cable) == "C"
    pilot(
        heard20(
            iso20_dc.DCPreChargeReq(
                header=HEADER,
                ev_processing=iso20_common.Processing.ONGOING,
                ev_present_voltage=rational_number(0.0),
                ev_target_voltage=rational_number(380.0),
            )
        )
    )
    assert cable.load is None
    mode = iso20_dc.ScheduledDCCLReqControlMode(
        ev_target_current=rational_number(10.0), ev_target_voltage=rational_number(400.0)
    )
    loop = iso20_dc.DCChargeLoopReq(
        header=HEADER,
        meter_info_requested=False,
        ev_present_voltage=rational_number(380.0),
        cl_req_control_mode=mode,
    )
    pilot(heard20(loop))
    assert cable.load == Load(380.0)
    pilot(heard20(power_delivery(iso20_common.ChargeProgress.STOP)))
    assert (state(cable), cable.load) == ("B", None)


def test_an_ac_charger_follows_the_set_point_of_iso_15118_20() -> None:
    cable = SimulatedCable()
    pilot = AutoPilot(cable)
    limits = iso20_ac.ACCPDReqEnergyTransferMode(
        ev_maximum_charge_power=rational_number(11_040.0), ev_minimum_charge_power=rational_number(0.0)
    )
    pilot(
        heard20(iso20_ac.ACChargeParameterDiscoveryReq(header=HEADER, ac_cpd_req_energy_transfer_mode=limits))
    )
    pilot(heard20(power_delivery(iso20_common.ChargeProgress.START)))
    for watts, amperes in ((6_900.0, 10.0), (-6_900.0, -10.0), (50_000.0, 16.0), (-50_000.0, -16.0)):
        mode = iso20_ac.BPTDynamicACCLResControlMode(evse_target_active_power=rational_number(watts))
        response = iso20_ac.ACChargeLoopRes(
            header=HEADER, response_code=iso20_common.ResponseCode.OK, cl_res_control_mode=mode
        )
        pilot(MessageRecord(0.0, Direction.SENT, response, 0.001))
        assert cable.draw == (amperes, 3)
    pilot(
        heard20(
            iso20_common.SessionStopReq(
                header=HEADER, charging_session=iso20_common.ChargingSession.TERMINATE
            )
        )
    )
    assert (state(cable), cable.draw) == ("B", NO_DRAW)
