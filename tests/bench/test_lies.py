"""The bench can fail: a station with one defect fails the cases that test it.

A proxy in front of the station injects each defect; without the proxy the station passes the same cases.
"""

from __future__ import annotations

import asyncio
import dataclasses

import msgspec
import pytest

from secc import exi
from secc.bench import BenchReport, BenchTimers, BenchVerdict
from secc.errors import DecodeError
from secc.messages import app_protocol, iso2
from secc.messages.iso2 import ResponseCode
from secc.sdp import SdpResponse, Security
from secc.settings import TlsConfig, TlsPolicy
from secc.v2gtp import frame
from tests.support.liar import Lie, agreed, body, examined, header
from tools.conformance.setups import SETUPS

QUICK = BenchTimers(
    message=0.8,
    slow_message=1.5,
    current_demand=0.4,
    discovery=0.6,
    close=0.5,
    sequence=1.0,
    setup=3.0,
    reach=3.0,
)
# The truth may take its time: on a busy machine nothing that is right comes too late.
PATIENT = dataclasses.replace(QUICK, message=4.0, slow_message=4.0, current_demand=2.0, close=3.0, reach=10.0)


def code(old: ResponseCode, new: ResponseCode) -> Lie:
    """One code where another is due."""

    def change(said: object) -> object:
        if getattr(said, "response_code", None) is not old:
            return said
        return msgspec.structs.replace(said, response_code=new)  # type: ignore[type-var]

    return Lie(title=f"{new.value} for {old.value}", response=body(change))


def replaced(kind: type, **changes: object) -> Lie:
    """Something else in one response."""

    def change(said: object) -> object:
        return msgspec.structs.replace(said, **changes) if isinstance(said, kind) else said  # type: ignore[type-var]

    return Lie(title=f"{kind.__name__} with {', '.join(changes)} of its own", response=body(change))


def mended_header(data: bytes) -> bytes:
    """The V2GTP version is made right, so that the station answers what it should ignore."""
    return b"\x01\xfe\x80\x01" + data[4:] if data[:2] != b"\x01\xfe" else data


class RightId:
    """Takes any SessionID: the station behind gets the right one."""

    def __init__(self) -> None:
        self.assigned = b"\x00"

    def response(self, message: object) -> object:
        if isinstance(message, iso2.V2GMessage):
            self.assigned = message.header.session_id
        return message

    def request(self, data: bytes) -> bytes:
        try:
            message = exi.ISO2.decode(data[8:])
        except DecodeError:
            return data
        if not isinstance(message, iso2.V2GMessage) or isinstance(message.body, iso2.SessionSetupReq):
            return data
        fixed = iso2.V2GMessage(header=iso2.MessageHeader(session_id=self.assigned), body=message.body)
        return frame(exi.ISO2.encode(fixed))


def takes_any_id() -> Lie:
    right = RightId()
    return Lie(title="takes any SessionID", response=right.response, request=right.request)


def short_schedule(said: object) -> object:
    if not isinstance(said, iso2.ChargeParameterDiscoveryRes):
        return said
    entry = iso2.PMaxScheduleEntry(
        time_interval=iso2.RelativeTimeInterval(start=0, duration=60),
        p_max=iso2.PhysicalValue(multiplier=0, unit=iso2.UnitSymbol.W, value=1000),
    )
    schedule = iso2.SAScheduleTuple(
        sa_schedule_tuple_id=1, p_max_schedule=iso2.PMaxSchedule(p_max_schedule_entry=(entry,))
    )
    return msgspec.structs.replace(said, sa_schedules=iso2.SAScheduleList(sa_schedule_tuple=(schedule,)))


def body_is_noise(message: object) -> object:
    return NOISE if isinstance(message, iso2.V2GMessage) else message


def answers_all(asked: bytes, answer: bytes | None) -> bytes:
    """Discovery that looks at nothing."""
    return answer or SdpResponse(HERE, 50000, Security.NONE).to_bytes()


HERE = SdpResponse.parse(bytes.fromhex("01fe900100000014" + "00" * 15 + "01c3501000")).address
OK, SEQUENCE = ResponseCode.OK, ResponseCode.FAILED_SEQUENCE_ERROR
FAILED, UNKNOWN = ResponseCode.FAILED, ResponseCode.FAILED_UNKNOWN_SESSION
NEW, JOINED = ResponseCode.OK_NEW_SESSION_ESTABLISHED, ResponseCode.OK_OLD_SESSION_JOINED
NOISE = b"\x80\x98\x02\x00"

