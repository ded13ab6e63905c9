"""The matching of a station: time is a number, the power line is a list of frames."""

from __future__ import annotations

import os

import pytest

from secc.settings.slac import SlacConfig
from secc.slac import events as e
from secc.slac import messages as m
from secc.slac.frames import Frame, Message, decode, encode
from secc.slac.matching import Matching
from secc.slac.states import SlacState
from tests.support import vectors
from tests.support.matching import EV, EV_2, EVSE, RUN, RUN_2, Bench

# --- the good case -----------------------------------------------------------------------------------------


def test_a_whole_matching_ends_with_the_key_and_the_link() -> None:
    bench = Bench()
    bench.ask()
    assert bench.take() == [m.SlacParmCnf(RUN, EV, sounds=10, time_out=6)]
    bench.start()
    bench.sound()
    assert bench.take() == [m.AttenCharInd(EV, RUN, 10, bytes([20] * 58))]
    bench.acknowledge()
    bench.choose()
    key = bench.matching.key
    assert bench.take() == [m.SlacMatchCnf(EV, EVSE, RUN, key.nid, key.nmk)]
    assert bench.all_told(e.LinkReady) == []
    bench.wait(0.2)
    assert bench.all_told(e.LinkReady) == [e.LinkReady(EV, RUN, key.nid)]
    assert bench.matching.state is SlacState.MATCHED


# --- requests that must not be answered --------------------------------------------------------------------


@pytest.mark.parametrize("row", [340, 342, 343, 349, 351, 352])
def test_recorded_frames_with_a_wrong_address_or_run_are_ignored(row: int) -> None:
    data = next(bytes.fromhex(r["hex"]) for r in vectors.lines("slac.jsonl") if r["id"] == row)
    bench = Bench()
    bench.ask()
    if row != 340:
        bench.start()
        bench.sound()
    if row in (349, 351, 352):
        bench.acknowledge()
    bench.take()
    before = bench.matching.state, dict(bench.matching.runs)
    bench.put(e.FrameReceived(data))
    assert bench.take() == []
    assert (bench.matching.state, dict(bench.matching.runs)) == before


def test_what_was_sent_to_a_neighbour_is_not_for_this_station() -> None:
    bench = Bench()
    bench.measure()
    bench.take()
    bench.hear(EV, EV_2, m.AttenCharRsp(EV, RUN))
    bench.choose()
    assert bench.take() == []
    assert bench.matching.counts[e.FrameVerdict.NOT_FOR_US] == 1


def test_no_ev_is_answered_before_the_modem_has_its_key() -> None:
    bench = Bench(armed=False)
    bench.ask()
    assert bench.take() == []


def test_no_ev_is_answered_while_matched() -> None:
    bench = Bench()
    bench.match()
    bench.wait(0.3)
    bench.put(e.LinkUsed(used=True))
    bench.ask()
    bench.ask(EV_2, RUN_2)
    bench.choose(EV_2, RUN_2)
    assert bench.take() == []
    assert bench.matching.state is SlacState.MATCHED


# --- recorded cars, and the table --------------------------------------------------------------------------


RECORDED = ("audi-dc-iso2.pcap", "tesla-3-din.pcap", "vw-ac-iso2.pcap", "ISO-2_AC_DS5366.pcapng")


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_cars_are_matched(name: str) -> None:
    """The frames of car and modem from the recording; the answers are ours, at the recorded moments."""
    row = next(row for row in vectors.lines("slac.jsonl") if row.get("name") == name)
    frames = [(f["ms"] / 1000, f["n"], bytes.fromhex(f["hex"])) for f in row["frames"] if f["n"] != "SDP"]
    station = next(data[6:12] for _, kind, data in frames if kind == "CM_SLAC_PARM.CNF")
    matching = Matching(SlacConfig(), evse_mac=station, random_bytes=os.urandom)
    begun = next(at for at, kind, _ in frames if kind == "CM_SLAC_PARM.REQ") - 1.0
    matching.handle(e.ModemOpened(), begun)
    modem = next(data[6:12] for _, kind, data in frames if kind == "CM_ATTEN_PROFILE.IND")
    matching.handle(e.FrameReceived(encode(Frame(station, modem, m.SetKeyCnf(1)))), begun + 0.1)
    matching.handle(e.VehicleConnected(), begun + 0.2)
    ours: list[Message] = []
    theirs: list[Message] = []
    for at, _kind, data in frames:
        if data[6:12] == station:
            theirs.append(decode(data).message)
            continue
        while at > begun and (due := matching.deadline) is not None and due < at:
            ours += _sent(matching.handle(e.SlacTick(), due))
        if at > begun:
            ours += _sent(matching.handle(e.FrameReceived(data), at))
    averages = [message for message in ours if isinstance(message, m.AttenCharInd)]
    assert averages[-1].sounds == next(x for x in theirs if isinstance(x, m.AttenCharInd)).sounds
    assert any(isinstance(message, m.SlacMatchCnf) for message in ours)


def _sent(outputs: tuple[e.Output, ...]) -> list[Message]:
    return [decode(output.data).message for output in outputs if isinstance(output, e.SendFrame)]
