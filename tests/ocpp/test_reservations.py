"""Reservations of the outlet."""

from __future__ import annotations

from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.model import IdToken
from tests.ocpp.support import V201, ask, bodies, knowing, later, served


def statuses(csms: FakeCsms) -> list[str]:
    return [one["connectorStatus"] for one in bodies(csms, "StatusNotification")]


# --- reservations ------------------------------------------------------------------------------------------


async def test_only_the_reserved_token_may_charge_and_the_reservation_is_used() -> None:
    csms = knowing("CARD", "OTHER", version=V201)

    async with served(csms) as running:
        running.cable.unplug()
        await csms.until(lambda: "Available" in statuses(csms))
        token = {"idToken": "CARD", "type": "Central"}
        body = {"id": 4, "expiryDateTime": later(60), "idToken": token, "evseId": 1}
        assert await ask(csms, "ReserveNow", body) == {"status": "Accepted"}
        running.cable.plug_in()
        running.backend.present(IdToken("OTHER"))
        running.backend.present(IdToken("CARD"))
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
    started = next(one for one in bodies(csms, "TransactionEvent") if one["eventType"] == "Started")
    assert started["idToken"]["idToken"] == "CARD"
    assert started["reservationId"] == 4


async def test_a_reservation_expires_and_that_is_reported() -> None:
    csms = knowing(version=V201)

    async with served(csms) as running:
        running.cable.unplug()
        await csms.until(lambda: "Available" in statuses(csms))
        token = {"idToken": "CARD", "type": "Central"}
        body = {"id": 4, "expiryDateTime": later(0.2), "idToken": token}
        assert await ask(csms, "ReserveNow", body) == {"status": "Accepted"}
        await csms.until(lambda: bool(bodies(csms, "ReservationStatusUpdate")))
    ended = {"reservationId": 4, "reservationUpdateStatus": "Expired"}
    assert bodies(csms, "ReservationStatusUpdate") == [ended]
