"""Limits of an outlet: `[energy]` in its file. V, A, W."""

import dataclasses
import enum

from secc.settings.checks import Settings, check, check_duration, check_range

__all__ = ["AcConfig", "DcConfig", "EnergyConfig", "EnergyMode"]


class EnergyMode(enum.StrEnum):
    """Energy transfer modes, by their literals on the wire."""

    AC_SINGLE_PHASE_CORE = "AC_single_phase_core"
    AC_THREE_PHASE_CORE = "AC_three_phase_core"
    DC_CORE = "DC_core"
    DC_EXTENDED = "DC_extended"
    DC_COMBO_CORE = "DC_combo_core"
    DC_UNIQUE = "DC_unique"

    @property
    def is_dc(self) -> bool:
        """Direct current."""
        return self in _DC_MODES


_DC_MODES = (EnergyMode.DC_EXTENDED, EnergyMode.DC_CORE, EnergyMode.DC_COMBO_CORE, EnergyMode.DC_UNIQUE)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AcConfig(Settings, section="energy.ac"):
    """Limits for alternating current."""

    nominal_voltage: float = 230.0
    """V, phase to neutral."""
    max_current: float = 32.0
    """A per phase."""
    nominal_frequency: float = 50.0
    """Hz, as sent to the EV in ISO 15118-20."""
    max_discharge_current: float = 0.0
    """A per phase that the outlet can take from the EV, ISO 15118-20; 0: none. See `iso20.discharge`."""
    max_power_asymmetry: float | None = None
    """W by which the power of two phases may differ, ISO 15118-20, as sent to the EV; None: any difference.
    The set-points of each phase keep to it."""
    power_ramp: float | None = None
    """W/s by which the set-point of Dynamic mode may rise, ISO 15118-20; it falls at once. None: no limit."""

    def _check(self) -> None:
        if self.max_power_asymmetry is not None:
            check_range(self.max_power_asymmetry, "energy.ac.max_power_asymmetry", 0.0, 1_000_000.0)
        if self.power_ramp is not None:
            check_range(self.power_ramp, "energy.ac.power_ramp", 1.0, 1_000_000.0)
        check_range(self.nominal_frequency, "energy.ac.nominal_frequency", 16.0, 400.0)
        check_range(self.max_discharge_current, "energy.ac.max_discharge_current", 0.0, 1000.0)
        check_range(self.nominal_voltage, "energy.ac.nominal_voltage", 1.0, 1000.0)
        check_range(self.max_current, "energy.ac.max_current", 0.0, 1000.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DcConfig(Settings, section="energy.dc"):
    """Limits for direct current."""

    max_voltage: float = 500.0
    """V."""
    min_voltage: float = 150.0
    """V."""
    max_current: float = 125.0
    """A."""
    min_current: float = 0.0
    """A."""
    max_power: float = 50_000.0
    """W."""
    max_discharge_current: float = 0.0
    """A that the power stage can take from the EV, ISO 15118-20; 0: none. See `iso20.discharge`."""
    max_discharge_power: float = 0.0
    """W, likewise."""
    peak_current_ripple: float = 5.0
    """A, as sent to the EV."""
    current_regulation_tolerance: float | None = None
    """A, as sent to the EV; None omits it."""
    current_ramp: float | None = None
    """A/s by which the set-point may rise; it falls at once. None: the power stage limits the slope."""
    tell_energy: bool = False
    """Send EVSEEnergyToBeDelivered to an EV that has requested an amount, as far as its schedule permits."""
    pre_charge_current: float = 2.0
    """A during pre-charge, at most 2 [INV-05]."""
    pre_charge_tolerance: float = 20.0
    """V between target and output up to which pre-charge counts as reached."""
    safe_voltage: float = 60.0
    """V at the output up to which it counts as without voltage. The isolation test starts only below it, and
    the output must fall below it within `timing.discharge` after it was switched off. A pre-charge to less
    than this, or to less than `min_voltage`, is refused: no battery has such a voltage."""
    demand_window: float = 30.0
    """V by which a set-point of the charge loop may differ from the voltage of pre-charge until the outlet
    measures more current than pre-charge permits; after that, V by which it may exceed the highest voltage
    measured with current. Cars request their final voltage from the first demand."""

    def _check(self) -> None:
        check_range(self.max_voltage, "energy.dc.max_voltage", 1.0, 2000.0)
        check_range(self.min_voltage, "energy.dc.min_voltage", 0.0, self.max_voltage)
        check_range(self.max_current, "energy.dc.max_current", 0.0, 5000.0)
        check_range(self.min_current, "energy.dc.min_current", 0.0, self.max_current)
        check_range(self.max_power, "energy.dc.max_power", 0.0, 10_000_000.0)
        check_range(self.max_discharge_current, "energy.dc.max_discharge_current", 0.0, 5000.0)
        check_range(self.max_discharge_power, "energy.dc.max_discharge_power", 0.0, 10_000_000.0)
        check_range(self.peak_current_ripple, "energy.dc.peak_current_ripple", 0.0, 1000.0)
        check_range(self.pre_charge_current, "energy.dc.pre_charge_current", 0.0, 2.0)
        if self.current_ramp is not None:
            check_range(self.current_ramp, "energy.dc.current_ramp", 0.1, 10_000.0)
        check_range(self.safe_voltage, "energy.dc.safe_voltage", 1.0, 120.0)
        check_range(self.demand_window, "energy.dc.demand_window", 1.0, 200.0)
        tolerance, lowest = self.pre_charge_tolerance, max(self.min_voltage, self.safe_voltage)
        check_range(tolerance, "energy.dc.pre_charge_tolerance", 0.0, min(100.0, lowest / 2))
        if self.current_regulation_tolerance is not None:
            check_range(
                self.current_regulation_tolerance, "energy.dc.current_regulation_tolerance", 0.0, 100.0
            )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EnergyConfig(Settings, section="energy"):
    """The offer to the EV."""

    modes: tuple[EnergyMode, ...] = (EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.AC_SINGLE_PHASE_CORE)
    """One to six energy transfer modes."""
    ac: AcConfig = AcConfig()
    """Used when an AC mode is offered."""
    dc: DcConfig = DcConfig()
    """Used when a DC mode is offered."""
    ask_backend_for_schedules: bool = False
    """True: ask the back end for schedules; False: offer the limit of the outlet at once."""
    renegotiate_above: float | None = 1.25
    """ISO 15118-2: after load management or momentary limits of the outlet have reduced the offer, ask the EV
    to renegotiate when at least this many times as much is available; the EV may decline. None: never. A
    limit below the offer needs no setting: it applies at once, and in AC the EV is asked to renegotiate."""
    meter_info: bool = True
    """Send MeterInfo in the charge loop when the controller has a reading. The sources differ on whether
    external payment permits it [V2G2-666] [V2G2-902]."""
    meter_age: float = 60.0
    """Ignore a reading whose time is older than this; a reading without a time is always used [INV-33]."""

    def _check(self) -> None:
        check(1 <= len(self.modes) <= 6, "energy.modes", "1 to 6 modes")
        check(len(set(self.modes)) == len(self.modes), "energy.modes", "each mode once")
        check_duration(self.meter_age, "energy.meter_age", at_most=86_400.0)
        if self.renegotiate_above is not None:
            check_range(self.renegotiate_above, "energy.renegotiate_above", 1.0, 100.0)

    @property
    def offers_dc(self) -> bool:
        return any(mode.is_dc for mode in self.modes)

    @property
    def offers_ac(self) -> bool:
        return not all(mode.is_dc for mode in self.modes)
