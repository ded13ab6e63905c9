"""The codes of ISO 15118-20 on the page are those that the sessions send."""

from __future__ import annotations

from secc.messages.iso20_common import ResponseCode
from tools.docs import codes20


def test_each_code_has_its_place_or_is_named_as_not_sent() -> None:
    text = codes20.section().replace("\\_", "_")
    for code in ResponseCode:
        assert code is ResponseCode.OK or code.value in text
    assert "| FAILED_PauseNotAllowed | `ending._no_pause` |" in text


def test_what_is_not_sent_has_a_reason() -> None:
    reasons = {
        "WARNING_WPT": "no wireless power transfer",
        "FAILED_AssociationError": "no wireless communication",
        "FAILED_ScheduleRenegotiation": "a warning instead: the loop goes on",
    }
    assert set(codes20.unused()) <= set(reasons)
