"""Response times as a table, a live line on a terminal."""

import io

import pytest

from secc.cli import display, figures
from secc.settings import ProtocolName


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert figures.percentile(values, 50) == 50.0
    assert figures.percentile(values, 99) == 99.0
    assert figures.percentile([7.0], 99) == 7.0


def test_response_times_are_summed_up_by_message() -> None:
    times = [("CurrentDemandRes", 0.001), ("SessionStopRes", 0.002), ("CurrentDemandRes", 0.030)]
    demand, stop = figures.figures(times)
    assert (demand.name, demand.count, demand.p50, demand.longest) == ("CurrentDemandRes", 2, 0.001, 0.030)
    assert not demand.kept
    assert stop.kept


def test_the_table_says_what_was_missed() -> None:
    rows = figures.figures([("CurrentDemandRes", 0.030), ("SessionStopRes", 0.002)])
    lines = figures.table(rows, display.Style(io.StringIO()))
    assert lines[1].endswith("30.00 ms   30.00 ms   30.00 ms   25.00 ms  MISSED")
    assert lines[2].endswith("kept")


def test_elsewhere_than_on_a_terminal_every_line_stays_and_is_plain() -> None:
    stream = io.StringIO()
    style = display.Style(stream)
    style.replace("one")
    style.replace(style.good("two"))
    style.line(style.bad("three"))
    assert stream.getvalue() == "one\ntwo\nthree\n"


def test_on_a_terminal_a_live_line_is_replaced_and_then_left_alone() -> None:
    stream = io.StringIO()
    style = display.Style(stream, colour=True)
    style.replace("one")
    style.replace("two")
    style.line("three")
    assert stream.getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\nthree\n"
    assert style.good("x") == "\x1b[32mx\x1b[0m"


def test_a_live_line_is_cut_to_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    stream = io.StringIO()
    style = display.Style(stream, colour=True)
    style.replace(style.good("0123456789abc"))
    assert stream.getvalue() == "\r\x1b[K012345678"


@pytest.mark.parametrize(
    ("columns", "shown"), [("14", "0.00 Wh"), ("19", "0.00 Wh"), ("21", "0.00 Wh WAIT_STATUS"), ("80", None)]
)
def test_a_live_line_is_cut_where_a_word_ends(
    columns: str, shown: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    stream = io.StringIO()
    text = "0.00 Wh WAIT_STATUS ok"
    display.Style(stream, colour=True).replace(text)
    assert stream.getvalue() == f"\r\x1b[K{shown or text}"


def test_each_protocol_has_its_limit_for_the_charge_loop() -> None:
    times = [("CurrentDemandRes", 0.01), ("PowerDeliveryRes", 0.01), ("ServiceDetailRes", 0.01)]
    assert [row.limit for row in figures.figures(times)] == [0.025, 4.5, 4.5]
    times[0] = ("DCChargeLoopRes", 0.01)
    limits = [row.limit for row in figures.figures(times, ProtocolName.ISO15118_20)]
    assert limits == [0.25, 1.5, 4.5]
