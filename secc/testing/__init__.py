"""Try a controller against its contract, without a car: for pytest and for `secc doctor --controller`.

`check_controller` runs a controller through every row of `ROWS` and returns a `ControllerReport`. The pytest
plug-in `secc.testing.plugin` has the fixtures.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from secc.testing.evidence import Call, Exercise, Observations, Owed, Sample
    from secc.testing.judging import judge
    from secc.testing.report import ControllerReport, as_dict
    from secc.testing.rows import ROWS, ContractRow, RowResult, RowState
    from secc.testing.runner import Rig, check_controller

__all__ = [
    "ROWS",
    "Call",
    "ContractRow",
    "ControllerReport",
    "Observations",
    "Exercise",
    "Owed",
    "Rig",
    "RowResult",
    "RowState",
    "Sample",
    "as_dict",
    "check_controller",
    "judge",
]

_HOME = {
    **dict.fromkeys(("Call", "Observations", "Exercise", "Owed", "Sample"), "evidence"),
    **dict.fromkeys(("ROWS", "ContractRow", "RowResult", "RowState"), "rows"),
    **dict.fromkeys(("ControllerReport", "as_dict"), "report"),
    **dict.fromkeys(("Rig", "check_controller"), "runner"),
    "judge": "judging",
}


def __getattr__(name: str) -> Any:
    """Load a name when it is used: pytest imports this package in every run, also without a controller."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"secc.testing.{_HOME[name]}"), name)
