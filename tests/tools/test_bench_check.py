"""Counts that grow are reported."""

from __future__ import annotations

from tools.bench.check import grown

BEFORE = {"CurrentDemandReq": {"decode": 1000, "encode": 2000}}


def test_a_count_that_grows_by_five_percent_is_accepted() -> None:
    assert grown(BEFORE, {"CurrentDemandReq": {"decode": 1050, "encode": 1500}}) == []


def test_a_count_that_grows_by_more_is_reported() -> None:
    assert grown(BEFORE, {"CurrentDemandReq": {"decode": 1051, "encode": 2000}}) == [
        "decode CurrentDemandReq: 1051 instructions, +5.1% on 1000"
    ]


def test_a_message_without_a_baseline_is_reported() -> None:
    assert grown(BEFORE, {"SessionStopReq": {"decode": 7}}) == [
        "decode SessionStopReq: 7 instructions, no baseline"
    ]
