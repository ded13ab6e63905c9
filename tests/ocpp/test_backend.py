"""The back end itself: who is let charge, what is remembered, what it does when something is missing."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from secc.errors import LinkError
from secc.ocpp import v16
from secc.ocpp.backend import OcppBackend
from secc.ocpp.composite import supply_of
from secc.ocpp.model import IdToken, Payload
from secc.ocpp.serving import connected
from secc.ocpp.signing import V2G, Signing
from secc.ocpp.variable_table import VARIABLES
from secc.ocpp.variables import Variable
from secc.pki.issuing import make_request, new_key
from secc.pki.profiles import Kind
from secc.session.grid import GridTargets
from secc.settings import EnergyConfig, EnergyMode, SeccConfig
from secc.sim import SimulatedAcEvse, SimulatedCable
from tests.ocpp.support import BOTH, STATION, Certificates, eim_config, knowing, line, station
from tests.support.wire import eventually

V201, V16 = BOTH


# --- who may charge ----------------------------------------------------------------------------------------


async def test_the_next_card_may_charge_when_the_first_is_refused() -> None:
    csms = knowing("GOOD")

    async with line(csms) as running:
        running.backend.present(IdToken("BAD"))
        running.backend.present(IdToken("GOOD"))
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
        told = running.told
    assert "BAD may not charge: Unknown" in told
    assert [booked.token for booked in csms.records.transactions.values()] == ["GOOD"]


async def test_a_card_waits_for_a_car_as_long_as_is_set() -> None:
    async with line(knowing("CARD"), connection_timeout=0.05) as running:
        running.backend.present(IdToken("CARD"))
        (card,) = running.backend.tokens.waiting
        await running.until(lambda: asyncio.get_running_loop().time() > card.until)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await running.backend.authorize_external("")


async def test_who_wanted_an_outlet_that_somebody_else_has_got_comes_too_late() -> None:
    async with line(knowing("FREE"), free_token="FREE") as running:
        running.backend.present(IdToken("CARD"))
        assert await running.backend.authorize_external("")
        assert running.backend.tokens.waiting == []


async def test_a_remote_start_brings_its_own_profile() -> None:
    csms = knowing("CARD", version=V201)
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 4000}],
    }
    profile = {
        "id": 3,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    }
    start = {
        "remoteStartId": 1,
        "idToken": {"idToken": "CARD", "type": "Central"},
        "chargingProfile": profile,
    }

    async with line(csms) as running:
        wrong = {**start, "chargingProfile": {**profile, "chargingProfilePurpose": "TxDefaultProfile"}}
        answer = await csms.command(STATION, "RequestStartTransaction", wrong)
        assert answer["status"] == "Rejected"
        answer = await csms.command(STATION, "RequestStartTransaction", start)
        assert answer == {"status": "Accepted"}
        result = await running.charge()
        assert result.completed, result.error
        assert 4000.0 in running.limits
        await running.until(lambda: running.limits[-1] is None)
        assert running.backend.limits.profiles == ()


async def test_a_remote_start_of_1_6_brings_its_own_profile() -> None:
    csms = knowing("CARD", version=V16)
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}]}
    profile = {
        "chargingProfileId": 3,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }

    async with line(csms) as running:
        body: Payload = {"idTag": "CARD", "chargingProfile": profile}
        assert await csms.command(STATION, "RemoteStartTransaction", body) == {"status": "Accepted"}
        result = await running.charge()
        assert result.completed, result.error
        assert 8.0 * 230 * 3 in running.limits


# --- what is remembered ------------------------------------------------------------------------------------


async def test_profiles_availability_and_variables_survive_a_restart(tmp_path: Path) -> None:
    csms = knowing(version=V201)
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 4000}],
    }
    profile = {
        "id": 3,
        "stackLevel": 0,
        "chargingProfilePurpose": "ChargingStationMaxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
    }
    change = {
        "component": {"name": "SampledDataCtrlr"},
        "variable": {"name": "TxUpdatedInterval"},
        "attributeValue": "17",
    }

    async with csms.serving() as url:
        config = eim_config(url, store=tmp_path)
        async with station(config) as running:
            await running.online()
            body = {"evseId": 0, "chargingProfile": profile}
            assert (await csms.command(STATION, "SetChargingProfile", body))["status"] == "Accepted"
            await csms.command(STATION, "ChangeAvailability", {"operationalStatus": "Inoperative"})
            await csms.command(STATION, "SetVariables", {"setVariableData": [change]})
            await running.until(lambda: running.backend.conversation.queue.idle)
        async with station(config) as running:
            await running.until(lambda: running.limits[-1] == 4000.0)
            assert not running.backend.settings.operative
            assert running.backend.transactions.interval == 17.0
            assert not await running.backend.authorize_external("")


async def test_a_memory_that_makes_no_sense_is_forgotten(tmp_path: Path) -> None:
    config = eim_config("ws://127.0.0.1:9", store=tmp_path)

    backend = OcppBackend(config)
    nonsense: dict[str, Any] = {
        "transaction": {"id": 3},
        "profiles": [{"id": "x"}],
        "memory": [1],
        "variables": {"SampledDataCtrlr.TxUpdatedInterval": "soon", "Nothing.Nothing": "1"},
        "numbers": 3,
    }
    backend.store.put(**nonsense)
    backend.store.close()
    async with station(config) as running:
        await running.until(lambda: running.told)  # the store is read before the CSMS is called
        assert running.backend.transactions.open is None
        assert running.backend.limits.profiles == ()
        assert running.backend.authorizer.memory.list_version == 0
        assert running.backend.transactions.interval == 60.0


async def test_what_begins_before_the_line_runs_is_kept(tmp_path: Path) -> None:
    backend = OcppBackend(eim_config("ws://127.0.0.1:9", store=tmp_path))
    backend._attached.controller = SimulatedAcEvse(SimulatedCable())
    backend.outlet.begin(IdToken("CARD"))
    begun = backend.transactions.open
    assert begun is not None
    line = asyncio.create_task(backend.run())
    async with asyncio.timeout(30):
        while not await backend.conversation.queue.stored(backend.store.__len__):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    still = backend.transactions.open
    assert still is not None
    assert still.id == begun.id
    line.cancel()
    await asyncio.wait([line])
    again = OcppBackend(eim_config("ws://127.0.0.1:9", store=tmp_path))
    assert again.transactions.open is None  # ended, as after any restart
    again.store.close()


@pytest.mark.parametrize("variable", [one for one in VARIABLES if one.kind == "boolean" and one.write])
async def test_every_flag_is_true_or_false(variable: Variable) -> None:
    config = eim_config("ws://127.0.0.1:9")
    config = dataclasses.replace(config, pnc=dataclasses.replace(config.pnc, central_validation=True))
    backend = OcppBackend(config)
    assert variable.read is not None
    for value in ("false", "true"):
        assert backend.commands.variables.change(variable, value) == "Accepted"
        assert variable.read(backend.commands.variables.context) == value
    assert backend.commands.variables.change(variable, "perhaps") == "Rejected"
    assert variable.read(backend.commands.variables.context) == "true"
    backend.store.close()


@pytest.mark.parametrize("variable", [one for one in VARIABLES if one.kind == "integer" and one.write])
async def test_every_number_has_its_limits(variable: Variable) -> None:
    backend = OcppBackend(eim_config("ws://127.0.0.1:9"))
    assert variable.read is not None
    assert backend.commands.variables.change(variable, "7") == "Accepted"
    assert variable.read(backend.commands.variables.context) == "7"
    assert variable.most is not None
    for wrong in ("-1", f"{variable.most + 1:.0f}", "seven"):
        assert backend.commands.variables.change(variable, wrong) == "Rejected"
    assert variable.read(backend.commands.variables.context) == "7"
    backend.store.close()


async def test_a_password_without_a_file_is_not_taken() -> None:
    backend = OcppBackend(eim_config("ws://127.0.0.1:9"))
    secret = backend.commands.variables.find_key("AuthorizationKey")
    assert secret is not None
    assert backend.commands.variables.change(secret, "open sesame") == "Rejected"
    assert secret.mutability == "WriteOnly"
    backend.store.close()


# --- certificates of 1.6 without the extension -------------------------------------------------------------


async def test_roots_of_the_line_are_listed_by_the_older_messages_too(
    certificates: Certificates, tmp_path: Path
) -> None:
    csms = knowing(version=V16)
    root = certificates.pki[Kind.PRIVATE_ROOT].certificate
    kind = {"certificateType": "CentralSystemRootCertificate"}

    async with line(csms, store=tmp_path):
        body = {**kind, "certificate": root.pem.decode()}
        assert await csms.command(STATION, "InstallCertificate", body) == {"status": "Accepted"}
        told = await csms.command(STATION, "GetInstalledCertificateIds", kind)
        (data,) = told["certificateHashData"]
        deletion = {"certificateHashData": data}
        assert await csms.command(STATION, "DeleteCertificate", deletion) == {"status": "Accepted"}
        assert await csms.command(STATION, "GetInstalledCertificateIds", kind) == {"status": "NotFound"}
        unasked = {"certificateChain": root.pem.decode()}
        assert await csms.command(STATION, "CertificateSigned", unasked) == {"status": "Rejected"}
        wanted = {"requestedMessage": "SignChargePointCertificate"}
        assert await csms.command(STATION, "ExtendedTriggerMessage", wanted) == {"status": "Rejected"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"vendorId": "somebody"}, "UnknownVendorId"),
        ({"vendorId": v16.VENDOR, "messageId": "Nothing"}, "UnknownMessageId"),
        ({"vendorId": v16.VENDOR}, "UnknownMessageId"),
        ({"vendorId": v16.VENDOR, "messageId": "TriggerMessage"}, "Rejected"),
        ({"vendorId": v16.VENDOR, "messageId": "TriggerMessage", "data": "[]"}, "Rejected"),
        (
            {"vendorId": v16.VENDOR, "messageId": "InstallCertificate", "data": '{"certificate": 3}'},
            "Rejected",
        ),
        (
            {"vendorId": v16.VENDOR, "messageId": "DeleteCertificate", "data": json.dumps([[]] * 9)},
            "Rejected",
        ),
    ],
)
async def test_what_is_wrapped_and_makes_no_sense_is_rejected(body: Payload, status: str) -> None:
    csms = knowing(version=V16)

    async with line(csms):
        result = await csms.command(STATION, "DataTransfer", body)
    assert result == {"status": status}


# --- signing -----------------------------------------------------------------------------------------------


def request() -> bytes:
    return make_request(new_key(), Kind.SECC_LEAF, common_name="S", organization="Test", country="DE")


async def test_a_certificate_that_does_not_come_is_asked_for_again() -> None:
    asked: list[str] = []

    async def ask(csr: str, kind: str, number: int) -> bool:
        x509.load_pem_x509_csr(csr.encode())
        asked.append(kind)
        return True

    signing = Signing(ask, wait=0.01, repeats=2)
    with pytest.raises(LinkError, match="no signed certificate after 3 requests: nothing came"):
        await signing.sign(request(), V2G, lambda _: None)
    assert asked == [V2G] * 3


async def test_a_request_that_the_csms_refuses_is_not_repeated() -> None:
    asked: list[str] = []

    async def ask(csr: str, kind: str, number: int) -> bool:
        asked.append(kind)
        return False

    signing = Signing(ask, wait=0.01, repeats=2)
    with pytest.raises(LinkError, match="refuses"):
        await signing.sign(request(), V2G, lambda _: None)
    assert asked == [V2G]


async def test_one_request_of_a_kind_at_a_time() -> None:
    asked = asyncio.Event()

    async def ask(csr: str, kind: str, number: int) -> bool:
        asked.set()
        return True

    signing = Signing(ask, wait=5.0, repeats=0)
    first = asyncio.create_task(signing.sign(request(), V2G, lambda _: None))
    await asked.wait()
    with pytest.raises(LinkError, match="under way"):
        await signing.sign(request(), V2G, lambda _: None)
    assert signing.signed("nonsense", V2G) != ""
    first.cancel()


# --- what is missing ---------------------------------------------------------------------------------------


async def test_an_outlet_that_cannot_say_how_it_is_stops_nothing() -> None:
    class Broken(SimulatedAcEvse):
        def snapshot(self) -> Any:
            raise RuntimeError("no board")

    told: list[str] = []
    csms = knowing()

    async with csms.serving() as url:
        backend = OcppBackend(eim_config(url), report=told.append)
        async with connected(backend, Deaf(), Broken()):
            assert await backend.conversation.until_online(5.0)
            backend.outlet.begin(IdToken("CARD"))
            assert backend.transactions.open is None
    assert "snapshot: RuntimeError: no board" in told


class Deaf:
    """A station that does nothing."""

    def stop_charging(self, reason: str = "") -> None:
        pass

    def renegotiate(self) -> None:
        pass

    def limit_power(self, max_power: float | None) -> None:
        pass

    def renegotiate_service(self) -> None:
        pass

    def set_power(self, power: float | None) -> None:
        pass

    def permit_discharge(self, max_power: float | None) -> None:
        pass

    def set_grid_targets(self, targets: GridTargets) -> None:
        pass

    def withdraw_authorization(self) -> None:
        pass

    def renew_tls(self) -> None:
        pass


async def test_a_defect_of_ours_costs_a_connection_and_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    csms = knowing("FREE")
    broken = [1]

    async with line(csms, free_token="FREE") as running:
        take = running.backend.conversation.dialect.read_event

        def read_event(answer: Payload) -> Any:
            if broken:
                broken.pop()
                raise RuntimeError("a defect")
            return take(answer)

        monkeypatch.setattr(
            type(running.backend.conversation.dialect), "read_event", staticmethod(read_event)
        )
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
        told = running.told
    assert "not connected: RuntimeError: a defect" in told
    (booked,) = csms.records.transactions.values()
    assert booked.ended
    assert booked.repeats == 1


async def test_a_defect_while_looking_is_told_once_and_the_looking_goes_on() -> None:
    class Tired(Deaf):
        calls = 0

        def limit_power(self, max_power: float | None) -> None:
            self.calls += 1
            raise RuntimeError("no")

    told: list[str] = []
    tired = Tired()

    backend = OcppBackend(eim_config("ws://127.0.0.1:9"), report=told.append)
    async with connected(backend, tired, SimulatedAcEvse()):
        backend.limits.power = 1.0
        await eventually(lambda: tired.calls >= 2)
    assert tired.calls >= 2  # a limit that was not taken is handed in again
    assert [text for text in told if "observation" in text] == ["observation of the outlet: RuntimeError: no"]


@pytest.mark.parametrize(
    ("modes", "watts"),
    [
        ((EnergyMode.AC_SINGLE_PHASE_CORE,), 230.0 * 32),
        ((EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.AC_SINGLE_PHASE_CORE), 230.0 * 32 * 3),
        ((EnergyMode.DC_EXTENDED,), 50_000.0),
    ],
)
def test_the_power_of_an_outlet(modes: tuple[EnergyMode, ...], watts: float) -> None:
    assert supply_of(SeccConfig(energy=EnergyConfig(modes=modes))).max_power == watts
