"""Sequence chart, charging curve and test of a trace."""

import dataclasses
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from secc.session.din.states import DinState
from secc.session.iso2.states import State
from secc.session.iso20.states import Iso20State
from secc.session.streams import Stream
from secc.sim.player import config_for
from secc.trace import TraceError, read
from secc.trace.as_test import write_test
from secc.trace.chart import LEGEND, chart
from secc.trace.curve import svg
from secc.trace.summary import CurvePoint, SessionSummary, summarize
from secc.v2gtp import V2gtpFrame
from tests.support.bench import AC
from tests.support.din import DIN
from tests.support.recordings import ac_session, din_session
from tests.support.traced import Lines, recorded

TRACES = pathlib.Path(__file__).parents[1] / "traces"


def summary(lines: Lines, folder: pathlib.Path) -> SessionSummary:
    trace = read(lines.save(folder / "session.trace"))
    return summarize(trace.sessions[0], trace.config)


def test_the_story_has_states_messages_and_curves(tmp_path: pathlib.Path) -> None:
    told = summary(recorded(), tmp_path)
    states = [band.state for band in told.bands]
    assert states[:3] == [
        State.WAIT_SESSION_SETUP,
        State.WAIT_SERVICE_DISCOVERY,
        State.WAIT_SERVICE_SELECTION,
    ]
    assert states[-1] is State.ENDED
    assert sum(message.from_ev for message in told.messages) == 18
    assert set(told.curves) == {"voltage", "voltage set", "current", "current set", "power", "soc"}
    assert max(point.value for point in told.curves["power"]) == 400.0 * 80.0


def test_the_chart_shows_who_said_what(tmp_path: pathlib.Path) -> None:
    text = chart(summary(recorded(), tmp_path))
    assert "PreChargeReq ──────────────────────▶  380 V 2 A" in text
    assert "───── 400 V, 80 A ─────▶" in text
    assert "[WAIT_CABLE_CHECK_RESULT]" in text
    assert "END: terminated by the EV" in text
    lines = [line for line in text.splitlines() if "SessionStop" in line]
    assert lines[0].strip().endswith("Terminate")


def test_a_din_session_has_a_chart_a_curve_and_states(tmp_path: pathlib.Path) -> None:
    recording = din_session()
    told = summary(recorded(recording, config_for(recording, DIN)), tmp_path)
    assert told.bands[-1].state is DinState.ENDED
    text = chart(told)
    assert "PreChargeReq ──────────────────────▶  380 V 0 A" in text
    assert "ready true" in text
    assert "ready false" in text
    assert "[WAIT_CABLE_CHECK_RESULT]" in text
    assert "END: terminated by the EV" in text
    assert set(told.curves) == {"voltage", "voltage set", "current", "current set", "power", "soc"}
    titles = [
        element.text or "" for element in ET.fromstring(svg(told)).iter("{http://www.w3.org/2000/svg}title")
    ]
    assert any("CurrentDemandReq 400 V 80 A" in title for title in titles)
    assert any(title.startswith("WAIT_DEMAND") for title in titles)


def test_exchanges_that_repeat_are_folded(tmp_path: pathlib.Path) -> None:
    recording = ac_session()
    told = summary(recorded(recording, AC), tmp_path)
    assert "lines of the same" not in chart(told)
    many = dataclasses.replace(told, messages=tuple(m for m in told.messages for _ in range(20)))
    assert "lines of the same" in chart(many)
    assert "lines of the same" not in chart(many, fold=False)


def test_the_curve_is_an_svg_with_all_panels_states_and_messages(tmp_path: pathlib.Path) -> None:
    picture = svg(summary(recorded(), tmp_path), title="EVSE <1>")
    root = ET.fromstring(picture)
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "EVSE <1>" in texts
    for title in ("voltage, V", "current, A", "power, kW", "state of charge, %"):
        assert title in texts
    assert {"measured", "set", "by the EV"} <= set(texts)
    titles = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any("CurrentDemandReq 400 V 80 A" in title for title in titles)
    assert any(title.startswith("WAIT_DEMAND") for title in titles)


