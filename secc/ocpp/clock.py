"""The time that the CSMS uses: the clock of the station with the offset of the CSMS."""

from __future__ import annotations

from collections.abc import Callable

EARLIEST = 1_577_836_800.0
"""Unix seconds, 2020-01-01: a CSMS that reports an earlier time has no valid clock."""
SKEW = 2.0
"""Difference of the clocks in seconds that is neither corrected nor reported."""


class CsmsClock:
    """Unix seconds; follows the CSMS if configured."""

    def __init__(self, clock: Callable[[], float], *, follow: bool, report: Callable[[str], None]) -> None:
        """`clock` returns Unix seconds of the station; `report` receives texts for the log."""
        self._clock = clock
        self._follow = follow
        self._report = report
        self._offset = 0.0

    @property
    def now(self) -> float:
        """Present time, by the clock of the CSMS if it differs and is followed."""
        return self._clock() + self._offset

    def adjust(self, csms_time: float | None) -> None:
        """Use a time that the CSMS has sent; None or a time before 2020 is ignored."""
        if csms_time is None or csms_time < EARLIEST:
            return
        difference = csms_time - self._clock()
        if abs(difference) <= SKEW:
            difference = 0.0
        if abs(difference - self._offset) > SKEW:
            used = "messages use the clock of the CSMS" if self._follow else "the station keeps its clock"
            self._report(f"the clock of the CSMS differs by {difference:+.0f} s: {used}")
        self._offset = difference if self._follow else 0.0
