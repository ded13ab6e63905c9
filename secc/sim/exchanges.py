"""What the scripts of all protocols share: exchanges with waits and misbehaviour, time limits, own
measurement."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Protocol

from secc.messages.app_protocol import AppProtocol, SupportedAppProtocolReq, SupportedAppProtocolRes
from secc.messages.xmldsig import Signature
from secc.sim.moves import Answer, Ask, EvGivesUp, Move, Request, Script, Wait
from secc.sim.vehicle import Vehicle

__all__ = ["Exchanges", "Pacing"]


class Pacing(Protocol):
    """What exchanges need of a plan."""

    @property
    def pace(self) -> float: ...
    @property
    def think(self) -> float: ...
    @property
    def waits(self) -> Mapping[type, float]: ...
    @property
    def tamper(self) -> Callable[[Request, int], Move | None] | None: ...


class Exchanges:
    """The state of a script between two messages."""

    def __init__(self, pacing: Pacing, vehicle: Vehicle) -> None:
        """`vehicle` is charged by running the script."""
        self.vehicle = vehicle
        self.now = 0.0
        self.measured_at: float | None = None
        """When energy was last accounted for; None: nothing flows."""
        self._pacing = pacing
        self._power = 0.0
        self._asked: dict[type, int] = {}

    def exchange(
        self,
        request: Request,
        *,
        paced: bool = False,
        signature: Signature | None = None,
        payload_type: int | None = None,
    ) -> Generator[Move, Answer, object]:
        """Send and receive; waiting before it, and misbehaviour instead of it, by the plan."""
        kind, pacing = type(request), self._pacing
        number = self._asked.get(kind, 0)
        self._asked[kind] = number + 1
        pause = pacing.pace if paced and number else pacing.think
        if number == 0:
            pause = pacing.waits.get(kind, pause)
        if pause > 0.0:
            yield Wait(pause)
        move = pacing.tamper(request, number) if pacing.tamper is not None else None
        answer = yield move or Ask(request, signature=signature, payload_type=payload_type)
        self.now = answer.now
        return answer.message

    def propose(self, namespace: str, major: int) -> Script:
        """The handshake with one entry; raises EvGivesUp where the station does not accept it."""
        offer = AppProtocol(
            protocol_namespace=namespace,
            version_number_major=major,
            version_number_minor=0,
            schema_id=1,
            priority=1,
        )
        answer = yield from self.exchange(SupportedAppProtocolReq(app_protocol=(offer,)))
        if not isinstance(answer, SupportedAppProtocolRes) or answer.schema_id != 1:
            raise EvGivesUp(f"no common protocol: {answer}")

    def check_time(self, begun: float, limit: float, request: Request) -> None:
        """Raise EvGivesUp when a phase takes longer than `limit` seconds."""
        if self.now - begun > limit:
            raise EvGivesUp(f"{type(request).__name__}: not finished after {limit:g} s")

    def measure(self, power: float) -> None:
        """Energy since the last response, at the power (W into the vehicle) seen then and now."""
        if self.measured_at is not None:
            self.vehicle.take((self._power + power) / 2, self.now - self.measured_at)
        self.measured_at, self._power = self.now, power