def texts_of(picture: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_a_picture_names_each_state_in_print_too() -> None:
    trace = read(TRACES / "simulated_both_ways.trace")
    told = summarize(trace.sessions[0], trace.config)
    texts = texts_of(svg(told))
    names = [band.state.name for band in told.bands]
    assert names[0] == "WAIT_SESSION_SETUP"
    assert names[1] != "WAIT_SESSION_SETUP"
    assert Iso20State.WAIT_LOOP_DC.name in names
    for number, name in enumerate(names, 1):
        assert any(text.startswith(f"{number} {name}, ") for text in texts)


def test_power_and_energy_of_a_session_in_both_directions_are_drawn() -> None:
    trace = read(TRACES / "simulated_both_ways.trace")
    told = summarize(trace.sessions[0], trace.config)
    assert max(point.value for point in told.curves["power"]) > 20_000.0
    assert min(point.value for point in told.curves["power"]) < -10_000.0
    assert {"energy", "energy back"} <= set(told.curves)
    texts = texts_of(svg(told))
    assert {"power, kW", "▲ to the EV", "▼ from the EV", "from the EV"} <= set(texts)
    assert {"-20", "0", "40"} <= set(texts)


def beside(name: str, kind: int) -> SessionSummary:
    """A session whose messages of this name travel on a side stream."""
    trace = read(TRACES / "simulated_both_ways.trace")
    told = summarize(trace.sessions[0], trace.config)
    moved = tuple(
        dataclasses.replace(one, frame=V2gtpFrame(kind, one.frame.payload))
        if type(one.message).__name__.startswith(name)
        else one
        for one in told.messages
    )
    return dataclasses.replace(told, messages=moved)


def test_a_chart_marks_messages_of_a_side_stream_and_hides_none() -> None:
    told = beside("DCChargeLoop", 0x8101)
    text = chart(told)
    marked = [line for line in text.splitlines() if "═" in line and "ChargeLoop" in line]
    assert len(marked) == sum(one.stream is Stream.SCHEDULE for one in told.messages) > 20
    assert all("0x8101" in line for line in marked)
    assert text.splitlines()[-1].strip() == LEGEND
    assert "0x8102 metering confirmation" in LEGEND


def test_a_chart_without_a_side_stream_has_no_word_about_them() -> None:
    trace = read(TRACES / "simulated_both_ways.trace")
    assert "═" not in chart(summarize(trace.sessions[0], trace.config))


@pytest.mark.parametrize(
    ("kind", "words", "other"),
    [
        (0x8101, "0x8101 schedule renegotiation", "0x8102"),
        (0x8102, "0x8102 metering confirmation", "0x8101"),
    ],
)
def test_a_picture_has_a_lane_for_each_side_stream_in_use(kind: int, words: str, other: str) -> None:
    told = beside("ScheduleExchange", kind)
    plain = beside("no message", kind)
    texts, usual = texts_of(svg(told)), texts_of(svg(plain))
    assert {words, f"{kind:#06x}"} <= set(texts)
    assert not any(other in text for text in texts)
    assert not any("0x81" in text for text in usual)
    ticks = [
        line
        for line in ET.fromstring(svg(told)).iter("{http://www.w3.org/2000/svg}line")
        if line.get("stroke-width") == "3"
    ]
    assert len(ticks) == sum(one.stream is not Stream.MAIN for one in told.messages)


def test_a_small_power_stays_in_watts_and_one_direction_has_no_words_about_two(
    tmp_path: pathlib.Path,
) -> None:
    told = summary(recorded(), tmp_path)
    few = {name: tuple(CurvePoint(p.at, p.value / 100) for p in told.curves[name]) for name in told.curves}
    texts = texts_of(svg(dataclasses.replace(told, curves=few)))
    assert "power, W" in texts
    assert "▲ to the EV" not in texts


def test_orders_are_written_without_braces_or_quotes() -> None:
    trace = read(TRACES / "simulated_both_ways.trace")
    text = chart(summarize(trace.sessions[0], trace.config))
    assert "───── StartCableCheck max_voltage 420.0 ─────▶" in text
    assert "{" not in text
    assert '"' not in text


def test_an_ac_session_has_the_current_that_was_offered(tmp_path: pathlib.Path) -> None:
    told = summary(recorded(ac_session(), AC), tmp_path)
    assert {point.value for point in told.curves["current offered"]} == {32.0}
    assert "current, A" in svg(told)


def test_a_session_without_anything_is_still_drawn(tmp_path: pathlib.Path) -> None:
    lines = recorded()
    del lines[2:]
    told = summary(lines, tmp_path)
    ET.fromstring(svg(told))
    assert told.bands == (told.bands[0],)


def test_a_test_is_written_that_passes(tmp_path: pathlib.Path) -> None:
    source = recorded().save(tmp_path / "field.trace")
    target, copy = write_test(read(source), source, tmp_path / "tests" / "test_field_report.py")
    assert copy.read_bytes() == source.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", target], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    with pytest.raises(TraceError, match="is there already"):
        write_test(read(source), source, target)
    with pytest.raises(TraceError, match=r"expected test_<what>\.py"):
        write_test(read(source), source, tmp_path / "field.py")


def test_a_session_that_reads_the_state_of_charge_says_so_in_words(tmp_path: pathlib.Path) -> None:
    told = summary(recorded(), tmp_path)
    battery: dict[str, object] = {"BatteryRead": {"battery": {"soc": 35, "evccid": "02005E100001"}}}
    text = chart(dataclasses.replace(told, orders=((0.0, {"SocReadingBegun": {}}), (0.1, battery))))
    assert "reads the state of charge: no energy in this session" in text
    assert "───── state of charge 35 % ─────▶" in text


def test_a_curve_without_states_has_no_row_for_them(tmp_path: pathlib.Path) -> None:
    told = summary(recorded(), tmp_path)
    assert ">state</text>" in svg(told)
    without = svg(dataclasses.replace(told, bands=()))
    assert ">state</text>" not in without
    ET.fromstring(without)
