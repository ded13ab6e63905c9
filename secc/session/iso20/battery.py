"""What an EV says about its battery in the charge loop."""

from __future__ import annotations

from typing import Any

import msgspec

from secc.messages.iso20_common import DisplayParameters, RationalNumber
from secc.session.iso20 import numbers
from secc.session.iso20.side import BatteryState


def seen(before: BatteryState, display: DisplayParameters | None, mode: object) -> BatteryState:
    """The state with what a request adds; what it leaves out stays as it was."""
    least = _energy(mode, "ev_minimum_energy_request")
    low, high = (
        _energy(mode, "ev_minimum_v2_x_energy_request"),
        _energy(mode, "ev_maximum_v2_x_energy_request"),
    )
    found: dict[str, Any] = {"minimum_energy": least, "minimum_v2x": low, "maximum_v2x": high}
    if display is not None:
        found |= {
            "present_soc": display.present_soc,
            "minimum_soc": display.minimum_soc,
            "target_soc": display.target_soc,
            "complete": bool(display.charging_complete),
        }
    return msgspec.structs.replace(
        before, **{name: value for name, value in found.items() if value is not None}
    )


def _energy(mode: object, name: str) -> int | None:
    value: RationalNumber | None = getattr(mode, name, None)
    return None if value is None else numbers.down(value)
