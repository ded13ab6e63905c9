"""Rules of a grid: each by itself, and against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from secc.session.grid import (
    CurveKind,
    DerFunction,
    GridCode,
    GridCurve,
    GridFrequencyWatt,
    GridPoint,
    GridRideThrough,
    GridTargets,
    GridVoltWatt,
    GridZeroCurrent,
    StepResponse,
)
from tests.support.grid import CODE, CURVE

NAN = float("nan")


def curve(*points: tuple[float, float], function: CurveKind = CurveKind.VOLT_VAR) -> GridCurve:
    return GridCurve(function=function, points=tuple(GridPoint(*point) for point in points))


def frequency(start: float, stop: float) -> GridFrequencyWatt:
    return GridFrequencyWatt(start=start, stop=stop, slope=40.0)


def test_the_functions_are_bits() -> None:
    assert GridCode().functions == 0
    assert GridCode(dc_injection=0.0).functions == 1 << 8
    cos_phi = GridCode(
        cos_phi_setpoint=True, reactive=curve((0, 1), (9, 0.9), function=CurveKind.WATT_COS_PHI)
    )
    assert cos_phi.functions == 1 << 7 | 1 << 5
    assert CODE.functions == sum(
        1 << one
        for one in DerFunction
        if one not in (DerFunction.WATT_VAR, DerFunction.WATT_COS_PHI, DerFunction.DSO_COS_PHI_SETPOINT)
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: StepResponse(NAN), "seconds is nan s"),
        (lambda: GridFrequencyWatt(start=50.2, stop=50.2, slope=0.0), "slope is 0"),
        (lambda: GridFrequencyWatt(start=5.0, stop=50.2, slope=40.0), "start is 5 Hz"),
        (lambda: GridVoltWatt(start=260.0, stop=250.0), "expected above start"),
        (lambda: curve((200, 1)), "1 points, expected 2..10"),
        (lambda: curve(*((200 + x, 0) for x in range(11))), "11 points"),
        (lambda: curve((200, 1), (200, 0)), "expected a rising order"),
        (lambda: curve((210, 1), (200, 0)), "expected a rising order"),
        (lambda: curve((200, NAN), (210, 0)), "not finite"),
        (lambda: curve((200, -1), (210, 1)), "not to rise with the voltage"),
        (lambda: curve((0, 0), (1, 5), (2, 0), function=CurveKind.WATT_VAR), "to rise or to fall, not both"),
        (lambda: curve((0, 0), (1, 1), function=CurveKind.WATT_COS_PHI), "without 0"),
        (
            lambda: curve((0, 0.9), (1, 1), (2, 0.9), function=CurveKind.WATT_COS_PHI),
            "to rise or to fall, not both",
        ),
        (lambda: dataclasses.replace(CURVE, min_cos_phi=0.0), "min_cos_phi is 0"),
        (lambda: dataclasses.replace(CURVE, lock_out=None), "expected together"),
        (lambda: dataclasses.replace(CURVE, lock_out=600.0), "expected at most lock_in"),
        (lambda: GridRideThrough(start=5000.0), "start is 5000 V"),
        (lambda: GridRideThrough(start=260.0, k_positive=11.0), "k_positive is 11"),
        (lambda: GridZeroCurrent(), "neither above nor below"),
        (lambda: GridZeroCurrent(above=200.0, below=210.0), "below is 210"),
        (lambda: GridZeroCurrent(above=200.0, recovery_above=210.0), "recovery_above is 210"),
        (lambda: GridTargets(reactive=NAN), "reactive is nan"),
        (lambda: GridTargets(cos_phi=0.0), "cos_phi is 0"),
        (lambda: GridTargets(cos_phi=0.9, reactive=5.0), "exclude each other"),
        (lambda: GridTargets(max_discharge=-1.0), "max_discharge is -1"),
    ],
)
def test_a_function_that_makes_no_sense_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"over_frequency": frequency(50.2, 50.5)},
            "over_frequency: stop is 50.5",
        ),
        ({"under_frequency": frequency(49.8, 49.5)}, "under_frequency: stop"),
        (
            {"under_frequency": frequency(50.3, 50.4)},
            "below over_frequency.start",
        ),
        ({"volt_watt": GridVoltWatt(start=250.0, stop=265.0)}, "volt_watt.stop is 265"),
        ({"over_voltage": GridRideThrough(start=190.0)}, "under_voltage.start is 195"),
        ({"over_voltage": GridRideThrough(start=281.0)}, "over_voltage.start is 281"),
        ({"under_voltage": GridRideThrough(start=150.0)}, "zero_current.below is 160"),
        ({"under_voltage": GridRideThrough(start=215.0)}, "the first voltage of reactive"),
        ({"reactive": curve((210, 5), (270, 0))}, "the last voltage of reactive is 270"),
        ({"dc_injection": NAN}, "dc_injection is nan"),
        ({"cos_phi_setpoint": True}, "exclude each other"),
    ],
)
def test_functions_that_contradict_each_other_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(CODE, **changed)


def test_a_power_factor_may_go_from_one_excitation_to_the_other() -> None:
    points = ((0, 0.95), (5000, 1.0), (10_000, -0.95))
    assert len(curve(*points, function=CurveKind.WATT_COS_PHI).points) == 3
