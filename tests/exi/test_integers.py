"""Integers of any number of octets, in the middle of a message."""

from __future__ import annotations

import pytest

from secc import exi
from secc.errors import DecodeError
from secc.messages import iso20_common, iso20_dc


def loop(time_stamp: int, remaining: int) -> iso20_dc.DCChargeLoopReq:
    """A request of ISO 15118-20 with integers of any length in the middle."""
    zero = iso20_common.RationalNumber(exponent=0, value=0)
    return iso20_dc.DCChargeLoopReq(
        header=iso20_common.MessageHeader(session_id=bytes(8), time_stamp=time_stamp),
        display_parameters=iso20_common.DisplayParameters(remaining_time_to_target_soc=remaining),
        meter_info_requested=True,
        ev_present_voltage=zero,
        cl_req_control_mode=iso20_dc.ScheduledDCCLReqControlMode(
            ev_target_current=zero, ev_target_voltage=zero
        ),
    )


@pytest.mark.parametrize("octets", range(1, 10))
def test_an_integer_of_any_number_of_octets_is_read_as_it_was_written(octets: int) -> None:
    dc = exi.codec("iso20-dc")
    most = (1 << 7 * octets) - 1
    for time_stamp in (most, 1 << 7 * (octets - 1), 0x5A5A_5A5A_5A5A_5A5A & most):
        message = loop(time_stamp, min(time_stamp, 0xFFFF_FFFF))
        assert dc.decode(dc.encode(message)) == message


def test_an_integer_of_five_octets_beyond_its_type_is_refused() -> None:
    dc = exi.codec("iso20-dc")
    stream = dc.encode(loop(0, 0xFFFF_FFFF))
    most, less = int.from_bytes(stream), int.from_bytes(dc.encode(loop(0, 0x7FFF_FFFF)))
    beyond = most | (most ^ less) << 1
    with pytest.raises(DecodeError, match="RemainingTimeToTargetSOC"):
        dc.decode(beyond.to_bytes(len(stream)))
