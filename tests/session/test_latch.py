"""The fault latch of an outlet."""

import pytest

from secc.session.events import ControlPilot, EndReason, EndSession, EvseFault, EvseSnapshot
from secc.session.latch import FaultLatch

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
