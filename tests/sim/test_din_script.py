"""The EV of DIN SPEC 70121 without a socket: what makes it give up."""

from collections.abc import Generator

import pytest

from secc.messages import din
from secc.messages.app_protocol import ResponseCode, SupportedAppProtocolRes
from secc.messages.iso2 import EnergyTransferMode
from secc.session.din import status
from secc.session.din.refusals import services
from secc.settings import ProtocolName
from secc.sim.din_script import DinScript
from secc.sim.moves import Answer, Ask, EvGivesUp, Move, Wait
from secc.sim.script import Plan
from secc.sim.vehicle import Vehicle
from tests.support import din as d
from tests.support.din import DinBench

ACCEPTED = SupportedAppProtocolRes(response_code=ResponseCode.OK_SUCCESSFUL_NEGOTIATION, schema_id=1)


def script(**plan: object) -> Generator[Move, Answer, None]:
    return DinScript(Plan(protocol=ProtocolName.DIN70121, **plan), Vehicle()).run()  # type: ignore[arg-type]


def test_its_handshake_offers_din_and_nothing_else() -> None:
    move = next(script())
    assert isinstance(move, Ask)
    namespaces = [entry.protocol_namespace for entry in move.request.app_protocol]  # type: ignore[attr-defined]
    assert namespaces == ["urn:din:70121:2012:MsgDef"]


def test_ac_is_not_for_it() -> None:
    with pytest.raises(EvGivesUp, match="DC only"):
        next(script(mode=EnergyTransferMode.AC_THREE_PHASE_CORE))


def test_a_mode_that_is_not_offered_makes_it_give_up() -> None:
    run = script(mode=EnergyTransferMode.DC_CORE)
    next(run)
    run.send(Answer(0.0, ACCEPTED))
    bench = DinBench()
    run.send(Answer(0.1, d.message(bytes(8), bench.ask(d.session_setup(), b"\0"))))
    offer = services(bench.session, din.ResponseCode.OK)
    with pytest.raises(EvGivesUp, match="DC_core is not offered, only DC_extended"):
        run.send(Answer(0.2, d.message(bytes(8), offer)))


def test_a_voltage_that_never_comes_makes_it_give_up() -> None:
    with pytest.raises(EvGivesUp, match="PreChargeReq: not finished after 7 s"):
        _charge_at_a_station_without_voltage()


def _charge_at_a_station_without_voltage() -> None:
    run = script(pace=0.5)
    move, answer, now = next(run), Answer(0.0, ACCEPTED), 0.0
    for _ in range(200):
        move = run.send(answer)
        now += move.seconds if isinstance(move, Wait) else 0.1
        answer = Answer(now)
        if isinstance(move, Ask):
            answer = Answer(now, d.message(bytes(8), _positive(move.request)))


def _positive(request: object) -> din.BodyElement:
    bench = DinBench()
    state = status.evse_status(bench.session)
    ok, finished = din.ResponseCode.OK, din.EVSEProcessing.FINISHED
    made: din.BodyElement | None
    match request:
        case din.SessionSetupReq():
            made = bench.ask(request, b"\0")
        case din.ServiceDiscoveryReq():
            made = bench.at_discovery().ask(request)
        case din.ServicePaymentSelectionReq():
            made = bench.at_selection().ask(request)
        case din.ContractAuthenticationReq():
            made = din.ContractAuthenticationRes(response_code=ok, evse_processing=finished)
        case din.ChargeParameterDiscoveryReq():
            made = bench.at_parameters().ask(request)
        case din.PreChargeReq():
            made = din.PreChargeRes(response_code=ok, dc_evse_status=state, evse_present_voltage=d.volts(12))
        case _:
            made = din.CableCheckRes(response_code=ok, dc_evse_status=state, evse_processing=finished)
    assert made is not None
    return made
