"""What outlives a session: the one that the EV has paused and may continue."""

import msgspec

from secc.session.context import Agreed
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.session.outputs import EndSession
from secc.session.paused import PausedSession


def kept(agreed: Agreed, session_id: bytes) -> PausedSession:
    """What a next session needs to continue this one [V2G2-741]; what was not reached in it stays as it was
    before an earlier pause."""
    before, parameters, payer = agreed.continues, agreed.parameters, agreed.pnc.payer
    binding, room = agreed.dialect.kept(agreed)
    this = PausedSession(
        session_id,
        agreed.offer,
        "" if payer is None else payer.contract.emaid.normal,
        payment=agreed.payment,
        mode=None if parameters is None else parameters.mode,
        services=agreed.services_chosen,
        binding=binding,
        room=room,
        departure_at=None if parameters is None else parameters.departure_at,
    )
    if before is None:
        return this
    return msgspec.structs.replace(
        this,
        offer=this.offer or before.offer,
        emaid=this.emaid or before.emaid,
        payment=this.payment or before.payment,
        mode=this.mode or before.mode,
        services=this.services if this.payment is not None else before.services,
        departure_at=before.departure_at if parameters is None else this.departure_at,
    )


class PauseMemory:
    """Keeps the paused session of an outlet, in memory only [INV-13] [INV-32].

    Hand in every snapshot and every `EndSession`; give `paused` to the next `Session`. An unplugged cable,
    the lifetime, and the end of any other session make it forgotten; the last not if it is tied to a vehicle.
    """

    def __init__(self, lifetime: float) -> None:
        """`lifetime`: seconds that a paused session may be continued."""
        self._lifetime = lifetime
        self._paused: PausedSession | None = None
        self._until = 0.0

    def observe(self, snapshot: EvseSnapshot) -> None:
        """Look at the pilot: who unplugs does not come back into the session."""
        if snapshot.control_pilot is ControlPilot.A:
            self._paused = None

    def forget(self) -> None:
        """Nothing can be continued any more: a stop, or a withdrawn authorization, holds for it too."""
        self._paused = None

    def session_ended(self, end: EndSession, now: float) -> None:
        """Remember a paused session; any other session that had got an id replaces the memory by nothing."""
        if end.paused is not None:
            self._paused, self._until = end.paused, now + self._lifetime
        elif end.established and not self._outlives(end):
            self._paused = None

    def _outlives(self, end: EndSession) -> bool:
        """A session that is tied to its vehicle stays until that vehicle has continued it: another one must
        not be able to erase it [V2G20-2627]."""
        paused = self._paused
        return paused is not None and paused.binding != b"" and end.session_id != paused.session_id

    def paused(self, now: float) -> PausedSession | None:
        """What the next session may continue."""
        return self._paused if now < self._until else None
