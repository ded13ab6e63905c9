"""Recordings: what is kept of the car, what is replaced, what is taken over of the recorded station."""

import dataclasses
import itertools
import json
import pathlib

import msgspec

from secc import exi
from secc.messages.app_protocol import ResponseCode, SupportedAppProtocolRes
from secc.messages.iso2 import (
    AuthorizationReq,
    ChargeParameterDiscoveryRes,
    ChargeProgress,
    DCEVSEChargeParameter,
    EVSEProcessing,
    PowerDeliveryReq,
    ServiceDiscoveryReq,
    V2GMessage,
)
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason
from secc.settings import EnergyMode, SeccConfig
from secc.sim.playback import Garage, play
from secc.sim.player import (
    ISO2,
    CarExchange,
    Ids,
    body_of,
    cable_check_time,
    chosen_end,
    config_for,
    cues,
    load,
)
from tests.support import requests as r
from tests.support.bench import AC, DC, counting_bytes
from tests.support.recordings import ac_session, dc_session

NEGOTIATED = ResponseCode.OK_SUCCESSFUL_NEGOTIATION
THEIRS, OURS = bytes.fromhex("a1b2c3d4e5f60718"), bytes.fromhex("0102030405060708")


def test_a_file_of_recordings_is_read_with_requests_and_their_answers(tmp_path: pathlib.Path) -> None:
    recording = dc_session()
    frames = []
    for exchange in recording.exchanges[:3]:
        frames.append([exchange.at, 0, exchange.payload.hex()])
        codec = exi.ISO2 if isinstance(exchange.answer, V2GMessage) else exi.APP_PROTOCOL
        assert exchange.answer is not None
        frames.append([exchange.answered_at, 1, codec.encode(exchange.answer).hex()])
    path = tmp_path / "car.jsonl"
    path.write_text(json.dumps({"session": "x#1", "car": "C", "peer": "P", "frames": frames}) + "\n")
    (read,) = load(path)
    assert read.exchanges == recording.exchanges[:3]
    assert (read.plug_in, read.protocol) == ("x", ISO2)


def test_only_the_session_id_is_replaced_and_the_encoding_of_the_car_stays() -> None:
    ids = Ids()
    ids.learn(r.message(THEIRS, r.service_discovery()), r.message(OURS, r.service_discovery()))
    payload = exi.ISO2.encode(r.message(THEIRS, ServiceDiscoveryReq(service_scope="\0" * 64))) + b"\0\0"
    rewritten = ids.rewritten(payload)
    assert len(rewritten) == len(payload)
    message = exi.ISO2.decode(rewritten)
    assert isinstance(message, V2GMessage)
    assert message.header.session_id == OURS
    assert message.body == ServiceDiscoveryReq(service_scope="\0" * 64)


def test_an_id_that_was_not_issued_stays() -> None:
    payload = exi.ISO2.encode(r.message(b"\x07" * 6, r.session_setup()))
    assert Ids().rewritten(payload) == payload


def test_the_station_gets_the_modes_and_limits_of_the_recorded_one() -> None:
    config = config_for(dc_session())
    assert config.energy.modes == (EnergyMode.DC_EXTENDED, EnergyMode.DC_CORE)
    assert config.energy.dc == DC.energy.dc


def test_a_slow_cable_check_of_the_recorded_station_gets_the_time_it_took() -> None:
    recording = dc_session()
    late = tuple(
        dataclasses.replace(e, at=e.at + 44.0) if i > 7 else e for i, e in enumerate(recording.exchanges)
    )
    slow = dataclasses.replace(recording, exchanges=late)
    assert 44 < cable_check_time(slow) < 45
    assert config_for(slow).timing.cable_check == 45
    assert config_for(recording).timing.cable_check == 38


def test_at_power_delivery_the_output_has_the_voltage_that_is_read_next() -> None:
    recording = dc_session()
    cue = next(
        cue
        for exchange, cue in zip(recording.exchanges, cues(recording), strict=True)
        if isinstance(body_of(exchange.request), PowerDeliveryReq)
    )
    assert (cue.voltage, cue.pilot) == (400.0, ControlPilot.C)


def test_a_recorded_dc_session_ends_as_the_car_chose() -> None:
    recording = dc_session()
    outcome = play(recording, config_for(recording), Garage(counting_bytes()))
    assert outcome.complete
    assert outcome.end is EndReason.TERMINATED
    assert outcome.differences == ()
    assert not outcome.energised_after_end


def test_a_recorded_ac_session_ends_as_the_car_chose() -> None:
    recording = ac_session()
    outcome = play(recording, config_for(recording), Garage(counting_bytes()))
    assert (outcome.complete, outcome.end) == (True, EndReason.TERMINATED)


