"""Recordings that are ours: a session at the bench, written down as a recording of it would look."""

import dataclasses

from secc import exi
from secc.messages import app_protocol, din
from secc.messages.iso2 import BodyElement, V2GMessage
from secc.session.outlet import ControlPilot
from secc.settings import SeccConfig
from secc.sim.player import CarExchange, Recording
from tests.support import din as d
from tests.support import requests as r
from tests.support.bench import AC, DC, Bench
from tests.support.wire import DIN_OFFER, OFFER

ACCEPTED = app_protocol.SupportedAppProtocolRes(
    response_code=app_protocol.ResponseCode.OK_SUCCESSFUL_NEGOTIATION, schema_id=1
)


class Tape:
    """Asks a bench, and keeps both sides as another station's recording would have them."""

    def __init__(self, config: SeccConfig, *, session_id: bytes = b"\x00") -> None:
        self.bench = Bench(config)
        self.at = 10.0
        self.first_id = session_id
        self.exchanges = [CarExchange(self.at, OFFER, self.at + 0.1, ACCEPTED)]

    def ask(self, body: BodyElement, *, after: float = 0.2, trailing: bytes = b"") -> None:
        self.at += after
        session_id = self.first_id if len(self.exchanges) == 1 else _THEIRS
        payload = exi.ISO2.encode(r.message(session_id, body)) + trailing
        answer = self.bench.request(body, b"\x00" if len(self.exchanges) == 1 else None)
        said = None if answer is None else _with_id(answer)
        self.exchanges.append(CarExchange(self.at, payload, None if said is None else self.at + 0.1, said))

    def recording(self, name: str = "ours#0") -> Recording:
        return Recording(name=name, car="Bench", peer="bench", exchanges=tuple(self.exchanges))


_THEIRS = bytes.fromhex("a1b2c3d4e5f60718")


def _with_id(body: BodyElement) -> V2GMessage:
    return r.message(_THEIRS, body)


def dc_session(config: SeccConfig = DC) -> Recording:
    """A whole DC session: isolation test, pre-charge, two demands, welding detection, stop."""
    tape = Tape(config)
    bench = tape.bench
    tape.ask(r.session_setup())
    tape.ask(r.service_discovery())
    tape.ask(r.payment_selection())
    tape.ask(r.authorization())
    bench.authorize()
    tape.ask(r.authorization())
    tape.ask(r.dc_parameters())
    bench.outlet(control_pilot=ControlPilot.C)
    tape.ask(r.cable_check())
    tape.ask(r.cable_check())
    bench.isolation()
    tape.ask(r.cable_check())
    tape.ask(r.pre_charge())
    bench.outlet(present_voltage=378.0)
    tape.ask(r.pre_charge())
    tape.ask(r.start())
    bench.outlet(present_voltage=400.0, present_current=80.0)
    tape.ask(r.current_demand())
    tape.ask(r.current_demand())
    tape.ask(r.stop(), trailing=b"\x00\x00")
    bench.outlet(control_pilot=ControlPilot.B, present_voltage=12.0, present_current=0.0)
    tape.ask(r.welding_detection())
    tape.ask(r.session_stop())
    return tape.recording()


def ac_session(config: SeccConfig = AC) -> Recording:
    """A whole AC session with two ChargingStatusReq."""
    tape = Tape(config)
    bench = tape.bench
    tape.ask(r.session_setup())
    tape.ask(r.service_discovery())
    tape.ask(r.payment_selection())
    tape.ask(r.authorization())
    bench.authorize()
    tape.ask(r.authorization())
    tape.ask(r.ac_parameters())
    bench.outlet(control_pilot=ControlPilot.C)
    tape.ask(r.start())
    answer = bench.contactor()
    assert answer is not None
    tape.exchanges[-1] = dataclasses.replace(
        tape.exchanges[-1], answered_at=tape.at + 0.4, answer=_with_id(answer)
    )
    tape.at += 0.5
    tape.ask(r.charging_status())
    tape.ask(r.charging_status())
    tape.ask(r.stop())
    bench.outlet(control_pilot=ControlPilot.B)
    tape.ask(r.session_stop())
    return tape.recording()


def din_session() -> Recording:
    """A whole session of DIN SPEC 70121 by a car that leaves units out and asks again and again."""
    bench, at = d.DinBench(), 10.0
    exchanges = [CarExchange(at, DIN_OFFER, at + 0.1, ACCEPTED)]

    def ask(body: din.BodyElement, **outlet: object) -> None:
        nonlocal at
        at += 0.2
        if outlet:
            bench.outlet(**outlet)
        first = len(exchanges) == 1
        payload = exi.codec("din").encode(d.message(b"\x00" if first else _THEIRS, body))
        said = bench.ask(body, b"\x00" if first else None)
        exchanges.append(CarExchange(at, payload, at + 0.1, d.message(_THEIRS, said)))

    ask(d.session_setup())
    ask(din.ServiceDiscoveryReq())
    ask(d.payment_selection())
    ask(din.ContractAuthenticationReq())
    bench.authorize()
    ask(din.ContractAuthenticationReq())
    ask(d.parameters(max_voltage=d.volts(4200, -1, None), max_current=d.amperes(125, 0, None)))
    ask(d.cable_check(), control_pilot=ControlPilot.C)
    bench.isolation()
    ask(d.cable_check())
    ask(d.pre_charge(d.volts(380, 0, None), d.amperes(0, 0, None)))
    ask(d.pre_charge(), present_voltage=379.0)
    ask(d.power(True))
    ask(d.current_demand(), present_voltage=400.0, present_current=80.0)
    ask(d.current_demand())
    ask(d.power(False))
    ask(d.welding_detection(), control_pilot=ControlPilot.B, present_voltage=12.0, present_current=0.0)
    ask(din.SessionStop())
    return Recording(name="ours-din#0", car="Bench", peer="bench", exchanges=tuple(exchanges))
