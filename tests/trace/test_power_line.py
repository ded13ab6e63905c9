"""The matching in a trace: the frames on the power line, without keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from secc.cli import main
from secc.settings import SeccConfig
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.frames import BROADCAST, LOCAL_MODEM, Frame, Message, OtherMessage, decode, encode
from secc.station.power_line import PowerLineLog
from secc.trace import TraceError, read
from secc.trace.power_line import TracedFrame, chart, name_of
from secc.trace.recorder import Recorder
from tests.support.fasttime import play_fast
from tests.support.matching import EV, EVSE, MODEM, RUN
from tests.support.plc import World


async def _charged(lines: list[str]) -> World:
    world = World(write=lines.append)
    async with world.plc:
        result = await world.charge()
        assert result.completed, result.error
    return world


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    """The trace of a whole matching and session."""
    lines: list[str] = []
    world = play_fast(_charged(lines))
    path = tmp_path_factory.mktemp("trace") / "station.trace"
    path.write_text("".join(lines))
    return path, world


def test_a_trace_of_a_station_has_the_frames_of_its_matching_in_their_order(
    recorded: tuple[Path, World],
) -> None:
    trace = read(recorded[0])
    assert len(trace.sessions) == 1
    names = [name_of(decode(frame.data).message) for frame in trace.power_line if frame.data]
    way = [
        "CM_SET_KEY.REQ",
        "CM_SET_KEY.CNF",
        "CM_SLAC_PARM.REQ",
        "CM_SLAC_PARM.CNF",
        "CM_START_ATTEN_CHAR.IND",
        "CM_MNBC_SOUND.IND",
        "CM_ATTEN_PROFILE.IND",
        "CM_ATTEN_CHAR.IND",
        "CM_ATTEN_CHAR.RSP",
        "CM_SLAC_MATCH.REQ",
        "CM_SLAC_MATCH.CNF",
    ]
    assert [name for name in dict.fromkeys(names) if name in way] == way
    assert [frame.done for frame in trace.power_line if frame.done.startswith("pilot")] == [
        "pilot X1",
        "pilot 5%",
        "pilot X1",
    ]


@pytest.mark.inv("INV-25")
def test_no_network_key_is_in_a_trace(recorded: tuple[Path, World]) -> None:
    path, world = recorded
    messages = [decode(data).message for data in world.station_plc.sent]
    keys = {x.nmk.hex() for x in messages if isinstance(x, m.SetKeyReq | m.SlacMatchCnf)}
    assert len(keys) >= 2
    text = path.read_text()
    assert not any(key in text for key in keys)


def test_the_chart_of_a_session_begins_with_its_matching(
    recorded: tuple[Path, World], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", str(recorded[0])]) == 0
    text = capsys.readouterr().out
    assert "CM_SLAC_PARM.REQ ──────────────────▶  02:00:00:00:00:e1 run" in text
    assert "10 CM_MNBC_SOUND.IND, 10 CM_ATTEN_PROFILE.IND" in text
    assert text.index("CM_SLAC_MATCH.CNF") < text.index("SessionSetupReq")


ONE_OF_EACH: tuple[tuple[Message, str], ...] = (
    (m.SlacParmReq(RUN), "CM_SLAC_PARM.REQ"),
    (m.StartAttenCharInd(RUN, EV), "CM_START_ATTEN_CHAR.IND"),
    (m.MnbcSoundInd(RUN, 1), "CM_MNBC_SOUND.IND"),
    (m.AmpMapCnf(0), "CM_AMP_MAP.CNF"),
    (m.ValidateReq(0, 0, 1), "CM_VALIDATE.REQ"),
    (v.LinkStatusReq(), "VS_PL_LINK_STATUS.REQ"),
    (v.LumissilLinkCnf(0, 1), "NSCM_GET_D_LINK_STATUS.CNF"),
    (OtherMessage(0xA14E, 0), "message 0xa14e"),
)


@pytest.mark.parametrize(("message", "name"), ONE_OF_EACH, ids=[name for _, name in ONE_OF_EACH])
def test_messages_have_their_names_of_the_standard(message: Message, name: str) -> None:
    assert name_of(message) == name


def test_a_chart_shows_who_said_what_and_folds_what_repeats_itself() -> None:
    frames = [
        TracedFrame(1.0, True, encode(Frame(LOCAL_MODEM, EVSE, m.SetKeyReq(bytes(7), bytes(16))))),
        TracedFrame(1.1, False, encode(Frame(EVSE, MODEM, m.SetKeyCnf(1)))),
        TracedFrame(1.2, True, done="pilot 5%"),
        TracedFrame(2.0, False, encode(Frame(BROADCAST, EV, m.SlacParmReq(RUN)))),
        TracedFrame(2.1, True, encode(Frame(EV, EVSE, m.SlacParmCnf(RUN, EV)))),
        *[
            TracedFrame(3.0, False, encode(Frame(BROADCAST, EV, m.MnbcSoundInd(RUN, 9 - i))))
            for i in range(5)
        ],
        TracedFrame(4.0, False, b"\0" * 20),
    ]
    assert [line.rstrip() for line in chart(frames, began=1.0).splitlines()[1:]] == [
        f"    0.000  {' ' * 38}───── CM_SET_KEY.REQ ─────▶  network 00000000000000",
        f"    0.100  {' ' * 38}◀───── CM_SET_KEY.CNF ─────  result 1",
        f"    0.200  {' ' * 38}pilot 5%",
        "    1.000  CM_SLAC_PARM.REQ ──────────────────▶  02:00:00:00:00:e1 run 0011223344556677",
        "    1.100     ◀─────────────── CM_SLAC_PARM.CNF",
        "    2.000  5 CM_MNBC_SOUND.IND",
        "    3.000  what cannot be read, 20 bytes",
    ]


@pytest.mark.inv("INV-26")
def test_a_flood_writes_two_hundred_lines_a_second_at_most() -> None:
    lines: list[str] = []
    log = PowerLineLog(Recorder(lines.append, SeccConfig(), now=0.0, wall=0.0))
    for i in range(5_000):
        log.heard(encode(Frame(BROADCAST, EV, m.SlacParmReq(RUN))), 10.0 + i / 2_500)
    assert len(lines) == 1 + 400


def test_a_line_of_the_power_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    lines: list[str] = []
    Recorder(lines.append, SeccConfig(), now=0.0, wall=0.0)
    (tmp_path / "bad.trace").write_text(lines[0] + '{"power_line":1.0,"heard":"xyz"}\n')
    with pytest.raises(TraceError, match="line 2"):
        read(tmp_path / "bad.trace")
