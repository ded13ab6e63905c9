"""What an EV says about its battery, and the session that only reads it: values and outputs."""

import enum

import msgspec

__all__ = ["BatteryRead", "EvBattery", "SocReading", "SocReadingBegun", "state_of_charge"]


class EvBattery(msgspec.Struct, frozen=True, kw_only=True):
    """The battery as the EV reports it, which nothing proves. It identifies a car: no logs with `evccid`."""

    soc: int
    """State of charge, percent."""
    evccid: str = ""
    """As in `EvIdentity`."""
    protocol: str = ""
    """Protocol of the session, such as `DIN SPEC 70121`."""
    capacity: float | None = None
    """Wh; None: the EV does not say, as most do not."""
    energy_request: float | None = None
    """Wh that the EV wants; None: it does not say."""
    full_soc: int | None = None
    """Percent at which the EV considers its battery full."""
    bulk_soc: int | None = None
    """Percent at which the EV considers fast charging over."""


class SocReading(enum.Enum):
    """Whether a session only reads the state of charge."""

    OFF = "off"
    """An ordinary session."""
    ASK = "ask"
    """Offer DC without energy, and end after the parameters of the EV."""
    DECLINE = "decline"
    """The EV is one that does not charge after it: select no protocol that would read."""


class SocReadingBegun(msgspec.Struct, frozen=True):
    """From here to its end the session energises nothing: obey no command of it but those that switch off."""


class BatteryRead(msgspec.Struct, frozen=True):
    """For the back end and the record: the EV reports its battery; needs no answer."""

    battery: EvBattery


def state_of_charge(message: msgspec.Struct | None) -> float | None:
    """Percent, where the EV reports it: with its DC status (ISO 15118-2, DIN SPEC 70121), or in
    DisplayParameters (ISO 15118-20)."""
    body = getattr(message, "body", message)
    holder = body if hasattr(body, "dc_ev_status") else getattr(body, "ev_charge_parameter", None)
    if (status := getattr(holder, "dc_ev_status", None)) is not None:
        return float(status.ev_ress_soc)
    shown = getattr(getattr(body, "display_parameters", None), "present_soc", None)
    return None if shown is None else float(shown)
