"""Quantities in a message of any protocol: voltages, currents, powers.

In ISO 15118-2 and DIN SPEC 70121 they are fields of the body with a unit; in ISO 15118-20 they are in the
message or one level down, in the element of the control mode.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from secc.session.quantities import amount, number

__all__ = ["content", "quantity", "transferred_power"]


def content(message: msgspec.Struct | None) -> msgspec.Struct | None:
    """The message without its envelope."""
    body: msgspec.Struct | None = getattr(message, "body", message)
    return body


def quantity(message: msgspec.Struct | None, field: str) -> float | None:
    """The value of a field in its unit; None when the message does not have it."""
    for part in _parts(content(message)):
        value = getattr(part, field, None)
        if value is not None:
            return _number(value)
    return None


def transferred_power(message: msgspec.Struct | None) -> float | None:
    """W into the EV as the message has them: DC by the station's readings, AC by those of the EV."""
    volts = quantity(message, "evse_present_voltage")
    amperes = quantity(message, "evse_present_current")
    if volts is not None and amperes is not None:
        return volts * amperes
    return quantity(message, "ev_present_active_power")


def _parts(body: msgspec.Struct | None) -> Iterator[object]:
    yield body
    for name in ("cl_req_control_mode", "cl_res_control_mode"):
        if (part := getattr(body, name, None)) is not None:
            yield part


def _number(value: object) -> float:
    exponent: int | None = getattr(value, "exponent", None)
    if exponent is not None:
        return float(value.value * 10.0**exponent)  # type: ignore[attr-defined]
    return number(amount(value, value.unit))  # type: ignore[arg-type, attr-defined]
