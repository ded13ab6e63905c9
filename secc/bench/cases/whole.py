"""Whole sessions with every response in time, and more on discovery. Not in the list of ISO 15118-4."""

from __future__ import annotations

import asyncio

from secc.bench.car import Phase
from secc.bench.case import Case, Need
from secc.bench.cases import discovery
from secc.bench.cases.build import Run, car, own
from secc.bench.cases.loops import check_loop
from secc.bench.talk import PACE
from secc.bench.trial import Trial
from secc.sdp import SdpRequest, Security
from secc.v2gtp import PayloadType, frame

GROUP = "Whole sessions and times"
LOOPS = 20


def _session(kind: str, *, contract: bool = False) -> Run:
    """Run from the handshake to SessionStopRes; the time of each response is checked."""

    async def run(trial: Trial) -> None:
        ev = car(trial, kind, contract=contract)
        await ev.reach(Phase.FIRST_LOOP)
        for _ in range(LOOPS):
            check_loop(trial, ev, await ev.loop())
            await asyncio.sleep(PACE)
        await ev.stop()
        if ev.dc and "no-welding-detection" not in trial.target.declared:
            await ev.weld()
        await ev.stop_session()
        await ev.closed()

    return run


async def _three_in_a_row(trial: Trial) -> None:
    """Check that the station is free again after each session, and that no SessionID is used twice."""
    seen: list[bytes] = []
    for _ in range(3):
        ev = car(trial, "CMN")
        await ev.reach(Phase.DISCOVERY)
        trial.check(
            ev.session_id not in seen, "a SessionID that was not used before", ev.session_id.hex().upper()
        )
        seen.append(ev.session_id)
        await ev.reach(Phase.OVER)
        ev.wire.close()


async def _gone_while_charging(trial: Trial) -> None:
    """Disconnect the EV without a message; the next one is served."""
    ev = car(trial, "CMN")
    await ev.reach(Phase.LOOP)
    ev.wire.close(reset=True)
    trial.note("note", "the EV disconnects")
    await trial.pilot("B")
    again = car(trial, "CMN")
    await again.reach(Phase.SELECTION)


def _discovery_ignores(data: bytes, text: str) -> Case:
    name = text.upper().replace(" ", "_").replace(",", "")
    run = discovery.ignored(data, text)
    return own(
        f"SDP_{name}", "Robustness", text, "no answer; a valid request after it is answered", run, Need.SDP
    )


_REQUEST = SdpRequest(Security.NONE).to_bytes()

CASES: tuple[Case, ...] = (
    own(
        *(
            "SESSION_AC",
            GROUP,
            "AC, external payment",
            "every response in its time, to the end",
            _session("AC"),
        ),
        *(Need.AC, Need.EXTERNAL),
        ids="V2G2-034 V2G2-436",
    ),
    own(
        *(
            "SESSION_DC",
            GROUP,
            "DC, external payment",
            "every response in its time, to the end",
            _session("DC"),
        ),
        *(Need.DC, Need.EXTERNAL),
        ids="V2G2-034 V2G2-436",
    ),
    *(
        own(
            *(
                f"SESSION_{kind}_PNC",
                GROUP,
                f"{kind}, Plug and Charge",
                "every response in its time, to the end",
            ),
            *(_session(kind, contract=True), need, Need.CONTRACT, Need.WALLET),
            ids="V2G2-034 V2G2-436",
        )
        for kind, need in (("AC", Need.AC), ("DC", Need.DC))
    ),
    own(
        *("SESSION_THREE", GROUP, "three sessions, one after the other"),
        *("all of them, each with another SessionID", _three_in_a_row, Need.EXTERNAL),
        ids="V2G2-750",
    ),
    own(
        *("SESSION_GONE", GROUP, "an EV that disconnects in the charge loop"),
        *("the next one is served", _gone_while_charging, Need.EXTERNAL),
        ids="V2G2-727",
    ),
    own(
        "SDP_REPEATED",
        "Robustness",
        "SDP, twice",
        "the same answer",
        discovery.again,
        Need.SDP,
        ids="V2G2-144",
    ),
    _discovery_ignores(frame(b"\x10\x10", PayloadType.SDP_REQUEST), "SDP for transport UDP"),
    _discovery_ignores(frame(b"\x01\x00", PayloadType.SDP_REQUEST), "SDP for reserved security"),
    _discovery_ignores(frame(b"\x10", PayloadType.SDP_REQUEST), "SDP with one byte"),
    _discovery_ignores(frame(b"\x10\x00\x00", PayloadType.SDP_REQUEST), "SDP with three bytes"),
    _discovery_ignores(_REQUEST[:7] + b"\x03" + _REQUEST[8:], "SDP one byte shorter than its length field"),
    _discovery_ignores(_REQUEST[:4] + b"\xff\xff\xff\xf8" + _REQUEST[8:], "SDP of length FFFFFFF8"),
    _discovery_ignores(b"", "empty datagram"),
)
