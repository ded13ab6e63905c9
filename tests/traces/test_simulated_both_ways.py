"""Recorded by secc 0.1.0: the core of today does what it did then."""

from pathlib import Path

from secc.trace import read, replay

TRACE = Path(__file__).with_name("simulated_both_ways.trace")


def test_simulated_both_ways_comes_out_the_same() -> None:
    assert replay(read(TRACE)) is None


def test_simulated_both_ways_ends_as_recorded() -> None:
    ends = [session.end for session in read(TRACE).sessions]
    assert [end["reason"] if end else None for end in ends] == ["terminated by the EV"]
