"""`secc states`"""

import json

import pytest

from secc.cli import main


def test_a_request_shows_each_state_in_which_it_is_legal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["states", "PowerDeliveryReq"]) == 0
    text = capsys.readouterr().out
    heads = [line.split(":")[0] for line in text.splitlines() if line.startswith("WAIT_")]
    assert heads == [
        "WAIT_POWER_ON_AC",
        "WAIT_STATUS",
        "WAIT_POWER_ON_DC",
        "WAIT_DEMAND",
        "WAIT_AFTER_RECEIPT",
        # by a leniency each: a stop before the start, and one directly after it
        "WAIT_CABLE_CHECK",
        "WAIT_CABLE_CHECK_RESULT",
        "WAIT_PRE_CHARGE",
        "WAIT_FIRST_STATUS",
        "WAIT_FIRST_DEMAND",
    ]
    assert "secc/session/iso2/handlers/ac.py:" in text
    assert "In every other state: PowerDeliveryRes with FAILED_SequenceError" in text


def test_the_table_of_din(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["states", "--protocol", "din70121", "ContractAuthentication"]) == 0
    text = capsys.readouterr().out
    assert "WAIT_AUTHORIZATION: waits for ContractAuthenticationReq" in text
    assert "In every other state: ContractAuthenticationRes with FAILED_SequenceError" in text
    assert main(["states", "ContractAuthentication"]) == 1
    assert main(["states", "--protocol", "din70121", "ChargingStatus"]) == 1
    assert "ChargingStatusReq is not legal in any state" in capsys.readouterr().err
    assert main(["states", "--protocol", "din70121", "LinkLost"]) == 0
    assert main(["states", "--protocol", "din70121"]) == 0


def test_names_may_be_short_and_in_any_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["states", "powerdelivery"]) == 0
    short = capsys.readouterr().out
    assert main(["states", "PowerDeliveryReq"]) == 0
    assert capsys.readouterr().out == short


def test_a_state_shows_everything_that_is_legal_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["states", "WAIT_DEMAND"]) == 0
    text = capsys.readouterr().out
    assert "on CurrentDemandReq" in text
    assert "on PowerDeliveryReq" in text
    assert "Every other request" in text


def test_what_holds_everywhere_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["states", "LinkLost"]) == 0
    assert "In every state without a separate row, on LinkLost" in capsys.readouterr().out


def test_timers_are_inputs_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["states", "contactor"]) == 0
    assert "CLOSING_CONTACTOR" in capsys.readouterr().out


def test_the_whole_table_has_a_line_per_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["states"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == [
        "WAIT_SESSION_SETUP",
        "SessionSetupReq",
        "WAIT_SERVICE_DISCOVERY",
    ]


def test_rows_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["states", "SessionSetupReq", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["state"] == "WAIT_SESSION_SETUP"
    assert rows[0]["handler"] == "secc.session.iso2.handlers.setup.session_setup"


def test_an_unknown_name_is_a_no_with_a_proposal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["states", "PowerDelivry"]) == 1
    assert "did you mean PowerDeliveryReq" in capsys.readouterr().err


def test_the_rows_of_side_streams_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["states", "--protocol", "iso20", "ScheduleExchangeReq"]) == 0
    text = capsys.readouterr().out
    assert "SCHEDULE_EXCHANGE: waits for ScheduleExchangeReq on the side stream" in text
    assert "leads to  SCHEDULE_EXCHANGE, SCHEDULE_PROFILE" in text
    assert main(["states", "--protocol", "iso20", "METERING_REQUESTED"]) == 0
    assert "on MeteringConfirmationReq" in capsys.readouterr().out


def test_iso_20_has_a_separate_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["states", "--protocol", "iso15118-20", "DCChargeLoopReq"]) == 0
    text = capsys.readouterr().out
    heads = [line.split(":")[0] for line in text.splitlines() if line.startswith("WAIT_")]
    assert heads == ["WAIT_FIRST_LOOP_DC", "WAIT_LOOP_DC", "WAIT_STANDBY_DC"]
    assert "secc/session/iso20/handlers/dc_loop.py:" in text
    assert main(["states", "--protocol", "din70121", "MeteringReceiptReq"]) == 1
