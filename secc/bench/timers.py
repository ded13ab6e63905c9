"""Timers of a test: patience of the tester, and declared timers of the station."""

from __future__ import annotations

import dataclasses

__all__ = ["BenchTimers"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BenchTimers:
    """Seconds: the patience of the tester, and the declared timers of the station."""

    message: float = 2.0
    """For most responses."""
    slow_message: float = 5.0
    """For ServiceDetail, PaymentDetails, Certificate*, PowerDelivery."""
    current_demand: float = 0.25
    """For CurrentDemandRes."""
    charge_loop: float = 0.5
    """For ChargeLoopRes of ISO 15118-20."""
    discovery: float = 1.25
    """For an SDP response."""
    ongoing: float = 60.0
    """V2G_EVCC_Ongoing_Timeout."""
    cable_check: float = 40.0
    """V2G_EVCC_CableCheck_Timeout."""
    pre_charge: float = 7.0
    """V2G_EVCC_PreCharge_Timeout."""
    close: float = 5.0
    """For the station to close TCP after a negative response."""
    sequence: float = 60.0
    """V2G_SECC_Sequence_Timeout of the station."""
    setup: float = 18.0
    """V2G_SECC_CommunicationSetup_Performance_Time of the station."""
    station_ongoing: float = 55.0
    """V2G_SECC_Ongoing_Performance_Time of the station."""
    reach: float = 10.0
    """How long the tester looks for a station between two cases."""

    def changed(self) -> dict[str, tuple[float, float]]:
        """Return the standard and the used value of each timer that differs."""
        found = {}
        for field in dataclasses.fields(self):
            value, usual = getattr(self, field.name), field.default
            if value != usual and isinstance(usual, float):
                found[field.name] = (usual, value)
        return found
