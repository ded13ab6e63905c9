"""The V2GTP header on TCP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from secc.bench import requests
from secc.bench.car import BenchCar, Phase
from secc.bench.case import Case
from secc.bench.trial import Trial
from secc.messages.iso2 import ResponseCode

GROUP = "V2GTP header on TCP"


async def _lawful(trial: Trial) -> None:
    car = BenchCar(trial)
    await car.reach(Phase.SETUP)
    await car.expect(requests.session_setup(car.ev), ResponseCode.OK_NEW_SESSION_ESTABLISHED)


def _ignored(change: Callable[[bytes], bytes], text: str) -> Callable[[Trial], Awaitable[None]]:
    """Send SessionSetupReq with a changed header; expect no answer and an open connection."""

    async def run(trial: Trial) -> None:
        car = BenchCar(trial)
        await car.reach(Phase.SETUP)
        data = change(car.encode(requests.session_setup(car.ev), None, None))
        await car.send_raw(data, f"SessionSetupReq, {text}")
        timers = trial.timers
        await car.ignored(min(timers.message, _WELL_BEFORE * timers.sequence, _WELL_BEFORE * timers.setup))

    return run


def _case(number: int, title: str, expect: str, run: Callable[[Trial], Awaitable[None]]) -> Case:
    return Case(
        id=f"TC_SECC_CMN_VTB_V2GTPSessionSetup_{number:03}",
        group=GROUP,
        title=title,
        expect=expect,
        run=run,
        ids="V2G2-085 V2G2-086 V2G2-800",
    )


_WELL_BEFORE = 0.6
"""Limit for the wait, if a timer of the station is declared shorter than the patience of the tester."""

_SILENCE = "no answer in 2 s, TCP left open"

CASES: tuple[Case, ...] = (
    _case(1, "lawful header", "SessionSetupRes under 01 FE 8001", _lawful),
    _case(2, "header with length 0", _SILENCE, _ignored(lambda d: d[:4] + bytes(4) + d[8:], "length 0")),
    _case(
        3,
        "payload type 0x7001",
        _SILENCE,
        _ignored(lambda d: d[:2] + bytes.fromhex("7001") + d[4:], "type 7001"),
    ),
    _case(4, "protocol version 0xFF", _SILENCE, _ignored(lambda d: b"\xff" + d[1:], "version FF")),
    _case(
        5,
        "inverse version 0xFF",
        _SILENCE,
        _ignored(lambda d: d[:1] + b"\xff" + d[2:], "inverse version FF"),
    ),
)
