"""The rows of the bad-input catalogue about the order of messages and the session, over sockets.

After each one: alive, off, every command of the outlet lawful, the next car charges (see `attacked`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from secc import exi
from secc.messages import iso2
from secc.messages.app_protocol import AppProtocol, SupportedAppProtocolReq
from secc.messages.iso2 import ChargingSession
from secc.session.outlet import ControlPilot, IsolationLevel
from tests.support import requests as r
from tests.support.attacks import (
    at,
    attacked,
    due,
    refused_and_closed,
)
from tests.support.wire import (
    OFFER,
    Bed,
    Car,
    GrantingBackend,
    RecordingOutlet,
)

SEQUENCE, UNKNOWN = "FAILED_SequenceError", "FAILED_UnknownSession"


# --- order -------------------------------------------------------------------------------------------------

_COMMON: dict[str, set[type]] = {
    "setup": {iso2.SessionSetupReq},
    "discovery": {iso2.ServiceDiscoveryReq},
    "selection": {iso2.ServiceDetailReq, iso2.PaymentServiceSelectionReq},
    "authorization": {iso2.AuthorizationReq},
    "parameters": {iso2.ChargeParameterDiscoveryReq},
    "power on": {iso2.PowerDeliveryReq},
}
LEGAL: dict[tuple[bool, str], set[type]] = {
    **{(dc, point): classes for dc in (False, True) for point, classes in _COMMON.items()},
    (False, "first loop"): {iso2.ChargingStatusReq},
    (False, "loop"): {iso2.ChargingStatusReq, iso2.PowerDeliveryReq},
    (False, "stopped"): {iso2.SessionStopReq},
    (True, "cable check"): {iso2.CableCheckReq},
    (True, "pre-charge"): {iso2.PreChargeReq},
    (True, "power on"): {iso2.PreChargeReq, iso2.PowerDeliveryReq},
    (True, "first loop"): {iso2.CurrentDemandReq},
    (True, "loop"): {iso2.CurrentDemandReq, iso2.PowerDeliveryReq},
    (True, "stopped"): {iso2.WeldingDetectionReq, iso2.SessionStopReq, iso2.ChargeParameterDiscoveryReq},
}
"""What may come at each point, from the list of requirements and not from the station's table."""


@pytest.mark.threat("SEQ-01", "SEQ-04", "SEQ-06")
@pytest.mark.parametrize(("dc", "point"), sorted(LEGAL))
async def test_each_request_at_each_point_is_taken_or_refused_as_listed(dc: bool, point: str) -> None:
    async with attacked(dc=dc) as bed:
        for kind, body in r.EACH.items():
            if kind in LEGAL[dc, point]:
                continue
            bed.outlet.pilot = ControlPilot.B
            car = await at(bed, point, dc=dc)
            before = len(bed.outlet.calls)
            await refused_and_closed(car, body, SEQUENCE)
            await bed.until_idle()
            done = bed.outlet.calls[before:]
            assert not [call for call in done if call.startswith(("close", "check"))], (kind, done)


@pytest.mark.threat("SEQ-02", "SEQ-03")
@pytest.mark.parametrize(("dc", "point"), sorted(one for one in LEGAL if one[1] != "setup"))
async def test_another_session_id_is_unknown_at_every_point(dc: bool, point: str) -> None:
    async with attacked(dc=dc) as bed:
        for wrong in (
            lambda right: right[:7] + bytes([right[7] ^ 4]),
            lambda _: bytes(8),
            lambda right: right[:7],
        ):
            bed.outlet.pilot = ControlPilot.B
            car = await at(bed, point, dc=dc)
            car.session_id = wrong(car.session_id)
            await refused_and_closed(car, due(point, dc=dc), UNKNOWN)
            await bed.until_idle()


@pytest.mark.threat("SEQ-05")
@pytest.mark.parametrize("dc", [False, True])
async def test_a_start_without_authorization_moves_nothing(dc: bool) -> None:
    async with attacked(dc=dc, backend=GrantingBackend(granted=False), timing={"authorization": 0.2}) as bed:
        bed.outlet.pilot = ControlPilot.C
        car = await at(bed, "authorization", dc=dc)
        await refused_and_closed(car, r.start(), SEQUENCE)
        await bed.until_idle()


