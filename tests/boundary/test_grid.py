"""What a back end says about the grid is checked at the boundary."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from secc.boundary import grid as rules
from secc.boundary import results
from secc.boundary.backend import checked_backend
from secc.boundary.start import check_grid
from secc.boundary.values import accept
from secc.errors import ConfigError, IntegrationError
from secc.session.grid import GridCode, GridCurve, GridTargets
from secc.settings import Iso20Config, SeccConfig
from secc.sim import SimulatedBackend
from tests.boundary.test_prices import forged
from tests.support.grid import CODE, CURVE, GridBackend


def test_a_sound_code_is_passed_on_as_it_is() -> None:
    assert accept("grid_code", rules.GRID_CODE, CODE) == CODE


@pytest.mark.parametrize(
    ("code", "where"),
    [
        (forged(CODE, dc_injection=float("nan")), "dc_injection is nan"),
        (forged(CODE, dc_injection="0.1"), "dc_injection is '0.1'"),
        (forged(CODE, q_setpoint=1), "q_setpoint is 1"),
        (forged(CODE, reactive=forged(CURVE, points=CURVE.points * 4)), "reactive.points is"),
        (
            forged(CODE, reactive=forged(CURVE, points=(forged(CURVE.points[0], y=float("inf")),))),
            "reactive.points[0].y is inf",
        ),
        (forged(CODE, reactive=forged(CURVE, function="VoltVar")), "reactive.function is 'VoltVar'"),
        (forged(CODE, over_voltage=forged(CODE.over_voltage, start=None)), "over_voltage.start is None"),
        (forged(CODE, cos_phi_setpoint=True), "exclude each other"),
        ("a code", "it returned 'a code'"),
    ],
)
def test_another_type_or_range_is_refused_with_the_place(code: Any, where: str) -> None:
    with pytest.raises(IntegrationError) as caught:
        accept("grid_code", rules.GRID_CODE, code)
    assert where in str(caught.value)


@pytest.mark.parametrize("targets", [None, 5.0, forged(GridTargets(), reactive=float("nan"))])
def test_set_points_of_another_type_are_refused(targets: Any) -> None:
    with pytest.raises(IntegrationError, match="set_grid_targets"):
        results.grid_targets("set_grid_targets", targets)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [(GridCode, rules.GRID_CODE), (GridTargets, rules.GRID_TARGETS), (GridCurve, rules.CURVE)],
)
def test_every_field_has_a_rule(kind: Any, rule: Any) -> None:
    assert rule.fields == {field.name for field in dataclasses.fields(kind)}


def test_the_service_needs_a_back_end_with_rules() -> None:
    config = SeccConfig(iso20=Iso20Config(der=True))
    with pytest.raises(ConfigError, match=r"derive SimulatedBackend from secc\.ports\.GridRules"):
        check_grid(config, checked_backend(SimulatedBackend()))
    check_grid(config, checked_backend(GridBackend()))
    check_grid(SeccConfig(), checked_backend(SimulatedBackend()))
