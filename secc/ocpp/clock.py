"""The time that the CSMS uses: the clock of the station with the offset of the CSMS."""

from __future__ import annotations

from collections.abc import Callable

EARLIEST = 1_577_836_800.0
"""Unix seconds, 2020-01-01: a CSMS that reports an earlier time has no valid clock."""
SKEW = 2.0
"""Difference of the clocks in seconds that is neither corrected nor reported."""


class CsmsClock:
    """Unix seconds; follows the CSMS if configured.

    A jump of the clock of the station does not change a time that the CSMS has set: it would make profiles
    hold for longer, or begin and end DER controls.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        follow: bool,
        report: Callable[[str], None],
        ticks: Callable[[], float],
    ) -> None:
        """`clock` returns Unix seconds of the station, `ticks` seconds that never jump; `report` receives
        texts for the log."""
        self._clock = clock
        self._ticks = ticks
        self._last: tuple[float, float] | None = None
        self._follow = follow
        self._report = report
        self._offset = 0.0
        self._set = False

    @property
    def now(self) -> float:
        """Present time, by the clock of the CSMS if it differs and is followed."""
        return self._station_time() + self._offset

    def _station_time(self) -> float:
        """The clock of the station; a jump goes into the offset if the CSMS has set the time."""
        present, ticks = self._clock(), self._ticks()
        if self._last is not None and self._set:
            jump = (present - self._last[0]) - (ticks - self._last[1])
            if abs(jump) > SKEW:
                self._offset -= jump
                self._report(f"the clock of the station has jumped by {jump:+.0f} s")
        self._last = present, ticks
        return present

    def adjust(self, csms_time: float | None) -> None:
        """Use a time that the CSMS has sent; None or a time before 2020 is ignored."""
        if csms_time is None or csms_time < EARLIEST:
            return
        difference = csms_time - self._station_time()
        if abs(difference) <= SKEW:
            difference = 0.0
        if abs(difference - self._offset) > SKEW:
            used = "messages use the clock of the CSMS" if self._follow else "the station keeps its clock"
            self._report(f"the clock of the CSMS differs by {difference:+.0f} s: {used}")
        self._offset = difference if self._follow else 0.0
        self._set = self._follow
