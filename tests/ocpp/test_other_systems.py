"""The station at central systems that others have written.

`ocpp-csms` is a whole central system for 1.6J, on aiohttp. For 2.0.1 none installs from a registry; there the
other side is the session layer and the message classes of the package `ocpp`, which the CSMS double does not
use: both check every body against the schemas, each in its own way.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pytest
from ocpp.routing import on
from ocpp.v16 import call as call16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call as call201
from ocpp.v201 import call_result as result201
from ocpp_csms import CentralSystem, TransactionStartedEvent, TransactionStoppedEvent
from ocpp_csms.const import AuthorizationStatus, DataTransferStatus
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from secc.ocpp import v16
from tests.ocpp.support import EMAID_TEXT, STATION, Certificates, eim_config, pnc_config, station

# --- 1.6J: ocpp-csms ---------------------------------------------------------------------------------------


async def only_the_contract(charge_point: Any, tag: str) -> Any:
    return AuthorizationStatus.ACCEPTED if tag == EMAID_TEXT else AuthorizationStatus.INVALID


@pytest.mark.parametrize("extension", [True, False])
async def test_a_contract_pays_at_ocpp_csms_with_and_without_the_extension(
    certificates: Certificates, *, extension: bool
) -> None:
    """A car from the factory where the CSMS knows the extension; one with a contract where it does not."""
    asked: list[str] = []
    events: list[Any] = []

    async def plug_and_charge(
        charge_point: Any, message: str | None, data: str | None
    ) -> tuple[Any, str | None]:
        if message == "GetCertificateStatus":  # for the staple of the station's own certificate
            return DataTransferStatus.ACCEPTED, '{"status": "Failed"}'
        asked.append(message or "")
        body = json.loads(data or "{}")
        if message == "Authorize":
            assert body["idToken"] == {"idToken": EMAID_TEXT, "type": "eMAID"}
            told: Any = {"idTokenInfo": {"status": "Accepted"}, "certificateStatus": "Accepted"}
        else:
            exi = certificates.provide(body["action"], base64.b64decode(body["exiRequest"]))
            assert exi is not None
            told = {"status": "Accepted", "exiResponse": base64.b64encode(exi).decode()}
        return DataTransferStatus.ACCEPTED, json.dumps(told)

    async with CentralSystem(host="127.0.0.1", port=0, authorize=only_the_contract) as csms:
        csms.add_listener(events.append)
        if extension:
            csms.set_data_transfer_handler(v16.VENDOR, plug_and_charge)
        url = f"ws://127.0.0.1:{csms.port}"
        async with station(pnc_config(certificates, url, meter_interval=0.05)) as running:
            await running.online()
            result = await running.charge(certificates.wallet(contract_days=None if extension else 90))
            await running.delivered()
    assert result.completed, result.error
    assert asked == (["Get15118EVCertificate", "Authorize"] if extension else [])
    kinds = [type(event) for event in events]
    assert kinds.count(TransactionStartedEvent) == 1
    assert kinds.count(TransactionStoppedEvent) == 1
    started = next(event for event in events if isinstance(event, TransactionStartedEvent))
    assert started.transaction.id_tag == EMAID_TEXT


async def test_ocpp_csms_commands_the_station() -> None:
    async with CentralSystem(host="127.0.0.1", port=0) as csms:
        config = eim_config(f"ws://127.0.0.1:{csms.port}")
        async with station(config) as running:
            await running.online()
            charge_point = csms.charge_points[STATION]
            started = await charge_point.async_call(call16.RemoteStartTransaction(id_tag="CARD"))
            assert started.status == "Accepted"
            charging = asyncio.create_task(running.charge(loops=500))
            await running.until(
                lambda: running.evse.snapshot().contactor_closed and charge_point.transactions
            )
            schedule = {
                "charging_rate_unit": "A",
                "charging_schedule_period": [{"start_period": 0, "limit": 6.1}],
            }
            profile = {
                "charging_profile_id": 1,
                "stack_level": 0,
                "charging_profile_purpose": "TxDefaultProfile",
                "charging_profile_kind": "Relative",
                "charging_schedule": schedule,
            }
            set_ = call16.SetChargingProfile(connector_id=1, cs_charging_profiles=profile)
            assert (await charge_point.async_call(set_)).status == "Accepted"
            assert running.limits[-1] == pytest.approx(6.1 * 230 * 3)
            keys = await charge_point.async_call(call16.GetConfiguration())
            assert len(keys.configuration_key) > 10
            (number,) = charge_point.transactions
            stopped = await charge_point.async_call(call16.RemoteStopTransaction(transaction_id=number))
            assert stopped.status == "Accepted"
            await charging
            await running.until(lambda: not charge_point.transactions)


# --- 2.0.1: the session layer of the package ocpp ----------------------------------------------------------


F = TypeVar("F", bound=Callable[..., Any])


def answers(action: str) -> Callable[[F], F]:
    """`on`, which has no types."""
    return cast(Callable[[F], F], on(action))


class Central(ChargePoint201):  # type: ignore[misc]
    """Answers with the message classes of the package."""

    certificates: Certificates
    heard: list[str]
    booted: asyncio.Event

    @answers("BootNotification")
    def boot(self, **body: Any) -> Any:
        self.heard.append("BootNotification")
        self.booted.set()
        return result201.BootNotification("2026-01-01T00:00:00Z", 300, "Accepted")

    @answers("StatusNotification")
    def status(self, **body: Any) -> Any:
        return result201.StatusNotification()

    @answers("Get15118EVCertificate")
    def provision(self, iso15118_schema_version: str, action: str, exi_request: str, **more: Any) -> Any:
        self.heard.append("Get15118EVCertificate")
        exi = self.certificates.provide(action, base64.b64decode(exi_request))
        assert exi is not None
        return result201.Get15118EVCertificate("Accepted", base64.b64encode(exi).decode())

    @answers("Authorize")
    def authorize(self, id_token: Any, iso15118_certificate_hash_data: Any, **more: Any) -> Any:
        self.heard.append(f"Authorize {id_token['id_token']} {len(iso15118_certificate_hash_data)}")
        return result201.Authorize({"status": "Accepted"}, "Accepted")

    @answers("TransactionEvent")
    def event(self, event_type: str, seq_no: int, **more: Any) -> Any:
        self.heard.append(f"{event_type} {seq_no}")
        return result201.TransactionEvent()


async def test_a_car_from_the_factory_charges_with_another_session_layer(certificates: Certificates) -> None:
    heard: list[str] = []
    answers: list[Any] = []

    async def serve_one(connection: ServerConnection) -> None:
        central = Central("station", connection)
        central.certificates, central.heard, central.booted = certificates, heard, asyncio.Event()

        async def ask() -> None:
            await central.booted.wait()
            asked = call201.GetVariables(
                [{"component": {"name": "ISO15118Ctrlr"}, "variable": {"name": "PnCEnabled"}}]
            )
            answers.append(await central.call(asked))

        asking = asyncio.create_task(ask())
        try:
            await central.start()
        finally:
            asking.cancel()

    async with serve(serve_one, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp2.0.1")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        config = pnc_config(certificates, f"ws://127.0.0.1:{port}", follow_clock=False)
        async with station(config) as running:
            await running.online()
            result = await running.charge(certificates.wallet())
            await running.delivered()
    assert result.completed, result.error
    assert heard[:4] == [
        "BootNotification",
        "Get15118EVCertificate",
        f"Authorize {EMAID_TEXT} 3",
        "Started 0",
    ]
    assert heard[-1].startswith("Ended")
    assert answers[0].get_variable_result[0]["attribute_value"] == "true"
