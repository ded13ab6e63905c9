"""What outlives a session: a serious fault keeps the outlet off until somebody has looked [INV-30]."""

from secc.session.events import ControlPilot, EndSession, EvseFault, EvseSnapshot


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
        """Somebody has looked and takes responsibility: the other half."""
        self._reset = True
        self._release()

    def _release(self) -> None:
        if self._reset and self._unplugged:
            self._fault, self._reason = None, ""
