"""Boot, authorise, transaction, end: over both versions."""

from __future__ import annotations

import pytest

from secc.settings.ocpp import OcppVersion
from tests.ocpp.support import ALL, knowing, line


@pytest.mark.parametrize("version", ALL)
async def test_a_session_becomes_a_transaction(version: OcppVersion) -> None:
    csms = knowing("FREE", version=version)
    async with line(csms, free_token="FREE", meter_interval=0.05, versions=(version,)) as running:
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
    (booked,) = csms.records.transactions.values()
    assert booked.ended
    assert booked.reason in ("StoppedByEV", "Local")
    assert booked.repeats == 0
    assert csms.actions()[0] == "BootNotification"
    assert "StatusNotification" in csms.actions()
