"""Faults in the middle of charging, with a real process; `make ocpp-chaos` runs many more of them."""

from __future__ import annotations

from pathlib import Path

from secc.ocpp.fake.records import ReceivedMessage, RecordedTransaction
from tests.ocpp.chaos import FAULTS, Chaos, planned


async def test_nothing_is_lost_or_counted_twice_when_things_fail_in_the_middle(tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, seed=1)
    figures = await chaos.run(["half-open", "full disk", "kill"])
    assert figures.wrong == []
    assert figures.transactions == 3
    assert figures.events > 15


def test_every_fault_has_its_turn() -> None:
    assert sorted(planned(len(FAULTS), 5)) == sorted(FAULTS)


def test_what_is_lost_or_changed_is_found(tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, seed=1)
    records = chaos.csms.records
    records.transactions["gap"] = RecordedTransaction("E0", "gap", seqs=[0, 2], ended=True)
    for reason in ("one", "another"):
        body = {"transactionInfo": {"transactionId": "twice"}, "seqNo": 0, "triggerReason": reason}
        records.messages.append(ReceivedMessage("E0", "TransactionEvent", body))
    chaos.figures.sessions = 2
    chaos._judge()
    chaos._look("silent", ["a line"] * 50)
    assert chaos.figures.wrong == [
        "2 sessions, 1 transactions",
        "gap: events [0, 2]",
        "('twice', 0) was repeated with another content",
        "silent: 50 lines in the log",
        "silent: not noticed",
    ]
