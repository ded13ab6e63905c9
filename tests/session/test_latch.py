"""The fault latch of an outlet."""

import math
import re
from pathlib import Path

import pytest

from secc.session.inputs import ControllerFault, LinkLost
from secc.session.latch import FaultLatch, IdleOutlet
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot
from secc.session.outputs import EndReason, EndSession
from secc.settings import EnergyConfig, EnergyMode, SeccConfig
from tests.support.bench import Bench

UNPLUGGED = EvseSnapshot(control_pilot=ControlPilot.A)
PLUGGED = EvseSnapshot(control_pilot=ControlPilot.B)


def stopped() -> FaultLatch:
    latch = FaultLatch()
    latch.observe(EvseSnapshot(control_pilot=ControlPilot.C, fault=EvseFault.EMERGENCY_STOP))
    return latch


def test_a_new_latch_lets_sessions_begin() -> None:
    assert not FaultLatch().blocked


@pytest.mark.inv("INV-30")
def test_emergency_stop_blocks_until_reset_and_unplugged() -> None:
    latch = stopped()
    latch.observe(UNPLUGGED)
    assert latch.blocked
    latch.reset()
    assert not latch.blocked


@pytest.mark.inv("INV-30")
def test_reset_alone_does_not_unblock() -> None:
    latch = stopped()
    latch.reset()
    latch.observe(PLUGGED)
    assert latch.blocked
    latch.observe(UNPLUGGED)
    assert latch.blocked is False


def test_failed_isolation_test_of_a_session_blocks() -> None:
    latch = FaultLatch()
    latch.session_ended(EndSession(reason=EndReason.REFUSED, fault=EvseFault.ISOLATION))
    assert latch.blocked


@pytest.mark.parametrize("fault", [EvseFault.MALFUNCTION, EvseFault.RESIDUAL_CURRENT])
def test_other_faults_do_not_latch(fault: EvseFault) -> None:
    latch = FaultLatch()
    latch.observe(EvseSnapshot(control_pilot=ControlPilot.C, fault=fault))
    latch.session_ended(EndSession(reason=EndReason.REFUSED, fault=fault))
    assert not latch.blocked


def test_a_new_fault_needs_a_new_reset() -> None:
    latch = stopped()
    latch.reset()
    latch.observe(EvseSnapshot(control_pilot=ControlPilot.C, fault=EvseFault.ISOLATION))
    latch.observe(UNPLUGGED)
    assert latch.blocked


@pytest.mark.inv("INV-30")
@pytest.mark.parametrize("fault", [fault for fault in EvseFault if fault.latched])
def test_the_latch_says_why_it_blocks_until_it_is_free(fault: EvseFault) -> None:
    latch = FaultLatch()
    assert latch.reason == ""
    latch.trip(fault, "as seen by the driver")
    assert latch.blocked
    assert latch.fault is fault
    assert latch.reason == f"{fault.value}: as seen by the driver"
    latch.reset()
    latch.observe(UNPLUGGED)
    assert not latch.blocked
    assert latch.reason == ""


def test_the_first_reason_stays_and_a_later_trip_needs_a_later_reset() -> None:
    latch = stopped()
    latch.reset()
    latch.trip(EvseFault.CONTACTOR, "welded")
    latch.observe(UNPLUGGED)
    assert latch.blocked
    assert latch.reason == "emergency stop"


def test_what_only_the_session_knew_is_part_of_the_reason() -> None:
    latch = FaultLatch()
    end = EndSession(reason=EndReason.REFUSED, fault=EvseFault.SWITCH_OFF, fault_detail="398 V after 5 s")
    latch.session_ended(end)
    assert latch.reason == "output did not switch off: 398 V after 5 s"


# --- between two sessions ---

AC = SeccConfig()
DC = SeccConfig(energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,)))


def idle(config: SeccConfig) -> tuple[IdleOutlet, FaultLatch]:
    latch = FaultLatch()
    outlet = IdleOutlet(config, latch.trip)
    outlet.switched_off(100.0)
    return outlet, latch


@pytest.mark.inv("INV-03", "INV-30")
@pytest.mark.parametrize("pilot", [ControlPilot.A, ControlPilot.B, ControlPilot.C])
def test_a_contactor_that_is_closed_after_the_session_blocks(pilot: ControlPilot) -> None:
    outlet, latch = idle(AC)
    welded = EvseSnapshot(control_pilot=pilot, contactor_closed=True)
    outlet.observe(welded, 100.9)
    assert not latch.blocked
    outlet.observe(welded, 101.0)
    assert latch.reason.startswith("contactor does not follow: closed")


@pytest.mark.parametrize("feedback", [False, None])
def test_a_contactor_that_has_opened_may_close_for_basic_charging(feedback: bool | None) -> None:
    outlet, latch = idle(AC)
    outlet.observe(EvseSnapshot(control_pilot=ControlPilot.C, contactor_closed=feedback), 100.5)
    outlet.observe(EvseSnapshot(control_pilot=ControlPilot.C, contactor_closed=True), 300.0)
    assert not latch.blocked


