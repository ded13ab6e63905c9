"""The bench can fail, ISO 15118-20: a station with one defect fails the case that tests it.

As `test_lies`, with a proxy in front of a DC station of a laboratory, on plain TCP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from secc.bench import BenchReport, BenchVerdict
from secc.messages import app_protocol
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import ResponseCode
from secc.messages.numbers import rational_number
from secc.settings import (
    CompatConfig,
    EnergyConfig,
    EnergyMode,
    Iso20Config,
    ProtocolName,
    SeccConfig,
    TimingConfig,
)
from secc.v2gtp import PayloadType
from tests.support.liar import Change, Lie, agreed, examined
from tests.support.liar20 import PATIENT, QUICK, code, head, lie, replaced

CONFIG = SeccConfig(
    interface="lo",
    protocols=(ProtocolName.ISO15118_20,),
    energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,)),
    timing=TimingConfig(sequence=5.0, close_delay=0.05),
    compat=CompatConfig.strict(),
    iso20=Iso20Config(insecure_lab=True),
)


def strange_id(said: Any) -> Any:
    """Another SessionID in ServiceDetailRes."""
    return head(session_id=b"12345678")(said) if isinstance(said, common.ServiceDetailRes) else said


def one_mode(said: Any) -> Any:
    """Details with the first parameter set only."""
    if not isinstance(said, common.ServiceDetailRes):
        return said
    sets = said.service_parameter_list.parameter_set[:1]
    return msgspec.structs.replace(
        said, service_parameter_list=common.ServiceParameterList(parameter_set=sets)
    )


def schedule(change: Callable[[common.ChargingSchedule], common.ChargingSchedule]) -> Change:
    """Another charging schedule in each tuple."""

    def told(said: Any) -> Any:
        offer = getattr(said, "scheduled_se_res_control_mode", None)
        if offer is None:
            return said
        tuples = tuple(
            msgspec.structs.replace(one, charging_schedule=change(one.charging_schedule))
            for one in offer.schedule_tuple
        )
        changed = msgspec.structs.replace(offer, schedule_tuple=tuples)
        return msgspec.structs.replace(said, scheduled_se_res_control_mode=changed)

    return told


def short(one: common.ChargingSchedule) -> common.ChargingSchedule:
    """A schedule of a minute."""
    entry = common.PowerScheduleEntry(duration=60, power=rational_number(1000.0))
    entries = common.PowerScheduleEntryList(power_schedule_entry=(entry,))
    power = msgspec.structs.replace(one.power_schedule, power_schedule_entries=entries)
    return msgspec.structs.replace(one, power_schedule=power)


def unpriced(one: common.ChargingSchedule) -> common.ChargingSchedule:
    """A schedule without prices."""
    return msgspec.structs.replace(one, price_level_schedule=None, absolute_price_schedule=None)


AGREED = app_protocol.ResponseCode.OK_SUCCESSFUL_NEGOTIATION
OK, SEQUENCE = ResponseCode.OK, ResponseCode.FAILED_SEQUENCE_ERROR
LIES: list[tuple[Lie, str]] = [
    (lie("agrees to everything", agreed(response_code=AGREED, schema_id=3)), "SAP-007"),
    (lie("another SessionID in one response", strange_id), "SVC-009"),
    (lie("time stamps that stand still", head(time_stamp=1_700_000_000)), "HDR-010"),
    (lie("one payload type for all", lambda said: said, kind=PayloadType.ISO20_COMMON), "CPD-001"),
    (lie("stays connected after a refusal", lambda said: said, keeps_open=True), "SSU-007"),
    (lie("late in the loop", lambda said: said, delay=0.6), "LOP-019"),
    (code(SEQUENCE, OK), "SSU-007"),
    (code(ResponseCode.FAILED_UNKNOWN_SESSION, OK), "HDR-004"),
    (code(ResponseCode.WARNING_AUTHORIZATION_SELECTION_INVALID, OK), "AUT-EIM-SELECTION"),
    (code(ResponseCode.FAILED_SERVICE_ID_INVALID, OK), "SVC-008"),
    (code(ResponseCode.FAILED_SERVICE_SELECTION_INVALID, OK), "SVC-013"),
    (code(ResponseCode.FAILED_NO_ENERGY_TRANSFER_SERVICE_SELECTED, OK), "SVC-015"),
    (code(ResponseCode.FAILED_WRONG_CHARGE_PARAMETER, OK), "CPD-005"),
    (code(ResponseCode.FAILED_SCHEDULE_SELECTION_INVALID, ResponseCode.FAILED), "PWR-TUPLE"),
    (code(ResponseCode.FAILED_EV_POWER_PROFILE_INVALID, OK), "PWR-009"),
    (code(ResponseCode.FAILED_PAUSE_NOT_ALLOWED, OK), "PAU-004"),
    (code(ResponseCode.FAILED_NO_SERVICE_RENEGOTIATION_SUPPORTED, OK), "REN-014"),
    (lie("one control mode", one_mode), "SVC-009"),
    (lie("a schedule of a minute", schedule(short)), "SCH-002"),
    (lie("no prices", schedule(unpriced)), "SCH-005"),
    (replaced("no meter", dc.DCChargeLoopRes, meter_info=None), "LOP-019"),
    (replaced("takes energy", dc.DCChargeLoopRes, evse_present_current=rational_number(-50.0)), "BPT-013"),
    (replaced("gives energy", dc.DCChargeLoopRes, evse_present_current=rational_number(9.0)), "LOP-004"),
]


async def examine(wrong: Lie | None, case: str) -> BenchReport:
    """The case before this station."""
    truth = lie("the truth", lambda said: said)
    timers = QUICK if wrong else PATIENT
    return await examined(CONFIG, wrong or truth, lambda one: one.id == f"I20-{case}", timers)


@pytest.fixture(scope="module")
def reports() -> dict[str, BenchReport]:
    """All at the same time: most of it is waiting."""

    async def everything() -> list[BenchReport]:
        return await asyncio.gather(*(examine(wrong, case) for wrong, case in LIES))

    return {wrong.title: report for (wrong, _), report in zip(LIES, asyncio.run(everything()), strict=True)}


@pytest.mark.parametrize(("wrong", "case"), LIES, ids=[wrong.title for wrong, _ in LIES])
def test_a_station_that_is_wrong_fails(reports: dict[str, BenchReport], wrong: Lie, case: str) -> None:
    report = reports[wrong.title]
    outcome = report.outcomes[0]
    assert outcome.case.id == f"I20-{case}"
    assert (outcome.verdict, report.good) == (BenchVerdict.FAIL, False), outcome.reason


async def test_the_same_station_passes_without_a_lie() -> None:
    async def everything() -> list[BenchReport]:
        return await asyncio.gather(*(examine(None, case) for case in sorted({case for _, case in LIES})))

    for report in await everything():
        assert (report.outcomes[0].reason, report.good) == ("", True)
