"""Real cars, recorded at other stations, at ours: each comes to the end that it chose itself."""

import dataclasses
import pathlib
from collections.abc import Iterator

import pytest

from secc.session.outputs import EndReason
from secc.settings import SeccConfig
from secc.sim.playback import Garage, PlaybackOutcome, play
from secc.sim.player import DIN, Recording, chosen_end, config_for, load
from tests.support.bench import counting_bytes
from tests.support.vectors import SHARED, shared
from tools.docs import cars

FILES = sorted((SHARED / "cars").glob("*.jsonl"))

NO_COMMON_PROTOCOL = {
    "Tesla/Model_Y_11.1/iso15118-2/2023-03-30T11:11:20.331Z-tesla_y-iso-not-supported/ethernet-traffic.dump#0",
    "Tesla/Model_Y_11.1/iso15118-2/ac-iso/1_telsa_model_y.dump#0",
}
"""These cars offer DIN SPEC 70121 and a proprietary namespace; the recorded station had only ISO 15118-2."""


def played(path: pathlib.Path) -> Iterator[tuple[Recording, PlaybackOutcome]]:
    """Sessions of one plug-in at one outlet, in their order."""
    garage, plug_in = Garage(counting_bytes()), ""
    for recording in load(path):
        if recording.plug_in != plug_in:
            garage, plug_in = Garage(counting_bytes()), recording.plug_in
        yield recording, play(recording, config_for(recording), garage)


def test_recordings_are_there() -> None:
    assert shared("cars").is_dir()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_session_of_a_car_comes_to_the_end_that_the_car_chose(path: pathlib.Path) -> None:
    for recording, outcome in played(path):
        assert not outcome.energised_after_end
        if recording.name in NO_COMMON_PROTOCOL:
            assert (outcome.accepted, outcome.end) == (0, EndReason.NO_PROTOCOL), recording.name
            continue
        assert outcome.complete, f"{recording.name}: {outcome}"
        assert outcome.end is chosen_end(recording), recording.name


def test_a_car_that_ranks_din_first_speaks_it_with_a_station_that_offers_both() -> None:
    recordings = load(shared("cars/citroen_ec4.jsonl"))
    (recording,) = [one for one in recordings if one.protocol == DIN]
    config = dataclasses.replace(config_for(recording), protocols=SeccConfig().protocols)
    outcome = play(recording, config, Garage(counting_bytes()))
    assert (outcome.complete, outcome.end) == (True, EndReason.TERMINATED)


def test_both_protocols_are_among_the_recordings() -> None:
    shared("cars")
    protocols = [recording.protocol for path in FILES for recording in load(path)]
    assert protocols.count(DIN) >= 15


def test_the_page_about_cars_says_what_is_run_now() -> None:
    shared("cars")
    assert cars.main(["--check"]) == 0


def test_a_car_that_pauses_joins_its_session_four_times() -> None:
    outcomes = [outcome for _, outcome in played(shared("cars/audi_q4.jsonl"))][:5]
    assert [outcome.end for outcome in outcomes] == [EndReason.PAUSED] * 4 + [EndReason.TERMINATED]
    assert [outcome.joined for outcome in outcomes] == [False, True, True, True, True]
