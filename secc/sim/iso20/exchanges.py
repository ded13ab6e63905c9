"""Exchanges of ISO 15118-20: a header in each request, codes OK, WARNING and FAILED in the responses."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from secc.messages import iso20_common as common
from secc.messages.iso20_common import Processing
from secc.messages.numbers import number
from secc.messages.xmldsig import Signature
from secc.sim.exchanges import Exchanges
from secc.sim.iso20.plan import Iso20Plan
from secc.sim.moves import Answer, EvGivesUp, Move
from secc.sim.vehicle import Vehicle

__all__ = ["Iso20Exchanges"]

R = TypeVar("R")


class Iso20Exchanges(Exchanges):
    """What the script and its energy side know of the session."""

    def __init__(self, plan: Iso20Plan, vehicle: Vehicle, notes: list[str] | None = None) -> None:
        """`notes`: where to write what was odd about the station."""
        super().__init__(plan, vehicle)
        self.plan = plan
        self.session_id = plan.session_id
        self.notes = [] if notes is None else notes
        self.begun: float | None = None
        """When the session was set up."""
        self.standing_by = False
        """In standby, where it takes nothing."""
        self.schedule: common.ScheduleTuple | None = None
        """The chosen one; None in Dynamic mode."""
        self.stamp = 0
        """TimeStamp of the last response: the time of the station, in its unit."""

    @property
    def header(self) -> common.MessageHeader:
        """To be stamped when it is sent."""
        return common.MessageHeader(session_id=self.session_id, time_stamp=0)

    @property
    def time_left(self) -> int:
        """Seconds until departure."""
        begun = self.now if self.begun is None else self.begun
        return max(0, round(self.plan.departure - (self.now - begun)))

    @property
    def scheduled_power(self) -> float:
        """W that the chosen schedule allows, by its first entry; no limit without a schedule."""
        if self.schedule is None:
            return float("inf")
        entries = self.schedule.charging_schedule.power_schedule.power_schedule_entries
        return number(entries.power_schedule_entry[0].power)

    @property
    def scheduled_phases(self) -> tuple[float, float, float]:
        """The same for L1, L2 and L3."""
        if self.schedule is None:
            return (float("inf"),) * 3
        first = self.schedule.charging_schedule.power_schedule.power_schedule_entries.power_schedule_entry[0]
        if first.power_l2 is None or first.power_l3 is None:
            return (number(first.power) / 3,) * 3
        return number(first.power), number(first.power_l2), number(first.power_l3)

    def ask(
        self,
        request: Any,
        expected: type[R],
        *,
        paced: bool = False,
        stream: int | None = None,
        signature: Signature | None = None,
    ) -> Generator[Move, Answer, R]:
        """One exchange with a response of the right class and session that is not FAILED; EvGivesUp
        otherwise."""
        message: Any = yield from self.exchange(
            request, paced=paced, payload_type=stream, signature=signature
        )
        if not isinstance(message, expected):
            raise EvGivesUp(f"{type(request).__name__} was answered by {type(message).__name__}")
        response: Any = message
        self.stamp = response.header.time_stamp
        code = response.response_code.value
        if code.startswith("FAILED"):
            raise EvGivesUp(f"{type(message).__name__}: {code}")
        if code.startswith("WARNING"):
            self.notes.append(f"{type(message).__name__}: {code}")
        if not isinstance(response, common.SessionSetupRes) and response.header.session_id != self.session_id:
            raise EvGivesUp(f"{type(message).__name__} has another SessionID")
        return message

    def until_finished(
        self, request: Any, expected: type[R], *, limit: float = 60.0, stream: int | None = None
    ) -> Generator[Move, Answer, R]:
        """Repeat a request until the answer says Finished."""
        begun = self.now
        while True:
            answer: Any = yield from self.ask(request, expected, paced=True, stream=stream)
            if answer.evse_processing is Processing.FINISHED:
                return answer  # type: ignore[no-any-return]
            self.check_time(begun, limit, request)
