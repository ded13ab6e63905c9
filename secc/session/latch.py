"""What outlives a session: a serious fault keeps the outlet off until somebody has looked [INV-30]."""

from secc.session.events import ControlPilot, EndSession, EvseSnapshot


class FaultLatch:
    """Blocks an outlet from an emergency stop or isolation fault until a reset *and* an unplugged cable.

    Hand in every snapshot and every `EndSession`; give `blocked` to the next `Session`.
    """

    def __init__(self) -> None:
        self._blocked = False
        self._reset = False
        self._unplugged = False

    @property
    def blocked(self) -> bool:
        """No session may energise the outlet."""
        return self._blocked

    def observe(self, snapshot: EvseSnapshot) -> None:
        """A fault that is present latches; an unplugged cable is one half of the way back."""
        if snapshot.fault is not None and snapshot.fault.latched:
            self._latch()
        elif snapshot.control_pilot is ControlPilot.A:
            self._unplugged = True
            self._release()

    def session_ended(self, end: EndSession) -> None:
        """A fault that only the session knew, such as a failed isolation test."""
        if end.fault is not None and end.fault.latched:
            self._latch()

    def reset(self) -> None:
        """Somebody has looked and takes responsibility: the other half."""
        self._reset = True
        self._release()

    def _latch(self) -> None:
        self._blocked = True
        self._reset = self._unplugged = False

    def _release(self) -> None:
        if self._reset and self._unplugged:
            self._blocked = False
