"""A bounded queue and a thread for each way out: order, bounds, failures, and an end in bounded time."""

import os
import pathlib
import threading
from collections.abc import Iterator

import pytest

from secc.station import outflow
from secc.station.outflow import LineFile, Outflow


class Gate:
    """A destination that takes nothing until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.taken: list[str] = []

    def write(self, text: str) -> None:
        self.entered.set()
        assert self.open.wait(10)
        self.taken.append(text)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def stalled(gate: Gate, limit: int = 100) -> Outflow[str]:
    """With an item `0` that the destination is busy with."""
    out = Outflow("test", gate.write, limit=limit, size=len, gap=lambda count: f"gap of {count}")
    assert out.put("0")
    assert gate.entered.wait(5)
    return out


def test_items_leave_in_their_order() -> None:
    taken: list[int] = []
    out = Outflow("test", taken.append, limit=1000, size=lambda _: 1)
    for number in range(1000):
        assert out.put(number)
    assert out.close(5)
    assert taken == list(range(1000))
    assert not out.put(1000)
    assert out.dropped == 1


@pytest.mark.threat("LIF-05", "TPT-13")
def test_a_destination_that_stalls_costs_a_bounded_queue_and_what_is_dropped_is_counted(gate: Gate) -> None:
    out = stalled(gate)
    taken = [out.put("x" * 9) for _ in range(50)]
    assert taken == [True] * 11 + [False] * 39
    assert (out.waiting, out.dropped, out.problem) == (12, 39, "the queue is full")
    gate.open.set()
    assert out.flush(5)
    assert out.problem == ""
    assert out.put("last")
    assert out.close(5)
    assert gate.taken[-2:] == ["gap of 39", "last"]


def test_after_an_overflow_half_of_the_queue_is_free_first(gate: Gate) -> None:
    out = stalled(gate)
    while out.put("x" * 30):
        pass
    assert out.waiting == 4
    assert not out.put("y"), "there would be room for it"


def test_one_item_above_the_limit_does_not_close_the_queue() -> None:
    taken: list[str] = []
    out = Outflow("test", taken.append, limit=10, size=len)
    assert not out.put("x" * 11)
    assert out.problem == ""
    assert out.put("x" * 10)
    assert out.close(5)
    assert (out.dropped, len(taken)) == (1, 1)


def test_items_to_keep_take_the_place_of_others_oldest_first_and_the_one_being_written_stays(
    gate: Gate,
) -> None:
    out = stalled(gate, limit=10)
    for text in ("aaa", "bbb", "ccc"):
        assert out.put(text)
    assert out.put("KKKK", keep=True)
    assert out.put("LLL", keep=True)
    assert not out.put("MMMM", keep=True)
    gate.open.set()
    assert out.close(5)
    assert gate.taken == ["0", "gap of 2", "KKKK", "gap of 1", "LLL"]
    assert out.dropped == 4


def test_a_write_that_does_not_return_is_a_problem_after_a_second(gate: Gate) -> None:
    times = iter([5.0, 5.9, 7.0])
    out = Outflow("test", gate.write, limit=9, size=len, clock=lambda: next(times))
    out.put("x")
    assert gate.entered.wait(5)
    assert out.problem == ""
    assert out.problem == "a write has not returned for 2 s"


@pytest.mark.threat("LIF-02")
def test_the_end_does_not_wait_for_a_destination_that_stalls(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outflow, "_STUCK", set())
    out = stalled(gate)
    assert out.put("1")
    assert not out.close(0.0)
    assert out.dropped == 2
    assert outflow.stuck()


def test_what_fails_is_tried_again_and_nothing_is_lost_or_repeated() -> None:
    taken: list[str] = []
    failures = iter([OSError(28, "full"), OSError(28, "full")])

    def write(text: str) -> None:
        if text == "b" and (error := next(failures, None)) is not None:
            raise error
        taken.append(text)

    out = Outflow("test", write, limit=9, size=len, retry=0.0)
    for text in "abc":
        out.put(text)
    assert out.flush(5)
    assert (taken, out.problem, out.dropped) == (["a", "b", "c"], "", 0)
    assert out.close(5)


def test_what_fails_is_dropped_where_nothing_is_tried_again() -> None:
    taken: list[str] = []

    def write(text: str) -> None:
        if text == "b":
            raise ValueError("not this one")
        taken.append(text)

    out = Outflow("test", write, limit=9, size=len)
    for text in "ab":
        out.put(text)
    assert out.flush(5)
    assert (out.problem, out.dropped) == ("ValueError: not this one", 1)
    out.put("c")
    assert out.close(5)
    assert (taken, out.problem) == (["a", "c"], "")


def test_a_failing_destination_gives_up_at_the_end() -> None:
    failed = threading.Event()

    def write(_text: str) -> None:
        failed.set()
        raise OSError(28, "full")

    out = Outflow("test", write, limit=9, size=len, retry=3600.0)
    out.put("a")
    out.put("b")
    assert failed.wait(5)
    assert out.close(5)
    assert out.dropped == 2


def test_a_line_file_completes_what_a_full_disk_has_cut_short(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = os.open(tmp_path / "lines", os.O_WRONLY | os.O_CREAT)
    lines, write = LineFile(file), os.write
    answers = iter([True, False, False, True])

    def reluctant(number: int, data: bytes) -> int:
        if not next(answers):
            raise OSError(28, "full")
        return write(number, data[:3])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", reluctant)
        for _ in range(2):
            with pytest.raises(OSError, match="full"):
                lines.write(b"123456\n")
            assert lines.torn
    lines.write(b"123456\n")
    lines.write(b"next\n")
    os.close(file)
    assert (tmp_path / "lines").read_bytes() == b"123456\nnext\n"