LIES: list[tuple[Lie, str]] = [
    (Lie(title="deaf to discovery", discovery=lambda asked, answer: None), "CMN_VTB_SDP_001"),
    (Lie(title="answers every datagram", discovery=answers_all), "CMN_VTB_V2GTPSDP_003"),
    (
        Lie(
            title="announces TLS without having it",
            discovery=lambda _, answer: answer and answer[:26] + b"\0\0",
        ),
        "CMN_VTB_SDP_001",
    ),
    (
        Lie(
            title="an old port",
            discovery=lambda _, answer: answer and answer[:24] + b"\x00\x50" + answer[26:],
        ),
        "CMN_VTB_SDP_001",
    ),
    (Lie(title="takes any V2GTP version", request=mended_header), "CMN_VTB_V2GTPSessionSetup_004"),
    (Lie(title="another payload type", kind=0x8002), "CMN_VTB_V2GTPSessionSetup_001"),
    (Lie(title="another SchemaID", response=agreed(schema_id=9)), "CMN_VTB_SupportedAppProtocol_004"),
    (
        Lie(
            title="agrees to everything",
            response=agreed(response_code=app_protocol.ResponseCode.OK_SUCCESSFUL_NEGOTIATION, schema_id=1),
        ),
        "CMN_VTB_SupportedAppProtocol_002",
    ),
    (Lie(title="no EXI", response=body_is_noise), "CMN_VTB_SessionSetup_001"),
    (Lie(title="SessionID zero", response=header(lambda _: bytes(8))), "CMN_VTB_SessionSetup_001"),
    (replaced(iso2.SessionSetupRes, evse_id="not an id!"), "CMN_VTB_SessionSetup_001"),
    (code(NEW, JOINED), "CMN_VTB_SessionSetup_001"),
    (code(JOINED, NEW), "DC_VTB_SessionSetup_001"),
    (
        Lie(title="another SessionID each time", response=header(lambda one: one[:7] + bytes([one[7] ^ 1]))),
        "CMN_VTB_ServiceDiscovery_002",
    ),
    (code(SEQUENCE, OK), "CMN_VTB_ServiceDiscovery_002"),
    (code(SEQUENCE, FAILED), "DC_VTB_CableCheck_003"),
    (code(UNKNOWN, OK), "CMN_VTB_ServiceDiscovery_003"),
    (takes_any_id(), "CMN_VTB_ServiceDiscovery_003"),
    (Lie(title="stays connected after a refusal", keeps_open=True), "CMN_VTB_ServiceDiscovery_002"),
    (Lie(title="stays connected for ever", keeps_open=True), "CMN_VTB_ServiceDiscovery_004"),
    (Lie(title="late with every answer", delay=1.0), "CMN_VTB_SessionSetup_001"),
    (Lie(title="late in the loop", delay=0.5), "DC_VTB_CurrentDemand_001"),
    (code(ResponseCode.FAILED_NO_CHARGE_SERVICE_SELECTED, OK), "CMN_VTB_PaymentServiceSelection_007"),
    (
        Lie(title="a schedule of a minute", response=body(short_schedule)),
        "DC_VTB_ChargeParameterDiscovery_001",
    ),
    (code(ResponseCode.FAILED_WRONG_CHARGE_PARAMETER, OK), "DC_VTB_ChargeParameterDiscovery_004"),
    (code(ResponseCode.FAILED_TARIFF_SELECTION_INVALID, FAILED), "DC_VTB_PowerDelivery_008"),
    (replaced(iso2.CurrentDemandRes, receipt_required=True), "DC_VTB_CurrentDemand_001"),
    (replaced(iso2.CurrentDemandRes, sa_schedule_tuple_id=77), "DC_VTB_CurrentDemand_001"),
    (replaced(iso2.CurrentDemandRes, meter_info=None), "DC_VTB_CurrentDemand_006"),
]


async def examine(lie: Lie | None, case: str) -> BenchReport:
    """The case before the DC station of the conformance run."""
    setup = SETUPS["DC"].config()
    timing = dataclasses.replace(setup.timing, sequence=1.0)
    config = dataclasses.replace(setup, timing=timing, tls=TlsConfig(policy=TlsPolicy.OFF))
    truth = Lie(title="the truth")
    return await examined(
        config,
        lie or truth,
        lambda one: one.id.removeprefix("TC_SECC_") == case,
        QUICK if lie else PATIENT,
    )


@pytest.fixture(scope="module")
def reports() -> dict[str, BenchReport]:
    """All at the same time: most of it is waiting."""

    async def everything() -> list[BenchReport]:
        return await asyncio.gather(*(examine(lie, case) for lie, case in LIES))

    return {lie.title: report for (lie, _), report in zip(LIES, asyncio.run(everything()), strict=True)}


@pytest.mark.parametrize(("lie", "case"), LIES, ids=[lie.title for lie, _ in LIES])
def test_a_station_that_is_wrong_fails(reports: dict[str, BenchReport], lie: Lie, case: str) -> None:
    report = reports[lie.title]
    outcome = report.outcomes[0]
    assert outcome.case.id.endswith(case)
    assert (outcome.verdict, report.good) == (BenchVerdict.FAIL, False), outcome.reason


async def test_the_same_station_passes_without_a_lie() -> None:
    async def everything() -> list[BenchReport]:
        return await asyncio.gather(*(examine(None, case) for case in sorted({case for _, case in LIES})))

    for report in await everything():
        assert (report.outcomes[0].reason, report.good) == ("", True)
