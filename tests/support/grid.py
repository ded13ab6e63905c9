"""Rules of a grid for tests: one of each function that can stand beside the others."""

from __future__ import annotations

from secc.ports import GridRules
from secc.session.grid import (
    CurveKind,
    GridCode,
    GridCurve,
    GridFrequencyWatt,
    GridPoint,
    GridRideThrough,
    GridVoltWatt,
    GridZeroCurrent,
    StepResponse,
)
from secc.sim import SimulatedBackend

CURVE = GridCurve(
    function=CurveKind.VOLT_VAR,
    points=(GridPoint(210.0, 4000.0), GridPoint(225.0, 0.0), GridPoint(240.0, -4000.0)),
    min_cos_phi=0.9,
    lock_in=500.0,
    lock_out=200.0,
    response=StepResponse(10.0),
)
CODE = GridCode(
    over_frequency=GridFrequencyWatt(start=50.2, stop=50.1, slope=40.0),
    under_frequency=GridFrequencyWatt(start=49.8, stop=49.9, slope=40.0, of_momentary=False),
    volt_watt=GridVoltWatt(start=250.0, stop=260.0),
    reactive=CURVE,
    over_voltage=GridRideThrough(start=264.0, k_positive=2.0),
    under_voltage=GridRideThrough(start=195.0),
    zero_current=GridZeroCurrent(above=280.0, below=160.0),
    dc_injection=0.1,
    q_setpoint=True,
)


class GridBackend(SimulatedBackend, GridRules):
    """A simulated back end with rules of the grid."""

    def __init__(self, code: GridCode | None = CODE) -> None:
        super().__init__()
        self.code = code
        self.events: list[int] = []

    async def grid_code(self, evse_id: str) -> GridCode | None:
        return self.code

    async def grid_event(self, evse_id: str, condition: int) -> None:
        self.events.append(condition)