@pytest.mark.inv("INV-03", "INV-30")
@pytest.mark.parametrize(
    ("volts", "amperes"), [(61.0, 0.0), (-400.0, 0.0), (math.inf, 0.0), (0.0, 3.0), (0.0, -3.0)]
)
def test_a_dc_output_that_is_live_without_a_cable_blocks(volts: float, amperes: float) -> None:
    outlet, latch = idle(DC)
    live = EvseSnapshot(control_pilot=ControlPilot.A, present_voltage=volts, present_current=amperes)
    outlet.observe(live, 101.0)
    outlet.observe(live, 105.9)
    assert not latch.blocked
    outlet.observe(live, 106.0)
    assert latch.fault is EvseFault.SWITCH_OFF


def test_a_battery_on_the_cable_or_a_falling_voltage_does_not_block() -> None:
    outlet, latch = idle(DC)
    for now in range(101, 120):
        plugged = EvseSnapshot(control_pilot=ControlPilot.B, present_voltage=400.0)
        outlet.observe(plugged, float(now))
    for now in range(120, 124):
        unplugged = EvseSnapshot(control_pilot=ControlPilot.A, present_voltage=400.0)
        outlet.observe(unplugged, float(now))
    outlet.observe(EvseSnapshot(control_pilot=ControlPilot.A, present_voltage=20.0), 124.0)
    outlet.observe(EvseSnapshot(control_pilot=ControlPilot.A, present_voltage=math.nan), 140.0)
    outlet.observe(EvseSnapshot(control_pilot=ControlPilot.A, present_voltage=math.nan), 160.0)
    assert not latch.blocked


def test_an_ac_outlet_has_no_voltage_to_judge() -> None:
    outlet, latch = idle(AC)
    for now in (101.0, 200.0):
        outlet.observe(EvseSnapshot(control_pilot=ControlPilot.A, present_voltage=230.0), now)
    assert not latch.blocked


def test_a_reset_does_not_help_while_the_output_is_live() -> None:
    outlet, latch = idle(DC)
    live = EvseSnapshot(control_pilot=ControlPilot.A, present_voltage=400.0)
    for now in (101.0, 107.0):
        latch.observe(live)
        outlet.observe(live, now)
    latch.reset()
    latch.observe(live)
    outlet.observe(live, 108.0)
    assert latch.blocked


def test_each_end_of_a_session_gives_the_output_its_time_again() -> None:
    outlet, latch = idle(DC)
    live = EvseSnapshot(control_pilot=ControlPilot.A, present_voltage=400.0)
    outlet.observe(live, 101.0)
    outlet.switched_off(104.0)
    outlet.observe(live, 104.1)
    outlet.observe(live, 109.0)
    assert not latch.blocked
    outlet.observe(live, 109.1)
    assert latch.blocked


def test_an_output_that_was_off_in_between_gets_its_time_again() -> None:
    outlet, latch = idle(DC)
    live = EvseSnapshot(control_pilot=ControlPilot.A, present_voltage=400.0)
    outlet.observe(live, 101.0)
    outlet.observe(EvseSnapshot(control_pilot=ControlPilot.A, present_voltage=0.0), 103.0)
    outlet.observe(live, 104.0)
    outlet.observe(live, 108.9)
    assert not latch.blocked
    outlet.observe(live, 109.0)
    assert latch.reason == "output did not switch off: 400 V at an output without a cable"


def test_a_reset_of_an_outlet_that_is_not_blocked_is_nothing() -> None:
    latch = FaultLatch()
    latch.reset()
    latch.observe(EvseSnapshot(control_pilot=ControlPilot.A))
    assert (latch.blocked, latch.fault, latch.reason) == (False, None, "")


def test_a_fault_that_does_not_latch_does_not_hide_an_unplugged_cable() -> None:
    latch = stopped()
    latch.reset()
    latch.observe(EvseSnapshot(control_pilot=ControlPilot.A, fault=EvseFault.MALFUNCTION))
    assert not latch.blocked


def test_a_contactor_is_not_judged_before_anything_was_ordered_off() -> None:
    latch = FaultLatch()
    outlet = IdleOutlet(AC, latch.trip)
    outlet.observe(EvseSnapshot(control_pilot=ControlPilot.C, contactor_closed=True), 500.0)
    assert not latch.blocked


# --- the page about it ---


def test_the_page_says_of_each_fault_whether_it_latches() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "how-to", "operate.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `EvseFault\.([A-Z_]+)` \| (yes|no) \|", page, re.M))
    assert rows == {fault.name: "yes" if fault.latched else "no" for fault in EvseFault}


@pytest.mark.inv("INV-30")
def test_a_fault_in_a_session_that_is_blocked_needs_a_separate_reset() -> None:
    latch = stopped()
    latch.reset()
    bench = Bench(AC, blocked=latch.blocked)
    bench.feed(ControllerFault("open_contactor: no answer in time", EvseFault.SWITCH_OFF))
    bench.feed(LinkLost())
    assert bench.end is not None
    latch.session_ended(bench.end)
    latch.observe(UNPLUGGED)
    assert latch.blocked