def test_a_recording_that_breaks_off_leaves_nothing_energised() -> None:
    recording = dc_session()
    cut = dataclasses.replace(recording, exchanges=recording.exchanges[:13])
    outcome = play(cut, config_for(recording), Garage(counting_bytes()))
    assert (outcome.complete, outcome.end, outcome.energised_after_end) == (True, None, False)


def test_a_car_repeats_what_is_answered_with_ongoing_although_the_other_station_had_finished() -> None:
    recording = dc_session()
    # A station that finishes at the first AuthorizationReq and at the first CableCheckReq.
    kept = [e for i, e in enumerate(recording.exchanges) if i not in (4, 7, 8)]
    impatient = dataclasses.replace(recording, exchanges=tuple(kept))
    outcome = play(impatient, config_for(recording), Garage(counting_bytes()))
    assert (outcome.complete, outcome.end) == (True, EndReason.TERMINATED)


def test_what_the_car_does_after_a_refusal_is_not_counted() -> None:
    recording = dc_session()
    wrong = play(recording, AC, Garage(counting_bytes()))  # an AC station: the parameters do not fit
    assert (wrong.accepted, wrong.end) == (6, EndReason.REFUSED)
    assert wrong.differences == (
        "ChargeParameterDiscoveryReq: FAILED_WrongEnergyTransferMode here, OK there",
    )


def test_exchanges_come_in_the_order_of_time() -> None:
    times = [exchange.at for exchange in ac_session().exchanges]
    assert all(a < b for a, b in itertools.pairwise(times))
    assert CarExchange(0.0, b"nonsense", None, None).request is None


def test_a_recording_without_a_message_of_the_car_plays_as_nothing(
    tmp_path: pathlib.Path,
) -> None:
    answer = exi.APP_PROTOCOL.encode(SupportedAppProtocolRes(response_code=NEGOTIATED, schema_id=1)).hex()
    path = tmp_path / "car.jsonl"
    path.write_text(json.dumps({"session": "x", "car": "C", "peer": "P", "frames": [[1.0, 1, answer]]}))
    (read,) = load(path)
    assert (read.protocol, read.duration, chosen_end(read)) == (None, 0.0, None)
    outcome = play(read, config_for(read), Garage(counting_bytes()))
    assert (outcome.total, outcome.sent, outcome.complete, outcome.energised_after_end) == (0, 0, True, False)


def test_limits_of_zero_that_came_with_ongoing_are_no_limits() -> None:
    recording = dc_session()
    exchanges = recording.exchanges
    at = next(
        index
        for index, one in enumerate(exchanges)
        if isinstance(body_of(one.answer), ChargeParameterDiscoveryRes)
    )
    answer = exchanges[at].answer
    assert isinstance(answer, V2GMessage)
    body = answer.body
    assert isinstance(body, ChargeParameterDiscoveryRes)
    assert isinstance(body.evse_charge_parameter, DCEVSEChargeParameter)
    nothing = msgspec.structs.replace(
        body.evse_charge_parameter,
        evse_maximum_voltage_limit=r.volts(0),
        evse_maximum_current_limit=r.amperes(0),
    )
    ongoing = msgspec.structs.replace(
        body, evse_processing=EVSEProcessing.ONGOING, sa_schedules=None, evse_charge_parameter=nothing
    )
    zero = dataclasses.replace(exchanges[at], answer=msgspec.structs.replace(answer, body=ongoing))
    after = dataclasses.replace(recording, exchanges=(*exchanges, zero))
    broken = dataclasses.replace(recording, exchanges=(*exchanges[:at], zero))
    assert config_for(after).energy.dc == config_for(recording).energy.dc
    assert config_for(broken).energy.dc == SeccConfig().energy.dc


def test_an_unanswered_last_request_is_sent_once_and_the_session_waits_for_the_car() -> None:
    recording = dc_session()
    last = dataclasses.replace(recording.exchanges[4], answer=None, answered_at=None)
    cut = dataclasses.replace(recording, exchanges=(*recording.exchanges[:4], last))
    outcome = play(cut, config_for(recording), Garage(counting_bytes()))
    assert isinstance(body_of(last.request), AuthorizationReq)
    assert (outcome.sent, outcome.total, outcome.end) == (5, 5, None)


def test_at_a_stop_the_voltage_of_the_next_reading_is_not_taken() -> None:
    recording = dc_session()
    stops = [
        cue
        for exchange, cue in zip(recording.exchanges, cues(recording), strict=True)
        if isinstance(request := body_of(exchange.request), PowerDeliveryReq)
        and request.charge_progress is ChargeProgress.STOP
    ]
    assert [cue.voltage for cue in stops] == [None]
