"""Whole sessions of ISO 15118-20 through the connection: bytes in, bytes out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from secc import payloads
from secc.connection import Close, Connection, ConnectionOutput, Data, Write
from secc.messages.app_protocol import AppProtocol, SupportedAppProtocolReq
from secc.messages.app_protocol import ResponseCode as SapCode
from secc.session.inputs import AuthorizationDecided, CableCheckReported, ContactorReported
from secc.session.machine import Session
from secc.session.outlet import ControlPilot, EvseSnapshot, IsolationLevel
from secc.session.outputs import Authorize, CloseContactor, EndReason, EndSession, SetOutput, StartCableCheck
from secc.settings import ProtocolName, SeccConfig
from secc.v2gtp import FrameAssembler, PayloadType
from tests.support import iso20 as r
from tests.support.bench import counting_bytes
from tests.support.iso20 import AC, AC_BPT, DC, DC_BPT, addressed, code
from tests.support.vehicles import vehicle_identity

AC_NAME, DC_NAME = "urn:iso:std:iso:15118:-20:AC", "urn:iso:std:iso:15118:-20:DC"


class Car:
    """Exchanges bytes with a connection whose outlet does as commanded."""

    def __init__(self, config: SeccConfig, **session: Any) -> None:
        self.config = dataclasses.replace(config, protocols=(ProtocolName.ISO15118_20,))
        self.now = 1000.0
        self.evse = EvseSnapshot(control_pilot=ControlPilot.C, utc=1_700_000_000)
        secure: dict[str, Any] = {"tls": True, "tls13": True, "vehicle": vehicle_identity()} | session
        made = Session(self.config, random_bytes=counting_bytes(), snapshot=self.evse, now=self.now, **secure)
        self.connection = Connection(made)
        self.outputs: list[ConnectionOutput] = []
        self.energy = "iso20-dc" if config.energy.offers_dc else "iso20-ac"
        self.payloads = payloads.iso20(self.energy)

    @property
    def session(self) -> Session:
        return self.connection.session

    def handshake(self) -> Any:
        name = DC_NAME if self.energy == "iso20-dc" else AC_NAME
        entry = AppProtocol(
            protocol_namespace=name,
            version_number_major=1,
            version_number_minor=0,
            schema_id=1,
            priority=1,
        )
        return self.send(payloads.HANDSHAKE.encode(SupportedAppProtocolReq(app_protocol=(entry,))))

    def ask(self, request: Any) -> Any:
        request = addressed(request, self.session.session_id)
        return self.send(self.payloads.encode(request))

    def send(self, data: bytes) -> Any:
        """One byte after the other; the message that is answered, however late."""
        self.now += 0.06
        before = len(self.outputs)
        for octet in data:
            self._take(self.connection.handle(Data(bytes([octet]), self.evse), self.now))
        writes = [output for output in self.outputs[before:] if isinstance(output, Write)]
        return writes[-1].message if writes else None

    def _take(self, outputs: tuple[ConnectionOutput, ...]) -> None:
        self.outputs += outputs
        for output in outputs:
            match output:
                case SetOutput(voltage, current):
                    self.evse = dataclasses.replace(
                        self.evse, present_voltage=380.0 if voltage else 0.0, present_current=current
                    )
                case Authorize(ticket):
                    self._take(self.connection.handle(AuthorizationDecided(ticket, True), self.now))
                case StartCableCheck(ticket):
                    report = CableCheckReported(ticket, IsolationLevel.VALID)
                    self._take(self.connection.handle(report, self.now))
                case CloseContactor(ticket):
                    self.evse = dataclasses.replace(self.evse, contactor_closed=True)
                    self._take(self.connection.handle(ContactorReported(ticket, True), self.now))
                case _:
                    pass

    def play(self, *requests: Any) -> list[str]:
        return [code(self.ask(request)) for request in requests]


def _until_parameters(service: int, parameter_set: int) -> tuple[Any, ...]:
    return (
        r.session_setup(),
        r.authorization_setup(),
        r.authorization(),
        r.authorization(),
        r.service_discovery(),
        r.service_detail(service),
        r.selection(service, parameter_set),
    )


DC_MIDDLE = (r.cable_check(), r.cable_check(), r.pre_charge())
DC_END = (r.stop(), r.welding(), r.session_stop())
AC_END = (r.stop(), r.session_stop())
SESSIONS: dict[str, tuple[SeccConfig, tuple[Any, ...]]] = {
    "DC Scheduled": (
        DC,
        (
            *_until_parameters(2, 1),
            r.dc_parameters(),
            r.scheduled(),
            *DC_MIDDLE,
            r.start(),
            r.dc_loop(),
            *DC_END,
        ),
    ),
    "DC Dynamic": (
        DC,
        (
            *(*_until_parameters(2, 2), r.dc_parameters(), r.dynamic(), *DC_MIDDLE, r.dynamic_start()),
            *(r.dc_dynamic_loop(), r.dc_dynamic_loop(), *DC_END),
        ),
    ),
    "DC_BPT Scheduled": (
        DC_BPT,
        (
            *(*_until_parameters(6, 1), r.dc_bpt_parameters(), r.scheduled(), *DC_MIDDLE, r.start()),
            *(r.dc_bpt_loop(), r.dc_bpt_loop(400, -20), *DC_END),
        ),
    ),
    "DC_BPT Dynamic": (
        DC_BPT,
        (
            *(*_until_parameters(6, 2), r.dc_bpt_parameters(), r.dynamic(), *DC_MIDDLE, r.dynamic_start()),
            *(r.dc_bpt_dynamic_loop(), *DC_END),
        ),
    ),
    "AC Scheduled": (
        AC,
        (*_until_parameters(1, 1), r.ac_parameters(), r.scheduled(), r.start(), r.ac_loop(), *AC_END),
    ),
    "AC Dynamic": (
        AC,
        (
            *(*_until_parameters(1, 2), r.ac_parameters(), r.dynamic(), r.dynamic_start()),
            *(r.ac_dynamic_loop(), *AC_END),
        ),
    ),
    "AC_BPT Scheduled": (
        AC_BPT,
        (*_until_parameters(5, 1), r.ac_bpt_parameters(), r.scheduled(), r.start(), r.ac_bpt_loop(), *AC_END),
    ),
    "AC_BPT Dynamic": (
        AC_BPT,
        (
            *(*_until_parameters(5, 2), r.ac_bpt_parameters(), r.dynamic(), r.dynamic_start()),
            *(r.ac_bpt_dynamic_loop(), *AC_END),
        ),
    ),
}


@pytest.mark.parametrize("name", SESSIONS)
def test_a_whole_session_in_bytes(name: str) -> None:
    config, requests = SESSIONS[name]
    car = Car(config)
    assert car.handshake().response_code is SapCode.OK_SUCCESSFUL_NEGOTIATION
    codes = car.play(*requests)
    assert codes == ["OK_NewSessionEstablished", *["OK"] * (len(requests) - 1)]
    ends = [output for output in car.outputs if isinstance(output, EndSession)]
    assert [end.reason for end in ends] == [EndReason.TERMINATED]
    assert any(isinstance(output, Close) for output in car.outputs)


def test_each_message_travels_in_the_payload_type_of_its_set() -> None:
    config, requests = SESSIONS["DC Scheduled"]
    car = Car(config)
    car.handshake()
    car.play(*requests)
    frames = FrameAssembler(more=car.payloads.types)
    data = b"".join(output.data for output in car.outputs if isinstance(output, Write))
    types = [found.payload_type for found in frames.feed(data)]
    assert types[0] == PayloadType.EXI
    assert set(types[1:]) == {PayloadType.ISO20_COMMON, PayloadType.ISO20_DC}


@pytest.mark.req("V2G20-1235", "V2G20-2356")
def test_without_mutual_tls_13_it_is_not_chosen_and_not_spoken() -> None:
    for security in ({"tls": False, "tls13": False, "vehicle": None}, {"tls13": False}, {"vehicle": None}):
        car = Car(DC, **security)
        assert car.handshake().response_code is SapCode.FAILED_NO_NEGOTIATION
        from secc.session.iso20.table import ISO20_DC
        from tests.support.iso20 import Bench20

        bench = Bench20(DC, **security)
        assert bench.session.dialect is ISO20_DC
        assert code(bench.ask(r.session_setup(), bytes(8))) == "FAILED"
        assert bench.ended
