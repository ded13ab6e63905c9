"""What outlives a session: a serious fault keeps the outlet off until it has been reset by hand [INV-30]."""

import math
from collections.abc import Callable

from secc.session import feedback
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot
from secc.session.outputs import EndSession
from secc.settings.config import SeccConfig


class FaultLatch:
    """Blocks an outlet after a latched fault (`EvseFault.latched`) until a reset *and* an unplugged cable.

    Hand in every snapshot and every `EndSession`; give `blocked` to the next `Session`.
    """

    def __init__(self) -> None:
        self._reason = ""
        self._fault: EvseFault | None = None
        self._reset = False
        self._unplugged = False

    @property
    def blocked(self) -> bool:
        """No session may energise the outlet."""
        return self._fault is not None

    @property
    def fault(self) -> EvseFault | None:
        """The first fault that blocks; None when the outlet is not blocked."""
        return self._fault

    @property
    def reason(self) -> str:
        """Why the outlet is blocked, for people; empty when it is not."""
        return self._reason

    def trip(self, fault: EvseFault, why: str = "") -> None:
        """Block from now on; a reset or an unplugged cable from before counts no more.

        `why` says more than the name of the fault. The reason of the first trip stays. A fault that does not
        latch changes nothing.
        """
        if not fault.latched:
            return
        if self._fault is None:
            self._fault = fault
            self._reason = f"{fault.value}: {why}" if why and why != fault.value else fault.value
        self._reset = self._unplugged = False

    def observe(self, snapshot: EvseSnapshot) -> None:
        """A fault that is present latches; an unplugged cable is one half of the way back."""
        if snapshot.fault is not None and snapshot.fault.latched:
            self.trip(snapshot.fault)
        elif snapshot.control_pilot is ControlPilot.A:
            self._unplugged = True
            self._release()

    def session_ended(self, end: EndSession) -> None:
        """A fault that only the session knew, such as a failed isolation test."""
        if end.fault is not None:
            self.trip(end.fault, end.fault_detail)

    def reset(self) -> None:
        """A person has examined the outlet and takes responsibility: the other half."""
        self._reset = True
        self._release()

    def _release(self) -> None:
        if self._reset and self._unplugged:
            self._fault, self._reason = None, ""


class IdleOutlet:
    """Watches an outlet between two sessions: what was switched off must be off.

    The contactor is judged until it was seen open once: from then on basic charging may close it. A DC output
    is judged while no cable is plugged in: a battery of any car cannot hold its voltage then.
    """

    def __init__(self, config: SeccConfig, trip: Callable[[EvseFault, str], None]) -> None:
        """`trip` is called with what is not off in time: `FaultLatch.trip`, or something that calls it."""
        self._timing, self._dc = config.timing, config.energy.dc
        self._offers_dc = config.energy.offers_dc
        self._trip = trip
        self._open_by: float | None = None
        self._live_since: float | None = None

    def switched_off(self, now: float) -> None:
        """Everything was ordered off: a session has ended, or the station has started."""
        self._open_by = now + self._timing.contactor_release
        self._live_since = None

    def observe(self, snapshot: EvseSnapshot, now: float) -> None:
        """Hand in every snapshot while there is no session, with the monotonic time."""
        if snapshot.contactor_closed is not True:
            self._open_by = None
        elif self._open_by is not None and now >= self._open_by:
            self._trip(EvseFault.CONTACTOR, "closed after it was ordered to open")
        judged = self._offers_dc and snapshot.control_pilot is ControlPilot.A
        live = feedback.live(snapshot, self._dc) if judged else ""
        if not live or math.isnan(snapshot.present_voltage):  # a sensor may sleep
            self._live_since = None
        elif self._live_since is None:
            self._live_since = now
        elif now >= self._live_since + self._timing.discharge:
            self._trip(EvseFault.SWITCH_OFF, f"{live} at an output without a cable")
