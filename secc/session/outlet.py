"""The outlet as the session sees it: pilot, contactor, voltage, isolation, meter, faults.

Volts, amperes, watts, watt-hours, seconds.
"""

import enum

import msgspec

__all__ = ["ControlPilot", "EvseFault", "EvseSnapshot", "IsolationLevel", "MeterReading"]


class ControlPilot(enum.StrEnum):
    """Control pilot state of IEC 61851-1, duty cycle left aside."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"

    @property
    def wants_energy(self) -> bool:
        """The EV has closed its switch: states C and D."""
        return self in (ControlPilot.C, ControlPilot.D)

    @property
    def connected(self) -> bool:
        """A vehicle is plugged in and the pilot is sound: B, C, D."""
        return self in (ControlPilot.B, ControlPilot.C, ControlPilot.D)


class IsolationLevel(enum.StrEnum):
    """Result of an isolation test."""

    INVALID = "Invalid"
    """Not tested, or no result."""
    VALID = "Valid"
    WARNING = "Warning"
    """Low but acceptable: charging may go on."""
    FAULT = "Fault"
    NO_IMD = "No_IMD"
    """No isolation monitor: never accepted as a result [INV-06]."""


class EvseFault(enum.StrEnum):
    """Why the outlet must not deliver energy."""

    EMERGENCY_STOP = "emergency stop"
    """Latched: needs a reset by hand and an unplugged cable [INV-30]."""
    ISOLATION = "isolation fault"
    """Latched as well."""
    RESIDUAL_CURRENT = "residual current"
    """The RCD has tripped."""
    CONTACTOR = "contactor does not follow"
    """Latched: closed when it must be open (welded), open when it must be closed, or stuck."""
    SWITCH_OFF = "output did not switch off"
    """Latched: a command to switch off failed, or voltage or current stayed at the output after it."""
    MALFUNCTION = "malfunction"
    """Anything else: over-temperature, another driver error."""

    @property
    def latched(self) -> bool:
        """Outlives the session: no output until a reset by hand and an unplugged cable [INV-30]."""
        return self in _LATCHED


_LATCHED = frozenset(
    {EvseFault.EMERGENCY_STOP, EvseFault.ISOLATION, EvseFault.CONTACTOR, EvseFault.SWITCH_OFF}
)


class MeterReading(msgspec.Struct, frozen=True, gc=False):
    """What the meter itself says. Put None into the snapshot when the meter is stale or silent [INV-33]."""

    meter_id: str
    """At most 32 characters."""
    energy: int
    """Wh delivered to vehicles, never falling within a session."""
    utc: int | None = None
    """Unix seconds of the reading."""
    signature: bytes | None = None
    """At most 64 bytes."""
    status: int | None = None
    """The status word of the meter, 16 bits signed."""
    exported: int | None = None
    """Wh taken from vehicles, never falling within a session; None: the meter has no such register."""

    def __post_init__(self) -> None:
        if not 0 < len(self.meter_id) <= 32:
            raise ValueError(f"meter_id has {len(self.meter_id)} characters, expected 1 to 32")
        if not 0 <= self.energy < 2**64:
            raise ValueError(f"energy is {self.energy} Wh, expected 0 or more")
        if self.exported is not None and not 0 <= self.exported < 2**64:
            raise ValueError(f"exported is {self.exported} Wh, expected 0 or more")
        if self.signature is not None and len(self.signature) > 64:
            raise ValueError(f"signature has {len(self.signature)} bytes, expected at most 64")
        if self.status is not None and not -(2**15) <= self.status < 2**15:
            raise ValueError(f"status is {self.status}, expected 16 bits signed")


class EvseSnapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The outlet as its controller sees it at one moment; must cost nothing to take.

    A snapshot with a field of another type, out of range, NaN or infinite is refused as a whole: the session
    ends with the output off, and none begins until there is a good one (`secc.boundary`).
    """

    control_pilot: ControlPilot
    utc: float = 0.0
    """Wall clock, Unix seconds. Never used for a protocol timer."""
    present_voltage: float = 0.0
    """V at the output, DC; finite, at least -60: an offset of the sensor may show below 0."""
    present_current: float = 0.0
    """A at the output, DC; finite, positive to the EV. A controller without `secc.ports.Discharges` may
    report no less than -60 A, the offset of a sensor."""
    present_power: float | None = None
    """W measured at the connector, positive to the EV; None: not measured. ISO 15118-20 compares it with the
    power in force and reports it to the EV, AC."""
    phase_powers: tuple[float, float, float] | None = None
    """The same for L1, L2 and L3, three-phase AC; None: not measured apart. An EV that tells its phases apart
    gets them."""
    contactor_closed: bool | None = None
    """Feedback of the contactor, by level: of the contacts themselves, not of the coil. None: there is
    none; then what `close_contactor` and `open_contactor` return is all there is, and a welded contactor goes
    unnoticed."""
    ready: bool = True
    """False while the power electronics cannot deliver."""
    max_voltage: float | None = None
    """V, momentary limit below the configured one, 0 or more and finite; None: the configured one."""
    max_current: float | None = None
    """A (AC: per phase), as above, in both directions."""
    max_power: float | None = None
    """W, as above, in both directions."""
    fault: EvseFault | None = None
    isolation: IsolationLevel = IsolationLevel.INVALID
    """What the isolation monitor says now, for information; for the test see `CableCheckReported`."""
    meter: MeterReading | None = None
