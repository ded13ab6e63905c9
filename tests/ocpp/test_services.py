"""What an integrator provides to a CSMS: the lock, messages of a vendor, data about a customer."""

from __future__ import annotations

import pytest

from secc.ocpp.model import IdToken
from secc.ocpp.ports import StationServices, TransferAnswer
from tests.ocpp.support import V201, ask, bodies, knowing, served


class Lock:
    def __init__(self, *, works: bool) -> None:
        self.works = works

    async def unlock(self) -> bool:
        return self.works


class Echo:
    async def transfer(self, message: str, data: object) -> TransferAnswer:
        if message == "fail":
            raise RuntimeError("no")
        return TransferAnswer("Accepted", {"echo": data})


@pytest.mark.parametrize(("works", "status"), [(True, "Unlocked"), (False, "UnlockFailed")])
async def test_the_connector_is_unlocked(works: bool, status: str) -> None:
    csms = knowing(version=V201)

    async with served(csms, StationServices(connector=Lock(works=works))):
        result = await ask(csms, "UnlockConnector", {"evseId": 1, "connectorId": 1})
    assert result["status"] == status


async def test_a_message_of_a_vendor_reaches_the_integrator() -> None:
    csms = knowing(version=V201)

    async with served(csms, StationServices(transfers={"vendor": Echo()})):
        answer = await ask(csms, "DataTransfer", {"vendorId": "vendor", "data": [1, 2]})
        assert answer == {"status": "Accepted", "data": {"echo": [1, 2]}}
        answer = await ask(csms, "DataTransfer", {"vendorId": "vendor", "messageId": "fail"})
        assert answer == {"status": "Rejected"}


async def test_what_is_known_of_a_customer_is_reported_and_forgotten() -> None:
    csms = knowing("CARD", version=V201)
    token = {"idToken": "card", "type": "Central"}

    async with served(csms) as running:
        running.backend.present(IdToken("CARD"))
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
        body = {"requestId": 9, "report": True, "clear": True, "idToken": token}
        assert await ask(csms, "CustomerInformation", body) == {"status": "Accepted"}
        await csms.until(lambda: bool(bodies(csms, "NotifyCustomerInformation")))
        assert running.backend.authorizer.memory.cached == {}
    (told,) = bodies(csms, "NotifyCustomerInformation")
    assert told["data"].startswith("cache: CARD Accepted")
