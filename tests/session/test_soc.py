"""A session that only reads the state of charge: what it asks, how it ends, and that it never energises."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from secc.messages import din, iso2
from secc.session.battery_events import BatteryRead, SocReading, state_of_charge
from secc.session.din.soc import DIN_SOC
from secc.session.din.table import DIN
from secc.session.inputs import Received
from secc.session.iso2.soc import ISO2_SOC
from secc.session.iso2.table import ISO2
from secc.session.machine import Session
from secc.session.outlet import ControlPilot
from secc.session.outputs import CloseContactor, EndReason, OpenContactor, RenewLease, Send, SetOutput
from secc.session.soc import energises
from secc.session.ticket import Ticket
from secc.settings import SocConfig
from tests.support import din as d
from tests.support import requests as r
from tests.support.bench import AC, Bench, code

READS = dataclasses.replace(AC, soc=SocConfig(read=True, patience=2))


class Reading(Bench):
    """A session of one protocol that only reads; `ask` returns the body of the response."""

    def __init__(self, *, in_din: bool) -> None:
        super().__init__(READS, soc_reading=SocReading.ASK)
        self.session = Session(
            READS,
            random_bytes=self.session.names.random_bytes,
            snapshot=self.evse,
            now=self.clock.now,
            soc_reading=SocReading.ASK,
        )
        self.session.only_read(DIN_SOC if in_din else ISO2_SOC)
        self.in_din = in_din

    def ask(self, body: Any) -> Any:
        make: Any = d.message if self.in_din else r.message
        outputs = self.feed(Received(make(self.session.session_id, body), self.evse))
        return [output.message.body for output in outputs if isinstance(output, Send)][-1]

    def to_parameters(self) -> Reading:
        if self.in_din:
            before: tuple[Any, ...] = (
                d.session_setup(),
                din.ServiceDiscoveryReq(),
                d.payment_selection(),
                din.ContractAuthenticationReq(),
            )
        else:
            before = (r.session_setup(), r.service_discovery(), r.payment_selection(), r.authorization())
        self.answers = [self.ask(one) for one in before]
        return self

    def parameters(self) -> Any:
        return self.ask(d.parameters() if self.in_din else r.dc_parameters())

    @property
    def read(self) -> list[int]:
        return [output.battery.soc for output in self.outputs if isinstance(output, BatteryRead)]

    def stop_session(self) -> Any:
        return self.ask(din.SessionStop() if self.in_din else r.session_stop())


@pytest.fixture(params=[False, True], ids=["ISO 15118-2", "DIN SPEC 70121"])
def reading(request: pytest.FixtureRequest) -> Reading:
    return Reading(in_din=request.param).to_parameters()


def test_authorization_is_finished_at_once_and_causes_no_question_as_there_is_no_energy(
    reading: Reading,
) -> None:
    assert reading.answers[-1].evse_processing.value == "Finished"
    assert [type(output).__name__ for output in reading.outputs] == ["Send"] * 4


def test_only_dc_is_offered(reading: Reading) -> None:
    service = reading.answers[1].charge_service
    if reading.in_din:
        assert service.energy_transfer_type.value == "DC_extended"
    else:
        modes = service.supported_energy_transfer_mode.energy_transfer_mode
        assert [mode.value for mode in modes] == ["DC_extended", "DC_core"]


def test_the_state_of_charge_comes_out_once_and_the_second_answer_announces_the_stop(
    reading: Reading,
) -> None:
    first, second = reading.parameters(), reading.parameters()
    assert reading.read == [40]
    said = [str(one.evse_charge_parameter.dc_evse_status.evse_status_code) for one in (first, second)]
    assert said == ["EVSE_Ready", "EVSE_Shutdown"]
    assert [one.evse_processing.value for one in (first, second)] == ["Ongoing", "Ongoing"]
    assert code(reading.stop_session()) == "OK"
    assert reading.end is not None
    assert (reading.end.reason, reading.end.only_read) == (EndReason.TERMINATED, True)


def test_an_ev_that_ignores_the_stop_gets_finished_then_a_finished_cable_check_and_no_test(
    reading: Reading,
) -> None:
    answers = [reading.parameters() for _ in range(4)]
    assert [one.evse_processing.value for one in answers] == ["Ongoing"] * 3 + ["Finished"]
    checked = reading.ask(d.cable_check() if reading.in_din else r.cable_check())
    assert (code(checked), checked.evse_processing.value) == ("OK", "Finished")
    assert str(checked.dc_evse_status.evse_status_code) == "EVSE_Shutdown"
    stopped = reading.ask(d.power(False) if reading.in_din else r.stop())
    assert code(stopped) == "OK"
    looked = reading.ask(d.welding_detection() if reading.in_din else r.welding_detection())
    assert code(looked) == "OK"
    assert code(reading.stop_session()) == "OK"
    assert not any(energises(output) for output in reading.outputs)


@pytest.mark.parametrize("which", ["pre-charge", "start", "demand"])
def test_a_request_for_energy_is_refused_and_ends_the_session(reading: Reading, which: str) -> None:
    for _ in range(4):
        reading.parameters()
    older = {"pre-charge": d.pre_charge(), "start": d.power(True), "demand": d.current_demand()}
    newer = {"pre-charge": r.pre_charge(), "start": r.start(), "demand": r.current_demand()}
    answer = reading.ask((older if reading.in_din else newer)[which])
    assert code(answer).startswith("FAILED")
    assert reading.ended
    assert OpenContactor() in reading.last


def test_a_reading_that_takes_too_long_ends(reading: Reading) -> None:
    reading.parameters()
    reading.tick(31.0)
    assert reading.end is not None
    assert reading.end.detail == "the time to read the state of charge is over"
    assert reading.end.only_read


def test_a_pause_is_not_kept() -> None:
    reading = Reading(in_din=False).to_parameters()
    reading.ask(r.session_stop(iso2.ChargingSession.PAUSE))
    assert reading.end is not None
    assert (reading.end.reason, reading.end.paused) == (EndReason.TERMINATED, None)


def test_ac_parameters_are_refused(reading: Reading) -> None:
    answer = reading.ask(d.ac_parameters() if reading.in_din else r.ac_parameters())
    assert code(answer).startswith("FAILED_Wrong")


def test_an_impossible_state_of_charge_is_left_out() -> None:
    reading = Reading(in_din=True).to_parameters()
    request = d.parameters()
    ev = request.ev_charge_parameter
    assert isinstance(ev, din.DCEVChargeParameter)
    status = msgspec.structs.replace(ev.dc_ev_status, ev_ress_soc=101)
    reading.ask(
        msgspec.structs.replace(request, ev_charge_parameter=msgspec.structs.replace(ev, dc_ev_status=status))
    )
    assert reading.read == []


def test_the_session_lets_nothing_out_that_energises(reading: Reading) -> None:
    for output in (
        CloseContactor(Ticket(1, 1)),
        RenewLease(0.5),
        SetOutput(400.0, 0.0),
        SetOutput(0.0, 1.0),
    ):
        with pytest.raises(RuntimeError, match="state of charge only"):
            reading.session.emit(output)
    reading.session.emit(SetOutput(0.0, 0.0))
    reading.session.emit(OpenContactor())


def test_no_row_of_the_tables_leads_to_a_state_in_which_the_output_may_be_on() -> None:
    names = {state.name for table in (ISO2_SOC, DIN_SOC) for row in table.rules for state in row.leads_to}
    assert names == {
        *("WAIT_SERVICE_DISCOVERY", "WAIT_SERVICE_SELECTION", "WAIT_AUTHORIZATION"),
        *("WAIT_CHARGE_PARAMETERS", "WAIT_CABLE_CHECK", "WAIT_STOP_DC", "ENDED"),
    }


def test_only_a_protocol_without_energy_can_only_read() -> None:
    assert [one.energises for one in (ISO2, DIN, ISO2_SOC, DIN_SOC)] == [True, True, False, False]
    with pytest.raises(RuntimeError, match="energises"):
        Bench(READS).session.only_read(ISO2)


def test_an_unplugged_cable_ends_it(reading: Reading) -> None:
    reading.outlet(control_pilot=ControlPilot.A)
    assert reading.end is not None
    assert (reading.end.reason, reading.end.only_read) == (EndReason.UNPLUGGED, True)


def test_the_state_of_charge_is_found_in_the_messages_that_have_one() -> None:
    assert state_of_charge(d.message(bytes(8), d.parameters())) == 40
    assert state_of_charge(r.message(bytes(8), r.current_demand())) == 40
    assert state_of_charge(r.message(bytes(8), r.charging_status())) is None
    assert state_of_charge(None) is None