@pytest.mark.threat("SEQ-07")
@pytest.mark.parametrize("dc", [False, True])
async def test_a_renegotiation_before_any_start_fails(dc: bool) -> None:
    async with attacked(dc=dc) as bed:
        car = await at(bed, "power on", dc=dc)
        await refused_and_closed(car, r.renegotiate(), "FAILED")
        assert "close_contactor" not in bed.outlet.calls


@pytest.mark.threat("SEQ-08")
@pytest.mark.parametrize("point", ["setup", "discovery", "selection", "loop"])
async def test_a_second_handshake_closes_and_switches_nothing(point: str) -> None:
    async with attacked() as bed:
        car = await at(bed, point)
        await car.send(OFFER)
        assert await car.answer() == "closed"
        car.close()


@pytest.mark.threat("SEQ-09")
async def test_only_unknown_protocols_are_reported_and_closed() -> None:
    async with attacked() as bed:
        car = await Car.connect(bed.plain_port)
        assert await agreed(car, ("urn:x", 1, 1, 1), ("urn:y", 2, 2, 2)) == ("Failed_NoNegotiation", None)
        assert await car.at_end()
        car.close()


ISO2 = "urn:iso:15118:2:2013:MsgDef"


@pytest.mark.threat("SEQ-10")
@pytest.mark.parametrize(
    ("entries", "schema_id"),
    [
        ((("urn:x", 1, 5, 1), (ISO2, 2, 6, 20)), 6),
        (((ISO2, 2, 6, 20), ("urn:x", 1, 5, 1)), 6),
        (((ISO2, 2, 6, 3), (ISO2, 2, 7, 2)), 7),
        (((ISO2, 2, 6, 2), (ISO2, 2, 7, 2)), 6),
        ((("urn:x", 1, 9, 1), (ISO2, 2, 9, 2)), 9),
    ],
)
async def test_the_best_supported_priority_is_taken_always(
    entries: tuple[tuple[str, int, int, int], ...], schema_id: int
) -> None:
    async with attacked() as bed:
        for _ in range(3):
            car = await Car.connect(bed.plain_port)
            assert await agreed(car, *entries) == ("OK_SuccessfulNegotiation", schema_id)
            car.close()
            await bed.until_idle()


async def agreed(car: Car, *entries: tuple[str, int, int, int]) -> tuple[str, int | None]:
    """Namespace, major version, SchemaID and priority of each; code and SchemaID of the answer."""
    offer = SupportedAppProtocolReq(
        app_protocol=tuple(
            AppProtocol(
                protocol_namespace=namespace,
                version_number_major=major,
                version_number_minor=0,
                schema_id=schema_id,
                priority=priority,
            )
            for namespace, major, schema_id, priority in entries
        )
    )
    await car.send(exi.APP_PROTOCOL.encode(offer))
    payload = await car.next_payload()
    assert payload is not None
    answer = exi.APP_PROTOCOL.decode(payload)
    return answer.response_code.value, answer.schema_id


class Undecided(GrantingBackend):
    """Never says anything."""

    async def authorize_external(self, evse_id: str) -> bool:
        await asyncio.Event().wait()
        return True


@pytest.mark.threat("SEQ-11")
async def test_polling_for_an_authorization_is_bounded() -> None:
    backend = Undecided(granted=False)
    async with attacked(backend=backend, timing={"authorization": 0.3}) as bed:
        car = await at(bed, "authorization")
        codes = []
        while (code := await car.ask(r.authorization())) == "OK":
            codes.append(code)
        assert code == "FAILED"
        assert len(codes) > 10
        assert await car.at_end()
        car.close()


class Stuck(RecordingOutlet):
    """An isolation test that does not end by itself, and a voltage that never comes."""

    def __init__(self) -> None:
        super().__init__()
        self.safe = asyncio.Event()

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        await self._called("check_cable")
        self.safe.clear()
        await self.safe.wait()
        return IsolationLevel.INVALID

    async def make_safe(self) -> None:
        await super().make_safe()
        self.safe.set()


@pytest.mark.threat("SEQ-12")
@pytest.mark.parametrize(
    ("point", "timers"),
    [("cable check", {"cable_check": 0.3}), ("pre-charge", {"pre_charge": 0.2, "pre_charge_total": 0.3})],
)
async def test_polling_in_front_of_the_output_is_bounded_and_ends_off(
    point: str, timers: dict[str, float]
) -> None:
    outlet = Stuck() if point == "cable check" else None
    async with attacked(dc=True, outlet=outlet, timing={"controller_call": 2.0, **timers}) as bed:
        car = await at(bed, point, dc=True)
        bed.outlet.pilot = ControlPilot.C
        answers = [await car.ask(due(point, dc=True))]
        while answers[-1] == "OK":
            answers.append(await car.ask(due(point, dc=True)))
        assert answers[-1] == "FAILED"
        assert await car.at_end()
        car.close()


@pytest.mark.threat("SEQ-13", "SEQ-14", "SEQ-15")
@pytest.mark.parametrize(
    ("how", "change", "code"),
    [
        (ChargingSession.PAUSE, "same", "OK_OldSessionJoined"),
        (ChargingSession.PAUSE, "other", "OK_NewSessionEstablished"),
        (ChargingSession.TERMINATE, "same", "OK_NewSessionEstablished"),
    ],
)
async def test_only_a_paused_session_is_joined_and_with_the_output_off(
    how: ChargingSession, change: str, code: str
) -> None:
    async with attacked() as bed:
        car = await at(bed, "stopped")
        before = car.session_id
        assert await car.ask(r.session_stop(how)) == "OK"
        car.close()
        await bed.until_idle()
        calls = len(bed.outlet.calls)
        again = await at(bed, "setup")
        again.session_id = before if change == "same" else bytes(range(1, 9))
        proposed = again.session_id
        assert await again.ask(r.session_setup()) == code
        assert (again.session_id == before) is (code == "OK_OldSessionJoined")
        assert again.session_id != bytes(8)
        if code != "OK_OldSessionJoined":
            assert again.session_id != proposed
        await reach_after_setup(again)
        assert not [call for call in bed.outlet.calls[calls:] if call == "close_contactor"]
        again.close()


async def reach_after_setup(car: Car) -> None:
    """As far as the parameters: nothing is inherited, an authorization is needed again."""
    for body in (r.service_discovery(), r.payment_selection(), r.authorization()):
        assert await car.ask(body) == "OK"


@pytest.mark.threat("SEQ-16")
@pytest.mark.parametrize(("dc", "point"), sorted(LEGAL))
async def test_silence_at_any_point_ends_with_the_output_off(dc: bool, point: str) -> None:
    async with attacked(dc=dc, timing={"sequence": 0.25, "communication_setup": 5.0}) as bed:
        car = await at(bed, point, dc=dc)
        assert await car.at_end()
        car.close()


@pytest.mark.threat("SEQ-17")
@pytest.mark.parametrize(("dc", "point"), sorted(LEGAL))
async def test_a_session_stop_at_any_point_ends_with_the_output_off(dc: bool, point: str) -> None:
    async with attacked(dc=dc) as bed:
        car = await at(bed, point, dc=dc)
        expected = "OK" if point == "stopped" else SEQUENCE
        assert await car.ask(r.session_stop()) == expected
        assert await car.at_end()
        car.close()


@pytest.mark.threat("SEQ-18")
async def test_orders_of_the_owner_out_of_order_move_nothing() -> None:
    async with attacked() as bed:
        orders: list[Callable[[Bed], None]] = [
            lambda b: b.station.stop_charging(),
            lambda b: b.station.renegotiate(),
            lambda b: b.station.limit_power(0.0),
            lambda b: b.station.withdraw_authorization(),
            lambda b: b.station.reset_fault(),
            lambda b: b.station.limit_power(None),
        ]
        for order in orders:
            order(bed)
        await asyncio.sleep(0.02)
        assert bed.outlet.calls == ["make_safe"]
